from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.models.endpoint import Endpoint
from mai_cli.models.settings import DEFAULT_FILENAME, KEYS, Settings

PARSE = {key.name: key.parse for key in KEYS}
SECONDS = "must be a number of seconds from 1 to 3600"
TEXT = "must be a text that is not empty"
FIELDS = "may use only {year}, {month}, {day}, {time}, {prompt}, {id}, {deployment} in braces"

values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["auto", "true", "300", "16:9", "{id}", "~/x", "https://x.example"])
    | st.lists(st.text() | st.integers(), max_size=3)
    | st.dictionaries(st.text(), st.integers(), max_size=2)
)


@pytest.mark.parametrize(
    ("key", "raw", "value"),
    [
        ("endpoint", " contoso.openai.azure.com/ ", "https://contoso.services.ai.azure.com"),
        ("api_key", " key-0123 \n", "key-0123"),
        ("auth", "entra", "entra"),
        ("deployment", " pictures ", ("pictures",)),
        ("deployment", ["one", " two"], ("one", "two")),
        ("deployment", ("one",), ("one",)),
        ("model", "MAI-Image-2.6", "MAI-Image-2.6"),
        ("size", " 16:9 ", "16:9"),
        ("gallery", " ~/Pictures ", Path("~/Pictures")),
        ("history", "/var/x.jsonl", Path("/var/x.jsonl")),
        ("filename", " {deployment}/{{x}}-{id} ", "{deployment}/{{x}}-{id}"),
        ("timeout", 1, 1.0),
        ("timeout", "3600", 3600.0),
        ("timeout", 12.5, 12.5),
        ("private", True, True),
        ("private", "Yes", True),
        ("private", 1, True),
        ("private", "off", False),
        ("offline", "1", True),
        ("offline", "0", False),
        ("offline", "", False),
    ],
)
def test_a_setting_is_understood(key, raw, value):
    parsed = PARSE[key](raw)

    assert (str(parsed) if isinstance(parsed, Endpoint) else parsed) == value


@pytest.mark.parametrize(
    ("key", "raw", "problem"),
    [
        ("endpoint", "http://contoso.example", "must start with https://"),
        ("endpoint", 7, TEXT),
        ("api_key", "a key", "has a character that no key has"),
        ("api_key", "k\u00e9y", "has a character that no key has"),
        ("api_key", "key\x7f", "has a character that no key has"),
        ("api_key", " ", TEXT),
        ("auth", "Key", "must be one of auto, key, entra"),
        ("auth", ["key"], "must be one of auto, key, entra"),
        ("deployment", "", TEXT),
        ("deployment", ["one", ""], TEXT),
        ("deployment", [1], TEXT),
        ("model", 2.6, TEXT),
        ("size", 1024, TEXT),
        ("gallery", "a\0b", "has a character that no path has"),
        ("history", "  ", TEXT),
        ("filename", "{prompt", FIELDS),
        ("filename", "prompt}", FIELDS),
        ("filename", "{}", FIELDS),
        ("filename", "{0}", FIELDS),
        ("filename", "{title}", FIELDS),
        ("filename", "{id.__class__}", FIELDS),
        ("filename", "{id[0]}", FIELDS),
        ("filename", "{id!r}", FIELDS),
        ("filename", "{id:>999999999}", FIELDS),
        ("filename", "{id:{year}}", FIELDS),
        ("timeout", 0.5, SECONDS),
        ("timeout", 3601, SECONDS),
        ("timeout", "soon", SECONDS),
        ("timeout", "nan", SECONDS),
        ("timeout", "inf", SECONDS),
        ("timeout", True, SECONDS),
        ("timeout", [300], SECONDS),
        ("private", "maybe", "must be true or false"),
        ("private", 2, "must be true or false"),
        ("offline", ["true"], "must be true or false"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_with_a_reason(key, raw, problem):
    with pytest.raises(ValueError, match=r".") as caught:
        PARSE[key](raw)

    assert str(caught.value).startswith(problem)


def test_a_timeout_beyond_all_numbers_is_refused_too():
    with pytest.raises(ValueError, match=SECONDS):
        PARSE["timeout"](10**400)


@given(key=st.sampled_from(KEYS), raw=values)
@example(key=KEYS[0], raw="https://[")
@settings(deadline=None)
def test_any_value_is_understood_or_refused(key, raw):
    try:
        key.parse(raw)
    except ValueError as error:
        problem = str(error)
    else:
        problem = "none"
    assert problem


@pytest.mark.parametrize("key", ["se cret", "secr\u00e9t", "secret\0", "secret\nsecret"])
def test_a_key_that_is_refused_is_not_repeated(key):
    with pytest.raises(ValueError, match=r"^has a character that no key has$"):
        PARSE["api_key"](key)


def test_a_key_is_not_shown_with_the_settings():
    shown = repr(Settings(Path("g"), Path("h"), api_key="key-0123456789abcdef"))

    assert "key-0123456789abcdef" not in shown


def test_settings_have_the_documented_names_and_variables():
    assert [key.name for key in KEYS] == [
        "endpoint",
        "api_key",
        "auth",
        "deployment",
        "model",
        "size",
        "gallery",
        "history",
        "filename",
        "timeout",
        "private",
        "offline",
    ]
    assert [key.variable for key in KEYS][:2] == ["MAI_ENDPOINT", "MAI_API_KEY"]
    assert [key.name for key in KEYS if not key.in_file] == ["api_key", "offline"]


def test_the_defaults_can_be_used():
    usual = Settings(Path("g"), Path("h"))

    assert PARSE["filename"](DEFAULT_FILENAME) == usual.filename
    assert PARSE["timeout"](usual.timeout) == 300
    assert PARSE["auth"](usual.auth) == "auto"
