"""Servers on loopback that misbehave below HTTP, and a proxy."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def serving(talk: Callable[[socket.socket], object]) -> Iterator[int]:
    """Serve each connection with ``talk``; gives the port."""

    def handle(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            talk(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield server.getsockname()[1]
        finally:
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            accepting.join()


def read_head(connection: socket.socket) -> bytes:
    """Read up to the empty line, not a byte further."""
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += connection.recv(1) or b"\r\n\r\n"
    return data


def length_of(head: bytes) -> int:
    """How many bytes the body has, by the head of a request."""
    return int(head.lower().partition(b"content-length:")[2].split()[0])


class Proxy:
    """Answers CONNECT with ``status``; 200 makes a tunnel to ``port`` whatever was asked for."""

    def __init__(self, status: str, port: int = 0) -> None:
        self.heads: list[bytes] = []
        self.passed = b""
        self._status = status
        self._port = port

    def __call__(self, connection: socket.socket) -> None:
        self.heads.append(read_head(connection))
        connection.sendall(f"HTTP/1.1 {self._status}\r\n\r\n".encode())
        if not self._status.startswith("200"):
            return
        with socket.create_connection(("127.0.0.1", self._port)) as far:
            back = threading.Thread(target=_pump, args=(far, connection), daemon=True)
            back.start()
            while data := connection.recv(1 << 16):
                self.passed += data
                far.sendall(data)
            far.shutdown(socket.SHUT_WR)
            back.join(5)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
