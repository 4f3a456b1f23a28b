import threading

from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.models.batch import Action, State, Step
from mai_cli.services.queueing import Queue, Route


def draw(name: str, *deployments: str) -> Step:
    return Step(name, State.NEW, Action.DRAW, deployments=deployments)


def export(name: str) -> Step:
    return Step(name, State.RESTORABLE, Action.EXPORT)


def names(steps) -> list[str]:
    return [step.name for step in steps]


def all_by(queue: Queue, route: Route) -> list[str]:
    return names(iter(lambda: queue.draw(route), None))


A, B, C = Route(0, "a"), Route(1, "b"), Route(0, "c")


def test_what_needs_nothing_done_is_not_queued():
    queue = Queue(
        [
            Step("up to date", State.UP_TO_DATE, Action.NONE),
            Step("held", State.NEW, Action.HOLD),
            Step("old", State.LEFT_OVER, Action.PRUNE),
        ]
    )

    assert (queue.routes(), queue.exports(), queue.export()) == ({}, 0, None)
    assert not queue.has(A)
    assert queue.draw(A) is None
    assert queue.drop() == []


def test_pictures_are_handed_out_once_and_in_order():
    queue = Queue([draw("1", "a"), export("2"), draw("3", "a"), export("4")])

    assert (queue.routes(), queue.exports()) == ({A: 2}, 2)
    assert all_by(queue, A) == ["1", "3"]
    assert (names([queue.export(), queue.export()]), queue.export()) == (["2", "4"], None)
    assert not queue.has(A)


def test_a_picture_goes_by_any_of_its_routes_but_by_no_other():
    queue = Queue([draw("1", "a", "b"), draw("2", "c", "b"), draw("3", "a", "b")])

    assert queue.routes() == {A: 2, B: 3, C: 1}
    assert queue.draw(Route(1, "a")) is None
    assert queue.draw(B).name == "1"
    assert all_by(queue, A) == ["3"]
    assert not queue.has(A)
    assert queue.has(B)
    assert all_by(queue, C) == ["2"]
    assert not queue.has(B)


def test_one_deployment_by_two_profiles_is_two_routes():
    queue = Queue([draw("1", "a", "a")])

    assert queue.routes() == {A: 1, Route(1, "a"): 1}


def test_closing_a_route_strands_only_what_has_no_other():
    queue = Queue(
        [draw("1", "a"), draw("2", "a", "b"), draw("3", "c"), export("4"), draw("5", "a")]
    )

    assert names(queue.close(0, "a")) == ["1", "5"]
    assert not queue.has(A)
    assert queue.draw(A) is None
    assert names(queue.close(0, "a")) == []
    assert (all_by(queue, B), all_by(queue, C)) == (["2"], ["3"])
    assert queue.exports() == 1


def test_closing_a_lane_closes_all_of_its_routes():
    queue = Queue([draw("1", "a"), draw("2", "a", "b"), draw("3", "c"), draw("4", "c", "b")])

    assert names(queue.close(0)) == ["1", "3"]
    assert not queue.has(A)
    assert not queue.has(C)
    assert names(queue.close(1, "b")) == ["2", "4"]
    assert queue.drop() == []


def test_dropping_takes_out_everything_that_is_left():
    queue = Queue([draw("1", "a"), export("2"), draw("3", "b"), draw("4", "a"), export("5")])
    queue.draw(A)
    queue.export()

    assert names(queue.drop()) == ["5", "4", "3"]
    assert queue.drop() == []
    assert (queue.has(A), queue.export(), queue.draw(A)) == (False, None, None)


def test_a_picture_that_was_surely_not_drawn_goes_first_by_what_is_left_to_it():
    queue = Queue([draw("1", "a", "b"), draw("2", "a", "b")])
    first = queue.draw(A)
    assert not queue.is_only(A, first)
    queue.close(0)

    assert queue.put_back(first) == [B]
    assert queue.is_only(B, first)
    assert queue.is_only(A, first) is False
    assert all_by(queue, B) == ["1", "2"]


def test_a_picture_without_a_way_is_not_put_back():
    queue = Queue([draw("1", "a", "b")])
    first = queue.draw(B)
    queue.close(0)
    queue.close(1)

    assert queue.put_back(first) == []
    assert queue.is_only(B, first)
    assert queue.drop() == []


def test_a_picture_with_one_way_may_be_put_back_on_it():
    queue = Queue([draw("1", "a")])
    first = queue.draw(A)

    assert queue.is_only(A, first)
    assert queue.put_back(first) == [A]
    assert queue.draw(A) is first


deployments = st.lists(st.sampled_from("ab"), min_size=2, max_size=2).map(tuple)
operations = st.one_of(
    st.tuples(st.just("draw"), st.integers(0, 1), st.sampled_from("ab")),
    st.tuples(st.just("export")),
    st.tuples(st.just("close"), st.integers(0, 1), st.none() | st.sampled_from("ab")),
    st.tuples(st.just("drop")),
)


@settings(deadline=None)
@given(st.lists(deployments, max_size=8), st.integers(0, 3), st.lists(operations, max_size=20))
def test_whatever_happens_each_picture_leaves_the_queue_once_by_an_open_route(
    drawn, exported, steps
):
    queue = Queue(
        [
            *(draw(f"draw {number}", *routes) for number, routes in enumerate(drawn)),
            *(export(f"export {number}") for number in range(exported)),
        ]
    )
    closed: set[tuple[int, str]] = set()
    out: list[Step] = []
    for name, *arguments in [*steps, ("drop",)]:
        if name == "draw":
            route = Route(*arguments)
            had = queue.has(route)
            step = queue.draw(route)
            assert had is (step is not None)
            if step:
                assert tuple(route) not in closed
                assert step.deployments[route.lane] == route.deployment
                out.append(step)
        elif name == "export":
            out += filter(None, [queue.export()])
        elif name == "close":
            lane, deployment = arguments
            closed |= {(lane, one) for one in "ab" if deployment in (None, one)}
            stranded = queue.close(lane, deployment)
            assert all(closed.issuperset(enumerate(step.deployments)) for step in stranded)
            out += stranded
        else:
            out += queue.drop()

    assert sorted(names(out)) == sorted(
        [f"draw {number}" for number in range(len(drawn))]
        + [f"export {number}" for number in range(exported)]
    )


def test_many_threads_share_the_work_and_nothing_is_handed_out_twice():
    queue = Queue([draw(f"{number}", "a", "b") for number in range(2000)])
    found: list[list[str]] = []
    start = threading.Barrier(8)

    def work(route: Route) -> None:
        start.wait()
        found.append(all_by(queue, route))

    threads = [threading.Thread(target=work, args=(route,)) for route in [A, B] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(int(name) for part in found for name in part) == list(range(2000))
