import os
import subprocess
import tomllib

import pytest

from tests.commands.user_file import CONTOSO, USER_FILE
from tests.conftest import MAI

WORK = "# at work, the quota is larger\n[profiles.work]\nsize = '1:1'\n"


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


@pytest.mark.slow
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
