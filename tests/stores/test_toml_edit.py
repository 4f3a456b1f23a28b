import copy
import os
import random
import signal
import stat
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from mai_cli.errors import ConfigError
from mai_cli.stores.toml_edit import Changes, change

SIZE = ("size",)
WORK = ("profiles", "work", "size")
MODEL = ("deployments", "mai-image-2.6", "model")

MINE = """\
# My settings.

endpoint   = 'https://contoso.services.ai.azure.com' # ours
size = "1:1" # square

# At work.
[profiles.work]
size = "16:9"
  model = "x" # indented
[profiles.home]

[deployments."mai-image-2.6"]
model = "MAI-Image-2.6"
# the end
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A file with comments, in a folder of its own."""
    path = tmp_path / "config" / "config.toml"
    path.parent.mkdir()
    path.write_bytes(MINE.encode())
    return path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("changes", "old", "new"),
    [
        ({SIZE: "3:2"}, 'size = "1:1" #', 'size = "3:2" #'),
        ({SIZE: None}, 'size = "1:1" # square\n', ""),
        ({WORK: "3:2"}, 'size = "16:9"', 'size = "3:2"'),
        ({WORK: None}, 'size = "16:9"\n', ""),
        ({("profiles", "home", "private"): True}, "home]\n", "home]\nprivate = true\n"),
        ({MODEL: "x"}, 'model = "MAI-Image-2.6"', 'model = "x"'),
        (
            {("profiles", "new", "size"): "3:2"},
            "[profiles.home]\n\n",
            '[profiles.home]\n\n[profiles.new]\nsize = "3:2"\n',
        ),
        ({SIZE: 'a"b\\c\n'}, 'size = "1:1" #', 'size = "a\\"b\\\\c\\n" #'),
    ],
)
def test_only_what_was_asked_for_changes(config, changes, old, new):
    assert change(config, changes)

    assert config.read_text() == MINE.replace(old, new, 1)


@pytest.mark.parametrize(
    ("text", "new"),
    [
        ("", "timeout = 60\n"),
        ("# mine\n", "# mine\ntimeout = 60\n"),
        ("size = 1 # one\n", "size = 1 # one\ntimeout = 60\n"),
        ("size = 1", "size = 1\ntimeout = 60\n"),
        ("[profiles.work]\nsize = 1\n", "timeout = 60\n\n[profiles.work]\nsize = 1\n"),
        (
            "size = 1\n\n[profiles.work]\nsize = 1\n",
            "size = 1\ntimeout = 60\n\n[profiles.work]\nsize = 1\n",
        ),
        (
            "size = 1\n\n# At work.\n[profiles.work]\nsize = 1\n",
            "size = 1\ntimeout = 60\n\n# At work.\n[profiles.work]\nsize = 1\n",
        ),
        (
            "# At work.\n# Here.\n[profiles.work]\nsize = 1\n",
            "timeout = 60\n\n# At work.\n# Here.\n[profiles.work]\nsize = 1\n",
        ),
    ],
)
def test_a_new_key_goes_before_the_tables(config, text, new):
    config.write_text(text)
    change(config, {("timeout",): 60})

    assert config.read_text() == new


def test_a_table_that_fits_nowhere_between_others_goes_to_the_end(config):
    text = '[profiles.home]\nsize = "1:1"\n[profiles]\n# none of them\n'
    config.write_text(text)
    change(config, {WORK: "3:2"})

    assert config.read_text() == f'{text}\n[profiles.work]\nsize = "3:2"\n'


def test_several_changes_are_one(config):
    assert change(config, {SIZE: "3:2", MODEL: None, WORK: "3:2", ("private",): True})

    assert tomllib.loads(config.read_text()) == {
        "endpoint": "https://contoso.services.ai.azure.com",
        "size": "3:2",
        "private": True,
        "profiles": {"work": {"size": "3:2", "model": "x"}, "home": {}},
        "deployments": {"mai-image-2.6": {}},  # there is a comment in it
    }


@pytest.mark.parametrize(
    "changes", [{}, {SIZE: "1:1"}, {("gallery",): None}, {("profiles", "x", "size"): None}]
)
def test_what_is_so_already_is_not_written(config, changes):
    before = config.stat()

    assert not change(config, changes)
    assert (config.stat().st_ino, config.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_table_that_is_there_stays_where_a_key_that_is_not_there_is_removed(config):
    assert not change(config, {("profiles", "home", "size"): None})
    assert config.read_text() == MINE


def test_a_table_that_is_empty_without_a_key_goes_with_it(config):
    config.write_text("[deployments.x]\nmodel = 1\n\n[profiles.work]\nsize = 1\n")
    change(config, {WORK: None})
    assert tomllib.loads(config.read_text()) == {"deployments": {"x": {"model": 1}}}

    change(config, {("deployments", "x", "model"): None})
    assert config.read_text().strip() == ""


def test_a_table_with_a_comment_in_it_stays(config):
    change(config, {MODEL: None})

    assert config.read_text() == MINE.replace('model = "MAI-Image-2.6"\n', "")


def test_the_comments_about_another_table_stay_where_a_table_goes(config):
    text = "[profiles.work]\nsize = 1\n\n# about x\n[deployments.x]\nmodel = 'x'\n"
    config.write_text(text)
    change(config, {WORK: None})

    assert "# about x\n[deployments.x]\nmodel = 'x'\n" in config.read_text()


def test_a_file_that_is_not_there_is_made_with_its_folders(tmp_path):
    path = tmp_path / "a/b/config.toml"
    assert change(path, {WORK: "16:9"})

    assert path.read_text() == '[profiles.work]\nsize = "16:9"\n'
    assert names(path.parent) == ["config.toml", "config.toml.lock"]


def test_lines_end_as_they_did_on_windows(config):
    config.write_bytes(MINE.replace("\n", "\r\n").encode())
    change(config, {SIZE: "3:2", ("profiles", "new", "size"): "3:2"})

    text = MINE.replace('size = "1:1" #', 'size = "3:2" #')
    text = text.replace("home]\n\n", 'home]\n\n[profiles.new]\nsize = "3:2"\n')
    assert config.read_bytes() == text.replace("\n", "\r\n").encode()


def test_a_mark_at_the_start_of_the_file_does_no_harm(config):
    config.write_bytes(b"\xef\xbb\xbf" + MINE.encode())
    change(config, {SIZE: "3:2"})

    assert tomllib.loads(config.read_bytes().decode())["size"] == "3:2"


NAMES = ["size", "model", "x.1", "a b", "", "\u00fc", "work", "profiles", "deployments"]
keys = st.sampled_from(
    [f'"{name}"' for name in NAMES] + [name for name in NAMES if name.isascii() and name.isalpha()]
)
dotted = st.lists(keys, min_size=1, max_size=3).map(".".join)
scalars = st.sampled_from(
    [
        *("1", "-0", "1_000", "0xff", "1.5", "inf", "true", '"x # y"', "'it'", "'a = 1 \\'"),
        *("1979-05-27", "1979-05-27T07:32:00Z", "07:32:00", '"\\u00e9"', "[]", "{}", "[1, 2,]"),
        *("[[1], ['a']]", "{ a = 1, b.c = 2 }", "[{ a = 1 }, {}]", '"""a\nsize = 1\n[c]"""'),
        *("'''\n# none\n'''", "[\n  1, # one\n\n  2\n]", '"""\\\n   x"""'),
    ]
)
comments = st.sampled_from(["", "", " # why", "\t#"])
assignments = st.tuples(
    st.sampled_from(["", "  ", "\t"]),
    dotted,
    st.sampled_from([" = ", "=", "   = "]),
    scalars,
    comments,
).map("".join)
headers = st.tuples(dotted.map("[{}]".format) | dotted.map("[[{}]]".format), comments).map("".join)
lines = assignments | headers | st.sampled_from(["", "# note", "   # indented", "#"])


def is_toml(text: str) -> bool:
    try:
        tomllib.loads(text)
    except ValueError:
        return False
    return True


documents = (
    st.tuples(st.lists(lines, max_size=10), st.sampled_from(["\n", "\r\n"]))
    .map(lambda parts: "\n".join([*parts[0], ""]).replace("\n", parts[1]))
    .filter(is_toml)
)


def put(table: object, names: tuple[str, ...], value: object) -> bool:
    """Put ``value`` there; whether everything above it is a table."""
    for name in names[:-1]:
        if not isinstance(table, dict):
            return False
        table = table.setdefault(name, {})
    if isinstance(table, dict):
        table[names[-1]] = value
    return isinstance(table, dict)


def refuses(path: Path, changes: Changes) -> bool:
    """Whether the changes cannot be made in this file."""
    try:
        change(path, changes)
    except ConfigError as error:
        return error.code == "bad_config_file"
    return False


def found(table: object, names: tuple[str, ...]) -> object:
    """The value that is there."""
    for name in names:
        table = table.get(name) if isinstance(table, dict) else None
    return table


def remove(table: dict, names: tuple[str, ...], *, prune: bool = True) -> None:
    """Remove that key, which is there, and the tables that are empty then."""
    if len(names) > 1:
        remove(table[names[0]], names[1:], prune=prune)
    if len(names) == 1 or (prune and not table[names[0]]):
        del table[names[0]]


@given(
    text=documents,
    names=st.sampled_from([SIZE, WORK, MODEL]),
    value=st.sampled_from(["16:9", 3, [True]]),
)
@example(text="profiles = 3\n", names=WORK, value=1)
@example(text="profiles.x.size = 1\nmodel = 'x'\n", names=WORK, value=1)
@settings(deadline=None, max_examples=100)
def test_any_file_stays_as_it_is_but_for_the_key(tmp_path_factory, text, names, value):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode())
    wanted = tomllib.loads(text)
    replaced = found(wanted, names)
    is_possible = put(wanted, names, value)
    if refuses(path, {names: value}):
        assert path.read_bytes() == text.encode()
        return

    new = path.read_bytes().decode()
    assert is_possible
    assert tomllib.loads(new) == wanted
    assert new.count("# note") == text.count("# note") or isinstance(replaced, (dict, list))
    assert "\r\n" not in text or "\n" not in new.replace("\r\n", "")


@given(
    text=st.tuples(documents, st.sampled_from(["size=1", "[profiles.work]\nsize = 1 # x"]))
    .map("\n".join)
    .filter(is_toml),
    names=st.sampled_from([SIZE, WORK]),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.filter_too_much])
def test_any_file_stays_as_it_is_but_for_a_key_that_is_removed(tmp_path_factory, text, names):
    path = tmp_path_factory.getbasetemp() / "any.toml"
    path.write_bytes(text.encode())
    wanted = tomllib.loads(text)
    assume(found(wanted, names) is not None)
    kept = copy.deepcopy(wanted)
    remove(wanted, names)
    remove(kept, names, prune=False)
    replaced = found(tomllib.loads(text), names)
    if refuses(path, {names: None}):
        assert path.read_bytes() == text.encode()
        return

    new = path.read_bytes().decode()
    assert tomllib.loads(new) in (wanted, kept)
    assert new.count("# note") == text.count("# note") or isinstance(replaced, (dict, list))


def test_a_change_and_its_opposite_give_the_same_file(config):
    new = (("timeout",), ("profiles", "work", "private"), ("deployments", "x", "edits"))
    for names_ in new:
        change(config, {names_: True})
    change(config, {SIZE: "3:2"})
    change(config, {SIZE: "1:1", **dict.fromkeys(new)})

    assert tomllib.loads(config.read_text()) == tomllib.loads(MINE)


def test_a_link_stays_a_link(config, tmp_path):
    link = tmp_path / "home" / "config.toml"
    link.parent.mkdir()
    link.symlink_to("../link.toml")
    (tmp_path / "link.toml").symlink_to(config)
    change(link, {SIZE: "3:2"})

    assert str(link.readlink()) == "../link.toml"
    assert tomllib.loads(config.read_text())["size"] == "3:2"
    assert names(config.parent) == ["config.toml", "config.toml.lock"]
    assert names(link.parent) == ["config.toml"]


def test_a_link_to_what_is_not_there_yet_leads_to_the_new_file(tmp_path):
    link = tmp_path / "config.toml"
    link.symlink_to(tmp_path / "dotfiles/mai.toml")
    change(link, {SIZE: "3:2"})

    assert link.is_symlink()
    assert (tmp_path / "dotfiles/mai.toml").read_text() == 'size = "3:2"\n'


def test_a_link_in_a_circle_is_refused(tmp_path):
    (tmp_path / "config.toml").symlink_to("config.toml")

    with pytest.raises(ConfigError, match="Too many levels of symbolic links"):
        change(tmp_path / "config.toml", {SIZE: "3:2"})
    assert (tmp_path / "config.toml").is_symlink()


@pytest.fixture
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_usual_umask")
@pytest.mark.parametrize(
    "before",
    [
        *(0o600, 0o640, 0o644, 0o664, 0o444, 0o666),
    ],
)
def test_an_old_file_keeps_its_mode(config, before):
    config.chmod(before)
    change(config, {SIZE: "3:2"})

    assert mode(config) == before


@pytest.mark.usefixtures("_usual_umask")
def test_a_new_file_has_the_usual_mode(tmp_path):
    change(tmp_path / "config.toml", {SIZE: "3:2"})

    assert mode(tmp_path / "config.toml") == 0o644


@pytest.mark.usefixtures("_usual_umask")
@pytest.mark.parametrize("before", [None, 0o600, 0o644, 0o666, 0o400])
def test_a_file_of_secrets_is_for_its_owner_only(config, before):
    if before is None:
        config.unlink()
    else:
        config.chmod(before)
    change(config, {SIZE: "3:2"}, mode=0o600)

    assert mode(config) & 0o077 == 0
    assert mode(config.with_name("config.toml.lock")) == 0o600


def test_what_is_not_toml_is_left_alone(config):
    for text in (b"size = ", b"size = 1\nsize = 2\n", b"\xff", b"x" * ((1 << 20) + 1)):
        config.write_bytes(text)
        with pytest.raises(ConfigError) as caught:
            change(config, {SIZE: "3:2"})
        assert caught.value.code == "bad_config_file"
        assert config.read_bytes() == text
    assert names(config.parent) == ["config.toml", "config.toml.lock"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("profiles = 3", WORK),
        ("[[profiles]]", WORK),
        ("[profiles]\nwork = 'x'", WORK),
        ("deployments = 'mai-image-2.6'", MODEL),
    ],
)
def test_a_key_that_has_no_place_is_refused(config, text, names):
    config.write_text(text)
    with pytest.raises(ConfigError) as caught:
        change(config, {names: "16:9"})

    assert caught.value.message == f"{config} cannot be changed as it stands."
    assert caught.value.hint == "Look at it in an editor."
    assert config.read_text() == text


def test_a_device_is_not_replaced(tmp_path):
    device = tmp_path / "null"
    try:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("no device can be made here")
    with pytest.raises(ConfigError, match="null is not a file"):
        change(device, {SIZE: "3:2"})

    assert device.is_char_device()


CHANGE = """
import sys
from pathlib import Path
from mai_cli.errors import ConfigError
from mai_cli.stores.toml_edit import change

try:
    change(Path(sys.argv[1]), {("size",): "3:2"})
except ConfigError as error:
    print(error.code, error.message)
    print(error.hint)
"""
AS_NOBODY = f"""
import encodings.idna, encodings.utf_8_sig, os, sys, tomlkit, mai_cli.stores.toml_edit

if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
{CHANGE}
"""
WITH_LITTLE_ROOM = f"""
import resource

resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
{CHANGE}
"""
ADVICE = "Make room, or change the permissions of the file and its folder."


def test_a_file_that_does_not_fit_leaves_the_old_one(python, config):
    assert python.run(WITH_LITTLE_ROOM, config) == [
        f"cannot_write {config} cannot be written: File too large.",
        ADVICE,
    ]
    assert config.read_text() == MINE
    assert names(config.parent) == ["config.toml", "config.toml.lock"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system without room, but for a configuration."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    (folder / "config.toml").write_text(MINE)
    (folder / "rest").write_bytes(bytes((os.statvfs(folder).f_bavail) * 4096))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_file(python, full_disk):
    config = full_disk / "config.toml"
    assert python.run(CHANGE, config) == [
        f"cannot_write {config} cannot be written: No space left on device.",
        ADVICE,
    ]
    assert config.read_text() == MINE
    assert names(full_disk) == ["config.toml", "config.toml.lock", "rest"]

    (full_disk / "rest").unlink()
    assert python.run(CHANGE, config) == []
    assert tomllib.loads(config.read_text())["size"] == "3:2"


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody can enter, and only its owner write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        Path(folder).chmod(0o755)


def test_a_folder_that_cannot_be_written_leaves_the_old_file(python, public):
    config = public / "config.toml"
    config.write_text(MINE)
    config.chmod(0o666)
    public.chmod(0o555)
    for path in (config, public / "new/config.toml"):
        assert python.run(AS_NOBODY, path) == [
            f"cannot_write {path} cannot be written: Permission denied.",
            ADVICE,
        ]
    assert config.read_text() == MINE
    assert names(public) == ["config.toml"]


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError) as caught:
        change(tmp_path / "file/config.toml", {SIZE: "3:2"})

    assert caught.value.code == "cannot_write"


def test_a_folder_in_place_of_the_file_is_named(tmp_path):
    (tmp_path / "config.toml").mkdir()
    with pytest.raises(ConfigError, match=r"config\.toml is not a file\."):
        change(tmp_path / "config.toml", {SIZE: "3:2"})

    assert names(tmp_path / "config.toml") == []


ADD_MANY = """
import sys
from pathlib import Path
from mai_cli.stores.toml_edit import change

print("ready", flush=True)
sys.stdin.readline()
for number in range(50):
    assert change(Path("config.toml"), {("profiles", sys.argv[1], f"n{number}"): number})
"""


def test_processes_that_write_at_once_lose_nothing(python, tmp_path):
    (tmp_path / "config.toml").write_text("# mine\n")
    processes = [python.start(ADD_MANY, name) for name in ("a", "b")]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in processes:
        python.finish(process)

    text = (tmp_path / "config.toml").read_text()
    whole = {f"n{number}": number for number in range(50)}
    assert tomllib.loads(text) == {"profiles": {"a": whole, "b": whole}}
    assert text.startswith("# mine\n")
    assert names(tmp_path) == ["config.toml", "config.toml.lock"]


FLIP = """
import itertools, sys
from pathlib import Path
from mai_cli.stores.toml_edit import change

change(Path("config.toml"), {("size",): "first"})
print("ready", flush=True)
for number in itertools.count():
    change(Path("config.toml"), {("size",): number})
"""


def kill_while_it_writes(python, folder: Path, times: int) -> None:
    rest = "".join(f"# line {number}\n" for number in range(2000))
    config = folder / "config.toml"
    chance = random.Random(7)
    for _ in range(times):
        config.write_text(f"size = 'before'\n{rest}")
        process = python.start(FLIP)
        assert process.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.05))
        process.send_signal(signal.SIGKILL)
        process.wait()

        text = config.read_text()
        assert tomllib.loads(text)["size"] == "first" or tomllib.loads(text)["size"] >= 0
        assert text.partition("\n")[2] == rest
        assert change(config, {SIZE: "after"})


def test_a_kill_leaves_the_old_file_or_the_new_one(python, tmp_path):
    kill_while_it_writes(python, tmp_path, 4)


@pytest.mark.slow
def test_many_kills_leave_the_old_file_or_the_new_one(python, tmp_path):
    kill_while_it_writes(python, tmp_path, 200)
