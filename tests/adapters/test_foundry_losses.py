import gzip
import itertools
import socket
import struct
import threading
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from mai_cli.adapters import answer_body
from mai_cli.adapters.exchange import Exchange
from mai_cli.adapters.foundry import CONNECT_SECONDS
from mai_cli.errors import MaiError, Retry, UnavailableError, UnknownError
from mai_cli.models.answer import Usage
from tests.adapters.servers import length_of, read_head
from tests.emulator import LOST, REQUEST_ID, RESET, Answer, picture, png

PICTURE = png(1024, 1024)
WHOLE = picture(PICTURE, usage={"num_output_tokens": 1024})
END_OF_PICTURE = WHOLE.body.index(b'"}]')
OK = b"HTTP/1.1 200 OK\r\n"


def assert_lost(failure: MaiError) -> None:
    assert isinstance(failure, UnknownError)
    assert (failure.code, failure.retry) == ("lost_answer", Retry.IF_TOLD)
    assert "may have been billed" in failure.message
    assert "--retry-lost" in failure.hint


def assert_not_sent(failure: MaiError) -> None:
    assert isinstance(failure, UnavailableError)
    assert (failure.code, failure.retry) == ("no_connection", Retry.SOON)
    assert "billed" not in failure.message


@pytest.mark.parametrize("torn", [END_OF_PICTURE, END_OF_PICTURE + 1, END_OF_PICTURE + 9, -1])
@pytest.mark.parametrize("reset", [True, False])
def test_a_whole_picture_in_a_torn_answer_is_a_picture(client, foundry, torn, reset):
    foundry.will(replace(WHOLE, torn=torn, reset=reset))
    answer = client.paint()
    assert client.bytes == PICTURE
    assert answer.picture.bytes == len(PICTURE)
    assert answer.request_id == REQUEST_ID
    assert answer.usage is None


def test_a_whole_picture_in_an_answer_that_stalls_is_a_picture(connect, foundry, serve):
    done = threading.Event()

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        head = OK + f"Content-Length: {len(WHOLE.body)}\r\n\r\n".encode()
        connection.sendall(head + WHOLE.body[: END_OF_PICTURE + 2])
        done.wait(10)

    client = connect(f"http://127.0.0.1:{serve(talk)}", timeout_seconds=0.3)
    assert client.paint().picture.bytes == len(PICTURE)
    done.set()


def test_an_answer_ends_where_it_is_whole_even_if_the_connection_does_not(connect, serve):
    done = threading.Event()

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        head = OK + f"Transfer-Encoding: chunked\r\n\r\n{len(WHOLE.body):x}\r\n".encode()
        connection.sendall(head + WHOLE.body + b"\r\n")
        done.wait(10)

    client = connect(f"http://127.0.0.1:{serve(talk)}", timeout_seconds=3)
    assert client.paint().usage == Usage(output_tokens=1024)
    done.set()


def test_a_whole_picture_that_came_late_is_a_picture(connect, foundry):
    foundry.will(WHOLE)
    client = connect(foundry.url, timeout_seconds=30, clock=itertools.count(0, 100).__next__)
    assert client.paint().usage in (None, Usage(output_tokens=1024))
    assert client.bytes == PICTURE


@pytest.mark.parametrize("torn", [0, 1, 20, 500, END_OF_PICTURE - 1])
@pytest.mark.parametrize("reset", [True, False])
def test_a_torn_picture_is_a_lost_answer(client, foundry, torn, reset):
    foundry.will(replace(WHOLE, torn=torn, reset=reset))
    failure = client.fail()
    assert_lost(failure)
    assert failure.request_id == REQUEST_ID
    assert "the connection broke" in failure.message
    assert PICTURE.startswith(client.bytes)


@pytest.mark.parametrize("answer", [LOST, RESET], ids=["closed", "reset"])
def test_a_connection_that_ends_without_an_answer_is_a_lost_answer(client, foundry, answer):
    foundry.will(answer)
    failure = client.fail()
    assert_lost(failure)
    assert failure.request_id is None
    assert len(foundry.received) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200",
        OK + b"Content-Type: application/json\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        OK + b"Content-Length: many\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
        OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{",
        OK + b"X: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
def test_an_answer_that_is_not_http_is_a_lost_answer(connect, serve, answer):
    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.recv(1 << 16)
        connection.sendall(answer)

    assert_lost(connect(f"http://127.0.0.1:{serve(talk)}").fail())


def test_a_compressed_answer_that_is_torn_is_a_lost_answer(client, foundry):
    packed = gzip.compress(WHOLE.body)
    foundry.will(Answer(body=packed, torn=len(packed) // 2, headers={"Content-Encoding": "gzip"}))
    assert_lost(client.fail())


def test_no_answer_in_time_is_a_lost_answer(connect, foundry):
    release = threading.Event()
    foundry.will(replace(WHOLE, before=lambda: release.wait(10)))
    failure = connect(foundry.url, timeout_seconds=0.3).fail()
    release.set()
    assert_lost(failure)
    assert "no whole answer came within 0.3 s" in failure.message
    assert len(foundry.received) == 1


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (OK + b"\r\n" + WHOLE.body[:END_OF_PICTURE], b" "),
        (OK + b'\r\n{"data":[{"b64_json":"', b"QUJD"),
        (OK + b"X-Filling: ", b"x"),
        (b"", b"HTTP/1.1 102 Processing\r\n\r\n"),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b" "),
    ],
    ids=["envelope", "picture", "headers", "interim", "error"],
)
def test_the_time_for_a_whole_answer_is_limited_however_it_drips(connect, serve, start, drop):
    hung_up = threading.Event()

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        try:
            connection.sendall(start)
            for _ in range(40):
                time.sleep(0.05)
                connection.sendall(drop)
        except OSError:
            hung_up.set()
            raise

    client = connect(f"http://127.0.0.1:{serve(talk)}", timeout_seconds=0.3)
    if start.endswith(WHOLE.body[:END_OF_PICTURE][-9:]):
        client.paint()
    else:
        client.fail()
    assert hung_up.wait(1)


@pytest.mark.parametrize(
    ("start", "drop"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", b" "),
        (OK + b"\r\n{", b" "),
        (OK + b'\r\n{"data":[{"b64_json":"', b"QUJD"),
    ],
    ids=["error", "envelope", "picture"],
)
def test_an_answer_without_an_end_is_hung_up_on(connect, serve, monkeypatch, start, drop):
    monkeypatch.setattr(answer_body, "MAX_PICTURE_BYTES", 1 << 20)
    hung_up = threading.Event()

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        try:
            connection.sendall(start)
            for _ in range(50):
                connection.sendall(drop * (1 << 18))
        except OSError:
            hung_up.set()
            raise

    client = connect(f"http://127.0.0.1:{serve(talk)}")
    client.fail()
    assert hung_up.wait(5)
    assert len(client.bytes) <= 1 << 20


def test_a_dripping_picture_that_is_out_of_time_is_a_lost_answer(connect, foundry):
    foundry.will(replace(WHOLE, drip=0.1))
    failure = connect(foundry.url, timeout_seconds=0.3).fail()
    assert_lost(failure)
    assert failure.request_id == REQUEST_ID
    assert "no whole answer came within 0.3 s" in failure.message


def assert_stopped(failure: MaiError) -> None:
    assert isinstance(failure, UnknownError)
    assert (failure.code, failure.retry) == ("interrupted", Retry.NEVER)
    assert failure.message == "Stopped while a request was in flight; it may still be billed."


def hung_up(client, in_flight: threading.Event) -> MaiError:
    """The failure of a request that is given up from another thread while it is in flight."""

    def stop() -> None:
        assert in_flight.wait(10)
        client.foundry.hang_up()

    thread = threading.Thread(target=stop)
    thread.start()
    failure = client.fail()
    thread.join()
    return failure


def test_what_is_given_up_in_flight_may_be_billed(client, foundry):
    in_flight, release = threading.Event(), threading.Event()
    foundry.will(replace(WHOLE, before=lambda: (in_flight.set(), release.wait(10))))
    failure = hung_up(client, in_flight)
    release.set()

    assert_stopped(failure)


def test_what_is_given_up_after_another_picture_has_come_may_be_billed(client, foundry):
    in_flight, release = threading.Event(), threading.Event()
    foundry.will(WHOLE, replace(WHOLE, before=lambda: (in_flight.set(), release.wait(3))))
    client.paint()
    failure = hung_up(client, in_flight)
    release.set()

    assert_stopped(failure)


def test_what_is_given_up_within_a_picture_may_be_billed(connect, serve):
    in_flight, release = threading.Event(), threading.Event()

    def talk(connection: socket.socket) -> None:
        read_head(connection)
        connection.sendall(OK + b'\r\n{"data":[{"b64_json":"')
        in_flight.set()
        release.wait(10)

    failure = hung_up(connect(f"http://127.0.0.1:{serve(talk)}"), in_flight)
    release.set()

    assert_stopped(failure)


def test_what_is_given_up_before_it_left_sent_nothing(client, foundry, monkeypatch):
    def hang_up_first(exchange: Exchange, event: str, info: dict[str, Any]) -> None:
        trace(exchange, event, info)
        if event == "http11.send_request_headers.started":
            exchange.stop()

    trace = Exchange.trace
    monkeypatch.setattr(Exchange, "trace", hang_up_first)
    failure = client.fail()

    assert isinstance(failure, UnavailableError)
    assert foundry.received == []


def test_giving_up_without_a_request_in_flight_does_not_hurt_the_next(client, foundry):
    foundry.will(WHOLE, WHOLE)
    client.foundry.hang_up()
    client.paint()
    client.foundry.hang_up()

    assert client.paint().picture.bytes == len(PICTURE)


def test_a_request_that_has_ended_is_watched_no_more(client, foundry):
    foundry.will(WHOLE, LOST)
    client.paint()
    client.fail()

    assert not client.foundry._in_flight
    watching = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
    for thread in watching:
        thread.join(5)
    assert not any(thread.is_alive() for thread in watching)


def test_only_the_call_has_a_limit_of_its_own(connect):
    client = connect("http://127.0.0.1:9", timeout_seconds=300)
    limits = httpx.Timeout(None, connect=CONNECT_SECONDS)  # a picture may take minutes
    assert client.foundry._client.timeout == limits


def test_every_request_has_a_connection_of_its_own(connect, serve):
    ended = []

    def talk(connection: socket.socket) -> None:
        connection.recv(length_of(read_head(connection)), socket.MSG_WAITALL)
        connection.sendall(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}")
        ended.append(connection.recv(1))  # another request here could end with the connection

    client = connect(f"http://127.0.0.1:{serve(talk)}")
    for _ in range(3):
        assert client.fail().code == "quota"
    assert set(ended) <= {b""}


def test_a_refused_connection_sent_nothing(connect):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        failure = connect(f"http://127.0.0.1:{bound.getsockname()[1]}").fail()
    assert_not_sent(failure)
    assert "127.0.0.1" in failure.message
    assert "refused" in failure.message


def test_a_host_that_is_not_there_sent_nothing(connect):
    failure = connect("https://nowhere.invalid").fail()
    assert_not_sent(failure)
    assert failure.message == "The name nowhere.invalid was not found."


def test_what_could_not_be_sent_is_in_the_log(connect):
    client = connect("https://nowhere.invalid")
    client.fail()
    (line,) = client.lines
    assert line.startswith("POST https://nowhere.invalid/mai/v1/images/generations: ConnectError")


def test_a_host_that_takes_no_calls_in_time_was_sent_nothing(connect):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
        address = server.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for caller in waiting:
            caller.settimeout(0)
            caller.connect_ex(address)
        failure = connect(f"http://127.0.0.1:{address[1]}", timeout_seconds=0.3).fail()
        for caller in waiting:
            caller.close()
    assert_not_sent(failure)
    assert "did not answer a call in time" in failure.message


def test_a_reset_when_all_has_left_this_machine_may_have_sent_it(connect, serve):
    def talk(connection: socket.socket) -> None:
        length = length_of(read_head(connection))
        connection.recv(length, socket.MSG_PEEK | socket.MSG_WAITALL)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert_lost(connect(f"http://127.0.0.1:{serve(talk)}").fail())


def test_a_request_that_no_thread_can_watch_is_not_sent(client, foundry, monkeypatch):
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Timer, "start", refuse)
    failure = client.fail(None)

    assert isinstance(failure, UnavailableError)
    assert failure.retry is Retry.NEVER
    assert not foundry.received
