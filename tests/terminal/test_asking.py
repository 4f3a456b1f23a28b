import ast
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest

from mai_cli.terminal.asking import Abilities
from tests.terminals import ABOUT_KITTY, CELL, ITERM2, KITTY, PLAIN, QUESTIONS, SIXEL, Terminal

PROGRAM = """
import sys
from mai_cli.terminal.asking import ask_terminal
from mai_cli.terminal.stopping import Stops

with Stops().listening():
    able = ask_terminal(float(sys.argv[1]), is_shared="shared" in sys.argv)
print("able", vars(able), flush=True)
"""
ASK = [sys.executable, "-c", PROGRAM, "60"]
ASK_FOR_A_SECOND = [sys.executable, "-c", PROGRAM, "1"]
ASK_BRIEFLY = [sys.executable, "-c", PROGRAM, "0.2"]

NOTHING = Abilities()
EVERYTHING = Abilities(kitty=True, iterm2=True, sixel=True, cell=(10, 20))
NO_KITTY = b"\x1b_Gi=31;ENOTSUPPORTED:no graphics here\x1b\\"
NO_FILES = b"\x1b]1337;Capabilities=T3CwLrMSc7UUw9Ts3BFoGsSyHNoSx\x1b\\"

FORBIDDING = Path("/proc/sys/dev/tty/legacy_tiocsti")
needs_giving_back = pytest.mark.skipif(
    os.geteuid() != 0 and FORBIDDING.exists() and FORBIDDING.read_text().strip() == "0",
    reason="this system lets nobody put a key back",
)


def abilities(terminal: Terminal) -> Abilities:
    """What the program found; it is waited for."""
    return Abilities(**ast.literal_eval(terminal.shows(rb"able (\{.*\})\r\n")[1].decode()))


def followed_by(what: str, ask: list[str] = ASK, shell: str = "sh") -> list[str]:
    """A command that asks, and then does ``what`` in the shell."""
    return [shell, "-c", f'"$@"; {what}', "-", *ask]


def read_by_the_next(ask: list[str] = ASK) -> list[str]:
    """A command that asks; the program after it shows the line that it reads."""
    return followed_by("""IFS= read -r line; printf 'next [%s]\n' "$line" """, ask)


def next_line(terminal: Terminal) -> bytes:
    return terminal.shows(rb"next \[([^]]*)\]")[1]


@pytest.mark.parametrize(
    ("answer", "able"),
    [
        (KITTY + PLAIN, Abilities(kitty=True)),
        (KITTY + CELL + PLAIN, Abilities(kitty=True, cell=(10, 20))),
        (NO_KITTY + PLAIN, NOTHING),
        (ITERM2 + PLAIN, Abilities(iterm2=True)),
        (ITERM2.replace(b"\x1b\\", b"\x07") + PLAIN, Abilities(iterm2=True)),
        (NO_FILES + PLAIN, NOTHING),
        (SIXEL, Abilities(sixel=True)),
        (b"\x1b[?4;22c", NOTHING),
        (b"\x1b[?64;14;44c", NOTHING),
        (b"\x1b[?64;22;4c", Abilities(sixel=True)),
        (b"\x1b[6;17;8t" + PLAIN, Abilities(cell=(8, 17))),
        (b"\x1b[6;0;0t" + PLAIN, NOTHING),
        (KITTY + ITERM2 + CELL + SIXEL, EVERYTHING),
        (PLAIN, NOTHING),
        (b"\x1b[?c", NOTHING),
    ],
)
def test_a_terminal_is_taken_at_its_word(answer, able):
    with Terminal(ASK, answer=answer) as terminal:
        assert abilities(terminal) == able
        assert terminal.leaves() == 0


def test_a_terminal_is_asked_about_everything():
    with Terminal(ASK, answer=PLAIN) as terminal:
        terminal.leaves()
        assert ABOUT_KITTY + QUESTIONS in terminal.raw


def test_a_terminal_that_is_shared_is_not_asked_about_what_it_would_take_for_a_title():
    with Terminal([*ASK, "shared"], answer=CELL + SIXEL) as terminal:
        assert abilities(terminal) == Abilities(sixel=True, cell=(10, 20))
        assert b"\x1b_" not in terminal.raw


def test_a_terminal_that_does_not_answer_is_not_waited_for_long():
    with Terminal(ASK_BRIEFLY) as terminal:
        assert abilities(terminal) == NOTHING
        assert terminal.was_asked


def test_what_was_answered_in_time_counts():
    with Terminal(ASK_FOR_A_SECOND, answer=KITTY + CELL) as terminal:
        assert abilities(terminal) == Abilities(kitty=True, cell=(10, 20))


@pytest.mark.parametrize("size", [1, 7, 20])
def test_an_answer_may_come_slowly_and_in_pieces(size):
    answer = KITTY + ITERM2 + CELL + SIXEL
    with Terminal(ASK) as terminal:
        terminal.is_asked()
        for start in range(0, len(answer), size):
            terminal.types(answer[start : start + size])
            time.sleep(0.002 * size)
        assert abilities(terminal) == EVERYTHING


def test_an_answer_that_comes_too_late_changes_nothing():
    with Terminal(followed_by("sleep 0.3", ASK_BRIEFLY)) as terminal:
        assert abilities(terminal) == NOTHING
        terminal.types(KITTY + SIXEL)
        assert terminal.leaves() == 0
        assert terminal.is_as_usual


def test_nothing_of_the_questions_stays_on_the_screen():
    with Terminal(ASK_BRIEFLY) as terminal:
        terminal.leaves()
        (line,) = terminal.lines
        assert line.startswith("able")


@pytest.mark.parametrize("keys", [b"h", b"hello", b"hello\r", b"one\rtwo\r", b"one\rtw", b"\x1b[A"])
def test_a_terminal_with_keys_that_wait_for_somebody_else_is_not_asked(keys):
    with Terminal(read_by_the_next(), before=keys) as terminal:
        assert abilities(terminal) == NOTHING
        assert not terminal.was_asked
        terminal.types(b"!\r")
        assert next_line(terminal) == (keys + b"!").partition(b"\r")[0]
        assert terminal.leaves() == 0


def test_every_line_that_waits_comes_in_order():
    with Terminal(followed_by("cat"), before=b"one\rtwo\rth") as terminal:
        assert abilities(terminal) == NOTHING
        terminal.types(b"ree\r\x04")
        assert terminal.leaves() == 0
        assert terminal.raw.endswith(b"one\r\ntwo\r\nthree\r\n")


def test_an_end_of_input_that_waits_is_not_lost():
    with Terminal(followed_by("cat"), before=b"one\r\x04") as terminal:
        assert abilities(terminal) == NOTHING
        assert terminal.leaves() == 0
        assert terminal.raw.endswith(b"one\r\n")


@needs_giving_back
@pytest.mark.parametrize(
    "typed",
    [
        b"hello\r" + KITTY + ITERM2 + CELL + SIXEL,
        KITTY + b"hello\r" + ITERM2 + CELL + SIXEL,
        b"h" + KITTY + b"e" + ITERM2 + b"l" + CELL + b"l" + SIXEL + b"o\r",
        KITTY + ITERM2 + CELL + SIXEL + b"hello\r",
    ],
)
def test_keys_that_are_typed_meanwhile_are_for_the_next_program(typed):
    with Terminal(read_by_the_next()) as terminal:
        terminal.is_asked()
        terminal.types(typed)
        assert abilities(terminal) == EVERYTHING
        assert next_line(terminal) == b"hello"


@needs_giving_back
@pytest.mark.parametrize(
    ("keys", "line"),
    [
        ("é雪🦊".encode(), "é雪🦊".encode()),
        (b"\x1b[A\x1bOP\x1b[15~\x1bx", b"\x1b[A\x1bOP\x1b[15~\x1bx"),
        (b"a\tb", b"a\tb"),
        (b"helk\x7flo", b"hello"),
        (b"nothing of this\x15hello", b"hello"),
        (b"\x04", b""),
    ],
)
def test_keys_that_are_given_back_do_what_they_do(keys, line):
    with Terminal(read_by_the_next()) as terminal:
        terminal.is_asked()
        terminal.types(KITTY + keys + (b"\r" if keys != b"\x04" else b"") + PLAIN)
        assert next_line(terminal) == line
        assert abilities(terminal) == Abilities(kitty=True)


@needs_giving_back
def test_keys_come_in_order_from_before_the_last_answer_and_after_it():
    with Terminal(read_by_the_next()) as terminal:
        terminal.is_asked()
        terminal.types(b"a" + KITTY + b"b" + PLAIN + b"c")
        abilities(terminal)
        terminal.types(b"d\r")
        assert next_line(terminal) == b"abcd"


@needs_giving_back
def test_keys_that_are_typed_into_a_silent_terminal_are_for_the_next_program():
    with Terminal(read_by_the_next(ASK_BRIEFLY)) as terminal:
        terminal.is_asked()
        terminal.types(b"hello\r")
        assert abilities(terminal) == NOTHING
        assert next_line(terminal) == b"hello"


def test_keys_that_are_typed_meanwhile_are_seen_once():
    with Terminal(read_by_the_next()) as terminal:
        terminal.is_asked()
        terminal.types(KITTY + b"hello\r" + PLAIN)
        next_line(terminal)
        assert terminal.raw.count(b"hello") == 2  # typed, and shown by the next program
        assert KITTY not in terminal.raw
        assert b"Gi=31;OK" not in terminal.raw


@pytest.mark.parametrize("answer", [PLAIN, b""])
def test_ctrl_c_stops_the_program_while_it_asks(answer):
    with Terminal(ASK if answer else ASK_FOR_A_SECOND) as terminal:
        terminal.is_asked()
        terminal.types(KITTY + b"\x03" + answer)
        assert terminal.leaves() == 130
        assert b"able" not in terminal.raw
        assert terminal.is_as_usual


def test_ctrl_c_stops_whoever_started_the_program_too():
    with Terminal(followed_by("echo went on")) as terminal:
        terminal.is_asked()
        terminal.types(b"\x03" + PLAIN)
        assert terminal.leaves() == 130
        assert b"went on" not in terminal.raw


def test_ctrl_z_pauses_the_program_while_it_asks():
    shell = 'set -m; "$@"; echo paused $?; read go; fg'
    with Terminal(["bash", "-c", shell, "-", *ASK]) as terminal:
        terminal.is_asked()
        terminal.types(KITTY + b"\x1a" + PLAIN)
        terminal.shows(rb"paused 148\r\n")
        assert terminal.is_as_usual
        assert b"able" not in terminal.raw
        terminal.types(b"\r")
        assert terminal.leaves() == 0
        assert abilities(terminal) == Abilities(kitty=True)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]
)
def test_a_signal_leaves_the_terminal_as_it_was(number, code):
    with Terminal(ASK) as terminal:
        terminal.is_asked()
        assert not terminal.is_as_usual
        terminal.process.send_signal(number)
        assert terminal.leaves() == code
        assert terminal.is_as_usual


def test_a_terminal_that_goes_away_ends_the_program():
    with Terminal(ASK, pipes=("stdout", "stderr")) as terminal:
        terminal.is_asked()
        terminal.hangs_up()
        assert terminal.leaves() == 129
        assert terminal.piped == b""


def test_a_terminal_that_goes_away_can_do_nothing():
    command = ["sh", "-c", 'trap "" HUP; exec "$@"', "-", *ASK_FOR_A_SECOND]
    with Terminal(command, pipes=("stdout", "stderr")) as terminal:
        terminal.is_asked()
        terminal.hangs_up()
        assert terminal.leaves() == 0
        assert terminal.piped.decode() == f"able {vars(NOTHING)}\n"


def test_the_terminal_is_asked_even_where_all_streams_are_pipes():
    with Terminal(ASK, answer=SIXEL, pipes=("stdin", "stdout", "stderr")) as terminal:
        assert terminal.leaves() == 0
        assert terminal.piped.decode() == f"able {vars(Abilities(sixel=True))}\n"


@pytest.mark.parametrize("ask", [ASK, ASK_BRIEFLY])
@pytest.mark.parametrize("off", [0, termios.ECHO, termios.ICANON, termios.ISIG | termios.ECHO])
def test_the_terminal_is_as_it_was_afterwards(ask, off):
    def change(attributes: list) -> None:
        attributes[3] &= ~off
        attributes[0] &= ~termios.ICRNL

    with Terminal(["sh", "-c", 'read go; "$@"', "-", *ask]) as terminal:
        terminal.sets(change)
        before = terminal.attributes
        terminal.answer = SIXEL if ask is ASK else b""
        terminal.types(b"\n")
        assert terminal.leaves() == 0
        assert terminal.was_asked
        assert terminal.attributes == before


def test_a_terminal_that_hands_out_many_keys_at_once_is_heard():
    with Terminal(["sh", "-c", 'read go; "$@"', "-", *ASK_FOR_A_SECOND], answer=SIXEL) as terminal:
        terminal.sets(lambda attributes: attributes[6].__setitem__(termios.VMIN, 100))
        terminal.types(b"\n")
        assert abilities(terminal) == Abilities(sixel=True)


def test_a_process_in_the_background_neither_asks_nor_is_stopped(tmp_path):
    command = ["bash", "-c", 'set -m; stty tostop; "$@" > shown & wait; cat shown', "-", *ASK]
    with Terminal(command, folder=tmp_path, answer=SIXEL) as terminal:
        assert abilities(terminal) == NOTHING
        assert not terminal.was_asked
        assert terminal.leaves() == 0


def test_without_a_terminal_of_its_own_it_asks_nobody():
    leader, follower = pty.openpty()
    done = subprocess.run(
        ASK,
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=follower,
        start_new_session=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.decode() == f"able {vars(NOTHING)}\n"
    assert not select.select([leader], [], [], 0)[0]
    os.close(leader)
    os.close(follower)
