"""Signing in with Entra ID through azure-identity; slow to load, so only where it is used."""

import logging
import time

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError
from azure.identity import DefaultAzureCredential

from mai_cli.errors import AuthError, ConfigError

SCOPE = "https://cognitiveservices.azure.com/.default"
"""Source: Microsoft's how-to for the MAI image models, "Authentication"."""

REFRESH_SECONDS = 300
"""A token is renewed when it has less than this left; it lives 60 to 90 minutes."""


class EntraId:
    """Signs with a token of Entra ID: ``az login``, managed identity, workload identity."""

    def __init__(self) -> None:
        # Without a handler, Python prints the library's warnings itself.
        logging.getLogger("azure").addHandler(logging.NullHandler())
        self._identity = _new_identity()
        self._token: AccessToken | None = None

    def headers(self) -> dict[str, str]:
        """The bearer token, a fresh one shortly before the old one expires."""
        if self._token is None or self._token.expires_on - time.time() < REFRESH_SECONDS:
            self._token = self._ask()
        return {"Authorization": f"Bearer {self._token.token}"}

    def renew(self) -> bool:
        """Drop the token, and with the identity all that it remembers."""
        self._identity.close()
        self._identity = _new_identity()
        self._token = None
        return True

    def close(self) -> None:
        """Close the connections."""
        self._identity.close()

    def _ask(self) -> AccessToken:
        try:
            return self._identity.get_token(SCOPE)
        except AzureError:
            raise AuthError(
                "Signing in to Entra ID did not work.",
                code="no_credential",
                hint="Sign in with 'az login', or use a key: set MAI_API_KEY.",
            ) from None
        except ValueError:
            raise _wrong_environment() from None


def _new_identity() -> DefaultAzureCredential:
    """An identity that remembers nothing yet."""
    try:
        return DefaultAzureCredential()
    except ValueError:
        raise _wrong_environment() from None


def _wrong_environment() -> ConfigError:
    return ConfigError(
        "An AZURE_ variable, such as AZURE_TOKEN_CREDENTIALS, has a value that cannot be used.",
        code="bad_setting",
        hint="Correct or unset it; azure-identity documents them.",
    )
