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
    """What runs have left: names of files in the gallery by id, of which ``whole`` are pictures."""

    def __init__(self, files: dict[str, str] | None = None, whole: str = "") -> None:
        self.files = {
            id_: [Path("/gallery", name) for name in names.split()]
            for id_, names in (files or {}).items()
        }
        self.whole = [Path("/gallery", name) for name in whole.split()]
        self.kept: list[str] = []

    def left_by(self, states):
        ids = [state["id"] for state in states]
        return {id_: files for id_, files in self.files.items() if id_ in ids}

    def is_whole(self, file):
        return file in self.whole

    def keep(self, file, state):
        if file not in self.whole:
            return None
        assert file in self.files[state["id"]]
        self.kept.append(file.name)
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
    rooms = Rooms({"a": ".a.part"}, whole=".a.part")

    assert recover(history, rooms) == [("a", "recovered", "/gallery/a.png")]
    assert history.states["a"] == before | {"status": "ok", "master": MASTER, "error": None}
    assert recover(history, rooms) == []


@pytest.mark.parametrize("forget", [False, True])
def test_what_is_torn_is_told_and_left_where_it_is(forget):
    history = Memory(sent())
    rooms = Rooms({"a": ".a.part"})
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
    rooms = Rooms({"a": ".a.part"}, whole=".a.part")

    assert recover(history, rooms) == [("a", "in_flight", "/gallery/.a.part")]
    assert (rooms.kept, history.lines) == ([], [])


@pytest.mark.parametrize("forget", [False, True])
def test_who_only_looks_changes_nothing(forget):
    history = Memory(sent("a"), sent("b"))
    rooms = Rooms({"a": ".a.part"}, whole=".a.part")

    found = recover(history, rooms, forget=forget, looks_only=True)
    assert found == [("b", "unknown", None), ("a", "recovered", "/gallery/.a.part")]
    assert (rooms.kept, history.lines) == ([], [])


def test_what_was_answered_meanwhile_is_not_forgotten():
    history = Memory(sent())
    answered = state("a")
    history.meanwhile = lambda: history.states.update(a=answered)

    assert recover(history, Rooms(), forget=True) == [("a", "recovered", None)]
    assert history.states["a"] == answered


def test_what_was_answered_meanwhile_has_its_picture_for_itself():
    answered = state("a", master=MASTER)
    history = Memory(answered)
    rooms = Rooms({"a": "a.png"}, whole="a.png")
    (found,) = Recovering(history, rooms, NOW, looks_only=False).recover([sent()], forget=True)

    assert (found.result, found.path, found.state) == ("recovered", "/gallery/a.png", answered)
    assert history.states["a"] == answered


def test_what_is_known_is_json():
    history = Memory(sent())
    (found,) = Recovering(history, Rooms(), NOW, looks_only=False).recover([sent()], forget=False)
    assert found.to_json(dry_run=False) == {
        "schema": "mai/recovery/1",
        "dry_run": False,
        "id": "a",
        "result": "unknown",
        "path": None,
        "record": sent(),
    }
    assert found.to_json(dry_run=True)["dry_run"] is True


def test_of_several_files_the_first_that_is_whole_is_taken():
    rooms = Rooms({"a": "torn.part a.png other.png"}, whole="a.png other.png")
    assert recover(Memory(sent()), rooms, looks_only=True) == [("a", "recovered", "/gallery/a.png")]
    assert recover(Memory(sent()), rooms) == [("a", "recovered", "/gallery/a.png")]
    assert rooms.kept == ["a.png"]


@pytest.mark.parametrize("looks_only", [False, True])
@pytest.mark.parametrize("gallery", ["/gallery", "/gallery/x/.."])
def test_the_picture_of_another_record_is_never_taken(gallery, looks_only):
    owner = state("b", master=MASTER | {"gallery": gallery, "path": "b.png"})
    rooms = Rooms({"a": "b.png"}, whole="b.png")
    history = Memory(sent(), owner)
    assert recover(history, rooms, looks_only=looks_only) == [("a", "unknown", None)]
    assert recover(history, rooms, forget=True, looks_only=looks_only)[0][1:] == (
        "unknown" if looks_only else "forgotten",
        None,
    )
    assert (rooms.kept, history.states["b"]) == ([], owner)


def test_a_picture_of_another_record_hides_none_behind_it():
    owner = state("b", master=MASTER | {"path": "b.png"})
    rooms = Rooms({"a": "b.png a.png"}, whole="b.png a.png")
    assert recover(Memory(sent(), owner), rooms) == [("a", "recovered", "/gallery/a.png")]
    assert rooms.kept == ["a.png"]


def test_one_file_is_the_picture_of_one_record_only():
    rooms = Rooms({"a": "x.png", "b": "x.png"}, whole="x.png")
    found = recover(Memory(sent("a"), sent("b")), rooms)
    assert sorted(result for _, result, _ in found) == ["recovered", "unknown"]
    assert rooms.kept == ["x.png"]


@pytest.mark.parametrize("looks_only", [False, True])
def test_records_that_may_have_left_the_same_files_each_get_one(looks_only):
    rooms = Rooms({"a": "x.png x-2.png", "b": "x.png x-2.png"}, whole="x.png x-2.png")
    found = recover(Memory(sent("a"), sent("b")), rooms, forget=True, looks_only=looks_only)
    assert [result for _, result, _ in found] == ["recovered", "recovered"]
    if not looks_only:
        assert sorted(rooms.kept) == ["x-2.png", "x.png"]


@pytest.mark.parametrize("chosen", [["old"], ["old", "new"]])
def test_what_a_request_in_flight_may_have_left_is_given_to_no_other(chosen):
    history = Memory(sent("new", ago=timedelta(minutes=1)), sent("old"))
    rooms = Rooms({"new": "x.png", "old": "x.png"}, whole="x.png")
    recovering = Recovering(history, rooms, NOW, looks_only=False)
    states = [history.states[id_] for id_ in chosen]
    found = {one.state["id"]: one for one in recovering.recover(states, forget=False)}
    assert (found["old"].result, found["old"].path) == ("unknown", None)
    if "new" in found:
        assert (found["new"].result, found["new"].path) == ("in_flight", "/gallery/x.png")
    assert rooms.kept == []


@given(odd=ODD_STATES)
def test_a_record_of_any_shape_can_be_looked_into(odd):
    list(Recovering(Memory(odd), Rooms(), NOW, looks_only=False).recover([odd], forget=True))
    assert unsettled([odd]) in ([], [odd])
