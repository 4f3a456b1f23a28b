import pytest

from mai_cli.models.keys import KEYS
from mai_cli.models.variables import FOREIGN, OWN, misspelt, suggestions


def test_all_variables_are_known():
    assert set(OWN) == {
        "MAI_PROFILE",
        "MAI_ENDPOINT",
        "MAI_API_KEY",
        "MAI_AUTH",
        "MAI_SCOPE",
        "MAI_DEPLOYMENT",
        "MAI_MODEL",
        "MAI_SIZE",
        "MAI_RPM",
        "MAI_CONCURRENCY",
        "MAI_MAX_COST",
        "MAI_MAX_COST_PER_DAY",
        "MAI_TIMEOUT",
        "MAI_PREVIEW",
        "MAI_METADATA",
        "MAI_PRIVATE",
        "MAI_GALLERY",
        "MAI_HISTORY",
        "MAI_FILENAME",
        "MAI_OFFLINE",
        "MAI_CONFIG",
        "MAI_HOME",
    }
    assert misspelt(dict.fromkeys(OWN, "x")) == {}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("MAI_DEPLOYMNET", "MAI_DEPLOYMENT"),
        ("MAI_APIKEY", "MAI_API_KEY"),
        ("MAI_END_POINT", "MAI_ENDPOINT"),
        ("MAI_GALERY", "MAI_GALLERY"),
        ("MAI_ZZZZZZZZZZZZZZZZ", ""),
    ],
)
def test_a_variable_that_is_misspelt_is_told_with_what_may_be_meant(name, meant):
    assert misspelt({name: "x", "MAI_SIZE": "1:1", "HOME": "/"}) == {name: meant}


def test_variables_of_others_are_not_misspelt():
    others = {name: "x" for names in FOREIGN.values() for name in names}

    assert misspelt(others | {"MAI_API_VERSION": "1", "MAIL": "x", "mai_size": "x"}) == {}


@pytest.mark.parametrize("setting", FOREIGN)
def test_the_closest_variable_of_another_tool_is_suggested(setting):
    names = FOREIGN[setting]
    for number, name in enumerate(names):
        assert suggestions(dict.fromkeys(reversed(names[number:]), "x")) == {setting: name}


def test_an_empty_variable_of_another_tool_is_not_suggested():
    assert suggestions({"AZURE_ENDPOINT": "", "AZURE_OPENAI_ENDPOINT": "x"}) == {
        "endpoint": "AZURE_OPENAI_ENDPOINT"
    }
    assert suggestions({}) == {}


def test_what_is_suggested_are_settings_that_a_variable_can_give():
    assert FOREIGN.keys() <= {key.name for key in KEYS}
    assert not {name for names in FOREIGN.values() for name in names} & set(OWN)
