"""What tests of the upkeep share: records as a history holds them, and a small history."""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from hypothesis import strategies as st

State = dict[str, Any]

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


def state(id_: str = "b7c41f09e2aa", **more: Any) -> State:
    """A record of a picture, all of it."""
    return {
        "schema": "mai/record/1",
        "id": id_,
        "status": "ok",
        "created_at": "2026-11-22T09:14:03.120Z",
        "seconds": 31.4,
        "prompt": "a lighthouse at dawn",
        "images": [],
        "deployment": "mai-image-26",
        "model": "MAI-Image-2.6",
        "endpoint": "https://contoso.services.ai.azure.com",
        "profile": None,
        "offline": False,
        "request": {"width": 1024, "height": 1024},
        "master": {
            "path": f"2026/{id_}.png",
            "gallery": "/gallery",
            "sha256": "ab" * 32,
            "bytes": 1_534_022,
            "width": 1024,
            "height": 1024,
            "content_credentials": False,
        },
        "exports": [],
        "usage": {"input_text_tokens": 10, "input_image_tokens": 0, "output_tokens": 1024},
        "cost_usd": 0.038962,
        "request_id": "request-1",
        "attempts": 1,
        "batch": None,
        "alt": None,
        "rerun_of": None,
        "tags": [],
        "error": None,
    } | more


_MISSING = object()


def _odd(changes: dict[str, object], of_master: dict[str, object]) -> State:
    whole = state()
    master = whole["master"] | of_master
    whole["master"] = {key: value for key, value in master.items() if value is not _MISSING}
    return {key: value for key, value in (whole | changes).items() if value is not _MISSING}


def _some(facts: Mapping[str, object]) -> st.SearchStrategy[dict[str, object]]:
    keys = st.sampled_from([key for key in facts if key != "id"])
    return st.dictionaries(keys, st.just(_MISSING) | ANYTHING, max_size=2)


ODD_STATES = st.builds(_odd, _some(state()), _some(state()["master"]))
"""Records of which anything but the id may be missing, or of another kind."""


class Memory:
    """A history that is not on disk; ``meanwhile`` is what others do before a change."""

    def __init__(self, *states: State) -> None:
        self.states = {one["id"]: one for one in states}
        self.lines: list[State] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def newest(self) -> Iterator[State]:
        return reversed(list(self.states.values()))

    def damaged(self) -> Iterator[int]:
        return iter(())

    def change(self, record_id: str, change: Callable[[State], State]) -> State:
        self.meanwhile()
        self.states[record_id] = change(self.states[record_id])
        self.lines.append(self.states[record_id])
        return self.states[record_id]

    def drop(self, choose: Callable[[Iterator[State]], Collection[str]]) -> int:
        ids = choose(self.newest())
        for id_ in ids:
            del self.states[id_]
        return len(ids)
