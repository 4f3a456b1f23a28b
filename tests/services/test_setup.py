import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from mai_cli.errors import MaiError, UsageError
from mai_cli.models.settings import Origin, Settings
from mai_cli.services.configuring import Configuration
from mai_cli.services.setup import Answers, Setup, check_key, refuse_argument
from mai_cli.stores import config_file
from mai_cli.stores.toml_edit import change

URL = "https://contoso.services.ai.azure.com"
KEY = "key-0123456789abcdef"
SETTINGS = {"endpoint": URL, "deployment": "mai-image-26"}
GIVEN = Answers(**SETTINGS)
KEYRING = Origin("keyring", "the system keyring")


class Person:
    """Somebody who gives these answers, and an empty line for the default; again if refused."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    def text(self, question, check, *, default=""):
        self.asked.append(f"{question} [{default}]")
        return self._accepted(check, default)

    def choice(self, question, choices, *, default):
        self.asked.append(f"{question} {choices} [{default}]")
        return self.answers.pop(0) or default

    def confirm(self, question, *, default):
        self.asked.append(f"{question} [{default}]")
        answer = self.answers.pop(0)
        return default if answer is None else answer

    def secret(self, question, check):
        self.asked.append(question)
        return self._accepted(check, "")

    def _accepted(self, check, default):
        while True:
            answer = self.answers.pop(0) or default
            try:
                check(answer)
            except MaiError as error:
                self.asked.append(error.message)
            else:
                return answer


@pytest.fixture
def setup(tmp_path: Path) -> Callable[..., Setup]:
    def setup(
        text: str = "",
        *,
        person: Person | None = None,
        profile: str | None = None,
        stored: Origin | None = None,
    ) -> Setup:
        path = tmp_path / "config.toml"
        if text:
            path.write_text(text)
        configuration = Configuration(path, tmp_path, change)
        return Setup(configuration, config_file.read(path), lambda _: stored, person, profile)

    return setup


def written(setup: Setup) -> dict[str, object]:
    return tomllib.loads(setup.configuration.path.read_text())


ENDPOINT = "Endpoint (any address of the resource)"
DEPLOYMENT = "Deployment (its name in the Foundry portal)"
MODEL = "Model behind it, such as MAI-Image-2.6 (empty: not known)"
SIGN_IN = "Sign in with a key, or Entra ID ('key', 'entra') [key]"


def test_a_person_is_asked_for_all_that_is_needed(setup):
    person = Person("contoso.openai.azure.com", "pics", "MAI-Image-2.6", "key", KEY)
    answers = setup(person=person).ask(Answers())

    assert person.asked == [
        f"{ENDPOINT} []",
        f"{DEPLOYMENT} []",
        f"{MODEL} []",
        SIGN_IN,
        "Key of the resource",
    ]
    assert answers == Answers("contoso.openai.azure.com", "pics", "MAI-Image-2.6", "key", KEY)


def test_a_model_is_not_asked_for_where_the_deployment_tells(setup):
    person = Person("contoso.openai.azure.com", "mai-image-26", "entra")
    answers = setup(person=person).ask(Answers())

    assert person.asked == [f"{ENDPOINT} []", f"{DEPLOYMENT} []", SIGN_IN]
    assert (answers.model, answers.auth, answers.api_key) == (None, "entra", None)


def test_what_is_given_is_not_asked_for(setup):
    person = Person()
    given = Answers(URL, "pics", "m", "entra")
    assert setup(person=person).ask(given) == given
    assert person.asked == []


@pytest.mark.parametrize(
    ("given", "questions", "auth"),
    [
        (Answers(URL, "pics", "m", api_key=KEY), [], "key"),
        (Answers(URL, "pics", "m", "entra", KEY), [], "entra"),
        (Answers(URL, "pics", "m", "key"), ["Key of the resource"], "key"),
    ],
)
def test_a_key_that_is_given_says_how_to_sign_in(setup, given, questions, auth):
    person = Person(KEY)
    answers = setup(person=person).ask(given)

    assert person.asked == questions
    assert (answers.auth, answers.api_key) == (
        auth,
        KEY if auth == "key" or given.api_key else None,
    )


def test_an_empty_answer_for_the_model_is_none(setup):
    person = Person("https://contoso.example", "pics", "", "entra")

    assert setup(person=person).ask(Answers()).model is None


def test_what_the_file_says_is_offered(setup):
    text = f"endpoint = '{URL}'\ndeployment = 'pics'\n[deployments.pics]\nmodel = 'm'\n"
    person = Person(None, None, None, "entra")
    answers = setup(text, person=person).ask(Answers())

    assert person.asked == [f"{ENDPOINT} [{URL}]", f"{DEPLOYMENT} [pics]", f"{MODEL} [m]", SIGN_IN]
    assert answers == Answers(URL, "pics", "m", "entra")


def test_a_profile_offers_what_it_says_itself(setup):
    text = f"endpoint = '{URL}'\n[profiles.work]\nendpoint = 'https://work.example'\n"
    for profile, offered in (("work", "https://work.example"), ("home", "")):
        person = Person("https://new.example", "mai-image-26", "entra")
        setup(text, person=person, profile=profile).ask(Answers())
        assert person.asked[0] == f"{ENDPOINT} [{offered}]"


def test_an_answer_that_cannot_be_used_is_asked_for_again(setup):
    person = Person("http://x.example", URL, "", "mai-image-26", "key", "a b", KEY)
    answers = setup(person=person).ask(Answers())

    assert "The endpoint 'http://x.example' must start with https://" in person.asked[1]
    assert person.asked[3] == "The deployment '' must be a text that is not empty."
    assert person.asked[-1] == "The api_key has a character that no key has."
    assert (answers.endpoint, answers.deployment, answers.api_key) == (URL, "mai-image-26", KEY)


@pytest.mark.parametrize(
    "given",
    [
        Answers("http://x.example", "pics"),
        Answers(URL, " "),
        Answers(URL, "pics", ""),
        Answers(URL, "pics", "m", "magic"),
        Answers(auth="magic"),
    ],
)
@pytest.mark.parametrize("person", [None, Person()])
def test_an_option_that_cannot_be_used_is_refused_before_anybody_is_asked(setup, given, person):
    with pytest.raises(UsageError) as caught:
        setup(person=person).ask(given)

    assert caught.value.code == "bad_option"
    assert not person or person.asked == []


@pytest.mark.parametrize(
    ("given", "name"),
    [(Answers(), "endpoint"), (Answers(URL), "deployment"), (Answers(None, "pics"), "endpoint")],
)
def test_where_nobody_can_be_asked_what_is_missing_is_named(setup, given, name):
    with pytest.raises(UsageError) as caught:
        setup().ask(given)

    assert caught.value.message == f"--{name} is missing, and there is nobody to ask."
    assert caught.value.hint == f"Add --{name}, or run 'mai config init' in a terminal."


def test_where_nobody_can_be_asked_options_are_enough(setup):
    assert setup().ask(GIVEN) == GIVEN


def test_the_answers_are_written_but_for_the_key(setup):
    first = setup("# mine\nsize = '1:1'\n")
    first.write(Answers("contoso.openai.azure.com", "pics.1", "MAI-Image-2.6", "key", KEY))

    assert written(first) == {
        "size": "1:1",
        "endpoint": URL,
        "deployment": "pics.1",
        "auth": "key",
        "deployments": {"pics.1": {"model": "MAI-Image-2.6"}},
    }
    assert "# mine\n" in first.configuration.path.read_text()
    assert KEY not in first.configuration.path.read_text()


def test_the_answers_for_a_profile_go_into_it(setup):
    first = setup("size = '1:1'\n", profile="work")
    first.write(Answers(URL, "pics", "m", "entra"))

    assert written(first) == {
        "size": "1:1",
        "profiles": {"work": {"endpoint": URL, "deployment": "pics", "auth": "entra"}},
        "deployments": {"pics": {"model": "m"}},
    }


def test_what_was_not_answered_stays_as_it_is(setup):
    first = setup("auth = 'entra'\n[deployments.mai-image-26]\nmodel = 'm'\n")
    first.write(GIVEN)

    assert written(first) == {
        "auth": "entra",
        **SETTINGS,
        "deployments": {"mai-image-26": {"model": "m"}},
    }


def test_the_model_is_that_of_the_deployment_as_it_is_written(setup):
    first = setup()
    first.write(Answers(URL, " pics ", "m"))

    assert written(first)["deployments"] == {written(first)["deployment"]: {"model": "m"}}


FULL = f"endpoint = '{URL}'\ndeployment = 'pics'\n[deployments.pics]\nmodel = 'm'\n"


@pytest.mark.parametrize(
    ("text", "profile", "answers", "names"),
    [
        ("", None, GIVEN, None),
        (FULL, None, Answers(URL, "pics", "m"), None),
        (FULL, None, Answers(f"{URL}/", "pics"), None),
        (FULL, None, Answers("https://x.example", "pics"), "endpoint"),
        (FULL, None, Answers("https://x.example", "other", "m"), "endpoint, deployment"),
        (FULL, None, Answers(URL, "pics", "n"), "deployments.pics.model"),
        (FULL, None, Answers(URL, "pics", auth="key"), None),
        (FULL + "[profiles.work]\nauth = 'key'\n", "work", Answers(URL, "x", auth="key"), None),
        (
            FULL + "[profiles.work]\nauth = 'key'\n",
            "work",
            Answers(URL, "x", auth="auto"),
            "profiles.work.auth",
        ),
    ],
)
def test_nothing_is_replaced_without_a_word(setup, text, profile, answers, names):
    alone = setup(text, profile=profile)
    what = f"There is already: {names}"
    assert setup(text, profile=profile).may_write(answers, overwrite=True)
    if names is None:
        assert alone.may_write(answers, overwrite=False)
    else:
        with pytest.raises(UsageError) as caught:
            alone.may_write(answers, overwrite=False)
        assert (caught.value.code, caught.value.message) == ("output_exists", f"{what}.")
        assert caught.value.hint == "Add --overwrite to replace what it sets."

    for says in (True, False, None):
        person = Person(says)
        with_person = setup(text, profile=profile, person=person)
        assert with_person.may_write(answers, overwrite=False) == bool(says or names is None)
        assert person.asked == ([f"{what}. Replace? [False]"] if names else [])


@pytest.mark.parametrize(
    ("option", "says", "wants", "is_asked"),
    [
        (True, None, True, False),
        (False, None, False, False),
        (None, None, True, True),
        (None, False, False, True),
    ],
)
def test_answers_are_tested_as_the_option_or_the_person_says(setup, option, says, wants, is_asked):
    person = Person(says)

    assert setup(person=person).wants_test(test=option) == wants
    assert person.asked == (["Test it now? It is free. [True]"] if is_asked else [])


@pytest.mark.parametrize(("option", "wants"), [(True, True), (False, False), (None, False)])
def test_where_nobody_can_be_asked_nothing_is_tested_without_the_option(setup, option, wants):
    assert setup().wants_test(test=option) == wants


def test_answers_that_failed_are_written_only_if_the_person_insists(setup):
    assert not setup().insists()
    for says in (True, False, None):
        person = Person(says)
        assert setup(person=person).insists() == bool(says)
        assert person.asked == ["Write it anyway? [False]"]


def test_a_key_that_cannot_be_one_is_not_repeated():
    assert check_key(f" {KEY}\n") == KEY
    with pytest.raises(UsageError) as caught:
        check_key(f"{KEY} {KEY}")

    assert caught.value.message == "The api_key has a character that no key has."
    assert KEY not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize(
    ("text", "stored", "answers", "names"),
    [
        ("", KEYRING, Answers(URL, "pics", api_key=KEY), "api_key"),
        (FULL, KEYRING, Answers(URL, "x", api_key=KEY), "deployment, api_key"),
        ("", KEYRING, Answers(URL, "pics"), None),
        ("", None, Answers(URL, "pics", api_key=KEY), None),
    ],
)
def test_a_stored_key_is_not_replaced_without_a_word(setup, text, stored, answers, names):
    alone = setup(text, stored=stored)
    assert alone.may_write(answers, overwrite=True)
    if names is None:
        assert alone.may_write(answers, overwrite=False)
        return
    with pytest.raises(UsageError) as caught:
        alone.may_write(answers, overwrite=False)
    assert caught.value.message == f"There is already: {names}."


@pytest.mark.parametrize("profile", [None, "work"])
@pytest.mark.parametrize("text", ["", FULL, "[profiles.work]\nsize = '1:1'\nauth = 'key'\n"])
@pytest.mark.parametrize(
    "answers", [GIVEN, Answers(URL, " new ", "MAI-Image-2.6", "entra", KEY), Answers(URL, "pics")]
)
def test_what_is_pretended_is_what_would_be_written(setup, profile, text, answers):
    first = setup(text, profile=profile)
    pretended = first.pretended(answers)
    first.write(answers)

    after = config_file.read(first.configuration.path)
    assert (pretended.path, pretended.values) == (after.path, after.values)
    assert pretended.profiles == after.profiles
    assert pretended.deployments == after.deployments


def test_answers_that_have_no_effect_are_told_with_what_wins(setup):
    variable = Origin("environment", "MAI_ENDPOINT")
    mine = Origin("user", "/c.toml", 1)
    settings = Settings(
        Path("g"),
        Path("h"),
        origins={"endpoint": variable, "deployment": mine, "auth": variable},
    )

    assert setup().hidden(GIVEN, settings) == {"endpoint": variable}
    assert setup(profile="work").hidden(GIVEN, settings) == {
        "endpoint": variable,
        "deployment": mine,
    }


@pytest.mark.parametrize("argument", [KEY, "", "--", "- "])
def test_a_key_on_the_command_line_is_refused_and_not_repeated(argument):
    with pytest.raises(UsageError) as caught:
        refuse_argument(argument)

    error = caught.value
    assert error.code == "bad_option"
    assert error.message == (
        "A key does not belong on the command line, where the shell's history and other users "
        "can see it."
    )
    assert error.hint == (
        "Type it when asked: mai config set api_key. Or pipe it: mai config set api_key - < FILE. "
        "If it is a real one, replace it."
    )


@pytest.mark.parametrize("argument", [None, "-"])
def test_a_key_that_is_asked_for_is_not_refused(argument):
    refuse_argument(argument)
