"""The start of the program: ``mai``, or ``python -m mai_cli``.

``mai --version`` is answered here, before anything else is imported: scripts ask for it often,
and it then costs no more than starting Python.
"""

import sys

from mai_cli import __version__


def main() -> None:
    """Run ``mai`` with the arguments of the process; ends it with the exit code."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"mai {__version__}\n")
        return
    from mai_cli.app import main as run  # noqa: PLC0415 - the point of this module

    run(sys.argv[1:])


if __name__ == "__main__":
    main()
