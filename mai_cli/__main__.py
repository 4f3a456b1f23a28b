"""The start of the program: ``mai``, or ``python -m mai_cli``.

``mai --version`` is answered here, before anything else is imported: scripts ask for it often,
and it then costs no more than starting Python. ``mai --values KIND``, which shells ask at a TAB,
loads next to nothing either.
"""

import gc
import sys

from mai_cli import __version__

YOUNG_OBJECTS = 50_000
"""So many new ones before Python looks for cycles; loading modules makes many and leaves none."""


def main() -> None:
    """Run ``mai`` with the arguments of the process; ends it with the exit code."""
    if sys.argv[1:] == ["--version"]:
        try:
            sys.stdout.write(f"mai {__version__}\n")
            sys.stdout.flush()
        except (OSError, AttributeError):
            pass  # the whole program tells what is wrong with stdout
        else:
            return
    _occupy_streams()
    import signal  # noqa: PLC0415 - the point of this module

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # while loading, Ctrl-C ends it quietly
    gc.set_threshold(YOUNG_OBJECTS)
    try:
        if sys.argv[1:2] == ["--values"]:
            _show_values(sys.argv[2:])
            return
        from mai_cli.app import main as run  # noqa: PLC0415 - the point of this module

        run(sys.argv[1:])
    finally:
        gc.freeze()  # at its end Python would look for cycles several times; a fifth of the run


def _occupy_streams() -> None:
    """See that no file gets the number of a stream that is closed, and what is said into it."""
    import os  # noqa: PLC0415 - the point of this module

    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _show_values(kinds: list[str]) -> None:
    """Print what a completion asks for; nothing if that is not known."""
    import os  # noqa: PLC0415 - the point of this module

    from mai_cli.living import show  # noqa: PLC0415 - the same

    show(kinds[0] if kinds else "", os.environ)


if __name__ == "__main__":
    main()
