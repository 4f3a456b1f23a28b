from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.keys import DEPLOYMENT_KEYS, KEYS
from mai_cli.models.setting import Name, Profile, Setting, to_toml
from mai_cli.models.settings import DEFAULT, Origin

FILE = Origin("user", "/c.toml", 3, "work")
SECRET = "key-0123456789abcdef"


@pytest.mark.parametrize(
    ("text", "profile", "names", "shown"),
    [
        ("size", None, ("size",), "size"),
        ("size", "work", ("profiles", "work", "size"), "profiles.work.size"),
        ("profiles.work.size", None, ("profiles", "work", "size"), "profiles.work.size"),
        ("profiles.work.size", "home", ("profiles", "work", "size"), "profiles.work.size"),
        ("profiles.a.b.size", None, ("profiles", "a.b", "size"), "profiles.a.b.size"),
        (
            "deployments.mai-image-2.6.model",
            None,
            ("deployments", "mai-image-2.6", "model"),
            "deployments.mai-image-2.6.model",
        ),
        ("deployments.x.max_pixels", "work", ("deployments", "x", "max_pixels"), None),
        ('deployments."x.1".edits', None, ("deployments", "x.1", "edits"), "deployments.x.1.edits"),
        ("deployments.'x'.edits", None, ("deployments", "x", "edits"), "deployments.x.edits"),
        ("deployments.model.model", None, ("deployments", "model", "model"), None),
        ("api_key", None, ("api_key",), "api_key"),
    ],
)
def test_a_name_leads_to_a_place_in_the_file(text, profile, names, shown):
    name = Name.parse(text, profile)

    assert name.names == names
    assert name.key.name == names[-1]
    assert str(name) == (shown or text)


def test_a_name_knows_its_table():
    assert (Name.parse("size").profile, Name.parse("size").deployment) == (None, None)
    assert Name.parse("size", "work").profile == "work"
    assert Name.parse("profiles.a.b.size").profile == "a.b"
    assert Name.parse("deployments.x.1.model").deployment == "x.1"
    assert Name.parse("deployments.x.1.model", "work").profile is None


def test_the_same_word_means_another_key_in_another_table():
    assert Name.parse("model").key in KEYS
    assert Name.parse("profiles.x.model").key in KEYS
    assert Name.parse("deployments.x.model").key in DEPLOYMENT_KEYS


ALL = f"There are: {', '.join(key.name for key in KEYS)}."


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("siz", "Did you mean 'size'?"),
        ("SIZE", ALL),
        ("", ALL),
        (".", ALL),
        ("profiles.work.", ALL),
        ("profiles.work.sise", "Did you mean 'size'?"),
        ("profiles.work.max_pixels", ALL),
        ("deployments.x.edit", "Did you mean 'edits'?"),
        ("work.size", "Did you mean 'size'?"),
    ],
)
def test_a_name_that_there_is_not_is_refused_with_what_may_be_meant(text, advice):
    with pytest.raises(UsageError) as caught:
        Name.parse(text)

    assert caught.value.code == "bad_option"
    assert caught.value.message == f"There is no setting '{text}'."
    assert caught.value.hint == advice


@pytest.mark.parametrize(
    ("text", "such_as"),
    [
        ("profiles", "profiles.NAME.model"),
        ("profiles.work", "profiles.work.model"),
        ("deployments.x", "deployments.x.model"),
        ("deployments", "deployments.NAME.model"),
    ],
)
def test_a_table_is_no_setting(text, such_as):
    with pytest.raises(UsageError) as caught:
        Name.parse(text)

    assert caught.value.code == "bad_option"
    assert caught.value.message == f"'{text}' is a table."
    assert caught.value.hint == f"Add a setting, such as {such_as}"


@pytest.mark.parametrize("between", ["=", ":", " ", " = "])
@pytest.mark.parametrize("table", ["", "profiles.work.", "profiles.at home."])
def test_a_value_in_the_same_argument_is_refused_and_not_repeated(table, between):
    with pytest.raises(UsageError) as caught:
        Name.parse(f"{table}api_key{between}{SECRET}==")

    assert caught.value.message == "The setting api_key and its value are one argument."
    assert "replace it" in caught.value.hint
    with pytest.raises(UsageError, match="The setting size and its value are one argument"):
        Name.parse(f"{table}size{between}1:1")


@given(
    table=st.sampled_from(["profiles", "deployments"]),
    name=st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1).filter(
        lambda name: name.isprintable() and not set("\"'") & {name[0], name[-1]}
    ),
    key=st.sampled_from(sorted({key.name for key in KEYS} & {key.name for key in DEPLOYMENT_KEYS})),
)
def test_any_name_of_a_table_can_be_reached(table, name, key):
    assert Name.parse(f"{table}.{name}.{key}").names == (table, name, key)


@pytest.mark.parametrize(
    ("value", "plain", "texts"),
    [
        (None, None, []),
        ("auto", "auto", ["auto"]),
        (300.0, 300, ["300"]),
        (12.5, 12.5, ["12.5"]),
        (True, True, ["true"]),
        (False, False, ["false"]),
        (0, 0, ["0"]),
        (2_359_296, 2_359_296, ["2359296"]),
        (Path("/x/y"), "/x/y", ["/x/y"]),
        (
            Endpoint("https://contoso.services.ai.azure.com"),
            "https://contoso.services.ai.azure.com",
            ["https://contoso.services.ai.azure.com"],
        ),
        (("one",), "one", ["one"]),
        (("one", "two"), ["one", "two"], ["one", "two"]),
        ((), None, []),
    ],
)
def test_a_setting_is_shown_as_it_is_written(value, plain, texts):
    setting = Setting("x", value, FILE)

    assert setting.texts == texts
    assert setting.to_json() == {
        "schema": "mai/setting/1",
        "key": "x",
        "value": plain,
        "is_set": value not in (None, ()),
        "origin": {"kind": "user", "place": "/c.toml", "line": 3, "profile": "work"},
    }
    if value not in (None, ()):
        assert to_toml(value) == plain


@pytest.mark.parametrize(
    ("value", "texts", "is_set"),
    [(None, [], False), (SECRET, ["(not shown)"], True)],
)
def test_a_secret_is_not_shown(value, texts, is_set):
    setting = Setting("api_key", value, DEFAULT, is_secret=True)

    assert setting.texts == texts
    assert (setting.to_json()["value"], setting.to_json()["is_set"]) == (None, is_set)
    assert SECRET not in f"{setting.texts}{setting.to_json()}"


def test_a_profile_is_shown_with_what_the_files_say_of_it():
    profile = Profile("work", {"size": "1:1", "private": True}, is_in_use=True)

    assert profile.to_json() == {
        "schema": "mai/profile/1",
        "name": "work",
        "in_use": True,
        "settings": {"size": "1:1", "private": True},
    }
