from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given

from mai_cli.services.recovering import IN_FLIGHT, Recovering, unsettled
from tests.services.records import ODD_STATES, Memory, state

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MASTER = {"path": "a.png", "gallery": "/gallery", "sha256": "ab" * 32, "bytes": 5}
LONG_AGO = timedelta(days=2)


def sent(id_: str = "a", ago: timedelta = LONG_AGO, status: str = "sent") -> dict:
    lost = {"message": "The answer was lost."} if status == "unknown" else None
    when = (NOW - ago).isoformat()
    return state(id_, status=status, created_at=when, master=None, cost_usd=None, error=lost)


class Rooms:
    """What runs have left: ``files`` by id, of which ``whole`` are pictures."""

    def __init__(self, files: dict[str, Path] | None = None, whole: tuple[str, ...] = ()) -> None:
        self.files = files or {}
        self.whole = whole
        self.kept: list[Path] = []

    def left_by(self, record_ids):
        return {id_: file for id_, file in self.files.items() if id_ in record_ids}

    def is_whole(self, file):
        return any(self.files.get(id_) == file for id_ in self.whole)

    def keep(self, file, state):
        if state["id"] not in self.whole:
            return None
        self.kept.append(file)
        return MASTER


def recover(history: Memory, rooms: Rooms, *, forget: bool = False, looks_only: bool = False):
    recovering = Recovering(history, rooms, NOW, looks_only=looks_only)
    found = recovering.recover(unsettled(history.newest()), forget=forget)
    return [(one.state["id"], one.result, one.path) for one in found]


def test_only_what_was_sent_and_never_answered_is_looked_into():
    statuses = ["ok", "sent", "refused", "failed", "unknown", "removed", "later", None]
    states = [sent(f"{number}", status=status) for number, status in enumerate(statuses)]
    assert [one["status"] for one in unsettled(states)] == ["sent", "unknown"]


@pytest.mark.parametrize("status", ["sent", "unknown"])
def test_a_picture_that_was_left_becomes_that_of_its_record(status):
    history = Memory(sent(status=status))
    before = history.states["a"]
    rooms = Rooms({"a": Path("/gallery/.a.part")}, whole=("a",))

    assert recover(history, rooms) == [("a", "recovered", "/gallery/a.png")]
    assert history.states["a"] == before | {"status": "ok", "master": MASTER, "error": None}
    assert recover(history, rooms) == []


@pytest.mark.parametrize("forget", [False, True])
def test_what_is_torn_is_told_and_left_where_it_is(forget):
    history = Memory(sent())
    rooms = Rooms({"a": Path("/gallery/.a.part")})
    result = "forgotten" if forget else "unknown"

    assert recover(history, rooms, forget=forget) == [("a", result, "/gallery/.a.part")]
    assert rooms.kept == []


def test_what_is_forgotten_keeps_its_cause_and_is_asked_about_no_more():
    history = Memory(sent(status="unknown"))
    before = history.states["a"]

    assert recover(history, Rooms(), forget=True) == [("a", "forgotten", None)]
    assert history.states["a"] == before | {"status": "removed"}
    assert recover(history, Rooms(), forget=True) == []


def test_without_being_told_to_forget_nothing_changes():
    history = Memory(sent())
    assert recover(history, Rooms()) == [("a", "unknown", None)]
    assert history.lines == []


@pytest.mark.parametrize(
    ("ago", "status", "result"),
    [
        (timedelta(), "sent", "in_flight"),
        (IN_FLIGHT - timedelta(seconds=1), "sent", "in_flight"),
        (IN_FLIGHT, "sent", "forgotten"),
        (timedelta(), "unknown", "forgotten"),
        (-(IN_FLIGHT - timedelta(seconds=1)), "sent", "in_flight"),
        (-(IN_FLIGHT + timedelta(seconds=1)), "sent", "forgotten"),
        (-timedelta(seconds=1), "unknown", "forgotten"),
        (-timedelta(days=1), "sent", "forgotten"),
    ],
)
def test_what_may_still_be_waited_for_is_left_alone(ago, status, result):
    history = Memory(sent(ago=ago, status=status))
    assert recover(history, Rooms(), forget=True) == [("a", result, None)]


def test_the_picture_of_what_may_still_be_waited_for_is_left_alone():
    history = Memory(sent(ago=timedelta(minutes=1)))
    rooms = Rooms({"a": Path("/gallery/.a.part")}, whole=("a",))

    assert recover(history, rooms) == [("a", "in_flight", "/gallery/.a.part")]
    assert (rooms.kept, history.lines) == ([], [])


@pytest.mark.parametrize("forget", [False, True])
def test_who_only_looks_changes_nothing(forget):
    history = Memory(sent("a"), sent("b"))
    rooms = Rooms({"a": Path("/gallery/.a.part")}, whole=("a",))

    found = recover(history, rooms, forget=forget, looks_only=True)
    assert found == [("b", "unknown", None), ("a", "recovered", "/gallery/.a.part")]
    assert (rooms.kept, history.lines) == ([], [])


def test_what_was_answered_meanwhile_is_not_forgotten():
    history = Memory(sent())
    answered = state("a")
    history.meanwhile = lambda: history.states.update(a=answered)
    recover(history, Rooms(), forget=True)

    assert history.states["a"] == answered


def test_what_is_known_is_json():
    history = Memory(sent())
    (found,) = Recovering(history, Rooms(), NOW, looks_only=False).recover([sent()], forget=False)
    assert found.to_json() == {
        "schema": "mai/recovery/1",
        "id": "a",
        "result": "unknown",
        "path": None,
        "record": sent(),
    }


@given(odd=ODD_STATES)
def test_a_record_of_any_shape_can_be_looked_into(odd):
    list(Recovering(Memory(odd), Rooms(), NOW, looks_only=False).recover([odd], forget=True))
    assert unsettled([odd]) in ([], [odd])
