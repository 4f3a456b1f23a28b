"""A reference picture: a file that an edit starts from."""

from dataclasses import dataclass
from pathlib import Path

MAX_REFERENCES = 5
"""Source: Microsoft's list of the models, "up to five"; the service says the same to more."""

MAX_REFERENCE_BYTES = 50_000_000
"""A limit of our own: the service's is not published, other clients stop at 20 to 50 MB."""


@dataclass(frozen=True)
class Reference:
    """A picture that was read and found whole.

    ``path`` is absolute, ``sha256`` the digest of the file as it is (hexadecimal), ``format``
    what it really is, in Pillow's words: ``JPEG``.
    """

    path: Path
    sha256: str
    format: str

    def to_json(self) -> dict[str, object]:
        """What a record tells of it."""
        return {"path": str(self.path), "sha256": self.sha256}
