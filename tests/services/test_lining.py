import threading

import pytest

from mai_cli.errors import StoppedError
from mai_cli.services.lining import Line, Prepaid


class Slot:
    def __init__(self):
        self.ends = []

    def give_back(self):
        self.ends.append("given back")

    def refused(self, retry_after):
        self.ends.append(f"refused for {retry_after} s")
        return 31.0


class World:
    """A line with room for one; ``patience`` is what those who waited at its pace had."""

    def __init__(self):
        self.room = threading.Semaphore(1)
        self.patience = []
        self.stopping = threading.Event()
        self.line = Line(self, self.room, came=lambda: None)

    def turn(self, patience_seconds):
        self.patience.append(patience_seconds)
        return Slot()

    @property
    def has_room(self):
        return self.room.acquire(blocking=False)


@pytest.fixture
def world():
    return World()


def test_another_attempt_waits_as_long_as_it_may_whether_it_has_kept_its_room_or_not(world):
    seat = world.line.turn(5)
    assert world.line.again(seat, 4) is seat
    seat.free()
    other = world.line.again(seat, 3)

    assert other is not seat
    assert other.has_room
    assert world.patience == [5, 4, 3]


def test_who_is_refused_makes_room_and_waits_as_long_as_the_service_and_the_run_say(world):
    seat = world.line.turn(5)
    first = seat.slot
    prepaid = Prepaid(world.line, seat, world.stopping, lambda: 0.0)
    assert prepaid.turn(4) is seat
    assert seat.refused(30) == 31
    assert first.ends == ["refused for 30 s"]

    assert prepaid.turn(3) is not seat
    assert world.patience == [5, 3]


def test_a_stop_gives_the_first_slot_back_and_makes_room(world):
    seat = world.line.turn(5)
    world.stopping.set()
    with pytest.raises(StoppedError) as caught:
        Prepaid(world.line, seat, world.stopping, lambda: 0.0).turn(4)

    assert (caught.value.code, str(caught.value)) == ("stopped", "Stopped. Nothing was drawn.")
    assert seat.slot.ends == ["given back"]
    assert world.has_room
