import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mai_cli.adapters.identity import digest, digests
from mai_cli.errors import RefusedError, StorageError, UsageError
from mai_cli.models.batch import Action, Drawn, Ended, Result, State, Step
from mai_cli.models.lock import UNFINISHED, LockedAsset, LockedOutput
from mai_cli.models.manifest import Asset, AssetOutput
from mai_cli.models.outcome import Outcome
from mai_cli.models.recipe import Recipe
from mai_cli.models.record import Export, Master, Record
from mai_cli.services.exporting import Exporting
from mai_cli.services.finishing import Finished, Finishing
from mai_cli.services.ordering import Wanted
from mai_cli.services.outputs import Target, Targets
from mai_cli.services.planning import Known, Wishes, paths_of, plan
from mai_cli.stores import atomic

PICTURE = b"the master, byte for byte"
SHA = hashlib.sha256(PICTURE).hexdigest()
FULL = OSError(28, "No space left on device")
KINDS = {".webp": Recipe("webp"), ".jpg": Recipe("jpeg", width=320), ".avif": Recipe("avif")}


def outputs_at(*paths: str) -> tuple[AssetOutput, ...]:
    return tuple(AssetOutput(path, KINDS[Path(path).suffix]) for path in paths)


def content(path: str, alt: str | None = None) -> bytes:
    recipe = KINDS[Path(path).suffix]
    return f"{recipe.format} {recipe.width} {alt}".encode()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Site:
    """A real folder with a gallery beside it; pictures are texts that say how they were made.

    ``fails`` is what goes wrong, by format.
    """

    def __init__(self, folder: Path, request_) -> None:
        self.folder = folder / "site"
        self.folder.mkdir()
        self.master = folder / "gallery" / "fox.png"
        self.master.parent.mkdir()
        self.master.write_bytes(PICTURE)
        sent = Record.sent(
            request_, id="b7c41f09e2aa", created_at=datetime(2026, 11, 22, tzinfo=UTC), endpoint="x"
        )
        facts = ("fox.png", str(self.master.parent), SHA, len(PICTURE), 640, 480)
        master = Master(*facts, content_credentials=False)
        self.record = replace(sent, status="ok", master=master, cost_usd=0.04)
        self.lock: dict[str, LockedAsset] = {}
        self.fails: dict[str, Exception] = {}
        self.history: list[Record] = []
        self.metadata = True

    @property
    def finishing(self) -> Finishing:
        return Finishing(
            self.folder,
            Exporting(
                disk=atomic,
                stamp=None,
                decode=lambda _: self,
                can_write=lambda name: name != "avif",
                tell=lambda _: None,
            ),
            self,
            digest,
            lock=self.lock,
            digests=digests(self.folder, paths_of((), self.lock)),
            metadata=self.metadata,
        )

    has_transparency = False

    def render(self, recipe: Recipe, record: Record | None) -> bytes:
        if recipe.format in self.fails:
            raise self.fails[recipe.format]
        told = record.alt if record else "nothing is told"
        return f"{recipe.format} {recipe.width} {told}".encode()

    def append(self, record: Record, *, is_detail: bool) -> None:
        assert is_detail
        if "history" in self.fails:
            raise self.fails["history"]
        self.history.append(record)

    def put(self, **files: bytes) -> None:
        """``hero_webp`` stands for ``hero.webp``."""
        for name, data in files.items():
            (self.folder / name.replace("_", ".")).write_bytes(data)

    @property
    def files(self) -> dict[str, bytes]:
        found = [path for path in self.folder.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}

    def exported(self, *paths: str, alt: str | None = None) -> list[Export]:
        """What the record says of outputs that were made."""
        return [
            Export(
                str(self.folder / path),
                KINDS[Path(path).suffix].format,
                *((640, 480) if path.endswith("webp") else (320, 240)),
                len(content(path, alt)),
                sha(content(path, alt)),
                content_credentials=False,
            )
            for path in paths
        ]

    def drawn(self, step: Step, *made: str, error=None) -> Finished:
        """As if it had just been drawn, and these outputs been made."""
        self.put(**{path.replace(".", "_"): content(path) for path in made})
        record = replace(self.record, exports=self.exported(*made))
        return self.finishing.drawn(step, "A", Outcome(record, self.master, error))

    def plan(self, asset: Asset) -> Step:
        wanted = [Wanted(asset, ("A",), ("one",), 0.04)]
        known = Known(masters={SHA: Drawn(self.record.to_json(), self.master, "A")})
        seen = digests(self.folder, paths_of(wanted, self.lock))
        return plan(wanted, self.lock, seen, lambda *_: known, Wishes(), is_whole=True)[0]


@pytest.fixture
def site(tmp_path, request_) -> Site:
    return Site(tmp_path, request_)


def drawing(*paths: str, replaces: Sequence[str] = (), alt: str | None = None) -> Step:
    outputs = outputs_at(*paths)
    asset = Asset("hero", "a fox", "asset 1", outputs, alt=alt)
    return Step(
        "hero", State.NEW, Action.DRAW, asset=asset, outputs=outputs, replaces=tuple(replaces)
    )


def exporting(
    site: Site,
    *paths: str,
    besides: Sequence[str] = (),
    replaces: Sequence[str] = (),
    alt: str | None = None,
) -> Step:
    """The outputs ``besides`` are up to date."""
    asset = Asset("hero", "a fox", "asset 1", outputs_at(*besides, *paths), alt=alt)
    return Step(
        "hero",
        State.RESTORABLE,
        Action.EXPORT,
        asset=asset,
        outputs=outputs_at(*paths),
        replaces=tuple(replaces),
        drawn=Drawn(site.record.to_json(), site.master, "A"),
    )


def locked(*paths: str, request: str = "A", master: str = SHA, alt=None, **facts) -> LockedAsset:
    outputs = {path: LockedOutput(KINDS[Path(path).suffix], sha(content(path))) for path in paths}
    return LockedAsset(request, master, alt=alt, outputs=outputs | facts.get("outputs", {}))


def test_outputs_go_below_the_manifest_and_replace_what_was_made_before(site):
    step = drawing("a/hero.webp", "../hero.jpg", replaces=["../hero.jpg"])

    assert site.finishing.targets(step) == Targets(
        [
            Target(site.folder / "a/hero.webp", is_folder=False, recipe=KINDS[".webp"]),
            Target(
                site.folder.parent / "hero.jpg", is_folder=False, recipe=KINDS[".jpg"], is_ours=True
            ),
        ]
    )


def test_folders_are_made_before_anything_is_paid_for(site):
    site.finishing.prepare([drawing("a/b/hero.webp", "c/hero.jpg"), drawing("a/x.webp")])

    assert sorted(path.name for path in site.folder.iterdir()) == ["a", "c"]
    assert (site.folder / "a/b").is_dir()


def test_every_format_of_every_folder_is_looked_at(site):
    with pytest.raises(UsageError):
        site.finishing.prepare([drawing("hero.avif", "hero.webp")])
    with pytest.raises(UsageError):
        site.finishing.prepare([drawing("hero.webp", "hero.avif")])


def test_an_output_outside_of_the_manifests_folder_is_made_and_locked_as_it_is_named(site):
    step = exporting(site, "../hero.webp", "b/hero.jpg")
    site.finishing.prepare([step])
    finished = site.finishing.export(step)

    assert finished.ended.paths == (site.folder.parent / "hero.webp", site.folder / "b/hero.jpg")
    assert finished.locked == locked("../hero.webp", "b/hero.jpg")


@pytest.mark.parametrize("path", ["hero.avif", "file/hero.webp"])
def test_what_cannot_be_written_is_found_out_before_anything_is_paid_for(site, path):
    site.put(file=b"in the way")
    with pytest.raises(UsageError) as caught:
        site.finishing.prepare([drawing("hero.webp"), drawing(path)])

    assert caught.value.code == "bad_output"
    assert site.files == {"file": b"in the way"}


def test_what_was_drawn_and_made_is_locked(site):
    step = drawing("hero.webp", "hero.jpg", alt="A fox.")

    finished = site.drawn(step, "hero.webp", "hero.jpg")

    record = replace(site.record, exports=site.exported("hero.webp", "hero.jpg"))
    assert finished == Finished(
        Ended(
            "hero",
            Result.MADE,
            record=record.to_json(),
            paths=(site.folder / "hero.webp", site.folder / "hero.jpg"),
            cost_usd=0.04,
            alt="A fox.",
        ),
        locked("hero.webp", "hero.jpg", alt="A fox."),
    )
    site.lock = {"hero": finished.locked}
    assert site.plan(step.asset).state is State.UP_TO_DATE


def test_a_picture_without_outputs_is_locked_too(site):
    assert site.drawn(drawing()).locked == locked()


def test_a_placeholder_is_locked_as_one(site):
    site.record = replace(site.record, offline=True)

    assert site.drawn(drawing("hero.webp"), "hero.webp").locked == replace(
        locked("hero.webp"), offline=True
    )


def test_what_was_not_drawn_leaves_the_lock_alone(site):
    site.lock = {"hero": locked("hero.webp")}
    error = RefusedError("Declined.", code="content_filter")
    record = replace(site.record, status="refused", master=None)
    finished = site.finishing.drawn(drawing("hero.webp"), "B", Outcome(record, error=error))

    assert finished == Finished(
        Ended("hero", Result.REFUSED, record=record.to_json(), error=error), None
    )


def test_of_outputs_that_failed_nothing_is_locked_and_the_rest_is(site):
    error = StorageError("No.", code="export_failed")
    step = drawing("hero.webp", "hero.jpg", "small.webp")
    finished = site.drawn(step, "hero.webp", "small.webp", error=error)

    assert (finished.ended.result, finished.ended.error) == (Result.FAILED, error)
    assert finished.locked == locked("hero.webp", "small.webp")

    site.lock = {"hero": finished.locked}
    again = site.plan(step.asset)
    assert (again.action, again.outputs) == (Action.EXPORT, outputs_at("hero.jpg"))


def test_an_old_file_that_could_not_be_replaced_may_be_replaced_the_next_time(site):
    site.put(hero_jpg=b"of the last request")
    old = {"hero.jpg": LockedOutput(KINDS[".jpg"], sha(b"of the last request"))}
    site.lock = {"hero": locked(request="B", master="old", outputs=old)}
    error = StorageError("No.", code="export_failed")
    step = drawing("hero.webp", "hero.jpg", replaces=["hero.jpg"])
    site.lock = {"hero": site.drawn(step, "hero.webp", error=error).locked}
    unfinished = {"hero.jpg": LockedOutput(KINDS[".jpg"], UNFINISHED)}
    assert site.lock == {"hero": locked("hero.webp", outputs=unfinished)}

    again = site.plan(step.asset)

    assert (again.action, again.outputs) == (Action.EXPORT, outputs_at("hero.jpg"))
    assert (again.replaces, again.in_the_way) == (("hero.jpg",), ())


def test_an_old_file_that_could_not_be_exported_may_be_replaced_the_next_time(site):
    site.put(hero_jpg=b"of the last request")
    old = {"hero.jpg": LockedOutput(KINDS[".jpg"], sha(b"of the last request"))}
    site.lock = {"hero": locked(request="B", master="old", outputs=old)}
    site.fails["jpeg"] = FULL
    step = exporting(site, "hero.webp", "hero.jpg", replaces=["hero.jpg"])
    site.lock = {"hero": site.finishing.export(step).locked}

    again = site.plan(step.asset)

    assert (again.action, again.outputs) == (Action.EXPORT, outputs_at("hero.jpg"))
    assert (again.replaces, again.in_the_way) == (("hero.jpg",), ())


@pytest.mark.parametrize("kind", ["drawn", "exported"])
def test_files_that_are_left_over_stay_in_the_lock_while_they_are_there(site, kind):
    site.put(old_webp=b"modified", folder_webp=b"x")
    (site.folder / "folder.webp").unlink()
    (site.folder / "folder.webp").mkdir()
    before = ("old.webp", "gone.webp", "folder.webp", "hero.jpg")
    site.lock = {"hero": locked(*before, request="B", master="old"), "villain": locked("x.webp")}

    if kind == "drawn":
        finished = site.drawn(drawing("hero.webp"), "hero.webp")
    else:
        finished = site.finishing.export(exporting(site, "hero.webp"))

    assert finished.locked == locked("old.webp", "hero.webp")


def test_a_picture_that_was_paid_for_is_exported_locked_and_remembered(site):
    step = exporting(site, "hero.webp", "hero.jpg", alt="A fox.")

    finished = site.finishing.export(step)

    exports = site.exported("hero.webp", "hero.jpg", alt="A fox.")
    record = replace(site.record, exports=exports, alt="A fox.")
    assert finished.ended == Ended(
        "hero",
        Result.RESTORED,
        record=record.to_json(),
        paths=(site.folder / "hero.webp", site.folder / "hero.jpg"),
        alt="A fox.",
    )
    assert site.files == {
        "hero.webp": content("hero.webp", "A fox."),
        "hero.jpg": content("hero.jpg", "A fox."),
    }
    assert site.history == [record]
    outputs = {
        path: LockedOutput(KINDS[Path(path).suffix], sha(content(path, "A fox.")))
        for path in ("hero.webp", "hero.jpg")
    }
    assert finished.locked == LockedAsset("A", SHA, alt="A fox.", outputs=outputs)
    site.lock = {"hero": finished.locked}
    assert site.plan(step.asset).state is State.UP_TO_DATE


def test_what_is_exported_without_metadata_tells_nothing(site):
    site.metadata = False
    site.finishing.export(exporting(site, "hero.webp", alt="A fox."))

    assert site.files == {"hero.webp": b"webp None nothing is told"}


def test_one_output_is_restored_and_the_others_stay_as_they_are(site):
    site.put(hero_webp=content("hero.webp"), hero_jpg=b"modified")
    site.lock = {"hero": locked("hero.webp", "hero.jpg")}
    site.record = replace(site.record, exports=site.exported("hero.webp", "hero.jpg"))
    step = exporting(site, "hero.jpg", besides=["hero.webp"], replaces=["hero.jpg"])

    finished = site.finishing.export(step)

    assert (finished.ended.result, finished.ended.paths) == (
        *(Result.RESTORED, (site.folder / "hero.jpg",)),
    )
    assert finished.locked == locked("hero.webp", "hero.jpg")
    assert site.files["hero.jpg"] == content("hero.jpg")
    assert site.history == []


def test_the_history_keeps_the_exports_that_a_picture_had_elsewhere(site):
    elsewhere = replace(*site.exported("old.webp"), path="/elsewhere/hero.webp")
    was = replace(*site.exported("hero.jpg"), sha256="0" * 64)
    site.record = replace(site.record, exports=[was, elsewhere])
    site.finishing.export(exporting(site, "hero.jpg"))

    (record,) = site.history
    assert record.exports == [elsewhere, *site.exported("hero.jpg")]


def test_files_of_another_picture_are_unfinished(site):
    site.put(hero_webp=content("hero.webp"))
    site.lock = {"hero": locked("hero.webp", request="B", master="old")}
    step = exporting(site, "hero.jpg", besides=["hero.webp"])

    unfinished = {"hero.webp": LockedOutput(KINDS[".webp"], UNFINISHED)}
    assert site.finishing.export(step).locked == locked("hero.jpg", outputs=unfinished)


def test_an_export_that_fails_keeps_what_the_lock_said_of_it(site):
    site.put(hero_webp=b"modified", hero_jpg=b"of an older recipe")
    older = {"hero.jpg": LockedOutput(Recipe("jpeg", quality=50), sha(b"of an older recipe"))}
    site.lock = {"hero": locked("hero.webp", outputs=older)}
    site.fails["webp"] = FULL
    step = exporting(site, "hero.webp", "hero.jpg", replaces=["hero.webp", "hero.jpg"])

    finished = site.finishing.export(step)

    error = finished.ended.error
    assert (finished.ended.result, finished.ended.paths) == (
        *(Result.FAILED, (site.folder / "hero.jpg",)),
    )
    assert (error.code, error.message, error.hint) == (
        "export_failed",
        f"{site.folder / 'hero.webp'} could not be written: No space left on device.",
        f"The picture is safe at {site.master}",
    )
    assert site.files == {"hero.webp": b"modified", "hero.jpg": content("hero.jpg")}
    assert finished.locked == locked("hero.webp", "hero.jpg")

    site.lock = {"hero": finished.locked}
    again = site.plan(step.asset)
    assert (again.outputs, again.replaces) == (outputs_at("hero.webp"), ("hero.webp",))


def test_an_export_that_fails_is_not_locked_by_what_the_history_knows_of_an_older_one(site):
    site.record = replace(site.record, exports=site.exported("hero.webp"))
    site.fails["webp"] = FULL
    finished = site.finishing.export(exporting(site, "hero.webp", "hero.jpg"))

    assert finished.locked == locked("hero.jpg")


def test_a_file_that_nobody_knows_is_left_alone_unless_it_is_the_same(site):
    site.put(hero_webp=content("hero.webp"), hero_jpg=b"somebody's")
    finished = site.finishing.export(exporting(site, "hero.webp", "hero.jpg"))

    assert finished.ended.error.message == (
        f"{site.folder / 'hero.jpg'} exists and was left alone."
    )
    assert site.files == {"hero.webp": content("hero.webp"), "hero.jpg": b"somebody's"}
    assert finished.locked == locked("hero.webp")


def test_nothing_is_made_from_a_master_that_is_damaged(site):
    site.master.write_bytes(PICTURE[:-1])
    finished = site.finishing.export(exporting(site, "hero.webp"))

    error = finished.ended.error
    assert finished == Finished(Ended("hero", Result.FAILED, error=error))
    assert (error.code, error.message, error.hint) == (
        "export_failed",
        f"The master {site.master} is damaged.",
        "Draw it again with --force hero; that is paid for.",
    )
    assert (site.files, site.history) == ({}, [])


def test_nothing_is_made_from_a_master_that_is_gone(site):
    site.master.unlink()
    finished = site.finishing.export(exporting(site, "hero.webp"))

    assert finished.locked is None
    assert finished.ended.error.message == (
        f"The master {site.master} cannot be read: No such file or directory."
    )


@pytest.mark.parametrize("changes", [{"master": None}, {"created_at": "once"}, {"exports": [7]}])
def test_nothing_is_made_of_a_record_that_makes_no_sense(site, changes):
    step = exporting(site, "hero.webp")
    drawn = replace(step.drawn, record={**site.record.to_json(), **changes})
    finished = site.finishing.export(replace(step, drawn=drawn))

    assert (finished.ended.result, finished.locked) == (Result.FAILED, None)
    assert site.files == {}


def test_what_the_history_cannot_remember_failed_and_is_made_again(site):
    site.fails["history"] = StorageError("No history.", code="history_failed")
    step = exporting(site, "hero.webp")
    finished = site.finishing.export(step)

    assert finished == Finished(
        Ended("hero", Result.FAILED, error=site.fails["history"]),
    )
    site.fails.clear()
    assert site.finishing.export(step).locked == locked("hero.webp")


def test_only_what_was_drawn_can_be_exported(site):
    with pytest.raises(ValueError, match="nothing was drawn"):
        site.finishing.export(drawing("hero.webp"))


def test_an_output_that_cannot_be_made_is_told_with_why(site):
    site.fails["webp"] = ValueError("takes more than 3 kB")
    finished = site.finishing.export(exporting(site, "hero.webp"))

    assert finished.ended.error.message == (
        f"{site.folder / 'hero.webp'} could not be made: the picture takes more than 3 kB."
    )
