import hashlib
import io
import os
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from PIL import Image

from mai_cli import __version__
from mai_cli.adapters.form import Part, read_form
from mai_cli.adapters.references import read_reference
from mai_cli.errors import (
    AuthError,
    MaiError,
    RefusedError,
    Retry,
    UnavailableError,
    UnknownError,
    UsageError,
)
from mai_cli.models.answer import Usage
from mai_cli.models.reference import Reference
from mai_cli.models.size import Size
from tests.adapters.servers import length_of, read_head
from tests.emulator import BUSY, KEY, LOST, RESET, Received, picture, png

WHOLE = picture(png(1024, 1024))
LARGE = 40_000_000
"""Bytes; more than what the system takes from a sender before the receiver has read any."""

Make = Callable[..., Reference]


def encoded(name: str, colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 9), colour).save(file, name)
    return file.getvalue()


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a reference; it is padded to ``size`` bytes."""

    def make(name: str = "secret holiday.png", data: bytes = b"", size: int = 0) -> Reference:
        path = tmp_path / name
        path.write_bytes(data or png(16, 9))
        if not size:
            return read_reference(path)
        os.truncate(path, size)
        with path.open("rb") as file:
            return Reference(path, hashlib.file_digest(file, "sha256").hexdigest(), "PNG")

    return make


def parts_of(received: Received) -> list[Part]:
    return read_form(received.headers["content-type"], received.body)


def fields_of(received: Received) -> dict[str, str]:
    return {part.name: part.content.decode() for part in parts_of(received) if not part.is_file}


def files_of(received: Received) -> list[Part]:
    return [part for part in parts_of(received) if part.is_file]


def assert_torn(failure: MaiError) -> None:
    assert isinstance(failure, UnavailableError)
    assert (failure.code, failure.retry) == ("no_connection", Retry.SOON)
    assert failure.message == "The connection to 127.0.0.1 broke before the whole request was sent."
    assert "--timeout" in failure.hint


def assert_lost(failure: MaiError) -> None:
    assert isinstance(failure, UnknownError)
    assert (failure.code, failure.retry) == ("lost_answer", Retry.IF_TOLD)
    assert "may have been billed" in failure.message


def test_an_edit_is_drawn(client, make):
    answer = client.paint(None, images=[make()])
    assert (answer.picture.width, answer.picture.height) == (1360, 768)
    assert answer.usage == Usage(2, 1024, 1020)


def test_an_edit_carries_these_headers_and_no_more(client, foundry, make):
    client.paint(None, images=[make()])
    (received,) = foundry.received
    assert received.path == "/mai/v1/images/edits"
    kind = received.headers.pop("content-type")
    assert kind.startswith("multipart/form-data; boundary=")
    assert received.headers == {
        "host": f"127.0.0.1:{foundry.port}",
        "connection": "keep-alive",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": f"mai-cli/{__version__}",
        "api-key": KEY,
        "content-length": str(len(received.body)),
    }


def test_the_references_are_files_named_image_in_the_order_given(client, foundry, make):
    data = [encoded(name, colour) for name, colour in [("JPEG", "red"), ("PNG", "blue")]]
    jpeg, blue = make("b.jpg", data[0]), make("a.png", data[1])
    client.paint(None, images=[jpeg, blue, jpeg, blue, blue])

    first = Part("image", data[0], "image/jpeg", is_file=True)
    second = Part("image", data[1], "image/png", is_file=True)
    assert files_of(foundry.received[0]) == [first, second, first, second, second]


@pytest.mark.parametrize("name", ["WEBP", "AVIF", "GIF", "TIFF", "BMP"])
def test_a_reference_of_another_format_is_sent_as_a_png(client, foundry, make, name):
    client.paint(None, images=[make("picture", encoded(name))])
    (file,) = files_of(foundry.received[0])
    with Image.open(io.BytesIO(file.content)) as picture:
        assert (file.media_type, picture.format, picture.size) == ("image/png", "PNG", (16, 9))


@pytest.mark.parametrize("name", ["PNG", "JPEG", "WEBP"])
def test_the_name_of_a_reference_stays_on_this_machine(client, foundry, make, name):
    reference = make("secret holiday", encoded(name))
    client.paint(None, images=[reference])
    (received,) = foundry.received
    assert b"secret" not in received.body
    assert str(reference.path.parent).encode() not in received.body
    upload = b"image.jpeg" if name == "JPEG" else b"image.png"
    assert received.body.count(b'filename="') == 1
    assert b'name="image"; filename="%s"\r\n' % upload in received.body


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"size": None}, {}),
        ({"size": Size(1280, 768)}, {"width": "1280", "height": "768"}),
        ({"size": None, "auto_size": True}, {"auto_aspect_ratio": "true"}),
        (
            {"size": None, "background": "transparent", "web_grounding": True},
            {"background": "transparent", "web_grounding": "true"},
        ),
        (
            {"size": None, "params": {"a": 0.5, "b": "ü", "c": [1, "x"], "d": None, "e": False}},
            {"a": "0.5", "b": "ü", "c": '[1, "x"]', "d": "null", "e": "false"},
        ),
        (
            {"size": None, "params": {"f": {"g": 1}, "h": "", "i": "true"}},
            {"f": '{"g": 1}', "h": "", "i": "true"},
        ),
    ],
)
def test_the_fields_of_an_edit_are_texts(client, foundry, make, asked, sent):
    foundry.will(WHOLE)
    client.paint(images=[make()], **asked)
    expected = {"model": "mai-image-27", "prompt": "a lighthouse", **sent}
    assert list(fields_of(foundry.received[0]).items()) == list(expected.items())


def test_without_references_nothing_is_an_edit(client, foundry):
    client.paint(images=[])
    assert foundry.received[0].path == "/mai/v1/images/generations"
    assert foundry.received[0].headers["content-type"] == "application/json"


def test_a_second_try_sends_everything_again(client, foundry, make):
    foundry.will(BUSY)
    images = [make("a.jpg", encoded("JPEG")), make("b.webp", encoded("WEBP"))]
    assert client.fail(None, images=images).retry is Retry.LATER
    client.paint(None, images=images)

    first, second = foundry.received
    assert parts_of(first) == parts_of(second)
    assert len(files_of(second)) == 2
    assert all(file.content for file in files_of(second))


def test_a_reference_that_changes_between_two_tries_is_not_sent(client, foundry, make):
    foundry.will(BUSY)
    reference = make()
    client.fail(None, images=[reference])
    reference.path.write_bytes(png(9, 16))
    failure = client.fail(None, images=[reference])
    assert isinstance(failure, UsageError)
    assert (failure.code, failure.retry) == ("bad_image", Retry.NEVER)
    assert len(foundry.received) == 1


def test_no_reference_is_sent_where_one_of_them_has_changed(client, foundry, make):
    first, second = make("a.png"), make("b.png")
    second.path.unlink()
    assert client.fail(None, images=[first, second]).code == "bad_image"
    assert foundry.connections == 0


def taking(connection: socket.socket, head: bytes) -> int:
    """Read a whole body and throw it away; gives its length."""
    left = length = length_of(head)
    while left and (data := connection.recv(min(left, 1 << 16))):
        left -= len(data)
    return length - left


UPLOADS = """
import hashlib, io, sys
from pathlib import Path

from mai_cli.adapters.credentials import ApiKey
from mai_cli.adapters.foundry import Foundry
from mai_cli.models.catalogue import find
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.reference import Reference
from mai_cli.models.request import ImageRequest

def reference(path):
    with path.open("rb") as file:
        return Reference(path, hashlib.file_digest(file, "sha256").hexdigest(), "PNG")

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024

url, small, *large = sys.argv[1:]
foundry = Foundry(Endpoint(url), ApiKey("key"), timeout_seconds=60, log=lambda line: None)
peaks = []
for paths in [[small] * 5, large]:
    images = [reference(Path(path)) for path in paths]
    request = ImageRequest("a fox", "mai-image-27", find("mai-image-27"), images=images)
    foundry.paint(request, io.BytesIO())
    peaks.append(peak())
print(peaks[1] - peaks[0])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_references_are_not_held_in_memory(serve, make):
    lengths = []

    def talk(connection: socket.socket) -> None:
        lengths.append(taking(connection, read_head(connection)))
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(WHOLE.body)
        connection.sendall(head + WHOLE.body)

    small = make("small.png")
    large = [make(f"{number}.png", size=20_000_000) for number in range(5)]
    done = subprocess.run(
        [
            *(sys.executable, "-c", UPLOADS, f"http://127.0.0.1:{serve(talk)}"),
            *(str(reference.path) for reference in [small, *large]),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert lengths[0] < 10_000
    assert lengths[1] > 100_000_000
    assert int(done.stdout) < 40


def hang_up(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("end", [hang_up, reset])
@pytest.mark.parametrize("taken", [0, 100_000])
def test_a_connection_that_breaks_while_references_are_sent_drew_nothing(
    connect, serve, make, taken, end
):
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        left = taken
        while left > 0:
            left -= len(connection.recv(min(left, 1 << 16)))
        end(connection)

    client = connect(f"http://127.0.0.1:{serve(talk)}")
    assert_torn(client.fail(None, images=[make(size=LARGE)]))
    assert "images/edits" in client.lines[-1]


def test_it_drew_nothing_on_an_encrypted_connection_either(connect, serve, make):
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.configure_trust(ours)
    authority.issue_cert("127.0.0.1").configure_cert(theirs)

    def talk(connection: socket.socket) -> None:
        with theirs.wrap_socket(connection, server_side=True) as safe:
            read_head(safe)
            safe.recv(100_000)

    client = connect(f"https://127.0.0.1:{serve(talk)}", trust=ours)
    assert_torn(client.fail(None, images=[make(size=LARGE)]))


def test_references_that_nobody_takes_in_time_drew_nothing(connect, serve, make):
    done = threading.Event()

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        done.wait(10)

    client = connect(f"http://127.0.0.1:{serve(talk)}", timeout_seconds=0.5)
    failure = client.fail(None, images=[make(size=LARGE)])
    done.set()
    assert_torn(failure)


@pytest.mark.parametrize("answer", [LOST, RESET], ids=["closed", "reset"])
def test_an_answer_that_is_lost_after_all_was_sent_may_have_been_drawn(
    client, foundry, make, answer
):
    foundry.will(answer)
    failure = client.fail(None, images=[make(size=LARGE)])
    assert_lost(failure)
    assert len(files_of(foundry.received[0])[0].content) == LARGE


def test_no_answer_in_time_after_all_was_sent_may_have_been_drawn(connect, serve, make):
    done = threading.Event()

    def talk(connection: socket.socket) -> None:
        taking(connection, read_head(connection))
        done.wait(10)

    client = connect(f"http://127.0.0.1:{serve(talk)}", timeout_seconds=1)
    failure = client.fail(None, images=[make()])
    done.set()
    assert_lost(failure)
    assert "within 1 s" in failure.message


def test_a_reset_when_all_has_left_this_machine_may_have_been_drawn(connect, serve, make):
    def talk(connection: socket.socket) -> None:
        length = length_of(read_head(connection))
        connection.recv(length, socket.MSG_PEEK | socket.MSG_WAITALL)
        reset(connection)

    assert_lost(connect(f"http://127.0.0.1:{serve(talk)}").fail(None, images=[make()]))


def take_the_rest(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)
    while connection.recv(1 << 16):
        pass


def leave_the_rest(_: socket.socket) -> None:
    time.sleep(0.2)  # a reset at once may overtake the answer


@pytest.mark.parametrize("end", [take_the_rest, leave_the_rest])
@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (b"413 Payload Too Large", RefusedError, "bad_request"),
        (b"401 Unauthorized", AuthError, "bad_credential"),
    ],
)
def test_an_answer_in_the_middle_of_sending_is_the_answer(
    connect, serve, make, status, kind, code, end
):
    body = b'{"error":{"code":"x","message":"no, thank you"}}'

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.recv(100_000)
        connection.sendall(b"HTTP/1.1 %s\r\napim-request-id: 7\r\nConnection: close\r\n" % status)
        connection.sendall(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        end(connection)

    failure = connect(f"http://127.0.0.1:{serve(talk)}").fail(None, images=[make(size=LARGE)])
    assert isinstance(failure, kind)
    assert (failure.code, failure.request_id) == (code, "7")
    assert "no, thank you" in failure.message


def test_an_answer_by_a_server_that_takes_no_more_is_found_in_the_end(connect, serve, make):
    done = threading.Event()

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(b"HTTP/1.1 413 Payload Too Large\r\nContent-Length: 0\r\n\r\n")
        done.wait(10)

    client = connect(f"http://127.0.0.1:{serve(talk)}", timeout_seconds=0.5)
    failure = client.fail(None, images=[make(size=LARGE)])
    done.set()
    assert isinstance(failure, RefusedError)
    assert "413" in failure.message


@pytest.mark.parametrize("length", [1000, LARGE + 1000], ids=["shorter", "longer"])
def test_a_file_that_changes_while_it_is_sent_arrives_as_it_was(connect, serve, make, length):
    reference = make(size=LARGE)
    whole, arrived = reference.path.read_bytes(), []

    def talk(connection: socket.socket) -> None:
        head = read_head(connection)
        os.truncate(reference.path, length)
        arrived.append(connection.makefile("rb").read(length_of(head)))

    client = connect(f"http://127.0.0.1:{serve(talk)}", timeout_seconds=5)
    assert_lost(client.fail(None, images=[reference]))
    assert whole in arrived[0]
