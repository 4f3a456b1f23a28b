"""Whether a person sees the picture, and whether anything else ever does."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pyte
import pytest

from mai_cli.adapters.thumbnails import shrink
from mai_cli.terminal.preview import half_blocks, iterm2, kitty, sixel
from tests.conftest import MAI
from tests.emulator import FILTERED
from tests.terminals import CELL, ITERM2, KITTY, PLAIN, SIXEL, Terminal

DRAW = [*MAI, "generate", "a red fox", "--offline"]
DIRECT = 1 << 24
WIDTH, HEIGHT = 80, 24 - 4  # of the room for a picture in the terminal of these tests, in cells
MARKS = ("▀".encode(), b"\x1b_Ga=T", b"\x1b]1337;File", b"\x1bP")

OnTerminal = Callable[..., Terminal]


@pytest.fixture
def on_terminal(bare, tmp_path) -> OnTerminal:
    """Draw on a terminal, to the end."""

    def on_terminal(
        *args: str,
        answer: bytes = PLAIN,
        pipes: tuple[str, ...] = (),
        command: list[str] = DRAW,
        code: int = 0,
        **more: str,
    ) -> Terminal:
        with Terminal(
            [*command, *args], bare | more, tmp_path, answer=answer, pipes=pipes
        ) as terminal:
            assert terminal.leaves() == code, terminal.raw + terminal.piped
        return terminal

    return on_terminal


def as_text(master: Path, colors: int = 256) -> bytes:
    """The half blocks of ``master``, as a terminal gets them."""
    text = half_blocks(shrink(master, WIDTH, 2 * HEIGHT), colors)
    return text.replace("\n", "\r\n").encode()


def is_shown(terminal: Terminal) -> bool:
    return any(mark in terminal.raw for mark in MARKS)


def test_a_person_sees_the_picture_after_its_path(on_terminal, masters):
    terminal = on_terminal()
    (master,) = masters()
    before, shown, _ = terminal.raw.partition(as_text(master))
    assert shown
    assert before.count(f"{master}\r\n".encode()) == 1
    assert re.search(rb"1024x1024, free, \d s, id [0-9a-f]{12}\r\n$", before)
    assert terminal.lines[-HEIGHT:] == ["▀" * 2 * HEIGHT] * HEIGHT
    assert not terminal.screen.cursor.hidden


@pytest.mark.parametrize(
    ("answer", "protocol"),
    [(KITTY + CELL + PLAIN, kitty), (ITERM2 + CELL + PLAIN, iterm2), (CELL + SIXEL, sixel)],
)
def test_a_terminal_that_shows_pictures_gets_the_picture(on_terminal, masters, answer, protocol):
    terminal = on_terminal(answer=answer, NO_COLOR="1")
    (master,) = masters()
    assert protocol(shrink(master, 10 * WIDTH, 20 * HEIGHT)).encode() + b"\r\n" in terminal.raw


@pytest.mark.parametrize(
    ("args", "more"),
    [
        (["--no-preview"], {}),
        ([], {"MAI_PREVIEW": "0"}),
        (["-q", "--preview"], {}),
        (["--json"], {}),
        (["--preview"], {"TERM": "dumb"}),
    ],
)
def test_a_picture_that_is_not_wanted_is_neither_shown_nor_asked_about(on_terminal, args, more):
    terminal = on_terminal(*args, answer=KITTY + SIXEL, **more)
    assert not is_shown(terminal)
    assert not terminal.was_asked


def test_half_blocks_are_colours_and_shown_only_with_them(on_terminal):
    assert not is_shown(on_terminal(NO_COLOR="1"))


def test_several_pictures_are_shown_each_after_its_path(on_terminal, masters):
    terminal = on_terminal("-n", "2", "-o", "a.png")
    parts = terminal.raw.split(as_text(masters()[0]))
    assert len(parts) == 3
    assert [part.count(b"a-1.png\r\n") for part in parts] == [1, 0, 0]
    assert [part.count(b"a-2.png\r\n") for part in parts] == [0, 1, 0]


def test_a_pipe_gets_the_path_and_the_person_sees_no_picture(on_terminal, masters):
    terminal = on_terminal(pipes=("stdout",), answer=KITTY + PLAIN)
    assert terminal.piped.decode() == f"{masters()[0]}\n"
    assert not is_shown(terminal)
    assert not terminal.was_asked


@pytest.mark.parametrize(
    ("args", "more", "colors"),
    [(["--preview"], {}, 256), ([], {"MAI_PREVIEW": "1", "COLORTERM": "truecolor"}, DIRECT)],
)
def test_a_picture_that_is_wanted_is_shown_beside_a_pipe(on_terminal, masters, args, more, colors):
    terminal = on_terminal(*args, pipes=("stdout",), **more)
    (master,) = masters()
    assert terminal.piped.decode() == f"{master}\n"
    assert as_text(master, colors) in terminal.raw


def test_json_and_the_picture_do_not_mix(on_terminal, masters, history):
    terminal = on_terminal("--preview", "--json", pipes=("stdin", "stdout"))
    (record,) = history().values()
    assert json.loads(terminal.piped) == record
    assert as_text(*masters()) in terminal.raw


def test_the_bytes_and_the_picture_do_not_mix(on_terminal, masters):
    terminal = on_terminal("--preview", "-o", "-", pipes=("stdout",), answer=SIXEL)
    (master,) = masters()
    assert terminal.piped == master.read_bytes()
    assert sixel(shrink(master, 800, 400)).encode() in terminal.raw


def test_stderr_in_a_pipe_shows_nothing(on_terminal, masters):
    terminal = on_terminal("--preview", pipes=("stderr",), answer=KITTY + PLAIN, COLORTERM="24bit")
    assert terminal.raw.decode() == f"{masters()[0]}\r\n"
    assert re.fullmatch(rb"1024x1024, free, \d s, id [0-9a-f]{12}\n", terminal.piped)


def test_without_a_terminal_no_escape_is_written(run, bare, masters):
    done = run(bare | {"MAI_PREVIEW": "1", "COLORTERM": "24bit"}, *DRAW[1:], "--preview")
    assert done.out.decode() == f"{masters()[0]}\n"
    assert re.fullmatch(r"1024x1024, free, \d s, id [0-9a-f]{12}\n", done.err)


def test_a_terminal_that_does_not_tell_its_size_has_the_usual_one(bare, tmp_path, masters):
    with Terminal(DRAW, bare, tmp_path, answer=PLAIN, columns=0, rows=0) as terminal:
        assert terminal.leaves() == 0
    assert as_text(*masters()) in terminal.raw


def test_what_was_not_made_is_not_shown(on_terminal, env, foundry):
    foundry.will(FILTERED)
    command = [*MAI, "generate", "x"]
    assert not is_shown(on_terminal(command=command, code=5, **env))


@pytest.mark.parametrize(("args", "code"), [(["-s", "1"], 2), (["--dry-run"], 0)])
def test_nothing_is_asked_where_nothing_will_be_drawn(on_terminal, args, code):
    assert not on_terminal(*args, code=code).was_asked


@pytest.mark.parametrize(
    ("stop", "code"),
    [
        (lambda terminal: terminal.types(b"\x03" + PLAIN), 130),
        (lambda terminal: terminal.process.terminate(), 143),
        (lambda terminal: terminal.hangs_up(), 129),
    ],
    ids=["ctrl-c", "terminated", "closed"],
)
def test_a_stop_while_the_terminal_is_asked_sends_nothing(bare, tmp_path, history, stop, code):
    with Terminal([*DRAW, "--preview"], bare, tmp_path, pipes=("stdout",)) as terminal:
        terminal.is_asked()
        stop(terminal)
        assert terminal.leaves() == code
        assert terminal.is_gone or terminal.is_as_usual
    assert history() == {}
    assert terminal.piped == b""
    assert b"Traceback" not in terminal.raw


@pytest.fixture
def tmux(bare, tmp_path) -> Iterator[Callable[..., str]]:
    """Calls tmux, whose server is the test's own."""
    if not shutil.which("tmux"):
        pytest.skip("there is no tmux")
    command = ["tmux", "-S", str(tmp_path / "tmux"), "-f", os.devnull]

    def tmux(*args: str) -> str:
        done = subprocess.run(
            [*command, *args], env=bare, capture_output=True, timeout=20, check=True
        )
        return done.stdout.decode()

    yield tmux
    subprocess.run([*command, "kill-server"], capture_output=True, timeout=20, check=False)


def in_tmux(tmux: Callable[..., str], start: str = "") -> None:
    """Draw in a window of 90 x 30, and wait for the end."""
    command = f"{start} {' '.join(DRAW[:2])} fox --offline; tmux wait-for -S done; sleep 60"
    tmux("new-session", "-d", "-x", "90", "-y", "30", command)
    tmux("wait-for", "done")


def test_tmux_shows_the_picture(tmux, masters):
    in_tmux(tmux)
    screen = pyte.Screen(90, 30)
    pyte.Stream(screen).feed(tmux("capture-pane", "-e", "-p").replace("\n", "\r\n"))
    expected = pyte.Screen(90, 30)
    text = half_blocks(shrink(masters()[0], 90, 2 * (30 - 4)), 256)
    pyte.Stream(expected).feed(text.replace("\n", "\r\n"))

    top = next(y for y, line in enumerate(screen.display) if "▀" in line)
    for y in range(30 - 4):
        assert screen.display[top + y].strip() == "▀" * 52
        for x in range(52):
            assert screen.buffer[top + y][x] == expected.buffer[y][x]


@pytest.mark.parametrize("start", ["", "env -u TMUX"])  # as through SSH
def test_tmux_keeps_the_title_of_its_window(tmux, start):
    in_tmux(tmux, start)
    assert "Gi=31" not in tmux("display-message", "-p", "#{pane_title} #{window_name}")


VIEWER = "open" if sys.platform == "darwin" else "xdg-open"


@pytest.fixture
def opened(bare, tmp_path, monkeypatch) -> Callable[[int], list[str]]:
    """The paths that the system's viewer is called with; so many are waited for."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / VIEWER).write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/opened\n')
    (folder / VIEWER).chmod(0o755)
    bare["PATH"] = f"{folder}:{bare['PATH']}"

    def opened(count: int) -> list[str]:
        end = time.monotonic() + 20
        lines: list[str] = []
        while len(lines) < count:
            assert time.monotonic() < end, f"the viewer was called with {lines}"
            time.sleep(0.01)
            if (tmp_path / "opened").exists():
                lines = (tmp_path / "opened").read_text().splitlines()
        return lines

    return opened


def test_the_viewer_opens_the_master(run, bare, opened, masters):
    assert run(bare, *DRAW[1:], "--open", "-q", "--json").code == 0
    assert opened(1) == [str(master) for master in masters()]


def test_the_viewer_opens_the_first_export_of_each_picture(on_terminal, opened, tmp_path):
    on_terminal("--open", "-n", "2", "-o", "a b.png", "-o", "c.png")
    assert sorted(opened(2)) == [str(tmp_path / "a b-1.png"), str(tmp_path / "a b-2.png")]


def test_a_picture_that_was_not_made_is_not_opened(mai, foundry, opened, bare, tmp_path):
    foundry.will(FILTERED)
    assert mai("generate", "x", "--open", PATH=bare["PATH"]).code == 5
    assert not (tmp_path / "opened").exists()


def test_where_there_is_no_viewer_the_picture_is_still_made(run, bare, masters, tmp_path):
    done = run(bare | {"PATH": str(tmp_path)}, *DRAW[1:], "--open")
    assert done.code == 0
    assert done.out.decode() == f"{masters()[0]}\n"
    assert done.err.splitlines()[-1].startswith("It cannot be opened: ")
    assert str(masters()[0]) not in done.err
