import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from mai_cli.errors import ConfigError, UsageError
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.keys import KEYS
from mai_cli.models.setting import Name, Profile, Setting
from mai_cli.models.settings import DEFAULT, ConfigFile, Deployment, Origin, Settings
from mai_cli.services.configuring import (
    Configuration,
    find,
    listing,
    printable,
    profiles_in,
    template,
    winner,
)
from mai_cli.services.settings import flags, resolve
from mai_cli.stores import config_file
from mai_cli.stores.toml_edit import change

SETTINGS = Settings(gallery=Path("/g"), history=Path("/h"))
USER = Origin("user", "/c.toml", 3)
KEYRING = Origin("keyring", "the system keyring")
SECRET = "key-0123456789abcdef"


def nothing_stored() -> None:
    return None


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    return Configuration(tmp_path / "config.toml", tmp_path / "here", change)


def test_every_setting_is_listed_with_its_origin():
    settings = replace(
        SETTINGS,
        size="1:1",
        deployments={
            "x": Deployment({"model": "m", "edits": True}, {"model": USER, "edits": DEFAULT}),
            "a.1": Deployment({"max_pixels": 600_000}, {"max_pixels": USER}),
        },
        origins={"size": USER},
    )
    listed = list(listing(settings, nothing_stored))

    assert [setting.key for setting in listed] == [key.name for key in KEYS] + [
        "deployments.a.1.max_pixels",
        "deployments.x.model",
        "deployments.x.edits",
    ]
    by_key = {setting.key: setting for setting in listed}
    assert by_key["size"] == Setting("size", "1:1", USER)
    assert by_key["auth"] == Setting("auth", "auto", DEFAULT)
    assert by_key["endpoint"] == Setting("endpoint", None, DEFAULT)
    assert by_key["deployments.x.model"] == Setting("deployments.x.model", "m", USER)
    assert [setting.key for setting in listed if setting.is_secret] == ["api_key"]


@pytest.mark.parametrize(
    ("settings", "stored", "origin"),
    [
        (SETTINGS, None, None),
        (SETTINGS, KEYRING, KEYRING),
        (replace(SETTINGS, api_key=SECRET, origins={"api_key": USER}), KEYRING, USER),
    ],
)
def test_a_stored_key_counts_where_no_other_is_set(settings, stored, origin):
    (listed,) = [found for found in listing(settings, lambda: stored) if found.is_secret]

    others = [found.origin for found in listing(settings, lambda: stored) if not found.is_secret]
    assert set(others) == {DEFAULT}
    assert bool(listed.texts) == (origin is not None)
    assert listed.origin == (origin or DEFAULT)
    if origin:
        assert find(settings, Name.parse("api_key"), lambda: stored) == listed
    else:
        with pytest.raises(ConfigError, match=r"^api_key is not set\.$"):
            find(settings, Name.parse("api_key"), lambda: stored)


def test_a_key_is_never_printed_and_everything_else_is():
    assert printable(Setting("deployment", ("a", "b"), USER)) == ["a", "b"]
    with pytest.raises(UsageError) as caught:
        printable(Setting("api_key", SECRET, KEYRING, is_secret=True))

    assert caught.value.message == "mai never prints the key. There is one in the system keyring."
    assert SECRET not in caught.value.hint


def test_a_stored_key_is_not_looked_for_where_another_setting_is_asked_for():
    def stored() -> None:
        raise AssertionError

    assert find(SETTINGS, Name.parse("size"), stored).texts == ["1024x1024"]


def test_a_setting_is_found_by_its_name():
    facts = Deployment({"edits": False}, {"edits": USER})
    settings = replace(SETTINGS, deployments={"mai-image-2.6": facts}, private=False)

    assert find(settings, Name.parse("private"), nothing_stored).texts == ["false"]
    found = find(settings, Name.parse("deployments.mai-image-2.6.edits"), nothing_stored)
    assert found == Setting("deployments.mai-image-2.6.edits", value=False, origin=USER)


@pytest.mark.parametrize(
    "name", ["endpoint", "deployment", "deployments.x.model", "deployments.y.model"]
)
def test_a_setting_without_a_value_is_told_with_how_to_set_it(name):
    settings = replace(SETTINGS, deployments={"x": Deployment({"edits": True}, {"edits": USER})})
    with pytest.raises(ConfigError) as caught:
        find(settings, Name.parse(name), nothing_stored)

    assert caught.value.code == "missing_setting"
    assert caught.value.message == f"{name} is not set."
    assert caught.value.hint == f"Set it: mai config set {name} ..."


@pytest.mark.parametrize(
    ("name", "profile", "origin", "hides"),
    [
        ("size", None, USER, False),
        ("size", None, Origin("flag", "--size"), True),
        ("size", None, Origin("environment", "MAI_SIZE"), True),
        ("size", None, Origin("project", "/p/.mai.toml", 1), True),
        ("size", None, replace(USER, profile="work"), True),
        ("profiles.work.size", None, replace(USER, profile="work"), False),
        ("size", "work", replace(USER, profile="work"), False),
        ("size", "work", replace(USER, kind="project", profile="work"), True),
        ("profiles.work.size", None, USER, True),
        ("api_key", None, DEFAULT, False),
        ("api_key", None, Origin("environment", "MAI_API_KEY"), True),
    ],
)
def test_what_hides_a_value_in_the_file_is_told(name, profile, origin, hides):
    settings = replace(SETTINGS, origins={name.rpartition(".")[2]: origin})

    assert winner(settings, Name.parse(name, profile)) == (origin if hides else None)


@pytest.mark.parametrize("kind", ["user", "project"])
def test_what_hides_a_fact_of_a_deployment_is_told(kind):
    origin = Origin(kind, "/c.toml", 1)
    settings = replace(SETTINGS, deployments={"x": Deployment({"model": "m"}, {"model": origin})})

    hiding = winner(settings, Name.parse("deployments.x.model"))
    assert hiding == (origin if kind == "project" else None)


def test_a_stored_key_has_no_effect_where_entra_id_is_to_be_used():
    auth = Origin("user", "/c.toml", 5)
    settings = replace(SETTINGS, auth="entra", origins={"auth": auth})

    assert winner(settings, Name.parse("api_key")) == auth


def test_profiles_of_all_files_are_merged_and_the_one_in_use_is_marked():
    project = ConfigFile(Path("/p"), is_project=True, profiles={"b": {"size": "1:1"}, "c": {}})
    user = ConfigFile(
        Path("/u"), profiles={"b": {"size": "3:2", "model": "m"}, "a": {"auth": "key"}}
    )

    assert profiles_in([project, user], replace(SETTINGS, profile="b")) == [
        Profile("a", {"auth": "key"}, is_in_use=False),
        Profile("b", {"size": "1:1", "model": "m"}, is_in_use=True),
        Profile("c", {}, is_in_use=False),
    ]
    assert profiles_in([ConfigFile(Path("/u"))], SETTINGS) == []


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("size", " 16:9 ", "16:9"),
        ("timeout", "60", 60),
        ("timeout", "1.5", 1.5),
        ("private", "yes", True),
        ("endpoint", "contoso.openai.azure.com/openai", "https://contoso.services.ai.azure.com"),
        ("deployment", "pics", "pics"),
        ("profiles.work.auth", "entra", "entra"),
        ("deployments.mai-image-2.6.max_pixels", "600000", 600_000),
        ("deployments.x.price_text_in", "4.5", 4.5),
        ("deployments.x.edits", "off", False),
        ("filename", "{id}", "{id}"),
        ("gallery", "/pics", "/pics"),
        ("gallery", "~/pics", "~/pics"),
    ],
)
def test_a_value_is_written_as_a_file_has_it(configuration, name, text, value):
    setting = configuration.set(Name.parse(name), text)

    content = tomllib.loads(configuration.path.read_text())
    for part in Name.parse(name).names:
        content = content[part]
    assert (content, type(content)) == (value, type(value))
    assert setting == Setting(name, value, Origin("user", str(configuration.path)))
    file = config_file.read(configuration.path)
    assert resolve([flags({}, Path("/"))], [file], SETTINGS)


@pytest.mark.parametrize("name", ["gallery", "history"])
def test_a_path_on_the_command_line_starts_in_the_current_folder(configuration, name):
    configuration.set(Name.parse(name), "a/b")

    written = tomllib.loads(configuration.path.read_text())[name]
    assert written == str(configuration.folder / "a/b")


def test_a_path_that_a_file_cannot_hold_is_not_written(tmp_path):
    configuration = Configuration(tmp_path / "config.toml", tmp_path / "a\x07b", change)
    with pytest.raises(UsageError) as caught:
        configuration.set(Name.parse("gallery"), "c")

    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        "bad_option",
        "The gallery has a name that this file cannot hold.",
        "Set MAI_GALLERY instead, or rename the folder.",
    )
    assert not configuration.path.exists()


@pytest.mark.parametrize(
    ("name", "text", "message", "hint"),
    [
        ("auth", "magic", "The auth 'magic' must be one of auto, key, entra.", "Change the value."),
        ("size", "huge", "'huge' is not a size.", "Write it as 1280x832"),
        (
            "size",
            None,
            "size has no value.",
            "Write: mai config set size VALUE, or: mai config unset",
        ),
        ("profile", "work", "profile is not a setting of a file.", "Give it with MAI_PROFILE, or"),
        ("offline", "1", "offline is not a setting of a file.", "Give it with MAI_OFFLINE, or as"),
        ("api_key", SECRET, "api_key is not a setting of a file.", "Give it with MAI_API_KEY, or"),
        (
            "deployments.x.edits",
            "perhaps",
            "The edits 'perhaps' must be true or false.",
            "Change the value.",
        ),
    ],
)
def test_a_value_that_cannot_be_used_is_not_written(configuration, name, text, message, hint):
    with pytest.raises(UsageError) as caught:
        configuration.set(Name.parse(name), text)

    assert caught.value.message == message
    assert caught.value.hint.startswith(hint)
    assert not configuration.path.exists()


def test_a_setting_can_be_removed_again(configuration):
    name = Name.parse("deployments.mai-image-2.6.model")
    configuration.set(name, "MAI-Image-2.6")

    assert configuration.unset(name)
    assert not configuration.unset(name)
    assert configuration.path.read_text() == ""


def test_the_template_sets_nothing_and_names_everything(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(template())

    assert config_file.read(path).values == {}
    for key in KEYS:
        assert (f"# {key.name} = ...  # {key.about}\n" in template()) == key.in_file
    assert "api_key" not in template()


def test_an_endpoint_is_shown_as_text():
    settings = replace(SETTINGS, endpoint=Endpoint("https://contoso.services.ai.azure.com"))

    found = find(settings, Name.parse("endpoint"), nothing_stored)
    assert found.texts == ["https://contoso.services.ai.azure.com"]
