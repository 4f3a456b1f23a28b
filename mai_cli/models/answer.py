"""What came back for one request: facts about the picture, never its bytes."""

from dataclasses import dataclass
from pathlib import Path

from mai_cli.errors import StorageError


@dataclass(frozen=True)
class Usage:
    """Tokens that the service counted; ``None`` where it did not say."""

    input_text_tokens: int | None = None
    input_image_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True)
class Picture:
    """A whole PNG: its size in pixels and bytes, and its digest (SHA-256, hexadecimal)."""

    width: int
    height: int
    bytes: int
    sha256: str
    content_credentials: bool


@dataclass(frozen=True)
class Answer:
    """A picture that the service drew. ``usage`` is ``None`` where the service did not tell."""

    picture: Picture
    usage: Usage | None
    request_id: str | None


@dataclass(frozen=True)
class Kept:
    """Where a master is: ``name`` is its path in the gallery.

    ``problem`` says why it is not in the gallery, if it is not; ``name`` is then absolute.
    """

    path: Path
    name: str
    problem: StorageError | None = None
