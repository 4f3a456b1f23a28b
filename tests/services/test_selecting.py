import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.manifest import Asset
from mai_cli.services.selecting import (
    MAX_SHARDS,
    Selection,
    Shard,
    check_modes,
    forced_by,
    matches,
)


def assets(*names: str) -> list[Asset]:
    return [Asset(name, "a fox", f"asset {number}") for number, name in enumerate(names)]


SEASONS = assets("hero", "season-spring", "season-winter", "season-[x]", "Hero")


def refused(call, *args, **options) -> UsageError:
    with pytest.raises(UsageError) as caught:
        call(*args, **options)
    assert caught.value.code == "bad_option"
    return caught.value


@pytest.mark.parametrize(
    ("text", "shard"),
    [
        ("1/1", Shard(1, 1)),
        ("2/4", Shard(2, 4)),
        (" 4/4 ", Shard(4, 4)),
        ("1000/1000", Shard(1000, 1000)),
        ("01/02", Shard(1, 2)),
    ],
)
def test_a_shard_is_a_part_of_several(text, shard):
    assert Shard.parse(text) == shard
    assert str(shard) == f"{shard.number}-of-{shard.count}"


@pytest.mark.parametrize(
    "text", ["", "2", "0/2", "3/2", "1/0", "1/1001", "1 / 2", "-1/2", "1/2/3", "a/b", "٢/٤", "1/²"]
)
def test_what_is_no_shard_is_refused_with_how_it_is_written(text):
    error = refused(Shard.parse, text)

    assert error.message == f"'{text}' is not a shard."
    assert error.hint == f"Write it as 1/4, 2/4, 3/4 and 4/4; at most {MAX_SHARDS}."


@settings(deadline=None)
@given(st.lists(st.text(), unique=True), st.integers(1, 50))
def test_every_asset_is_in_one_shard_whatever_its_name(names, count):
    shards = [Shard(number, count) for number in range(1, count + 1)]
    whole = assets(*names)

    parts = [Selection(shard=shard).of(whole) for shard in shards]

    assert sorted(asset.name for part in parts for asset in part) == sorted(names)
    for part in parts:
        assert part == [asset for asset in whole if asset in part]


def test_the_shard_of_a_name_is_the_same_in_every_version():
    numbers = {
        name: [number for number in (1, 2, 3) if Shard(number, 3).has(name)]
        for name in ("hero", "season-spring", "árbol", "a b")
    }

    assert numbers == {"hero": [1], "season-spring": [1], "árbol": [2], "a b": [3]}


def test_shards_are_about_as_large_as_each_other():
    names = [f"season-{number}" for number in range(1000)]
    sizes = [sum(map(Shard(number, 4).has, names)) for number in range(1, 5)]

    assert all(200 < size < 300 for size in sizes)


@pytest.mark.parametrize(
    ("name", "patterns", "fits"),
    [
        ("hero", ["hero"], True),
        ("hero", ["her"], False),
        ("hero", [], False),
        ("hero", ["x", "h*"], True),
        ("hero", ["h?r?"], True),
        ("Hero", ["hero"], False),
        ("hero", ["[gh]ero"], True),
        ("season-[x]", ["season-[x]"], True),
        ("season-x", ["season-[x]"], True),
        ("a\nb", ["a*b"], True),
        ("hero", ["*"], True),
        ("a/b", ["a*"], True),
    ],
)
def test_a_name_fits_itself_and_its_patterns(name, patterns, fits):
    assert matches(name, patterns) is fits


def test_without_patterns_and_shards_it_is_every_asset():
    assert Selection().of(SEASONS) == SEASONS
    assert Selection().of([]) == []
    assert Selection().is_whole
    assert not Selection(["*"]).is_whole
    assert not Selection(shard=Shard(1, 1)).is_whole


def test_patterns_choose_assets_in_the_order_of_the_manifest():
    chosen = Selection(["season-*", "hero"]).of(SEASONS)

    assert [asset.name for asset in chosen] == [
        "hero",
        "season-spring",
        "season-winter",
        "season-[x]",
    ]


def test_patterns_and_a_shard_are_both_needed():
    patterns = ["season-*"]
    parts = [Selection(patterns, Shard(number, 2)).of(SEASONS) for number in (1, 2)]

    assert sorted(asset.name for part in parts for asset in part) == [
        "season-[x]",
        "season-spring",
        "season-winter",
    ]


@pytest.mark.parametrize("shard", [None, Shard(1, 2), Shard(2, 2)])
def test_a_pattern_that_fits_no_asset_is_a_mistake_in_any_shard(shard):
    error = refused(Selection(["hero", "seson-*"], shard).of, SEASONS)

    assert error.message == "--only: the manifest has no asset 'seson-*'."


def test_force_means_all_or_those_that_are_named():
    by_all = forced_by([], SEASONS, force=True)
    by_none = forced_by([], SEASONS, force=False)
    by_some = forced_by(["hero", "*-winter"], SEASONS, force=True)

    names = [asset.name for asset in SEASONS]
    assert [name for name in names if by_all(name)] == names
    assert [name for name in names if by_none(name)] == []
    assert [name for name in names if by_some(name)] == ["hero", "season-winter"]


def test_names_go_with_force_only_and_must_be_known():
    assert refused(forced_by, ["hero", "x"], SEASONS, force=False).message == (
        "There is one argument too many: 'hero'."
    )
    assert refused(forced_by, ["hero", "x"], SEASONS, force=True).message == (
        "--force: the manifest has no asset 'x'."
    )


def test_modes_exclude_each_other():
    check_modes(check=True, dry_run=False, adopt=False)
    check_modes()
    error = refused(check_modes, check=False, dry_run=True, adopt=True)

    assert error.message == "--dry-run and --adopt do not go together."


def test_files_are_removed_only_where_the_whole_manifest_is_known():
    Selection().check_prune(prune=True, is_file=True)
    Selection(["hero"]).check_prune(prune=False, is_file=True)
    for selection in (Selection(["hero"]), Selection(shard=Shard(1, 1))):
        error = refused(selection.check_prune, prune=True, is_file=True)
        assert error.message.startswith("--prune goes with the whole manifest")


def test_files_are_removed_only_where_the_lock_is_that_of_a_single_manifest():
    Selection().check_prune(prune=False, is_file=False)
    error = refused(Selection().check_prune, prune=True, is_file=False)

    assert error.message == "--prune needs a manifest in a file."
