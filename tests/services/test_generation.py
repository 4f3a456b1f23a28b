import re
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mai_cli.errors import (
    AuthError,
    BudgetError,
    ConfigError,
    ExitCode,
    MaiError,
    RefusedError,
    Retry,
    StoppedError,
    StorageError,
    UnavailableError,
    UnknownError,
    UsageError,
)
from mai_cli.models.answer import Picture, Usage
from mai_cli.models.catalogue import Model
from mai_cli.models.endpoint import Endpoint
from mai_cli.services.generation import Generation, Order
from mai_cli.services.outputs import Target, Targets

ENDPOINT = Endpoint("https://contoso.services.ai.azure.com")
HERO = Target(Path("/x/hero.png"), is_folder=False)
DRAFTS = Target(Path("/drafts"), is_folder=True)
FULL = OSError(28, "No space left on device")
COST = 0.038962
WORST_COST = 0.040457
DANGER = "Nothing more is sent: going on could lock the resource for days."
STEPS = ["reserve", "sign in", "open", "turn", "sent", "paint", "accepted", "keep", "ok", "settle"]


def no_history() -> MaiError:
    return StorageError("No history.", code="history_failed", hint="Make room.")


def quota() -> MaiError:
    return UnavailableError("Busy.", code="quota", retry=Retry.LATER, wait_seconds=1)


def lost() -> MaiError:
    return UnknownError("Lost.", code="lost_answer", retry=Retry.IF_TOLD, hint="Look.")


def refusal(code: str = "content_filter") -> MaiError:
    return RefusedError("Declined.", code=code)


def failure() -> MaiError:
    return UnavailableError("Down.", code="service_failure", retry=Retry.SOON)


def stopped() -> MaiError:
    return StoppedError("Stopped. Nothing was drawn.", code="stopped")


def statuses(outcomes):
    return [outcome.record.status for outcome in outcomes]


def test_each_step_is_safe_before_the_next_is_taken(world, request_):
    (outcome,) = world.run(request_, outputs=[HERO, DRAFTS])

    assert world.steps == [
        "prepare /x",
        "prepare /drafts",
        *STEPS,
        "export /x/hero.png",
        "export /drafts/id-0.png",
        "ok",
    ]
    assert outcome.record is world.records[-1]
    assert [export.path for export in outcome.record.exports] == ["/x/hero.png", "/drafts/id-0.png"]
    assert outcome.record.master.path == "id-0.png"
    assert outcome.record.master.gallery == "/gallery"
    assert (outcome.exit_code, outcome.notes) == (ExitCode.OK, ())


def test_unless_told_otherwise_nothing_is_replaced_and_nothing_kept_back(world, request_):
    (outcome,) = world.run(request_, outputs=[HERO])

    assert [order[3:] for order in world.orders] == [(False, True)]
    record = outcome.record
    assert (record.prompt, record.alt, record.profile) == ("a red fox", None, None)


def test_each_record_has_an_id_of_its_own_and_says_when_in_utc(world, request_):
    parts = dict.fromkeys(("painter", "gallery", "history", "exporter", "budget"), world)
    generation = Generation(**parts, pace=world.pace, tell=world.told.append, clock=lambda: 0.0)
    before = datetime.now(UTC)
    records = [one.record for one in generation.run(Order([request_] * 2, Targets(), ENDPOINT))]

    assert all(re.fullmatch("[0-9a-f]{12}", record.id) for record in records)
    assert len({record.id for record in records}) == 2
    assert all(before <= record.created_at <= datetime.now(UTC) for record in records)


def test_a_picture_is_handed_over_before_the_next_is_asked_for(world, request_):
    outcomes = world.run(request_, request_, tags=["a"], private=True)
    first = next(outcomes)

    assert world.steps == STEPS
    assert (first.record.tags, first.record.prompt) == (["a"], None)
    outcomes.close()
    assert len(world.records) == 2


def test_a_refused_picture_does_not_keep_the_others_from_their_chance(world, request_):
    world.todo = [refusal(), None, refusal()]

    assert statuses(world.run(*[request_] * 4)) == ["refused", "ok", "refused", "ok"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (UnavailableError("No.", code="no_connection"), "failed"),
        (AuthError("No.", code="bad_credential"), "failed"),
        (ConfigError("No.", code="redirected"), "failed"),
        (lost(), "unknown"),
        (UnknownError("No.", code="bad_picture"), "unknown"),
    ],
)
def test_any_other_failure_is_recorded_and_nothing_more_is_sent(world, request_, error, status):
    world.todo = [None, error]
    outcomes = list(world.run(*[request_] * 3))

    assert statuses(outcomes) == ["ok", status]
    assert outcomes[1].error is error
    assert world.records[-1].error["code"] == error.code


def test_nothing_more_is_sent_to_a_resource_that_is_blocked(world, request_):
    world.todo = [refusal("resource_blocked")]

    assert statuses(world.run(*[request_] * 3)) == ["refused"]


@pytest.mark.parametrize(
    ("todo", "sent"),
    [
        ([refusal] * 9, 5),
        ([*[refusal] * 4, None, *[refusal] * 4, None, None], 11),
        ([refusal, refusal, None, *[refusal] * 9], 8),
    ],
)
def test_nothing_more_is_sent_after_five_refusals_in_a_row(world, request_, todo, sent):
    world.todo = [make and make() for make in todo]

    assert len(list(world.run(*[request_] * len(todo)))) == sent
    warning = "Nothing more is sent: going on could lock the resource for days."
    assert world.told == [warning] * (sent < len(todo))


@pytest.mark.parametrize("count", [5, 6])
def test_after_five_refusals_by_the_filter_in_a_row_nothing_more_is_sent(world, request_, count):
    world.todo = [refusal(), None, *(refusal() for _ in range(9))]

    assert statuses(world.run(*[request_] * (2 + count))) == ["refused", "ok", *["refused"] * 5]
    assert world.told == [DANGER] * (count - 5)


def test_a_blocked_resource_is_told_only_if_something_was_left_to_send(world, request_):
    for count, told in [(1, []), (2, [DANGER])]:
        world.todo = [refusal("resource_blocked")]
        list(world.run(*[request_] * count))

        assert world.told == told


def test_other_refusals_are_not_counted(world, request_):
    world.todo = [refusal("bad_request") for _ in range(7)]

    assert statuses(world.run(*[request_] * 7)) == ["refused"] * 7
    assert world.told == []


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (1, []),
        (2, ["1 more was not asked for."]),
        (4, ["3 more were not asked for."]),
    ],
)
def test_how_many_were_not_asked_for_after_a_failure_is_told(world, request_, count, told):
    world.todo = [lost()]

    assert statuses(world.run(*[request_] * count)) == ["unknown"]
    assert world.told == told


def test_a_picture_that_had_to_be_rescued_is_told_and_is_the_last(world, request_):
    world.problem = StorageError("Rescued.", code="rescued")
    (outcome,) = world.run(request_, request_)

    assert outcome.path == Path("/gallery/id-0.png")
    assert (outcome.record.status, outcome.record.error["code"]) == ("ok", "rescued")
    assert outcome.exit_code is ExitCode.STORAGE


@pytest.mark.parametrize(
    ("step", "error", "kind", "steps"),
    [
        ("prepare /x", UsageError("No.", code="bad_output"), UsageError, []),
        ("reserve", BudgetError("No.", code="over_budget"), BudgetError, ["reserve"]),
        ("sign in", AuthError("No.", code="no_credential"), AuthError, STEPS[:2]),
        ("open", ConfigError("No.", code="cannot_store"), ConfigError, STEPS[:3]),
        ("turn", stopped(), StoppedError, STEPS[:4]),
        ("turn", quota(), UnavailableError, STEPS[:4]),
        ("turn", KeyboardInterrupt(), KeyboardInterrupt, STEPS[:4]),
        ("sent", no_history(), ConfigError, [*STEPS[:5], "give back"]),
    ],
)
def test_what_fails_beforehand_sends_nothing_and_costs_nothing(
    world, request_, step, error, kind, steps
):
    world.fails[step] = error

    with pytest.raises(kind):
        list(world.run(request_, outputs=[HERO]))

    settled = world.reserved and ["settle"]
    assert world.steps == ["prepare /x", *steps, *settled]
    assert world.records == []
    assert world.settled == [0.0] * len(settled)


def test_a_line_that_cannot_be_written_is_told_as_a_request_that_did_not_leave(world, request_):
    world.fails["sent"] = no_history()

    with pytest.raises(ConfigError) as caught:
        list(world.run(request_))

    assert caught.value.message == "No history. Nothing was sent."
    assert (caught.value.code, caught.value.hint) == ("cannot_store", "Make room.")


def test_pictures_that_a_limit_leaves_room_for_are_made_before_one_that_it_does_not(
    world, request_
):
    world.fails["reserve 2"] = BudgetError("Too dear.", code="over_budget")
    outcomes = world.run(request_, request_)

    assert next(outcomes).record.status == "ok"
    with pytest.raises(BudgetError):
        next(outcomes)
    assert world.settled == [COST]


def test_each_request_is_sent_at_the_pace_of_its_deployment(world, request_):
    other = replace(request_, deployment="other")
    list(world.run(request_, other))

    assert world.paces == ["mai-image-26", "other"]
    assert world.painted == [request_, other]


def test_a_record_tells_where_its_request_goes_by_which_profile_and_what_it_repeats(
    world, request_
):
    list(world.run(request_, profile="work", rerun_of="id-before"))

    assert {(r.endpoint, r.profile, r.rerun_of) for r in world.records} == {
        (str(ENDPOINT), "work", "id-before")
    }


def test_only_what_was_exported_and_what_is_between_attempts_may_get_to_disk_later(world, request_):
    world.todo = [quota()]
    list(world.run(request_, outputs=[HERO]))

    assert list(zip([record.status for record in world.records], world.details, strict=True)) == [
        ("sent", False),
        ("failed", True),
        ("sent", False),
        ("ok", False),
        ("ok", True),
    ]


def test_one_picture_of_a_batch_has_its_asset_and_alternative_text_in_its_record(world, request_):
    batch = {"manifest": "/work/assets.yaml", "asset": "hero", "request": "ab" * 32}
    order = Order([], Targets([HERO]), ENDPOINT, batch=batch, alt="A fox.")
    (outcome,) = world.generation().one(order, request_, 7, world)

    assert (outcome.record.batch, outcome.record.alt) == (batch, "A fox.")
    assert {(record.batch == batch, record.alt) for record in world.records} == {(True, "A fox.")}
    assert [order[2] for order in world.orders] == [Path("/x/hero-7.png")]


def test_a_picture_whose_last_line_cannot_be_written_is_said_to_be_safe(world, request_):
    world.fails["ok"] = no_history()
    (outcome,) = world.run(request_, request_)

    assert (outcome.path, outcome.exit_code) == (Path("/gallery/id-0.png"), ExitCode.STORAGE)
    assert outcome.error.code == "history_failed"
    assert outcome.error.hint == "The picture is safe at /gallery/id-0.png. Make room."
    assert outcome.record.error["code"] == "history_failed"


def test_of_two_things_that_went_wrong_with_a_picture_both_are_told(world, request_):
    world.problem = StorageError("Rescued.", code="rescued")
    world.fails["ok"] = no_history()
    (outcome,) = world.run(request_)

    assert (outcome.error.code, outcome.record.error["code"]) == ("history_failed",) * 2
    assert world.told == ["Rescued."]


def test_a_failure_that_cannot_be_written_is_still_told(world, request_):
    world.todo, world.fails["unknown"] = [lost()], no_history()

    assert statuses(world.run(request_)) == ["unknown"]
    assert world.told == ["No history."]


def test_a_lost_answer_is_not_asked_for_again(world, request_):
    world.todo = [lost()]

    assert statuses(world.run(request_)) == ["unknown"]
    assert world.steps.count("paint") == 1


def test_a_lost_answer_is_asked_for_again_three_times_in_all_where_that_is_told(world, request_):
    world.todo = [lost() for _ in range(9)]
    outcomes = list(world.run(request_, request_, retry_lost=True))

    assert [(o.record.id, o.record.status, o.record.rerun_of, o.asked_again) for o in outcomes] == [
        ("id-0", "unknown", None, True),
        ("id-1", "unknown", "id-0", True),
        ("id-2", "unknown", "id-1", False),
    ]
    again = "The answer was lost; asking again, as --retry-lost says."
    assert world.told == [again, again, "1 more was not asked for."]
    assert [(record.id, record.status) for record in world.records] == [
        (f"id-{number}", status) for number in range(3) for status in ("sent", "unknown")
    ]


def test_a_picture_that_comes_at_last_is_followed_by_the_others(world, request_):
    world.todo = [lost(), None, None]
    outcomes = list(world.run(request_, request_, retry_lost=True))

    assert [(outcome.record.status, outcome.record.rerun_of) for outcome in outcomes] == [
        ("unknown", None),
        ("ok", "id-0"),
        ("ok", None),
    ]


def test_what_would_fail_again_is_not_asked_for_again_even_where_lost_answers_are(world, request_):
    world.todo = [UnknownError("Full.", code="not_stored")]

    assert statuses(world.run(request_, retry_lost=True)) == ["unknown"]
    assert world.steps.count("paint") == 1


def test_each_request_of_a_lost_picture_has_money_set_aside_of_its_own(world, request_):
    world.todo = [lost(), None]
    list(world.run(request_, retry_lost=True))

    assert world.reserved == [WORST_COST] * 2
    assert world.settled == [None, COST]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(143), RuntimeError("a bug")])
@pytest.mark.parametrize("step", ["paint", "keep"])
def test_a_request_that_is_cut_short_in_flight_is_unknown(world, request_, stop, step):
    world.fails[step] = stop
    outcomes = world.run(request_, request_, retry_lost=True)

    error = next(outcomes).error
    assert (error.code, error.message, error.hint) == (
        "interrupted",
        "Stopped while a request was in flight; it may still be billed.",
        "Look before you ask again.",
    )
    with pytest.raises(type(stop)):
        next(outcomes)
    assert [record.status for record in world.records] == ["sent", "unknown"]


def test_a_stop_that_was_held_back_does_not_undo_the_picture(world, request_):
    world.stop = KeyboardInterrupt()
    outcomes = world.run(request_, request_)

    outcome = next(outcomes)
    assert (outcome.record.status, outcome.path) == ("ok", Path("/gallery/id-0.png"))
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert [record.status for record in world.records] == ["sent", "ok"]


def test_a_request_that_is_stopped_while_it_waits_was_surely_not_drawn(world, request_):
    world.todo, world.fails["wait"] = [failure()], KeyboardInterrupt()
    outcomes = world.run(request_, request_)

    outcome = next(outcomes)
    assert (outcome.record.status, outcome.record.attempts) == ("failed", 1)
    assert (outcome.error.code, outcome.exit_code) == ("stopped", ExitCode.INTERRUPTED)
    assert outcome.error.message == "Stopped. Nothing was drawn."
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert world.steps[-3:] == ["wait", "failed", "settle"]


def test_a_request_that_is_stopped_while_it_waits_for_its_quota_was_surely_not_drawn(
    world, request_
):
    world.todo, world.fails["turn 2"] = [quota()], stopped()
    (outcome,) = world.run(request_, request_)

    assert (outcome.record.status, outcome.record.attempts) == ("failed", 1)
    assert (outcome.error.code, outcome.exit_code) == ("stopped", ExitCode.INTERRUPTED)
    assert lines(world) == [("sent", 1, None), ("failed", 1, "quota"), ("failed", 1, "stopped")]


def lines(world):
    """What the history was told: status, number of the attempt, and error."""
    return [(r.status, r.attempts, r.error and r.error["code"]) for r in world.records]


def test_a_record_counts_its_attempts_and_has_two_lines_for_each(world, request_):
    world.todo = [quota(), failure()]
    (outcome,) = world.run(request_)

    assert outcome.record.attempts == 3
    assert lines(world) == [
        ("sent", 1, None),
        ("failed", 1, "quota"),
        ("sent", 2, None),
        ("failed", 2, "service_failure"),
        ("sent", 3, None),
        ("ok", 3, None),
    ]
    assert {record.id for record in world.records} == {"id-0"}
    assert (world.reserved, world.settled) == ([WORST_COST], [COST])


def test_the_line_of_an_attempt_is_on_disk_before_the_wait_for_the_next(world, request_):
    world.todo = [quota(), failure()]
    list(world.run(request_))

    assert world.steps[3:] == [
        *("turn", "sent", "paint", "refused for now", "failed"),
        *("turn", "sent", "paint", "ended", "failed", "wait"),
        *("turn", "sent", "paint", "accepted", "keep", "ok", "settle"),
    ]


def test_a_line_between_two_attempts_that_cannot_be_written_does_not_end_it(world, request_):
    world.todo, world.fails["failed"] = [quota()], no_history()

    assert statuses(world.run(request_)) == ["ok"]
    assert lines(world) == [("sent", 1, None), ("sent", 2, None), ("ok", 2, None)]


def test_a_further_attempt_whose_line_cannot_be_written_does_not_leave(world, request_):
    world.todo, world.fails["sent 2"] = [quota()], no_history()
    (outcome,) = world.run(request_, request_)

    assert world.steps[-5:] == ["turn", "sent", "give back", "failed", "settle"]
    assert (outcome.error.code, outcome.exit_code) == ("cannot_store", ExitCode.CONFIG)
    assert lines(world) == [
        ("sent", 1, None),
        ("failed", 1, "quota"),
        ("failed", 1, "cannot_store"),
    ]


@pytest.mark.parametrize(
    ("todo", "fails", "cost"),
    [
        ([], {}, COST),
        ([refusal()], {}, 0.0),
        ([UnavailableError("No.", code="no_connection")], {}, 0.0),
        ([lost()], {}, None),
        ([UnknownError("No.", code="bad_picture")], {}, None),
        ([], {"paint": KeyboardInterrupt()}, None),
        ([], {"paint": RuntimeError("a bug")}, None),
        ([], {"keep": KeyboardInterrupt()}, None),
        ([], {"ok": no_history()}, COST),
        ([], {"sent": KeyboardInterrupt()}, 0.0),
        ([], {"turn": KeyboardInterrupt()}, 0.0),
        ([failure()], {"wait": KeyboardInterrupt()}, 0.0),
        ([quota()], {"turn 2": stopped()}, 0.0),
        ([quota()], {"turn 2": KeyboardInterrupt()}, 0.0),
        ([quota()], {"paint 2": KeyboardInterrupt()}, None),
        ([quota(), lost()], {}, None),
        ([refusal()], {"refused": no_history()}, 0.0),
        ([lost()], {"unknown": no_history()}, None),
        ([lost()], {"unknown": KeyboardInterrupt()}, None),
        ([], {"paint": KeyboardInterrupt(), "unknown": RuntimeError("a bug")}, None),
        ([refusal()], {"refused": KeyboardInterrupt()}, 0.0),
    ],
)
def test_money_that_was_set_aside_is_settled_once_by_what_became_of_the_request(
    world, request_, todo, fails, cost
):
    world.todo, world.fails = list(todo), fails

    with suppress(KeyboardInterrupt, SystemExit, RuntimeError, MaiError):
        list(world.run(request_))

    assert (world.reserved, world.settled) == ([WORST_COST], [cost])


def test_a_picture_that_was_rescued_is_settled_by_its_cost(world, request_):
    world.problem = StorageError("Rescued.", code="rescued")
    list(world.run(request_))

    assert world.settled == [COST]


def test_a_picture_that_a_held_stop_follows_is_settled_by_its_cost(world, request_):
    world.stop = KeyboardInterrupt()

    with suppress(KeyboardInterrupt):
        list(world.run(request_))

    assert world.settled == [COST]


def test_a_run_that_is_left_at_a_stop_is_settled_once_too(world, request_):
    world.fails["paint"] = KeyboardInterrupt()
    outcomes = world.run(request_)
    next(outcomes)
    outcomes.close()

    assert world.settled == [None]


@pytest.mark.parametrize(
    ("changes", "endpoint", "reserved", "settled"),
    [
        ({}, None, 0.0, 0.0),
        ({"model": Model.unknown()}, None, 0.0, 0.0),
        ({"model": Model.unknown()}, ENDPOINT, None, None),
    ],
)
def test_what_is_drawn_on_this_machine_costs_nothing_and_an_unknown_price_is_said(
    world, request_, changes, endpoint, reserved, settled
):
    list(world.run(replace(request_, **changes), endpoint=endpoint))

    assert (world.reserved, world.settled) == ([reserved], [settled])


def test_what_came_of_a_torn_answer_is_pointed_to(world, request_):
    world.arrives, world.todo = 100, [lost()]
    (outcome,) = world.run(request_)

    assert outcome.error.hint == "What came of it is at /gallery/.id-0.part. Look."


@pytest.mark.parametrize(
    "error", [refusal(), lost(), UnavailableError("No.", code="no_connection")]
)
def test_of_a_picture_that_did_not_come_nothing_is_exported(world, request_, error):
    world.todo = [error]
    list(world.run(request_, outputs=[HERO, DRAFTS]))

    assert world.orders == []


def test_an_output_that_fails_leaves_the_others_and_the_master(world, request_):
    world.fails = {"export /x/hero.png": FULL, "export /drafts/id-0.png": FULL}
    other = Target(Path("/y/fox.png"), is_folder=False)
    (outcome,) = world.run(request_, outputs=[HERO, DRAFTS, other])

    assert outcome.exit_code is ExitCode.STORAGE
    assert outcome.error.message == (
        "/x/hero.png failed: No space left on device; "
        "/drafts/id-0.png failed: No space left on device."
    )
    assert outcome.error.hint == "The picture is safe at /gallery/id-0.png"
    assert (outcome.record.status, outcome.record.error["code"]) == ("ok", "export_failed")
    assert [export.path for export in world.records[-1].exports] == ["/y/fox.png"]


@pytest.mark.parametrize(("overwrite", "metadata"), [(False, True), (True, False)])
def test_outputs_are_made_of_the_picture_that_is_safe_as_the_order_says(
    world, request_, overwrite, metadata
):
    list(world.run(*[request_] * 2, outputs=[HERO], overwrite=overwrite, metadata=metadata))

    how = ("ok", overwrite, metadata)
    assert [(order[0], order[2], (order[1], *order[3:])) for order in world.orders] == [
        (Path("/gallery/id-0.png"), Path("/x/hero-1.png"), how),
        (Path("/gallery/id-1.png"), Path("/x/hero-2.png"), how),
    ]


@pytest.mark.parametrize("problem", ["rescued", "history"])
def test_what_weighs_more_is_the_error_and_the_outputs_that_failed_are_told(
    world, request_, problem
):
    world.problem = StorageError("Rescued.", code="rescued") if problem == "rescued" else None
    world.fails = {"export /x/hero.png": FULL}
    if problem == "history":
        world.fails["ok"] = no_history()
    (outcome,) = world.run(request_, outputs=[HERO, DRAFTS])

    assert outcome.error.code == ("rescued" if problem == "rescued" else "history_failed")
    assert "/x/hero.png failed: No space left on device." in world.told
    assert [export.path for export in outcome.record.exports] == ["/drafts/id-0.png"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), RuntimeError("a bug")])
def test_a_stop_while_outputs_are_made_hands_over_the_picture_that_is_safe(world, request_, stop):
    world.fails = {"export /x/hero-1.png": stop}
    outcomes = world.run(request_, request_, outputs=[HERO])

    outcome = next(outcomes)
    assert (outcome.record.status, outcome.path) == ("ok", Path("/gallery/id-0.png"))
    assert outcome.record.exports == []
    with pytest.raises(type(stop)):
        next(outcomes)
    assert [record.status for record in world.records] == ["sent", "ok"]


def test_a_stop_between_two_outputs_tells_of_the_one_that_is_there(world, request_):
    world.fails = {"export /drafts/id-0.png": KeyboardInterrupt()}
    outcomes = world.run(request_, outputs=[HERO, DRAFTS])

    outcome = next(outcomes)
    assert [export.path for export in outcome.record.exports] == ["/x/hero.png"]
    assert outcome.results == [Path("/x/hero.png")]
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert world.records[-1] == outcome.record


def test_a_stop_that_was_held_back_does_not_undo_the_outputs(world, request_):
    world.stop, world.stop_after = KeyboardInterrupt(), "export /x/hero.png"
    outcomes = world.run(request_, outputs=[HERO])

    assert next(outcomes).results == [Path("/x/hero.png")]
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert [record.status for record in world.records] == ["sent", "ok", "ok"]


def test_a_stop_after_an_output_that_failed_says_where_the_picture_is_safe(world, request_):
    third = Target(Path("/y/fox.png"), is_folder=False)
    world.fails = {"export /x/hero.png": FULL, "export /y/fox.png": KeyboardInterrupt()}
    outcome = next(world.run(request_, outputs=[HERO, DRAFTS, third]))

    assert outcome.error.code == "export_failed"
    assert outcome.error.hint == "The picture is safe at /gallery/id-0.png"


@pytest.mark.parametrize(
    ("usage", "changes", "endpoint", "cost"),
    [
        (Usage(10, 0, 1024), {}, ENDPOINT, COST),
        (Usage(10, 500, 1024), {}, ENDPOINT, 0.042962),
        (Usage(None, None, 1024), {}, ENDPOINT, 0.038912),
        (Usage(10, 0, 1024), {}, None, 0.0),
        (None, {}, None, 0.0),
        (None, {}, ENDPOINT, None),
        (Usage(10, 0, None), {}, ENDPOINT, None),
        (Usage(10, 0, 1024), {"model": Model.unknown()}, ENDPOINT, None),
    ],
)
def test_a_cost_is_by_what_the_service_counted_or_not_known(
    world, request_, usage, changes, endpoint, cost
):
    world.answer = replace(world.answer, usage=usage)
    (outcome,) = world.run(replace(request_, **changes), endpoint=endpoint)

    assert outcome.record.cost_usd == cost
    assert outcome.record.offline is (endpoint is None)


def test_a_size_that_was_changed_in_silence_is_told(world, request_):
    picture = Picture(1008, 1024, 1, "ab" * 32, content_credentials=False)
    world.answer = replace(world.answer, picture=picture)
    (outcome,) = world.run(request_)

    assert outcome.notes == ("The service drew 1008x1024 instead of 1024x1024.",)
    assert outcome.record.master.width == 1008
