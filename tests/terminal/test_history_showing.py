from json import loads

import pytest

from mai_cli.models.upkeep import Found, Gone
from mai_cli.terminal.history_showing import record_line, show_found, show_gone
from mai_cli.terminal.output import Output

STATE = {"id": "b7c41f09e2aa", "status": "sent", "created_at": "2026-11-22T09:14:03Z"}


@pytest.mark.parametrize(
    "when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon", None, 7]
)
def test_a_record_of_any_moment_is_a_line(when):
    line = record_line({**STATE, "created_at": when}, 80)
    assert line.startswith("b7c41f09e2aa  ")
    assert len(line) <= 80


def test_a_record_of_which_only_the_id_is_known_is_a_line():
    assert record_line({"id": "bbbb00000004"}, 80).startswith("bbbb00000004  ?")


@pytest.mark.parametrize(
    ("dry_run", "text"),
    [
        (False, "its picture was there, and is kept now: /gallery/a.png"),
        (True, "its picture is there: /gallery/a.png"),
    ],
)
def test_a_picture_that_would_be_recovered_is_not_said_to_be(capsys, dry_run, text):
    found = Found(STATE, "recovered", "/gallery/a.png")
    show_found(Output(), found, 80, dry_run=dry_run)
    assert text in capsys.readouterr().out


@pytest.mark.parametrize("json", [False, True])
def test_what_was_left_alone_is_told(capsys, json):
    gone = Gone(1, ["/gallery/a.png"], 5, ["b was left alone."], ["c has no picture."])
    show_gone(Output(json=json), gone, dry_run=False)
    shown = capsys.readouterr()
    assert "c has no picture.\nb was left alone.\n" in shown.err
    assert not json or loads(shown.out)["left"] == ["b was left alone."]
