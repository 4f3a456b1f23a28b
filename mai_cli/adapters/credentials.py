"""What signs a request; :mod:`mai_cli.adapters.entra_id` is the other kind."""

from collections.abc import Mapping
from typing import Protocol


class Credential(Protocol):
    """Signs requests. ``is_token`` says whether it has to be granted first."""

    is_token: bool

    @property
    def source(self) -> str:
        """Where it comes from, for people."""

    def headers(self) -> dict[str, str]:
        """The header that signs a request.

        Raises:
            AuthError: There is nothing to sign with.
        """

    def renew(self, headers: Mapping[str, str], /) -> bool:
        """Forget ``headers``, which the service did not accept; whether trying again can help."""


class ApiKey:
    """The key of a Foundry resource, sent in the header ``api-key``."""

    is_token = False

    def __init__(self, key: str, source: str = "a key") -> None:
        self._key = key
        self.source = source

    def headers(self) -> dict[str, str]:
        """The key; it does not change."""
        return {"api-key": self._key}

    def renew(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - a token knows more
        """A key that was not accepted will not be accepted again."""
        return False


NOBODY = ApiKey("")
"""For calls that are not signed."""
