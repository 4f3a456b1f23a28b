"""No key or token gets out, and no repository that was cloned moves a request, a key or a file."""

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commands.person import Person
from tests.conftest import MAI, NOWHERE
from tests.emulator import KEY, Answer, Emulator, error, picture, png

TOKEN = "az-token-0123456789abcdef"
KEYRING = """
import json, os
from keyring.backend import KeyringBackend

FILE = os.environ["KEYRING_FILE"]

class Keyring(KeyringBackend):
    priority = 9

    def _all(self):
        return json.load(open(FILE)) if os.path.exists(FILE) else {}

    def get_password(self, service, name):
        return self._all().get(f"{service} {name}")

    def set_password(self, service, name, password):
        json.dump(self._all() | {f"{service} {name}": password}, open(FILE, "w"))

    def delete_password(self, service, name):
        json.dump({key: value for key, value in self._all().items()
                   if key != f"{service} {name}"}, open(FILE, "w"))
"""


@pytest.fixture
def keyring(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a machine with a keyring, which keeps its keys in a file elsewhere."""
    folder = tmp_path_factory.mktemp("keyring")
    (folder / "a_keyring.py").write_text(KEYRING)
    return {
        "PYTHONPATH": str(folder),
        "PYTHON_KEYRING_BACKEND": "a_keyring.Keyring",
        "KEYRING_FILE": str(folder / "keys.json"),
    }


@pytest.fixture
def az(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an Azure CLI that is signed in, and shouts its token about."""
    folder = tmp_path_factory.mktemp("az")
    answer = f'{{"accessToken": "{TOKEN}", "expires_on": {int(time.time()) + 3600}}}'
    (folder / "az").write_text(f"#!/bin/sh\necho 'debug: {TOKEN}' >&2\necho '{answer}'\n")
    (folder / "az").chmod(0o755)
    return folder


def echoing(secret: str) -> list[Answer]:
    """Answers of a service that repeats the secret wherever it can."""
    words = f"key {secret} Bearer {secret} api-key={secret}"
    return [
        error(400, secret, words, apim_request_id=secret),
        error(401, "401", words),
        error(401, "401", words, apim_request_id=f"x{secret}"),
        error(403, "PermissionDenied", words),
        error(404, "DeploymentNotFound", words),
        error(500, secret, words, Retry_After="0", x_ms_request_id=secret),
        Answer(418, words.encode()),
        Answer(200, f'{{"{secret}": "{words}"}}'.encode(), {"apim-request-id": secret}),
        picture(png(1024, 1024), model=secret, created=words),
    ]


# Secrets


def files_with(secrets: list[str], folder: Path, but: Path) -> list[Path]:
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path != but:
            data = path.read_bytes()
            found += [path for secret in secrets if secret.encode() in data]
        found += [path for secret in secrets if secret in path.name]
    return found


COMMANDS = [
    ("generate", "x", "--json", "-v"),
    ("config", "check", "-v"),
    ("config", "list", "--json"),
    ("config", "get", "api_key"),
]
MORE_COMMANDS = [
    ("generate", "x", "-v"),
    ("config", "check", "--json", "-v"),
    ("config", "init", "--no-input", "-p", "b", "-d", "b", "--endpoint", "{url}", "--test", "-v"),
    ("generate", "x", "--dry-run", "--json"),
    ("config", "list"),
    ("config", "get", "api_key", "--json"),
    ("config", "profiles"),
    ("config", "path", "--json"),
    ("config", "set", "api_key", "nonsense"),
    ("config", "set", "size", "1:1"),
    ("config", "edit"),
    ("config", "init", "--no-input", "-d", "a", "--endpoint", "{url}", "--test", "--overwrite"),
]


def set_up(run, bare, config, foundry, keyring, az, source) -> tuple[dict[str, str], str]:
    """An environment that signs with a secret from ``source``, and that secret."""
    config.write_text(f'endpoint = "{foundry.url}"\ndeployment = "a"\n[profiles.work]\n')
    env = bare | {"EDITOR": "cat", "AZURE_CLIENT_SECRET": "sesame-0123"}
    if source == "entra":
        return env | {"PATH": f"{az}:{bare['PATH']}"}, TOKEN
    if source == "environment":
        return env | {"MAI_API_KEY": KEY}, KEY
    env |= keyring if source == "keyring" else {}
    stored = run(env, "config", "set", "api_key", "-", stdin=KEY.encode())
    assert (stored.code, KEY in stored.err) == (0, False), stored.err
    assert ("system keyring" in stored.err) == (source == "keyring")
    return env, KEY


@pytest.mark.slow
@pytest.mark.parametrize("source", ["environment", "file", "keyring", "entra"])
def test_no_secret_leaves_by_any_command(
    run, bare, home, config, foundry, keyring, az, source, tmp_path
):
    env, secret = set_up(run, bare, config, foundry, keyring, az, source)
    assert run(env, "generate", "x").code == 0
    headers = foundry.received[0].headers
    assert headers.get("api-key", headers.get("authorization")).endswith(secret)

    seen = []
    answers = echoing(secret)
    is_kept = source in ("file", "keyring")
    for number, args in enumerate(COMMANDS if is_kept else [*COMMANDS, *MORE_COMMANDS]):
        foundry.always(answers[number % len(answers)])
        result = run(env, *(arg.replace("{url}", foundry.url) for arg in args))
        assert "Traceback" not in result.err
        seen.append(result.out.decode(errors="replace") + result.err)

    assert len(foundry.received) >= (3 if is_kept else 7)
    assert [text for text in seen if secret in text or "sesame" in text] == []
    assert files_with([secret, "sesame"], tmp_path, but=home / "credentials.toml") == []


def test_no_answer_of_the_service_gets_the_key_out(env, run, foundry, tmp_path):
    for answer in echoing(KEY):
        foundry.received.clear()
        foundry.always(answer)
        result = run(env, "generate", "x", "-v", "--json")
        assert foundry.received
        assert KEY not in result.out.decode() + result.err
    assert files_with([KEY], tmp_path, but=tmp_path) == []


def test_a_keyring_keeps_the_key_and_the_file_only_says_so(run, bare, home, foundry, keyring):
    env = bare | keyring | {"MAI_ENDPOINT": foundry.url, "MAI_DEPLOYMENT": "a"}
    run(env, "config", "set", "api_key", "-", stdin=KEY.encode())

    text = (home / "credentials.toml").read_text()
    assert text == f'["{foundry.url}"]\nkeyring = true\n'
    assert KEY in Path(keyring["KEYRING_FILE"]).read_text()
    origin = run(env, "config", "get", "api_key", "--json").objects[0]["origin"]
    assert (origin["kind"], origin["place"]) == ("keyring", "the system keyring")
    assert run(env, "generate", "x").code == 0
    assert foundry.received[0].headers["api-key"] == KEY
    assert run(env, "config", "unset", "api_key").code == 0
    assert KEY not in Path(keyring["KEYRING_FILE"]).read_text()
    assert run(env, "generate", "x").code == 4
    assert len(foundry.received) == 1


def test_a_keyring_that_fails_leaves_the_key_to_the_file(run, bare, home, foundry, keyring):
    env = bare | keyring | {"MAI_ENDPOINT": foundry.url, "KEYRING_FILE": "/dev/null/x"}
    result = run(env, "config", "set", "api_key", "-", stdin=KEY.encode())

    assert result.code == 0
    assert "the key goes into a file instead" in result.err
    assert f"The key is stored in {home}/credentials.toml" in result.err
    assert run(env, "generate", "x", "-d", "a").code == 0
    assert KEY not in result.err


@pytest.mark.parametrize("how", ["it fails", "it has forgotten"])
def test_a_keyring_that_does_not_give_the_key_is_named(run, bare, foundry, keyring, how, tmp_path):
    env = bare | keyring | {"MAI_ENDPOINT": foundry.url}
    run(env, "config", "set", "api_key", "-", stdin=KEY.encode())
    place = str(tmp_path) if how == "it fails" else "/dev/null/x"
    result = run(env | {"KEYRING_FILE": place}, "generate", "x", "-d", "a")

    assert (result.code, foundry.received) == (4, [])
    assert "keyring" in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    "content",
    [
        f'api_key = "{KEY}"\n',
        f'[profiles.work]\napi_key = "{KEY}"\n',
        f'[deployments.a]\napi_key = "{KEY}"\n',
        f'endpoint = "https://contoso .com/?subscription-key={KEY}"\n',
        f'endpoint = "https://me:{KEY}@contoso.services.ai.azure.com"\n',
        f'api_key = "{KEY}\n',
        f"api_key = {KEY}\n",
        f'["{KEY}"\n',
    ],
)
@pytest.mark.parametrize("place", ["user", "project"])
def test_a_key_in_a_file_of_settings_is_refused_and_not_repeated(
    run, bare, config, tmp_path, content, place
):
    (config if place == "user" else tmp_path / ".mai.toml").write_text(content)

    result = run(bare, "config", "list")

    assert result.code == 3
    assert KEY not in result.out.decode() + result.err
    if place == "user":
        assert KEY not in run(bare, "config", "set", "size", "1:1").err


def test_a_key_in_the_address_of_a_profile_is_not_shown(run, bare, config):
    address = f"https://contoso.azure-api.net/mai?subscription-key={KEY}"
    config.write_text(f'[profiles.work]\nendpoint = "{address}"\n')

    for args in (("profiles",), ("profiles", "--json"), ("list", "-p", "work")):
        result = run(bare, "config", *args)
        assert "https://contoso.azure-api.net" in result.out.decode()
        assert KEY not in result.out.decode()


@pytest.mark.parametrize(
    "content", [f'"{KEY}"', f'x = "{KEY}', f'["URL"]\napi_key = ["{KEY}"]', f'URL = "{KEY}"']
)
def test_a_broken_file_of_keys_is_named_and_not_repeated(run, bare, home, foundry, content):
    home.mkdir()
    credentials = home / "credentials.toml"
    credentials.write_text(content.replace("URL", foundry.url))
    credentials.chmod(0o600)
    env = bare | {"MAI_ENDPOINT": foundry.url}
    for args in (("generate", "x", "-d", "a", "-v"), ("config", "list"), ("config", "check")):
        result = run(env, *args)
        assert result.code == 3
        assert f"{credentials} is not a file of keys" in result.err + result.out.decode()
        assert KEY not in result.err + result.out.decode()
    assert foundry.received == []


def test_a_key_that_has_a_wrong_character_is_not_repeated(run, env, foundry):
    result = run(env | {"MAI_API_KEY": f"{KEY} {KEY}"}, "generate", "x", "-v")

    assert (result.code, foundry.received) == (3, [])
    assert "MAI_API_KEY" in result.err
    assert KEY not in result.err


def test_what_is_typed_at_a_question_is_in_no_file_but_that_of_keys(bare, tmp_path, home, foundry):
    foundry.always(error(401, "401", f"the key {KEY} is wrong"))
    args = ("config", "init", "--endpoint", foundry.url, "-d", "a", "-m", "x", "--auth", "key")
    with Person(bare, tmp_path, *args, "-v") as person:
        person.is_asked("(not shown): ")
        person.answers(KEY)
        person.is_asked("Test it now?")
        person.answers("y")
        person.is_asked("Write it anyway?")
        person.answers("y")
        assert person.leaves() == 0

    assert KEY not in person.seen
    assert files_with([KEY], tmp_path, but=home / "credentials.toml") == []


def test_no_command_puts_the_key_where_other_processes_see_it(run, env, tmp_path, home):
    spy = tmp_path / "editor"
    spy.write_text("#!/bin/sh\ntr '\\0' '\\n' < /proc/$PPID/cmdline > seen\necho \"$@\" >> seen\n")
    spy.chmod(0o755)
    assert run(env | {"EDITOR": str(spy)}, "config", "edit").code == 0

    assert KEY not in (tmp_path / "seen").read_text()


# A repository that was cloned

EVIL = "evil.invalid"


@pytest.fixture
def evil() -> Iterator[Emulator]:
    with Emulator() as evil:
        yield evil


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of a stranger's; commands run in its root."""
    (tmp_path / ".git").mkdir()
    return tmp_path / ".mai.toml"


def generate_in(folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*MAI, "generate", "x"], env=env, cwd=folder, capture_output=True, check=False
    )


HOSTILE = {
    "endpoint": ((2,), 'endpoint = "{evil}"'),
    "auth": ((2,), 'auth = "entra"'),
    "scope": ((2,), 'scope = "https://evil.example/.default"'),
    "api_key": ((2,), 'api_key = "theirs"'),
    "gallery": ((2,), 'gallery = "pics"'),
    "gallery above": ((2,), 'gallery = "../../pics"'),
    "history": ((2,), 'history = "history.jsonl"'),
    "filename": ((2,), 'filename = "{{id}}"'),
    "profile": ((2,), 'profile = "theirs"'),
    "offline": ((2,), "offline = false"),
    "several deployments": ((2,), 'deployment = ["a", "b", "c"]'),
    "quoted": ((2,), '"endpoint" = "{evil}"'),
    "quoted with an escape": ((2, None), '"\\u0065ndpoint" = "{evil}"'),
    "quoted literally": ((2,), "'endpoint' = \"{evil}\""),
    "with spaces": ((2,), '\t endpoint\t= "{evil}"'),
    "after a text of lines": ((5, None), 'model = """\nendpoint = 1\n"""\nendpoint = "{evil}"'),
    "in a profile": ((3,), '[profiles.work]\nendpoint = "{evil}"'),
    "in another profile": ((3,), '[profiles.theirs]\nendpoint = "{evil}"'),
    "in a quoted profile": ((3,), '["profiles"."work"]\n"gallery" = "pics"'),
    "in a dotted profile": ((2,), 'profiles.work.endpoint = "{evil}"'),
    "in a spaced profile": ((3,), '[ profiles . work ]\nendpoint = "{evil}"'),
    "in an inline profile": ((2,), 'profiles = {{ work = {{ endpoint = "{evil}" }} }}'),
    "in an inline profile of one table": ((2,), 'profiles.work = {{ endpoint = "{evil}" }}'),
    "in a profile of profiles": ((2, 3), '[profiles.work.profiles.work]\nendpoint = "{evil}"'),
    "profiles in a list": ((2,), '[[profiles]]\nendpoint = "{evil}"'),
    "a profile in a list": ((2,), '[[profiles.work]]\nendpoint = "{evil}"'),
    "profiles that are none": ((2,), 'profiles = "work"'),
    "in a deployment": ((3,), '[deployments.a]\nendpoint = "{evil}"'),
    "a table of its own": ((2,), '[endpoint]\nbase = "{evil}"'),
    "a full-width letter": ((2,), '"\uff45ndpoint" = "{evil}"'),
    "a Cyrillic letter": ((2,), '"\u0435ndpoint" = "{evil}"'),
    "a ligature": ((2,), '"pro\ufb01les" = {{ work = {{ endpoint = "{evil}" }} }}'),
    "capitals": ((2,), 'ENDPOINT = "{evil}"'),
    "a space at the end": ((2,), '"endpoint " = "{evil}"'),
    "a dash": ((2,), 'end-point = "{evil}"'),
    "an invisible letter": ((2,), '"endpoint\u200b" = "{evil}"'),
    "a variable": ((2,), 'MAI_ENDPOINT = "{evil}"'),
    "an environment": ((2,), '[env]\nMAI_ENDPOINT = "{evil}"'),
    "huge": ((None,), "#{huge}\n"),
    "deep": ((None,), "model = {deep}"),
    "not UTF-8": ((None,), "\udcff = 1"),
    "UTF-16": ((None,), "\x00e\x00n\x00d"),
    "not TOML": ((None,), "endpoint: {evil}"),
}
"""Each with the lines that may be named; ``None``: the file alone."""


@pytest.mark.parametrize("trick", HOSTILE)
def test_a_hostile_project_file_is_refused_before_anything_is_sent(
    run, env, config, foundry, evil, repository, trick, home
):
    lines, text = HOSTILE[trick]
    text = text.format(evil=evil.url, huge="x" * (1 << 20), deep="[" * 5000)
    config.write_text('[profiles.work]\ndeployment = "b"\n')
    repository.write_bytes(f"# ours\n{text}\n".encode(errors="surrogateescape"))
    result = run(env, "generate", "x", "-p", "work")

    assert (result.code, result.out) == (3, b"")
    assert result.err.startswith("Error: ")
    assert (foundry.received, evil.received, evil.connections) == ([], [], 0)
    assert sorted(home.iterdir()) == [config]
    named = re.search(rf"{repository}(?:, line (\d+))?", result.err)
    assert named
    assert (int(named[1]) if named[1] else None) in lines


def test_the_refusal_says_why_and_what_to_do(run, env, repository):
    repository.write_text(f'\n[profiles.work]\nendpoint = "https://{EVIL}"\n')
    result = run(env, "generate", "x")

    assert result.err == (
        f"Error: {repository}, line 3: a project may not set 'endpoint': a repository that was "
        "cloned could send requests, keys or files elsewhere.\n"
        "Remove it there, and set it for yourself: mai config set endpoint ...\n"
    )


def test_what_a_project_may_set_goes_to_the_users_endpoint_and_folders(
    run, env, config, foundry, repository, home, tmp_path
):
    config.write_text('[profiles.work]\nsize = "3:2"\n')
    repository.write_text(
        'deployment = "a"\nsize = "1:1"\ntimeout = 60\nprivate = true\n'
        '[profiles.work]\nmodel = "MAI-Image-2.6"\n[profiles.theirs]\ndeployment = "../../b"\n'
        '[deployments.a]\nmodel = "MAI-Image-2.7"\nmax_pixels = 1048576\n'
        '[deployments."../../b"]\nmodel = "../../x"\n'
    )
    env = env | {"MAI_DEPLOYMENT": ""}
    assert run(env, "generate", "x", "-p", "work").code == 0
    assert run(env, "generate", "x", "-p", "theirs").code == 0

    assert [received.json["model"] for received in foundry.received] == ["a", "../../b"]
    made = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*.png")}
    assert made == {home.name}
    assert all((home / "gallery") in path.parents for path in tmp_path.rglob("*.png"))


def test_a_template_of_the_users_cannot_be_led_out_of_the_gallery_by_a_project(
    run, env, config, foundry, repository, home, tmp_path
):
    config.write_text('filename = "{deployment}/{id}"\n')
    repository.write_text('deployment = "../../../outside"\n')
    result = run(env | {"MAI_DEPLOYMENT": ""}, "generate", "x")

    assert result.code in (0, 3)
    made = [path for path in tmp_path.rglob("*.png") if (home / "gallery") not in path.parents]
    assert made == []


@pytest.mark.parametrize("to", ["secret", "config", "dangling", "/dev/zero", "itself"])
def test_a_project_file_that_is_a_link_tells_nothing_and_moves_nothing(
    run, env, config, foundry, repository, tmp_path, to
):
    config.write_text(f'endpoint = "{NOWHERE}"\nsize = "1:1"\n')
    secret = tmp_path / "id_rsa"
    secret.write_text("-----BEGIN KEY-----\nsesame = not toml\n")
    target = {"secret": secret, "config": config, "itself": repository}.get(to, Path(to))
    repository.symlink_to(target)
    result = run(env, "generate", "x")

    assert "sesame" not in result.err
    assert "Traceback" not in result.err
    if to in ("secret", "config"):
        assert (result.code, foundry.received) == (3, [])
    else:
        assert len(foundry.received) == (result.code == 0)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_a_project_file_that_is_no_file_does_not_hold_up_anything(run, env, repository, kind):
    if kind == "folder":
        repository.mkdir()
    else:
        os.mkfifo(repository)

    assert run(env, "generate", "x").code in (0, 3)


def test_a_project_file_counts_up_to_the_root_of_its_repository(
    run, env, foundry, evil, tmp_path, home
):
    inner = tmp_path / "clone" / "src"
    inner.mkdir(parents=True)
    (tmp_path / "clone" / ".git").write_text("gitdir: elsewhere")
    (tmp_path / ".mai.toml").write_text(f'endpoint = "{evil.url}"')
    (tmp_path / "clone" / ".mai.toml").write_text('deployment = "ours"')
    env = env | {"MAI_DEPLOYMENT": ""}
    done = generate_in(inner, env)

    assert done.returncode == 0, done.stderr
    assert foundry.received[0].json["model"] == "ours"
    assert evil.received == []


def test_a_file_above_counts_only_inside_of_a_repository(run, env, foundry, evil, tmp_path):
    (tmp_path / "below").mkdir()
    (tmp_path / ".mai.toml").write_text(f'endpoint = "{evil.url}"')
    done = generate_in(tmp_path / "below", env)

    assert (done.returncode, len(foundry.received), evil.received) == (0, 1, [])


def test_a_hostile_project_does_not_get_the_key_that_is_being_stored(
    run, bare, home, config, repository, evil, foundry
):
    config.write_text(f'endpoint = "{foundry.url}"\n')
    repository.write_text(f'endpoint = "{evil.url}"\n')
    result = run(bare, "config", "set", "api_key", "-", stdin=KEY.encode())

    assert result.code == 3
    assert not (home / "credentials.toml").exists()


def test_init_in_a_hostile_repository_asks_only_what_the_user_named(
    run, bare, home, repository, evil, foundry
):
    repository.write_text(f'endpoint = "{evil.url}"\n')
    args = ("--no-input", "--endpoint", foundry.url, "-d", "a", "--api-key", "-", "--test")
    result = run(bare, "config", "init", *args, stdin=KEY.encode())

    assert result.code == 3
    assert str(repository) in result.err
    assert (foundry.received, evil.connections) == ([], 0)
    assert not home.exists()
