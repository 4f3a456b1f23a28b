from pathlib import Path

import pytest

from mai_cli.errors import StorageError, UsageError
from mai_cli.models.recipe import Recipe
from mai_cli.models.record import Export
from mai_cli.services.copying import Copied, copy_pictures
from tests.services.records import state

FOLDER = Path("/site")
PLAIN = Recipe("png")


@pytest.fixture
def copy(world):
    """Copies ``states``; what was prepared, exported and remembered is in ``world``."""
    world.remembered = []
    world.changed = {}
    world.missing = set()
    world.forgetful = None

    def remember(state: dict, export: Export) -> None:
        if world.forgetful:
            raise world.forgetful
        world.remembered.append((state["id"], export.path))

    def digest(path: Path) -> str:
        found = world.changed.get(path.name, "ab" * 32)
        if isinstance(found, OSError):
            raise found
        return found

    def master(state: dict) -> Path | None:
        path = Path("/gallery", state["master"]["path"])
        return None if path.name in world.missing else path

    def copy(*states: dict, recipe: Recipe = PLAIN, **options: bool) -> list[Copied]:
        return list(
            copy_pictures(
                states,
                FOLDER,
                recipe,
                exporter=world,
                master=master,
                digest=digest,
                remember=remember,
                **{"overwrite": False, "metadata": True} | options,
            )
        )

    return copy


def test_each_picture_becomes_a_file_named_as_its_master(world, copy):
    first, second = state("a"), state("b")
    assert copy(first, second) == [
        Copied(first, Path("/site/a.png")),
        Copied(second, Path("/site/b.png")),
    ]
    assert world.steps == ["prepare /site", "export /site/a.png", "export /site/b.png"]
    assert world.remembered == [("a", "/site/a.png"), ("b", "/site/b.png")]


@pytest.mark.parametrize(
    ("format_", "name"), [("jpeg", "a.jpg"), ("webp", "a.webp"), ("avif", "a.avif")]
)
def test_the_file_is_made_as_is_asked_for_and_ends_as_its_format(world, copy, format_, name):
    recipe = Recipe(format_, width=320)
    (copied,) = copy(state("a"), recipe=recipe)
    assert copied.path == FOLDER / name
    assert world.recipes == [recipe] * 2


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_asked_for_is_passed_on(world, copy, overwrite):
    copy(state("a"), overwrite=overwrite, metadata=not overwrite)
    assert world.orders == [
        (Path("/gallery/2026/a.png"), "ok", Path("/site/a.png"), overwrite, not overwrite)
    ]


def named(id_: str, path: str) -> dict:
    return state(id_, master=state()["master"] | {"path": path})


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_name_that_another_has_gets_the_id(world, copy, overwrite):
    paths = ["1/x.png", "2/x.png", "3/X.png", "y.png", "4/y.png"]
    states = [named(id_, path) for id_, path in zip("abcde", paths, strict=True)]
    copied = copy(*states, overwrite=overwrite)
    assert [one.path.name for one in copied] == ["x.png", "x-b.png", "X-c.png", "y.png", "y-e.png"]
    assert world.remembered == [(one.state["id"], str(one.path)) for one in copied]


def test_names_that_differ_by_more_than_the_folder_stay(copy):
    copied = copy(named("a", "x.png"), named("b", "x-2.png"), named("c", "x y.png"))
    assert [one.path.name for one in copied] == ["x.png", "x-2.png", "x y.png"]


def test_one_that_fails_is_told_and_the_rest_go_on(world, copy):
    world.fails["export /site/a.png"] = FileExistsError(17, "File exists")
    first, second = copy(state("a"), state("b"))
    assert (first.path, first.problem) == (None, "/site/a.png failed: File exists")
    assert (second.path, second.problem) == (Path("/site/b.png"), None)
    assert world.remembered == [("b", "/site/b.png")]


def test_a_record_of_another_shape_is_told_and_the_rest_go_on(world, copy):
    first, second = copy(state("a", exports=7), state("b"))
    assert (first.path, first.problem) == (None, "the record a cannot be understood")
    assert second.path == FOLDER / "b.png"


def test_a_record_without_a_picture_is_told_and_the_rest_go_on(world, copy):
    world.missing = {"a.png"}
    first, second = copy(state("a"), state("b"))
    assert first == Copied(state("a"), None, "the record a has no picture on this machine")
    assert second.path == FOLDER / "b.png"


@pytest.mark.parametrize(
    ("found", "problem"),
    [
        ("cd" * 32, "/gallery/2026/a.png is not what it was"),
        (
            PermissionError(13, "Permission denied"),
            "/gallery/2026/a.png cannot be read: Permission denied",
        ),
    ],
)
def test_a_picture_that_is_not_what_it_was_is_told_and_not_copied(world, copy, found, problem):
    world.changed["a.png"] = found
    first, second = copy(state("a"), state("b"))
    assert (first.path, first.problem) == (None, problem)
    assert (second.path, second.problem) == (FOLDER / "b.png", None)
    assert world.remembered == [("b", "/site/b.png")]


def test_a_name_that_was_not_used_after_all_is_free(world, copy):
    broken, whole = named("a", "1/x.png"), named("b", "2/x.png")
    whole["master"]["sha256"] = "cd" * 32
    world.changed["x.png"] = "cd" * 32
    assert [one.path for one in copy(broken, whole)] == [None, FOLDER / "x.png"]


def test_a_master_without_a_digest_is_not_copied(copy):
    (copied,) = copy(state("a", master={"path": "a.png", "gallery": "/gallery"}))
    assert copied == Copied(copied.state, None, "the record a cannot be understood")


def test_a_file_that_the_history_cannot_be_told_of_is_there_all_the_same(world, copy):
    world.forgetful = StorageError("The history is full.", code="history_failed", hint="x")
    first, second = copy(state("a"), state("b"))
    assert (first.path, first.problem) == (FOLDER / "a.png", "The history is full")
    assert (second.path, second.problem) == (FOLDER / "b.png", "The history is full")


def test_what_the_record_has_made_before_is_not_made_again(world, copy):
    older = {"path": "/x.png", "format": "png", "width": 1, "height": 1, "bytes": 1}
    older |= {"sha256": "ab" * 32, "content_credentials": False}
    copy(state("a", exports=[older]))
    assert world.remembered == [("a", "/site/a.png")]


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_made(world, copy):
    world.fails["prepare /site"] = UsageError("no", code="bad_output", hint="x")
    with pytest.raises(UsageError):
        copy(state("a"))
    assert world.orders == []


def test_pictures_are_made_as_they_are_asked_for(world):
    def states():
        yield state("a")
        raise AssertionError

    copies = copy_pictures(
        states(),
        FOLDER,
        PLAIN,
        exporter=world,
        master=lambda _: Path("/gallery/a.png"),
        digest=lambda _: "ab" * 32,
        remember=lambda *_: None,
        overwrite=False,
        metadata=True,
    )
    assert next(copies).path == FOLDER / "a.png"
