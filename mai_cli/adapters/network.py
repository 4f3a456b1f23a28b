"""What lies between this machine and a host: names and proxies."""

import socket
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from mai_cli.adapters.within import within
from mai_cli.errors import UnavailableError
from mai_cli.models.endpoint import Endpoint, is_loopback

NAME_SECONDS = 10.0


def proxy_of(endpoint: Endpoint) -> str | None:
    """The address of the proxy that the environment, or the system, names for ``endpoint``.

    It may hold a password. An endpoint on this machine is reached without: a proxy would see its
    key in clear.
    """
    names = (endpoint.host, urlsplit(endpoint.base).netloc)
    if is_loopback(endpoint.host) or any(proxy_bypass(name) for name in names):
        return None
    proxies = getproxies()
    proxy = proxies.get(endpoint.base.partition(":")[0]) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def proxy_name(endpoint: Endpoint) -> str | None:
    """Host and port of the proxy for ``endpoint``, without a password."""
    proxy = proxy_of(endpoint)
    return proxy and proxy.partition("://")[2].rpartition("@")[2].partition("/")[0]


def resolve(host: str) -> list[str]:
    """The addresses of ``host``.

    Raises:
        UnavailableError: It has none, or nobody answers.
    """
    try:
        found = within(NAME_SECONDS, lambda: socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM))
    except socket.gaierror:
        reason = f"The name {host} was not found"
    except TimeoutError as error:
        reason = f"The name {host} was not found: {error}"
    except (OSError, UnicodeError) as error:
        reason = f"The name {host} cannot be looked up: {error}"
    else:
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))
    raise UnavailableError(
        f"{reason}.", code="no_connection", hint="Check the endpoint and the network."
    )
