"""The whole command inside of the test's process, for many runs in little time."""

import io
import os
import re
import signal
import sys
from collections.abc import Mapping
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

from mai_cli.app import main
from tests.conftest import Result

ACTS_ON_A_TERMINAL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""None of these may be in what is said; a tab stands between cells."""

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def assert_calm(result: Result) -> None:
    """See that nothing in what was said acts on a terminal."""
    assert not ACTS_ON_A_TERMINAL.search(result.err)
    assert not ACTS_ON_A_TERMINAL.search(result.out.decode(errors="surrogateescape"))


def run_inside(env: Mapping[str, str], folder: Path, *args: str, stdin: bytes = b"") -> Result:
    """How ``mai`` ends with ``args`` in ``folder``; a bug comes out as the exception it is."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    err = io.TextIOWrapper(io.BytesIO(), "utf-8", "backslashreplace")
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with (
        chdir(folder),
        patch.dict(os.environ, env, clear=True),
        patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8")),
        patch.object(sys, "stdout", out),
        patch.object(sys, "stderr", err),
    ):
        code: object = None
        try:
            main(list(args))
        except SystemExit as end:
            code = end.code
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
    out.flush()
    err.flush()
    said = err.buffer.getvalue().decode()
    return Result(int(code or 0), out.buffer.getvalue(), said)
