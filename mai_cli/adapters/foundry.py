"""The MAI image API of Microsoft Foundry: requests to the wire, answers and faults to errors.

Source of the wire format: Microsoft's how-to for the MAI image models (generations, edits,
headers, ``width`` and ``height``). That the field ``image`` is repeated under exactly that name,
and what real answers carry beyond it was published by users of the service.
"""

import io
import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from socket import gaierror
from typing import Any, Protocol
from urllib.parse import urlsplit

import httpx

from mai_cli import __version__
from mai_cli.adapters.answer_body import AnswerBody, BodyError
from mai_cli.adapters.credentials import Credential
from mai_cli.adapters.exchange import Exchange
from mai_cli.adapters.network import proxy_of
from mai_cli.adapters.png import PngScan
from mai_cli.adapters.refusals import error_of, maybe_drawn, parse_date
from mai_cli.adapters.unpacking import unpacked
from mai_cli.adapters.usage import read_usage
from mai_cli.errors import ConfigError, MaiError, Retry, UnavailableError, UnknownError
from mai_cli.models.answer import Answer
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.request import ImageRequest
from mai_cli.models.stop import stopped_in_flight

HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",  # a picture does not get smaller
    "User-Agent": f"mai-cli/{__version__}",
}
CONNECT_SECONDS = 20
MAX_ERROR_BYTES = 1 << 16
MAX_KEYS_SHOWN = 200
MAX_ID_SHOWN = 100
_REDIRECTS = (301, 302, 303, 307, 308)
_REQUEST_ID_HEADERS = ("apim-request-id", "x-ms-request-id", "x-request-id")


class Sink(Protocol):
    """Where the bytes of a picture go."""

    def write(self, data: bytes, /) -> object:
        """Add ``data``."""


@dataclass(frozen=True)
class Reached:
    """What a call without a credential shows: the service's clock, and how it is encrypted."""

    at: datetime | None
    tls_version: str | None


class Foundry:
    """Asks one resource for pictures, one request at a time."""

    def __init__(
        self,
        endpoint: Endpoint,
        credential: Credential,
        *,
        timeout_seconds: float,
        log: Callable[[str], None],
        trust: ssl.SSLContext | None = None,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare a client; ``trust`` says whose certificates count, for ``https``.

        ``transport`` is for ``--offline`` alone, it shuts proxies out.
        """
        self._endpoint = endpoint
        self._credential = credential
        self._timeout_seconds = timeout_seconds
        self._log = log
        self._clock = clock
        self._in_flight: set[Exchange] = set()
        trust = trust or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody
        try:
            proxy = proxy_of(endpoint) if transport is None else None
            proxy_trust = trust if proxy and proxy.startswith("https:") else None
            self._client = httpx.Client(
                headers=HEADERS,
                timeout=httpx.Timeout(None, connect=min(CONNECT_SECONDS, timeout_seconds)),
                # One that idles may close just as a request goes out: a lost answer for nothing.
                limits=httpx.Limits(max_keepalive_connections=0),
                follow_redirects=False,  # a key must not travel to another host
                event_hooks={"response": [self._refuse_redirect]},
                proxy=proxy and httpx.Proxy(proxy, ssl_context=proxy_trust),
                trust_env=False,  # which proxy, and whose certificates, is decided here
                verify=trust,
                transport=transport,
            )
        except (ImportError, ValueError, httpx.InvalidURL):
            raise ConfigError(
                "The proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names cannot be used.",
                code="bad_setting",
                hint="Give it as http://HOST:PORT, or add this host to NO_PROXY.",
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def hang_up(self) -> None:
        """Give up what is in flight in other threads; each ends with an ``UnknownError``."""
        for exchange in list(self._in_flight):
            exchange.stop()

    def sign_in(self) -> None:
        """See that there is a credential, and have it at hand.

        Raises:
            AuthError: There is none.
        """
        self._credential.headers()

    def paint(self, request: ImageRequest, sink: Sink) -> Answer:
        """Ask for one picture, once; its bytes go to ``sink`` as they come.

        Nothing is sent again here: ``retry`` of the error says whether that is safe. A picture
        that came whole is returned even if the answer around it is torn.

        Raises:
            MaiError: Of the kind that says what became of the request.
        """
        url = request.url(self._endpoint)
        if not request.images:
            return self._ask(url, sink, json=request.body)
        from mai_cli.adapters.references import opened_reference  # noqa: PLC0415 - loads Pillow

        with ExitStack() as files:
            images = [files.enter_context(opened_reference(image)) for image in request.images]
            form = {name: _form_text(value) for name, value in request.body.items()}
            parts = [("image", (image.name, image.file, image.media_type)) for image in images]
            return self._ask(url, sink, data=form, files=parts)

    def probe(self, deployment: str) -> None:
        """Ask ``deployment`` for a picture of one pixel, which is refused before it is drawn.

        So it costs nothing. That the service checks key, deployment and size in this order, and
        bills no request that it declines, was deduced from its answers; it is not documented.

        Raises:
            MaiError: Of the kind that says how the service answered; a ``RefusedError`` with the
                code ``bad_request`` is what a deployment that works says.
        """
        body = {"model": deployment, "prompt": "probe", "width": 1, "height": 1}
        self._ask(self._endpoint.generations_url, io.BytesIO(), json=body)

    def reach(self) -> Reached:
        """Call the endpoint without a credential, to see that it is there.

        Raises:
            UnavailableError: No connection, or no answer.
            ConfigError: It redirects.
        """
        url = self._endpoint.generations_url
        try:
            with (
                self._exchange("GET", url, "", CONNECT_SECONDS) as exchange,
                self._client.stream("GET", url, extensions={"trace": exchange.trace}) as response,
            ):
                self._log(f"GET {url}: {response.status_code}")
                return Reached(parse_date(response.headers.get("date")), exchange.tls_version)
        except UnknownError:
            raise UnavailableError(
                f"{self._endpoint.host} took the call but gave no answer.",
                code="no_connection",
                hint="Check the endpoint and the network.",
            ) from None

    def _ask(self, url: str, sink: Sink, **content: Any) -> Answer:  # noqa: ANN401 - httpx's own
        """Send one request with ``content``, in the words of httpx, and take what comes."""
        signed = self._credential.headers()
        started = self._clock()
        with (
            self._exchange("POST", url, _secret(signed), self._timeout_seconds) as exchange,
            self._client.stream(
                "POST",
                url,
                headers=signed,
                **content,
                extensions={"trace": exchange.trace},
            ) as response,
        ):
            request_id = _request_id(response, exchange.secret)
            self._log(
                f"POST {url}: {response.status_code} in {self._clock() - started:.1f} s, "
                f"request id {request_id or 'none'}"
            )
            if response.is_success:
                return self._receive(response, sink, request_id, exchange)
            raise self._error(response, request_id, signed)

    def _receive(
        self, response: httpx.Response, sink: Sink, request_id: str | None, exchange: Exchange
    ) -> Answer:
        """Read the picture and what stands around it."""
        scan = PngScan()

        def take(data: bytes) -> None:
            sink.write(data)
            scan.feed(data)

        body = AnswerBody(take)
        broken: Exception | None = None
        try:
            for piece in _pieces(response):
                body.feed(piece)
                if body.is_complete():
                    break  # not every server ends the connection where the answer ends
            envelope = body.envelope()
        except (httpx.RequestError, BodyError) as error:
            broken, envelope = error, {}
        picture = scan.finish()
        if picture is not None:
            return Answer(picture, read_usage(envelope), request_id)
        if exchange.was_cut or isinstance(broken, httpx.RequestError):
            raise self._lost(exchange, request_id)
        if broken is not None and not body.had_picture:
            raise _unusable("no_picture", f"an answer that cannot be read: {broken}", request_id)
        if broken is not None:
            raise _unusable("bad_picture", f"a picture that cannot be read: {broken}", request_id)
        if not body.picture_bytes:
            keys = _without(exchange.secret, ", ".join(sorted(envelope)))
            what = f"an answer without a picture (it has {keys[:MAX_KEYS_SHOWN] or 'nothing'})"
            raise _unusable("no_picture", what, request_id)
        raise _unusable("bad_picture", f"no PNG that is whole: {scan.problem}", request_id)

    def _error(
        self, response: httpx.Response, request_id: str | None, signed: Mapping[str, str]
    ) -> MaiError:
        """What an answer that is not a success means."""
        body = bytearray()
        with suppress(httpx.RequestError, BodyError):  # the status says enough
            for piece in _pieces(response):
                body += piece[:MAX_ERROR_BYTES]
                if len(body) >= MAX_ERROR_BYTES:
                    break
        error = error_of(
            response.status_code, bytes(body), response.headers.get("retry-after"), _secret(signed)
        )
        error.request_id = request_id
        if response.status_code == httpx.codes.UNAUTHORIZED and self._credential.renew(signed):
            error.retry = Retry.WITH_FRESH_TOKEN
        return error

    def _refuse_redirect(self, response: httpx.Response) -> None:
        """Stop at a redirect, before httpx looks where it leads."""
        if response.status_code in _REDIRECTS:
            request = response.request
            self._log(f"{request.method} {request.url}: {response.status_code}, a redirect")
            raise ConfigError(
                f"The endpoint {self._endpoint} redirects to {_target(response)}; "
                "mai does not follow, since the credential is for the endpoint only.",
                code="redirected",
                hint="Set the endpoint to the address of the resource itself.",
                request_id=_request_id(response, _secret(request.headers)),
            )

    @contextmanager
    def _exchange(self, method: str, url: str, secret: str, seconds: float) -> Iterator[Exchange]:
        """Tell a request that never left from one whose answer was lost."""
        try:
            exchange = Exchange(seconds, secret)
        except RuntimeError:
            raise UnavailableError(
                "This machine cannot start another thread. Nothing was sent.",
                code="no_connection",
                hint="Close programs, or raise the limit of processes (ulimit -u).",
            ) from None
        self._in_flight.add(exchange)
        try:
            yield exchange
        except httpx.RequestError as error:
            self._log(f"{method} {url}: {type(error).__name__} {error}")
            if exchange.went_out:
                raise self._lost(exchange, None) from None
            raise self._not_sent(error, exchange) from None
        finally:
            self._in_flight.discard(exchange)
            exchange.close()

    def _lost(self, exchange: Exchange, request_id: str | None) -> UnknownError:
        if exchange.was_stopped:
            return stopped_in_flight(request_id)
        reason = "the connection broke before the whole answer came"
        if exchange.timed_out:
            reason = f"no whole answer came within {self._timeout_seconds:g} s"
        message = f"The request was sent, but {reason}; the picture may have been billed."
        return maybe_drawn("lost_answer", message, request_id)

    def _not_sent(self, error: httpx.RequestError, exchange: Exchange) -> UnavailableError:
        """What kept the request from leaving."""
        host = self._endpoint.host
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return UnavailableError(
                    f"The certificate of {host} is not trusted: {cause.verify_message}.",
                    code="bad_certificate",
                    hint="Check the endpoint; behind a company's proxy, set SSL_CERT_FILE to its "
                    "certificates.",
                )
        through_proxy = proxy_of(self._endpoint) is not None
        if exchange.was_torn:
            reason = f"The connection to {host} broke before the whole request was sent"
            hint = "Check the network; for large references, give it more time with --timeout."
        elif any(isinstance(cause, gaierror) for cause in causes) and not through_proxy:
            reason, hint = f"The name {host} was not found", "Check the endpoint and the network."
        elif isinstance(error, httpx.ProxyError):
            reason, hint = f"The proxy made no connection to {host}", "Check HTTPS_PROXY."
        elif isinstance(error, httpx.TimeoutException):
            reason, hint = f"{host} did not answer a call in time", "Check the network."
        else:
            reason, hint = f"No connection to {host}: {error}", "Check the endpoint and network."
        if through_proxy and not isinstance(error, httpx.ProxyError):
            hint = f"{hint} It goes through a proxy: check HTTPS_PROXY and NO_PROXY."
        return UnavailableError(f"{reason}.", code="no_connection", hint=hint, retry=Retry.SOON)


def _pieces(response: httpx.Response) -> Iterable[bytes]:
    """The body as it comes; httpx would unpack what comes at once, however much that is."""
    return unpacked(response.iter_raw(), response.headers.get("content-encoding", ""))


def _form_text(value: object) -> str:
    """``value`` as a field of a form; the API reads numbers and switches in JSON's spelling.

    Source: the Azure provider of the AI SDK, for ``true`` and ``false``.
    """
    return value if isinstance(value, str) else json.dumps(value)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """``error`` and what it came from."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _secret(headers: Mapping[str, str]) -> str:
    """The key or token in the header that signs a request."""
    signature = headers.get("api-key") or headers.get("Authorization") or ""
    return signature.rpartition(" ")[2]


def _without(secret: str, text: str) -> str:
    return text.replace(secret, "***") if secret else text


def _unusable(code: str, what: str, request_id: str | None) -> UnknownError:
    message = f"The service reported success but sent {what}; it may have been billed."
    return maybe_drawn(code, message, request_id)


def _request_id(response: httpx.Response, secret: str) -> str | None:
    """What the service calls this request, without ``secret``, should it repeat it."""
    for name in _REQUEST_ID_HEADERS:
        if value := response.headers.get(name):
            return _without(secret, value)[:MAX_ID_SHOWN]
    return None


def _target(response: httpx.Response) -> str:
    """The host that a redirect names."""
    try:
        host = urlsplit(response.headers.get("location", "")).hostname
    except ValueError:
        host = None
    return host or "another address"
