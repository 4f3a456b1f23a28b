"""What ``mai batch`` says, to whom, and how it ends: streams, JSON, exit codes, reports."""

import json
import random
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests import schemas
from tests.conftest import MAI, Result
from tests.emulator import BUSY, FILTERED, KEY, LOST, Answer, Emulator, error, picture, png

SMALL = "768x768"
NAMES = ("ant", "bee", "cat", "dog")
PRICE = (1 * 5 + 576 * 38) / 1e6
BLOCKED = error(403, "x", "Your resource is temporarily blocked.")
WRONG_KEY = error(401, "401", "Access denied due to invalid subscription key.")
NO_DEPLOYMENT = error(404, "DeploymentNotFound", "The deployment does not exist.")
DOWN = error(503, "x", "down", Retry_After="0")


def manifest(*names: str) -> str:
    return "".join(
        f'[[assets]]\nname = "{name}"\nprompt = "{name}"\noutput = "{name}.png"\n' for name in names
    )


FOUR = manifest(*NAMES)


@pytest.fixture
def batch(mai, tmp_path):
    """Run the manifest of the test, which is written where it is given."""

    def batch(*args: str, text: str = "", **more: str) -> Result:
        if text:
            (tmp_path / "assets.toml").write_text(text)
        return mai("batch", "assets.toml", *args, **{"MAI_SIZE": SMALL} | more)

    return batch


def counted(summary: dict) -> dict[str, int]:
    return {name: count for name, count in summary["counts"].items() if count}


def test_stdout_has_the_files_and_stderr_the_rest(batch, tmp_path):
    result = batch("-j", "1", text=FOUR)

    *lines, made, cost, seconds = result.err.splitlines()
    assert sorted(result.lines) == [str(tmp_path / f"{name}.png") for name in NAMES]
    assert sorted(line.rpartition(", ")[0] for line in lines) == [
        f"{name}: made, $0.02" for name in NAMES
    ]
    assert (made, cost) == ("made        4", "cost        about $0.09")
    assert seconds.startswith("time        ")


def test_quiet_leaves_the_files_and_what_went_wrong(batch, foundry, tmp_path):
    foundry.will(FILTERED)
    first = batch("-j", "1", "-q", text=FOUR)
    second = batch("-q")

    assert sorted(first.lines) == [str(tmp_path / f"{name}.png") for name in NAMES[1:]]
    assert first.err.splitlines() == [
        (
            "Error: ant: refused: The content filter declined it: Response content blocked by "
            "label 'MultiSeverity_ViolenceScore'."
        ),
        "Change the prompt; a shorter one often passes.",
    ]
    assert (second.code, second.err, second.lines) == (0, "", [str(tmp_path / "ant.png")])


def test_json_is_a_record_for_each_asset_and_a_summary_at_the_end(
    batch, foundry, history, tmp_path
):
    foundry.will(FILTERED)
    result = batch("-j", "1", "--json", text=FOUR.replace('"bee"\np', '"bee"\nalt = "A bee"\np'))

    *records, summary = result.objects
    assert result.code == 11
    records.sort(key=lambda record: record["batch"]["asset"])
    summary["assets"].sort(key=lambda asset: asset["name"])
    assert records == list(history().values())
    assert [record["schema"] for record in records] == ["mai/record/1"] * 4
    assert [record["status"] for record in records] == ["refused", "ok", "ok", "ok"]
    assert [record["batch"]["asset"] for record in records] == list(NAMES)
    refusal = records[0]["error"]
    assert summary["seconds"] > 0
    assert summary == {
        "schema": "mai/summary/1",
        "manifest": "assets.toml",
        "counts": {
            "made": 3,
            "restored": 0,
            "up_to_date": 0,
            "refused": 1,
            "failed": 0,
            "unknown": 0,
            "not_sent": 0,
        },
        "left_over": 0,
        "cost_usd": pytest.approx(3 * PRICE),
        "cost_is_whole": True,
        "seconds": summary["seconds"],
        "exit_code": 11,
        "assets": [
            {"name": "ant", "result": "refused", "outputs": [], "alt": None, "error": refusal},
            *(
                {
                    "name": name,
                    "result": "made",
                    "outputs": [str(tmp_path / f"{name}.png")],
                    "alt": "A bee" if name == "bee" else None,
                    "error": None,
                }
                for name in NAMES[1:]
            ),
        ],
    }


@pytest.mark.parametrize("args", [[], ["--json"]])
def test_each_file_is_told_as_soon_as_it_is_there(env, foundry, tmp_path, args):
    (tmp_path / "assets.toml").write_text(FOUR)
    may_end = threading.Event()
    drawn = picture(png(768, 768)).body
    foundry.will(Answer(200, drawn))
    foundry.always(Answer(200, drawn, before=lambda: may_end.wait(30)))
    process = subprocess.Popen(
        [*MAI, "batch", "assets.toml", "-j", "1", *args],
        env=env | {"MAI_SIZE": SMALL},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    first = process.stdout.readline().decode()
    is_at_work = process.poll() is None
    may_end.set()
    rest, _ = process.communicate(timeout=60)

    if args:
        schemas.hold_lines([first, *rest.splitlines()])
        assert json.loads(first)["exports"][0]["path"] == str(tmp_path / "ant.png")
    else:
        assert first == f"{tmp_path / 'ant.png'}\n"
    assert is_at_work
    assert len(rest.splitlines()) == 3 + len(args)


ONE = '[[assets]]\nname = "ant"\nprompt = "ant"\noutput = "ant.png"\n'
TOO_HIGH = '{ path = "ant.webp", max_kb = 1 }'
CODES = {
    0: ([], ONE, {}, []),
    2: ([], f"{ONE}outputs = []\n", {}, []),
    3: ([], ONE, {"MAI_ENDPOINT": ""}, []),
    4: ([], ONE, {}, [WRONG_KEY] * 4),
    5: ([], ONE, {}, [FILTERED]),
    6: ([], ONE, {}, [DOWN] * 9),
    7: ([], ONE.replace('"ant.png"', TOO_HIGH), {}, []),
    8: ([], ONE, {}, [LOST]),
    9: (["--max-cost", "0.001"], ONE, {}, []),
    10: (["--check"], ONE, {}, []),
    11: ([], ONE + ONE.replace("ant", "bee"), {}, [FILTERED]),
}


@pytest.mark.parametrize("code", CODES)
def test_the_exit_code_says_what_happened(batch, foundry, code):
    args, text, more, answers = CODES[code]
    if code == 7:
        rows = b"".join(b"\0" + random.Random(n).randbytes(768) for n in range(768))
        foundry.will(picture(png(768, 768, rows=rows)))
    foundry.will(*answers)
    result = batch(*args, "--json", text=text, **more)

    assert result.code == code, result.err
    last = result.objects[-1]
    if "exit_code" in last:
        assert last["exit_code"] == code
    elif code != 10:
        assert last["error"]["exit_code"] == code
    assert "Traceback" not in result.err


def test_failures_of_two_kinds_are_partial(batch, foundry):
    foundry.will(FILTERED, LOST)
    result = batch("-j", "1", "--json", text=manifest("ant", "bee"))

    assert (result.code, counted(result.objects[-1])) == (11, {"refused": 1, "unknown": 1})


def test_every_asset_gets_its_chance_unless_told_otherwise(batch, foundry):
    foundry.will(NO_DEPLOYMENT)
    fast = batch("-j", "1", "--fail-fast", "--json", text=FOUR)
    foundry.will(NO_DEPLOYMENT)
    patient = batch("-j", "1", "--json")

    assert (fast.code, counted(fast.objects[-1])) == (5, {"refused": 1, "not_sent": 3})
    assert "Nothing more is sent, as --fail-fast says." in fast.err.splitlines()
    assert (patient.code, counted(patient.objects[-1])) == (11, {"refused": 1, "made": 3})


def test_five_refusals_of_the_filter_in_a_row_stop_it(batch, foundry):
    foundry.will(FILTERED, FILTERED, picture(png(768, 768)))
    foundry.always(FILTERED)
    result = batch("-j", "1", "--json", text=manifest(*(f"a{n}" for n in range(20))))

    assert (result.code, len(foundry.received)) == (11, 8)
    assert counted(result.objects[-1]) == {"made": 1, "refused": 7, "not_sent": 12}
    assert (
        "Nothing more is sent: going on could lock the resource for days."
        in result.err.splitlines()
    )


def test_a_blocked_resource_stops_it_at_once(batch, foundry):
    foundry.always(BLOCKED)
    result = batch("-j", "1", "--json", text=FOUR)

    assert (result.code, len(foundry.received)) == (5, 1)
    assert counted(result.objects[-1]) == {"refused": 1, "not_sent": 3}


def test_a_quota_that_is_used_up_is_waited_for(batch, foundry):
    foundry.will(*[BUSY] * 3)
    result = batch("--json", text=FOUR)

    assert (result.code, counted(result.objects[-1])) == (0, {"made": 4})
    assert len(foundry.received) == 7


def test_what_hundreds_have_in_common_is_said_once(batch, foundry):
    foundry.always(NO_DEPLOYMENT)
    result = batch(text=FOUR)

    assert result.err.count("There is no such deployment: The deployment does not exist.") == 1
    assert result.err.count(": refused, for the same reason") == 3
    assert result.err.count("Name one that exists with --deployment") == 1


def test_no_more_are_in_flight_than_asked_for(batch, foundry):
    in_flight, most = 0, 0
    guard = threading.Lock()

    def meet() -> None:
        nonlocal in_flight, most
        with guard:
            in_flight += 1
            most = max(most, in_flight)
        threading.Event().wait(0.3)
        with guard:
            in_flight -= 1

    foundry.always(Answer(200, picture(png(768, 768)).body, before=meet))
    result = batch("-j", "2", text=FOUR)

    assert (result.code, most) == (0, 2)


def test_a_quota_that_is_given_spaces_the_starts(batch, foundry):
    result = batch("--rpm", "75", text=manifest("ant", "bee", "cat"))

    starts = [served.arrived_at for served in foundry.served]
    assert result.code == 0
    assert starts[2] - starts[0] > 0.8  # two times 0.8 s, less what the first may be late


@pytest.mark.parametrize("args", [[], ["--json"]])
def test_a_closed_pipe_ends_it_quietly(foundry, env, tmp_path, history, args):
    (tmp_path / "assets.toml").write_text(manifest(*(f"a{n}" for n in range(8))))
    foundry.latency = 0.5
    done = subprocess.run(
        f"{MAI[0]} batch assets.toml -j 1 {' '.join(args)} | true; echo ${{PIPESTATUS[0]}}",
        env=env | {"MAI_SIZE": SMALL},
        cwd=tmp_path,
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == b"141\n"
    assert b"Traceback" not in done.stderr
    assert len(foundry.received) < 8


def test_a_closed_pipe_loses_no_picture_that_is_in_flight(foundry, env, tmp_path, history):
    (tmp_path / "assets.toml").write_text(FOUR)
    ends = threading.Barrier(4)
    drawn = picture(png(768, 768)).body
    foundry.will(*[Answer(200, drawn, before=ends.wait)] * 3)
    foundry.will(Answer(200, drawn, before=lambda: (ends.wait(), threading.Event().wait(0.7))))
    subprocess.run(
        f"{MAI[0]} batch assets.toml | true",
        env=env | {"MAI_SIZE": SMALL},
        cwd=tmp_path,
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert [record["status"] for record in history().values()] == ["ok"] * 4


def test_a_full_disk_behind_stdout_is_told_and_loses_no_picture_that_is_in_flight(
    foundry, env, tmp_path, history
):
    (tmp_path / "assets.toml").write_text(FOUR)
    is_told = threading.Event()
    drawn = picture(png(768, 768)).body
    foundry.will(Answer(200, drawn))
    foundry.always(Answer(200, drawn, before=lambda: is_told.wait(30)))
    with Path("/dev/full").open("wb") as full:
        process = subprocess.Popen(
            [*MAI, "batch", "assets.toml"],
            env=env | {"MAI_SIZE": SMALL},
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
        )
        first = process.stderr.readline().decode()
        time.sleep(0.5)
        is_told.set()
        _, rest = process.communicate(timeout=60)

    assert first == "Error: Standard output cannot be written: No space left on device.\n"
    assert process.returncode in (7, 11)
    assert b"Traceback" not in rest
    assert "made        4" in rest.decode().splitlines()
    assert [record["status"] for record in history().values()] == ["ok"] * 4


@pytest.mark.parametrize("args", [[], ["--json"], ["-q"]])
def test_where_stdout_takes_nothing_no_more_is_sent_and_what_was_drawn_counts(
    foundry, env, tmp_path, history, args
):
    names = [f"a{number}" for number in range(12)]
    (tmp_path / "assets.toml").write_text(manifest(*names))
    foundry.latency = 0.2
    foundry.jitter = 0.2
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*MAI, "batch", "assets.toml", "-j", "3", "--junit", "mai.xml", *args],
            env=env | {"MAI_SIZE": SMALL},
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )

    drawn = len(foundry.served)
    lines = done.stderr.decode().splitlines()
    assert done.returncode in (7, 11)
    assert lines.count("Error: Standard output cannot be written: No space left on device.") == 1
    assert 0 < drawn <= 6  # three, and whose turn came before it was known
    assert len(history()) == len(list(tmp_path.glob("*.png"))) == drawn
    assert len(json.loads((tmp_path / "assets.lock.json").read_text())["assets"]) == drawn
    suite = ET.parse(tmp_path / "mai.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("skipped")) == ("12", f"{12 - drawn}")
    if not args:
        assert f"made        {drawn}" in lines
        assert f"not sent    {12 - drawn}" in lines


def test_nobody_at_the_other_end_of_stderr_changes_nothing(foundry, env, tmp_path):
    (tmp_path / "assets.toml").write_text(FOUR)
    done = subprocess.run(
        f"{MAI[0]} batch assets.toml 2>&-",
        env=env | {"MAI_SIZE": SMALL},
        cwd=tmp_path,
        shell=True,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, len(done.stdout.splitlines())) == (0, 4)


def test_names_from_outside_do_not_act_on_the_terminal(batch, foundry):
    foundry.will(error(400, "bad", "\x1b]0;owned\x07"))
    result = batch("-j", "1", text=manifest("ant", "\u202egnp.exe"))

    assert "\x1b" not in result.err
    assert "\u202e" not in result.err
    assert result.code == 2 or "\\x1b]0;owned\\x07" in result.err


def test_a_report_for_junit(batch, foundry, tmp_path):
    foundry.will(FILTERED, LOST)
    result = batch("-j", "1", "--junit", "reports/mai.xml", "--max-images", "2", text=FOUR)

    root = ET.parse(tmp_path / "reports" / "mai.xml").getroot()
    suite = root[0]
    assert result.code == 11
    assert (root.tag, suite.get("name")) == ("testsuites", "assets.toml")
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "2", "errors": "0", "skipped": "1"}
    cases = {case.get("name"): case for case in suite.iter("testcase")}
    assert {name: [child.tag for child in case] for name, case in cases.items()} == {
        "ant": ["failure"],
        "bee": ["failure"],
        "cat": [],
        "dog": ["skipped"],
    }
    assert cases["ant"][0].get("type") == "content_filter"
    assert cases["bee"][0].get("type") == "lost_answer"


def test_a_report_of_a_check_for_junit(batch, tmp_path):
    stale = batch("--check", "--junit", "mai.xml", text=ONE)
    refused = batch("--check", "--junit", "assets.toml")

    (case,) = ET.parse(tmp_path / "mai.xml").getroot().iter("testcase")
    assert (stale.code, case.get("name"), case[0].tag) == (10, "ant", "failure")
    assert (refused.code, (tmp_path / "assets.toml").read_text()) == (2, ONE)


def test_an_older_report_is_replaced(batch, tmp_path):
    for names in (NAMES, NAMES[:1]):
        batch("--junit", "mai.xml", "--force", text=manifest(*names))

    cases = ET.parse(tmp_path / "mai.xml").getroot().iter("testcase")
    assert [case.get("name") for case in cases] == ["ant"]


@pytest.mark.parametrize(
    "place",
    ["assets.toml", "report", "ant.png", "folder", "folder.xml", "mine.xml", "file/mai.xml"],
)
def test_a_report_that_would_destroy_something_is_refused_before_anything_is_sent(
    batch, foundry, tmp_path, place
):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "mine.xml").write_text("<mine/>")
    result = batch("--junit", place, text=FOUR)

    assert (result.code, result.out, foundry.received) == (2, b"", [])
    assert f"Error: The JUnit report {place} " in result.err
    assert (tmp_path / "assets.toml").read_text() == FOUR
    assert (tmp_path / "mine.xml").read_text() == "<mine/>"
    assert {path.name for path in tmp_path.iterdir()} == {
        *("home", "assets.toml", "folder", "folder.xml", "file", "mine.xml")
    }


def test_a_report_that_cannot_be_written_is_told_and_loses_nothing(batch, foundry, tmp_path):
    report = tmp_path / "mai.xml"
    foundry.will(Answer(200, picture(png(768, 768)).body, before=report.mkdir))
    result = batch("--junit", "mai.xml", "-j", "1", text=FOUR)

    assert (result.code, len(result.lines)) == (7, 4)
    assert "Error: The JUnit report mai.xml cannot be written: " in result.err


def github(tmp_path: Path) -> dict[str, str]:
    return {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}


def test_github_gets_annotations_and_a_summary(batch, foundry, tmp_path):
    foundry.will(FILTERED)
    result = batch("-j", "1", "-q", text=FOUR, **github(tmp_path))

    annotation = (
        "::error title=ant%3A refused::The content filter declined it: Response content blocked "
        "by label 'MultiSeverity_ViolenceScore'. Change the prompt; a shorter one often passes."
    )
    assert result.code == 11
    assert annotation in result.err.splitlines()
    assert "::error" not in result.out.decode()
    lines = (tmp_path / "summary.md").read_text().splitlines()
    assert "## mai batch assets.toml" in lines
    assert "| made | 3 |" in lines
    assert "| refused | 1 |" in lines
    assert [line for line in lines if line.startswith("| ant | refused | ")]


def test_github_is_told_what_is_not_up_to_date(batch, tmp_path):
    result = batch("--check", text=manifest("ant", "a|b"), **github(tmp_path))

    assert result.code == 10
    silence, voice, *told = result.err.splitlines()
    token = silence.removeprefix("::stop-commands::")
    assert (len(token), voice) == (32, f"::{token}::")
    assert told == [
        "::error title=assets.toml::ant is new",
        "::error title=assets.toml::a|b is new",
    ]
    summary = (tmp_path / "summary.md").read_text()
    assert "| new | 2 |" in summary
    assert "| a&#124;b | new |  |" in summary


@pytest.mark.parametrize(
    ("args", "text", "code"),
    [
        (["--dry-run"], ONE, 0),
        ([], "[[assets]]\n::error::obey\n", 2),
        (["-p", "gone"], ONE, 2),
    ],
)
def test_github_listens_again_whatever_ends_it(batch, tmp_path, args, text, code):
    result = batch(*args, text=text, **github(tmp_path))

    silence, *said, voice = result.err.splitlines()
    assert result.code == code
    assert voice == f"::{silence.removeprefix('::stop-commands::')}::"
    assert voice not in said


def test_a_summary_of_github_that_cannot_be_written_is_said_once(batch, tmp_path):
    more = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "such")}
    result = batch(text=ONE, **more)

    (told,) = [line for line in result.err.splitlines() if "summary" in line]
    assert result.code == 0
    assert told.count("written") == 1
    assert told.endswith(": No such file or directory.")


PROFILES = """
[profiles.one]
endpoint = "{one}"
deployment = "mai-image-26"
[profiles.two]
endpoint = "{two}"
deployment = "mai-image-26"
"""
TWELVE = manifest(*(f"a{n}" for n in range(12)))


@pytest.fixture
def two(run, bare, home, tmp_path):
    """A second resource, and a run of twelve assets that both share."""
    with Emulator() as second:

        def both(first: Emulator, *args: str) -> Result:
            home.mkdir(exist_ok=True)
            (home / "config.toml").write_text(PROFILES.format(one=first.url, two=second.url))
            (tmp_path / "assets.toml").write_text(TWELVE)
            env = bare | {"MAI_API_KEY": KEY, "MAI_SIZE": SMALL}
            return run(env, "batch", "assets.toml", "-p", "one", "-p", "two", "--json", *args)

        second.both = both
        yield second


def test_several_profiles_share_the_work(two, foundry, history):
    foundry.latency = two.latency = 0.2
    result = two.both(foundry, "-j", "4")

    summary = result.objects[-1]
    assert (result.code, counted(summary)) == (0, {"made": 12})
    assert len(foundry.received) + len(two.received) == 12
    assert foundry.received
    assert two.received
    assert {record["profile"] for record in history().values()} == {"one", "two"}
    assert {record["endpoint"] for record in history().values()} == {foundry.url, two.url}
    assert two.both(foundry, "--check").code == 0


def test_a_profile_that_is_not_let_in_does_not_stop_the_other(two, foundry):
    foundry.latency = 0.05
    two.always(WRONG_KEY)
    first = two.both(foundry, "-j", "4")
    second = two.both(foundry, "-j", "4")

    assert (first.code, counted(first.objects[-1])) == (0, {"made": 12})
    assert first.err.count("The credential was not accepted") == 1
    assert first.err.count("The other profiles take over.") == 1
    assert second.objects[-1]["counts"]["up_to_date"] == 12
    assert len(foundry.received) == 12


def test_a_profile_whose_quota_is_used_up_leaves_the_work_to_the_other(two, foundry):
    two.always(error(429, "RateLimitReached", "busy", Retry_After="3600"))
    result = two.both(foundry, "-j", "4")

    counts = counted(result.objects[-1])
    assert counts["made"] >= 1
    assert len(foundry.received) == counts["made"]


def test_profiles_that_keep_their_history_apart_are_refused(batch, foundry, home):
    home.mkdir()
    (home / "config.toml").write_text('[profiles.a]\n[profiles.b]\nhistory = "b.jsonl"\n')
    result = batch("-p", "a", "-p", "b", "--json", text=TWELVE)

    assert (result.code, foundry.received) == (3, [])
    assert result.objects[-1]["error"]["code"] == "bad_setting"
    assert not (home / "b.jsonl").exists()


def test_a_batch_is_private_if_any_of_its_profiles_is(batch, foundry, home, history):
    home.mkdir()
    (home / "config.toml").write_text("[profiles.a]\n[profiles.b]\nprivate = true\n")
    result = batch("-p", "a", "-p", "b", text=manifest("fox"))

    assert result.code == 0
    assert [record["prompt"] for record in history().values()] == [None]


def test_an_unknown_profile_is_named_before_anything_is_sent(two, foundry):
    result = two.both(foundry, "-p", "three")

    assert (result.code, foundry.received, two.received) == (2, [], [])
    assert "three" in result.err


def test_the_help_shows_examples_first_and_fits_the_screen(run, bare):
    result = run(bare, "batch", "--help")

    lines = result.lines
    assert (result.code, result.err) == (0, "")
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert text.index("mai batch assets.toml --check") < text.index("--only PATTERN")
    for option in (
        *("--format", "--check", "--dry-run", "--only", "--force", "--adopt", "--prune"),
        *("--shard", "--allow-outside", "--junit", "--profile", "--concurrency", "--rpm"),
        *("--max-cost", "--max-images", "--fail-fast", "--retry-lost", "--json", "--quiet"),
    ):
        assert option in text
