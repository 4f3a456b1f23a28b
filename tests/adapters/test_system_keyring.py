import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

BACKENDS = '''\
"""Backends as other packages bring them."""

import json
import time
from pathlib import Path

from keyring.backend import KeyringBackend
from keyring.errors import InitError, KeyringLocked, PasswordDeleteError, PasswordSetError


class File(KeyringBackend):
    priority = 9
    path = Path(__file__).with_name("kept.json")

    def _all(self):
        return json.loads(self.path.read_text()) if self.path.exists() else {}

    def get_password(self, service, name):
        return self._all().get(f"{service} {name}")

    def set_password(self, service, name, key):
        self.path.write_text(json.dumps(self._all() | {f"{service} {name}": key}))

    def delete_password(self, service, name):
        kept = self._all()
        if f"{service} {name}" not in kept:
            raise PasswordDeleteError("not there")
        del kept[f"{service} {name}"]
        self.path.write_text(json.dumps(kept))


class Asking(File):
    """Waits for somebody at a screen."""

    def get_password(self, *_):
        time.sleep(600)

    set_password = delete_password = get_password


class Locked(File):
    def get_password(self, *what):
        raise KeyringLocked(f"locked, said for {what}")

    set_password = delete_password = get_password


class Talkative(File):
    """Repeats what it was given, as an exception of its own."""

    def get_password(self, *what):
        raise type("DBusErrorResponse", (Exception,), {})(f"org.freedesktop: {what}")

    set_password = delete_password = get_password


class Exiting(File):
    def get_password(self, *what):
        raise SystemExit(f"no more: {what}")

    set_password = delete_password = get_password
'''

PROGRAM = """\
import sys
from mai_cli.adapters.system_keyring import KeyringError, SystemKeyring
keyring = SystemKeyring(patience_seconds={patience})
for name, *args in {calls}:
    try:
        print(getattr(keyring, name)(*args))
    except KeyringError as error:
        print(type(error).__name__, error)
"""

KEY = "key-0123456789abcdef"
NAME = "https://contoso.services.ai.azure.com"
EVERY_CALL = [("get", NAME), ("set", NAME, KEY), ("delete", NAME)]

Ask = Callable[..., list[str]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """What a program with this backend is told, call by call; stderr stays empty."""
    (tmp_path / "backends_of_others.py").write_text(BACKENDS)

    def ask(backend: str, *calls: tuple[str, ...], patience: float = 30) -> list[str]:
        backend = backend if "." in backend else f"backends_of_others.{backend}"
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(tmp_path)]),
            "PYTHON_KEYRING_BACKEND": backend,
        }
        program = PROGRAM.format(calls=list(calls), patience=patience)
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environ,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert done.stderr == ""
        return done.stdout.splitlines()

    return ask


def test_a_key_is_kept_until_it_is_forgotten(ask):
    assert ask("File", ("get", NAME)) == ["None"]
    assert ask("File", ("set", NAME, KEY), ("get", NAME)) == ["True", KEY]
    assert ask("File", ("get", NAME), ("get", f"{NAME}:8443")) == [KEY, "None"]
    assert ask("File", ("delete", NAME), ("get", NAME)) == ["None", "None"]


def test_a_key_takes_the_place_of_another(ask):
    calls = [("set", NAME, "first"), ("set", NAME, KEY), ("get", NAME)]
    assert ask("File", *calls) == ["True", "True", KEY]


def test_a_key_that_is_not_there_cannot_be_forgotten(ask):
    told = "KeyringError the system keyring failed (PasswordDeleteError)"
    assert ask("File", ("delete", NAME)) == [told]


def test_keys_are_kept_under_the_name_of_mai(ask, tmp_path):
    ask("File", ("set", NAME, KEY))
    assert (tmp_path / "kept.json").read_text() == f'{{"mai {NAME}": "{KEY}"}}'


def test_a_keyring_that_says_nothing_is_given_up_and_not_waited_for(ask):
    told = "KeyringError the system keyring gave no answer within 0.2 s"
    assert ask("Asking", *EVERY_CALL, patience=0.2) == [told] * 3


@pytest.mark.parametrize(
    ("backend", "kind"), [("Locked", "KeyringLocked"), ("Talkative", "DBusErrorResponse")]
)
def test_a_keyring_that_fails_is_said_to_and_repeats_no_key(ask, backend, kind):
    assert ask(backend, *EVERY_CALL) == [f"KeyringError the system keyring failed ({kind})"] * 3


def test_a_keyring_that_ends_the_program_does_not(ask):
    told = ask("Exiting", *EVERY_CALL)
    assert told == ["KeyringError the system keyring failed (SystemExit)"] * 3


def test_where_there_is_no_keyring_a_key_is_not_taken(ask):
    told = "NoKeyringError there is no system keyring"
    assert ask("keyring.backends.fail.Keyring", *EVERY_CALL) == [told, "False", told]


def test_a_keyring_that_is_turned_off_takes_no_key(ask):
    told = ask("keyring.backends.null.Keyring", ("set", NAME, KEY), ("get", NAME))
    assert told == ["False", "None"]


def test_a_backend_that_its_package_does_not_have_is_a_keyring_that_fails(ask):
    told = ask("backends_of_others.Missing", *EVERY_CALL)
    assert told == ["KeyringError the system keyring failed (AttributeError)"] * 3


def test_a_backend_whose_package_is_not_there_is_no_keyring(ask):
    told = "NoKeyringError there is no system keyring"
    assert ask("no_such_package.Keyring", *EVERY_CALL) == [told, "False", told]


def test_asking_whether_it_is_installed_does_not_load_it():
    program = (
        "import sys\n"
        "from mai_cli.adapters.system_keyring import SystemKeyring\n"
        "print(SystemKeyring().is_installed, 'keyring' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"True False\n"


def test_without_the_extra_it_is_not_installed_and_fails():
    program = (
        "import sys\n"
        "sys.path = [path for path in sys.path if 'site-packages' not in path]\n"
        f"sys.path.insert(0, {str(Path.cwd())!r})\n"
        "from mai_cli.adapters.system_keyring import KeyringError, SystemKeyring\n"
        "print(SystemKeyring().is_installed)\n"
        "try:\n    SystemKeyring().get('a')\n"
        "except KeyringError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    told = b"False\nthere is no system keyring\n"
    assert done.stdout == told
