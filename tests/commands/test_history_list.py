"""The newest records, those that are meant, in a pipe and for a person."""

import json
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.commands.records import drawn, lines_of, record, remember, unmade, written
from tests.conftest import MAI, Result, Run
from tests.emulator import Emulator
from tests.terminals import Terminal
from tests.test_start import HEAVY, loaded

NAMES = ["list", "search", "show", "open", "preview", "rerun", "export", "gallery", "stats", "tag"]
UPKEEP = ["verify", "recover", "remove", "prune"]
ODD = [
    "a fox\nin two\r\nlines\tand a tab",
    "\x1b[31mred\x1b[0m \x07\x9b2J",
    "\u202ereversed\u2066 \u200fmarks",
    "日本の灯台、夜明け前の静かな海、遠くに一隻の船、柔らかい光、長い影、三十五ミリ",
    "🦊🦊🦊 a fox 👩‍🚀👩‍🚀 and 🏳️‍🌈 flags 🇩🇪🇫🇷 everywhere, and more 🦊🦊🦊🦊🦊🦊🦊🦊🦊🦊",
    "e\u0301\u0302\u0303" * 60,
    "line\u2028separators\u2029and\x85next\x0b\x0c\x1c",
    "word " * 1000,
    "x" * 5000,
    "",
    "   ",
]

Ids = Callable[..., list[str]]


@pytest.fixture
def shown(run: Run, bare: dict[str, str]) -> Ids:
    """The prompts that are listed."""

    def shown(*args: str, **more: str) -> list[str]:
        result = run(bare | {"TZ": "UTC"} | more, "history", *args, "--json")
        assert (result.code, result.err.replace("No record.\n", "")) == (0, "")
        return [state["prompt"] for state in result.objects]

    return shown


def cells_of(result: Result) -> list[list[str]]:
    return [line.split("\t") for line in result.out.decode().split("\n")[:-1]]


def test_the_newest_come_first_and_so_many_as_are_asked_for(run, bare, home, shown):
    remember(home, [record(number) for number in range(30)])
    newest = [f"picture {number}" for number in range(29, -1, -1)]
    assert shown("list") == newest[:20]
    assert shown("list", "-n", "3") == newest[:3]
    assert shown("list", "--all") == newest
    assert [cells[-1] for cells in cells_of(run(bare, "history", "list", "-n", "99"))] == newest
    assert run(bare, "history", "list", "-n", "-1").code == 2


def test_one_that_was_tagged_later_keeps_its_place(run, bare, home, shown):
    remember(home, [record(number) for number in range(3)])
    assert run(bare, "history", "tag", "last~2", "+late").code == 0
    assert shown("list") == ["picture 2", "picture 1", "picture 0"]


ASSET = {"manifest": "/work/site/assets.toml", "asset": "hero", "request": "0" * 64}
SEVERAL = [
    record(0, prompt="a red fox", tags=["hero", "site"], batch=ASSET),
    record(1, prompt="a Red hare", model="MAI-Image-2", deployment="old", tags=["hero"]),
    unmade(2, "refused", prompt="a fox", batch=ASSET | {"asset": "thumb"}),
    unmade(3, "unknown", prompt="a boat"),
    record(4, prompt=None, deployment="pics", model=None),
    unmade(5, "failed", prompt="ein FUCHS über Bäumen"),
    record(6, status="removed", prompt="a fox that is gone", tags=["site"]),
]


@pytest.mark.parametrize(
    ("args", "numbers"),
    [
        (["--status", "ok"], [4, 1, 0]),
        (["--status", "refused", "--status", "failed"], [5, 2]),
        (["--tag", "hero"], [1, 0]),
        (["--tag", "hero", "--tag", "site"], [0]),
        (["--tag", "her"], []),
        (["--model", "mai-image-2.6"], [6, 5, 3, 2, 0]),
        (["--model", "pics", "--model", "OLD"], [4, 1]),
        (["--batch", "assets.toml"], [2, 0]),
        (["--batch", "/work/site/assets.toml", "--status", "ok"], [0]),
        (["--batch", "thumb"], [2]),
        (["--search", "fox"], [6, 2, 0]),
        (["--search", "FOX red"], [0]),
        (["--search", "BÄUM fuchs"], [5]),
        (["--search", "fox", "--status", "ok", "--tag", "site", "--model", "2.6"], [0]),
        (["--status", "ok", "-n", "2"], [4, 1]),
        (["--since", "2026-11-01", "--until", "2026-11-01T12:02:00Z"], [1, 0]),
        (["--until", "2026-10"], []),
        (["--since", "2026-11", "--until", "2026-11-01", "--tag", "site"], [6, 0]),
    ],
)
def test_filters_combine(home, shown, args, numbers):
    remember(home, SEVERAL)
    assert shown("list", *args) == [SEVERAL[number]["prompt"] for number in numbers]


def test_words_are_searched_in_any_order_and_the_newest_comes_first(run, bare, home, shown):
    remember(home, SEVERAL)
    assert shown("search", "that FOX") == ["a fox that is gone"]
    assert shown("search", "fox", "--status", "refused", "--status", "ok") == ["a fox", "a red fox"]
    assert shown("search", "fox", "-n", "1") == ["a fox that is gone"]
    nothing = run(bare, "history", "search", "private")
    assert (nothing.code, nothing.out, nothing.err) == (0, b"", "No record.\n")


def test_a_search_finds_the_newest_state_however_its_line_is_written(run, bare, tmp_path):
    offline = bare | {"MAI_OFFLINE": "1"}
    name = b"caf\xe9.png".decode(errors="surrogateescape")  # its line cannot be in UTF-8
    assert run(offline, "generate", "日本 lighthouse", "-q", "-o", name).code == 0
    assert run(offline, "history", "tag", "last", "+hero").code == 0
    newest = run(bare, "history", "show", "last", "--json").objects
    assert run(bare, "history", "search", "日本", "--json").objects == newest


def test_dates_are_written_as_people_write_them(home, shown):
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    moments = {
        "long ago": now - timedelta(days=100),
        "last week": now - timedelta(days=8),
        "six days ago": now - timedelta(days=6),
        "the day before": midnight - timedelta(days=1, seconds=1),
        "yesterday": midnight - timedelta(hours=12),
        "now": now,
    }
    remember(
        home,
        [
            record(number, prompt=prompt, created_at=written(moment))
            for number, (prompt, moment) in enumerate(moments.items())
        ],
    )
    newest = [*moments][::-1]
    assert shown("list", "--since", "yesterday") == newest[:2]
    assert shown("list", "--since", "yesterday", "--until", "Yesterday") == ["yesterday"]
    assert shown("list", "--since", "today") == ["now"]
    assert shown("list", "--since", "7d") == newest[:4]
    assert shown("list", "--since", "2w", "--until", "7d") == ["last week"]
    assert shown("list", "--until", "3m") == ["long ago"]
    day = f"{moments['long ago']:%Y-%m-%d}"
    assert shown("list", "--since", day, "--until", day) == ["long ago"]


@pytest.mark.parametrize("option", ["--since", "--until"])
@pytest.mark.parametrize("text", ["tomorrow", "2026-13", "2026-02-30", "7", "99999y", "x", "7 d x"])
def test_what_is_no_date_is_refused(run, bare, option, text):
    result = run(bare, "history", "list", option, text)
    assert (result.code, result.out) == (2, b"")
    assert result.err.startswith(f"Error: {option}: '{text}' is no date.\n")


def test_a_day_begins_when_the_clock_on_the_wall_says_so_in_summer_and_winter(home, shown):
    nights = ["2026-01-14T23:30:00.000Z", "2026-07-14T22:30:00.000Z"]  # half an hour into the 15th
    remember(home, [record(n, prompt=night, created_at=night) for n, night in enumerate(nights)])
    for month, night in zip(["01", "07"], nights, strict=True):
        day = f"2026-{month}-15"
        assert shown("list", "--since", day, "--until", day, TZ="Europe/Berlin") == [night]


def test_as_json_each_line_is_a_line_of_the_history(run, bare, home):
    remember(home, SEVERAL)
    result = run(bare, "history", "list", "--json")
    assert result.objects == SEVERAL[::-1]
    assert [state["schema"] for state in result.objects] == ["mai/record/1"] * len(SEVERAL)


def test_in_a_pipe_there_are_tabs_and_whole_prompts_a_line_each(run, bare, home):
    remember(home, [record(number, prompt=prompt) for number, prompt in enumerate(ODD)])
    result = run(bare, "history", "list", "--all")
    cells = cells_of(result)
    assert result.err == ""
    assert [len(line) for line in cells] == [7] * len(ODD)
    assert cells[-1] == [
        record(0)["id"],
        "2026-11-01T12:00:00.000Z",
        "ok",
        "MAI-Image-2.6",
        "0.04",
        "/nowhere/gallery/2026/11/0.png",
        "a fox in two lines and a tab",
    ]
    prompts = [line[-1] for line in cells[::-1]]
    assert prompts[3:6] == ODD[3:6]
    assert prompts[7:9] == [ODD[7].strip(), ODD[8]]
    text = result.out.decode()
    assert not set(text) & {*"\x1b\x07\x9b\u202e\u2066\u200f\u2028\u2029\x85\x0b\r"}


def test_what_is_not_known_is_an_empty_cell(run, bare, home):
    remember(home, [unmade(0, "refused"), record(1, prompt=None, model=None, deployment="pics")])
    private, refused = cells_of(run(bare, "history", "list"))
    assert refused[2:6] == ["refused", "MAI-Image-2.6", "", ""]
    assert (private[3], private[6]) == ("pics", "(private)")


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("command", [["list"], ["search", "picture"]])
def test_on_a_terminal_no_line_is_wider(bare, home, columns, command):
    prompts = [f"picture {prompt}"[:9999] for prompt in ODD]
    wide = [f"picture {'x' * number}日🦊" for number in range(60)]  # some end on the edge
    states = [record(number, prompt=text) for number, text in enumerate([*prompts, *wide])]
    remember(home, states)
    with Terminal(
        [*MAI, "history", *command, "--all"], bare | {"TZ": "UTC"}, columns=columns, rows=120
    ) as terminal:
        assert terminal.leaves() == 0
        lines = terminal.lines
    assert [line[:12] for line in lines] == [state["id"] for state in states[::-1]]
    assert b"\x1b" not in terminal.raw
    assert "\u202e" not in terminal.raw.decode()
    head = f"{states[0]['id']}  2026-11-01 12:00  ok           $0.04  picture a fox"
    assert lines[-1].startswith(head[: columns - 3])
    longest = next(line for line in lines if line.startswith(states[8]["id"]))
    assert len(longest) == columns
    assert longest.endswith("...")


def test_a_person_is_told_that_there_is_more(bare, home):
    remember(home, [record(number) for number in range(30)])
    for args, notes in (
        (["-n", "2"], ["The newest 2 records; --all shows every one."]),
        (["-n", "30"], []),
    ):
        with Terminal([*MAI, "history", "list", *args], bare, rows=60) as terminal:
            assert terminal.leaves() == 0
            assert terminal.lines[int(args[1]) :] == notes


def test_the_head_of_a_list_ends_it_quietly(bare, home):
    remember(home, [record(number, prompt="x" * 500) for number in range(3000)])
    for way in ("", "--json"):
        done = subprocess.run(
            f"{MAI[0]} history list --all {way} | head -n 1; echo ${{PIPESTATUS[0]}}",
            shell=True,
            executable="/bin/bash",
            env=bare,
            capture_output=True,
            timeout=30,
            check=True,
        )
        _, code = done.stdout.decode().splitlines()
        assert (code, done.stderr) == ("141", b"")


BROKEN = [
    b"",
    b"   ",
    b"{",
    b"\x00\xff\xfe",
    b'"text"',
    b"[1, 2]",
    b"null",
    b'{"id": 7, "prompt": "picture"}',
    b'{"prompt": "picture without an id"}',
    b"[" * 100_000,
    b'{"id":"torn","prompt":"picture',
]
FOREIGN: list[dict] = [
    {"id": "ffff00000000"},
    {"id": "ffff00000001", "schema": "mai/record/2", "created_at": 12, "prompt": ["picture"]},
    {"id": "ffff00000002", "created_at": "2026-11-01", "tags": "x", "master": "a", "batch": []},
    {"id": "ffff00000003", "status": {"a": 1}, "cost_usd": "much", "seconds": [], "model": 3},
    {"id": "\x1b[2J\t\n", "prompt": "picture", "status": None, "master": {}, "request": 1},
]


def broken_history(home: Path) -> None:
    lines = [line.encode() for number in range(3) for line in lines_of(record(number))]
    foreign = [json.dumps(state).encode() + b"\n" for state in FOREIGN]
    odd = [line + b"\n" for line in BROKEN]
    remember(home, []).write_bytes(
        b"".join([*odd, *lines, *odd, *foreign, *odd[:-1], odd[-1][:-1]])
    )


def test_broken_lines_are_passed_over_and_foreign_ones_shown_as_far_as_known(run, bare, home):
    broken_history(home)
    result = run(bare, "history", "list", "--all")
    assert (result.code, result.err) == (0, "")
    ids = [cells[0] for cells in cells_of(result)]
    assert set(ids) == {
        *(record(n)["id"] for n in range(3)),
        r"\x1b[2J",
        *(state["id"] for state in FOREIGN[:4]),
    }
    assert len(ids) == 8
    with Terminal([*MAI, "history", "list", "--all"], bare) as terminal:
        assert terminal.leaves() == 0
        assert len(terminal.lines) == 8


@pytest.mark.parametrize(
    "args",
    [
        ["search", "picture"],
        ["list", "--since", "7d", "--tag", "x", "--model", "m", "--batch", "b", "--search", "w"],
        ["stats", "--by", "tag"],
        ["stats", "--by", "day", "--json"],
        ["export", "--format", "csv"],
        ["gallery"],
        ["recover"],
        ["prune", "--keep", "0", "--dry-run"],
    ],
)
def test_broken_and_foreign_lines_stop_no_command(run, bare, home, args):
    broken_history(home)
    result = run(bare, "history", *args)
    assert result.code == 0, result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("args", "out"),
    [
        (["list"], b""),
        (["list", "--json"], b""),
        (["search", "x"], b""),
        (["export"], b""),
        (["export", "--format", "json"], b"[]\n"),
        (["verify"], b""),
        (["recover"], b""),
        (["prune", "--keep", "0", "--yes"], b""),
    ],
)
def test_an_empty_history_is_no_mistake(run, bare, home, args, out):
    result = run(bare, "history", *args)
    assert (result.code, result.out) == (0, out)
    assert "Error" not in result.err
    assert not home.exists()


def test_no_record_is_said_only_where_there_is_none(run, bare, home):
    remember(home, [record(0)])
    assert run(bare, "history", "list", "-n", "0").err == ""


def test_a_history_that_cannot_be_read_is_told(run, bare, tmp_path):
    for name in ("list", "stats", "verify"):
        result = run(bare | {"MAI_HISTORY": str(tmp_path)}, "history", name)
        assert (result.code, result.out) == (3, b"")
        assert result.err.startswith(f"Error: The history {tmp_path} cannot be read")


@pytest.mark.parametrize(
    "args", [["list", "--json"], ["list", "--since", "7d"], ["search", "x"], ["stats"]]
)
def test_a_list_loads_nothing_heavy(bare, home, args):
    remember(home, [record(number) for number in range(3)])
    assert loaded(bare, "history", *args) & HEAVY == set()


@pytest.mark.parametrize("name", [[], *([name] for name in [*NAMES, *UPKEEP])])
def test_help_fits_80_columns_and_its_examples_are_commands(run, bare, name):
    result = run(bare, "history", *name, "--help")
    assert [line for line in result.lines if len(line) > 80] == []
    text = "\n".join(result.lines)
    assert "..." not in text.partition("Commands:")[2].partition("Other options:")[0]
    examples = text.partition("Examples:\n")[2].partition("Usage:")[0].strip().splitlines()
    assert [
        line for line in examples if not line.startswith(("  mai history", "mai history"))
    ] == []


# What it adds up to.


def told(lines: Iterable[str]) -> list[list[str]]:
    return [line.split() for line in lines]


def test_pictures_cost_refusals_and_time_are_added_up(run, bare, home):
    states = [
        *(record(number, tags=["hero"], seconds=10.0 * number) for number in range(1, 4)),
        record(4, cost_usd=None, status="removed", model="MAI-Image-2", seconds=None),
        record(5, offline=True, cost_usd=0.0),
        unmade(6, "refused"),
        unmade(7, "failed", tags=["hero"]),
        unmade(8, "sent"),
    ]
    remember(home, states)
    result = run(bare | {"TZ": "UTC"}, "history", "stats")
    assert told(result.lines) == [
        ["month", "pictures", "cost", "refused", "failed", "unknown", "seconds"],
        ["2026-11", "4", "$0.12", "1", "1", "1", "20.0"],
        ["total", "4", "$0.12", "1", "1", "1", "20.0"],
    ]
    assert "1 placeholder" in result.err
    models = run(bare, "history", "stats", "--by", "model", "--json").objects[0]
    assert models["schema"] == "mai/stats/1"
    assert [(group["key"], group["pictures"]) for group in models["groups"]] == [
        ("MAI-Image-2.6", 3),
        ("MAI-Image-2", 1),
    ]
    assert models["total"]["cost_is_whole"] is False
    tags = run(bare, "history", "stats", "--by", "tag", "--status", "failed", "--json").objects[0]
    assert [(group["key"], group["failed"]) for group in tags["groups"]] == [("hero", 1)]


@pytest.mark.parametrize(
    ("count", "notes"),
    [
        (0, []),
        (
            1,
            [
                "Besides, 1 placeholder, drawn on this machine.",
                "The cost of 1 picture is not known, and not in here.",
            ],
        ),
        (
            2,
            [
                "Besides, 2 placeholders, drawn on this machine.",
                "The cost of 2 pictures is not known, and not in here.",
            ],
        ),
    ],
)
def test_placeholders_and_pictures_of_unknown_cost_are_counted_apart(run, bare, home, count, notes):
    placeholders = [record(number, offline=True, cost_usd=0.0) for number in range(count)]
    unpriced = [record(10 + number, cost_usd=None) for number in range(count)]
    remember(home, [record(20), *placeholders, *unpriced])
    assert run(bare, "history", "stats").err.splitlines() == notes


@pytest.mark.parametrize("columns", [80, 120])
def test_on_a_terminal_the_figures_fit_and_have_bars_where_there_is_room(bare, home, columns):
    tags = ["日本" * 30, "\x1b[31m", "x" * 200, "hero"]
    remember(home, [record(number, tags=tags[: number + 1]) for number in range(4)])
    command = [*MAI, "history", "stats", "--by", "tag"]
    with Terminal(command, bare, columns=columns, rows=40) as terminal:
        assert terminal.leaves() == 0
        lines = terminal.lines
    assert len(lines) == 1 + len(tags) + 1
    assert any("#" in line for line in lines) == (columns == 120)
    assert b"\x1b" not in terminal.raw


def test_a_refused_request_that_is_removed_is_still_refused(run, bare, home):
    remember(home, [unmade(0, "refused")])
    run(bare, "history", "remove", "last", "--yes")
    total = run(bare, "history", "stats", "--json").objects[0]["total"]
    assert (total["refused"], total["unknown"]) == (1, 0)


def test_pictures_are_opened_and_shown_by_id(run, bare, home, tmp_path):
    states = [drawn(home, 0), unmade(1, "refused")]
    remember(home, states)
    path = home / "gallery" / states[0]["master"]["path"]
    for name, code in (("open", 3), ("preview", 0)):
        result = run(bare | {"PATH": str(tmp_path)}, "history", name, states[0]["id"])
        assert (result.code, result.lines) == (code, [str(path)])
        assert ("cannot be opened" in result.err) == (code == 3)
        nothing = run(bare, "history", name, "last", states[0]["id"])
        assert (nothing.code, nothing.out) == (2, b"")
        assert "its status is refused" in nothing.err


def test_a_viewer_opens_each_picture(run, bare, home, tmp_path):
    states = [drawn(home, number) for number in range(2)]
    remember(home, states)
    viewer = tmp_path / "bin" / "xdg-open"
    viewer.parent.mkdir()
    viewer.write_text("#!/bin/sh\nexit 0\n")
    viewer.chmod(0o755)
    path = f"{viewer.parent}:{bare['PATH']}"
    result = run(bare | {"PATH": path}, "history", "open", *(one["id"] for one in states))
    assert (result.code, len(result.lines)) == (0, 2), result.err


def test_a_word_that_is_no_text_finds_nothing(run, bare, home):
    remember(home, [record(0, prompt="\ufffd ÿ"), record(1)])
    for command in (["search", b"\xff"], ["list", "--search", b"fox \xff"]):
        result = run(bare, "history", *command)
        assert (result.code, result.out, result.err) == (0, b"", "No record.\n")


def test_numbers_that_json_does_not_have_are_not_known(run, bare, home):
    path = remember(home, [record(0)])
    path.write_text(path.read_text().replace("0.04", "NaN").replace("20.0", "-Infinity"))
    result = run(bare, "history", "list", "--json")
    assert result.objects == [record(0, cost_usd=None, seconds=None)]
    assert run(bare, "history", "export").objects == result.objects


def test_a_mark_before_the_first_line_does_no_harm(run, bare, home, shown):
    path = remember(home, [record(0, status="sent"), drawn(home, 1)])
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert shown("list") == ["picture 1", "picture 0"]
    assert shown("search", "picture 0") == ["picture 0"]
    assert run(bare, "history", "tag", record(0)["id"], "+hero").code == 0
    assert run(bare, "history", "prune", "--keep", "0", "--yes").code == 0
    assert shown("list") == ["picture 0"]


@pytest.mark.parametrize("name", ["assets.toml", "site/assets.toml", "./site/../site/assets.toml"])
def test_a_manifest_is_known_by_every_way_to_it(home, shown, tmp_path, name):
    (tmp_path / "site").mkdir()
    batch = {
        "manifest": str(tmp_path / "site" / "assets.toml"),
        "asset": "hero",
        "request": "ab" * 32,
    }
    other = batch | {"manifest": str(tmp_path / "other" / "assets.toml")}
    remember(home, [record(0, batch=batch), record(1, batch=other), record(2)])
    found = ["picture 1", "picture 0"] if name == "assets.toml" else ["picture 0"]
    assert shown("list", "--batch", name) == found


def test_a_clock_that_was_wrong_for_a_while_hides_nothing(home, shown):
    wrong = [record(10 + number, created_at="2001-01-01T00:00:00Z") for number in range(5)]
    remember(home, [record(0), *wrong, record(20)])
    assert shown("list", "--since", "2026-11-01") == ["picture 20", "picture 0"]


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_moment_at_the_end_of_the_calendar_stops_no_list(bare, home, when):
    remember(home, [record(0, created_at=when), record(1)])
    with Terminal([*MAI, "history", "list"], bare, columns=80) as terminal:
        assert terminal.leaves() == 0
        assert len(terminal.lines) == 2
        assert sum(record(0)["id"] in line for line in terminal.lines) == 1


def test_days_are_shown_whole_where_there_is_little_room(bare, home):
    remember(home, [record(0)])
    command = [*MAI, "history", "stats", "--by", "day"]
    with Terminal(command, bare | {"TZ": "UTC"}, columns=40, rows=40) as terminal:
        assert terminal.leaves() == 0
    assert b"2026-11-01" in terminal.raw


def test_the_service_is_never_asked(mai, foundry: Emulator, home):
    remember(home, [drawn(home, 0)])
    for args in (["list"], ["stats"], ["verify"], ["recover"], ["gallery"], ["export"]):
        assert mai("history", *args).code == 0
    assert foundry.received == []


def test_a_batch_may_be_asked_for_by_a_name_that_leads_nowhere(run, bare, home, tmp_path):
    remember(home, [drawn(home, 0)])
    (tmp_path / "loop").symlink_to("loop")
    result = run(bare, "history", "list", "--batch", "loop")

    assert (result.code, result.out) == (0, b"")
    assert "Traceback" not in result.err
