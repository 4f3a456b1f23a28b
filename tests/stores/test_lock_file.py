import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import StorageError, UsageError
from mai_cli.models.lock import LockedAsset, LockedOutput
from mai_cli.models.recipe import Recipe
from mai_cli.stores.lock_file import LockFile

HERO = LockedAsset(
    "a" * 64,
    "b" * 64,
    outputs={
        "public/hero.webp": LockedOutput(Recipe("webp"), "d" * 64),
        "../hero thumb.jpg": LockedOutput(
            Recipe("jpeg", 320, 200, "contain", quality=80, max_kb=40), "c" * 64
        ),
    },
)
ADOPTED = LockedAsset("e" * 64, None, alt="Ein Fuchs, „rot“.", outputs={})
PLACEHOLDER = LockedAsset("f" * 64, "0" * 64, offline=True)
LOCK = {"hero": HERO, 'ärger \\ "': ADOPTED, "Zoo": PLACEHOLDER}
TEXT = f"""\
{{
  "schema": "mai/lock/1",
  "manifest": "assets.toml",
  "assets": {{
    "Zoo": {{
      "request": "{"f" * 64}",
      "master": "{"0" * 64}",
      "offline": true,
      "outputs": {{}}
    }},
    "hero": {{
      "request": "{"a" * 64}",
      "master": "{"b" * 64}",
      "offline": false,
      "outputs": {{
        "../hero thumb.jpg": {{
          "recipe": {{
            "format": "jpeg",
            "width": 320,
            "height": 200,
            "fit": "contain",
            "quality": 80,
            "max_kb": 40
          }},
          "sha256": "{"c" * 64}"
        }},
        "public/hero.webp": {{
          "recipe": {{
            "format": "webp"
          }},
          "sha256": "{"d" * 64}"
        }}
      }}
    }},
    "ärger \\\\ \\"": {{
      "request": "{"e" * 64}",
      "master": null,
      "offline": false,
      "alt": "Ein Fuchs, „rot“.",
      "outputs": {{}}
    }}
  }}
}}
"""

WRITE = """
import json, resource, sys
from pathlib import Path
from mai_cli.errors import StorageError
from mai_cli.models.lock import LockedAsset
from mai_cli.stores.lock_file import LockFile

manifest, count, *limit = sys.argv[1:]
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit[0]), int(limit[0])))
try:
    lock = {f"asset {number}": LockedAsset("a" * 64, None) for number in range(int(count))}
    LockFile(Path(manifest)).write(lock)
except StorageError as error:
    print(error.code, error.message)
"""

READ = """
import sys
from pathlib import Path
from mai_cli.errors import UsageError
from mai_cli.stores.lock_file import LockFile

file = LockFile(Path(sys.argv[1]))
try:
    file.read()
    file.read_fragments()
except UsageError as error:
    print(error.code, error.message)
"""

PREPARE_AS_NOBODY = """
import os, sys
from pathlib import Path
from mai_cli.errors import UsageError
from mai_cli.stores.lock_file import LockFile

if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
manifest, *shard = sys.argv[1:]
try:
    LockFile(Path(manifest), *shard).prepare()
except UsageError as error:
    print(error.code, error.message)
"""

WRITE_UNTIL_KILLED = """
import itertools, sys
from pathlib import Path
from mai_cli.models.lock import LockedAsset
from mai_cli.stores.lock_file import LockFile

file = LockFile(Path("assets.toml"), *sys.argv[1:])
for count in itertools.count(1):
    file.write({f"asset {number}": LockedAsset(f"{count}" * 64, None) for number in range(200)})
    if count == 1:
        print("ready", flush=True)
"""


@pytest.fixture
def manifest(tmp_path) -> Path:
    return tmp_path / "assets.toml"


@pytest.fixture
def file(manifest) -> LockFile:
    return LockFile(manifest)


def refused(call) -> UsageError:
    with pytest.raises(UsageError) as caught:
        call()
    assert caught.value.code == "bad_lock"
    assert caught.value.hint.startswith("Restore it")
    return caught.value


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_lock_is_text_that_can_be_committed(file, manifest):
    file.write(LOCK)

    assert file.path == manifest.with_name("assets.lock.json")
    assert file.path.read_text(encoding="utf-8") == TEXT
    assert file.read() == LOCK
    assert names(manifest.parent) == ["assets.lock.json"]


def test_the_text_does_not_depend_on_any_order_nor_on_what_was_written_before(file, tmp_path):
    other = LockFile(tmp_path / "other" / "assets.toml")
    other.write({"hero": PLACEHOLDER, "gone": ADOPTED})
    other.write({})
    outputs = dict(reversed(HERO.outputs.items()))
    hero = LockedAsset(HERO.request, HERO.master, outputs=outputs)
    other.write(dict(reversed((LOCK | {"hero": hero}).items())))

    assert other.path.read_text(encoding="utf-8") == TEXT
    assert other.read() == LOCK


def test_a_changed_asset_changes_its_lines_only(file):
    file.write(LOCK)
    file.write(LOCK | {"hero": LockedAsset("1" * 64, "b" * 64, outputs=HERO.outputs)})

    assert file.path.read_text(encoding="utf-8") == TEXT.replace("a" * 64, "1" * 64)


def test_a_lock_is_changed_asset_by_asset(file):
    file.hold(LOCK)
    assert not file.path.exists()
    assert file.names == LOCK.keys()

    file.change({"new": HERO, "Zoo": ADOPTED})
    changed = LOCK | {"new": HERO, "Zoo": ADOPTED}
    assert (file.read(), file.names) == (changed, changed.keys())
    text = file.path.read_bytes()
    file.write(changed)
    assert file.path.read_bytes() == text  # each asset stands there once

    file.drop({"hero", "new"})
    changed = {name: one for name, one in changed.items() if name not in {"hero", "new"}}
    assert (file.read(), file.names) == (changed, changed.keys())

    file.change({"hero": HERO})
    file.hold({})
    file.change({"new": HERO})
    assert (file.read(), file.names) == ({"new": HERO}, {"new"})


def test_what_could_not_be_written_is_written_the_next_time(file):
    file.hold(LOCK)
    file.path.mkdir()
    with pytest.raises(StorageError):
        file.change({"new": HERO})
    file.path.rmdir()
    file.change({"newer": ADOPTED})

    assert file.read() == LOCK | {"new": HERO, "newer": ADOPTED}


def test_an_empty_lock_is_text_too(file):
    file.write({})

    assert (
        file.path.read_text()
        == '{\n  "schema": "mai/lock/1",\n  "manifest": "assets.toml",\n  "assets": {}\n}\n'
    )
    assert file.read() == {}


def test_without_a_lock_nothing_is_locked(file, tmp_path):
    assert (file.read(), file.read_fragments(), names(tmp_path)) == ({}, {}, [])


@pytest.mark.parametrize("break_", ["\n", "\r", "\v", "\x1c", "\x85", "\u2028", "\u2029"])
def test_a_line_break_within_a_text_does_not_break_the_lock(file, break_):
    lock = {"hero": replace(HERO, alt=f"A fox.{break_}It is red.")}
    file.write(lock)

    assert file.read() == lock


def test_a_picture_that_says_nothing_has_an_empty_text_and_not_none(file):
    lock = {"hero": replace(HERO, alt="")}
    file.write(lock)

    assert file.read() == lock


words = st.text(max_size=20)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
recipes = st.builds(
    Recipe,
    st.sampled_from(["png", "webp", "jpeg", "avif"]),
    st.none() | st.integers(1, 16_383),
    st.none() | st.integers(1, 16_383),
    st.sampled_from(["cover", "contain", "stretch"]),
    st.none() | st.integers(1, 100),
    st.none() | st.integers(1, 100_000),
)
locked_assets = st.builds(
    LockedAsset,
    digests,
    st.none() | digests,
    st.booleans(),
    st.none() | words,
    st.dictionaries(words, st.builds(LockedOutput, recipes, digests), max_size=3),
)


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(words, locked_assets, max_size=4), st.randoms(use_true_random=False))
def test_what_was_written_is_read_and_written_the_same_again(tmp_path_factory, lock, random):
    file = LockFile(tmp_path_factory.getbasetemp() / "any.toml")
    file.write(lock)
    text = file.path.read_bytes()
    read = file.read()

    assert read == lock
    LockFile(file.path.with_name("any.toml")).write(
        dict(random.sample(sorted(read.items()), len(read)))
    )
    assert file.path.read_bytes() == text


CONFLICT = """\
{
  "schema": "mai/lock/1",
  "manifest": "assets.toml",
<<<<<<< HEAD
  "assets": {}
=======
  "assets": {"hero": {}}
>>>>>>> theirs
}
"""


@pytest.mark.parametrize(
    "text", [CONFLICT, "", "{", "\0", "[" * 100_000, TEXT[:-20], TEXT + "}", "9" * 5000]
)
def test_what_is_not_json_is_refused(file, text):
    file.path.write_text(text, encoding="utf-8")

    assert refused(file.read).message == f"The lock {file.path} is not JSON, perhaps after a merge."


def test_bytes_that_are_no_text_are_refused(file):
    file.path.write_bytes(TEXT.encode("latin-1", errors="replace"))

    assert refused(file.read).message.endswith("is not JSON, perhaps after a merge.")


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff"])
def test_half_a_character_which_could_not_be_written_again_is_refused(file, half):
    file.path.write_text(TEXT.replace("hero", f"hero{half}"))

    assert refused(file.read).message.endswith("is not as mai writes it.")


@pytest.mark.parametrize(
    "content",
    [None, 1, "mai/lock/1", [], {}, {"assets": {}}, {"schema": "mai/lock/2", "assets": {}}]
    + [{"schema": schema, "assets": {}} for schema in (None, 1, ["mai/lock/1"], "mai/record/1")],
)
def test_a_file_of_another_schema_is_refused(file, content):
    file.path.write_text(json.dumps(content))

    assert refused(file.read).message == (
        f"The lock {file.path} is not a lock of this version of mai (mai/lock/1)."
    )


@pytest.mark.parametrize("other", ["assets.yaml", None, ["assets.toml"]])
def test_the_lock_of_another_manifest_is_refused(tmp_path, file, other):
    LockFile(tmp_path / "assets.yaml").write(LOCK)
    with pytest.raises(UsageError) as caught:
        file.read()
    assert caught.value.message == (
        f"The lock {file.path} is that of another manifest: assets.yaml."
    )

    file.path.write_text(json.dumps(changed(("manifest",), other)))
    with pytest.raises(UsageError) as caught:
        file.read()
    assert caught.value.code == "bad_lock"

    LockFile(tmp_path / "assets.yaml", "1-of-2").write(LOCK)
    with pytest.raises(UsageError) as caught:
        file.read_fragments()
    assert caught.value.code == "bad_lock"


def test_a_folder_or_a_file_that_may_not_be_read_is_refused(file):
    file.path.mkdir()

    assert refused(file.read).message == f"The lock {file.path} cannot be read: Is a directory."


@pytest.mark.parametrize("shard", [None, "1-of-2"])
def test_what_would_be_waited_for_is_refused(python, manifest, shard):
    place = manifest.with_name("assets.lock.d" if shard else "assets.lock.json")
    if shard:
        place.mkdir()
        place /= "1-of-2.json"
    os.mkfifo(place)

    assert python.run(READ, manifest) == [f"bad_lock The lock {place} is not a file."]


OUTPUT = ("assets", "hero", "outputs", "hero.jpg")
VALID = {
    "schema": "mai/lock/1",
    "manifest": "assets.toml",
    "assets": {
        "hero": {
            "request": "a" * 64,
            "master": "b" * 64,
            "offline": False,
            "alt": "A fox.",
            "outputs": {
                "hero.jpg": {
                    "recipe": {
                        "format": "jpeg",
                        "width": 320,
                        "height": 200,
                        "fit": "contain",
                        "quality": 80,
                        "max_kb": 40,
                    },
                    "sha256": "c" * 64,
                }
            },
        }
    },
}
OF_EVERY_TYPE = (None, True, 7, 7.5, "text", ["text"], {"text": "text"})
OPTIONAL = {"master", "alt", "width", "height", "quality", "max_kb"}


def places(value: object, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every place in a JSON value, but its schema."""
    if above and above not in {("schema",), ("manifest",)}:
        yield above
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*above, key))


def changed(place: tuple[str, ...], value: object, *, remove: bool = False) -> dict[str, Any]:
    content = deepcopy(VALID)
    inner = content
    for key in place[:-1]:
        inner = inner[key]
    if remove:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return content


def wrong_for(place: tuple[str, ...]) -> list[object]:
    """Values of every type but those that ``place`` may have."""
    value: Any = VALID
    for key in place:
        value = value[key]
    kinds = {type(value), type(None)} if place[-1] in OPTIONAL else {type(value)}
    return [other for other in OF_EVERY_TYPE if type(other) not in kinds - {dict}]


@pytest.mark.parametrize("place", list(places(VALID)), ids=lambda place: place[-1])
def test_a_wrong_type_at_any_place_is_refused(file, place):
    accepted = []
    for value in wrong_for(place):
        file.path.write_text(json.dumps(changed(place, value)))
        try:
            file.read()
        except UsageError as error:
            assert (error.code, error.message) == (  # noqa: PT017 - others are no failure
                "bad_lock",
                f"The lock {file.path} is not as mai writes it.",
            )
        else:
            accepted.append(value)

    assert accepted == []


@pytest.mark.parametrize(
    "place",
    [
        ("assets",),
        ("assets", "hero", "request"),
        ("assets", "hero", "master"),
        ("assets", "hero", "offline"),
        ("assets", "hero", "outputs"),
        (*OUTPUT, "recipe"),
        (*OUTPUT, "recipe", "format"),
        (*OUTPUT, "sha256"),
    ],
)
def test_what_is_missing_is_refused(file, place):
    file.path.write_text(json.dumps(changed(place, None, remove=True)))

    assert refused(file.read).message == f"The lock {file.path} is not as mai writes it."


@pytest.mark.parametrize("place", [("assets", "hero"), OUTPUT, (*OUTPUT, "recipe")])
def test_what_a_later_version_may_have_added_is_refused(file, place):
    file.path.write_text(json.dumps(changed((*place, "rotate"), 90)))

    assert refused(file.read).message == f"The lock {file.path} is not as mai writes it."


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(words, inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(list(places(VALID))), json_values)
def test_whatever_stands_at_any_place_is_a_lock_or_is_refused(tmp_path_factory, place, value):
    file = LockFile(tmp_path_factory.getbasetemp() / "garbage.toml")
    file.path.write_text(json.dumps(changed(place, value)))
    try:
        lock = file.read()
    except UsageError as error:
        assert error.code == "bad_lock"  # noqa: PT017 - a lock is as good
        return
    file.write(lock)
    assert repr(file.read()) == repr(lock)


def test_a_job_writes_a_fragment_of_its_own(manifest, file):
    LockFile(manifest, "2-of-4").write(LOCK)

    assert names(manifest.parent) == ["assets.lock.d"]
    assert (manifest.parent / "assets.lock.d/2-of-4.json").read_text(encoding="utf-8") == TEXT
    assert file.read() == {}
    assert file.read_fragments() == {"2-of-4.json": LOCK}


def test_fragments_are_read_in_the_order_of_their_numbers(manifest, file):
    shards = ["10-of-12", "2-of-12", "1-of-2", "2-of-3", "1-of-12", "2-of-2"]
    for shard in shards:
        LockFile(manifest, shard).write({shard: HERO})
    folder = manifest.with_name("assets.lock.d")
    for other in ("notes.json", ".2-of-3.json.part", "1-of-2.json.bak", "1-of-2", "٢-of-٣.json"):
        (folder / other).write_text("not a lock")

    assert list(file.read_fragments().items()) == [
        (f"{shard}.json", {shard: HERO})
        for shard in ("1-of-2", "1-of-12", "2-of-2", "2-of-3", "2-of-12", "10-of-12")
    ]


def test_a_fragment_that_is_damaged_is_named(manifest, file):
    LockFile(manifest, "1-of-2").write(LOCK)
    damaged = manifest.with_name("assets.lock.d") / "2-of-2.json"
    damaged.write_text(TEXT[:-20], encoding="utf-8")

    assert str(damaged) in refused(file.read_fragments).message


def test_fragments_that_were_folded_are_removed_and_their_folder_if_it_is_empty(manifest, file):
    for shard in ("1-of-2", "2-of-2"):
        LockFile(manifest, shard).write(LOCK)

    file.remove_fragments(["1-of-2.json", "gone.json"])
    assert list(file.read_fragments()) == ["2-of-2.json"]

    file.remove_fragments(["2-of-2.json"])
    file.remove_fragments(["2-of-2.json"])
    assert names(manifest.parent) == []


def test_the_same_file_is_written_again_and_again(file):
    for number in range(3):
        file.write({f"{number}": HERO})

    assert file.read() == {"2": HERO}


def test_the_file_is_on_disk_once_it_is_written(file, flushed):
    file.write(LOCK)

    assert flushed == [file.path.stat().st_size, [file.path.name]]


def test_who_may_use_a_new_file_is_for_the_umask_to_say(file, modes):
    file.write(LOCK)

    assert modes() == {0o666}


def test_the_file_keeps_its_permissions(file):
    old = os.umask(0o022)
    try:
        file.write({})
    finally:
        os.umask(old)
    assert file.path.stat().st_mode & 0o777 == 0o644

    file.path.chmod(0o600)
    file.write(LOCK)
    assert file.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("shard", [None, "1-of-2"])
def test_a_place_that_cannot_be_written_is_told(tmp_path, shard):
    (tmp_path / "file").write_text("in the way")
    file = LockFile(tmp_path / "file" / "assets.toml", shard)
    with pytest.raises(StorageError) as caught:
        file.write(LOCK)

    assert caught.value.code == "lock_failed"
    assert names(tmp_path) == ["file"]


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody can enter, and that only its owner can write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        yield Path(folder)


@pytest.mark.parametrize(
    ("shard", "name"), [([], "assets.lock.json"), (["1-of-2"], "assets.lock.d/1-of-2.json")]
)
def test_a_folder_that_cannot_be_written_is_told_before_there_is_anything_to_write(
    python, public, shard, name
):
    assert python.run(PREPARE_AS_NOBODY, public / "assets.toml", *shard) == [
        f"bad_lock The lock {public / name} cannot be written: Permission denied. Nothing was sent."
    ]
    assert names(public) == []

    public.chmod(0o777)
    assert python.run(PREPARE_AS_NOBODY, public / "assets.toml", *shard) == []


def test_a_lock_that_does_not_fit_leaves_the_old_one(python, manifest, file):
    file.write(LOCK)

    assert python.run(WRITE, manifest, 100, 1000) == [
        f"lock_failed The lock {file.path} cannot be written: File too large."
    ]
    assert file.path.read_text(encoding="utf-8") == TEXT
    assert names(manifest.parent) == ["assets.lock.json"]


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system without room, but for a small lock."""
    folder = tmp_path / "full"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    LockFile(folder / "assets.toml").write(LOCK)
    (folder / "rest").write_bytes(bytes((os.statvfs(folder).f_bavail) * 4096))
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_leaves_the_old_lock(python, full_disk):
    file = LockFile(full_disk / "assets.toml")

    assert python.run(WRITE, full_disk / "assets.toml", 100) == [
        f"lock_failed The lock {file.path} cannot be written: No space left on device."
    ]
    assert file.read() == LOCK
    assert names(full_disk) == ["assets.lock.json", "rest"]

    (full_disk / "rest").unlink()
    assert python.run(WRITE, full_disk / "assets.toml", 100) == []
    assert len(file.read()) == 100


@pytest.mark.parametrize("arguments", [[], ["1-of-2"]])
def test_a_lock_is_whole_whenever_its_writer_is_killed(python, manifest, file, arguments):
    writer = LockFile(manifest, *arguments)
    for _ in range(3):
        process = python.start(WRITE_UNTIL_KILLED, *arguments)
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
        process.wait()

        (lock,) = [*file.read_fragments().values()] if arguments else [file.read()]
        assert len(lock) == 200
        assert len({asset.request for asset in lock.values()}) == 1

    writer.write(LOCK)
    folder = manifest.with_name("assets.lock.d") if arguments else manifest.parent
    assert names(folder) == ["1-of-2.json" if arguments else "assets.lock.json"]
