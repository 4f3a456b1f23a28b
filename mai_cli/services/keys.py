"""Where a stored key is kept: the system keyring where there is one, else a file.

A key is stored for one endpoint, and found for that one only.
"""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from mai_cli.errors import ConfigError
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.settings import Origin

KEYRING = Origin("keyring", "the system keyring")


class Keyring(Protocol):
    """The system's keyring; its failures are ``failure``."""

    @property
    def is_installed(self) -> bool:
        """Whether it can be asked."""

    def get(self, name: str, /) -> str | None:
        """The key of that name."""

    def set(self, name: str, key: str, /) -> bool:
        """Store a key; whether there is a keyring."""

    def delete(self, name: str, /) -> None:
        """Forget a key."""


class File(Protocol):
    """The file of keys, which also says which of them the keyring has."""

    @property
    def path(self) -> Path:
        """Where it is."""

    def key(self, endpoint: Endpoint, /) -> str | None:
        """The key in the file."""

    def names_keyring(self, endpoint: Endpoint, /) -> bool:
        """Whether the keyring has the key."""

    def put(self, endpoint: Endpoint, key: str | None, /) -> None:
        """Keep a key; ``None``: the keyring has it."""

    def remove(self, endpoint: Endpoint, /) -> bool:
        """Forget a key."""

    def is_open_to_others(self) -> bool:
        """Whether others can read it."""


class Keys:
    """The keys that were stored on this machine."""

    def __init__(
        self,
        file: File,
        keyring: Keyring,
        *,
        failure: type[Exception],
        tell: Callable[[str], None],
    ) -> None:
        self._file = file
        self._keyring = keyring
        self._failure = failure
        self._tell = tell

    def origin(self, endpoint: Endpoint) -> Origin | None:
        """Where the key for ``endpoint`` is kept, without asking the keyring for it."""
        if self._file.names_keyring(endpoint):
            return KEYRING
        if self._file.key(endpoint):
            return Origin("credentials", str(self._file.path))
        return None

    def find(self, endpoint: Endpoint) -> str | None:
        """The key for ``endpoint``, if one is stored and can be had."""
        if self._file.names_keyring(endpoint):
            return self._from_keyring(endpoint)
        key = self._file.key(endpoint)
        if key and self._file.is_open_to_others():
            path = self._file.path
            command = f"chmod 600 {shlex.quote(str(path))}"
            self._tell(f"Warning: others can read the keys in {path}; run: {command}")
        return key

    @property
    def exposed(self) -> Path | None:
        """The file of keys, where others on this machine can read it."""
        return self._file.path if self._file.is_open_to_others() else None

    def store(self, endpoint: Endpoint, key: str) -> Origin:
        """Keep ``key`` for ``endpoint``, in place of any other; where it is now.

        Raises:
            ConfigError: It cannot be written.
        """
        if self._keyring.is_installed and self._in_keyring(endpoint, key):
            self._file.put(endpoint, None)
            return KEYRING
        self._file.put(endpoint, key)
        return Origin("credentials", str(self._file.path))

    def _in_keyring(self, endpoint: Endpoint, key: str) -> bool:
        """Whether the keyring took the key."""
        try:
            return self._keyring.set(str(endpoint), key)
        except self._failure as error:
            self._tell(f"Note: {error}; the key goes into a file instead.")
            return False

    def forget(self, endpoint: Endpoint) -> bool:
        """Remove the key for ``endpoint``; whether there was one.

        Raises:
            ConfigError: It cannot be removed.
        """
        if self._file.names_keyring(endpoint):
            try:
                self._keyring.delete(str(endpoint))
            except self._failure as error:
                raise ConfigError(
                    f"The key cannot be removed: {error}.",
                    code="cannot_write",
                    hint="Unlock the keyring, or remove the key with its own program.",
                ) from None
        return self._file.remove(endpoint)

    def _from_keyring(self, endpoint: Endpoint) -> str | None:
        if not self._keyring.is_installed:
            self._tell("The key is in the system keyring; to read it, install the extra keyring.")
            return None
        try:
            key = self._keyring.get(str(endpoint))
        except self._failure as error:
            self._tell(f"Note: the key cannot be read, since {error}.")
            return None
        if key is None:
            self._tell("The system keyring has lost the key; store it again.")
        return key
