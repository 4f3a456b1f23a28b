import json
import os
import re
import sys
import threading
from collections.abc import Iterator

import pytest

from mai_cli.models.batch import Ended, Result
from mai_cli.terminal.batch_progress import bar_line
from mai_cli.terminal.batch_tally import WINDOW_SECONDS, Tally, plain_batch
from tests.terminals import PATIENCE, Terminal

MADE = Ended("hero", Result.MADE, cost_usd=0.04)
RESTORED = Ended("logo", Result.RESTORED)
REFUSED = Ended("fox", Result.REFUSED)
UP_TO_DATE = Ended("icon", Result.UP_TO_DATE)
STOPPED = Ended("late", Result.NOT_SENT)
LOST = Ended("owl", Result.UNKNOWN, cost_usd=None)

PROGRAM = """
import json
import signal
import sys
import threading
from pathlib import Path

from mai_cli.models.batch import Ended, Result
from mai_cli.terminal.batch_progress import watch_batch
from mai_cli.terminal.output import Output

total, color = int(sys.argv[1]), len(sys.argv) > 2
output = Output(color=color)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
signal.signal(signal.SIGINT, lambda *_: output.note("Stopping."))


def work():
    for line in sys.stdin:
        kind, text = json.loads(line)
        if kind == "say":
            speaker = threading.Thread(target=output.note, args=(text,))
            speaker.start()
            speaker.join()
        elif kind == "break":
            raise ValueError(text)
        elif kind == "idle":
            yield from [Ended("icon", Result.UP_TO_DATE)] * int(text)
        else:
            yield Ended(text, Result(kind), cost_usd=0.04 if kind == "made" else 0.0)


endings = watch_batch(work(), total, color=color)
try:
    for ended in endings:
        if ended.name == "enough":
            break
        if ended.name != "icon":
            output.path(f"/{ended.name}.png")
            output.note(f"{ended.name}: {ended.result.text}")
except ValueError as error:
    output.note(str(error))
finally:
    endings.close()
output.path("/end")
output.note("The end.")
sys.stdin.read()
"""


class Batch(Terminal):
    """A batch that is told what ends, and whose screen is looked at."""

    def __init__(self, total, *args, pipes=(), env=None, **more) -> None:
        command = [sys.executable, "-c", PROGRAM, str(total), *args]
        env = {**os.environ, "COLUMNS": "", "LINES": "", **(env or {})}
        super().__init__(command, env, pipes=("stdin", *pipes), **more)

    def told(self, kind: str, text: str) -> None:
        self.process.stdin.write(json.dumps([kind, text]).encode() + b"\n")
        self.process.stdin.flush()

    def sees(self, *patterns: str) -> None:
        """Wait until the screen shows lines like ``patterns``, and no others."""

        def matches() -> bool:
            lines = self.lines
            return len(lines) == len(patterns) and all(map(re.fullmatch, patterns, lines))

        self._wait_for(matches, f"{patterns} was not shown")

    def ends(self) -> int:
        self.process.stdin.close()
        self.process.stdin = None
        return self.leaves()


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def tally(clock: Clock, total: int, *endings: Ended, seconds: float = 0.0) -> Tally:
    tally = Tally(total, clock)
    clock.now += seconds
    for ended in endings:
        tally.add(ended)
    return tally


def line(shown: Tally, width: int = 77) -> str:
    return bar_line(shown, width, is_plain=True).plain


def test_the_bar_tells_done_failed_left_rate_cost_and_time(clock):
    endings = [UP_TO_DATE] * 8 + [MADE] * 11 + [RESTORED] + [REFUSED]
    shown = tally(clock, 40, *endings, seconds=120)
    assert line(shown) == (
        "========------- 2:00, 20 done, 1 failed, 19 left, 6.0/min, $0.44, 3 min to go"
    )
    assert shown.sentence() == "20 of 40 done, 1 failed, $0.44 so far, about 3 min left"


def test_before_anything_has_ended_the_bar_tells_the_time(clock):
    shown = tally(clock, 40, seconds=31.9)
    assert line(shown) == f"{'-' * 40} 0:31, 0 done, 40 left, $0.00"
    assert shown.sentence() == "0 of 40 done, $0.00 so far"


def test_what_was_stopped_is_neither_failed_nor_left(clock):
    shown = tally(clock, 5, MADE, STOPPED, STOPPED)
    assert line(shown, 60).endswith(" 1 done, 2 not sent, 2 left, $0.04")
    assert shown.sentence() == "1 of 5 done, 2 not sent, $0.04 so far"


@pytest.mark.parametrize(
    ("endings", "cost"),
    [
        ([MADE, LOST], "at least $0.04"),
        ([LOST], "cost unknown"),
        ([UP_TO_DATE], "$0.00"),
        ([Ended("a", Result.MADE, cost_usd=0.001)], "under $0.01"),
    ],
)
def test_a_cost_that_is_not_known_is_called_that(clock, endings, cost):
    assert tally(clock, 9, *endings).cost == cost


@pytest.mark.parametrize("instant", [UP_TO_DATE, RESTORED, STOPPED, LOST])
def test_the_rate_is_that_of_pictures_that_were_asked_for(clock, instant):
    shown = tally(clock, 999, *[instant] * 500, seconds=60)
    assert (shown.rate, shown.seconds_left) == (None, None)
    for ended in (MADE, REFUSED, MADE):
        shown.add(ended)
    assert shown.rate == 3
    assert shown.seconds_left == (999 - 503) * 20


def test_the_rate_is_that_of_the_last_minutes(clock):
    shown = tally(clock, 100, *[MADE] * 60, seconds=60)
    assert shown.rate == 60
    clock.now += WINDOW_SECONDS - 60
    assert shown.rate == 60 * 60 / WINDOW_SECONDS
    clock.now += 61
    assert shown.rate is None
    for _ in range(5):
        shown.add(MADE)
    assert shown.rate == 5 * 60 / WINDOW_SECONDS


def test_a_clock_that_stands_still_gives_no_rate(clock):
    assert tally(clock, 9, *[MADE] * 5).rate is None


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (74, "====---------- 2:00, 1 done, 2 failed, 7 left, 1.5/min, $0.04, 5 min to go"),
        (70, "===------- 2:00, 1 done, 2 failed, 7 left, 1.5/min, $0.04, 5 min to go"),
        (67, "====--------- 1 done, 2 failed, 7 left, 1.5/min, $0.04, 5 min to go"),
        (60, "1 done, 2 failed, 7 left, 1.5/min, $0.04, 5 min to go"),
        (50, "1 done, 2 failed, 7 left, $0.04, 5 min to go"),
        (40, "1 done, 2 failed, 7 left, 5 min to go"),
        (30, "1 done, 2 failed, 7 left"),
        (20, "1 done, 7 left"),
        (8, "1 done, "),
        (0, ""),
        (-3, ""),
    ],
)
def test_a_narrow_terminal_is_told_what_matters_most(clock, width, text):
    shown = tally(clock, 10, MADE, REFUSED, REFUSED, seconds=120)
    assert line(shown, width) == text


@pytest.mark.parametrize("width", range(0, 130, 7))
def test_the_bar_is_never_wider_than_it_may_be(clock, width):
    endings = [MADE] * 1234 + [LOST] * 345 + [STOPPED] * 67
    assert len(line(tally(clock, 12_345, *endings, seconds=4000), width)) <= width


@pytest.mark.parametrize(
    ("total", "endings", "bar"),
    [
        (0, [], "-" * 40),
        (3, [MADE] * 3, "=" * 40),
        (2, [MADE] * 5, "=" * 40),
        (2, [MADE, MADE, REFUSED], "=" * 40),
        (1000, [REFUSED], "=" + "-" * 39),
        (4, [MADE, MADE, REFUSED], "=" * 30 + "-" * 10),
        (3, [MADE, REFUSED, REFUSED], "=" * 40),
    ],
)
def test_the_bar_is_as_long_as_what_has_ended(clock, total, endings, bar):
    assert line(tally(clock, total, *endings), 100).split()[0] == bar


def test_long_runs_tell_hours(clock):
    assert line(tally(clock, 1, seconds=3847), 100).split()[1] == "1:04:07,"


def test_without_a_terminal_everything_passes_through():
    endings = [UP_TO_DATE, MADE, REFUSED]
    said: list[str] = []
    assert list(plain_batch(endings, 3, said.append)) == endings
    assert said == []


def test_without_a_terminal_it_is_said_how_far_it_is_while_nothing_ends(clock):
    said: list[str] = []
    times = threading.Semaphore(0)

    def say(text: str) -> None:
        said.append(text)
        times.release()

    def work() -> Iterator[Ended]:
        assert times.acquire(timeout=PATIENCE)
        clock.now += 60
        yield from (UP_TO_DATE, MADE, MADE, MADE, REFUSED)
        for _ in range(3):  # one of them may have been on its way
            assert times.acquire(timeout=PATIENCE)

    before = threading.active_count()
    assert len(list(plain_batch(work(), 9, say, clock=clock, interval=0.01))) == 5
    assert threading.active_count() == before
    assert said[0] == "0 of 9 done, $0.00 so far"
    assert said[-1] == "4 of 9 done, 1 failed, $0.12 so far, about 1 min left"


def test_without_a_terminal_a_run_that_is_left_early_says_nothing_more():
    before = threading.active_count()
    endings = plain_batch([MADE, MADE], 2, print, interval=PATIENCE)
    assert next(endings) is MADE
    assert threading.active_count() == before + 1
    endings.close()
    assert threading.active_count() == before


def test_the_bar_stays_below_what_is_said_and_is_gone_at_the_end():
    with Batch(3, columns=60) as shown:
        shown.sees("─+ 0:00, 0 done, 3 left, \\$0.00")
        shown.sees("─+ 0:0[1-9], 0 done, 3 left, \\$0.00")
        shown.told("made", "hero")
        above = ["/hero.png", "hero: made"]
        shown.sees(*above, "━+─+ 0:0., 1 done, 2 left, \\$0.04")
        shown.told("say", "Waiting for the quota.")
        above += ["Waiting for the quota."]
        shown.sees(*above, "━+─+ 0:0., 1 done, 2 left, \\$0.04")
        shown.told("refused", "[red]fox[/]")
        above += [r"/\[red\]fox\[/\].png", r"\[red\]fox\[/\]: refused"]
        shown.sees(*above, "━+─+ 0:0., 1 done, 1 failed, 1 left, \\$0.04")
        shown.told("made", "enough")
        shown.sees(*above, "/end", "The end.")
        assert not shown.screen.cursor.hidden
        assert shown.ends() == 0
        assert b"\x1b[?1049" not in shown.raw


def test_results_go_into_the_pipe_and_the_bar_onto_the_terminal():
    with Batch(2, pipes=("stdout",), columns=60) as shown:
        shown.told("made", "hero")
        shown.sees("hero: made", "━+─+ 0:0., 1 done, 1 left, \\$0.04")
        shown.told("made", "enough")
        shown.sees("hero: made", "The end.")
        assert shown.ends() == 0
        assert shown.piped == b"/hero.png\n/end\n"


def test_what_is_said_is_not_broken_into_lines():
    text = "word " * 40 + "/a/path" * 20
    with Batch(1, columns=30, pipes=("stdout",)) as shown:
        shown.told("say", text)
        shown.shows(text.encode() + b"\r\n")
        shown.shows(b"0 done, 1 left, \\$0.00")
        shown.told("made", "enough")
        shown.shows(b"The end.")
        assert "".join(shown.lines).replace(" ", "") == f"{text}The end.".replace(" ", "")
        assert shown.ends() == 0


def test_a_screen_that_is_full_loses_nothing():
    with Batch(30, columns=40, rows=6) as shown:
        for number in range(20):
            shown.told("restored", f"a{number}")
        shown.sees(
            "a17: restored",
            *[line for n in (18, 19) for line in (f"/a{n}.png", f"a{n}: restored")],
            "━+─+ 20 done, 10 left, \\$0.00",
        )
        shown.told("made", "enough")
        shown.shows(b"The end.")
        assert shown.ends() == 0
        assert shown.lines[-5:] == [
            "a18: restored",
            "/a19.png",
            "a19: restored",
            "/end",
            "The end.",
        ]


def test_ctrl_c_is_answered_above_the_bar():
    with Batch(2, columns=60) as shown:
        shown.sees("─+ 0:0., 0 done, 2 left, \\$0.00")
        shown.types(b"\x03")
        shown.sees("Stopping.", "─+ 0:0., 0 done, 2 left, \\$0.00")
        shown.told("made", "hero")
        shown.sees("Stopping.", "/hero.png", "hero: made", "━+─+ .*, 1 done, 1 left, \\$0.04")
        assert shown.ends() == 0


def test_a_failure_leaves_nothing_of_the_bar():
    with Batch(2) as shown:
        shown.sees("─+ 0:0., 0 done, 2 left, \\$0.00")
        shown.told("break", "The work fails.")
        shown.sees("The work fails.", "/end", "The end.")
        assert not shown.screen.cursor.hidden
        assert shown.ends() == 0


def test_assets_that_are_up_to_date_are_counted_at_once():
    with Batch(10_001) as shown:
        shown.told("idle", "10000")
        shown.sees("━+─* 0:0., 10000 done, 1 left, \\$0.00")
        assert len(shown.raw) < 10_000
        assert shown.ends() == 0


@pytest.mark.parametrize(("args", "is_coloured"), [([], False), (["color"], True)])
def test_the_bar_has_colours_only_if_they_are_wanted(args, is_coloured):
    with Batch(2, *args, env={"FORCE_COLOR": "", "NO_COLOR": "1"[: not is_coloured]}) as shown:
        shown.told("made", "hero")
        shown.sees("/hero.png", "hero: made", "━+─+ 0:0., 1 done, 1 left, \\$0.04")
        assert shown.ends() == 0
        assert bool(re.search(rb"\x1b\[[\d;]*3\dm", shown.raw)) == is_coloured


def test_a_terminal_that_goes_away_stops_nothing():
    with Batch(3, "color", pipes=("stdout",)) as shown:
        shown.told("made", "hero")
        shown.shows(b"hero: made")
        shown.hangs_up()
        shown.told("made", "fox")
        shown.told("made", "enough")
        out, _ = shown.process.communicate(timeout=PATIENCE)
        assert (shown.piped + out, shown.process.returncode) == (b"/hero.png\n/fox.png\n/end\n", 0)
