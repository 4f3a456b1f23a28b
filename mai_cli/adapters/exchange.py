"""One request on the wire: whether it left this machine, and when it has taken too long."""

import socket
import ssl
import threading
from contextlib import suppress
from typing import Any


class Exchange:
    """Follows a request through the trace of httpx, and hangs up when its time is over.

    The time limits of httpx hold for each piece that comes; an answer that drips would never
    run into them.
    """

    def __init__(self, seconds: float, secret: str) -> None:
        self.went_out = False  # the whole request, as far as can be told
        self.was_torn = False  # it broke off while its body was sent
        self.timed_out = False
        self.was_stopped = False  # from this side
        self.secret = secret  # must not come back in what is said of the answer
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._hang_up)
        self._timer.daemon = True
        self._timer.start()

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Take an event. Source: https://www.encode.io/httpcore/extensions/#trace."""
        if event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            self._socket = info["return_value"].get_extra_info("socket")
            if self.was_cut:
                self._cut()
        elif event.endswith(".send_request_headers.started"):
            # A proxy's CONNECT is traced too, and carries no request for a picture.
            method = getattr(info.get("request"), "method", b"")
            self.went_out = self.went_out or method != b"CONNECT"
        elif event.endswith((".send_request_headers.failed", ".send_request_body.failed")):
            self.went_out, self.was_torn = False, True  # nothing is drawn from half a request

    @property
    def was_cut(self) -> bool:
        """Whether this side has hung up."""
        return self.timed_out or self.was_stopped

    @property
    def tls_version(self) -> str | None:
        """How the connection is encrypted, if it is."""
        return self._socket.version() if isinstance(self._socket, ssl.SSLSocket) else None

    def close(self) -> None:
        """It has ended; nothing is cut off any more."""
        self._timer.cancel()

    def stop(self) -> None:
        """Hang up, whatever is on its way."""
        self.was_stopped = True
        self._cut()

    def _hang_up(self) -> None:
        self.timed_out = True
        self._cut()

    def _cut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                # Not the method of a TLS socket, which is not made for two threads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
