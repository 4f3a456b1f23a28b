import io
import json
import os
import pty
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mai_cli.errors import RefusedError, StorageError, UsageError
from mai_cli.terminal.output import Output, is_terminal, visible, wants_color

REFUSED = RefusedError("The filter declined it.", code="content_filter", hint="Change the prompt.")
ESCAPES = "\x1b[31mred\x1b[0m \x07 \u202egnp"
SEEN = r"\x1b[31mred\x1b[0m \x07 \u202egnp"


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("plain text, ümläut, 雪, 🦊, a\\b", "plain text, ümläut, 雪, 🦊, a\\b"),
        ("\x1b]0;owned\x07", r"\x1b]0;owned\x07"),
        ("\x1b[2J\x1b[H", r"\x1b[2J\x1b[H"),
        ("two\nlines\r\n", r"two\nlines\r\n"),
        ("a\tb\x00c\x7f", r"a\tb\x00c\x7f"),
        ("\x9b31m \x85 \x80", r"\x9b31m \x85 \x80"),
        ("\u202etxt.exe\u202c", r"\u202etxt.exe\u202c"),
        ("\u2066\u2067\u2068\u2069", r"\u2066\u2067\u2068\u2069"),
        ("\u200e\u200f\u061c", r"\u200e\u200f\u061c"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\udcff\ud800", r"\udcff\ud800"),
        ("[red]not markup[/red]", "[red]not markup[/red]"),
        ("a\u0301 \u200d", "a\u0301 \u200d"),
    ],
)
def test_nothing_that_acts_on_a_terminal_passes(text, seen):
    assert ascii(visible(text)) == ascii(seen)


@given(st.text())
def test_what_is_visible_can_be_written_on_one_line_and_stays_as_it_is(text):
    seen = visible(text)
    assert len(seen.encode().decode().splitlines()) <= 1
    assert visible(seen) == seen
    assert not any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in seen)


@pytest.mark.parametrize("name", [b"plain.png", b"a b.png", b"\xff\xfe.png", b"a\nb\x1b[31m.png"])
def test_a_path_goes_out_as_the_bytes_it_has(capfdbinary, name):
    Output().path(Path(os.fsdecode(name)))
    Output().path(os.fsdecode(name))
    assert capfdbinary.readouterr() == (name + b"\n" + name + b"\n", b"")


@pytest.mark.parametrize(
    ("name", "seen"),
    [
        (b"/a b/\xc3\xbc.png", b"/a b/\xc3\xbc.png"),
        (b"a\nb\x1b[2J\x08.png", rb"a\nb\x1b[2J\x08.png"),
        ("\x9b2J\u202egnp".encode(), rb"\x9b2J\u202egnp"),
        (b"\x9b2J.png", rb"\udc9b2J.png"),
    ],
)
def test_a_path_on_a_terminal_does_not_act_on_it(monkeypatch, name, seen):
    leader, follower = pty.openpty()
    with os.fdopen(leader, "rb", buffering=0) as screen, os.fdopen(follower, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        Output().path(Path(os.fsdecode(name)))
        assert screen.read(1000) == seen + b"\r\n"


def test_a_path_is_never_wrapped(capfdbinary):
    Output(color=True).path("/x" * 2000)
    assert capfdbinary.readouterr().out == b"/x" * 2000 + b"\n"


def test_a_line_for_people_has_no_control_characters(capfdbinary):
    Output().text(f"ü {ESCAPES}\n[red]")
    assert capfdbinary.readouterr().out.decode() == f"ü {SEEN}\\n[red]\n"


def test_several_lines_stay_several_lines(capfdbinary):
    Output().lines("one\n\n  two\x1b\n")
    assert capfdbinary.readouterr().out == b"one\n\n  two\\x1b\n"


@given(
    st.dictionaries(
        st.text(),
        st.text() | st.floats(allow_nan=False, allow_infinity=False) | st.none() | st.booleans(),
    )
)
def test_json_is_one_line_of_ascii(value):
    kept, sys.stdout = sys.stdout, io.TextIOWrapper(io.BytesIO())
    try:
        Output(json=True).object(value)
        data = sys.stdout.buffer.getvalue()
    finally:
        sys.stdout = kept
    assert data.isascii()
    assert data.endswith(b"}\n")
    assert data.count(b"\n") == 1
    assert b"\r" not in data
    assert json.loads(data) == value


def test_a_file_goes_out_as_it_is(capfdbinary, tmp_path):
    data = bytes(range(256)) * 1000
    (tmp_path / "a.png").write_bytes(data)
    Output().file(tmp_path / "a.png")
    assert capfdbinary.readouterr().out == data


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, ["note", "Error: The filter declined it.", "Change the prompt."]),
        (
            {"verbose": True},
            ["note", "detail", "Error: The filter declined it.", "Change the prompt."],
        ),
        ({"quiet": True}, ["Error: The filter declined it.", "Change the prompt."]),
        (
            {"quiet": True, "verbose": True},
            ["Error: The filter declined it.", "Change the prompt."],
        ),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_quiet_and_verbose_choose_what_is_said_but_not_the_results(
    capfdbinary, options, said, as_json
):
    output = Output(json=as_json, **options)
    output.text("result")
    output.note("note")
    output.log("detail")
    output.error(REFUSED, with_json=False)
    out, err = capfdbinary.readouterr()
    assert out == b"result\n"
    assert err.decode().splitlines() == said


def test_an_error_is_text_for_people(capfdbinary):
    Output().error(REFUSED)
    assert capfdbinary.readouterr() == (
        b"",
        b"Error: The filter declined it.\nChange the prompt.\n",
    )


def test_an_error_is_json_for_programs(capfdbinary):
    Output(json=True).error(REFUSED)
    out, err = capfdbinary.readouterr()
    assert out == (
        b'{"schema":"mai/error/1","error":{"code":"content_filter","message":"The filter declined '
        b'it.","hint":"Change the prompt.","exit_code":5}}\n'
    )
    assert err == b"Error: The filter declined it.\nChange the prompt.\n"


def test_an_error_without_a_hint_is_one_line(capfdbinary):
    Output().error(RefusedError("No.", code="bad_request"))
    assert capfdbinary.readouterr().err == b"Error: No.\n"


def test_the_details_of_an_error_stand_between_what_happened_and_what_to_do(capfdbinary):
    details = ["hero: no size", f"icon: {ESCAPES}"]
    Output(json=True, quiet=True).error(
        UsageError("Two mistakes.", code="bad_manifest", hint="Mend them.", details=details)
    )
    out, err = capfdbinary.readouterr()
    assert err.decode() == f"Error: Two mistakes.\n  hero: no size\n  icon: {SEEN}\nMend them.\n"
    assert json.loads(out)["error"] == {
        "code": "bad_manifest",
        "message": "Two mistakes.",
        "hint": "Mend them.",
        "exit_code": 2,
        "details": details,
    }


def test_commands_for_the_program_that_runs_this_one_are_said_even_quietly(capfdbinary):
    Output(quiet=True).commands(["::group::a", f"::error::{ESCAPES}"])
    assert capfdbinary.readouterr() == (b"", f"::group::a\n::error::{SEEN}\n".encode())


def test_lines_of_several_threads_do_not_run_into_each_other(capfdbinary):
    output = Output()
    lines = [letter * 500 for letter in "abcdefgh"]
    threads = [
        threading.Thread(target=lambda line=line: [output.note(line) for _ in range(50)])
        for line in lines
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    said = capfdbinary.readouterr().err.decode().splitlines()
    assert sorted(said) == [line for line in lines for _ in range(50)]


def test_what_others_wrote_into_an_error_does_not_act_on_the_terminal(capfdbinary):
    Output(json=True).error(RefusedError(ESCAPES, code="bad_request", hint=f"{ESCAPES}\n"))
    out, err = capfdbinary.readouterr()
    assert err.decode() == f"Error: {SEEN}\n{SEEN}\\n\n"
    assert json.loads(out)["error"]["message"] == ESCAPES


def test_colour_is_around_the_error_and_the_details_only(capfdbinary):
    output = Output(color=True, verbose=True)
    output.path("a.png")
    output.text("text")
    output.note("note")
    output.log("detail")
    output.error(REFUSED)
    out, err = capfdbinary.readouterr()
    assert out == b"a.png\ntext\n"
    assert err.decode().splitlines() == [
        "note",
        "\x1b[2mdetail\x1b[0m",
        "\x1b[31mError: The filter declined it.\x1b[0m",
        "Change the prompt.",
    ]


@pytest.fixture
def terminal() -> Iterator[io.TextIOWrapper]:
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w", encoding="utf-8") as stream:
        yield stream
    os.close(leader)


@pytest.mark.parametrize(
    ("environ", "no_color", "expected"),
    [
        ({}, False, True),
        ({"TERM": "xterm-256color"}, False, True),
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": "0"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_a_terminal_is_coloured_unless_somebody_objects(terminal, environ, no_color, expected):
    assert wants_color(terminal, environ, no_color=no_color) is expected


@pytest.mark.parametrize("environ", [{}, {"FORCE_COLOR": "1"}, {"CLICOLOR_FORCE": "1"}])
def test_what_is_no_terminal_is_never_coloured(tmp_path, environ):
    with (tmp_path / "log").open("w") as file:
        assert not wants_color(file, environ, no_color=False)
    assert not wants_color(file, environ, no_color=False)
    assert not wants_color(None, environ, no_color=False)


def test_only_an_open_terminal_is_one(terminal, tmp_path):
    assert is_terminal(terminal)
    terminal.close()
    assert not is_terminal(terminal)
    assert not is_terminal(None)
    assert not is_terminal(io.StringIO())


def test_a_full_disk_behind_stdout_is_a_storage_error(monkeypatch):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(StorageError, match="No space left on device") as caught:
            Output().path("a.png")
        assert caught.value.code == "export_failed"
        assert "safe in the gallery" in caught.value.hint
        Output().path("what is said afterwards goes nowhere, and harms nothing")
