"""Programs that see other files where the system keeps its own; for root on Linux only."""

import os
import shlex
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import certifi
import pytest

# Where systems keep the certificates that they trust, beside what OpenSSL itself names.
STORES = [
    "/etc/ssl/cert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/cert.pem",
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/ssl/ca-bundle.pem",
]


@cache
def why_not() -> str:
    """What keeps this machine from running them, if anything does."""
    if sys.platform != "linux" or not shutil.which("unshare"):
        return "needs Linux and unshare"
    done = subprocess.run(
        ["unshare", "-m", "mount", "--bind", "/etc", "/etc"], capture_output=True, check=False
    )
    return "" if done.returncode == 0 else "needs the right to mount"


def run_with(
    mounts: Mapping[Path, Path], program: str, environ: Mapping[str, str], timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a Python program that sees each file or folder of ``mounts`` as the other."""
    if reason := why_not():
        pytest.skip(reason)
    lines = [
        shlex.join(["mount", "--bind", str(source), str(target)])
        for target, source in mounts.items()
    ]
    script = " && ".join([*lines, shlex.join(["exec", sys.executable, "-c", program])])
    return subprocess.run(
        ["unshare", "-m", "sh", "-c", script],
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def store_of(pem: bytes, folder: Path) -> dict[Path, Path]:
    """Mounts that make ``pem`` all that the system trusts."""
    folder.mkdir()
    (folder / "ca-certificates.crt").write_bytes(pem)
    paths = ssl.get_default_verify_paths()
    folders = {Path(os.path.realpath(paths.openssl_capath)), Path("/etc/ssl/certs")}
    mounts = {path: folder for path in folders if path.is_dir()}
    for name in [paths.openssl_cafile, *STORES]:
        path = Path(os.path.realpath(name))
        if path.is_file() and path.parent not in folders:
            mounts[path] = folder / "ca-certificates.crt"
    return mounts


def bundle_of(pem: bytes, path: Path) -> dict[Path, Path]:
    """A mount that makes ``pem`` all that the package certifi brings."""
    path.write_bytes(pem)
    return {Path(certifi.where()): path}
