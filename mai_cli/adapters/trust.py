"""Whose certificates are trusted: the system's, unless ``SSL_CERT_FILE`` names others.

What a company has put into the system's store counts, as it does for a browser. Those that come
with certifi count too, for machines without a store, such as small containers; pip does the same.
"""

import os
import ssl
from collections.abc import Mapping
from pathlib import Path

import certifi
import truststore

from mai_cli.errors import ConfigError

VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def trusted(environ: Mapping[str, str]) -> ssl.SSLContext:
    """A context for calls over TLS.

    Raises:
        ConfigError: ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` names what cannot be read.
    """
    file, folder = (environ.get(name) or None for name in VARIABLES)
    if not (file or folder):
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(certifi.where())
        return context
    try:
        for place in folder.split(os.pathsep) if folder else ():
            next(Path(place).iterdir(), None)  # OpenSSL looks into it too late to say so
        return ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:
        raise ConfigError(
            f"The certificates that SSL_CERT_FILE or SSL_CERT_DIR names cannot be read: {error}.",
            code="bad_setting",
            hint="Name a file of certificates in PEM form, or unset it.",
        ) from None


def trusted_by_requests(environ: Mapping[str, str]) -> str | bool:
    """The same for requests, which azure-identity calls with: its setting ``verify``.

    Contexts that libraries build themselves trust the system's store from here on.

    Raises:
        ConfigError: ``SSL_CERT_DIR`` names several folders, of which requests takes one.
    """
    if environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE"):
        return True  # its own variables, which it follows by itself
    for name in VARIABLES:
        if path := environ.get(name):
            if name == "SSL_CERT_DIR" and os.pathsep in path:
                raise ConfigError(
                    "SSL_CERT_DIR names several folders; signing in with Entra ID takes one.",
                    code="bad_setting",
                    hint="Name one folder, or a file of certificates in REQUESTS_CA_BUNDLE.",
                )
            return path
    truststore.inject_into_ssl()
    return True
