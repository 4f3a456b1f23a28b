"""How the resource is reached: its address, who signs the requests, and what sends them."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from mai_cli.errors import AuthError, ConfigError

if TYPE_CHECKING:
    from mai_cli.adapters.credentials import Credential
    from mai_cli.adapters.foundry import Foundry, Reached
    from mai_cli.adapters.offline import OfflineTransport
    from mai_cli.models.endpoint import Endpoint
    from mai_cli.models.settings import Origin, Settings
    from mai_cli.parts import Parts
    from mai_cli.services.keys import Keys


class Access:
    """The parts that lead to the resource which the settings name.

    ``settings`` tells them, when they are needed.
    """

    def __init__(
        self,
        parts: "Parts",
        settings: Callable[[], "Settings"],
        environ: Mapping[str, str],
        closing: ExitStack,
    ) -> None:
        self._parts = parts
        self._settings = settings
        self._environ = environ
        self._closing = closing

    @property
    def settings(self) -> "Settings":
        """The settings that hold."""
        return self._settings()

    @property
    def endpoint(self) -> "Endpoint | None":
        """The resource that pictures are asked of; none offline."""
        return None if self.settings.offline else self.needed_endpoint

    @property
    def needed_endpoint(self) -> "Endpoint":
        """The resource that the settings name."""
        if self.settings.endpoint is None:
            raise ConfigError(
                "No Foundry endpoint is set.",
                code="missing_setting",
                hint="Run 'mai config init', or set MAI_ENDPOINT to "
                "https://NAME.services.ai.azure.com, or add --offline to draw placeholders on "
                "this machine.",
            )
        return self.settings.endpoint

    def painter(self, timeout_seconds: float) -> "Foundry":
        """What draws: the resource, or this machine where offline."""
        endpoint = self.endpoint
        if endpoint is not None:
            return self._foundry(endpoint, self.credential, timeout_seconds)
        from mai_cli.adapters import offline

        transport = offline.OfflineTransport()
        return self._foundry(offline.ENDPOINT, offline.CREDENTIAL, timeout_seconds, transport)

    def reach(self, timeout_seconds: float) -> "Reached":
        """Call the resource without a credential, to see that it is there."""
        from mai_cli.adapters.credentials import NOBODY

        return self._foundry(self.needed_endpoint, NOBODY, timeout_seconds).reach()

    def _foundry(
        self,
        endpoint: "Endpoint",
        credential: "Credential",
        timeout_seconds: float,
        transport: "OfflineTransport | None" = None,
    ) -> "Foundry":
        from mai_cli.adapters.foundry import Foundry
        from mai_cli.adapters.trust import trusted

        foundry = Foundry(
            endpoint,
            credential,
            timeout_seconds=timeout_seconds,
            log=self._parts.output.log,
            # Loading the certificates takes longer than a request on this machine.
            trust=trusted(self._environ) if endpoint.base.startswith("https:") else None,
            transport=transport,
        )
        self._closing.callback(foundry.close)
        return foundry

    @cached_property
    def credential(self) -> "Credential":
        """What signs requests: a key if there is one and the settings allow it, else Entra ID."""
        from mai_cli.adapters.credentials import ApiKey

        settings = self.settings
        if settings.auth != "entra":
            if settings.api_key:
                return ApiKey(settings.api_key, f"a key from {settings.origin('api_key')}")
            if settings.endpoint and (key := self.keys.find(settings.endpoint)):
                return ApiKey(key, f"a key from {self.keys.origin(settings.endpoint)}")
        if settings.auth == "key":
            raise AuthError(
                "The settings ask for an API key, but there is none for this endpoint.",
                code="no_credential",
                hint="Store one with 'mai config set api_key', or set MAI_API_KEY.",
            )
        from mai_cli.adapters.entra_id import EntraId
        from mai_cli.adapters.trust import trusted_by_requests

        identity = EntraId(
            settings.scope,
            log=self._parts.output.log,
            secrets=[value for name, value in self._environ.items() if _is_secret(name)],
            verify=trusted_by_requests(self._environ),
        )
        self._closing.callback(identity.close)
        return identity

    @cached_property
    def keys(self) -> "Keys":
        """The keys that were stored."""
        from mai_cli.adapters.system_keyring import KeyringError, SystemKeyring
        from mai_cli.services.keys import Keys
        from mai_cli.stores.credentials_file import CredentialsFile

        file = CredentialsFile(self._parts.paths.credentials)
        return Keys(file, SystemKeyring(), failure=KeyringError, tell=self._parts.output.note)

    @property
    def key_origin(self) -> "Origin | None":
        """Where the stored key of the endpoint is, if there is one."""
        endpoint = self.settings.endpoint
        return self.keys.origin(endpoint) if endpoint else None


def _is_secret(name: str) -> bool:
    """Whether a variable of the environment may hold a password or token."""
    return name.upper().endswith(("SECRET", "PASSWORD", "_TOKEN", "IDENTITY_HEADER"))
