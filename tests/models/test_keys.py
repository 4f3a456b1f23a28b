from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.keys import DEFAULT_FILENAME, DEPLOYMENT_KEYS, KEYS, did_you_mean
from mai_cli.models.settings import DEFAULT_SCOPE, Settings

PARSE = {key.name: key.parse for key in KEYS}
PARSE |= {f"deployment {key.name}": key.parse for key in DEPLOYMENT_KEYS}
SECONDS = "must be a number of seconds from 1 to 3600"
TEXT = "must be a text that is not empty"
ONE_TEXT = "must be one text, in quotes"
SCOPE = "must look like https://cognitiveservices.azure.com/.default"
PIXELS = "must be a number of pixels from 589824 to 1073741824"
DOLLARS = "must be a number of US dollars for a million tokens from 0 to 1000000"
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
        ("deployment", ("one", " two"), ("one", "two")),
        ("model", "MAI-Image-2.6", "MAI-Image-2.6"),
        ("size", " 16:9 ", "16:9"),
        ("gallery", " ~/Pictures ", Path("~/Pictures")),
        ("history", "/var/x.jsonl", Path("/var/x.jsonl")),
        ("filename", " {deployment}/{{x}}-{id} ", "{deployment}/{{x}}-{id}"),
        ("rpm", "6", 6.0),
        ("rpm", 0.01, 0.01),
        ("concurrency", "64", 64),
        ("concurrency", 4.0, 4),
        ("max_cost", 0, 0.0),
        ("max_cost", "2.50", 2.5),
        ("max_cost_per_day", 1_000_000, 1_000_000.0),
        ("timeout", 1, 1.0),
        ("timeout", "3600", 3600.0),
        ("timeout", 12.5, 12.5),
        ("private", True, True),
        ("private", "Yes", True),
        ("private", 1, True),
        ("private", "off", False),
        ("preview", "on", True),
        ("preview", False, False),
        ("metadata", "no", False),
        ("metadata", True, True),
        ("offline", "1", True),
        ("offline", "0", False),
        ("offline", "", False),
        ("profile", " work ", "work"),
        ("scope", " https://x.example/.default ", "https://x.example/.default"),
        ("deployment max_pixels", 589_824, 589_824),
        ("deployment max_pixels", "2359296", 2_359_296),
        ("deployment max_pixels", 2359296.0, 2_359_296),
        ("deployment edits", False, False),
        ("deployment price_text_in", 0, 0.0),
        ("deployment price_image_out", "38.5", 38.5),
    ],
)
def test_a_setting_is_understood(key, raw, value):
    parsed = PARSE[key](raw)

    assert (str(parsed) if isinstance(parsed, Endpoint) else parsed) == value


@pytest.mark.parametrize(
    ("key", "raw", "problem"),
    [
        ("endpoint", "http://contoso.example", "must start with https://"),
        ("endpoint", 7, ONE_TEXT),
        ("api_key", "a key", "has a character that no key has"),
        ("api_key", "k\u00e9y", "has a character that no key has"),
        ("api_key", "key\x7f", "has a character that no key has"),
        ("api_key", " ", TEXT),
        ("auth", "Key", "must be one of auto, key, entra"),
        ("auth", ["key"], "must be one of auto, key, entra"),
        ("deployment", "", TEXT),
        ("deployment", ("one", ""), TEXT),
        ("deployment", [1], ONE_TEXT),
        ("model", 2.6, ONE_TEXT),
        ("size", 1024, ONE_TEXT),
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
        ("rpm", 0, "must be a number of requests a minute from 0.01 to 100000"),
        ("rpm", "fast", "must be a number of requests a minute from 0.01 to 100000"),
        ("concurrency", 0, "must be a number from 1 to 64"),
        ("concurrency", 65, "must be a number from 1 to 64"),
        ("concurrency", 1.5, "must be a whole number"),
        ("max_cost", -1, "must be a number of US dollars from 0 to 1000000"),
        ("max_cost", "nan", "must be a number of US dollars from 0 to 1000000"),
        ("max_cost_per_day", True, "must be a number of US dollars from 0 to 1000000"),
        ("timeout", 0.5, SECONDS),
        ("timeout", 3601, SECONDS),
        ("timeout", "soon", SECONDS),
        ("timeout", "nan", SECONDS),
        ("timeout", "inf", SECONDS),
        ("timeout", True, SECONDS),
        ("timeout", [300], SECONDS),
        ("private", "maybe", "must be true or false"),
        ("private", 2, "must be true or false"),
        ("preview", "auto", "must be true or false"),
        ("metadata", "none", "must be true or false"),
        ("offline", ["true"], "must be true or false"),
        ("endpoint", "https://a.example/\nx", "must be one line of text that can be shown"),
        ("profile", "wo\trk", "must be one line of text that can be shown"),
        ("model", "x\udcff", "must be one line of text that can be shown"),
        ("deployment", ["one"], ONE_TEXT),
        ("deployment", [], ONE_TEXT),
        ("deployment", {"a": 1}, ONE_TEXT),
        ("scope", "https://x.example", SCOPE),
        ("scope", "https://x.example/.default https://y.example/.default", SCOPE),
        ("deployment max_pixels", 589_823, PIXELS),
        ("deployment max_pixels", 1 << 31, PIXELS),
        ("deployment max_pixels", "1e9.5", PIXELS),
        ("deployment max_pixels", 600_000.5, "must be a whole number of pixels"),
        ("deployment price_text_in", -0.01, DOLLARS),
        ("deployment price_text_in", 1_000_001, DOLLARS),
        ("deployment price_text_in", False, DOLLARS),
        ("deployment edits", "perhaps", "must be true or false"),
    ],
)
def test_a_setting_that_cannot_be_used_is_refused_with_a_reason(key, raw, problem):
    with pytest.raises(ValueError, match=r".") as caught:
        PARSE[key](raw)

    assert str(caught.value).startswith(problem)


def test_a_size_is_checked_as_far_as_it_can_be_without_the_model():
    assert PARSE["size"]("16384x16384") == "16384x16384"
    for text in ("huge", "1000x1000", "64x64"):
        with pytest.raises(UsageError) as caught:
            PARSE["size"](text)
        assert caught.value.code == "bad_size"


def test_a_timeout_beyond_all_numbers_is_refused_too():
    with pytest.raises(ValueError, match=SECONDS):
        PARSE["timeout"](10**400)


@given(key=st.sampled_from(KEYS + DEPLOYMENT_KEYS), raw=values)
@example(key=KEYS[1], raw="https://[")
@settings(deadline=None)
def test_any_value_is_understood_or_refused(key, raw):
    try:
        key.parse(raw)
    except (ValueError, UsageError) as error:
        problem = str(error)
    else:
        problem = "none"
    assert problem


@pytest.mark.parametrize("key", ["se cret", "secr\u00e9t", "secret\0", "secret\nsecret"])
def test_a_key_that_is_refused_is_not_repeated(key):
    with pytest.raises(ValueError, match=r"^has a character that no key has$"):
        PARSE["api_key"](key)


def test_settings_have_the_documented_names_and_variables():
    assert [key.name for key in KEYS] == [
        "profile",
        "endpoint",
        "api_key",
        "auth",
        "scope",
        "deployment",
        "model",
        "size",
        "rpm",
        "concurrency",
        "max_cost",
        "max_cost_per_day",
        "timeout",
        "preview",
        "metadata",
        "private",
        "gallery",
        "history",
        "filename",
        "offline",
    ]
    assert [key.variable for key in KEYS][:3] == ["MAI_PROFILE", "MAI_ENDPOINT", "MAI_API_KEY"]


def test_some_settings_stand_in_no_file_and_some_not_in_that_of_a_project():
    assert [key.name for key in KEYS if not key.in_file] == ["profile", "api_key", "offline"]
    assert [key.name for key in KEYS if key.in_file and not key.in_project] == [
        "endpoint",
        "auth",
        "scope",
        "gallery",
        "history",
        "filename",
    ]
    assert [key.name for key in KEYS if key.is_path] == ["gallery", "history"]
    assert [key.name for key in KEYS if key.is_secret] == ["api_key"]
    assert [key.name for key in KEYS if key.is_limit] == ["max_cost", "max_cost_per_day"]


def test_a_deployment_has_the_documented_facts():
    assert [key.name for key in DEPLOYMENT_KEYS] == [
        "model",
        "max_pixels",
        "edits",
        "edit_size",
        "auto_size",
        "web_grounding",
        "background",
        "price_text_in",
        "price_image_in",
        "price_image_out",
    ]


def test_the_defaults_can_be_used():
    usual = Settings(Path("g"), Path("h"))

    assert PARSE["filename"](DEFAULT_FILENAME) == usual.filename
    assert PARSE["timeout"](usual.timeout) == 300
    assert PARSE["concurrency"](usual.concurrency) == 16
    assert (usual.rpm, usual.max_cost, usual.max_cost_per_day) == (None, None, None)
    assert PARSE["auth"](usual.auth) == "auto"
    assert PARSE["scope"](DEFAULT_SCOPE) == usual.scope
    assert PARSE["size"](usual.size) == "1024x1024"


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("siz", "Did you mean 'size'?"),
        ("time-out", "Did you mean 'timeout'?"),
        ("colour", "There are: size, timeout."),
        ("", "There are: size, timeout."),
    ],
)
def test_a_near_miss_is_suggested_and_else_all_there_are(name, advice):
    assert did_you_mean(name, ["size", "timeout"]) == advice
