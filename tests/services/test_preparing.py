import os
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from mai_cli.errors import ConfigError, StorageError, UsageError
from mai_cli.models.batch import Action, BatchPlan, State, Step
from mai_cli.models.lock import Lock, LockedAsset, LockedOutput
from mai_cli.models.manifest import Asset, AssetOutput, Manifest, Mistake
from mai_cli.models.recipe import Recipe
from mai_cli.services.ordering import Wanted
from mai_cli.services.planning import NO_FILE, Known, Wishes
from mai_cli.services.preparing import Prepared, adopt, forget, prepare, refuse, tidy
from mai_cli.services.selecting import Selection, Shard

PNG = Recipe("png")
WHOLE = Selection()


def asset(name: str, *paths: str, prompt: str = "a fox", alt: str | None = None) -> Asset:
    return Asset(name, prompt, f"asset {name}", tuple(AssetOutput(p, PNG) for p in paths), alt=alt)


def locked(*paths: str, request: str = "a fox", **facts) -> LockedAsset:
    """Files whose digests are their names."""
    outputs = {path: LockedOutput(PNG, path) for path in paths}
    return LockedAsset(**{"request": request, "master": "M", "outputs": outputs} | facts)


@dataclass
class Site:
    """A folder with a manifest, its lock and files (digests by path); ``done`` is what happened."""

    folder: Path
    lock: Lock = field(default_factory=dict)
    fragments: dict[str, Lock] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    done: list[object] = field(default_factory=list)
    fails: dict[str, OSError | StorageError] = field(default_factory=dict)
    is_bare: bool = False

    def prepare(self, *assets: Asset, selection=WHOLE, gallery="gallery", **wishes) -> Prepared:
        return prepare(
            Manifest("assets.toml", self.folder, []),
            assets,
            selection,
            Wishes(**wishes),
            ordering=self,
            lock_file=self,
            digest=self.digests,
            look=lambda _requests, _masters: Known(),
            gallery=self.folder / gallery,
        )

    def tidy(
        self, *assets: Asset, keep: Collection[str] = (), allow_outside=False, **wishes
    ) -> list[str]:
        prepared = self.prepare(*assets, **{"prune": True} | wishes)
        return self.tidied(prepared, keep=keep, allow_outside=allow_outside)

    def tidied(
        self, prepared: Prepared, keep: Collection[str] = (), *, allow_outside=False
    ) -> list[str]:
        """What :func:`tidy` says of ``prepared``, without the folder."""
        notes = tidy(
            prepared,
            self.folder,
            lock_file=self,
            digest=self.digest,
            remove=self.remove,
            keep=[self.folder / name for name in keep],
            allow_outside=allow_outside,
        )
        assert all(note.startswith(f"{self.folder}/") for note in notes)
        return [note.removeprefix(f"{self.folder}/") for note in notes]

    def forget(self, *assets: Asset) -> None:
        forget(self.prepare(*assets), self)

    def adopt(self, *assets: Asset, selection=WHOLE, **wishes) -> list[str]:
        return adopt(self.prepare(*assets, selection=selection, **wishes), selection, self)

    def want(self, assets: Collection[Asset], mistakes: list[Mistake]) -> list[Wanted]:
        if self.is_bare:
            raise ConfigError("No deployment is named.", code="missing_setting")
        mistakes += [Mistake(one.place, "has a bad size") for one in assets if one.size == "bad"]
        return [Wanted(one, (one.prompt, f"{one.prompt}, too"), ("d",), 0.1) for one in assets]

    def read(self) -> Lock:
        return self.lock

    def read_fragments(self) -> dict[str, Lock]:
        return self.fragments

    @property
    def names(self) -> Collection[str]:
        return self.lock.keys()

    def drop(self, names: Collection[str]) -> None:
        self.write({name: one for name, one in self.lock.items() if name not in names})

    def write(self, lock: Lock) -> None:
        if "write" in self.fails:
            raise self.fails["write"]
        self.lock = dict(lock)
        self.done.append("write")

    def remove_fragments(self, names: Collection[str]) -> None:
        self.done.append(sorted(names))

    def digests(self, folder: Path, paths: Collection[str]) -> dict[str, str | None]:
        assert folder == self.folder
        return {path: self.files.get(path) for path in paths}

    def digest(self, path: Path) -> str:
        name = str(path.relative_to(self.folder))
        if f"digest {name}" in self.fails:
            raise self.fails[f"digest {name}"]
        if name not in self.files:
            raise FileNotFoundError(2, "No such file or directory")
        return self.files[name]

    def remove(self, path: Path) -> None:
        name = str(path.relative_to(self.folder))
        if f"remove {name}" in self.fails:
            raise self.fails[f"remove {name}"]
        del self.files[name]
        self.done.append(f"remove {name}")


@pytest.fixture
def site(tmp_path) -> Site:
    return Site(tmp_path)


def put(site: Site, *paths: str) -> None:
    """Files as :func:`locked` has them."""
    site.files |= {path: path for path in paths}


HERO, FOX = asset("hero", "hero.png"), asset("fox", "fox.png", prompt="another fox")


def test_a_plan_is_made_of_manifest_and_lock_and_disk(site):
    put(site, "hero.png", "old.png")
    site.lock = {"hero": locked("hero.png"), "old": locked("old.png", "gone.png")}
    site.fragments = {"1-of-2.json": {"part": locked("part.png")}}
    prepared = site.prepare(HERO, FOX)

    old = Step(
        "old",
        State.LEFT_OVER,
        Action.NONE,
        "no longer in the manifest",
        outputs=(AssetOutput("old.png", PNG),),
    )
    fox = Step(
        "fox", State.NEW, Action.DRAW, "", FOX, FOX.outputs, deployments=("d",), cost_usd=0.1
    )
    hero = Step("hero", State.UP_TO_DATE, Action.NONE, "", HERO)
    assert prepared.plan == BatchPlan("assets.toml", [hero, fox, old])
    assert [want.asset for want in prepared.wanted] == [HERO, FOX]
    assert prepared.base == {"hero": locked("hero.png"), "old": locked("old.png", "gone.png")}
    assert prepared.lock == prepared.base | {"part": locked("part.png")}
    assert list(prepared.fragments) == ["1-of-2.json"]
    assert prepared.digests == {"hero.png": "hero.png", "old.png": "old.png"}
    assert prepared.to_draw == [FOX]
    assert site.done == []


def test_wishes_are_heard(site):
    put(site, "hero.png")
    site.lock = {"hero": locked("hero.png")}

    (step,) = site.prepare(HERO, forced=lambda name: name == "hero").plan.steps

    assert step.action is Action.DRAW


def test_a_part_of_the_manifest_is_planned_with_the_whole_lock(site):
    put(site, "fox.png", "old.png")
    site.lock = {"old": locked("fox.png", "old.png")}
    prepared = site.prepare(HERO, FOX, selection=Selection(["f*"]))

    (step,) = prepared.plan.steps
    assert (step.name, step.replaces) == ("fox", ("fox.png",))
    assert prepared.lock == site.lock

    with pytest.raises(UsageError) as caught:
        site.prepare(HERO, FOX, selection=Selection(["x*"]))
    assert caught.value.code == "bad_option"


@pytest.mark.parametrize("patterns", [[], ["hero"]])
def test_a_fragment_of_an_older_request_does_not_take_the_place_of_what_is_asked_for(
    site, patterns
):
    site.lock = {"fox": locked("fox.png", request="another fox")}
    site.fragments = {"1-of-1.json": {"fox": locked("fox.png", request="an older fox")}}

    prepared = site.prepare(HERO, FOX, selection=Selection(patterns))

    assert prepared.lock == site.lock


def test_fragments_are_not_folded_by_a_manifest_with_mistakes_in_its_other_assets(site):
    bad, chosen = replace(FOX, size="bad"), Selection(["hero"])
    assert site.prepare(HERO, bad, selection=chosen).to_draw == [HERO]

    site.fragments = {"1-of-1.json": {"fox": locked("fox.png")}}
    with pytest.raises(UsageError) as caught:
        site.prepare(HERO, bad, selection=chosen)
    assert list(caught.value.details) == [f"{FOX.place}: has a bad size."]


def test_a_job_keeps_its_own_part_of_the_lock(site):
    site.lock = {name: locked() for name in ("hero", "fox", "old", "older", "oldest")}
    prepared = site.prepare(HERO, FOX)
    parts = [prepared.lock_of(Selection(shard=Shard(number, 2))) for number in (1, 2)]

    assert parts[0].keys() | parts[1].keys() == site.lock.keys()
    assert parts[0].keys().isdisjoint(parts[1])
    assert prepared.lock_of(Selection(["hero"])) is prepared.lock
    assert prepared.lock_of(WHOLE) is prepared.lock


def test_nothing_is_made_among_the_masters(site, tmp_path):
    (tmp_path / "gallery" / "2026").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "gallery")
    (tmp_path / "near").mkdir()
    assets = [
        asset("a", "gallery/a.png", "a.png"),
        asset("b", "gallery/2026/b.png"),
        asset("c", "link/c.png"),
        asset("d", "near/../gallery/new/d.png"),
        asset("e", "near/e.png", "gallery.png"),
    ]
    with pytest.raises(UsageError) as caught:
        site.prepare(*assets)

    what = "is in the gallery, which is for masters. Choose another place."
    assert caught.value.code == "bad_manifest"
    assert caught.value.details == [
        f"asset a (a): the output gallery/a.png {what}",
        f"asset b (b): the output gallery/2026/b.png {what}",
        f"asset c (c): the output link/c.png {what}",
        f"asset d (d): the output near/../gallery/new/d.png {what}",
    ]
    assert site.prepare(assets[4]).to_draw == [assets[4]]


def test_mistakes_of_every_kind_are_told_at_once(site):
    bad, in_gallery = replace(FOX, size="bad"), asset("b", "gallery/b.png")
    with pytest.raises(UsageError) as caught:
        site.prepare(HERO, bad, in_gallery)

    place = "asset b (b): the output gallery/b.png is in the gallery"
    assert [detail.partition(",")[0] for detail in caught.value.details] == [
        place,
        f"{FOX.place}: has a bad size.",
    ]


@pytest.mark.parametrize("is_bare", [False, True])
def test_a_manifest_with_mistakes_is_refused_with_those_of_the_rest(site, is_bare):
    site.is_bare = is_bare
    mistakes = [Mistake("asset 9", "is wrong")]
    with pytest.raises(UsageError) as caught:
        refuse(
            Manifest("assets.toml", site.folder, []),
            [HERO, replace(FOX, size="bad")],
            mistakes,
            ordering=site,
            gallery=site.folder / "gallery",
        )

    more = [] if is_bare else [f"{FOX.place}: has a bad size."]
    assert caught.value.details == ["asset 9: is wrong.", *more]


def test_a_gallery_around_the_manifest_takes_no_outputs_of_it(site, tmp_path):
    with pytest.raises(UsageError, match=r"assets\.toml"):
        site.prepare(HERO, gallery="..")

    assert site.prepare(HERO, gallery="../elsewhere").to_draw == [HERO]


def test_files_that_nobody_knows_are_in_the_way_and_all_are_told(site):
    put(site, "hero.png", "fox.png", "known.png")
    site.lock = {"old": locked("known.png")}
    known = asset("known", "known.png")
    with pytest.raises(UsageError) as caught:
        site.prepare(HERO, known, FOX).check_way()

    assert caught.value.code == "output_exists"
    assert caught.value.message == (
        "2 outputs exist already, and the lock does not know of them. Nothing was sent."
    )
    assert caught.value.details == ["hero: hero.png", "fox: fox.png"]
    assert "--adopt" in caught.value.hint
    assert "--force NAME" in caught.value.hint

    with pytest.raises(UsageError) as caught:
        site.prepare(HERO).check_way()
    assert caught.value.message == (
        "An output exists already, and the lock does not know of it. Nothing was sent."
    )
    site.prepare(known).check_way()
    site.prepare(HERO, forced=lambda _: True).check_way()


@pytest.mark.parametrize(("count", "last"), [(20, "a19: 19.png"), (21, "... and 1 more")])
def test_of_many_files_in_the_way_some_are_named(site, count, last):
    assets = [asset(f"a{number}", f"{number}.png") for number in range(count)]
    put(site, *(f"{number}.png" for number in range(count)))
    with pytest.raises(UsageError) as caught:
        site.prepare(*assets).check_way()

    assert caught.value.message.startswith(f"{count} outputs exist already")
    assert len(caught.value.details) == min(count, 21)
    assert caught.value.details[-1] == last


def test_fragments_are_folded_before_they_are_removed(site):
    put(site, "hero.png")
    site.fragments = {"1-of-2.json": {"hero": locked("hero.png")}, "2-of-2.json": {}}

    assert site.tidy(HERO) == []
    assert site.lock == {"hero": locked("hero.png")}
    assert site.done == ["write", ["1-of-2.json", "2-of-2.json"]]


def test_fragments_stay_where_the_lock_cannot_be_written(site):
    site.fragments = {"1-of-2.json": {"hero": locked("hero.png")}}
    site.fails["write"] = StorageError("Full.", code="lock_failed")
    with pytest.raises(StorageError):
        site.tidy(HERO)

    assert site.done == []


def test_a_lock_that_is_tidy_is_not_written(site):
    put(site, "hero.png")
    site.lock = {"hero": locked("hero.png")}

    assert site.tidy(HERO) == []
    assert site.done == [[]]


def test_what_left_the_manifest_is_forgotten_once_its_files_are_gone(site):
    put(site, "old.png")
    site.files["folder"] = NO_FILE
    site.lock = {
        "hero": locked("hero.png"),
        "gone": locked("gone.png", "too.png"),
        "idea": locked(),
        "old": locked("old.png", "lost.png"),
        "folder": locked("folder"),
    }
    prepared = site.prepare(HERO)
    forget(prepared, site)

    assert site.lock == {"hero": locked("hero.png"), "old": locked("old.png", "lost.png")}
    assert site.done == ["write"]


def test_what_an_asset_that_is_not_made_yet_can_take_over_is_not_forgotten(site):
    site.lock = {"old name": locked("old.png"), "other": locked("other.png", request="a hare")}

    site.forget(HERO)
    assert site.lock == {"old name": locked("old.png")}

    site.lock["hero"] = locked("hero.png", request="a wolf")
    site.forget(HERO)
    assert site.lock == {"hero": locked("hero.png", request="a wolf")}


def test_an_asset_that_was_renamed_is_forgotten_once_its_files_have_another(site):
    put(site, "hero.png")
    site.lock = {"hero": locked("hero.png"), "old name": locked("hero.png")}

    site.forget(HERO)

    assert site.lock == {"hero": locked("hero.png")}


def test_where_nothing_is_to_be_forgotten_the_lock_is_not_written(site):
    put(site, "old.png")
    site.lock = {"hero": locked("hero.png"), "old": locked("old.png")}

    site.forget(HERO)

    assert site.done == []


def test_pruning_removes_files_that_are_as_they_were_made(site):
    put(site, "hero.png", "thumb.png", "old.png", "older.png")
    site.lock = {
        "hero": locked("hero.png", "thumb.png"),
        "old": locked("old.png", "older.png", "gone.png"),
    }

    assert site.tidy(HERO) == [
        "thumb.png was removed.",
        "old.png was removed.",
        "older.png was removed.",
    ]
    assert site.files == {"hero.png": "hero.png"}
    assert site.lock == {"hero": locked("hero.png"), "old": locked("gone.png")}
    assert site.done[-2:] == ["write", []]

    site.forget(HERO)
    assert site.lock == {"hero": locked("hero.png")}


def test_an_asset_that_lost_all_of_its_outputs_keeps_its_picture(site):
    put(site, "old.png")
    site.lock = {"idea": locked("old.png")}

    site.tidy(asset("idea"))

    assert (site.files, site.lock) == ({}, {"idea": locked()})


def test_pruning_keeps_what_was_modified_and_says_so(site):
    put(site, "old.png", "hero.png")
    site.files["mine.png"] = "retouched"
    site.lock = {"old": locked("mine.png", "old.png"), "hero": locked("hero.png")}

    assert site.tidy(HERO) == [
        "mine.png was modified, and was left alone.",
        "old.png was removed.",
    ]
    assert site.files == {"hero.png": "hero.png", "mine.png": "retouched"}
    assert site.lock == {"hero": locked("hero.png")}


def test_pruning_looks_at_a_file_again_before_it_goes(site):
    put(site, "old.png")
    site.lock = {"old": locked("old.png")}
    prepared = site.prepare(HERO, prune=True)
    site.files["old.png"] = "retouched meanwhile"

    assert site.tidied(prepared) == ["old.png was modified, and was left alone."]
    assert site.files == {"old.png": "retouched meanwhile"}


@pytest.mark.parametrize("step", ["digest", "remove"])
def test_a_file_that_cannot_be_removed_is_told_and_the_others_go(site, step):
    put(site, "a.png", "b.png")
    site.lock = {"old": locked("a.png", "b.png")}
    site.fails[f"{step} a.png"] = PermissionError(13, "Permission denied")

    assert site.tidy() == [
        "a.png could not be removed: Permission denied.",
        "b.png was removed.",
    ]
    assert site.files == {"a.png": "a.png"}


@pytest.mark.parametrize("step", ["digest", "remove"])
def test_a_file_that_could_not_be_removed_is_removed_the_next_time(site, step):
    put(site, "a.png")
    site.lock = {"old": locked("a.png")}
    site.fails[f"{step} a.png"] = PermissionError(13, "Permission denied")
    site.tidy()
    site.fails.clear()

    assert site.tidy() == ["a.png was removed."]
    assert site.files == {}


@pytest.fixture
def near(tmp_path) -> Site:
    """A site with real files, and a folder beside it."""
    (tmp_path / "site").mkdir()
    (tmp_path / "elsewhere").mkdir()
    return Site(tmp_path / "site")


def make(site: Site, *paths: str) -> None:
    """Files as :func:`locked` has them, which are really there."""
    put(site, *paths)
    for path in paths:
        (site.folder / path).parent.mkdir(exist_ok=True)
        (site.folder / path).touch()


@pytest.mark.parametrize("path", ["../old.png", "linked/old.png", "../elsewhere/old.png"])
def test_pruning_leaves_alone_what_is_outside_of_the_folder_unless_told_so(near, path):
    (near.folder / "linked").symlink_to("../elsewhere")
    make(near, path)
    near.lock = {"old": locked(path)}

    assert near.tidy(HERO) == [f"{path} is outside of the manifest's folder, and was left alone."]
    assert (near.files, near.lock) == ({path: path}, {})

    near.lock = {"old": locked(path)}
    assert near.tidy(HERO, allow_outside=True) == [f"{path} was removed."]
    assert (near.files, near.lock) == ({}, {})


@pytest.mark.parametrize("path", ["linked/old.png", "new/old.png", "new/../old.png"])
def test_pruning_goes_wherever_it_likes_within_the_folder(near, path):
    (near.folder / "real").mkdir()
    (near.folder / "new").mkdir()
    (near.folder / "linked").symlink_to("real")
    make(near, path)
    near.lock = {"old": locked(path)}

    assert near.tidy(HERO) == [f"{path} was removed."]


def test_pruning_works_where_the_folder_itself_is_reached_through_a_link(near, tmp_path):
    (tmp_path / "link").symlink_to(near.folder)
    near.folder = tmp_path / "link"
    make(near, "old.png")
    near.lock = {"old": locked("old.png")}

    assert near.tidy(HERO) == ["old.png was removed."]


@pytest.mark.parametrize("allow_outside", [False, True])
@pytest.mark.parametrize("name", ["linked/hero.png", "hard.png", "soft.png"])
def test_pruning_leaves_alone_what_is_still_an_output_under_another_name(near, name, allow_outside):
    hero = asset("hero", "out/hero.png")
    make(near, "out/hero.png")
    (near.folder / "linked").symlink_to("out")
    (near.folder / "hard.png").hardlink_to(near.folder / "out/hero.png")
    (near.folder / "soft.png").symlink_to("out/hero.png")
    near.files[name] = name
    near.lock = {"hero": locked("out/hero.png"), "old": locked(name)}

    assert near.tidy(hero, allow_outside=allow_outside) == [
        f"{name} is still in use under another name, and was left alone."
    ]
    assert near.files == {"out/hero.png": "out/hero.png", name: name}
    assert near.lock == {"hero": locked("out/hero.png")}


@pytest.mark.parametrize("allow_outside", [False, True])
def test_pruning_removes_neither_manifest_nor_lock_whatever_the_lock_says(near, allow_outside):
    own = ["assets.toml", "assets.lock.json"]
    make(near, *own)
    others = ["out/../assets.toml", "hard.toml"]
    (near.folder / "out").mkdir()
    os.link(near.folder / "assets.toml", near.folder / "hard.toml")
    put(near, *others)
    near.lock = {"old": locked(*own, *others)}

    assert near.tidy(HERO, keep=own, allow_outside=allow_outside) == [
        f"{path} is still in use under another name, and was left alone."
        for path in sorted([*own, *others])
    ]
    assert near.files.keys() == {*own, *others}


def test_without_being_told_nothing_is_pruned(site):
    put(site, "old.png")
    site.lock = {"old": locked("old.png")}

    assert site.tidy(HERO, prune=False) == []
    assert (site.files, site.lock) == ({"old.png": "old.png"}, {"old": locked("old.png")})


def test_files_are_adopted_as_they_are(site):
    put(site, "hero.png")
    told = replace(HERO, alt="A fox.")

    assert site.adopt(told, FOX) == [
        "hero: taken as it is",
        "fox: not all of its files are there",
    ]
    assert site.lock == {"hero": locked("hero.png", master=None, alt="A fox.")}
    assert site.prepare(told).plan.is_up_to_date


def test_only_assets_with_all_of_their_files_are_adopted(site):
    put(site, "a.png")
    site.files["folder.png"] = NO_FILE

    assert site.adopt(
        asset("half", "a.png", "b.png"), asset("folder", "a.png", "folder.png"), asset("idea")
    ) == [
        "half: not all of its files are there",
        "folder: not all of its files are there",
        "idea: not all of its files are there",
    ]
    assert (site.lock, site.done) == ({}, [])


@pytest.mark.parametrize("request_", ["a fox", "a fox, too"])
def test_a_file_that_was_modified_is_adopted_with_the_picture_that_it_had(site, request_):
    site.files["hero.png"] = "retouched"
    site.lock = {"hero": locked("hero.png", request=request_)}

    assert site.adopt(HERO) == ["hero: taken as it is"]
    outputs = {"hero.png": LockedOutput(PNG, "retouched")}
    assert site.lock == {"hero": locked(request=request_, outputs=outputs)}
    assert site.prepare(HERO).plan.is_up_to_date


@pytest.mark.parametrize("before", [{"request": "another"}, {"offline": True}])
def test_what_is_adopted_for_another_request_has_no_picture_to_be_made_from(site, before):
    put(site, "hero.png")
    site.lock = {"hero": locked("hero.png", **before)}

    assert site.adopt(HERO) == ["hero: taken as it is"]
    assert site.lock == {"hero": locked("hero.png", master=None)}


def test_adopting_forgets_no_file_that_is_left_over(site):
    put(site, "old.png")
    site.files["hero.png"] = "retouched"
    site.lock = {"hero": locked("hero.png", "old.png")}
    site.adopt(HERO)

    (left_over,) = [s for s in site.prepare(HERO).plan.steps if s.state is State.LEFT_OVER]
    assert left_over.outputs == (AssetOutput("old.png", PNG),)


def test_what_is_up_to_date_or_left_over_is_not_adopted(site):
    put(site, "hero.png", "old.png")
    site.lock = {"hero": locked("hero.png"), "old": locked("old.png")}

    assert site.adopt(HERO) == ["Everything is up to date."]
    assert site.done == []


def test_adopting_folds_fragments_into_the_lock(site):
    put(site, "hero.png")
    site.fragments = {"1-of-1.json": {"hero": locked("hero.png")}}

    assert site.adopt(HERO) == ["Everything is up to date."]
    assert site.lock == {"hero": locked("hero.png")}


def test_a_job_adopts_into_its_own_fragment(site):
    put(site, "hero.png", "fox.png")
    site.lock = {"hero": locked("x.png"), "fox": locked("y.png")}
    shards = [Shard(1, count) for count in range(2, 9)]
    shard = next(one for one in shards if one.has("hero") and not one.has("fox"))

    assert site.adopt(HERO, FOX, selection=Selection(shard=shard)) == ["hero: taken as it is"]
    assert site.lock == {"hero": locked("hero.png", request="a fox", master="M")}
