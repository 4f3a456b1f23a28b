import pytest

from tests.commands.user_file import CONTOSO, USER_FILE, WORK_ENDPOINT
from tests.emulator import KEY

FILENAME = "{year}/{month}/{day}/{time}-{prompt}-{id}"
SCOPE = "https://cognitiveservices.azure.com/.default"


def test_list_in_an_empty_home_shows_the_defaults(run, bare, home):
    result = run(bare, "config", "list")

    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        "profile           (not set)",
        "endpoint          (not set)",
        "api_key           (not set)",
        "auth              auto  (default)",
        f"scope             {SCOPE}  (default)",
        "deployment        (not set)",
        "model             (not set)",
        "size              1024x1024  (default)",
        "rpm               (not set)",
        "concurrency       16  (default)",
        "max_cost          (not set)",
        "max_cost_per_day  (not set)",
        "timeout           300  (default)",
        "preview           (not set)",
        "metadata          true  (default)",
        "private           false  (default)",
        f"gallery           {home}/gallery  (default)",
        f"history           {home}/history.jsonl  (default)",
        f"filename          {FILENAME}  (default)",
        "offline           false  (default)",
    ]
    assert not home.exists()


def test_list_names_the_origin_of_every_value(run, bare, home, config, project):
    config.write_text(USER_FILE)
    project.write_text(
        'deployment = "a"\nprivate = true\nmax_cost = 2.50\n'
        '[deployments.my-pics]\nmodel = "MAI-Image-2.6"\nmax_pixels = 1_000_000\n'
    )
    env = bare | {"MAI_TIMEOUT": "60", "MAI_API_KEY": KEY, "MAI_GALLERY": "pics", "MAI_SIZE": ""}
    result = run(env, "config", "list", "-p", "work")

    assert (result.code, result.err) == (0, "")
    assert result.lines == [
        "profile                         work  (--profile)",
        f"endpoint                        https://work.services.ai.azure.com  ({config}, line 6)",
        "api_key                         (not shown)  (MAI_API_KEY)",
        "auth                            auto  (default)",
        f"scope                           {SCOPE}  (default)",
        f"deployment                      mai-image-26  ({config}, line 7)",
        "model                           (not set)",
        f"size                            16:9  ({config}, line 3)",
        "rpm                             (not set)",
        "concurrency                     16  (default)",
        f"max_cost                        2.5  ({project}, line 3)",
        "max_cost_per_day                (not set)",
        "timeout                         60  (MAI_TIMEOUT)",
        "preview                         (not set)",
        "metadata                        true  (default)",
        f"private                         true  ({project}, line 2)",
        f"gallery                         {project.parent}/pics  (MAI_GALLERY)",
        f"history                         {home}/history.jsonl  (default)",
        f"filename                        {FILENAME}  (default)",
        "offline                         false  (default)",
        f"deployments.my-pics.model       MAI-Image-2.6  ({project}, line 5)",
        f"deployments.my-pics.max_pixels  1000000  ({project}, line 6)",
    ]


def test_list_names_the_limit_that_holds_and_who_has_set_it(run, bare, config, project):
    config.write_text("max_cost = 5\nmax_cost_per_day = 20\n")
    project.write_text("max_cost = 9\nmax_cost_per_day = 10\n")
    result = run(bare, "config", "list")

    limits = [line for line in result.lines if line.startswith("max_cost")]
    assert limits == [
        f"max_cost          5  ({config}, line 1)",
        f"max_cost_per_day  10  ({project}, line 2)",
    ]


def test_list_as_json_is_one_object_for_each_setting(run, bare, home, config, project):
    config.write_text(USER_FILE)
    project.write_text('deployment = "a"\n[deployments.a]\nprice_text_in = 5\n')
    env = bare | {"MAI_API_KEY": KEY, "MAI_PROFILE": "at home", "MAI_TIMEOUT": "60.5"}
    result = run(env | {"MAI_RPM": "6"}, "config", "list", "--json")

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
        setting("rpm", 6, "environment", "MAI_RPM"),
        setting("concurrency", 16),
        setting("max_cost", None),
        setting("max_cost_per_day", None),
        setting("timeout", 60.5, "environment", "MAI_TIMEOUT"),
        setting("preview", None),
        setting("metadata", value=True),
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
        (["set", "deployments.x.size", "1:1"], "Did you mean 'edit_size'?"),
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


def test_without_profiles_it_says_so_and_how_to_make_one(run, bare):
    result = run(bare, "config", "profiles")

    assert (result.code, result.out) == (0, b"")
    assert result.err == "There are none. 'mai config init -p NAME' makes one.\n"
