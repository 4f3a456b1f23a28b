"""What the terminal can do, by its own word.

A terminal answers in the stream of keys. Whatever is typed meanwhile is given back to it, and
where something was typed before, it is not asked at all.

Sources: the graphics protocol of Kitty (``a=q``), iTerm2's feature reporting (``Capabilities``),
xterm's control sequences (``CSI 16 t``, primary device attributes, of which 4 is Sixel).
"""

import os
import re
import select
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

if sys.platform != "win32":
    import fcntl
    import termios

ANSWER_SECONDS = 1.0
"""A terminal answers in milliseconds; through a slow connection it takes a while."""

MAX_ANSWER_BYTES = 1 << 14

# The last one is answered by every terminal, and answers come in order.
_ASK_KITTY = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
_ASK_ALL = b"\x1b]1337;Capabilities\x1b\\\x1b[16t\x1b[c"
_CLEAN = b"\r\x1b[K"  # some terminals show what they do not understand
_KITTY = re.compile(rb"\x1b_Gi=31;([^\x1b]*)\x1b\\")
_ITERM2 = re.compile(rb"\x1b\]1337;Capabilities=([^\x07\x1b]*)(?:\x07|\x1b\\)")
_CELL = re.compile(rb"\x1b\[6;(\d{1,4});(\d{1,4})t")
_DEVICE = re.compile(rb"\x1b\[\?([\d;]*)c")
_FEATURE = re.compile(rb"[A-Z][a-z]*")
_STOP, _PAUSE = b"\x03", b"\x1a"


@dataclass(frozen=True)
class Abilities:
    """What a terminal says of itself; ``cell`` is the width and height of one in pixels."""

    kitty: bool = False
    iterm2: bool = False
    sixel: bool = False
    cell: tuple[int, int] | None = None


def is_shared(environ: Mapping[str, str]) -> bool:
    """Whether the terminal is one of tmux or screen; what it says of itself goes through ssh."""
    names = environ.get("TERM", "").startswith(("tmux", "screen"))
    return names or bool(environ.get("TMUX") or environ.get("STY"))


def ask_terminal(seconds: float = ANSWER_SECONDS, *, is_shared: bool = False) -> Abilities:
    """Ask the terminal of this process what it can do; nothing, if it does not say in time.

    One that is shared (tmux, screen) does not pass Kitty's graphics on, and would take the
    question about them for the title of its window.
    Only a process in the foreground asks: one in the background would be stopped by it.
    """
    if sys.platform == "win32":
        return Abilities()
    try:
        handle = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return Abilities()
    try:
        if os.tcgetpgrp(handle) != os.getpgrp():
            return Abilities()
        questions = _ASK_ALL if is_shared else _ASK_KITTY + _ASK_ALL
        return _understand(_ask(handle, questions, seconds))
    except (OSError, termios.error):
        return Abilities()
    finally:
        os.close(handle)


def _ask(handle: int, questions: bytes, seconds: float) -> bytes:
    """Everything that came until the last answer, or until the time was over."""
    heard = b""
    if _has_input(handle, 0):  # a line, or an end of input, which a change of mode would lose
        return heard
    with _unechoed(handle):
        if _has_input(handle, 0):  # the beginning of a line
            return heard
        os.write(handle, questions)
        until = time.monotonic() + seconds
        while not _DEVICE.search(heard) and len(heard) < MAX_ANSWER_BYTES:
            if not _has_input(handle, until - time.monotonic()) or time.monotonic() > until:
                break
            answer = os.read(handle, 1024)
            if not answer:  # the terminal is gone
                break
            heard += answer
        os.write(handle, _CLEAN)
    _give_back(handle, heard)
    return heard


@contextmanager
def _unechoed(handle: int) -> Iterator[None]:
    """Let keys come one by one, unseen and without an effect; what is waiting stays."""
    before = termios.tcgetattr(handle)
    changed = termios.tcgetattr(handle)
    changed[3] &= ~(termios.ICANON | termios.ECHO | termios.ISIG)
    changed[6][termios.VMIN], changed[6][termios.VTIME] = 1, 0  # no key waits for others
    try:
        termios.tcsetattr(handle, termios.TCSADRAIN, changed)
        yield
    finally:
        with suppress(termios.error):  # it may be gone
            termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _has_input(handle: int, seconds: float) -> bool:
    return bool(select.select([handle], [], [], max(0.0, seconds))[0])


def _give_back(handle: int, heard: bytes) -> None:
    """Put what was typed between the answers back, as far as the system lets us."""
    for answer in (_KITTY, _ITERM2, _CELL, _DEVICE):
        heard = answer.sub(b"", heard)
    for key in (heard[i : i + 1] for i in range(len(heard))):
        if key in (_STOP, _PAUSE):
            os.killpg(os.getpgrp(), signal.SIGINT if key == _STOP else signal.SIGTSTP)
        else:
            with suppress(OSError):
                fcntl.ioctl(handle, termios.TIOCSTI, key)


def _understand(heard: bytes) -> Abilities:
    kitty, iterm2 = _KITTY.search(heard), _ITERM2.search(heard)
    cell, device = _CELL.search(heard), _DEVICE.search(heard)
    size = (int(cell[2]), int(cell[1])) if cell else (0, 0)
    return Abilities(
        kitty=kitty is not None and kitty[1] == b"OK",
        iterm2=iterm2 is not None and b"F" in _FEATURE.findall(iterm2[1]),
        sixel=device is not None and b"4" in device[1].split(b";")[1:],
        cell=size if all(size) else None,
    )
