import json
import os
import stat
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.person import CTRL_C, CTRL_D, Person
from tests.conftest import MAI, NOWHERE
from tests.emulator import KEY, Emulator

CONTOSO = "https://contoso.services.ai.azure.com"
FILENAME = "{year}/{month}/{day}/{time}-{prompt}-{id}"
WORK_ENDPOINT = "https://work.services.ai.azure.com"
SCOPE = "https://cognitiveservices.azure.com/.default"
USER_FILE = f"""\
# mine
endpoint = "{CONTOSO}"
size = "16:9"  # wide

[profiles.work]
endpoint = "{WORK_ENDPOINT}"
deployment = "mai-image-26"

[profiles."at home"]
size = "1:1"
"""
WORK = "# at work, the quota is larger\n[profiles.work]\nsize = '1:1'\n"


@pytest.fixture
def config(home: Path) -> Path:
    home.mkdir()
    return home / "config.toml"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return tmp_path / ".mai.toml"


@pytest.fixture
def credentials(home: Path) -> Path:
    return home / "credentials.toml"


Store = Callable[..., None]


@pytest.fixture
def store(run, bare) -> Store:
    """Store a key for an endpoint."""

    def store(endpoint: str, key: str = KEY) -> None:
        stored = run(
            bare | {"MAI_ENDPOINT": endpoint}, "config", "set", "api_key", "-", stdin=key.encode()
        )
        assert stored.code == 0, stored.err

    return store


def test_list_in_an_empty_home_shows_the_defaults(run, bare, home):
    result = run(bare, "config", "list")

    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        "profile     (not set)",
        "endpoint    (not set)",
        "api_key     (not set)",
        "auth        auto  (default)",
        f"scope       {SCOPE}  (default)",
        "deployment  (not set)",
        "model       (not set)",
        "size        1024x1024  (default)",
        "timeout     300  (default)",
        "private     false  (default)",
        f"gallery     {home}/gallery  (default)",
        f"history     {home}/history.jsonl  (default)",
        f"filename    {FILENAME}  (default)",
        "offline     false  (default)",
    ]
    assert not home.exists()


def test_list_names_the_origin_of_every_value(run, bare, home, config, project):
    config.write_text(USER_FILE)
    project.write_text(
        'deployment = "a"\nprivate = true\n\n'
        '[deployments.my-pics]\nmodel = "MAI-Image-2.6"\nmax_pixels = 1_000_000\n'
    )
    env = bare | {"MAI_TIMEOUT": "60", "MAI_API_KEY": KEY, "MAI_GALLERY": "pics", "MAI_SIZE": ""}
    result = run(env, "config", "list", "-p", "work")

    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        "profile                         work  (--profile)",
        f"endpoint                        https://work.services.ai.azure.com  ({config}, line 6)",
        "api_key                         (stored; not shown)  (MAI_API_KEY)",
        "auth                            auto  (default)",
        f"scope                           {SCOPE}  (default)",
        f"deployment                      mai-image-26  ({config}, line 7)",
        "model                           (not set)",
        f"size                            16:9  ({config}, line 3)",
        "timeout                         60  (MAI_TIMEOUT)",
        f"private                         true  ({project}, line 2)",
        f"gallery                         {project.parent}/pics  (MAI_GALLERY)",
        f"history                         {home}/history.jsonl  (default)",
        f"filename                        {FILENAME}  (default)",
        "offline                         false  (default)",
        f"deployments.my-pics.model       MAI-Image-2.6  ({project}, line 5)",
        f"deployments.my-pics.max_pixels  1000000  ({project}, line 6)",
    ]


def test_list_as_json_is_one_object_for_each_setting(run, bare, home, config, project):
    config.write_text(USER_FILE)
    project.write_text('deployment = "a"\n[deployments.a]\nprice_text_in = 5\n')
    env = bare | {"MAI_API_KEY": KEY, "MAI_PROFILE": "at home", "MAI_TIMEOUT": "60.5"}
    result = run(env, "config", "list", "--json")

    def setting(key, value, kind="default", place="", line=None, profile=None):
        return {
            "schema": "mai/setting/1",
            "key": key,
            "value": value,
            "is_set": value is not None or key == "api_key",
            "origin": {"kind": kind, "place": str(place), "line": line, "profile": profile},
        }

    assert (result.code, result.err) == (0, "")
    assert result.objects == [
        setting("profile", "at home", "environment", "MAI_PROFILE"),
        setting("endpoint", CONTOSO, "user", config, 2),
        setting("api_key", None, "environment", "MAI_API_KEY"),
        setting("auth", "auto"),
        setting("scope", SCOPE),
        setting("deployment", "a", "project", project, 1),
        setting("model", None),
        setting("size", "1:1", "user", config, 10, "at home"),
        setting("timeout", 60.5, "environment", "MAI_TIMEOUT"),
        setting("private", value=False),
        setting("gallery", f"{home}/gallery"),
        setting("history", f"{home}/history.jsonl"),
        setting("filename", FILENAME),
        setting("offline", value=False),
        setting("deployments.a.price_text_in", 5, "project", project, 3),
    ]
    keys = ["schema", "key", "value", "is_set", "origin"]
    assert all(list(found) == keys for found in result.objects)


def test_get_prints_the_bare_value(run, bare, config):
    config.write_text(USER_FILE + '[deployments."mai-image-2.6"]\nmodel = "MAI-Image-2.7"\n')

    def got(*args: str) -> str:
        result = run(bare, "config", "get", *args)
        assert (result.code, result.err) == (0, "")
        return result.out.decode()

    assert got("endpoint") == f"{CONTOSO}\n"
    assert got("timeout") == "300\n"
    assert got("private") == "false\n"
    assert got("endpoint", "-p", "work") == f"{WORK_ENDPOINT}\n"
    assert got("profiles.at home.size") == got("size", "-p", "at home") == "1:1\n"
    assert got("deployments.mai-image-2.6.model") == "MAI-Image-2.7\n"


def test_get_as_json_is_one_setting(run, bare, config):
    config.write_text(USER_FILE)
    result = run(bare, "config", "get", "profiles.work.endpoint", "--json")

    assert result.objects == [
        {
            "schema": "mai/setting/1",
            "key": "endpoint",
            "value": WORK_ENDPOINT,
            "is_set": True,
            "origin": {"kind": "user", "place": str(config), "line": 6, "profile": "work"},
        }
    ]


@pytest.mark.parametrize(
    "key", ["endpoint", "api_key", "deployment", "profile", "deployments.x.model"]
)
def test_get_of_what_is_not_set_exits_with_3(run, bare, key):
    result = run(bare, "config", "get", key)

    assert (result.code, result.out) == (3, b"")
    assert result.err.startswith(f"Error: {key} is not set.\n")


@pytest.mark.parametrize(
    ("args", "advice"),
    [
        (["get", "endpont"], "Did you mean 'endpoint'?"),
        (["set", "endpont", "x"], "Did you mean 'endpoint'?"),
        (["unset", "endpont"], "Did you mean 'endpoint'?"),
        (["set", "api-key"], "Did you mean 'api_key'?"),
        (["get", "SIZE"], "There are: profile, endpoint, "),
        (["set", "profiles.work.endpont", "x"], "Did you mean 'endpoint'?"),
        (["set", "deployments.x.max_pixel", "1"], "Did you mean 'max_pixels'?"),
        (["set", "deployments.x.size", "1:1"], "Did you mean 'auto_size'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_unknown_key_exits_with_2_and_a_suggestion(run, bare, home, args, advice):
    result = run(bare, "config", *args)

    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith(f"Error: There is no setting '{args[1]}'.\n{advice}")
    assert not home.exists()


def test_a_failure_of_get_as_json_is_an_error_object(run, bare):
    result = run(bare, "config", "get", "endpoint", "--json")

    assert result.objects == [
        {
            "schema": "mai/error/1",
            "error": {
                "code": "missing_setting",
                "message": "endpoint is not set.",
                "hint": "Set it: mai config set endpoint ...",
                "exit_code": 3,
            },
        }
    ]


def test_path_prints_where_your_file_is_or_would_be(run, bare, home, tmp_path):
    assert run(bare, "config", "path").out == f"{home}/config.toml\n".encode()
    moved = bare | {"MAI_CONFIG": "my settings.toml"}
    assert run(moved, "config", "path").out == f"{tmp_path}/my settings.toml\n".encode()
    homeless = {name: value for name, value in bare.items() if name != "MAI_HOME"}
    assert run(homeless, "config", "path").out == f"{tmp_path}/.config/mai/config.toml\n".encode()


def test_path_as_json_names_every_place(run, bare, home, config, project):
    empty = run(bare, "config", "path", "--json")
    config.write_text('history = "h.jsonl"')
    project.write_text("private = true")
    full = run(bare | {"MAI_GALLERY": "/pics"}, "config", "path", "--json")

    places = {
        "schema": "mai/paths/1",
        "config": str(config),
        "project": None,
        "credentials": f"{home}/credentials.toml",
        "history": f"{home}/history.jsonl",
        "gallery": f"{home}/gallery",
    }
    changed = {"project": str(project), "history": f"{home}/h.jsonl", "gallery": "/pics"}
    assert empty.objects == [places]
    assert full.objects == [places | changed]


def test_path_works_when_the_file_is_broken(run, bare, config):
    config.write_text("not toml")

    assert run(bare, "config", "path").lines == [str(config)]


def test_profiles_lists_them_and_marks_the_one_in_use(run, bare, config, project):
    assert run(bare, "config", "profiles").out == b""
    config.write_text(USER_FILE)
    project.write_text('[profiles.work]\nsize = "3:2"\n[profiles.quick]\nprivate = true\n')
    result = run(bare | {"MAI_PROFILE": "work"}, "config", "profiles")

    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        "  at home     size = 1:1",
        "  quick       private = true",
        f"* work        endpoint = {WORK_ENDPOINT}, deployment = mai-image-26, size = 3:2",
    ]


def test_profiles_as_json(run, bare, config):
    config.write_text("[profiles.b]\nprivate = true\ntimeout = 60\n[profiles.a]\n")
    result = run(bare, "config", "profiles", "--json")

    assert result.objects == [
        {"schema": "mai/profile/1", "name": "a", "in_use": False, "settings": {}},
        {
            "schema": "mai/profile/1",
            "name": "b",
            "in_use": False,
            "settings": {"private": True, "timeout": 60},
        },
    ]


def test_a_profile_that_does_not_exist_is_named(run, bare, config):
    config.write_text(USER_FILE)

    by_flag = run(bare, "config", "list", "-p", "wrok")
    by_variable = run(bare | {"MAI_PROFILE": "wrok"}, "config", "list")

    assert (by_flag.code, by_variable.code) == (2, 3)
    assert by_flag.err == (
        "Error: There is no profile 'wrok', which --profile asks for.\nDid you mean 'work'?\n"
    )
    assert by_variable.err == (
        "Error: There is no profile 'wrok', which MAI_PROFILE asks for.\nDid you mean 'work'?\n"
    )


VALUES = [
    ("endpoint", "contoso.openai.azure.com/openai/v1", CONTOSO),
    ("auth", "entra", "entra"),
    ("scope", "https://ai.azure.us/.default", "https://ai.azure.us/.default"),
    ("deployment", "mai-image-26", "mai-image-26"),
    ("model", "MAI-Image-2.6", "MAI-Image-2.6"),
    ("size", "16:9", "16:9"),
    ("timeout", "60", 60),
    ("private", "yes", True),
    ("gallery", "~/pics", "~/pics"),
    ("history", "/var/h.jsonl", "/var/h.jsonl"),
    ("filename", "{time}-{id}", "{time}-{id}"),
    ("deployments.my-pics.model", "MAI-Image-2.6", "MAI-Image-2.6"),
    ("deployments.my-pics.max_pixels", "4194304", 4194304),
    ("deployments.my-pics.edits", "false", False),
    ("deployments.my-pics.auto_size", "true", True),
    ("deployments.my-pics.web_grounding", "off", False),
    ("deployments.my-pics.background", "on", True),
    ("deployments.my-pics.price_text_in", "5", 5),
    ("deployments.my-pics.price_image_in", "0", 0),
    ("deployments.my-pics.price_image_out", "19.5", 19.5),
    ("profiles.work.size", "1:1", "1:1"),
    ("profiles.at home.private", "0", False),
    ("deployments.mai-image-2.6.model", "MAI-Image-2.7", "MAI-Image-2.7"),
]


def test_every_key_can_be_set_and_unset(run, bare, config):
    for key, text, value in VALUES:
        result = run(bare, "config", "set", key, text)
        shown = str(value).lower() if isinstance(value, bool) else value
        assert (result.code, result.out) == (0, b"")
        assert result.err == f"{key} is {shown} in {config}.\n"
    content = tomllib.loads(config.read_text())
    pics = {key.split(".")[2]: value for key, _, value in VALUES if "my-pics" in key}
    assert content == {
        **{key: value for key, _, value in VALUES if "." not in key},
        "deployments": {"my-pics": pics, "mai-image-2.6": {"model": "MAI-Image-2.7"}},
        "profiles": {"work": {"size": "1:1"}, "at home": {"private": False}},
    }
    assert run(bare, "config", "list").code == 0

    keys = [key for key, _, _ in VALUES]
    for key in (keys[0], keys[11], *keys[-3:]):
        assert run(bare, "config", "unset", key).err == f"{key} is removed in {config}.\n"
    content = tomllib.loads(config.read_text())
    assert sorted(content) == sorted([*keys[1:11], "deployments"])
    assert list(content["deployments"]) == ["my-pics"]


def test_set_takes_the_profile_from_the_option(run, bare, config):
    run(bare, "config", "set", "size", "3:2", "-p", "work")
    assert tomllib.loads(config.read_text()) == {"profiles": {"work": {"size": "3:2"}}}
    result = run(bare, "config", "unset", "size", "-p", "work")

    assert result.err == f"profiles.work.size is removed in {config}.\n"
    assert config.read_text().strip() == ""


def test_a_path_is_relative_to_where_it_was_set(run, bare, config, tmp_path):
    run(bare, "config", "set", "gallery", "pics")

    assert run(bare, "config", "get", "gallery").lines == [str(tmp_path / "pics")]


def test_a_quiet_set_says_nothing(run, bare, config):
    assert run(bare, "config", "set", "size", "16:9", "-q").err == ""
    assert run(bare, "config", "unset", "size", "-q").err == ""


def test_comments_and_order_stay(run, bare, config):
    config.write_bytes(
        b"# on top\r\n\r\nsize   = '16:9'  # wide\r\n\r\n# between\r\n[profiles.work]\r\n"
        b"# inside\r\nprivate=true\r\n\r\n# at the end\r\n"
    )
    run(bare, "config", "set", "size", "1:1")
    run(bare, "config", "set", "profiles.work.private", "no")

    assert config.read_bytes() == (
        b'# on top\r\n\r\nsize   = "1:1"  # wide\r\n\r\n# between\r\n[profiles.work]\r\n'
        b"# inside\r\nprivate=false\r\n\r\n# at the end\r\n"
    )


def test_a_new_setting_does_not_part_a_comment_from_its_table(run, bare, config):
    config.write_text(f"size = '16:9'\n\n{WORK}")
    run(bare, "config", "set", "timeout", "60")

    assert tomllib.loads(config.read_text())["timeout"] == 60
    assert config.read_text().endswith(f"\n{WORK}")


def test_what_is_set_before_tables_stays_outside_of_them(run, bare, config):
    config.write_text("[profiles.work]\nprivate = true\n# the end\n")
    run(bare, "config", "set", "size", "16:9")

    content = {"size": "16:9", "profiles": {"work": {"private": True}}}
    assert tomllib.loads(config.read_text()) == content
    assert "# the end" in config.read_text()


@pytest.mark.parametrize(
    ("key", "value", "what"),
    [
        ("endpoint", "http://contoso.services.ai.azure.com", "https://"),
        ("endpoint", "https://user:pass@contoso.com", "must not carry a user name"),
        ("auth", "token", "auto, key, entra"),
        ("scope", "https://cognitiveservices.azure.com", "/.default"),
        ("deployment", " ", "must be a text that is not empty"),
        ("size", "1000x1000", "1008x1008"),
        ("size", "huge", "huge"),
        ("timeout", "0", "from 1 to 3600"),
        ("timeout", "soon", "from 1 to 3600"),
        ("private", "perhaps", "true or false"),
        ("filename", "{prompt!r}", "{prompt}"),
        ("filename", "{nope}", "{prompt}"),
        ("deployments.x.max_pixels", "1.5", "number of pixels"),
        ("deployments.x.edits", "maybe", "true or false"),
        ("deployments.x.price_text_in", "free", "US dollars"),
        ("profiles.x.timeout", "nan", "from 1 to 3600"),
        ("profile", "work", "MAI_PROFILE"),
        ("offline", "true", "MAI_OFFLINE"),
        ("size", None, "mai config set size VALUE"),
    ],
)
def test_a_wrong_value_exits_with_2_and_leaves_the_file_as_it_was(
    run, bare, config, key, value, what
):
    config.write_text(USER_FILE)
    result = run(bare, "config", "set", key, *([] if value is None else [value]))

    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith("Error: ")
    assert what in result.err
    assert "pass@" not in result.err
    assert config.read_text() == USER_FILE
    assert list(config.parent.iterdir()) == [config]


def test_unset_of_what_is_not_set_says_so(run, bare, config):
    result = run(bare, "config", "unset", "size")

    assert (result.code, result.err) == (0, f"size was not set in {config}.\n")


@pytest.mark.parametrize("where", ["the project", "another key", "a profile", "the environment"])
def test_set_and_unset_work_while_there_is_a_mistake_elsewhere(run, bare, config, project, where):
    env = bare
    config.write_text('size = "16:9"\n')
    if where == "the project":
        project.write_text('endpoint = "https://evil.example"')
    elif where == "another key":
        config.write_text('nonsense = 1\nsize = "huge"\ntimeout = "soon"\n')
    elif where == "a profile":
        config.write_text('size = "16:9"\n[profiles.work]\ntimeout = 0\n')
    else:
        env = bare | {"MAI_SIZE": "none", "MAI_TIMEOUT": "soon"}
    assert run(env, "config", "list").code == 3
    before = tomllib.loads(config.read_text())

    result = run(env, "config", "set", "size", "1:1")
    assert (result.code, result.err) == (0, f"size is 1:1 in {config}.\n")
    assert tomllib.loads(config.read_text()) == before | {"size": "1:1"}
    assert run(env, "config", "unset", "size").code == 0
    assert "size" not in tomllib.loads(config.read_text())


def test_set_mends_the_mistake_that_everything_else_complains_of(run, bare, config):
    config.write_text('size = "huge"\n')
    assert run(bare, "config", "get", "size").code == 3

    assert run(bare, "config", "set", "size", "16:9").code == 0
    assert run(bare, "config", "get", "size").lines == ["16:9"]


def test_a_file_that_is_not_toml_is_left_alone(run, bare, config):
    config.write_text("size = 16:9\n")
    result = run(bare, "config", "set", "timeout", "60")

    assert result.code == 3
    assert str(config) in result.err
    assert "in an editor" in result.err
    assert config.read_text() == "size = 16:9\n"


def test_a_link_to_the_file_stays_one(run, bare, config, tmp_path):
    (tmp_path / "dotfiles.toml").write_text("# mine\n")
    config.symlink_to(tmp_path / "dotfiles.toml")
    run(bare, "config", "set", "size", "16:9")

    assert config.is_symlink()
    assert (tmp_path / "dotfiles.toml").read_text() == '# mine\nsize = "16:9"\n'


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only to root")
def test_a_folder_that_cannot_be_written_is_named(run, bare, config):
    config.write_text("")
    config.parent.chmod(0o500)
    result = run(bare, "config", "set", "size", "16:9")

    assert result.code == 3
    assert f"{config} cannot be written" in result.err


def test_a_home_that_is_a_file_is_named(run, bare, home):
    home.write_text("")
    result = run(bare, "config", "set", "size", "16:9")

    assert result.code == 3
    assert f"{home}/config.toml cannot be written" in result.err


def test_several_at_once_lose_nothing(bare, config, tmp_path):
    config.write_text("# mine\n")
    processes = [
        subprocess.Popen(
            [*MAI, "config", "set", f"profiles.p{number}.timeout", f"{number}", "-q"],
            env=bare,
            cwd=tmp_path,
        )
        for number in range(1, 9)
    ]

    assert [process.wait(30) for process in processes] == [0] * 8
    assert config.read_text().startswith("# mine\n")
    profiles = tomllib.loads(config.read_text())["profiles"]
    assert profiles == {f"p{number}": {"timeout": number} for number in range(1, 9)}


def test_the_environment_names_the_profile_that_is_changed(run, bare, config):
    env = bare | {"MAI_PROFILE": "work"}
    result = run(env, "config", "set", "size", "3:2")

    assert (result.code, result.err) == (0, f"profiles.work.size is 3:2 in {config}.\n")
    assert run(env, "config", "get", "size").lines == ["3:2"]
    assert run(env, "config", "unset", "size").code == 0
    assert run(bare, "config", "list").code == 0


@pytest.mark.parametrize(
    ("hidden_by", "wins"),
    [
        ("environment", "MAI_SIZE"),
        ("project", "{project}, line 1"),
    ],
)
def test_a_value_that_has_no_effect_is_noted(run, bare, project, hidden_by, wins):
    env = bare
    if hidden_by == "environment":
        env = bare | {"MAI_SIZE": "3:2"}
    else:
        project.write_text('size = "3:2"')
    result = run(env, "config", "set", "size", "16:9")

    assert result.code == 0
    note = result.err.splitlines()[1]
    assert note == f"It has no effect here: {wins.format(project=project)} wins."
    assert run(env, "config", "get", "size").lines == ["3:2"]


def test_a_deployments_value_that_has_no_effect_is_noted(run, bare, config, project):
    project.write_text('[deployments.x]\nmodel = "MAI-Image-2.7"\n')
    result = run(bare, "config", "set", "deployments.x.model", "MAI-Image-2.6")

    assert result.err.splitlines()[1] == f"It has no effect here: {project}, line 2 wins."


def test_a_value_that_has_effect_gets_no_note(run, bare, config, project):
    project.write_text("timeout = 60")
    env = bare | {"MAI_MODEL": "MAI-Image-2.6"}

    assert run(env, "config", "set", "size", "16:9").err.count("\n") == 1
    assert run(env, "config", "set", "profiles.work.size", "1:1").err.count("\n") == 1


# The key


@pytest.mark.parametrize(
    "args",
    [
        ["set", "api_key", KEY],
        ["set", f"api_key={KEY}"],
        ["set", "api_key", "-", KEY],
        ["set", "profiles.work.api_key", KEY],
        ["set", "deployments.x.api_key", KEY],
        ["init", "--no-input", "--endpoint", CONTOSO, "-d", "x", "--api-key", KEY],
        ["init", "--no-input", "--endpoint", CONTOSO, "-d", "x", f"--api-key={KEY}"],
    ],
    ids=" ".join,
)
def test_a_key_as_an_argument_is_refused_and_not_repeated(run, bare, config, args):
    before = f'endpoint = "{CONTOSO}"\n[profiles.work]\n'
    config.write_text(before)
    result = run(bare, "config", *args)

    assert (result.code, result.out) == (2, b"")
    assert KEY not in result.err
    assert config.read_text() == before
    assert [path for path in config.parent.iterdir() if KEY.encode() in path.read_bytes()] == []


def test_a_key_as_an_argument_is_refused_where_nothing_is_set_up_too(run, bare, home):
    result = run(bare, "config", "set", "api_key", KEY)

    assert result.code == 2
    assert "A key does not belong on the command line" in result.err
    assert not home.exists()


def test_the_reason_is_given_why_a_key_is_no_argument(run, bare, config):
    result = run(bare | {"MAI_ENDPOINT": CONTOSO}, "config", "set", "api_key", KEY)

    assert result.err == (
        "Error: A key does not belong on the command line, where the shell's history and other "
        "users can see it.\n"
        "Type it when asked: mai config set api_key. Or pipe it: mai config set api_key - < FILE. "
        "If it is a real one, consider it seen.\n"
    )


@pytest.mark.parametrize("text", [KEY, f"  {KEY}\r\n", f"\ufeff{KEY}\n"])
def test_a_key_from_a_pipe_is_stored_for_the_user_alone(run, bare, credentials, text):
    env = bare | {"MAI_ENDPOINT": CONTOSO}
    result = run(env, "config", "set", "api_key", "-", stdin=text.encode())

    assert (result.code, result.out) == (0, b"")
    note = f"The key is stored in {credentials}, for {CONTOSO} only.\n"
    assert result.err.endswith(note)
    assert tomllib.loads(credentials.read_text()) == {CONTOSO: {"api_key": KEY}}
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    shown = run(env, "config", "get", "api_key")
    assert (shown.code, shown.out) == (2, b"")
    assert f"There is one in {credentials}." in shown.err
    origin = run(env, "config", "get", "api_key", "--json").objects[0]["origin"]
    assert (origin["kind"], origin["place"]) == ("credentials", str(credentials))


@pytest.mark.parametrize("text", ["", " \n", "two words", "käse", "a\x00b", f"{KEY}\n{KEY}"])
def test_a_key_that_is_none_is_refused_and_not_repeated(run, bare, credentials, text):
    env = bare | {"MAI_ENDPOINT": CONTOSO}
    result = run(env, "config", "set", "api_key", "-", stdin=text.encode())

    assert result.code == 2
    assert result.err.startswith("Error: The api_key ")
    assert not text.strip() or text.split()[0] not in result.err
    assert not credentials.exists()


def test_without_a_terminal_nobody_is_asked_for_the_key(run, bare, credentials):
    result = run(bare | {"MAI_ENDPOINT": CONTOSO}, "config", "set", "api_key", stdin=KEY.encode())

    assert result.code == 2
    assert "mai config set api_key - < FILE" in result.err
    assert not credentials.exists()


@pytest.mark.parametrize("args", [["api_key"], ["api_key", "-"]])
def test_a_person_is_asked_and_what_is_typed_is_not_shown(
    bare, tmp_path, foundry, credentials, args
):
    env = bare | {"MAI_ENDPOINT": foundry.url}
    with Person(env, tmp_path, "config", "set", *args) as person:
        person.is_asked("Key of the resource (not shown): ")
        assert not person.sees_what_is_typed()
        person.answers("two words")
        person.is_asked("Key of the resource (not shown): ")
        person.answers(KEY)
        assert person.leaves() == 0
        assert person.sees_what_is_typed()

    assert KEY not in person.seen
    assert "two words" not in person.seen
    assert tomllib.loads(credentials.read_text()) == {foundry.url: {"api_key": KEY}}


@pytest.mark.parametrize(("key", "code"), [(CTRL_C, 130), (CTRL_D, 2)])
def test_whoever_leaves_the_question_changes_nothing(bare, tmp_path, home, key, code):
    env = bare | {"MAI_ENDPOINT": CONTOSO}
    with Person(env, tmp_path, "config", "set", "api_key") as person:
        person.is_asked("(not shown): ")
        person.presses(key)
        assert person.leaves() == code
        assert person.sees_what_is_typed()

    assert "Traceback" not in person.seen
    assert not home.exists()


def test_a_stored_key_goes_to_its_endpoint_only(run, bare, foundry, store):
    store(foundry.url)
    with Emulator() as other:
        own = run(bare | {"MAI_ENDPOINT": foundry.url}, "generate", "x", "-d", "a")
        foreign = run(bare | {"MAI_ENDPOINT": other.url}, "generate", "x", "-d", "a")
        elsewhere = run(bare | {"MAI_ENDPOINT": f"{foundry.url}/gw"}, "generate", "x", "-d", "a")

        assert other.received == []
    assert (own.code, foreign.code, elsewhere.code) == (0, 4, 4)
    assert [received.headers["api-key"] for received in foundry.received] == [KEY]


def test_each_profile_sends_the_key_of_its_own_endpoint(run, bare, config, foundry):
    with Emulator() as other:
        config.write_text(
            f'endpoint = "{foundry.url}"\ndeployment = "a"\n'
            f'[profiles.work]\nendpoint = "{other.url}"'
        )
        run(bare, "config", "set", "api_key", "-", stdin=KEY.encode())
        without = run(bare, "generate", "x", "-p", "work")
        assert (without.code, other.received) == (4, [])
        run(bare, "config", "set", "api_key", "-", "-p", "work", stdin=b"work-key")
        assert run(bare, "generate", "x", "-p", "work").code == 0
        assert run(bare, "generate", "x").code == 0

        assert [received.headers["api-key"] for received in other.received] == ["work-key"]
        assert [received.headers["api-key"] for received in foundry.received] == [KEY]


def test_a_new_key_replaces_the_old_one(run, bare, foundry, store, credentials):
    store(CONTOSO, "other-key")
    store(foundry.url, "old-key")
    store(foundry.url)
    run(bare | {"MAI_ENDPOINT": foundry.url}, "generate", "x", "-d", "a")

    assert foundry.received[0].headers["api-key"] == KEY
    content = {CONTOSO: {"api_key": "other-key"}, foundry.url: {"api_key": KEY}}
    assert tomllib.loads(credentials.read_text()) == content


def test_a_key_can_be_forgotten(run, bare, foundry, store, credentials):
    store(CONTOSO, "other-key")
    store(foundry.url)
    env = bare | {"MAI_ENDPOINT": foundry.url}
    forgotten = run(env, "config", "unset", "api_key")
    again = run(env, "config", "unset", "api_key")

    assert forgotten.err == f"api_key is removed for {foundry.url}.\n"
    assert again.err == f"api_key was not set for {foundry.url}.\n"
    assert (forgotten.code, again.code) == (0, 0)
    assert tomllib.loads(credentials.read_text()) == {CONTOSO: {"api_key": "other-key"}}
    assert run(env, "generate", "x", "-d", "a").code == 4


def test_the_environment_wins_over_the_stored_key(run, bare, foundry, store):
    store(foundry.url, "stored-key")
    env = bare | {"MAI_ENDPOINT": foundry.url, "MAI_API_KEY": KEY}
    run(env, "generate", "x", "-d", "a")

    assert foundry.received[0].headers["api-key"] == KEY


def test_a_stored_key_that_the_environment_hides_is_noted(run, bare):
    env = bare | {"MAI_ENDPOINT": CONTOSO, "MAI_API_KEY": "other-key"}
    result = run(env, "config", "set", "api_key", "-", stdin=KEY.encode())

    assert result.code == 0
    assert "It has no effect here: MAI_API_KEY wins." in result.err


def test_a_file_of_keys_that_others_can_read_is_warned_about(
    run, bare, foundry, store, credentials
):
    store(foundry.url)
    credentials.chmod(0o644)
    env = bare | {"MAI_ENDPOINT": foundry.url}
    result = run(env, "generate", "x", "-d", "a")

    assert result.code == 0
    warning = f"Warning: others can read the keys in {credentials}; run: chmod 600 {credentials}"
    assert warning in result.err.splitlines()
    assert len(result.lines) == 1
    store(foundry.url, "new-key")
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600


def test_no_key_is_stored_while_it_is_not_sure_which_endpoint_holds(run, bare, config, credentials):
    config.write_text(f'endpoint = "{CONTOSO}"\ntimeout = "soon"\n')
    result = run(bare, "config", "set", "api_key", "-", stdin=KEY.encode())

    assert result.code == 3
    assert f"{config}, line 2" in result.err
    assert not credentials.exists()


# The editor


def editor(tmp_path: Path, *lines: str) -> str:
    script = tmp_path / "my editor"
    script.write_text("\n".join(["#!/bin/sh", *lines]))
    script.chmod(0o755)
    return f"'{script}'"


def test_edit_opens_a_file_that_says_what_can_be_set(run, bare, config, tmp_path):
    result = run(bare | {"EDITOR": editor(tmp_path, 'cat "$1"')}, "config", "edit")

    assert (result.code, result.err) == (0, f"{config} is in order.\n")
    assert all(line.startswith("#") for line in result.lines if line)
    assert "# size = ...  # such as 1280x832, 16:9, wide or auto" in result.lines
    assert b"api_key" not in result.out
    assert not config.exists()  # nothing was said


def test_what_was_edited_holds(run, bare, config, tmp_path):
    config.write_text('size = "1:1"\n')
    change = editor(tmp_path, """sed -i 's/1:1/16:9/' "$1" """)
    result = run(bare | {"VISUAL": change, "EDITOR": "false"}, "config", "edit")

    assert (result.code, result.out, result.err) == (0, b"", f"{config} is in order.\n")
    assert run(bare, "config", "get", "size").lines == ["16:9"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("size = 16:9", "is not TOML"),
        ("sise = 1", "line 2: there is no setting 'sise'"),
        ("timeout = 0", "line 2"),
        ('api_key = "sesame"', "line 2: a key does not belong in this file"),
    ],
)
def test_a_mistake_made_while_editing_is_told_and_the_file_kept(
    run, bare, config, tmp_path, line, what
):
    config.write_text("# mine\n")
    break_it = editor(tmp_path, f"echo '{line}' >> \"$1\"")
    result = run(bare | {"EDITOR": break_it}, "config", "edit")

    assert result.code == 3
    assert f"{config}" in result.err
    assert what in result.err
    assert "sesame" not in result.err
    assert config.read_text() == f"# mine\n{line}\n"


def test_a_broken_file_can_be_edited(run, bare, config, tmp_path):
    config.write_text("size = 16:9\n")
    mend = editor(tmp_path, """echo 'size = "16:9"' > "$1" """)

    assert run(bare | {"EDITOR": mend}, "config", "edit").code == 0


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("sh -c 'exit 3'", "ended with 3"),
        ("no-such-editor --wait", "cannot be started"),
        ("'unbalanced", "cannot be started"),
    ],
)
def test_an_editor_that_does_not_work_is_named(run, bare, config, command, what):
    config.write_text('size = "1:1"\n')
    result = run(bare | {"EDITOR": command}, "config", "edit")

    assert (result.code, result.out) == (2, b"")
    assert f"The editor {command} {what}" in result.err
    assert f"Set EDITOR to one that works, or edit {config} yourself." in result.err
    assert config.read_text() == 'size = "1:1"\n'


# Profiles and deployments


def test_a_profile_makes_the_picture_and_is_in_its_record(run, bare, config, foundry, history):
    config.write_text(
        f'endpoint = "{NOWHERE}"\ndeployment = "a"\nsize = "1:1"\n'
        f'[profiles.work]\nendpoint = "{foundry.url}"\ndeployment = "b"\n'
    )
    env = bare | {"MAI_API_KEY": KEY}
    flag = run(env, "generate", "x", "-p", "work", "--json")
    variable = run(env | {"MAI_PROFILE": "work"}, "generate", "x", "--json")
    nowhere = run(env, "generate", "x", "--json", "--offline")

    assert (flag.code, variable.code, nowhere.code) == (0, 0, 0)
    records = [flag.objects[0], variable.objects[0], nowhere.objects[0]]
    assert [record["profile"] for record in records] == ["work", "work", None]
    assert [record["deployment"] for record in records] == ["b", "b", "a"]
    assert [record["profile"] for record in history().values()] == ["work", "work", None]
    assert [received.json["model"] for received in foundry.received] == ["b", "b"]


def test_a_flag_and_the_environment_win_over_a_profile(run, bare, config, foundry):
    config.write_text('[profiles.work]\ndeployment = "b"\nsize = "1:1"\n')
    env = bare | {"MAI_ENDPOINT": foundry.url, "MAI_API_KEY": KEY, "MAI_SIZE": "1024x768"}
    run(env, "generate", "x", "-p", "work", "-d", "c")

    sent = foundry.received[0].json
    assert (sent["model"], sent["width"], sent["height"]) == ("c", 1024, 768)


def test_generate_with_a_profile_that_does_not_exist_sends_nothing(mai, foundry, history):
    result = mai("generate", "x", "-p", "none")

    assert (result.code, foundry.received, history()) == (2, [], {})


def dry_run(run, env: dict[str, str], *args: str) -> dict:
    result = run(env, "generate", "a lighthouse at dawn", "--dry-run", "--json", *args)
    assert result.code == 0, result.err
    return json.loads(result.out)["items"][0]


def test_what_is_said_of_a_deployment_changes_plan_and_checks(run, env, config):
    unknown = dry_run(run, env, "-d", "pics")
    assert (unknown["model"], unknown["cost_usd"]) == (None, None)

    config.write_text('[deployments.pics]\nmodel = "MAI-Image-2.6"\n')
    known = dry_run(run, env, "-d", "pics", "-s", "16:9")
    assert (known["model"], known["cost_usd"]) == ("MAI-Image-2.6", pytest.approx(0.0876, abs=1e-4))
    assert (known["body"]["width"], known["body"]["height"]) == (2048, 1152)
    too_large = run(env, "generate", "x", "-d", "pics", "-s", "2048x2048", "--dry-run")
    assert too_large.code == 2

    config.write_text(
        '[deployments.pics]\nmodel = "MAI-Image-2.6"\nmax_pixels = 4194304\n'
        "price_image_out = 100\nbackground = true\nauto_size = false\n"
    )
    corrected = dry_run(run, env, "-d", "pics", "-s", "2048x2048", *("--background", "transparent"))
    assert corrected["cost_usd"] == pytest.approx(0.4096, abs=1e-3)
    assert run(env, "generate", "x", "-d", "pics", "-s", "auto", "--dry-run").code == 2


def test_prices_of_an_unknown_model_count_once_all_are_there(run, env, config):
    config.write_text("[deployments.pics]\nprice_text_in = 5\nprice_image_out = 40\n")
    assert dry_run(run, env, "-d", "pics")["cost_usd"] is None

    config.write_text(f"{config.read_text()}price_image_in = 8\n")
    cost = dry_run(run, env, "-d", "pics")["cost_usd"]
    assert cost == pytest.approx(0.041, abs=1e-3)
    made = run(env, "generate", "x", "-d", "pics", "--json").objects[0]
    assert made["cost_usd"] == pytest.approx(0.040965)


def test_config_without_a_command_shows_its_help(run, bare):
    result = run(bare, "config")

    assert (result.code, result.err) == (0, "")
    assert "mai config init" in result.out.decode()
