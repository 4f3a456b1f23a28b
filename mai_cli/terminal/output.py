"""What a run says: results to stdout, for the next program; everything else to stderr."""

import json
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from mai_cli.errors import ExitCode, MaiError, StorageError

ERROR_SCHEMA = "mai/error/1"

# Control characters, and the marks that turn the direction of text: none reaches the terminal.
_CONTROL = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_END_OF_PICTURE = b"\x1b\\\x1b[0m\n"
_RED, _DIM, _PLAIN = "\x1b[31m", "\x1b[2m", "\x1b[0m"


class Output:
    """The two streams of a run. Never wraps, never interprets, flushes every line."""

    def __init__(
        self,
        *,
        json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        color: bool = False,
    ) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self.color = color
        self._turn = threading.RLock()  # a signal may speak up in the middle of a line

    def path(self, path: Path | str) -> None:
        """A result: the path of a file, as it is; for people, without what acts on a terminal."""
        if is_terminal(sys.stdout):
            self.text(str(path))
        else:
            self._result(os.fsencode(path) + b"\n")

    def text(self, text: str) -> None:
        """A result: a line for people."""
        self._result(f"{visible(text)}\n".encode())

    def row(self, cells: Iterable[str]) -> None:
        """A result: a line of cells for programs, with tabs between them."""
        self._result(("\t".join(map(visible, cells)) + "\n").encode())

    def data(self, data: bytes) -> None:
        """A result: bytes as they are."""
        self._result(data)

    def lines(self, text: str) -> None:
        """A result: several lines for people."""
        for line in text.splitlines():
            self.text(line)

    def object(self, value: Mapping[str, object]) -> None:
        """A result: one JSON object on one line."""
        self._result(json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n")

    def file(self, path: Path) -> None:
        """A result: the bytes of the file at ``path``."""
        with path.open("rb") as source:
            while block := source.read(1 << 16):
                self._result(block)

    def note(self, text: str) -> None:
        """Something to know; not with ``--quiet``."""
        if not self.quiet:
            self._say(text)

    def notes(self, texts: Iterable[str]) -> None:
        """Several of them."""
        for text in texts:
            self.note(text)

    def log(self, text: str) -> None:
        """A detail; with ``--verbose`` only."""
        if self.verbose and not self.quiet:
            self._say(text, style=_DIM)

    def commands(self, lines: Iterable[str]) -> None:
        """What the program that runs this one is to do, on stderr; also with ``--quiet``."""
        for line in lines:
            self._say(line)

    def prompt(self, text: str, end: str = "") -> None:
        """A question on stderr; what is typed goes on in the same line."""
        if sys.stderr is not None:
            print(visible(text), end=end, file=sys.stderr, flush=True)

    def screen(self, text: str) -> None:
        """What a terminal shows as a picture, as it is; on stderr."""
        if sys.stderr is None:
            return
        handle = sys.stderr.fileno()
        data = memoryview(text.encode(sys.stderr.encoding, "replace"))
        try:
            while data:  # not through a buffer, which would go on with it after a stop
                data = data[os.write(handle, data) :]
        except BaseException:  # a terminal must not wait for the rest of a picture
            with suppress(OSError):
                os.write(handle, _END_OF_PICTURE)
            raise

    def error(self, error: MaiError, *, with_json: bool = True) -> None:
        """A failure: for people on stderr, and for programs on stdout with ``--json``."""
        if self.json and with_json:
            self.object({"schema": ERROR_SCHEMA, "error": error.to_json()})
        self._say(f"Error: {error.message}", style=_RED)
        for detail in error.details:
            self._say(f"  {detail}")
        if error.hint:
            self._say(error.hint)

    def _say(self, text: str, style: str = "") -> None:
        """A line to stderr; a stderr that is closed must not stop a run."""
        line = visible(text)
        if style and self.color:
            line = f"{style}{line}{_PLAIN}"
        if sys.stderr is None:  # closed from the start; print would go to stdout
            return
        try:
            with self._turn:
                print(f"{line}\n", end="", file=sys.stderr, flush=True)  # whole, also in threads
        except (OSError, ValueError):
            _abandon(sys.stderr)

    def _result(self, data: bytes) -> None:
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except (BrokenPipeError, ValueError, AttributeError):
            _abandon(sys.stdout)
            raise SystemExit(ExitCode.CLOSED_PIPE) from None
        except OSError as error:
            _abandon(sys.stdout)
            raise StorageError(
                f"Standard output cannot be written: {error.strerror}.",
                code="export_failed",
                hint="Make room there, or write to another place; a picture that was made is safe "
                "in the gallery.",
            ) from None


def visible(text: str) -> str:
    """``text`` with control characters written out, so that none acts on a terminal."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _abandon(stream: TextIO | None) -> None:
    """Let nothing more be written to a stream that takes nothing, not even at the end."""
    with suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # type: ignore[union-attr]


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads or writes ``stream``."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def colors_of(stream: TextIO | None, environ: Mapping[str, str]) -> int:
    """How many colours the terminal behind ``stream`` shows text in, if it shows half blocks."""
    try:
        "\u2580".encode(getattr(stream, "encoding", None) or "ascii")
    except UnicodeEncodeError:
        return 0
    direct = environ.get("COLORTERM") in {"truecolor", "24bit"}
    return 1 << 24 if direct or environ.get("TERM", "").endswith("-direct") else 256


def wants_color(stream: TextIO | None, environ: Mapping[str, str], *, no_color: bool) -> bool:
    """Whether ``stream`` may be coloured; see https://no-color.org for ``NO_COLOR``."""
    allowed = not no_color and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    return allowed and is_terminal(stream)
