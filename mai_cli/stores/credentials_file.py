"""``credentials.toml``: the keys that were stored, each for one endpoint; for the user's eyes only.

An entry is a table named by the endpoint, with the ``api_key`` itself, or ``keyring = true``
where the system's keyring holds it.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from mai_cli.errors import ConfigError
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.keys import parse_api_key
from mai_cli.stores.atomic import partial_of
from mai_cli.stores.config_text import read_text

PRIVATE = 0o600


class CredentialsFile:
    """The file at ``path``, which need not exist."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def key(self, endpoint: Endpoint) -> str | None:
        """The key for ``endpoint``, if it is in this file.

        Raises:
            ConfigError: The file cannot be read, or is not as ``mai`` writes it.
        """
        key = self._entry(endpoint).get("api_key")
        if key is None:
            return None
        try:
            return parse_api_key(key)
        except ValueError:
            raise self._broken() from None

    def names_keyring(self, endpoint: Endpoint) -> bool:
        """Whether the keyring has the key for ``endpoint``.

        Raises:
            ConfigError: The file cannot be read, or is not as ``mai`` writes it.
        """
        return self._entry(endpoint).get("keyring") is True

    def put(self, endpoint: Endpoint, key: str | None) -> None:
        """Keep ``key`` for ``endpoint``, in place of any other; ``None``: the keyring has it.

        Raises:
            ConfigError: The file cannot be written; it is as before.
        """
        self._change(endpoint, {"api_key": key} if key else {"keyring": True})

    def remove(self, endpoint: Endpoint) -> bool:
        """Forget the key for ``endpoint``; whether there was one.

        Raises:
            ConfigError: The file cannot be written; it is as before.
        """
        has_left = partial_of(Path(os.path.realpath(self.path))).exists()  # by a killed writer
        return (bool(self._entry(endpoint)) or has_left) and self._change(endpoint, None)

    def is_open_to_others(self) -> bool:
        """Whether other users of this machine can read the file."""
        if os.name == "nt":
            return False  # the user's folder is private there
        try:
            return bool(stat.S_IMODE(self.path.stat().st_mode) & 0o077)
        except OSError:
            return False

    def _change(self, endpoint: Endpoint, entry: Mapping[str, object] | None) -> bool:
        from mai_cli.stores.toml_edit import change  # noqa: PLC0415 - slow, and rarely needed

        return change(self.path, {(str(endpoint),): entry}, mode=PRIVATE)

    def _entry(self, endpoint: Endpoint) -> Mapping[str, object]:
        text = read_text(self.path)
        if not text:
            return {}
        import tomllib  # noqa: PLC0415 - many have no file

        try:
            entry = tomllib.loads(text).get(str(endpoint), {})
        except (ValueError, RecursionError):  # what is in it is not repeated
            raise self._broken() from None
        if not isinstance(entry, dict):
            raise self._broken()
        return entry

    def _broken(self) -> ConfigError:
        return ConfigError(
            f"{self.path} is not a file of keys as mai writes it.",
            code="bad_config_file",
            hint="Move it away, and store the key again: mai config set api_key",
        )
