"""The system's keyring, where the optional extra ``keyring`` is installed."""

from mai_cli.adapters.within import within

SERVICE = "mai"
PATIENCE_SECONDS = 5.0
"""A keyring may ask its user to unlock it, on a screen that nobody sees."""


class KeyringError(Exception):
    """The keyring does not work; the text says why, and holds no key."""


class NoKeyringError(KeyringError):
    """The system has none."""


class SystemKeyring:
    """Keys by name, in whatever the system has: Keychain, Credential Locker, Secret Service."""

    def __init__(self, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self._patience_seconds = patience_seconds

    @property
    def is_installed(self) -> bool:
        """Whether the extra is there; whether it works shows when it is asked."""
        from importlib.util import find_spec  # noqa: PLC0415 - slow for what it does

        return find_spec("keyring") is not None

    def get(self, name: str) -> str | None:
        """The key of that name, if the keyring has one.

        Raises:
            KeyringError: It failed, or gave no answer in time.
        """
        return self._ask("get_password", name)

    def set(self, name: str, key: str) -> bool:
        """Store ``key``; whether there is a keyring to store it in.

        Raises:
            KeyringError: It failed, or gave no answer in time.
        """
        try:
            self._ask("set_password", name, key)
            return self._ask("get_password", name) == key  # one that is turned off keeps none
        except NoKeyringError:
            return False

    def delete(self, name: str) -> None:
        """Forget the key of that name.

        Raises:
            KeyringError: It failed, or gave no answer in time.
        """
        self._ask("delete_password", name)

    def _ask(self, method: str, *args: str) -> str | None:
        def call() -> str | None:
            import keyring  # noqa: PLC0415 - looks for backends, which may be slow or hang

            answer: str | None = getattr(keyring, method)(SERVICE, *args)
            return answer

        try:
            return within(self._patience_seconds, call)
        except TimeoutError as error:
            raise KeyringError(f"the system keyring gave {error}") from None
        except (Exception, SystemExit) as error:  # noqa: BLE001 - each fails in its own way
            kind = type(error).__name__
            if kind in ("NoKeyringError", "ModuleNotFoundError"):
                raise NoKeyringError("there is no system keyring") from None
            raise KeyringError(f"the system keyring failed ({kind})") from None
