"""Signing in with Entra ID through azure-identity; slow to load, so only where it is used."""

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote_plus

from azure.core.credentials import AccessToken
from azure.identity import DefaultAzureCredential

from mai_cli.adapters.within import within
from mai_cli.errors import AuthError, ConfigError, MaiError, UnavailableError

REFRESH_SECONDS = 300
"""A token is renewed when it has less than this left; it lives 60 to 90 minutes."""

TRY_AGAIN_SECONDS = 30
"""Until a token that could not be renewed, but still holds, is asked for again."""

PATIENCE_SECONDS = 45.0
"""For all ways together. A way that starts a program, such as ``az``, has 10 s by itself."""

_NAMES = {
    "EnvironmentCredential": "AZURE_ variables",
    "WorkloadIdentityCredential": "workload identity",
    "ManagedIdentityCredential": "managed identity",
    "AzureCliCredential": "Azure CLI",
    "AzurePowerShellCredential": "Azure PowerShell",
    "AzureDeveloperCliCredential": "Azure Developer CLI",
}
_NEED_MORE = {  # ways that need packages which mai does not bring, or a cache that nothing fills
    "exclude_shared_token_cache_credential": True,
    "exclude_visual_studio_code_credential": True,
    "exclude_broker_credential": True,
}
_WAY = "|".join(_NAMES)
_ATTEMPT = re.compile(
    rf"^\t({_WAY}): (.*?)(?=^\t(?:{_WAY}): |^To mitigate|\Z)", re.MULTILINE | re.DOTALL
)
_UNREACHABLE = re.compile(
    r"Failed to (resolve|establish a new connection)|Connection (refused|reset)"
    r"|Max retries exceeded|timed out"
)
_TOKEN = re.compile(r"eyJ[\w.~+/=-]+")
_ANSWER = re.compile(
    r"""((?:token|secret|password|assertion)["']?\s*[:=]\s*["']?)[^"'\s,}]+""", re.IGNORECASE
)
_OF_JOBS = ("EnvironmentCredential", "WorkloadIdentityCredential")
_MAX_WORDS = 300


class EntraId:
    """Signs with a token of Entra ID: ``az login``, managed identity, workload identity."""

    is_token = True

    def __init__(
        self,
        scope: str,
        *,
        log: Callable[[str], None] = lambda _text: None,
        secrets: Sequence[str] = (),
        verify: str | bool = True,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Prepare to sign in for ``scope``.

        ``log`` is told what each way says, without ``secrets``; ``verify`` is what requests
        takes for the certificates to trust.
        """
        # Without a handler, Python prints the library's warnings itself.
        logging.getLogger("azure").addHandler(logging.NullHandler())
        self._scope = scope
        self._log = log
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._verify = verify
        self._patience_seconds = patience_seconds
        self._identity = self._new_identity()
        self._token: AccessToken | None = None
        self._renew_at = 0.0
        self._guard = threading.Lock()  # one sign-in is enough for all pictures of a batch

    @property
    def source(self) -> str:
        """Entra ID; once there is a token, by which way."""
        # The library tells only its log which one it was.
        found = getattr(self._identity, "_successful_credential", None)
        way = _NAMES.get(type(found).__name__)
        return f"Entra ID, by {way}" if way else "Entra ID"

    def headers(self) -> dict[str, str]:
        """The bearer token, a fresh one shortly before the old one expires.

        Raises:
            AuthError: No way leads to a token.
            UnavailableError: The sign-in service cannot be reached.
            ConfigError: A variable that azure-identity reads has a wrong value.
        """
        with self._guard:
            now = time.time()
            if self._token is None or now >= self._renew_at:
                try:
                    self._token = self._ask()
                    self._renew_at = self._token.expires_on - REFRESH_SECONDS
                except MaiError:
                    if self._token is None or self._token.expires_on - now < 1:
                        raise
                    self._renew_at = now + TRY_AGAIN_SECONDS  # the old one still holds
            return _signed(self._token)

    def renew(self, headers: Mapping[str, str]) -> bool:
        """Drop the token of ``headers``, and with the identity all that it remembers."""
        with self._guard:
            if self._token is not None and _signed(self._token) == headers:
                self._identity.close()
                self._identity = self._new_identity()
                self._token = None
        return True

    def close(self) -> None:
        """Close the connections."""
        self._identity.close()

    def _ask(self) -> AccessToken:
        try:
            token = within(self._patience_seconds, lambda: self._identity.get_token(self._scope))
        except TimeoutError:
            raise AuthError(
                f"Signing in to Entra ID gave no answer within {self._patience_seconds:g} s.",
                code="no_credential",
                hint="Name the way to use in AZURE_TOKEN_CREDENTIALS, such as AzureCliCredential, "
                "or use a key: mai config set api_key",
            ) from None
        except Exception as error:  # noqa: BLE001 - a way may fail as azure-identity did not foresee
            raise self._failed(str(error)) from None
        self._log(f"A token from {self.source}")
        return token

    def _failed(self, words: str) -> MaiError:
        """The error that says which ways were tried; what each of them said goes to the log."""
        attempts = _ATTEMPT.findall(words) or [("", words)]
        for name, said in attempts:
            self._log(f"Entra ID, {_NAMES.get(name, name or 'sign-in')}: {self._masked(said)}")
        tried = [_NAMES.get(name, name) for name, _ in attempts if name]
        _, last = attempts[-1]  # where a way fails that should have worked, the chain ends
        by = f", by {tried[-1]}" if tried else ""
        if "CERTIFICATE_VERIFY_FAILED" in last:
            return UnavailableError(
                f"The certificate of the sign-in service is not trusted{by}.",
                code="bad_certificate",
                hint="Behind a company's proxy, set SSL_CERT_FILE to its certificates.",
            )
        if _UNREACHABLE.search(last):
            return UnavailableError(
                f"The sign-in service could not be reached{by}.",
                code="no_connection",
                hint="Check the network and HTTPS_PROXY. With -v, mai says what went wrong.",
            )
        if attempts[-1][0] in _OF_JOBS:
            advice = f"Check what this job sets for it ({tried[-1]})"
        elif "Azure CLI not found" in words:
            advice = "Install the Azure CLI and sign in with 'az login'"
        else:
            advice = "Sign in with 'az login'"
        which = f"; tried {', '.join(tried)}" if tried else ""
        return AuthError(
            f"Signing in to Entra ID did not work{which}.",
            code="no_credential",
            hint=f"{advice}, or use a key: mai config set api_key. "
            "With -v, mai says what each way answered.",
        )

    def _masked(self, text: str) -> str:
        """``text`` on one line, shortened, without what may be secret."""
        for secret in self._secrets:
            text = text.replace(secret, "***").replace(quote_plus(secret), "***")
        text = _ANSWER.sub(r"\1***", " ".join(text.split()))
        return _TOKEN.sub("***", text)[:_MAX_WORDS]

    def _new_identity(self) -> DefaultAzureCredential:
        """An identity that remembers nothing yet."""
        try:
            return DefaultAzureCredential(connection_verify=self._verify, **_NEED_MORE)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with what it reads
            raise ConfigError(
                "azure-identity cannot use AZURE_TOKEN_CREDENTIALS or another AZURE_ variable: "
                f"{self._masked(str(error))}.",
                code="bad_setting",
                hint="Correct or unset it; azure-identity documents them.",
            ) from None


def _signed(token: AccessToken) -> dict[str, str]:
    """The header that ``token`` signs with."""
    return {"Authorization": f"Bearer {token.token}"}
