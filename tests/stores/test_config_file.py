import os
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import ConfigError
from mai_cli.models.keys import DEPLOYMENT_KEYS, KEYS
from mai_cli.models.settings import ConfigFile
from mai_cli.stores import config_file, config_text
from mai_cli.stores.config_text import find_project

SETTINGS = (
    "endpoint, auth, scope, deployment, model, size, rpm, concurrency, max_cost, max_cost_per_day, "
    "timeout, preview, metadata, private, gallery, history, filename"
)
FACTS = (
    "model, max_pixels, edits, edit_size, auto_size, web_grounding, background, price_text_in, "
    "price_image_in, price_image_out"
)
ALL = f"There are: {SETTINGS}, profiles, deployments."
WHOLE = f"""\
# mine
{"".join(f"{name} = 1{chr(10)}" for name in SETTINGS.split(", "))}
[profiles.work] # at work
{"".join(f"{name} = 2{chr(10)}" for name in SETTINGS.split(", "))}
[profiles.home]
[deployments.'mai-image-2.6']
{"".join(f"{name} = 3{chr(10)}" for name in FACTS.split(", "))}
"""

Refused = Callable[..., ConfigError]


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """The error that a config file with this text, or these bytes, is refused with."""
    path = tmp_path / "config.toml"

    def refused(text: str | bytes, *, is_project: bool = False) -> ConfigError:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ConfigError) as caught:
            config_file.read(path, is_project=is_project)
        caught.value.message = caught.value.message.replace(str(path), "config.toml")
        return caught.value

    return refused


def test_a_missing_file_says_nothing(tmp_path):
    for path in (tmp_path / "none" / "config.toml", tmp_path / "config.toml"):
        assert config_file.read(path) == ConfigFile(path)
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "config.toml"
    assert config_file.read(path, is_project=True) == ConfigFile(path, is_project=True)


@pytest.mark.parametrize("text", [b"", b"\xef\xbb\xbf", b"\n", b"# nothing yet\r\n"])
def test_a_file_without_settings_sets_nothing(tmp_path, text):
    (tmp_path / "config.toml").write_bytes(text)

    file = config_file.read(tmp_path / "config.toml")
    assert (file.values, file.profiles, file.deployments, file.lines) == ({}, {}, {}, {})


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_read_with_the_types_of_toml(tmp_path, before):
    path = tmp_path / "config.toml"
    path.write_bytes(
        before + b'# mine\r\ndeployment = "a"\r\ntimeout = 60\r\nprivate = true\r\n\r\n'
        b"[profiles.work]\r\ntimeout = 1.5\r\n[deployments.'x.1']\r\nedits = false\r\n"
    )

    assert config_file.read(path) == ConfigFile(
        path,
        is_project=False,
        values={"deployment": "a", "timeout": 60, "private": True},
        profiles={"work": {"timeout": 1.5}},
        deployments={"x.1": {"edits": False}},
        lines={
            ("deployment",): 2,
            ("timeout",): 3,
            ("private",): 4,
            ("profiles",): 6,
            ("profiles", "work"): 6,
            ("profiles", "work", "timeout"): 7,
            ("deployments",): 8,
            ("deployments", "x.1"): 8,
            ("deployments", "x.1", "edits"): 9,
        },
    )


def test_every_key_that_belongs_in_the_file_may_stand_there(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(WHOLE)
    file = config_file.read(path)

    names = [key.name for key in KEYS if key.in_file]
    assert list(file.values) == list(file.profiles["work"]) == names == SETTINGS.split(", ")
    assert file.profiles["home"] == {}
    facts = [key.name for key in DEPLOYMENT_KEYS]
    assert list(file.deployments["mai-image-2.6"]) == facts == FACTS.split(", ")


def test_every_key_knows_its_line(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(WHOLE)
    file = config_file.read(path)

    lines = WHOLE.splitlines()
    for name in file.values:
        assert lines[file.origin(name).line - 1] == f"{name} = 1"
    for name in file.profiles["work"]:
        origin = file.origin("profiles", "work", name)
        assert (lines[origin.line - 1], origin.profile) == (f"{name} = 2", "work")
    for name in file.deployments["mai-image-2.6"]:
        origin = file.origin("deployments", "mai-image-2.6", name)
        assert lines[origin.line - 1] == f"{name} = 3"


@pytest.mark.parametrize(
    "text",
    [
        "profiles.work.size = 1\n",
        "[profiles]\nwork.size = 1\n",
        "[profiles.work]\nsize = 1\n",
        "[ profiles . 'work' ]\n\"size\" = 1\n",
        "[profiles.home]\nsize = 2\n[profiles.work]\nsize = 1\n",
        "profiles.work = { size = 1 }\n",
        "profiles = { work = { size = 1 } }\n",
        '[profiles]\n"w\\u006frk".size = 1\n',
    ],
)
def test_a_table_may_be_spelled_in_any_way(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text)
    file = config_file.read(path)

    assert file.profiles["work"] == {"size": 1}
    assert file.origin("profiles", "work", "size").line == text.count("\n")


@pytest.mark.parametrize(
    ("text", "line", "name", "hint"),
    [
        ('galery = "x"', 1, "galery", "Did you mean 'gallery'?"),
        (
            '# a\n\nsize = "16:9"\n  deploymnet = "x"\n',
            4,
            "deploymnet",
            "Did you mean 'deployment'?",
        ),
        ('size = "1:1"\n"time out" = 3\n', 2, "time out", "Did you mean 'timeout'?"),
        ("size = '1:1'\n'history.' = 3\n", 2, "history.", "Did you mean 'history'?"),
        ("\n\n[profils.work]\nsize = '1:1'\n", 3, "profils", "Did you mean 'profiles'?"),
        ("a.b = 1", 1, "a", ALL),
        ("[[xyz]]", 1, "xyz", ALL),
        ('x = "size"\n', 1, "x", ALL),
        ("'' = 1", 1, "", ALL),
        ("# offline = 1\noffline = true", 2, "offline", ALL),
        ("profile = 'work'", 1, "profile", "Did you mean 'profiles'?"),
        ("[profiles.work]\n\nsise = 1\n", 3, "profiles.work.sise", "Did you mean 'size'?"),
        ("[profiles.work]\r\n\r\nsise = 1\r\n", 3, "profiles.work.sise", "Did you mean 'size'?"),
        ("profiles.'w.1'.xyz = 1", 1, "profiles.w.1.xyz", f"There are: {SETTINGS}."),
        ("[profiles.work]\noffline = 1", 2, "profiles.work.offline", f"There are: {SETTINGS}."),
        (
            "[profiles.a]\nsize = 1\n[profiles.b.deployments.x]\nmodel = 'x'",
            3,
            "profiles.b.deployments",
            "Did you mean 'deployment'?",
        ),
        (
            "[deployments.x]\nedits = true\n[deployments.y]\nedit = true",
            4,
            "deployments.y.edit",
            "Did you mean 'edits'?",
        ),
        ("[deployments.x]\nrpm = 1", 2, "deployments.x.rpm", f"There are: {FACTS}."),
        ("[deployments.x.y]\nmodel = 1", 1, "deployments.x.y", f"There are: {FACTS}."),
        ("\nprofiles.work = { sise = 1 }", 2, "profiles.work.sise", "Did you mean 'size'?"),
        pytest.param('\n"si=ze" = 1', 2, "si=ze", "Did you mean 'size'?"),
        pytest.param("\n'si#ze' = 1", 2, "si#ze", "Did you mean 'size'?"),
        pytest.param(
            "[profiles.'a]b']\nsise = 1",
            2,
            "profiles.a]b.sise",
            "Did you mean 'size'?",
        ),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_what_may_be_meant(
    refused, text, line, name, hint
):
    error = refused(text)

    assert error.code == "bad_setting"
    assert error.message == f"config.toml, line {line}: there is no setting '{name}'."
    assert error.hint == hint


def test_lines_are_counted_as_an_editor_counts_them(refused):
    assert "line 2:" in refused("# one\u2028still one\ngalery = 1\n").message


@pytest.mark.parametrize(
    ("text", "line", "name", "way"),
    [
        ("deployments = 1", 1, "deployments", "[deployments.NAME]"),
        ("\n[[deployments]]\nmodel = 'x'", 2, "deployments", "[deployments.NAME]"),
        ("[deployments]\nmodel = 'x'", 2, "deployments.model", "[deployments.model]"),
        ("profiles.work = 'x'", 1, "profiles.work", "[profiles.work]"),
        ("[profiles]\nsize = '1:1'", 2, "profiles.size", "[profiles.size]"),
        ("\n[[profiles.work]]\nsize = '1:1'", 2, "profiles.work", "[profiles.work]"),
        pytest.param("profiles = 1", 1, "profiles", "[profiles.NAME]"),
        pytest.param("\n[[profiles]]\nsize = 1", 2, "profiles", "[profiles.NAME]"),
    ],
)
def test_a_table_that_is_none_is_named_with_the_way_to_write_it(refused, text, line, name, way):
    error = refused(text)

    assert error.code == "bad_setting"
    assert error.message == f"config.toml, line {line}: '{name}' is not a table."
    assert error.hint == f"Write it as {way}."


@pytest.mark.parametrize("is_project", [True, False])
@pytest.mark.parametrize("table", ["", "[profiles.work]", "[deployments.x]"])
def test_a_key_in_the_file_is_told_where_it_belongs_and_not_repeated(refused, table, is_project):
    error = refused(f'{table}\napi_key = "key-0123456789abcdef"\n', is_project=is_project)

    assert error.message == "config.toml, line 2: a key does not belong in this file."
    assert error.hint == "Store it with 'mai config set api_key', and remove it here."


FORBIDDEN = ["endpoint", "auth", "scope", "gallery", "history", "filename"]
SPELLINGS = {
    "plain": "{} = 'x'",
    "quoted": "'{}' = 'x'",
    "escaped": '"{}" = 1',
    "of another type": "{} = 1",
    "table": "[{}]",
    "dotted": "profiles.work.{} = 'x'",
    "profile": "[profiles.work]\nsize = '1:1'\n{} = 'x'",
    "profile quoted": "[profiles]\n'work'.'{}' = 'x'",
    "profile inline": "profiles.work = {{ {} = 'x' }}",
    "all inline": "profiles = {{ work = {{ size = '1:1', {} = 'x' }} }}",
    "profile table": "[profiles.work.{}]",
}


def test_what_a_project_may_not_set_is_what_the_documents_say():
    assert [key.name for key in KEYS if key.in_file and not key.in_project] == FORBIDDEN


@pytest.mark.parametrize("name", FORBIDDEN)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_project_may_not_send_requests_keys_or_files_elsewhere(refused, spelling, name):
    written = f"\\u{ord(name[0]):04x}{name[1:]}" if spelling == "escaped" else name
    error = refused(SPELLINGS[spelling].format(written), is_project=True)

    assert error.code == "bad_setting"
    assert error.message.startswith("config.toml")
    assert error.message.endswith(
        f": a project may not set '{name}': a repository that was cloned could send requests, "
        "keys or files elsewhere."
    )
    assert error.hint == (f"Remove it there, and set it for yourself: mai config set {name} ...")


@pytest.mark.parametrize("name", FORBIDDEN)
@pytest.mark.parametrize("spelling", [name for name in SPELLINGS if name != "escaped"])
def test_a_user_may_set_all_that_in_any_spelling(tmp_path, spelling, name):
    (tmp_path / "config.toml").write_text(SPELLINGS[spelling].format(name))

    config_file.read(tmp_path / "config.toml")


def test_a_project_may_set_everything_else(tmp_path):
    path = tmp_path / ".mai.toml"
    names = [key.name for key in KEYS if key.in_project and key.in_file]
    only = {"private": "true", "metadata": "false"}
    keys = "".join(f"{name} = {only.get(name, 1)}\n" for name in names)
    facts = "".join(f"{key.name} = 1\n" for key in DEPLOYMENT_KEYS)
    path.write_text(f"{keys}[profiles.work]\n{keys}[deployments.endpoint]\n{facts}")
    file = config_file.read(path, is_project=True)

    assert names == [
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
    ]
    assert list(file.values) == list(file.profiles["work"]) == names
    assert file.origin("size").kind == "project"
    assert len(file.deployments["endpoint"]) == len(DEPLOYMENT_KEYS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size = ", "config.toml is not TOML: Invalid value (at end of document)."),
        ("size = 1\nsize = 2", "config.toml is not TOML: Cannot overwrite a value ("),
        (b"size = '\xff'", "config.toml is not UTF-8 text."),
        ("size = '1:1'".encode("utf-16"), "config.toml is not UTF-8 text."),
        ("a\0b", "config.toml is not TOML: "),
        (b"#" * ((1 << 16) + 1), "config.toml is larger than 64 KB."),
        (f"x{'.a' * 3000} = 1", "config.toml has a line of more than 4000 characters."),
    ],
)
def test_a_file_that_is_no_toml_is_refused(refused, text, message):
    error = refused(text)

    assert error.code == "bad_config_file"
    assert error.message.startswith(message)
    assert error.hint == "Correct the file, or move it away."


def test_a_file_of_64_kilobytes_is_read(tmp_path):
    (tmp_path / "config.toml").write_bytes(b"size = '1:1' #".ljust(1 << 16, b"\n"))

    assert config_file.read(tmp_path / "config.toml").values == {"size": "1:1"}


@pytest.mark.parametrize("text", [f"timeout = {'1' * 5000}", f"size = {'[' * 100_000}"])
def test_a_file_that_no_parser_can_hold_is_refused_too(refused, text):
    assert refused(text).code == "bad_config_file"


@pytest.mark.parametrize("value", ["false", "0", "'false'", "1"])
@pytest.mark.parametrize("table", ["", "[profiles.work]\n"])
def test_a_project_may_switch_privacy_on_but_not_off(refused, table, value):
    error = refused(f"{table}private = {value}\n", is_project=True)

    assert error.code == "bad_setting"
    assert "a project may switch 'private' on, but not off" in error.message


@pytest.mark.parametrize("value", ["true", "1", "'true'", "0", "'false'"])
@pytest.mark.parametrize("table", ["", "[profiles.work]\n"])
def test_a_project_may_switch_metadata_off_but_not_on(refused, table, value):
    error = refused(f"{table}metadata = {value}\n", is_project=True)

    assert error.code == "bad_setting"
    assert "a project may switch 'metadata' off, but not on" in error.message


def test_a_deep_name_is_refused_and_hurts_nobody(refused):
    assert "there is no setting 'x'" in refused(f"x{'.a' * 1900} = 1").message


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    with pytest.raises(ConfigError) as caught:
        config_file.read(tmp_path)

    assert caught.value.message == f"{tmp_path} cannot be read: Is a directory."
    assert caught.value.code == "bad_config_file"


def test_a_file_without_an_end_is_refused():
    with pytest.raises(ConfigError, match="/dev/zero is larger than 64 KB"):
        config_file.read(Path("/dev/zero"))


def test_a_pipe_is_read_as_shells_hand_it_in(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=["size = '1:1'\n"])
    writer.start()
    values = config_file.read(pipe).values
    writer.join()

    assert values == {"size": "1:1"}


def test_a_pipe_that_nobody_writes_into_is_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(config_text, "PIPE_SECONDS", 0.05)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError) as caught:
        config_file.read(pipe)
    with pipe.open("wb"):  # whoever still waits goes on
        assert caught.value.message == f"{pipe} cannot be read: nobody writes into this pipe."


@given(
    text=st.binary()
    | st.text().map(str.encode)
    | st.text("siz=e\n\"'[]#.1 {}profles").map(str.encode)
    | st.lists(
        st.sampled_from(
            ["profiles", "deployments", "size", ".", "=", "1", "[", "]", "{", "}", "\n", "'", '"']
        )
    ).map(lambda parts: "".join(parts).encode()),
    is_project=st.booleans(),
)
@settings(deadline=None, max_examples=400)
def test_any_file_is_read_or_refused(tmp_path_factory, text, is_project):
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_bytes(text)

    try:
        file = config_file.read(path, is_project=is_project)
    except ConfigError:
        return
    assert file.values.keys() <= {key.name for key in KEYS if key.in_file}
    assert all(names.keys() <= {key.name for key in KEYS} for names in file.profiles.values())


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A folder in a folder in a folder, each with a ``.mai.toml``."""
    for folder in (tmp_path / "a/b/c", tmp_path / "a/b", tmp_path / "a", tmp_path):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".mai.toml").touch()
    return tmp_path


def test_the_nearest_project_file_of_a_repository_counts(tree):
    (tree / ".git").mkdir()
    deepest = tree / "a/b/c"

    found = []
    for folder in (deepest, tree / "a/b", tree / "a", tree):
        found.append(find_project(deepest))
        (folder / ".mai.toml").unlink()

    assert [path.parent for path in found] == [deepest, tree / "a/b", tree / "a", tree]
    assert find_project(deepest) is None


def test_nothing_beyond_the_root_of_the_repository_counts(tree):
    (tree / "a/.git").mkdir()

    assert find_project(tree / "a/b/c") == tree / "a/b/c/.mai.toml"
    for folder in (tree / "a/b/c", tree / "a/b", tree / "a"):
        (folder / ".mai.toml").unlink()
    assert find_project(tree / "a/b/c") is None
    assert find_project(tree) == tree / ".mai.toml"


def test_a_repository_inside_of_a_repository_is_one_of_its_own(tree):
    (tree / ".git").mkdir()
    (tree / "a/b/.git").mkdir()
    (tree / "a/b/c/.mai.toml").unlink()
    (tree / "a/b/.mai.toml").unlink()

    assert find_project(tree / "a/b/c") is None


def test_outside_of_a_repository_only_the_folder_itself_counts(tree):
    assert find_project(tree / "a/b") == tree / "a/b/.mai.toml"
    (tree / "a/b/.mai.toml").unlink()
    assert find_project(tree / "a/b") is None


def git(folder: Path, *args: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=me", "-c", "user.email=me@x.example", *args],
        cwd=folder,
        check=True,
        capture_output=True,
    )


def test_a_worktree_of_git_is_a_repository(tree):
    git(tree / "a", "init")
    git(tree / "a", "commit", "--allow-empty", "-m", "start")
    git(tree / "a", "worktree", "add", str(tree / "copy"))
    (tree / "copy/deep").mkdir()

    assert (tree / "copy/.git").is_file()
    assert find_project(tree / "copy/deep") is None
    (tree / "copy/.mai.toml").touch()
    assert find_project(tree / "copy/deep") == tree / "copy/.mai.toml"


def test_a_folder_or_a_pipe_of_that_name_is_no_project_file(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / "a").mkdir()
    (tmp_path / "a/.mai.toml").mkdir()
    os.mkfifo(tmp_path / ".mai.toml")

    assert find_project(tmp_path / "a") is None


def test_a_link_counts_as_the_file_it_leads_to(tmp_path):
    (tmp_path / "real.toml").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a/.mai.toml").symlink_to(tmp_path / "real.toml")
    assert find_project(tmp_path / "a") == tmp_path / "a/.mai.toml"

    (tmp_path / "real.toml").unlink()
    assert find_project(tmp_path / "a") is None

    (tmp_path / "a/.mai.toml").unlink()
    (tmp_path / "a/.mai.toml").symlink_to(".mai.toml")
    assert find_project(tmp_path / "a") is None


READ_AS_NOBODY = """
import encodings.utf_8_sig, os, sys, tomllib  # some of them are loaded late
from pathlib import Path
from mai_cli.errors import MaiError
from mai_cli.stores.config_file import read
from mai_cli.stores.config_text import find_project

if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    found = find_project(Path(sys.argv[1]))
    print(found and read(found, is_project=True).values)
except MaiError as error:
    print(error.code, error.message)
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody can enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_a_project_file_that_cannot_be_read_is_named(python, public):
    (public / ".mai.toml").write_text("size = '1:1'")
    assert python.run(READ_AS_NOBODY, public) == ["{'size': '1:1'}"]

    (public / ".mai.toml").chmod(0)
    assert python.run(READ_AS_NOBODY, public) == [
        f"bad_config_file {public}/.mai.toml cannot be read: Permission denied."
    ]


@pytest.mark.parametrize("closed", ["a", "a/b", "a/b/.git"])
def test_a_folder_above_that_may_not_be_looked_into_has_no_project_file(python, public, closed):
    (public / "a/b/.git").mkdir(parents=True)
    (public / "a/.mai.toml").write_text("size = '1:1'")
    (public / closed).chmod(0)
    answer = python.run(READ_AS_NOBODY, public / "a/b")
    (public / closed).chmod(0o700)

    assert answer == ["None"]


def test_a_file_that_is_offered_stays_only_if_something_is_made_of_it(tmp_path):
    path = tmp_path / "mai" / "config.toml"
    with config_file.offer(path, "# start\n"):
        assert path.read_text() == "# start\n"
    assert not path.exists()

    with config_file.offer(path, "# start\n"):
        path.write_text("# mine\n")
    with config_file.offer(path, "# start\n"):
        assert path.read_text() == "# mine\n"
    assert path.read_text() == "# mine\n"


def test_a_file_that_cannot_be_offered_is_told(tmp_path):
    (tmp_path / "mai").write_text("a file")
    with (
        pytest.raises(ConfigError, match="cannot be written") as caught,
        config_file.offer(tmp_path / "mai" / "config.toml", "# start\n"),
    ):
        pass

    assert caught.value.code == "cannot_write"
