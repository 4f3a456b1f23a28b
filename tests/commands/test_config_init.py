import stat
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.person import CTRL_C, Person
from tests.commands.user_file import CONTOSO
from tests.emulator import KEY, Emulator, error

TOKEN = "az-token-0123456789abcdef"
GOOD = "This cost nothing"


@pytest.fixture
def signed_in(bare: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An environment in which the Azure CLI has a token."""
    token = f'{{"accessToken": "{TOKEN}", "expires_on": {int(time.time()) + 3600}}}'
    az = tmp_path / "bin" / "az"
    az.parent.mkdir()
    az.write_text(f"#!/bin/sh\necho '{token}'\n")
    az.chmod(0o755)
    return bare | {"PATH": f"{az.parent}:{bare['PATH']}"}


Sits = Callable[..., Person]


@pytest.fixture
def sits(bare: dict[str, str], tmp_path: Path) -> Sits:
    """Seat a person at ``mai config init``."""

    def sits(*args: str, **more: str) -> Person:
        return Person(bare | more, tmp_path, "config", "init", *args)

    return sits


def test_a_person_answers_every_question(sits, run, bare, foundry, config, credentials):
    with sits() as person:
        person.is_asked("Endpoint (any address of the resource): ")
        person.answers("http://contoso.services.ai.azure.com")
        assert "must start with https://" in person.is_asked("Endpoint (any address")
        person.answers("")
        assert "must be a text that is not empty" in person.is_asked("Endpoint (any address")
        person.answers(f" {foundry.url}/mai/v1/images/generations ")
        person.is_asked("Deployment (its name in the Foundry portal): ")
        person.answers("pics")
        person.is_asked("Model behind it, such as MAI-Image-2.6 (empty: not known): ")
        person.answers("MAI-Image-2.6")
        person.is_asked("Sign in with a key, or Entra ID (key, entra) [key]: ")
        person.answers("nonsense")
        person.is_asked("Sign in with a key, or Entra ID (key, entra) [key]: ")
        person.answers("k")
        person.is_asked("Key of the resource (not shown): ")
        assert not person.sees_what_is_typed()
        person.answers(KEY)
        person.is_asked("Test it now? It is free. [Y/n]: ")
        assert person.sees_what_is_typed()
        person.answers("")
        assert GOOD in person.is_asked("Written. ")
        assert person.leaves() == 0

    assert KEY not in person.seen
    assert person.seen.splitlines()[-2:] == [
        'Written. Try: mai generate "a lighthouse at dawn"',
        str(config),
    ]
    assert tomllib.loads(config.read_text()) == {
        "endpoint": foundry.url,
        "deployment": "pics",
        "auth": "key",
        "deployments": {"pics": {"model": "MAI-Image-2.6"}},
    }
    assert tomllib.loads(credentials.read_text()) == {foundry.url: {"api_key": KEY}}
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    assert run(bare, "generate", "x").code == 0
    assert [received.headers["api-key"] for received in foundry.received] == [KEY, KEY]


def test_the_model_is_not_asked_for_where_the_deployments_name_tells_it(sits, foundry, config):
    with sits("--endpoint", foundry.url, "--auth", "entra", "--no-test") as person:
        person.is_asked("Deployment")
        person.answers("mai-image-26")
        assert person.leaves() == 0

    assert "Model behind it" not in person.seen
    content = {"endpoint": foundry.url, "deployment": "mai-image-26", "auth": "entra"}
    assert tomllib.loads(config.read_text()) == content


def test_a_failed_test_writes_nothing_unless_the_person_insists(
    sits, foundry, config, credentials, home
):
    foundry.always(error(401, "401", "Access denied."))
    args = ("--endpoint", foundry.url, "-d", "mai-image-26", "--auth", "key")
    for answer, code in (("", 4), ("y", 0)):
        with sits(*args) as person:
            person.is_asked("(not shown): ")
            person.answers(KEY)
            person.is_asked("Test it now?")
            person.answers("y")
            shown = person.is_asked("Write it anyway? [y/N]: ")
            assert "failed   deployment  The credential was not accepted" in shown
            person.answers(answer)
            assert person.leaves() == code
        assert ("Nothing was written." in person.seen) == (code != 0)
        assert config.exists() == credentials.exists() == (code == 0)
    assert len(foundry.received) == 2


def test_what_is_there_already_is_offered_and_replaced_only_after_a_yes(
    sits, foundry, config, home
):
    home.mkdir(exist_ok=True)
    before = f'# mine\nendpoint = "{CONTOSO}"\ndeployment = "mai-image-26"\nsize = "16:9"\n'
    config.write_text(before)
    for answer in ("", "y"):
        with sits("--auth", "entra", "--no-test") as person:
            person.is_asked(f"Endpoint (any address of the resource) [{CONTOSO}]: ")
            person.answers(foundry.url)
            person.is_asked("Deployment (its name in the Foundry portal) [mai-image-26]: ")
            person.answers("")
            person.is_asked("There is already: endpoint. Replace? [y/N]: ")
            person.answers(answer)
            assert person.leaves() == 0
        if not answer:
            assert config.read_text() == before
    assert config.read_text() == before.replace(CONTOSO, foundry.url).replace(
        'size = "16:9"\n', 'size = "16:9"\nauth = "entra"\n'
    )


@pytest.mark.parametrize("question", ["Endpoint", "(not shown): ", "Test it now?"])
def test_ctrl_c_at_any_question_changes_nothing(sits, foundry, home, question):
    with sits("-d", "mai-image-26", "--auth", "key") as person:
        person.is_asked("Endpoint")
        if question != "Endpoint":
            person.answers(foundry.url)
            person.is_asked("(not shown): ")
        if question == "Test it now?":
            person.answers(KEY)
            person.is_asked(question)
        person.presses(CTRL_C)
        assert person.leaves() == 130
        assert person.sees_what_is_typed()

    assert "Traceback" not in person.seen
    assert not home.exists()
    assert foundry.received == []


def test_an_end_of_input_changes_nothing(sits, home):
    with sits() as person:
        person.is_asked("Endpoint")
        person.presses("\x04")
        assert person.leaves() == 2

    assert "There was no answer." in person.seen
    assert not home.exists()


def test_a_key_that_is_piped_in_is_stored_and_tested(run, bare, foundry, config, credentials):
    args = ("--no-input", "--endpoint", f"{foundry.url}/mai/v1", "-d", "mai-image-26")
    result = run(bare, "config", "init", *args, "--api-key", "-", "--test", stdin=KEY.encode())

    assert (result.code, result.lines) == (0, [str(config)])
    assert GOOD in result.err
    assert f"The key is stored in {credentials}" in result.err
    assert "no effect" not in result.err
    assert KEY not in result.err
    content = {"endpoint": foundry.url, "deployment": "mai-image-26"}
    assert tomllib.loads(config.read_text()) == content
    assert run(bare, "generate", "x").code == 0
    assert [received.headers["api-key"] for received in foundry.received] == [KEY, KEY]


def test_without_a_key_entra_id_signs(run, signed_in, foundry, config):
    args = ("--no-input", "--endpoint", foundry.url, "-d", "pics", "-m", "MAI-Image-2.6")
    result = run(signed_in, "config", "init", *args, "--auth", "entra", "--test")

    assert result.code == 0, result.err
    assert "granted, Entra ID, by Azure CLI" in result.err
    assert tomllib.loads(config.read_text()) == {
        "endpoint": foundry.url,
        "deployment": "pics",
        "auth": "entra",
        "deployments": {"pics": {"model": "MAI-Image-2.6"}},
    }
    made = run(signed_in, "generate", "x", "--json")
    assert (made.code, made.objects[0]["model"]) == (0, "MAI-Image-2.6")
    sent = [received.headers["authorization"] for received in foundry.received]
    assert sent == [f"Bearer {TOKEN}"] * 2
    assert not (config.parent / "credentials.toml").exists()


def test_a_profile_is_set_up_beside_what_is_there(run, bare, config, home, foundry):
    home.mkdir(exist_ok=True)
    config.write_text(f'# mine\nendpoint = "{CONTOSO}"\nauth = "entra"\n')
    args = ("--no-input", "-p", "work", "--endpoint", foundry.url, "-d", "mai-image-26")
    result = run(
        bare, "config", "init", *args, "--auth", "key", "--api-key", "-", stdin=KEY.encode()
    )

    assert result.code == 0, result.err
    assert 'Try: mai generate "a lighthouse at dawn" -p work' in result.err
    assert config.read_text().startswith(f'# mine\nendpoint = "{CONTOSO}"\nauth = "entra"\n')
    work = {"endpoint": foundry.url, "deployment": "mai-image-26", "auth": "key"}
    assert tomllib.loads(config.read_text())["profiles"] == {"work": work}
    assert run(bare, "generate", "x", "-p", "work").code == 0
    assert foundry.received[0].headers["api-key"] == KEY


def test_a_profile_that_the_environment_names_can_be_set_up(run, bare, config, foundry):
    env = bare | {"MAI_PROFILE": "work"}
    args = ("--no-input", "-p", "work", "--endpoint", foundry.url, "-d", "mai-image-26")
    result = run(env, "config", "init", *args, "--api-key", "-", "--test", stdin=KEY.encode())

    assert result.code == 0, result.err
    assert run(env, "generate", "x").code == 0


@pytest.mark.parametrize(
    "args",
    [
        ["--endpoint", "https://other.services.ai.azure.com", "-d", "mai-image-26"],
        ["--endpoint", CONTOSO, "-d", "mai-image-27"],
        ["--endpoint", CONTOSO, "-d", "mai-image-26", "--auth", "entra"],
        ["--endpoint", CONTOSO, "-d", "pics", "-m", "MAI-Image-2.6"],
    ],
)
def test_what_is_there_already_is_not_replaced_without_being_told_to(run, bare, config, home, args):
    home.mkdir(exist_ok=True)
    before = (
        f'# mine\nendpoint = "{CONTOSO}"\ndeployment = "mai-image-26"\nauth = "key"\n'
        '[deployments.pics]\nmodel = "MAI-Image-2.7"\n'
    ).encode()
    config.write_bytes(before)
    options = (*args, "--api-key", "-", "--json")
    refused = run(bare, "config", "init", "--no-input", *options, stdin=KEY.encode())

    assert (refused.code, refused.objects[0]["error"]["code"]) == (2, "output_exists")
    assert refused.err.startswith("Error: There is already: ")
    assert "--overwrite" in refused.err
    assert config.read_bytes() == before
    assert list(home.iterdir()) == [config]
    told = run(bare, "config", "init", "--no-input", *options, "--overwrite", stdin=KEY.encode())
    assert told.code == 0, told.err
    assert config.read_bytes().startswith(b"# mine\n")
    assert tomllib.loads(config.read_text())["deployment"] == args[3]


def test_a_key_that_is_stored_is_not_replaced_without_being_told_to(run, bare, credentials):
    args = ("config", "init", "--no-input", "--endpoint", CONTOSO, "-d", "a", "--api-key", "-")
    assert run(bare, *args, stdin=b"old-key").code == 0
    before = credentials.read_bytes()
    refused = run(bare, *args, stdin=KEY.encode())

    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert credentials.read_bytes() == before
    assert run(bare, *args, "--overwrite", stdin=KEY.encode()).code == 0
    assert tomllib.loads(credentials.read_text()) == {CONTOSO: {"api_key": KEY}}


def test_the_same_again_changes_nothing(run, bare, config):
    args = ("config", "init", "--no-input", "--endpoint", CONTOSO, "-d", "mai-image-26")
    assert run(bare, *args).code == 0
    first = config.read_bytes()

    assert run(bare, *args).code == 0
    assert config.read_bytes() == first


@pytest.mark.parametrize(
    ("args", "what"),
    [
        ([], "--endpoint is missing"),
        (["--no-input"], "--endpoint is missing"),
        (["--endpoint", CONTOSO], "--deployment is missing"),
        (["-d", "mai-image-26"], "--endpoint is missing"),
        (["--endpoint", "http://contoso.com", "-d", "x"], "must start with https://"),
        (["--endpoint", CONTOSO, "-d", "x", "--auth", "token"], "--auth"),
        (["--endpoint", CONTOSO, "-d", "x", "--auth", "key", "--api-key", "-"], "The api_key"),
    ],
)
def test_without_anybody_to_ask_what_is_missing_or_wrong_exits_with_2(run, bare, home, args, what):
    result = run(bare, "config", "init", *args)

    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("Error: ")
    assert what in result.err
    assert not home.exists()


def test_a_failed_test_without_anybody_to_ask_writes_nothing(run, bare, foundry, home):
    foundry.always(error(404, "DeploymentNotFound", "no such deployment"))
    args = ("--no-input", "--endpoint", foundry.url, "-d", "mai-image-26", "--api-key", "-")
    result = run(bare, "config", "init", *args, "--test", stdin=KEY.encode())

    assert (result.code, result.out) == (3, b"")
    assert result.err.endswith("Nothing was written.\n")
    assert not home.exists()
    assert len(foundry.received) == 1


def test_init_as_json_ends_with_where_everything_is(run, bare, home, tmp_path):
    args = ("--no-input", "--endpoint", CONTOSO, "-d", "mai-image-26", "--json")
    result = run(bare, "config", "init", *args)

    assert result.code == 0
    assert result.objects == [
        {
            "schema": "mai/paths/1",
            "config": f"{home}/config.toml",
            "project": None,
            "credentials": f"{home}/credentials.toml",
            "history": f"{home}/history.jsonl",
            "gallery": f"{home}/gallery",
        }
    ]


def test_init_tells_what_keeps_its_answers_from_taking_effect(run, bare):
    env = bare | {"MAI_ENDPOINT": "https://other.services.ai.azure.com"}
    args = ("--no-input", "--endpoint", CONTOSO, "-d", "mai-image-26")
    result = run(env, "config", "init", *args)

    assert result.code == 0
    assert "MAI_ENDPOINT wins" in result.err


# Endpoints

FORMS = [
    *[
        (f"{CONTOSO}{path}", CONTOSO)
        for path in (
            "/",
            "/mai/v1",
            "/mai/v1/images",
            "/mai/v1/images/generations",
            "/mai/v1/images/edits",
            "/openai/v1",
            "/models/chat/completions?api-version=2024-05-01-preview",
            "/api/projects/my-project",
            "?api-version=2025-01-01",
            ":443/",
        )
    ],
    (f"{CONTOSO} ", CONTOSO),
    (f" '{CONTOSO}/'\r\n", CONTOSO),
    ("contoso.services.ai.azure.com", CONTOSO),
    ("HTTPS://Contoso.Services.AI.Azure.com/", CONTOSO),
    ("https://contoso.openai.azure.com/openai/deployments/x/images?api-version=1", CONTOSO),
    ("https://contoso.cognitiveservices.azure.com/", CONTOSO),
    ("https://gateway.contoso.com/ai/pictures", "https://gateway.contoso.com/ai/pictures"),
    ("https://gateway.contoso.com/ai/mai/v1/images/", "https://gateway.contoso.com/ai"),
    ("https://contoso.azure-api.net/foundry/openai/v1", "https://contoso.azure-api.net/foundry"),
    ("http://localhost:8765/mai/v1", "http://localhost:8765"),
    ("127.0.0.1:8765", "http://127.0.0.1:8765"),
    ("http://[::1]:8765/", "http://[::1]:8765"),
]


@pytest.mark.parametrize(("form", "base"), FORMS, ids=[form for form, _ in FORMS])
def test_any_form_of_the_endpoint_that_people_paste_is_understood(run, bare, config, form, base):
    result = run(bare, "config", "set", "endpoint", form)

    assert (result.code, result.err) == (0, f"endpoint is {base} in {config}.\n")
    assert tomllib.loads(config.read_text()) == {"endpoint": base}


@pytest.mark.parametrize(
    ("way", "form", "prefix"),
    [
        ("set", "{url}/mai/v1/images/generations?api-version=preview", ""),
        ("init", "{url}/api/projects/my-project/", ""),
        ("init", "{url}/gateway/team-a/openai/v1", "/gateway/team-a"),
        ("set", "127.0.0.1:{port}/gw/", "/gw"),
        ("variable", "http://localhost:{port}/gw/mai/v1", "/gw"),
    ],
)
def test_what_was_pasted_is_what_is_called(run, bare, foundry, way, form, prefix):
    pasted = form.format(url=foundry.url, port=foundry.port)
    env = bare | {"MAI_API_KEY": KEY}
    if way == "set":
        run(env, "config", "set", "endpoint", pasted)
    elif way == "init":
        run(env, "config", "init", "--no-input", "--endpoint", pasted, "-d", "a")
    else:
        env |= {"MAI_ENDPOINT": pasted}
    run(env, "generate", "x", "-d", "a")

    paths = [received.path for received in foundry.received]
    assert paths == [f"{prefix}/mai/v1/images/generations"]


def test_a_key_for_one_form_of_an_endpoint_holds_for_all(run, bare, foundry):
    forms = (f"{foundry.url}/openai/v1", f"127.0.0.1:{foundry.port}/mai/v1")
    run(bare | {"MAI_ENDPOINT": forms[0]}, "config", "set", "api_key", "-", stdin=KEY.encode())
    result = run(bare | {"MAI_ENDPOINT": forms[1]}, "generate", "x", "-d", "mai-image-26")

    assert result.code == 0
    with Emulator() as other:
        env = bare | {"MAI_ENDPOINT": other.url}
        assert run(env, "generate", "x", "-d", "mai-image-26").code == 4
        assert other.received == []


def test_a_mistake_of_the_project_does_not_look_like_one_of_init(run, bare, config, tmp_path):
    (tmp_path / ".mai.toml").write_text('endpoint = "https://evil.example"\n')
    args = ("--endpoint", CONTOSO, "-d", "a", "--no-input", "--json")
    result = run(bare, "config", "init", *args)

    assert result.code == 0, result.err
    (paths,) = result.objects
    assert (paths["config"], paths["gallery"]) == (str(config), None)
    assert run(bare, "generate", "x").code == 3


def test_what_a_file_says_does_not_act_on_the_terminal(sits, config):
    config.parent.mkdir(exist_ok=True)
    config.write_text('deployment = "\\u001b]2;mine\\u0007"\nendpoint = "x\\u001b[31m"\n')
    with sits() as person:
        person.is_asked("Endpoint (any address of the resource): ")
        person.answers("https://\x0e.example")
        person.is_asked("Endpoint (any address of the resource): ")
        person.answers(CONTOSO)
        person.is_asked("Deployment (its name in the Foundry portal): ")
    assert "\x1b" not in person.seen


def test_a_second_time_the_stored_key_can_stay(sits, foundry, credentials, store):
    store(foundry.url)
    with sits("--endpoint", foundry.url, "-d", "mai-image-26", "--auth", "key") as person:
        person.is_asked("Key of the resource (empty: the stored one) (not shown): ")
        person.answers("")
        person.is_asked("Test it now?")
        person.answers("")
        assert person.leaves() == 0
    assert tomllib.loads(credentials.read_text()) == {foundry.url: {"api_key": KEY}}
    assert [received.headers["api-key"] for received in foundry.received] == [KEY]


def test_a_failed_test_is_told_as_json(run, bare):
    args = ("--endpoint", "http://127.0.0.1:9", "-d", "a", "--no-input", "--test", "--json")
    result = run(bare, "config", "init", *args)

    assert result.code == 4
    assert [found["schema"] for found in result.objects] == ["mai/check/1"] * len(result.objects)
    assert {found["name"] for found in result.objects if found["result"] == "failed"} == {
        "connection",
        "token",
    }
