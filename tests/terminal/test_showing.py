import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mai_cli.errors import ExitCode, RefusedError, StorageError
from mai_cli.models.check import Check
from mai_cli.models.outcome import Outcome
from mai_cli.models.plan import Item, Plan
from mai_cli.models.record import Export, Master, Record
from mai_cli.models.setting import Profile, Setting
from mai_cli.models.settings import DEFAULT, Origin
from mai_cli.terminal.output import Output
from mai_cli.terminal.showing import (
    check_lines,
    dollars,
    show_outcome,
    show_plan,
    show_profile,
    show_settings,
)

RECORD = Record(
    id="b7c41f09e2aa",
    status="ok",
    created_at=datetime(2026, 11, 22, 9, 14, 3, 120_000, UTC),
    prompt="a lighthouse",
    deployment="mai-image-26",
    model="MAI-Image-2.6",
    endpoint="https://contoso.services.ai.azure.com",
    offline=False,
    request={"width": 1280, "height": 832},
    seconds=31.4,
    master=Master("a.png", "/gallery", "0" * 64, 7, 1280, 832, content_credentials=False),
    cost_usd=0.038962,
)
MASTER = Path("/gallery/a.png")
MADE = Outcome(RECORD, MASTER)
SUMMARY = b"1280x832, $0.04, 31 s, id b7c41f09e2aa\n"


def export(path: str) -> Export:
    return Export(path, "png", 1280, 832, 7, "0" * 64, content_credentials=False)


EXPORTED = Outcome(replace(RECORD, exports=[export("/x/a.png"), export("/x/b\udcff.png")]), MASTER)
NOT_EXPORTED = StorageError("No room for a.png.", code="export_failed", hint="It is safe.")
RESCUED = StorageError("The gallery failed.", code="rescued", hint="Move it.")
REFUSED = RefusedError("The filter declined it.", code="content_filter", hint="Change the prompt.")

DECLINED = (
    b"Error: The filter declined it.\nChange the prompt.\nRecorded as refused, id b7c41f09e2aa\n"
)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (None, "cost unknown"),
        (0, "$0.00"),
        (0.0, "$0.00"),
        (0.000001, "under $0.01"),
        (0.004999, "under $0.01"),
        (0.005, "$0.01"),
        (0.0195, "$0.02"),
        (0.038962, "$0.04"),
        (0.10854, "$0.11"),
        (1, "$1.00"),
        (12.345, "$12.35"),
        (1234.5, "$1234.50"),
    ],
)
def test_an_amount_is_in_dollars_and_never_less_than_it_seems(amount, text):
    assert dollars(amount) == text


@pytest.mark.parametrize(
    ("outcome", "out", "err"),
    [
        (MADE, b"/gallery/a.png\n", SUMMARY),
        (EXPORTED, b"/x/a.png\n/x/b\xff.png\n", SUMMARY),
        (
            replace(MADE, error=NOT_EXPORTED),
            b"",
            b"Error: No room for a.png.\nIt is safe.\nRecorded as ok, id b7c41f09e2aa\n",
        ),
        (
            replace(EXPORTED, error=NOT_EXPORTED),
            b"/x/a.png\n/x/b\xff.png\n",
            b"Error: No room for a.png.\nIt is safe.\nRecorded as ok, id b7c41f09e2aa\n",
        ),
        (
            Outcome(RECORD, Path("/tmp/mai-b7.png"), RESCUED),
            b"/tmp/mai-b7.png\n",
            b"Error: The gallery failed.\nMove it.\nRecorded as ok, id b7c41f09e2aa\n",
        ),
        (
            Outcome(replace(RECORD, status="refused", master=None), error=REFUSED),
            b"",
            DECLINED,
        ),
        (
            replace(MADE, notes=("First.", "Second.")),
            b"/gallery/a.png\n",
            b"First.\nSecond.\n" + SUMMARY,
        ),
    ],
    ids=["made", "exported", "not exported", "exported in part", "rescued", "refused", "notes"],
)
def test_the_files_that_were_asked_for_are_the_results(capfdbinary, outcome, out, err):
    show_outcome(Output(), outcome, to_stdout=False)
    assert capfdbinary.readouterr() == (out, err)


@pytest.mark.parametrize("outcome", [MADE, EXPORTED, Outcome(RECORD, MASTER, NOT_EXPORTED)])
def test_as_json_a_picture_is_its_record_and_nothing_more(capfdbinary, outcome):
    show_outcome(Output(json=True, quiet=True), outcome, to_stdout=False)
    (line,) = capfdbinary.readouterr().out.splitlines()
    assert json.loads(line) == json.loads(json.dumps(outcome.record.to_json()))


def test_the_picture_itself_goes_to_stdout_if_asked_for(capfdbinary, tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n\0")
    show_outcome(Output(), Outcome(RECORD, tmp_path / "a.png"), to_stdout=True)
    assert capfdbinary.readouterr() == (b"\x89PNG\r\n\x1a\n\0", SUMMARY)


def test_nothing_goes_to_stdout_where_there_is_no_picture(capfdbinary):
    show_outcome(Output(), Outcome(RECORD, error=REFUSED), to_stdout=True)
    assert capfdbinary.readouterr().out == b""


@pytest.mark.parametrize(
    ("changes", "summary"),
    [
        ({"offline": True, "cost_usd": 0.0}, "1280x832, free, 31 s, id b7c41f09e2aa"),
        ({"cost_usd": None}, "1280x832, cost unknown, 31 s, id b7c41f09e2aa"),
        ({"cost_usd": 0.004}, "1280x832, under $0.01, 31 s, id b7c41f09e2aa"),
        ({"seconds": 0.4}, "1280x832, $0.04, 0 s, id b7c41f09e2aa"),
        ({"seconds": 107.6}, "1280x832, $0.04, 108 s, id b7c41f09e2aa"),
    ],
)
def test_one_line_sums_a_picture_up(capfdbinary, changes, summary):
    show_outcome(Output(), Outcome(replace(RECORD, **changes), MASTER), to_stdout=False)
    assert capfdbinary.readouterr().err.decode() == f"{summary}\n"


def test_with_quiet_only_the_results_are_left(capfdbinary):
    show_outcome(Output(quiet=True), replace(MADE, notes=("A note.",)), to_stdout=False)
    assert capfdbinary.readouterr() == (b"/gallery/a.png\n", b"")


ITEM = Item(
    action="draw",
    deployment="mai-image-26",
    model="MAI-Image-2.6",
    url="https://contoso.services.ai.azure.com/mai/v1/images/generations",
    body={"model": "mai-image-26", "prompt": "ein Fuchs im Schnee, 雪", "width": 1024},
    images=["/x/hare.png"],
    outputs=["/x/a.png", "/x/b.png"],
    cost_usd=0.038962,
)


def test_a_plan_says_what_would_be_sent_and_made_and_paid(capfdbinary):
    show_plan(Output(), Plan([ITEM]))
    out, err = capfdbinary.readouterr()
    assert out.decode() == (
        "POST https://contoso.services.ai.azure.com/mai/v1/images/generations\n"
        '{"model": "mai-image-26", "prompt": "ein Fuchs im Schnee, 雪", "width": 1024}\n'
        "Reference: /x/hare.png\n"
        "Output: /x/a.png\n"
        "Output: /x/b.png\n"
        "1 picture, about $0.04. Nothing was sent.\n"
    )
    assert err == b""


@pytest.mark.parametrize(
    ("costs", "count", "total"),
    [
        ([0.038962, 0.038962], "2 pictures", "$0.08"),
        ([0.038962, None], "2 pictures", "cost unknown"),
        ([], "0 pictures", "$0.00"),
        ([0.0001], "1 picture", "under $0.01"),
    ],
)
def test_a_plan_sums_up(capfdbinary, costs, count, total):
    show_plan(Output(), Plan([replace(ITEM, cost_usd=cost) for cost in costs]))
    last = capfdbinary.readouterr().out.decode().splitlines()[-1]
    assert last.startswith(f"{count}, ")
    assert last.endswith(f"{total}. Nothing was sent.")


def test_a_plan_for_this_machine_has_no_address(capfdbinary):
    show_plan(Output(), Plan([replace(ITEM, url=None, outputs=[])]))
    assert capfdbinary.readouterr().out.startswith(b"POST to this machine (offline)\n{")


def test_a_prompt_in_a_plan_does_not_act_on_the_terminal(capfdbinary):
    body = {"prompt": "\x1b[31m \x9b \u202e\nnew line"}
    show_plan(Output(), Plan([replace(ITEM, body=body, images=["\x1b"], outputs=["/x/\x1b.png"])]))
    out = capfdbinary.readouterr().out.decode()
    assert not {"\x1b", "\x9b", "\u202e"} & set(out)
    assert len(out.splitlines()) == 5


def test_as_json_a_plan_is_one_object(capfdbinary):
    plan = Plan([ITEM, replace(ITEM, cost_usd=None)])
    show_plan(Output(json=True), plan)
    (line,) = capfdbinary.readouterr().out.splitlines()
    shown = json.loads(line)
    assert list(shown) == ["schema", "items", "cost_usd"]
    assert shown["schema"] == "mai/plan/1"
    assert shown["cost_usd"] is None
    assert [item["cost_usd"] for item in shown["items"]] == [0.038962, None]
    assert shown["items"][0]["outputs"] == ["/x/a.png", "/x/b.png"]


SETTINGS = [
    Setting("endpoint", None, DEFAULT),
    Setting(
        "api_key", "key-0123456789abcdef", Origin("environment", "MAI_API_KEY"), is_secret=True
    ),
    Setting("deployment", ("one", "two"), Origin("flag", "--deployment")),
    Setting("private", value=True, origin=Origin("user", "/c.toml", 3, "work")),
    Setting("filename", "\u202e\x1b[31m{id}", Origin("project", "/p\n/.mai.toml", 1)),
]
SHOWN = b"""\
endpoint    (not set)
api_key     (not shown)  (MAI_API_KEY)
deployment  one, two  (--deployment)
private     true  (/c.toml, line 3)
filename    \\u202e\\x1b[31m{id}  (/p\\n/.mai.toml, line 1)
"""


def test_settings_are_shown_in_columns_with_where_they_come_from(capfdbinary):
    show_settings(Output(), SETTINGS)
    assert capfdbinary.readouterr() == (SHOWN, b"")


def test_settings_are_shown_as_json_without_secrets(capfdbinary):
    show_settings(Output(json=True), SETTINGS)
    out, err = capfdbinary.readouterr()

    assert [json.loads(line) for line in out.splitlines()] == [
        setting.to_json() for setting in SETTINGS
    ]
    assert b"key-0123456789abcdef" not in out
    assert err == b""


@pytest.mark.parametrize(
    ("profile", "line"),
    [
        (
            Profile("work", {"size": "1:1", "timeout": 60}, is_in_use=True),
            "* work        size = 1:1, timeout = 60",
        ),
        (
            Profile("\x1b[2J", {"model": "\x07"}, is_in_use=False),
            "  \\x1b[2J        model = \\x07",
        ),
        (
            Profile("home", {"private": True}, is_in_use=False),
            "  home        private = true",
        ),
        pytest.param(
            Profile("a-long-name-of-a-profile", {"size": "1:1"}, is_in_use=False),
            "  a-long-name-of-a-profile  size = 1:1",
        ),
        pytest.param(
            Profile("empty", {}, is_in_use=False),
            "  empty",
        ),
    ],
)
def test_a_profile_is_one_line_and_the_one_in_use_has_a_star(capfdbinary, profile, line):
    show_profile(Output(), profile)
    assert capfdbinary.readouterr() == (f"{line}\n".encode(), b"")

    show_profile(Output(json=True), profile)
    assert json.loads(capfdbinary.readouterr().out) == profile.to_json()


@pytest.mark.parametrize(
    ("check", "lines"),
    [
        (Check("config", "ok", "/c.toml"), ["ok       config      /c.toml"]),
        (
            Check("name", "ok", "x is 127.0.0.1", seconds=0.0999),
            ["ok       name        x is 127.0.0.1"],
        ),
        (
            Check("connection", "ok", "It answers.", seconds=0.26),
            ["ok       connection  It answers. (0.3 s)"],
        ),
        (
            Check("deployment", "failed", "No.", "Look.", 12.34, ExitCode.CONFIG),
            ["failed   deployment  No. (12.3 s)", "                     Look."],
        ),
        (
            Check("variables", "warning", "MAI_X is none.", "Do."),
            ["warning  variables   MAI_X is none.", "                     Do."],
        ),
        (Check("token", "skipped", "needs: x"), ["skipped  token       needs: x"]),
    ],
)
def test_a_check_is_a_line_and_what_to_do_is_another(check, lines):
    assert check_lines(check) == lines
