"""Where a Foundry resource is reached, from whatever form of its address people paste."""

import re
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

GENERATIONS = "/mai/v1/images/generations"
EDITS = "/mai/v1/images/edits"

# What may follow the base in an address copied from a portal, a sample or another tool. A path
# that matches none of these is the prefix of a gateway, and is kept.
_KNOWN_PATH = re.compile(
    r"(/+(mai(/v\d+(/images(/(generations|edits))?)?)?"
    r"|openai(/.*)?|models(/.*)?|api/projects(/.*)?))+/*\Z",
    re.IGNORECASE,
)
_PORTALS = ("ai.azure.com", "portal.azure.com")
_USUAL_PORT = {"https": 443, "http": 80}
_NETLOC = re.compile(r"[^\[\]]*|\[[^\[\]]*\](:\d*)?")
_SIBLING_HOST = re.compile(r"([^.]+)\.(openai|cognitiveservices)\.azure\.com", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|[0-9a-f:.]+", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True)
class Endpoint:
    """The base that API paths are appended to, such as ``https://contoso.services.ai.azure.com``."""

    base: str

    def __str__(self) -> str:
        return self.base

    @property
    def generations_url(self) -> str:
        """Where a picture is asked for."""
        return self.base + GENERATIONS

    @property
    def edits_url(self) -> str:
        """Where a picture is asked for that starts from others."""
        return self.base + EDITS

    @property
    def host(self) -> str:
        """The host name, for messages."""
        return urlsplit(self.base).hostname or ""

    @classmethod
    def parse(cls, text: str) -> "Endpoint":
        """Understand ``text``: an origin, a full URL of the API, a project's address, a bare host.

        ``x.openai.azure.com`` and ``x.cognitiveservices.azure.com`` become
        ``x.services.ai.azure.com``, the one host of a resource that serves the MAI API.

        Raises:
            ValueError: With a sentence that says what is wrong.
        """
        parts, scheme = _split(text)
        host = (parts.hostname or "").rstrip(".")
        if not host or not _HOST.fullmatch(host) or not _has_labels(host):
            raise ValueError("has no host name")
        if "://" not in text and not set(".:") & set(host) and not is_loopback(host):
            raise ValueError("has no dot; write it as https://HOST if it is a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not carry a user name or password")
        if scheme != "https" and not (scheme == "http" and is_loopback(host)):
            raise ValueError("must start with https:// (http:// is for this machine only)")
        if host in _PORTALS:
            raise ValueError("is the portal's own; the portal shows the endpoint of the resource")
        if sibling := _SIBLING_HOST.fullmatch(host):
            host = f"{sibling[1]}.services.ai.azure.com"
        if ":" in host:
            host = f"[{host}]"
        is_usual = parts.port in (None, _USUAL_PORT[scheme])
        port = "" if is_usual else f":{parts.port}"
        prefix = _KNOWN_PATH.sub("", parts.path.rstrip("/") or "/").rstrip("/")
        return cls(f"{scheme}://{host}{port}{prefix}")


def _has_labels(host: str) -> bool:
    """Whether each part of ``host`` can be one; an address has none."""
    return ":" in host or all(0 < len(label) < 64 for label in host.split("."))  # noqa: PLR2004


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine, by its name or address alone."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _split(text: str) -> tuple[SplitResult, str]:
    """``text`` as a URL and its scheme; a bare host is taken as ``https``, loopback as ``http``."""
    text = text.strip().strip("'\"").strip()
    if any(not "!" <= character <= "~" or character in "'\"" for character in text):
        raise ValueError("has a space or a character that no address has")
    has_scheme = "://" in text
    try:
        parts = urlsplit(text if has_scheme else f"//{text}")
        port = parts.port
    except ValueError:
        raise ValueError("is not a web address") from None
    if port == 0 or not _NETLOC.fullmatch(parts.netloc):
        raise ValueError("is not a web address")
    if has_scheme:
        return parts, parts.scheme
    return parts, "http" if is_loopback(parts.hostname or "") else "https"
