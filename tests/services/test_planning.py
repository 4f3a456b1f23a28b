from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mai_cli.models.batch import Action, Drawn, State, Step
from mai_cli.models.lock import LockedAsset, LockedOutput
from mai_cli.models.manifest import Asset, AssetOutput
from mai_cli.models.recipe import Recipe
from mai_cli.services.ordering import Wanted
from mai_cli.services.planning import NO_FILE, Known, Wishes, fold, paths_of, plan

KINDS = {".png": Recipe("png"), ".webp": Recipe("webp"), ".jpg": Recipe("jpeg", width=320)}
SMALL = Recipe("png", width=64)


def outputs_at(*paths: str) -> tuple[AssetOutput, ...]:
    return tuple(AssetOutput(path, KINDS[Path(path).suffix]) for path in paths)


def want(
    name: str,
    *paths: str,
    digests: tuple[str, ...] = ("A",),
    alt: str | None = None,
    cost_usd: float | None = 0.04,
) -> Wanted:
    deployments = tuple(f"deployment of {digest}" for digest in digests)
    asset = Asset(name, "a fox", f"asset {name}", outputs_at(*paths), alt=alt)
    return Wanted(asset, digests, deployments, cost_usd)


def lock_of(
    request: str = "A",
    master: str | None = "M",
    *,
    offline: bool = False,
    alt: str | None = None,
    **files: str,
) -> LockedAsset:
    """``files`` are digests by path; ``_png`` stands for ``.png``."""
    outputs = {}
    for name, sha256 in files.items():
        stem, kind = name.rsplit("_", 1)
        outputs[f"{stem}.{kind}"] = LockedOutput(KINDS[f".{kind}"], sha256)
    return LockedAsset(request, master, offline, alt, outputs)


def drawn(master: str = "M", request: str = "A", *, offline: bool = False) -> Drawn:
    record = {"id": f"id of {master}", "master": {"sha256": master}, "offline": offline}
    return Drawn(record, Path(f"/gallery/{master}.png"), request)


@dataclass
class Machine:
    """Plans, with the digests of what is on disk; ``looked`` is what was asked of the history."""

    disk: Mapping[str, str] = field(default_factory=dict)
    lock: Mapping[str, LockedAsset] = field(default_factory=dict)
    known: Known = field(default_factory=Known)
    looked: list[tuple[set, set]] = field(default_factory=list)

    def look(self, requests, masters) -> Known:
        self.looked.append((set(requests), set(masters)))
        return self.known

    def plan(self, *wanted: Wanted, is_whole: bool = True, force: str = "", **wishes) -> list[Step]:
        digests = {path: self.disk.get(path) for path in paths_of(wanted, self.lock)}
        told = Wishes(forced=force.split().__contains__, **wishes)
        return plan(wanted, self.lock, digests, self.look, told, is_whole=is_whole)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def settled() -> Machine:
    """Everything is as the lock says, and nothing else is known."""
    lock = {"hero": lock_of(hero_png="P", hero_webp="W")}
    return Machine({"hero.png": "P", "hero.webp": "W"}, lock)


HERO = want("hero", "hero.png", "hero.webp")
CHANGED = want("hero", "hero.png", "hero.webp", digests=("B",))


def step_of(wanted: Wanted, state: State, action: Action, reason: str = "", **facts) -> Step:
    step = Step(wanted.asset.name, state, action, reason, wanted.asset)
    if action is Action.DRAW:
        step = replace(
            step,
            outputs=wanted.asset.outputs,
            deployments=wanted.deployments,
            cost_usd=wanted.cost_usd,
        )
    return replace(step, **facts)


def test_a_new_asset_is_drawn(machine):
    assert machine.plan(HERO) == [step_of(HERO, State.NEW, Action.DRAW)]
    assert machine.looked == [({("hero", "A")}, set())]


def test_what_is_as_the_lock_says_is_up_to_date_and_nobody_looks_it_up(settled):
    assert settled.plan(HERO) == [step_of(HERO, State.UP_TO_DATE, Action.NONE)]
    assert settled.looked == []


def test_an_empty_manifest_has_an_empty_plan(machine):
    assert machine.plan() == []
    assert machine.looked == []


def test_an_asset_without_outputs_is_up_to_date_by_its_request_alone(machine):
    machine.lock = {"idea": lock_of()}
    idea, other = want("idea"), want("idea", digests=("B",))

    assert machine.plan(idea) == [step_of(idea, State.UP_TO_DATE, Action.NONE)]
    assert machine.plan(other) == [
        step_of(other, State.CHANGED, Action.DRAW, "the request has changed")
    ]


def test_a_request_is_the_same_if_any_profile_makes_it(settled):
    both = want("hero", "hero.png", "hero.webp", digests=("B", "A"))

    assert settled.plan(both) == [step_of(both, State.UP_TO_DATE, Action.NONE)]


@pytest.mark.parametrize("cost_usd", [0.04, None])
def test_a_changed_request_is_drawn_again_over_the_files_of_the_last(settled, cost_usd):
    changed = replace(CHANGED, cost_usd=cost_usd)

    assert settled.plan(changed) == [
        step_of(
            changed,
            State.CHANGED,
            Action.DRAW,
            "the request has changed",
            replaces=("hero.png", "hero.webp"),
        )
    ]
    assert settled.looked == [({("hero", "B")}, set())]


def test_all_profiles_are_asked_for_and_may_draw(machine):
    both = want("hero", "hero.png", digests=("B", "C"))

    assert machine.plan(both) == [
        step_of(
            both,
            State.NEW,
            Action.DRAW,
            deployments=("deployment of B", "deployment of C"),
        )
    ]
    assert machine.looked == [({("hero", "B"), ("hero", "C")}, set())]


def test_a_placeholder_is_drawn_for_real(settled):
    settled.lock = {"hero": replace(settled.lock["hero"], offline=True)}

    assert settled.plan(HERO) == [
        step_of(
            HERO,
            State.CHANGED,
            Action.DRAW,
            "it is a placeholder",
            replaces=("hero.png", "hero.webp"),
        )
    ]
    assert settled.looked == [({("hero", "A")}, set())]
    assert settled.plan(HERO, offline=True) == [step_of(HERO, State.UP_TO_DATE, Action.NONE)]


FAULTS = [
    ("missing", State.MISSING, "hero.webp is missing"),
    ("modified", State.MODIFIED, "hero.webp was modified"),
    ("folder", State.MODIFIED, "hero.webp was modified"),
    ("unknown", State.CHANGED, "hero.webp is new"),
    ("unknown folder", State.CHANGED, "hero.webp is new"),
    ("recipe", State.CHANGED, "hero.webp is made differently now"),
]
IS_OURS = {"modified", "recipe"}
IS_FOLDER = {"folder", "unknown folder"}
IS_IN_THE_WAY = {*IS_FOLDER, "unknown"}


def spoil(machine: Machine, fault: str) -> None:
    """Let hero.webp be wrong."""
    here = {
        "missing": None,
        "modified": "other",
        "folder": NO_FILE,
        "unknown": "W",
        "unknown folder": NO_FILE,
        "recipe": "W",
    }[fault]
    machine.disk = {"hero.png": "P"} | ({} if here is None else {"hero.webp": here})
    locked = machine.lock["hero"]
    outputs = dict(locked.outputs)
    if fault.startswith("unknown"):
        del outputs["hero.webp"]
    if fault == "recipe":
        outputs["hero.webp"] = LockedOutput(Recipe("webp", quality=50), "W")
    machine.lock = {"hero": replace(locked, outputs=outputs)}


@pytest.mark.parametrize(("fault", "state", "reason"), FAULTS)
def test_one_output_that_is_wrong_is_made_from_the_master(settled, fault, state, reason):
    spoil(settled, fault)
    settled.known = Known(masters={"M": drawn(request="another")})

    assert settled.plan(HERO) == [
        step_of(
            HERO,
            State.RESTORABLE,
            Action.EXPORT,
            reason,
            outputs=outputs_at("hero.webp"),
            replaces=("hero.webp",) if fault in IS_OURS else (),
            in_the_way=("hero.webp",) if fault in IS_FOLDER else (),
            drawn=drawn(request="A"),
        )
    ]
    assert settled.looked == [({("hero", "A")}, {"M"})]


@pytest.mark.parametrize(("fault", "state", "reason"), FAULTS)
def test_one_output_that_is_wrong_is_drawn_again_where_the_master_is_not_known(
    settled, fault, state, reason
):
    spoil(settled, fault)

    assert settled.plan(HERO) == [
        step_of(
            HERO,
            state,
            Action.DRAW,
            reason,
            replaces=("hero.png", "hero.webp") if fault in IS_OURS else ("hero.png",),
            in_the_way=("hero.webp",) if fault in IS_IN_THE_WAY else (),
        )
    ]


def test_files_that_were_adopted_have_no_master_to_be_made_from(settled):
    settled.lock = {"hero": replace(settled.lock["hero"], master=None)}
    settled.disk = {"hero.png": "P"}

    assert settled.plan(HERO) == [
        step_of(HERO, State.MISSING, Action.DRAW, "hero.webp is missing", replaces=("hero.png",))
    ]
    assert settled.looked == [({("hero", "A")}, set())]


def test_the_worst_fault_is_the_state_and_all_of_them_the_reason(machine):
    wanted = want("hero", "a.png", "b.png", "c.png", "d.png")
    machine.disk = {"a.png": "1", "b.png": "other", "d.png": "4"}
    machine.lock = {"hero": lock_of(b_png="2", c_png="3", d_png="4")}

    assert machine.plan(wanted) == [
        step_of(
            wanted,
            State.MISSING,
            Action.DRAW,
            "a.png is new, b.png was modified, c.png is missing",
            replaces=("b.png", "d.png"),
            in_the_way=("a.png",),
        )
    ]

    machine.disk["c.png"] = "3"
    (step,) = machine.plan(wanted)
    assert (step.state, step.reason) == (State.MODIFIED, "a.png is new, b.png was modified")


def test_a_new_text_for_those_who_cannot_see_goes_into_every_output_once(settled):
    told = want("hero", "hero.png", "hero.webp", alt="A fox.")
    settled.known = Known(masters={"M": drawn()})

    assert settled.plan(told) == [
        step_of(
            told,
            State.RESTORABLE,
            Action.EXPORT,
            "its alternative text has changed",
            outputs=told.asset.outputs,
            replaces=("hero.png", "hero.webp"),
            drawn=drawn(),
        )
    ]

    settled.disk = {"hero.png": "P"}
    (step,) = settled.plan(told)
    assert step.reason == "its alternative text has changed, hero.webp is missing"
    assert step.outputs == told.asset.outputs


def test_a_new_text_of_an_asset_without_outputs_changes_nothing(machine):
    machine.lock = {"idea": lock_of()}
    idea = want("idea", alt="A fox.")

    assert machine.plan(idea) == [step_of(idea, State.UP_TO_DATE, Action.NONE)]


def test_what_was_drawn_and_not_finished_is_exported(machine):
    machine.known = Known(drawn={("hero", "A"): drawn()})
    machine.disk = {"hero.png": "from a run that was killed"}

    assert machine.plan(HERO) == [
        step_of(
            HERO,
            State.RESTORABLE,
            Action.EXPORT,
            "drawn before, but not finished",
            outputs=HERO.asset.outputs,
            drawn=drawn(),
        )
    ]


def test_a_changed_request_that_was_drawn_before_is_exported_over_the_files_of_the_last(settled):
    settled.known = Known(drawn={("hero", "B"): drawn("N", "B")})

    assert settled.plan(CHANGED) == [
        step_of(
            CHANGED,
            State.RESTORABLE,
            Action.EXPORT,
            "the request has changed",
            outputs=CHANGED.asset.outputs,
            replaces=("hero.png", "hero.webp"),
            drawn=drawn("N", "B"),
        )
    ]


def test_a_picture_by_any_profile_will_do_and_that_of_the_first_is_taken(machine):
    both = want("hero", "hero.png", digests=("B", "C"))
    machine.known = Known(drawn={("hero", "C"): drawn("N", "C")})
    (step,) = machine.plan(both)
    assert (step.action, step.drawn) == (Action.EXPORT, drawn("N", "C"))

    machine.known = Known(drawn={("hero", "C"): drawn("N", "C"), ("hero", "B"): drawn("O", "B")})
    (step,) = machine.plan(both)
    assert (step.action, step.drawn) == (Action.EXPORT, drawn("O", "B"))


def test_the_picture_of_the_lock_comes_before_a_newer_one(settled):
    settled.disk = {"hero.png": "P"}
    settled.known = Known(drawn={("hero", "A"): drawn("N")}, masters={"M": drawn()})

    (step,) = settled.plan(HERO)

    assert (step.drawn, step.outputs) == (drawn(), outputs_at("hero.webp"))


def test_of_two_records_with_the_bytes_of_the_lock_its_own_is_taken(settled):
    settled.disk = {"hero.png": "P"}
    of_another = Drawn({**drawn().record, "id": "another"}, Path("/gallery/2.png"), "B")
    settled.known = Known(drawn={("hero", "A"): drawn()}, masters={"M": of_another})

    (step,) = settled.plan(HERO)
    assert step.drawn == drawn()

    settled.known = Known(drawn={("hero", "A"): drawn("N")}, masters={"M": of_another})
    (step,) = settled.plan(HERO)
    assert step.drawn == replace(of_another, request="A")


def test_where_the_picture_of_the_lock_is_gone_all_outputs_are_made_from_another(settled):
    settled.disk = {"hero.png": "P"}
    settled.known = Known(drawn={("hero", "A"): drawn("N")})

    assert settled.plan(HERO) == [
        step_of(
            HERO,
            State.RESTORABLE,
            Action.EXPORT,
            "hero.webp is missing",
            outputs=HERO.asset.outputs,
            replaces=("hero.png",),
            drawn=drawn("N"),
        )
    ]


LOST = {"id": "b7c4", "created_at": "2026-11-22T09:14:03.120Z", "status": "sent"}
WAS_LOST = "sent at 2026-11-22T09:14:03.120Z and never answered, id b7c4"
CAME_TO_NOTHING = "sent at 2026-11-22T09:14:03.120Z and no picture came of it, id b7c4"


@pytest.mark.parametrize("digests", [("A",), ("B", "A")])
def test_what_was_never_answered_is_held(machine, digests):
    wanted = want("hero", "hero.png", digests=digests)
    machine.known = Known(lost={("hero", "A"): LOST})
    machine.disk = {"hero.png": "somebody's"}

    assert machine.plan(wanted) == [step_of(wanted, State.NEW, Action.HOLD, WAS_LOST)]


def test_what_was_never_answered_is_drawn_if_told_so(settled):
    settled.known = Known(lost={("hero", "B"): LOST})
    (held,) = settled.plan(CHANGED)
    (again,) = settled.plan(CHANGED, retry_lost=True)
    (forced,) = settled.plan(CHANGED, force="hero")

    assert held == step_of(CHANGED, State.CHANGED, Action.HOLD, WAS_LOST)
    assert (again.action, again.reason) == (Action.DRAW, "the request has changed")
    assert (forced.action, forced.reason) == (Action.DRAW, "drawn again, as --force says")


def test_what_was_answered_without_a_picture_is_held_and_says_so(machine):
    machine.known = Known(lost={("hero", "A"): LOST | {"status": "unknown"}})

    assert machine.plan(HERO) == [step_of(HERO, State.NEW, Action.HOLD, CAME_TO_NOTHING)]


def test_nothing_is_held_that_was_never_answered_for_another_asset_or_request(machine):
    villain = want("villain", "villain.png", digests=("C",))
    machine.known = Known(lost={("villain", "A"): LOST, ("hero", "B"): LOST})

    assert machine.plan(HERO, villain) == [
        step_of(HERO, State.NEW, Action.DRAW),
        step_of(villain, State.NEW, Action.DRAW),
    ]


@pytest.mark.parametrize("digests", [("A",), ("B", "A")])
def test_what_was_never_answered_for_an_asset_that_left_is_held_for_one_that_is_new(
    machine, digests
):
    new = want("new", "new.png", digests=digests)
    machine.known = Known(lost={("old", "A"): LOST})

    assert machine.plan(new) == [step_of(new, State.NEW, Action.HOLD, WAS_LOST)]


def test_what_was_never_answered_for_an_asset_that_left_is_drawn_if_told_so(machine):
    machine.known = Known(lost={("old", "A"): LOST})

    for told in ({"retry_lost": True}, {"force": "hero"}, {"is_whole": False}):
        (step,) = machine.plan(HERO, **told)
        assert step.action is Action.DRAW


def test_a_picture_comes_before_what_was_never_answered_for_an_asset_that_left(renamed):
    renamed.known = replace(renamed.known, lost={("older", "A"): LOST})

    (step, _) = renamed.plan(HERO)

    assert step.action is Action.EXPORT


def test_what_was_drawn_is_not_held_for_what_was_never_answered(machine):
    machine.known = Known(drawn={("hero", "A"): drawn()}, lost={("hero", "A"): LOST})

    (step,) = machine.plan(HERO)

    assert step.action is Action.EXPORT


def test_a_placeholder_costs_nothing(machine):
    assert machine.plan(HERO, offline=True) == [step_of(HERO, State.NEW, Action.DRAW, cost_usd=0.0)]


def test_a_placeholder_replaces_a_placeholder(settled):
    settled.lock = {"hero": replace(settled.lock["hero"], offline=True)}

    assert settled.plan(CHANGED, offline=True) == [
        step_of(
            CHANGED,
            State.CHANGED,
            Action.DRAW,
            "the request has changed",
            replaces=("hero.png", "hero.webp"),
            cost_usd=0.0,
        )
    ]


def test_a_placeholder_does_not_replace_a_real_picture(settled):
    reason = "; --offline leaves real pictures alone"
    assert settled.plan(CHANGED, offline=True) == [
        step_of(CHANGED, State.CHANGED, Action.NONE, f"the request has changed{reason}")
    ]
    (forced,) = settled.plan(CHANGED, offline=True, force="hero")
    assert forced.action is Action.DRAW

    settled.disk = {"hero.png": "P"}
    assert settled.plan(HERO, offline=True) == [
        step_of(HERO, State.MISSING, Action.NONE, f"hero.webp is missing{reason}")
    ]


def test_a_placeholder_that_was_drawn_before_does_not_replace_a_real_picture_either(settled):
    settled.known = Known(drawn={("hero", "B"): drawn("N", "B", offline=True)})

    assert settled.plan(CHANGED, offline=True) == [
        step_of(
            CHANGED,
            State.CHANGED,
            Action.NONE,
            "the request has changed; --offline leaves real pictures alone",
        )
    ]


@pytest.mark.parametrize("state", ["new", "placeholder"])
def test_a_placeholder_that_was_drawn_before_goes_where_nothing_real_is(settled, state):
    lock = {"new": {}, "placeholder": {"hero": replace(settled.lock["hero"], offline=True)}}
    settled.lock = lock[state]
    settled.disk = {}
    settled.known = Known(drawn={("hero", "A"): drawn("N", offline=True)})

    (step,) = settled.plan(HERO, offline=True)

    assert (step.action, step.drawn) == (Action.EXPORT, drawn("N", offline=True))


def test_a_placeholder_of_a_new_asset_does_not_replace_the_real_picture_of_another(settled):
    other = want("villain", "hero.png", digests=("B",))
    alone = want("villain", "villain.png", digests=("B",))
    left_alone = step_of(other, State.NEW, Action.NONE)
    left_alone = replace(left_alone, reason="; --offline leaves real pictures alone")
    settled.disk |= {"villain.png": "somebody's"}

    assert settled.plan(other, offline=True, is_whole=False) == [left_alone]
    settled.known = Known(drawn={("villain", "B"): drawn("N", "B", offline=True)})
    assert settled.plan(other, offline=True, is_whole=False) == [left_alone]
    (step,) = settled.plan(alone, offline=True, is_whole=False)
    assert step.action is Action.EXPORT


def test_a_placeholder_does_not_stand_in_for_a_real_picture_whose_files_are_all_gone(settled):
    settled.disk = {}

    (step,) = settled.plan(HERO, offline=True)

    assert (step.state, step.action) == (State.MISSING, Action.NONE)


def test_a_placeholder_may_go_where_the_real_picture_of_another_was(settled):
    settled.disk = {}
    villain = want("villain", "hero.png")

    (step,) = settled.plan(villain, offline=True, is_whole=False)

    assert step.action is Action.DRAW


def test_what_was_never_answered_for_a_real_picture_is_left_alone_offline(settled):
    settled.known = Known(lost={("hero", "B"): LOST})

    (step,) = settled.plan(CHANGED, offline=True)

    assert step.action is Action.NONE


def test_a_real_picture_is_restored_offline(settled):
    settled.disk = {"hero.png": "P"}
    settled.known = Known(masters={"M": drawn()})

    (step,) = settled.plan(HERO, offline=True)

    assert (step.action, step.outputs) == (Action.EXPORT, outputs_at("hero.webp"))


def test_a_placeholder_that_is_the_same_for_two_deployments_is_exported_where_it_is_missing(
    settled,
):
    settled.lock = {"hero": replace(settled.lock["hero"], offline=True)}
    settled.disk = {"hero.png": "P"}
    settled.known = Known(drawn={("hero", "B"): drawn("M", "B", offline=True)})

    (step,) = settled.plan(CHANGED, offline=True)

    assert (step.action, step.drawn) == (Action.EXPORT, drawn("M", "B", offline=True))
    assert outputs_at("hero.webp")[0] in step.outputs


def test_what_is_forced_is_drawn_whatever_is_known_of_it(settled):
    settled.known = Known(
        {("hero", "A"): drawn(), ("new", "A"): drawn()}, {("hero", "A"): LOST}, {"M": drawn()}
    )
    new, other = want("new", "new.png"), want("other", "other.png", digests=("C",))
    settled.disk |= {"new.png": "somebody's"}

    reason = "drawn again, as --force says"
    assert settled.plan(HERO, new, other, force="hero new") == [
        step_of(HERO, State.CHANGED, Action.DRAW, reason, replaces=("hero.png", "hero.webp")),
        step_of(new, State.NEW, Action.DRAW, reason, replaces=("new.png",)),
        step_of(other, State.NEW, Action.DRAW),
    ]


def test_not_even_what_is_forced_replaces_a_folder(machine):
    machine.disk = {"hero.png": NO_FILE, "hero.webp": "somebody's"}

    (step,) = machine.plan(HERO, force="hero")

    assert (step.replaces, step.in_the_way) == (("hero.webp",), ("hero.png",))


def test_what_nobody_has_made_is_in_the_way(machine):
    machine.disk = {"hero.png": "somebody's", "hero.webp": NO_FILE}

    assert machine.plan(HERO) == [
        step_of(HERO, State.NEW, Action.DRAW, in_the_way=("hero.png", "hero.webp"))
    ]


@pytest.mark.parametrize("is_whole", [True, False])
def test_what_was_made_for_another_asset_may_be_replaced(machine, is_whole):
    machine.disk = {"hero.png": "P", "hero.webp": "modified"}
    machine.lock = {"villain": lock_of("B", hero_png="P", hero_webp="W")}

    assert machine.plan(HERO, is_whole=is_whole) == [
        step_of(HERO, State.NEW, Action.DRAW, replaces=("hero.png", "hero.webp"))
    ]


@pytest.fixture
def renamed() -> Machine:
    """One asset has left the manifest, and its picture is known."""
    disk = {"old.png": "P"}
    return Machine(disk, {"old": lock_of(old_png="P")}, Known(masters={"M": drawn(request="x")}))


def test_a_renamed_asset_is_made_from_the_picture_that_it_had(renamed):
    left_over = Step(
        "old",
        State.LEFT_OVER,
        Action.NONE,
        "no longer in the manifest",
        outputs=outputs_at("old.png"),
    )
    assert renamed.plan(HERO) == [
        step_of(
            HERO,
            State.RESTORABLE,
            Action.EXPORT,
            "drawn before, but not finished",
            outputs=HERO.asset.outputs,
            drawn=drawn(request="A"),
        ),
        left_over,
    ]
    assert renamed.looked == [({("hero", "A")}, {"M"})]


def test_a_renamed_asset_may_keep_its_files(renamed):
    kept = want("new", "old.png")

    assert renamed.plan(kept) == [
        step_of(
            kept,
            State.RESTORABLE,
            Action.EXPORT,
            "drawn before, but not finished",
            outputs=kept.asset.outputs,
            replaces=("old.png",),
            drawn=drawn(),
        )
    ]


def test_a_renamed_asset_takes_the_picture_of_any_profile(renamed):
    both = want("hero", "hero.png", digests=("B", "A"))

    (step, _) = renamed.plan(both)

    assert (step.action, step.drawn) == (Action.EXPORT, drawn())


def test_a_picture_that_is_left_goes_to_one_asset_only(renamed):
    again = want("again", "again.png")
    renamed.lock |= {"first by name": lock_of(master="N")}
    renamed.known = Known(masters={"M": drawn(), "N": drawn("N")})

    steps = renamed.plan(HERO, again, want("third", "third.png"))

    assert [(step.action, step.drawn) for step in steps[:3]] == [
        (Action.EXPORT, drawn("N")),
        (Action.EXPORT, drawn()),
        (Action.DRAW, None),
    ]
    assert renamed.looked == [
        ({("hero", "A"), ("again", "A"), ("third", "A")}, {"M", "N"}),
    ]


def test_of_pictures_that_are_left_one_is_taken_that_is_still_there(renamed):
    renamed.lock |= {"a": lock_of(master="gone")}

    (step, _) = renamed.plan(HERO)

    assert step.drawn == drawn()


def test_a_picture_of_its_own_comes_before_one_that_is_left(renamed):
    renamed.known = replace(renamed.known, drawn={("hero", "A"): drawn("N")})

    (step, _) = renamed.plan(HERO)

    assert step.drawn == drawn("N")


@pytest.mark.parametrize(
    "locked",
    [
        lock_of("B", old_png="P"),
        lock_of(master=None, old_png="P"),
        lock_of(offline=True, old_png="P"),
    ],
)
def test_no_picture_is_taken_that_is_another_or_none_or_a_placeholder(renamed, locked):
    renamed.lock = {"old": locked}

    assert renamed.plan(HERO)[0] == step_of(HERO, State.NEW, Action.DRAW)
    assert renamed.looked == [({("hero", "A")}, set())]


def test_no_picture_is_taken_from_an_asset_that_this_run_does_not_know_to_be_gone(renamed):
    assert renamed.plan(HERO, is_whole=False) == [step_of(HERO, State.NEW, Action.DRAW)]
    assert renamed.looked == [({("hero", "A")}, set())]


def test_no_picture_is_taken_from_an_asset_that_is_still_there(renamed):
    old = want("old", "old.png")

    assert renamed.plan(old, HERO) == [
        step_of(old, State.UP_TO_DATE, Action.NONE),
        step_of(HERO, State.NEW, Action.DRAW),
    ]


def test_an_asset_whose_request_has_changed_takes_a_picture_that_is_left(renamed):
    renamed.lock |= {"hero": lock_of("B", "gone")}

    assert renamed.plan(HERO)[0] == step_of(
        HERO,
        State.RESTORABLE,
        Action.EXPORT,
        "the request has changed",
        outputs=HERO.asset.outputs,
        drawn=drawn(),
    )


def test_an_asset_whose_request_is_the_same_takes_no_picture_that_is_left(renamed):
    renamed.lock |= {"hero": lock_of(master="gone", hero_png="P", hero_webp="W")}

    assert renamed.plan(HERO)[0] == step_of(
        HERO, State.MISSING, Action.DRAW, "hero.png is missing, hero.webp is missing"
    )


@pytest.fixture
def two() -> Machine:
    """Two assets that were made, and whose pictures are known."""
    lock = {"a": lock_of("A", "M", a_png="P"), "b": lock_of("B", "N", b_png="Q")}
    known = Known(masters={"M": drawn(), "N": drawn("N", "B")})
    return Machine({"a.png": "P", "b.png": "Q"}, lock, known)


def pictures(steps: list[Step]) -> list[tuple[str, Action, Drawn | None]]:
    return [(step.name, step.action, step.drawn) for step in steps if step.asset]


def test_assets_that_swapped_their_names_swap_their_pictures(two):
    steps = two.plan(want("b", "a.png"), want("a", "b.png", digests=("B",)))

    assert pictures(steps) == [
        ("b", Action.EXPORT, drawn()),
        ("a", Action.EXPORT, drawn("N", "B")),
    ]
    assert [step.replaces for step in steps] == [("a.png",), ("b.png",)]
    assert two.looked == [({("b", "A"), ("a", "B")}, {"M", "N"})]


def test_a_chain_of_new_names_takes_the_pictures_along(two):
    steps = two.plan(want("b", "a.png"), want("c", "b.png", digests=("B",)))

    assert pictures(steps) == [
        ("b", Action.EXPORT, drawn()),
        ("c", Action.EXPORT, drawn("N", "B")),
    ]


def test_a_picture_that_its_asset_asks_for_no_more_goes_to_one_other_only(two):
    steps = two.plan(want("a", "a.png", digests=("C",)), want("c", "c.png"), want("d", "d.png"))

    assert pictures(steps) == [
        ("a", Action.DRAW, None),
        ("c", Action.EXPORT, drawn()),
        ("d", Action.DRAW, None),
    ]


def test_what_was_drawn_for_an_asset_that_left_before_the_lock_knew_is_not_drawn_again(machine):
    machine.known = Known(drawn={("old", "A"): drawn()})

    (step,) = machine.plan(HERO)

    assert (step.action, step.drawn) == (Action.EXPORT, drawn())


def test_a_picture_that_lock_and_history_know_of_goes_to_one_asset_only(renamed):
    renamed.known = replace(renamed.known, drawn={("old", "A"): drawn()})

    steps = renamed.plan(HERO, want("again", "again.png"))

    assert pictures(steps) == [("hero", Action.EXPORT, drawn()), ("again", Action.DRAW, None)]


def test_a_picture_that_two_had_goes_to_one_asset_only(renamed):
    renamed.lock |= {"older": lock_of()}

    steps = renamed.plan(HERO, want("again", "again.png"))

    assert pictures(steps) == [("hero", Action.EXPORT, drawn()), ("again", Action.DRAW, None)]


@pytest.mark.parametrize("known", [{}, {("old", "A"): drawn()}])
def test_a_picture_that_an_asset_still_has_goes_to_no_other(renamed, known):
    renamed.known = replace(renamed.known, drawn=known)
    renamed.lock |= {"new": lock_of(new_png="P")}
    renamed.disk |= {"new.png": "P"}

    steps = renamed.plan(want("new", "new.png"), HERO)

    assert pictures(steps) == [("new", Action.NONE, None), ("hero", Action.DRAW, None)]


def test_on_a_part_of_the_manifest_no_picture_changes_its_asset(two):
    (step,) = two.plan(want("b", "a.png"), is_whole=False)

    assert step.action is Action.DRAW


@pytest.mark.parametrize(("prune", "action"), [(False, Action.NONE), (True, Action.PRUNE)])
def test_files_that_the_manifest_no_longer_names_are_left_over(settled, prune, action):
    settled.lock |= {
        "z": lock_of(z_png="Z", a_png="A"),
        "b": lock_of(b_png="B", gone_png="G"),
        "c": lock_of(c_png="C"),
        "d": lock_of(hero_webp="W"),
    }
    settled.disk |= {"z.png": "modified", "a.png": "A", "b.png": "B", "c.png": NO_FILE}
    fewer = want("hero", "hero.png")

    reason = "no longer in the manifest"
    assert settled.plan(fewer, prune=prune) == [
        step_of(fewer, State.UP_TO_DATE, Action.NONE),
        Step("b", State.LEFT_OVER, action, reason, outputs=outputs_at("b.png")),
        Step("d", State.LEFT_OVER, action, reason, outputs=outputs_at("hero.webp")),
        Step("hero", State.LEFT_OVER, action, reason, outputs=outputs_at("hero.webp")),
        Step("z", State.LEFT_OVER, action, reason, outputs=outputs_at("a.png", "z.png")),
    ]
    assert settled.looked == []


def test_a_run_on_a_part_of_the_manifest_knows_nothing_of_what_is_left_over(settled):
    assert settled.plan(is_whole=False, prune=True) == []


def test_what_is_left_over_is_told_as_the_lock_has_it(machine):
    machine.disk = {"old.png": "P"}
    machine.lock = {"old": LockedAsset("A", "M", outputs={"old.png": LockedOutput(SMALL, "P")})}

    (step,) = machine.plan()

    assert step.outputs == (AssetOutput("old.png", SMALL),)


def test_steps_are_in_the_order_of_the_manifest_and_history_is_read_once(settled):
    wanted = [want(name, f"{name}.png", digests=(name,)) for name in "zay"]

    steps = settled.plan(*wanted, HERO)

    assert [step.name for step in steps] == ["z", "a", "y", "hero"]
    assert settled.looked == [({("z", "z"), ("a", "a"), ("y", "y")}, set())]


def test_the_paths_of_the_manifest_and_of_the_lock_are_needed():
    lock = {"a": lock_of(a_png="A"), "b": lock_of(b_png="B", a_png="A"), "c": lock_of()}

    assert paths_of([HERO, want("a", "a.png")], lock) == {
        *("hero.png", "hero.webp", "a.png", "b.png"),
    }
    assert paths_of([], {}) == set()


BASE = lock_of("A", "base", hero_png="base")
ONE = lock_of("A", "one", hero_png="one")
TWO = lock_of("A", "two", hero_png="two")
ASKED, OTHER = ("A",), ("B",)


@pytest.mark.parametrize(
    ("disk", "one", "two", "digests", "winner"),
    [
        ("base", ONE, TWO, ASKED, BASE),
        ("one", ONE, TWO, ASKED, ONE),
        ("two", ONE, TWO, ASKED, TWO),
        ("one", replace(ONE, request="B"), TWO, ASKED, replace(ONE, request="B")),
        ("other", ONE, TWO, ASKED, TWO),
        (None, ONE, TWO, ASKED, TWO),
        ("other", replace(ONE, request="B"), TWO, ("C", "B"), replace(ONE, request="B")),
        ("other", replace(ONE, request="B"), replace(TWO, request="C"), ASKED, BASE),
        (
            "base",
            replace(ONE, outputs=BASE.outputs),
            TWO,
            ASKED,
            replace(ONE, outputs=BASE.outputs),
        ),
        ("base", replace(BASE, request="B"), TWO, OTHER, replace(BASE, request="B")),
        ("base", replace(BASE, request="B"), TWO, ASKED, BASE),
    ],
)
def test_where_locks_disagree_files_decide_then_the_manifest_then_the_later(
    disk, one, two, digests, winner
):
    fragments = {"1-of-2.json": {"hero": one}, "2-of-2.json": {"hero": two}}
    wanted = [want("hero", "hero.png", digests=digests)]

    assert fold({"hero": BASE}, fragments, wanted, {"hero.png": disk}) == {"hero": winner}


def test_where_locks_agree_all_that_they_know_is_folded():
    lock = {"hero": BASE, "old": lock_of()}
    fragments = {"1-of-2.json": {"new": ONE}, "2-of-2.json": {"old": lock_of(), "last": TWO}}

    assert fold(lock, fragments, [], {}) == {
        "hero": BASE,
        "old": lock_of(),
        "new": ONE,
        "last": TWO,
    }
    assert lock == {"hero": BASE, "old": lock_of()}


def test_all_files_count_where_locks_disagree():
    half = lock_of("A", "half", a_png="1", b_png="other")
    whole = lock_of("A", "whole", a_png="1", b_png="2")
    digests = {"a.png": "1", "b.png": "2"}

    assert fold({"hero": whole}, {"1-of-1.json": {"hero": half}}, [], digests) == {"hero": whole}
    assert fold({"hero": half}, {"1-of-1.json": {"hero": whole}}, [], digests) == {"hero": whole}
