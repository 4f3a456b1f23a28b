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
                "There is no API key, and no sign-in to Entra ID was found.",
                code="no_credential",
                hint="Set MAI_API_KEY, or sign in with 'az login'.",
            ) from None


def _new_identity() -> DefaultAzureCredential:
    """An identity that remembers nothing yet."""
    try:
        return DefaultAzureCredential()
    except ValueError:
        raise ConfigError(
            "AZURE_TOKEN_CREDENTIALS names no way to sign in to Entra ID.",
            code="bad_setting",
            hint="Unset it, or set it to dev, prod or the name of a credential of azure-identity.",
        ) from None
