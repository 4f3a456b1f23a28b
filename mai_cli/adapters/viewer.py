"""The system's viewer of pictures."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path


def open_file(path: Path) -> None:
    """Hand the picture at ``path`` to the system's viewer, and do not wait for it.

    Raises:
        OSError: There is none.
    """
    if sys.platform == "win32":
        os.startfile(path)  # noqa: S606 - what this is for
        return
    program = "open" if sys.platform == "darwin" else "xdg-open"
    if shutil.which(program) is None:
        raise FileNotFoundError(errno.ENOENT, f"there is no {program}")
    subprocess.Popen(  # noqa: S603 - a path is no option: it is absolute
        [program, os.fspath(path.absolute())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
