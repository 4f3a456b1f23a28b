import pwd
from pathlib import Path

import pytest

from mai_cli.errors import ConfigError
from mai_cli.stores.paths import find_paths


def test_one_variable_moves_everything_under_one_folder(tmp_path):
    paths = find_paths({"MAI_HOME": str(tmp_path)})

    assert paths.config == tmp_path / "config.toml"
    assert paths.history == tmp_path / "history.jsonl"
    assert paths.gallery == tmp_path / "gallery"
    assert paths.state == tmp_path / "state"


def test_a_home_is_absolute_and_may_start_with_a_tilde(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))

    assert find_paths({"MAI_HOME": "here"}).gallery == tmp_path / "here/gallery"
    assert find_paths({"MAI_HOME": "~/mai"}).gallery == tmp_path / "me/mai/gallery"


@pytest.mark.parametrize("home", ["/srv/mai", ""])
def test_the_config_file_may_stand_elsewhere(home):
    paths = find_paths({"MAI_HOME": home, "MAI_CONFIG": "/etc/mai.toml"})

    assert paths.config == Path("/etc/mai.toml")
    assert paths.history.name == "history.jsonl"


def test_without_variables_everything_is_in_the_users_folders(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_PICTURES_DIR", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)

    paths = find_paths({})

    assert paths.gallery == tmp_path / "Pictures/mai"
    for path in (paths.config, paths.history):
        assert path.is_relative_to(tmp_path)
        assert "mai" in path.parent.parts
    assert paths.state.is_relative_to(tmp_path)
    assert "mai" in paths.state.parts


@pytest.mark.parametrize("home", ["", "here", "./here", "~"])
def test_a_home_that_is_no_place_is_refused(home, monkeypatch):
    monkeypatch.setenv("HOME", home)
    with pytest.raises(ConfigError) as caught:
        find_paths({"HOME": home})
    assert caught.value.code == "missing_setting"
    assert "MAI_HOME" in caught.value.hint

    assert find_paths({"HOME": home, "MAI_HOME": "/srv/mai"}).history == Path(
        "/srv/mai/history.jsonl"
    )


def test_what_is_only_known_for_a_while_is_where_the_user_wants_it(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state of things"))

    assert find_paths({}).state == tmp_path / "state of things/mai"


@pytest.mark.parametrize("variable", ["MAI_HOME", "MAI_CONFIG"])
def test_a_tilde_that_names_nobody_is_taken_as_it_stands(variable, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    paths = find_paths({"MAI_HOME": "/srv/mai", variable: "~no-such-user/x"})

    assert paths.config.is_relative_to(tmp_path / "~no-such-user")


def test_a_user_without_a_home_is_told_which_variable_helps(monkeypatch):
    def nobody(_: object) -> None:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    with pytest.raises(ConfigError, match="no home folder") as caught:
        find_paths({})

    assert caught.value.code == "missing_setting"
    assert "MAI_HOME" in caught.value.hint
