import os
import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import ConfigError
from mai_cli.models.endpoint import Endpoint
from mai_cli.stores.credentials_file import CredentialsFile

KEY = "key-0123456789abcdef"
OURS = Endpoint("https://contoso.services.ai.azure.com")
THEIRS = Endpoint("https://fabrikam.services.ai.azure.com")
LOCAL = Endpoint("http://127.0.0.1:8765")


@pytest.fixture
def file(tmp_path: Path) -> CredentialsFile:
    return CredentialsFile(tmp_path / "mai" / "credentials.toml")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_without_a_file_there_is_no_key(file):
    assert file.key(OURS) is None
    assert not file.names_keyring(OURS)
    assert not file.is_open_to_others()
    assert not file.path.parent.exists()


def test_a_key_is_kept_for_its_endpoint_only(file):
    file.put(OURS, KEY)

    assert file.key(OURS) == KEY
    assert [file.key(other) for other in (THEIRS, LOCAL)] == [None, None]
    assert not file.names_keyring(OURS)
    assert tomllib.loads(file.path.read_text()) == {str(OURS): {"api_key": KEY}}


def test_each_endpoint_has_its_own_key(file):
    for endpoint, key in ((OURS, "one"), (THEIRS, "two"), (LOCAL, "three"), (OURS, "four")):
        file.put(endpoint, key)

    assert [file.key(endpoint) for endpoint in (OURS, THEIRS, LOCAL)] == ["four", "two", "three"]


def test_a_key_gives_way_to_the_keyring_and_back(file):
    file.put(OURS, KEY)
    file.put(OURS, None)
    assert (file.key(OURS), file.names_keyring(OURS)) == (None, True)
    assert KEY not in file.path.read_text()

    file.put(OURS, KEY)
    assert (file.key(OURS), file.names_keyring(OURS)) == (KEY, False)


def test_a_key_that_is_forgotten_is_gone_and_the_others_stay(file):
    file.put(OURS, KEY)
    file.put(THEIRS, "another")

    assert file.remove(OURS)
    assert not file.remove(OURS)
    assert (file.key(OURS), file.key(THEIRS)) == (None, "another")
    assert KEY not in file.path.read_text()
    assert file.remove(THEIRS)
    assert file.path.read_text() == ""


@given(key=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1))
@settings(deadline=None, max_examples=40)
def test_any_key_comes_back_as_it_was(tmp_path_factory, key):
    file = CredentialsFile(tmp_path_factory.getbasetemp() / "any/credentials.toml")
    file.put(OURS, key)

    assert file.key(OURS) == key


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_only_the_owner_can_read_the_keys(file, umask):
    before = os.umask(umask)
    file.put(OURS, KEY)
    os.umask(before)

    assert mode(file.path) == 0o600
    assert mode(file.path.with_name("credentials.toml.lock")) == 0o600
    assert not file.is_open_to_others()
    assert {path.name for path in file.path.parent.iterdir()} == {
        "credentials.toml",
        "credentials.toml.lock",
    }


@pytest.mark.parametrize("loose", [0o644, 0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_file_that_others_can_read_is_noticed_and_closed_when_written(file, loose):
    file.put(OURS, KEY)
    file.path.chmod(loose)
    assert file.is_open_to_others()

    file.put(THEIRS, "another")
    assert mode(file.path) & 0o077 == 0
    assert not file.is_open_to_others()


def test_a_link_is_followed_to_the_file_that_others_can_read(file, tmp_path):
    real = tmp_path / "real.toml"
    real.write_text(f"['{OURS}']\napi_key = '{KEY}'\n")
    real.chmod(0o644)
    file.path.parent.mkdir()
    file.path.symlink_to(real)
    assert (file.key(OURS), file.is_open_to_others()) == (KEY, True)

    file.put(THEIRS, "another")
    assert file.path.is_symlink()
    assert mode(real) == 0o600


@pytest.mark.parametrize(
    "text",
    [
        f"api_key = '{KEY}",
        f"['{OURS}']\napi_key = 7 # {KEY}",
        f"['{OURS}']\napi_key = '{KEY} {KEY}'",
        f"['{OURS}']\napi_key = ''",
        f"'{OURS}' = '{KEY}'",
        f"[['{OURS}']]\napi_key = '{KEY}'",
        f"{KEY}\0",
    ],
)
def test_a_file_of_another_kind_is_refused_without_what_is_in_it(file, text):
    file.path.parent.mkdir()
    file.path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        file.key(OURS)

    error = caught.value
    assert error.code == "bad_config_file"
    assert error.message == f"{file.path} is not a file of keys as mai writes it."
    assert error.hint == "Move it away, and store the key again: mai config set api_key"
    assert error.__context__ is None or error.__suppress_context__
    assert file.path.read_text() == text


def test_a_file_that_cannot_be_changed_is_left_alone_and_not_repeated(file):
    file.path.parent.mkdir()
    file.path.write_text(f"api_key = '{KEY}")
    with pytest.raises(ConfigError) as caught:
        file.put(OURS, "another")

    assert caught.value.code == "bad_config_file"
    assert KEY not in f"{caught.value.message}{caught.value.hint}"
    assert "config edit" not in caught.value.hint  # which opens another file
    assert file.path.read_text() == f"api_key = '{KEY}"


def test_a_folder_in_place_of_the_file_is_named(file):
    file.path.mkdir(parents=True)
    for ask in (file.key, file.names_keyring, file.remove):
        with pytest.raises(ConfigError, match=r"credentials\.toml cannot be read: Is a directory"):
            ask(OURS)
    with pytest.raises(ConfigError, match=r"credentials\.toml is not a file"):
        file.put(OURS, KEY)


def test_what_a_killed_writer_left_beside_a_linked_file_is_removed(file, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    file.path.parent.mkdir(parents=True, exist_ok=True)
    file.path.symlink_to(kept / "keys.toml")
    left = kept / ".keys.toml.part"
    left.write_text(f'["{OURS}"]\napi_key = "{KEY}"\n')

    file.remove(OURS)

    assert not left.exists()
