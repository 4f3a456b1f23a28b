"""Tags, checks, recovery, cleaning up: safe by default, and only what the history owns goes."""

import hashlib
import json
import random
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.commands.person import Person
from tests.commands.records import drawn, lines_of, record, remember, unmade, written
from tests.conftest import MAI, Result, Run
from tests.emulator import Emulator, png

LONG_AGO = written(datetime.now(UTC) - timedelta(hours=2))


@pytest.fixture
def upkeep(run: Run, bare: dict[str, str]) -> Callable[..., Result]:
    """Run a command of ``mai history``."""
    return lambda *args, **more: run(bare | more, "history", *map(str, args))


def pictures(home: Path) -> set[str]:
    return {path.stem for path in (home / "gallery").rglob("*.png")}


# Tags.


@pytest.mark.parametrize(
    ("changes", "tags"),
    [
        (["+hero"], ["old", "hero"]),
        (["+hero", "-old"], ["hero"]),
        (["-old"], []),
        (["-nothing"], ["old"]),
        (["+old", "+old"], ["old"]),
        (["+favorite", "+ü 日本 🦊", "+a,b", "++", "+--x"], None),
        (["+\x1b[31m\u202e"], ["old", "\x1b[31m\u202e"]),
    ],
)
def test_tags_are_added_and_taken_off(upkeep, home, history, changes, tags):
    remember(home, [record(0, tags=["old"]), record(1)])
    result = upkeep("tag", "last~1", *changes)
    tags = ["old", *(text[1:] for text in changes)] if tags is None else tags
    assert (result.code, result.out) == (0, b"")
    assert "\x1b" not in result.err
    assert history()[record(0)["id"]] == record(0, tags=tags)
    assert history()[record(1)["id"]] == record(1)


@pytest.mark.parametrize("texts", [["hero"], ["+"], ["-"], ["+ "], ["+good", "bad"], [""], []])
def test_what_is_no_tag_is_refused_and_nothing_changes(upkeep, home, history, texts):
    remember(home, [record(0)])
    result = upkeep("tag", "last", *texts)
    assert (result.code, result.out) == (2, b"")
    assert history()[record(0)["id"]] == record(0)


@pytest.mark.parametrize("option", ["--json", "--help"])
def test_an_option_after_the_tags_is_not_taken_for_one(upkeep, home, history, option):
    remember(home, [record(0)])
    result = upkeep("tag", "last", "+hero", option)
    assert result.code == 2 or result.out  # refused, or understood
    if option == "--json" and result.code == 0:
        assert result.objects == [record(0, tags=["hero"])]


def test_a_tagged_record_is_shown_as_json(upkeep, home):
    remember(home, [record(0)])
    result = upkeep("tag", "--json", "last", "+hero")
    assert result.objects == [record(0, tags=["hero"])]


@pytest.mark.parametrize("option", ["-h", "--help"])
@pytest.mark.parametrize("changes", [[], ["+hero"]])
def test_help_is_shown_wherever_it_is_asked_for(upkeep, home, history, option, changes):
    remember(home, [record(0)])
    result = upkeep("tag", "last", *changes, option)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(b"Add tags to a record, or take them off.\n")
    assert history()[record(0)["id"]] == record(0)


@pytest.mark.slow
def test_a_tag_that_is_given_while_a_picture_is_drawn_stays(mai, env, foundry, home, tmp_path):
    foundry.latency = 5
    with subprocess.Popen(
        [*MAI, "generate", "a fox", "-s", "768x768", "--tag", "draft"],
        env=env,
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not foundry.received and process.poll() is None:
            time.sleep(0.01)
        tagged = mai("history", "tag", "last", "+favorite", "-draft", "--json")
        assert (tagged.code, process.poll()) == (0, None), tagged.err
        assert process.wait(30) == 0
    last = json.loads((home / "history.jsonl").read_text().splitlines()[-1])
    assert (last["status"], last["tags"]) == ("ok", ["favorite"])
    assert mai("history", "prune", "--keep", "0", "--yes").err.startswith("0 records")
    assert len(pictures(home)) == 1


# Checks.


def test_a_sound_history_is_well(upkeep, home):
    remember(home, [drawn(home, 0), unmade(1, "refused"), unmade(2, "sent"), drawn(home, 3)])
    result = upkeep("verify")
    assert (result.code, result.out) == (0, b"")
    assert result.err == "4 records, 2 pictures: all is well.\n"


def test_everything_that_is_wrong_is_told_and_nothing_is_changed(upkeep, home):
    states = [drawn(home, number) for number in range(4)]
    history = remember(home, states)
    gallery = home / "gallery" / "2026" / "11"
    (gallery / "1.png").unlink()
    (gallery / "2.png").write_bytes(png(64, 64))
    (gallery / "foreign \x1b[31m.png").write_bytes(png(8, 8))
    (gallery / ".deadbeef0000.part").write_bytes(b"torn")
    (gallery / "notes.txt").write_text("mine")
    with history.open("ab") as file:
        file.write(b"{broken\n\n")
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    result = upkeep("verify", "--json")
    problems = result.objects
    assert (result.code, [one["schema"] for one in problems]) == (7, ["mai/problem/1"] * 4)
    assert [(one["kind"], one["id"], one["path"], one["line"]) for one in problems] == [
        ("damaged_line", None, None, 9),
        ("changed", states[2]["id"], str(gallery / "2.png"), None),
        ("missing", states[1]["id"], str(gallery / "1.png"), None),
        ("unknown_picture", None, str(gallery / "foreign \x1b[31m.png"), None),
    ]
    told = upkeep("verify")
    assert (told.code, len(told.lines)) == (7, 4)
    assert b"\x1b" not in told.out
    assert told.err == "4 records, 4 pictures: 4 problems.\n"
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_the_page_and_pictures_that_were_removed_are_no_problem(upkeep, home):
    remember(home, [drawn(home, number) for number in range(3)])
    assert upkeep("gallery").code == 0
    assert upkeep("remove", "last", "--yes").code == 0
    assert upkeep("verify").code == 0


# Recovery.


def age(home: Path) -> list[dict]:
    """Let what was sent have been sent two hours ago."""
    path = home / "history.jsonl"
    states = [json.loads(line) | {"created_at": LONG_AGO} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(state) + "\n" for state in states))
    return states


@pytest.fixture
def killed(env: dict[str, str], foundry: Emulator, home: Path, tmp_path: Path):
    """Kill a run while its picture is drawn; the record that it left."""

    def killed(*args: str) -> dict:
        foundry.latency = 60
        command = [*MAI, *(args or ("generate", "a fox", "-s", "768x768"))]
        with subprocess.Popen(
            command,
            env=env,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            while not foundry.received and process.poll() is None:
                time.sleep(0.01)
            process.kill()
        foundry.latency = 0
        assert process.returncode == -signal.SIGKILL
        (line,) = (home / "history.jsonl").read_text().splitlines()
        return json.loads(line)

    return killed


def test_what_may_be_in_flight_is_left_alone(mai, killed, history):
    state = killed()
    for args in ([], ["--forget"], [state["id"], "--forget"]):
        result = mai("history", "recover", *args)
        assert (result.code, result.lines[0][:12]) == (0, state["id"])
        assert "less than an hour ago" in result.lines[1]
    assert history() == {state["id"]: state}


def test_a_request_that_was_never_answered_is_told_until_it_is_forgotten(mai, killed, home):
    state = killed()
    (old,) = age(home)
    found = mai("history", "recover", "--json").objects
    assert found == [
        {
            "schema": "mai/recovery/1",
            "dry_run": False,
            "id": state["id"],
            "result": "unknown",
            "path": found[0]["path"],
            "record": old,
        }
    ]
    would = mai("history", "recover", "--forget", "--dry-run", "--json").objects[0]
    assert (would["dry_run"], would["result"], would["record"]) == (True, "unknown", old)
    (forgotten,) = mai("history", "recover", "--forget", "--json").objects
    assert (forgotten["result"], forgotten["record"]) == ("forgotten", old | {"status": "removed"})
    after = mai("history", "recover")
    assert (after.code, after.out, after.err) == (0, b"", "Every request was answered.\n")


@pytest.mark.parametrize("ending", [b"", b"torn"])
def test_a_picture_that_arrived_whole_is_recovered_and_a_torn_one_is_not(
    mai, killed, home, history, masters, ending
):
    state = killed()
    age(home)
    data = png(768, 768)
    (part,) = (home / "gallery").rglob(".*.part")  # as it was opened
    assert state["id"] in part.name
    part.write_bytes(data[:-20] if ending else data)
    before = mai("history", "recover", "--dry-run").out
    assert str(part).encode() in before
    assert history()[state["id"]]["status"] == "sent"
    (found,) = mai("history", "recover", "--json").objects
    if ending:
        assert (found["result"], found["path"]) == ("unknown", str(part))
        assert part.read_bytes() == data[:-20]
        assert mai("history", "recover", "--forget").code == 0
        assert part.exists()
        return
    (master,) = [path for path in masters() if path.suffix == ".png"]
    assert (found["result"], found["path"]) == ("recovered", str(master))
    assert found["record"]["master"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert (found["record"]["status"], master.read_bytes()) == ("ok", data)
    assert not part.exists()
    assert mai("history", "verify").code == 0
    assert mai("history", "show", master).code == 0


def test_a_dry_run_says_that_a_whole_picture_would_be_recovered(mai, killed, home):
    killed()
    age(home)
    (part,) = (home / "gallery").rglob(".*.part")
    part.write_bytes(png(768, 768))
    told = mai("history", "recover", "--dry-run")
    assert (told.code, f"its picture is there: {part}" in told.lines[1]) == (0, True)
    would = mai("history", "recover", "--dry-run", "--json").objects[0]
    assert (would["dry_run"], would["result"], would["path"]) == (True, "recovered", str(part))
    assert part.exists()


def test_a_picture_that_was_placed_and_not_told_of_is_recovered(upkeep, home, history):
    state = record(0, status="sent", master=None, created_at=LONG_AGO)
    remember(home, [state])
    path = home / "gallery" / "2026" / f"120000-a-fox-{state['id'][:8]}.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(png(64, 64))
    assert upkeep("recover").code == 0
    newest = history()[state["id"]]
    assert (newest["status"], newest["master"]["path"]) == ("ok", f"2026/{path.name}")
    assert path.read_bytes() == png(64, 64)
    assert upkeep("verify").code == 0


@pytest.mark.parametrize("name", ["a-fox.png", "a-fox-2.png"])
def test_a_picture_whose_name_has_no_id_is_recovered(upkeep, home, history, name):
    (home).mkdir()
    (home / "config.toml").write_text('filename = "{prompt}"\n')
    owner = drawn(home, 1)
    master = home / "gallery" / "a-fox.png"
    (home / "gallery" / owner["master"]["path"]).rename(master)
    owner["master"]["path"] = "a-fox.png"
    state = record(0, status="sent", master=None, created_at=LONG_AGO, prompt="a fox")
    remember(home, [owner, state] if name != "a-fox.png" else [state])
    (home / "gallery" / name).write_bytes(png(64, 64))
    assert upkeep("recover").code == 0
    newest = history()[state["id"]]
    assert (newest["status"], newest["master"]["path"]) == ("ok", name)
    assert upkeep("verify").code == 0


@pytest.mark.parametrize("args", [[], ["--dry-run"], ["--forget"]])
def test_the_picture_of_another_record_is_never_recovered(upkeep, home, history, args):
    state = record(0, status="sent", master=None, created_at=LONG_AGO)
    owner = drawn(home, 1)
    path = home / "gallery" / f"a-fox-{state['id'][:8]}.png"
    (home / "gallery" / owner["master"]["path"]).rename(path)
    owner["master"]["path"] = path.name
    remember(home, [owner, state])
    (told,) = upkeep("recover", "--json", *args).objects
    result = "forgotten" if args == ["--forget"] else "unknown"
    assert (told["result"], told["path"]) == (result, None)
    assert history()[owner["id"]] == owner
    assert history()[state["id"]]["master"] is None


def test_a_record_of_another_shape_stops_no_recovery(upkeep, home):
    odd = record(0, status="sent", created_at=LONG_AGO, prompt=["a"], deployment=None)
    state = record(1, status="sent", master=None, created_at=LONG_AGO)
    remember(home, [odd, state])
    path = home / "gallery" / f"a-fox-{state['id'][:8]}.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(png(64, 64))
    result = upkeep("recover")
    assert result.code == 0, result.err
    newest = json.loads((home / "history.jsonl").read_bytes().splitlines()[-1])
    assert (newest["id"], newest["status"]) == (state["id"], "ok")


MANIFEST = '[[assets]]\nname = "fox"\nprompt = "a fox"\nsize = "768x768"\noutput = "fox.png"\n'


@pytest.mark.parametrize("way", ["recovered", "forgotten"])
def test_a_batch_does_not_hold_what_was_settled(mai, foundry, killed, home, tmp_path, way):
    (tmp_path / "assets.toml").write_text(MANIFEST)
    killed("batch", "assets.toml")
    age(home)
    assert mai("batch", "assets.toml").code == 8
    assert len(foundry.received) == 1
    if way == "recovered":
        (part,) = (home / "gallery").rglob(".*.part")
        part.write_bytes(png(768, 768))
    assert mai("history", "recover", "--forget").code == 0
    done = mai("batch", "assets.toml")
    assert (done.code, (tmp_path / "fox.png").exists()) == (0, True), done.err
    assert len(foundry.received) == (1 if way == "recovered" else 2)


def test_removing_does_not_settle_what_may_have_been_billed(mai, foundry, killed, home, tmp_path):
    (tmp_path / "assets.toml").write_text(MANIFEST)
    killed("batch", "assets.toml")
    age(home)
    mai("history", "remove", "last", "--yes")
    assert mai("batch", "assets.toml").code == 8
    assert len(foundry.received) == 1


# Removing.


def test_a_removed_picture_goes_and_its_record_says_so(upkeep, home, history):
    states = [drawn(home, number) for number in range(3)]
    remember(home, states)
    path = str(home / "gallery" / states[1]["master"]["path"])
    would = upkeep("remove", states[1]["id"], "--dry-run")
    assert (would.code, would.lines) == (0, [path])
    assert pictures(home) == {"0", "1", "2"}
    result = upkeep("remove", states[1]["id"], states[1]["id"][:6], "--yes", "--json")
    told = {"schema": "mai/removal/1", "dry_run": False, "records": 1, "pictures": [path]}
    assert result.objects == [told | {"left": []}]
    assert pictures(home) == {"0", "2"}
    assert history()[states[1]["id"]] == states[1] | {"status": "removed"}
    for name in ("open", "rerun --dry-run --offline"):
        assert upkeep(*name.split(), "last~1").code == (2 if name == "open" else 0)


def spoiled(home: Path, tmp_path: Path, way: str) -> dict:
    """A record whose picture cannot go, or may not."""
    state = drawn(home, 0)
    path = home / "gallery" / state["master"]["path"]
    match way:
        case "changed":
            path.write_bytes(path.read_bytes()[:-1] + b"x")
        case "larger":
            path.write_bytes(path.read_bytes() + b"x")
        case "outside":
            path.rename(tmp_path / "0.png")
            state["master"]["path"] = "../../0.png"
        case "linked folder":
            path.parent.rename(tmp_path / "theirs")
            path.parent.symlink_to(tmp_path / "theirs")
        case "no gallery":
            (home / "gallery").rename(home / "unmounted")
        case "no file":
            path.unlink()
            path.mkdir()
    return state


WAYS = ["changed", "larger", "outside", "linked folder", "no gallery", "no file"]


@pytest.mark.parametrize("command", [["remove", "last"], ["prune", "--keep", "0"]])
@pytest.mark.parametrize("way", WAYS)
def test_a_record_stays_as_it_was_until_its_picture_is_gone(
    upkeep, home, tmp_path, history, command, way
):
    state = spoiled(home, tmp_path, way)
    remember(home, [state])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.png") if path.is_file()}
    path = str(Path(home / "gallery", state["master"]["path"]))
    told = upkeep(*command, "--yes")
    assert (told.code, told.out) == (7, b"")
    assert told.err.startswith(f"{path} ")
    assert told.err.endswith("\n0 records, 0 pictures removed.\n")
    done = upkeep(*command, "--yes", "--json")
    assert (done.code, done.objects) == (
        7,
        [
            {
                "schema": "mai/removal/1",
                "dry_run": False,
                "records": 0,
                "pictures": [],
                "left": [told.err.splitlines()[0]],
            }
        ],
    )
    would = upkeep(*command, "--dry-run", "--json")
    assert would.code == 0
    if way not in ("changed", "no file"):  # which a glance does not tell
        assert would.objects == [done.objects[0] | {"dry_run": True}]
    assert history() == {state["id"]: state}
    found = {path: path.read_bytes() for path in tmp_path.rglob("*.png") if path.is_file()}
    assert found == before


@pytest.mark.parametrize("command", ["remove", "prune"])
def test_what_can_go_goes_beside_what_is_left(upkeep, home, tmp_path, history, command):
    states = [spoiled(home, tmp_path, "larger"), drawn(home, 1), drawn(home, 2)]
    remember(home, states)
    (home / "gallery" / states[2]["master"]["path"]).unlink()
    path = str(home / "gallery" / states[1]["master"]["path"])
    ids = [state["id"] for state in states]
    args = ["remove", *ids] if command == "remove" else ["prune", "--keep", "0"]
    would = upkeep(*args, "--dry-run", "--json")
    done = upkeep(*args, "--yes", "--json")
    assert (would.code, done.code) == (0, 7)
    (told,) = done.objects
    assert would.objects == [told | {"dry_run": True}]
    assert (told["records"], told["pictures"], len(told["left"])) == (2, [path], 1)
    gone = [] if command == "prune" else ["removed", "removed"]
    assert [state["status"] for state in history().values()] == ["ok", *gone]


@pytest.mark.parametrize("command", ["remove", "prune"])
def test_what_could_be_removed_is_told_when_the_history_cannot_be_written(upkeep, home, command):
    states = [drawn(home, number) for number in range(2)]
    remember(home, states)
    if command == "remove":
        (home / "history.jsonl.lock").mkdir()
        args = ["remove", "last"]
    else:
        (home / ".history.jsonl.part").mkdir()
        args = ["prune", "--keep", "1"]
    result = upkeep(*args, "--yes")
    number = 1 if command == "remove" else 0
    assert result.code == 7
    assert result.lines == [str(home / "gallery" / states[number]["master"]["path"])]
    assert "history.jsonl cannot be written" in result.err
    assert "Traceback" not in result.err
    assert pictures(home) == {str(1 - number)}


@pytest.mark.parametrize("args", [[], ["--yes"], ["--dry-run"], ["--yes", "--json"]])
def test_a_record_of_which_only_the_id_is_known_is_told_of(upkeep, home, args):
    home.mkdir()
    (home / "history.jsonl").write_text('{"id":"bbbb00000004"}\n')
    result = upkeep("remove", "bbbb00000004", *args)
    assert (result.code, result.err.splitlines()[0]) == (
        0,
        "bbbb00000004 has no picture; its status is None.",
    )
    assert (home / "history.jsonl").read_text() == '{"id":"bbbb00000004"}\n'


@pytest.mark.parametrize("command", [["remove", "last"], ["prune", "--keep", "0"]])
def test_no_empty_folder_is_left_where_pictures_were(upkeep, home, command):
    remember(home, [drawn(home, 0)])
    assert upkeep(*command, "--yes").code == 0
    assert list((home / "gallery").iterdir()) == []


def test_of_several_to_remove_all_are_found_first(upkeep, home):
    remember(home, [drawn(home, number) for number in range(2)])
    assert upkeep("remove", "last", "ffffffff", "--yes").code == 2
    assert pictures(home) == {"0", "1"}


def test_without_a_terminal_nothing_goes_unless_it_is_told(upkeep, home):
    remember(home, [drawn(home, number) for number in range(2)])
    for args in (["remove", "last"], ["prune", "--keep", "0"], ["prune", "--older-than", "1d"]):
        result = upkeep(*args)
        assert (result.code, result.out) == (2, b"")
        assert "--yes" in result.err
    assert pictures(home) == {"0", "1"}


@pytest.mark.parametrize(
    ("args", "question"),
    [
        (["remove", "last"], "Remove 1 picture, "),
        (["prune", "--keep", "1"], "Prune 1 record and 1 picture, "),
    ],
)
@pytest.mark.parametrize(("answer", "goes"), [("y", True), ("n", False), ("", False)])
def test_a_person_is_asked_before_a_picture_goes(
    bare, home, tmp_path, args, question, answer, goes
):
    history = remember(home, [drawn(home, number) for number in range(2)])
    before = history.read_bytes()
    with Person(bare, tmp_path, "history", *args) as person:
        assert question in person.is_asked("[y/N]")
        assert len(pictures(home)) == 2
        person.answers(answer)
        assert person.leaves() == 0
    assert len(pictures(home)) == (1 if goes else 2)
    assert (history.read_bytes() == before) != goes


@pytest.mark.parametrize(
    ("command", "question"),
    [("remove", "Remove 1 picture, "), ("prune", "Prune 2 records and 1 picture, ")],
)
def test_a_question_counts_what_would_really_go(bare, home, tmp_path, command, question):
    states = [spoiled(home, tmp_path, "larger"), drawn(home, 1), drawn(home, 2)]
    remember(home, states)
    (home / "gallery" / states[1]["master"]["path"]).unlink()
    ids = [state["id"] for state in states]
    args = ["remove", *ids] if command == "remove" else ["prune", "--keep", "0"]
    with Person(bare, tmp_path, "history", *args) as person:
        assert question in person.is_asked("[y/N]")
        person.answers("n")
        assert person.leaves() == 0


# Pruning.


def test_old_pictures_go_and_favorites_and_what_is_not_settled_stay(upkeep, home, history):
    states = [
        drawn(home, 0),
        drawn(home, 1, tags=["favorite", "x"]),
        unmade(2, "sent"),
        unmade(3, "unknown"),
        unmade(4, "refused"),
        record(5, status="removed"),
        drawn(home, 6),
        drawn(home, 7),
    ]
    remember(home, states)
    (home / "gallery" / "notes.txt").write_text("mine")
    (home / "gallery" / "2026" / "11" / "mine.png").write_bytes(png(8, 8))
    ids = [state["id"] for state in states]
    goes = ["prune", "--older-than", "2026-11-01T12:06:30Z", "--keep", "1"]
    would = upkeep(*goes, "--dry-run", "--json").objects[0]
    assert (would["dry_run"], would["records"]) == (True, 4)
    assert [*history()] == ids
    done = upkeep(*goes, "--yes", "--json").objects[0]
    assert done == would | {"dry_run": False}
    assert [*history()] == [ids[number] for number in (1, 2, 3, 7)]
    assert pictures(home) == {"1", "7", "mine"}
    assert (home / "gallery" / "notes.txt").exists()
    assert upkeep(*goes, "--yes").err == "0 records, 0 pictures removed.\n"


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["--older-than", ""],
        ["--older-than", "x"],
        ["--older-than", "soon"],
        ["--keep", "-1"],
        ["--keep", "all"],
        ["extra"],
    ],
)
def test_pruning_has_to_be_told_what(upkeep, home, args):
    history = remember(home, [drawn(home, 0)])
    before = history.read_bytes()
    result = upkeep("prune", *args, "--yes")
    assert (result.code, result.out) == (2, b"")
    assert (history.read_bytes(), pictures(home)) == (before, {"0"})


def test_lines_of_others_stay_as_they_are(upkeep, home):
    history = remember(home, [])
    odd = '{"id":"ffff00000000","later":[1.10]}\n{broken\n\n["b"]\n{ "id" : 7 }\n'
    states = [drawn(home, 0, tags=["favorite"]), drawn(home, 1)]
    kept, gone = ("".join(lines_of(state)) for state in states)
    mention = json.dumps(record(2, tags=["favorite"], rerun_of=states[1]["id"])) + "\n"
    history.write_text(odd + kept + gone + mention + "{torn")
    assert upkeep("prune", "--older-than", "1d", "--yes").code == 0
    assert history.read_text() == odd + kept + mention + "{torn"


def test_a_batch_still_knows_what_it_made(mai, foundry, home, tmp_path):
    (tmp_path / "assets.toml").write_text(MANIFEST)
    assert mai("batch", "assets.toml").code == 0
    assert mai("history", "prune", "--keep", "0", "--yes").code == 0
    assert pictures(home) == set()
    assert mai("batch", "assets.toml", "--check").code == 0
    assert mai("batch", "assets.toml").code == 0
    assert len(foundry.received) == 1


@pytest.mark.parametrize("command", [["prune", "--keep", "0"], ["remove"]])
@pytest.mark.parametrize(
    "way",
    ["up", "absolute", "link", "changed", "other gallery", "folder"],
)
def test_a_file_that_is_not_of_the_gallery_stays(upkeep, home, tmp_path, command, way):
    state = drawn(home, 0)
    gallery = home / "gallery"
    theirs = tmp_path / "thesis" / "thesis.txt"
    theirs.parent.mkdir()
    theirs.write_bytes(b"years of work")
    digest = hashlib.sha256(b"years of work").hexdigest()
    master = state["master"] | {"sha256": digest}
    (gallery / "elsewhere").symlink_to(theirs.parent)
    match way:
        case "up":
            master["path"] = "2026/../../../thesis/thesis.txt"
        case "absolute":
            master["path"] = str(theirs)
        case "link":
            master["path"] = "elsewhere/thesis.txt"
        case "changed":
            theirs = gallery / master["path"]
        case "other gallery":
            master |= {"gallery": str(theirs.parent), "path": "thesis.txt"}
        case "folder":
            master["path"] = "2026"
    before = theirs.read_bytes()
    remember(home, [state | {"master": master}])
    args = [*command, state["id"], "--yes"] if command == ["remove"] else [*command, "--yes"]
    result = upkeep(*args)
    assert "Traceback" not in result.err
    assert theirs.read_bytes() == before
    assert result.code in (0, 2, 7)
    assert result.err.splitlines()[:-1]  # why is told


# Stops and others.


class Pruned:
    """A history with many pictures, to be pruned and killed, as often as is wanted."""

    def __init__(self, home: Path, env: dict[str, str], number: int) -> None:
        self.home = home
        self.env = env
        self.kept = number // 2
        self.states = [drawn(home, one) for one in range(number)]
        self.files = [home / "gallery" / state["master"]["path"] for state in self.states]
        self.content = [path.read_bytes() for path in self.files]
        self.kills = 0

    def restore(self) -> None:
        for path, content in zip(self.files, self.content, strict=True):
            path.write_bytes(content)
        remember(self.home, self.states)

    def start(self) -> subprocess.Popen:
        return subprocess.Popen(
            [*MAI, "history", "prune", "--keep", str(self.kept), "--yes"],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self, dice: random.Random) -> None:
        """Kill a prune: at any moment, or while pictures go, or once they are all gone."""
        self.restore()
        old = (self.home / "history.jsonl").read_bytes()
        kept = self.states[-self.kept :]
        new = "".join(line for state in kept for line in lines_of(state)).encode()
        process = self.start()
        match dice.randrange(4):
            case 0:
                time.sleep(dice.uniform(0.0, 0.4))
            case 1:
                self.wait_for(process, self.files[-self.kept - 1])
                time.sleep(dice.uniform(0.0, 0.02))
            case _:
                self.wait_for(process, self.files[0])  # the last to go
                time.sleep(dice.choice([0.0, 0.001, 0.005, 0.02]))
        process.kill()
        self.kills += process.wait() != 0
        left = (self.home / "history.jsonl").read_bytes()
        assert left in (old, new)
        assert all(path.exists() for path in self.files[-self.kept :])
        if left == new:
            assert not any(path.exists() for path in self.files[: -self.kept])

    def wait_for(self, process: subprocess.Popen, file: Path) -> None:
        """Wait until ``file`` is gone."""
        while file.exists() and process.poll() is None:
            time.sleep(0.0005)

    def finish(self) -> None:
        """What was killed is simply started again."""
        assert self.start().wait() == 0
        assert [path.exists() for path in self.files].count(True) == self.kept
        names = {path.name for path in self.home.iterdir()}
        assert {name for name in names if name.startswith("history.jsonl.")} <= {
            "history.jsonl.lock"
        }


def campaign(home: Path, env: dict[str, str], kills: int, number: int) -> None:
    pruned = Pruned(home, env, number)
    dice = random.Random(7)
    for _ in range(kills):
        pruned.kill(dice)
    pruned.finish()
    assert pruned.kills > kills // 4


@pytest.mark.slow
def test_pruning_that_is_killed_leaves_the_old_or_the_new_history(bare, home):
    campaign(home, bare, 20, 80)


@pytest.mark.slow
def test_pruning_that_is_killed_often_leaves_the_old_or_the_new_history(bare, home):
    campaign(home, bare, 300, 500)


def test_what_others_add_while_it_is_pruned_is_not_lost(bare, home, tmp_path, history):
    states = [drawn(home, number) for number in range(300)]
    remember(home, states)
    offline = bare | {"MAI_OFFLINE": "1"}
    commands = [
        *(["generate", f"new {number}", "-q", "-n", "2", "-s", "768x768"] for number in range(3)),
        ["history", "prune", "--older-than", "1d", "--yes"],
        ["history", "tag", states[0]["id"], "+late"],
        ["history", "prune", "--older-than", "1d", "--yes"],
    ]
    processes = [
        subprocess.Popen(
            [*MAI, *args],
            env=offline,
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        for args in commands
    ]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    codes = [process.returncode for process in processes]
    assert [code for code in codes if code] in ([], [2]), errors  # it was gone before its tag came
    left = [state for state in history().values() if state["id"] != states[0]["id"]]
    assert sorted(state["prompt"] for state in left) == [
        f"new {number}" for number in (0, 0, 1, 1, 2, 2)
    ]
    assert {state["status"] for state in left} == {"ok"}
