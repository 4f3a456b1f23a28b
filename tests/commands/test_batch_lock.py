"""The lock of ``mai batch``: a text to be committed, its fragments, and one run at a time."""

import difflib
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import MAI, Result
from tests.emulator import Answer, picture, png

SMALL = "768x768"
NAMES = ("ant", "bee", "cat", "dog", "elk", "fox")


def entry(name: str, prompt: str = "") -> str:
    return f'[[assets]]\nname = "{name}"\nprompt = "{prompt or name}"\noutput = "out/{name}.png"\n'


SIX = "".join(map(entry, NAMES))


@pytest.fixture(autouse=True)
def every_picture_is_another_one(foundry):
    """As the service draws, also where the prompt is the same."""
    foundry.distinct = True


@pytest.fixture
def batch(mai, tmp_path):
    """Run the manifest of the test, which is written where it is given."""

    def batch(*args: str, text: str = "", **more: str) -> Result:
        if text:
            (tmp_path / "assets.toml").write_text(text)
        return mai("batch", "assets.toml", *args, **{"MAI_SIZE": SMALL} | more)

    return batch


@pytest.fixture
def lock(tmp_path) -> Path:
    return tmp_path / "assets.lock.json"


@pytest.fixture
def fragments(tmp_path):
    """The assets of each fragment, by its name."""

    def fragments() -> dict[str, list[str]]:
        folder = tmp_path / "assets.lock.d"
        return {
            path.name: list(json.loads(path.read_text())["assets"])
            for path in sorted(folder.iterdir() if folder.exists() else [])
        }

    return fragments


def changes(before: str, after: str) -> list[str]:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm="")
    return [line for line in lines if line[:1] in "+-" and line[:3] not in ("+++", "---")]


LOCK = """\
{
  "schema": "mai/lock/1",
  "manifest": "assets.toml",
  "assets": {
    "fox": {
      "request": "%s",
      "master": "%s",
      "offline": true,
      "alt": "Ein Fuchs, grün",
      "outputs": {
        "a/fox.png": {
          "recipe": {
            "format": "png"
          },
          "sha256": "%s"
        },
        "fox.webp": {
          "recipe": {
            "format": "webp",
            "width": 96,
            "height": 90,
            "fit": "contain",
            "max_kb": 20
          },
          "sha256": "%s"
        }
      }
    }
  }
}
"""


def test_the_lock_is_a_text_that_is_made_to_be_committed(batch, lock):
    batch(
        "--offline",
        text='[[assets]]\nname = "fox"\nprompt = "a fox"\nalt = "Ein Fuchs, grün"\n'
        'outputs = [{ path = "fox.webp", width = 96, height = 90, fit = "contain", max_kb = 20 }, '
        '"a/fox.png"]\n',
    )

    text = lock.read_bytes().decode()
    digests = re.findall(r"\b[0-9a-f]{64}\b", text)
    assert text == LOCK % tuple(digests)
    assert len(set(digests)) == 4


def test_the_same_manifest_makes_the_same_lock_wherever_it_is(run, bare, tmp_path):
    orders = {"one": NAMES[:2], "two": NAMES[:2], "three": NAMES[1::-1]}
    locks = []
    for folder, names in orders.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "assets.toml").write_text("".join(map(entry, names)))
        env = bare | {"MAI_HOME": str(tmp_path / f"home-{folder}"), "MAI_SIZE": SMALL}
        result = run(env, "batch", f"{folder}/assets.toml", "--offline", "--no-metadata", "-q")
        assert (result.code, result.err) == (0, "")
        locks.append((tmp_path / folder / "assets.lock.json").read_bytes())

    assert locks[0] == locks[1] == locks[2]


def test_a_small_change_makes_a_small_difference(batch, lock):
    batch(text=SIX)
    before = lock.read_text()
    batch(text=SIX.replace('"bee"\noutput', '"a bee"\noutput'))
    changed = lock.read_text()
    batch(text=SIX.replace('"bee"\noutput', '"a bee"\noutput') + entry("dab"))
    added = lock.read_text()

    lines = changes(before, changed)
    assert len(lines) == 6
    assert {line[1:].split(":")[0].strip() for line in lines} == {
        '"request"',
        '"master"',
        '"sha256"',
    }
    assert {line[0] for line in changes(changed, added)} == {"+"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: f"<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> main\n",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace("mai/lock/1", "mai/lock/2"),
        lambda text: text.replace('"request"', '"requets"'),
        lambda text: '{"schema": "mai/lock/1", "assets": []}',
        lambda text: "",
    ],
    ids=["merge", "torn", "later version", "key", "list", "empty"],
)
def test_a_damaged_lock_stops_the_run_before_anything_is_sent(batch, foundry, lock, damage):
    batch("--offline", text=entry("fox"))
    damaged = damage(lock.read_text())
    lock.write_text(damaged)
    result = batch("--json")

    (told,) = result.objects
    assert (result.code, foundry.received) == (2, [])
    assert told["error"]["code"] == "bad_lock"
    assert told["error"]["message"].startswith(f"The lock {lock} is ")
    assert lock.read_text() == damaged


@pytest.mark.parametrize("args", [["--check"], ["--force"], ["--adopt"], ["--shard", "1/2"]])
def test_nothing_is_done_by_a_damaged_lock(batch, foundry, lock, args):
    lock.write_text("<<<<<<< HEAD\n{}")
    result = batch(*args, text=entry("fox"))

    assert (result.code, result.out, foundry.received) == (2, b"", [])
    assert result.err.splitlines() == [
        f"Error: The lock {lock} is not JSON, perhaps after a merge.",
        (
            "Restore it, for example from version control. Without it, whatever this machine's "
            "history does not know would be drawn and paid for again."
        ),
    ]
    assert lock.read_text() == "<<<<<<< HEAD\n{}"


def test_a_fragment_that_is_damaged_stops_the_run_too(batch, foundry, tmp_path):
    (tmp_path / "assets.lock.d").mkdir()
    (tmp_path / "assets.lock.d" / "1-of-2.json").write_text("<<<<<<<")
    result = batch(text=entry("fox"))

    assert (result.code, foundry.received) == (2, [])
    assert "1-of-2.json is not JSON, perhaps after a merge." in result.err


def test_shards_make_together_what_one_run_makes(batch, foundry, tmp_path, lock, fragments):
    assert batch("--no-metadata", text=SIX).code == 0
    whole = json.loads(lock.read_text())
    assert len(foundry.received) == 6
    shutil.rmtree(tmp_path / "out")
    shutil.rmtree(tmp_path / "home")
    lock.unlink()
    foundry.received.clear()

    lines = []
    for shard in ("1/3", "2/3", "3/3"):
        result = batch("--no-metadata", "--shard", shard)
        assert result.code == 0
        lines += result.lines
    parts = fragments()

    assert sorted(lines) == [str(tmp_path / f"out/{name}.png") for name in NAMES]
    assert sorted(request.json["prompt"] for request in foundry.received) == list(NAMES)
    assert set(parts) == {"1-of-3.json", "2-of-3.json", "3-of-3.json"}
    assert sorted(name for names in parts.values() for name in names) == list(NAMES)
    assert not lock.exists()

    check = batch("--check")
    assert (check.code, check.lines) == (0, ["All 6 assets are up to date."])
    assert fragments() == parts
    assert batch("--no-metadata").code == 0
    assert len(foundry.received) == 6
    assert not (tmp_path / "assets.lock.d").exists()
    folded = json.loads(lock.read_text())
    assert {name: one["request"] for name, one in folded["assets"].items()} == {
        name: one["request"] for name, one in whole["assets"].items()
    }
    assert list(folded["assets"]) == list(NAMES)


def test_jobs_on_different_machines_share_the_work_by_their_fragments(
    run, env, foundry, tmp_path, fragments, lock
):
    (tmp_path / "assets.toml").write_text(SIX)
    for shard in ("1/2", "2/2"):
        other = env | {"MAI_HOME": str(tmp_path / f"machine-{shard[0]}"), "MAI_SIZE": SMALL}
        assert run(other, "batch", "assets.toml", "--shard", shard, "-q").code == 0
    third = env | {"MAI_HOME": str(tmp_path / "machine-3"), "MAI_SIZE": SMALL}
    result = run(third, "batch", "assets.toml")

    assert (result.code, result.out, len(foundry.received)) == (0, b"", 6)
    assert list(json.loads(lock.read_text())["assets"]) == list(NAMES)
    assert fragments() == {}


def test_the_fragment_that_fits_the_files_wins_over_an_older_lock(
    batch, foundry, lock, fragments, tmp_path
):
    batch(text=SIX)
    old = lock.read_bytes()
    changed = SIX.replace('prompt = "bee"', 'prompt = "a bee"')
    batch(text=changed)
    new = lock.read_bytes()
    shutil.copytree(tmp_path / "out", tmp_path / "new")

    lock.write_bytes(old)
    (tmp_path / "assets.lock.d").mkdir()
    (tmp_path / "assets.lock.d" / "1-of-1.json").write_bytes(new)
    check = batch("--check")
    assert (check.code, check.lines) == (0, ["All 6 assets are up to date."])
    assert batch().code == 0
    assert lock.read_bytes() == new

    (tmp_path / "assets.lock.d").mkdir()
    (tmp_path / "assets.lock.d" / "1-of-1.json").write_bytes(old)
    check = batch("--check")
    assert (check.code, check.lines) == (0, ["All 6 assets are up to date."])
    assert batch().code == 0
    assert lock.read_bytes() == new
    assert fragments() == {}
    assert len(foundry.received) == 7


def test_a_shard_draws_nothing_that_the_lock_knows(batch, foundry, fragments, lock):
    batch(text=SIX)
    before = lock.read_bytes()
    changed = SIX.replace('prompt = "bee"', 'prompt = "a bee"')
    for shard in ("1/2", "2/2"):
        batch("--shard", shard, text=changed)

    assert len(foundry.received) == 7
    assert lock.read_bytes() == before
    assert sum("bee" in names for names in fragments().values()) == 1
    assert batch("--check").code == 0


def test_force_of_a_shard_takes_its_own_part_only(batch, foundry, fragments):
    batch(text=SIX)
    batch("--shard", "1/2", "--force")
    (mine,) = fragments().values()

    assert 0 < len(mine) < 6
    assert sorted(request.json["prompt"] for request in foundry.received[6:]) == mine


def test_two_runs_on_one_manifest_do_not_draw_twice(batch, env, foundry, tmp_path):
    (tmp_path / "assets.toml").write_text(SIX)
    may_end = threading.Event()
    foundry.always(Answer(200, picture(png(768, 768)).body, before=may_end.wait))
    first = subprocess.Popen(
        [*MAI, "batch", "assets.toml", "-q"],
        env=env | {"MAI_SIZE": SMALL},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
    )
    while not foundry.received:
        assert first.poll() is None
        time.sleep(0.01)
    second = batch("--json")
    shard = batch("--shard", "1/2")
    check = batch("--check")
    may_end.set()
    first.communicate(timeout=60)

    (told,) = second.objects
    assert (first.returncode, second.code, shard.code, check.code) == (0, 6, 6, 10)
    assert told["error"]["code"] == "busy"
    assert told["error"]["message"] == "Another mai batch is at work on assets.toml."
    assert len(foundry.received) == 6


def test_shards_may_run_side_by_side(env, foundry, tmp_path):
    (tmp_path / "assets.toml").write_text(SIX)
    foundry.latency = 0.5
    running = [
        subprocess.Popen(
            [*MAI, "batch", "assets.toml", "-q", "--shard", f"{number}/3"],
            env=env | {"MAI_SIZE": SMALL},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
        )
        for number in (1, 2, 3)
    ]
    lines = [line for one in running for line in one.communicate(timeout=60)[0].splitlines()]

    assert [one.returncode for one in running] == [0, 0, 0]
    assert len(lines) == len(foundry.received) == 6


def test_manifests_of_one_name_in_two_formats_do_not_take_each_others_files(
    batch, mai, foundry, tmp_path
):
    batch(text=entry("fox"))
    (tmp_path / "assets.csv").write_text("name,prompt,output\nowl,an owl,owl.png\n")
    result = mai("batch", "assets.csv", "--prune", MAI_SIZE=SMALL)

    assert result.code == 2
    assert "is that of another manifest: assets.toml." in result.err
    assert (tmp_path / "out" / "fox.png").is_file()


def test_prune_removes_nothing_but_old_outputs_whatever_a_lock_lists(mai, tmp_path):
    site = tmp_path / "site"
    for folder in (site, tmp_path / "public"):
        folder.mkdir()
    (site / "linked").symlink_to("../public")
    (site / "assets.toml").write_text("assets = []\n")
    names = ["assets.toml", "../mine.txt", "linked/mine.txt", "old.png"]
    for name in names[1:]:
        (site / name).write_text("mine")
    digests = {name: hashlib.sha256((site / name).read_bytes()).hexdigest() for name in names}
    outputs = {
        name: {"recipe": {"format": "png"}, "sha256": digest}
        for name, digest in {**digests, "assets.lock.json": "0" * 64}.items()
    }
    old = {"request": "a" * 64, "master": None, "offline": False, "outputs": outputs}
    content = {"schema": "mai/lock/1", "manifest": "assets.toml", "assets": {"old": old}}
    (site / "assets.lock.json").write_text(json.dumps(content))
    result = mai("batch", "site/assets.toml", "--prune")

    outside = "is outside of the manifest's folder, and was left alone."
    in_use = "is still in use under another name, and was left alone."
    assert result.code == 0, result.err
    assert result.err.splitlines()[:5] == [
        f"{site / '../mine.txt'} {outside}",
        f"{site / 'assets.lock.json'} {in_use}",
        f"{site / 'assets.toml'} {in_use}",
        f"{site / 'linked/mine.txt'} {outside}",
        f"{site / 'old.png'} was removed.",
    ]
    assert [name for name in outputs if not (site / name).exists()] == ["old.png"]


def test_a_job_whose_fragment_cannot_be_written_sends_nothing(batch, foundry, tmp_path):
    (tmp_path / "assets.lock.d").write_text("in the way")
    for number in (1, 2):
        result = batch("--shard", f"{number}/2", text=SIX)
        assert (result.code, result.out) == (2, b"")
        assert f"The lock {tmp_path / 'assets.lock.d'}/{number}-of-2.json cannot" in result.err

    assert foundry.received == []


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Callable[[], None]]:
    """Make the folder of a site read-only, with all that is in it."""
    folder = tmp_path / "site"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    remount = ["mount", "-o", "remount,ro", str(folder)]
    yield lambda: subprocess.run(remount, check=True)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize("args", [[], ["--shard", "1/1"]])
def test_where_no_lock_can_be_written_nothing_is_sent(mai, foundry, tmp_path, read_only, args):
    (tmp_path / "site" / "assets.toml").write_text(entry("fox").replace("out/", "../out/"))
    read_only()
    result = mai("batch", "site/assets.toml", "--allow-outside", *args, MAI_SIZE=SMALL)

    assert (result.code, result.out, foundry.received) == (2, b"", [])
    assert "cannot be written: " in result.err


def test_where_no_lock_can_be_written_all_may_be_up_to_date(mai, tmp_path, read_only):
    (tmp_path / "site" / "assets.toml").write_text(entry("fox"))
    mai("batch", "site/assets.toml", MAI_SIZE=SMALL)
    read_only()
    result = mai("batch", "site/assets.toml", MAI_SIZE=SMALL)

    assert (result.code, result.out) == (0, b""), result.err


def test_where_what_is_gone_cannot_be_forgotten_the_run_is_told_all_the_same(
    mai, tmp_path, read_only
):
    manifest = tmp_path / "site" / "assets.toml"
    manifest.write_text(entry("fox") + entry("owl"))
    mai("batch", "site/assets.toml", MAI_SIZE=SMALL)
    manifest.write_text(entry("fox"))
    (tmp_path / "site" / "out" / "owl.png").unlink()
    read_only()
    result = mai("batch", "site/assets.toml", "--json", "--junit", "mai.xml", MAI_SIZE=SMALL)

    error, summary = result.objects
    assert (result.code, error["error"]["code"]) == (7, "lock_failed")
    assert (summary["exit_code"], summary["counts"]["up_to_date"]) == (7, 1)
    assert (tmp_path / "mai.xml").exists()


def test_a_job_with_nothing_to_do_leaves_no_fragment(batch, foundry, fragments, tmp_path):
    batch(text=SIX)
    for shard in ("1/2", "2/2"):
        assert batch("--shard", shard).code == 0

    assert len(foundry.received) == 6
    assert not (tmp_path / "assets.lock.d").exists()


def test_the_lock_of_standard_input_has_a_name_of_its_own(run, bare, tmp_path):
    env = bare | {"MAI_SIZE": SMALL}
    made = run(env, "batch", "-", "--format", "toml", "--offline", stdin=entry("fox").encode())
    again = run(
        env, "batch", "-", "--format", "toml", "--offline", "--check", stdin=entry("fox").encode()
    )

    assert (made.code, again.code) == (0, 0)
    assert (tmp_path / "mai.lock.json").is_file()


def test_a_lock_that_cannot_be_written_stops_the_run_and_loses_no_picture(
    batch, foundry, lock, history, tmp_path
):
    foundry.latency = 0.5
    foundry.will(Answer(200, picture(png(768, 768)).body, before=lock.mkdir))
    first = batch("-j", "1", "--json", text=SIX)
    lock.rmdir()
    again = batch("-j", "1")

    (told,) = [line for line in first.objects if line["schema"] == "mai/error/1"]
    assert first.code in (7, 11)
    assert told["error"]["code"] == "lock_failed"
    assert first.objects[-1]["counts"]["not_sent"] >= 2
    assert again.code == 0
    assert len(foundry.received) == len(history()) == 6
    assert sorted(path.stem for path in (tmp_path / "out").iterdir()) == list(NAMES)
