"""The lines of a history: written, found from the end of the file, and understood as records.

Lines that cannot be read are passed over: what a crash has torn spoils nothing else.
"""

import heapq
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import count
from typing import Any, BinaryIO

State = dict[str, Any]
"""A record as its line in the history has it; see ``Record.to_json``."""

Meant = Callable[[bytes], object]
"""Whether lines are meant; nothing, or something false, if not."""

BLOCK_BYTES = 1 << 16
"""What is read at a time; more where a word is looked for, which is rare in most of it."""

_SEARCH_BYTES = 1 << 18
_FIRST_BYTES = 1 << 13  # doubled each time; what threads of a batch look for is near the end
_MARK = b"\xef\xbb\xbf"  # some editors put it first


def _finite(text: str) -> float | None:
    """The number that ``text`` spells, unless it is too large to be written as JSON again."""
    number = float(text)
    return None if math.isinf(number) else number


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=lambda _: None)  # NaN is no JSON


def to_line(value: object) -> bytes:
    """``value`` as one line of JSON, in UTF-8."""
    try:
        return f"{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n".encode()
    except UnicodeEncodeError:  # a file name that is not UTF-8; escapes can carry it
        return f"{json.dumps(value, separators=(',', ':'))}\n".encode()


def state_of(line: bytes) -> State | None:
    """What ``line`` says, if it can be read."""
    try:
        state = _DECODER.decode(line.removeprefix(_MARK).decode(errors="surrogatepass"))
    except (ValueError, RecursionError):
        return None
    is_record = isinstance(state, dict) and isinstance(state.get("id"), str)
    return state if is_record else None


def lines_from_the_end(file: BinaryIO, is_meant: Meant | None = None) -> Iterator[bytes]:
    """The lines of ``file``, the last one first; only those that ``is_meant`` says yes to.

    It is asked of many lines at once first, and must say yes to those if it does to one of them.
    """
    position = file.seek(0, os.SEEK_END)
    most, size = _SEARCH_BYTES if is_meant else BLOCK_BYTES, _FIRST_BYTES
    ends: list[bytes] = []  # of the line that is not whole yet, the last piece first
    while position:
        size = min(2 * size, most, position)
        position -= size
        file.seek(position)
        block = file.read(size)
        first, last = block.find(b"\n"), block.rfind(b"\n")
        if first < 0:
            ends.append(block)
            continue
        yield from _meant(is_meant, [b"".join([block[last + 1 :], *reversed(ends)])])
        if first < last and (not is_meant or is_meant(block)):  # most blocks are not
            yield from _meant(is_meant, reversed(block[first + 1 : last].split(b"\n")))
        ends = [block[:first]]
    yield from _meant(is_meant, [b"".join(reversed(ends))])


def _meant(is_meant: Meant | None, lines: Iterable[bytes]) -> Iterable[bytes]:
    return filter(is_meant, lines) if is_meant else lines


def of_id(id_start: str) -> Meant:
    """Whether a line may be one of a record whose id starts with ``id_start``."""
    forms = (json.dumps(id_start, ensure_ascii=False), json.dumps(id_start))
    starts = b"|".join(re.escape(form[:-1].encode(errors="surrogatepass")) for form in forms)
    return re.compile(rb'"id"\s*:\s*(?:' + starts + rb")").search


def with_word(word: str) -> Meant | None:
    """Whether a line may have ``word`` in a text, in capitals or not; ``None`` if all may."""
    needles = needles_of(word)

    def has_one(text: bytes) -> bool:
        small = text.lower()
        return any(needle in small for needle in needles)

    return has_one if needles else None


def needles_of(word: str) -> list[bytes]:
    """Every line that has ``word`` in a text contains, once it is in small letters, one of these.

    The longest part of it that looks the same in any case, but for ASCII, as it is and escaped;
    nothing if there is none.
    """
    parts = "".join(
        char if char.isascii() or char.lower() == char.upper() else "\0" for char in word
    ).split("\0")
    part = max(parts, key=len)
    forms = [json.dumps(part, ensure_ascii=False), json.dumps(part)] if part else []
    return [form[1:-1].lower().encode(errors="surrogatepass") for form in dict.fromkeys(forms)]


def newest_first(lines: Iterable[bytes]) -> Iterator[State]:
    """The state of every record in ``lines``, which come from the end of a history.

    The one that was sent last comes first. A record is complete at its first line, which says when
    it was sent; one whose first line is damaged comes where that must have been.
    """
    held: dict[str, State] = {}  # whose first line is still to come
    early: set[str] = set()  # that came before it
    waiting: list[tuple[float, int, str]] = []
    number = count()
    for line in lines:
        state = state_of(line)
        if state is None:
            continue
        key = state["id"]
        if key not in held:
            held[key] = state
            heapq.heappush(waiting, (-_sent_at(state), next(number), key))
        if is_first_line(state):
            newest = held.pop(key)
            while waiting and -waiting[0][0] > _sent_at(state):
                other = heapq.heappop(waiting)[2]
                if other in held and other not in early:
                    early.add(other)
                    yield held[other]
            if key in early:
                early.remove(key)
            else:
                yield newest
    left = [key for _, _, key in sorted(waiting) if key in held and key not in early]
    yield from (held[key] for key in dict.fromkeys(left))


def is_first_line(state: State) -> bool:
    """Whether ``state`` is that of a record which is new to the history."""
    is_sent = state.get("status") == "sent" and state.get("attempts") == 1
    return is_sent and not state.get("amended")


def _sent_at(state: State) -> float:
    try:
        return datetime.fromisoformat(state["created_at"]).timestamp()
    except (KeyError, TypeError, ValueError, OverflowError):
        return 0.0
