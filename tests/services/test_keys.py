from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mai_cli.errors import ConfigError
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.settings import Origin
from mai_cli.services.keys import KEYRING, Keys

OURS = Endpoint("https://contoso.services.ai.azure.com")
THEIRS = Endpoint("https://fabrikam.services.ai.azure.com")
PATH = Path("/home/me/.config/mai/credentials.toml")
IN_FILE = Origin("credentials", str(PATH))
KEY = "key-0123456789abcdef"


class KeyringError(Exception):
    pass


@dataclass
class FakeFile:
    """Keys by endpoint; ``None`` stands for the keyring."""

    path: Path = PATH
    entries: dict[str, str | None] = field(default_factory=dict)
    is_open: bool = False
    problem: Exception | None = None

    def key(self, endpoint):
        return self.entries.get(str(endpoint))

    def names_keyring(self, endpoint):
        return self.entries.get(str(endpoint), "") is None

    def put(self, endpoint, key):
        if self.problem:
            raise self.problem
        self.entries[str(endpoint)] = key

    def remove(self, endpoint):
        if self.problem:
            raise self.problem
        return self.entries.pop(str(endpoint), "") != ""

    def is_open_to_others(self):
        return self.is_open


@dataclass
class FakeKeyring:
    is_installed: bool = True
    is_there: bool = True
    problem: Exception | None = None
    entries: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def _ask(self, what):
        self.asked.append(what)
        if not self.is_installed:
            raise KeyringError("the system keyring failed (ModuleNotFoundError)")
        if self.problem:
            raise self.problem

    def get(self, name):
        self._ask(f"get {name}")
        return self.entries.get(name)

    def set(self, name, key):
        self._ask(f"set {name}")
        if self.is_there:
            self.entries[name] = key
        return self.is_there

    def delete(self, name):
        self._ask(f"delete {name}")
        del self.entries[name]


class World:
    def __init__(self):
        self.file, self.keyring, self.told = FakeFile(), FakeKeyring(), []
        self.keys = Keys(self.file, self.keyring, failure=KeyringError, tell=self.told.append)


@pytest.fixture
def world():
    return World()


def test_a_key_goes_into_the_keyring_and_the_file_says_so(world):
    assert world.keys.store(OURS, KEY) == KEYRING == Origin("keyring", "the system keyring")

    assert world.keyring.entries == {str(OURS): KEY}
    assert world.file.entries == {str(OURS): None}
    assert (world.keys.find(OURS), world.keys.origin(OURS)) == (KEY, KEYRING)
    assert world.told == []


@pytest.mark.parametrize("changes", [{"is_installed": False}, {"is_there": False}])
def test_without_a_keyring_a_key_goes_into_the_file(world, changes):
    vars(world.keyring).update(changes)
    assert world.keys.store(OURS, KEY) == IN_FILE
    assert world.keyring.is_installed or world.keyring.asked == []

    assert world.keyring.entries == {}
    assert world.file.entries == {str(OURS): KEY}
    assert (world.keys.find(OURS), world.keys.origin(OURS)) == (KEY, IN_FILE)
    assert world.told == []


def test_a_keyring_that_fails_is_told_and_the_key_goes_into_the_file(world):
    world.keyring.problem = KeyringError("the system keyring gave no answer within 5 s")
    assert world.keys.store(OURS, KEY) == IN_FILE

    assert world.file.entries == {str(OURS): KEY}
    assert world.told == [
        "Note: the system keyring gave no answer within 5 s; the key goes into a file instead."
    ]


def test_a_key_that_moves_into_the_keyring_leaves_the_file(world):
    world.file.entries[str(OURS)] = "an old one"
    world.keys.store(OURS, KEY)

    assert world.file.entries == {str(OURS): None}
    assert world.keys.find(OURS) == KEY


def test_a_key_that_replaces_one_in_a_keyring_that_is_gone_is_the_one_found(world):
    world.keys.store(OURS, "an old one")
    world.keyring.is_there = False
    world.keys.store(OURS, KEY)

    assert (world.keys.find(OURS), world.keys.origin(OURS)) == (KEY, IN_FILE)


def test_a_key_is_found_for_its_own_endpoint_only(world):
    world.keys.store(OURS, KEY)
    world.keyring.is_installed = False
    world.keys.store(THEIRS, "another")
    world.keyring.is_installed = True
    world.keyring.asked.clear()

    assert world.keys.find(THEIRS) == "another"
    assert world.keyring.asked == []
    assert world.keys.find(Endpoint("https://x.example")) is None
    assert world.keys.origin(Endpoint("https://x.example")) is None
    assert world.keyring.asked == []


def test_where_a_key_is_can_be_told_without_the_keyring(world):
    world.file.entries[str(OURS)] = None
    world.keyring.problem = KeyringError("locked")

    assert world.keys.origin(OURS) == KEYRING
    assert world.keyring.asked == []


def test_a_key_that_the_keyring_does_not_give_is_told(world):
    world.file.entries[str(OURS)] = None
    world.keyring.problem = KeyringError("the system keyring failed (Locked)")

    assert world.keys.find(OURS) is None
    assert world.told == ["Note: the key cannot be read, since the system keyring failed (Locked)."]


def test_a_key_that_somebody_took_out_of_the_keyring_is_told(world):
    world.file.entries[str(OURS)] = None

    assert world.keys.find(OURS) is None
    assert world.told == ["The system keyring has lost the key; store it again."]


def test_a_key_in_a_keyring_that_cannot_be_asked_is_told(world):
    world.file.entries[str(OURS)] = None
    world.keyring.is_installed = False

    assert world.keys.find(OURS) is None
    assert world.told == [
        "The key is in the system keyring; to read it, install the extra keyring."
    ]


def test_a_key_that_others_can_read_is_used_with_a_warning(world):
    world.file.entries[str(OURS)] = KEY
    assert (world.keys.find(OURS), world.told, world.keys.exposed) == (KEY, [], None)

    world.file.is_open = True
    assert world.keys.find(OURS) == KEY
    assert world.keys.exposed == PATH
    assert world.told == [f"Warning: others can read the keys in {PATH}; run: chmod 600 {PATH}"]


def test_without_a_key_of_this_endpoint_nobody_is_warned(world):
    world.file.entries[str(THEIRS)] = KEY
    world.file.is_open = True

    assert world.keys.find(OURS) is None
    assert world.told == []


def test_a_key_is_forgotten_where_it_is(world):
    world.keys.store(OURS, KEY)
    world.keyring.is_installed = False
    world.keys.store(THEIRS, "another")
    world.keyring.is_installed = True

    assert world.keys.forget(THEIRS)
    assert world.keyring.entries == {str(OURS): KEY}
    assert world.keys.forget(OURS)
    assert (world.keyring.entries, world.file.entries, world.told) == ({}, {}, [])
    assert not world.keys.forget(OURS)


def test_a_key_that_stays_in_the_keyring_is_told(world):
    world.keys.store(OURS, KEY)
    world.keyring.problem = KeyringError("the system keyring failed (Locked)")

    with pytest.raises(ConfigError, match=r"cannot be removed: the system keyring failed \(Locked"):
        world.keys.forget(OURS)
    assert list(world.file.entries) == [str(OURS)]  # so that it can be tried again


def test_a_key_that_stays_in_a_keyring_that_cannot_be_asked_is_told(world):
    world.file.entries[str(OURS)] = None
    world.keyring.is_installed = False

    with pytest.raises(ConfigError, match="cannot be removed"):
        world.keys.forget(OURS)
    assert list(world.file.entries) == [str(OURS)]


@pytest.mark.parametrize("is_installed", [True, False])
def test_a_file_that_cannot_be_written_is_an_error(world, is_installed):
    world.keyring.is_installed = is_installed
    world.file.problem = ConfigError("No room.", code="cannot_write")

    with pytest.raises(ConfigError, match="No room"):
        world.keys.store(OURS, KEY)
    with pytest.raises(ConfigError, match="No room"):
        world.keys.forget(OURS)


def test_a_failure_of_another_kind_is_a_bug(world):
    world.keyring.problem = RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        world.keys.store(OURS, KEY)


def test_what_is_told_holds_no_key(world):
    world.keys.store(OURS, KEY)
    world.keyring.problem = KeyringError("locked")
    world.keys.store(OURS, KEY)
    world.file.is_open = True
    world.keys.find(OURS)
    world.keys.forget(OURS)

    assert len(world.told) == 2
    assert KEY not in "".join(world.told)
