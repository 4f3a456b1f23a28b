import hashlib
import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mai_cli.adapters.conversion import Original, can_write
from mai_cli.adapters.provenance import stamp
from mai_cli.errors import UsageError
from mai_cli.models.recipe import Recipe
from mai_cli.models.record import Master, Record
from mai_cli.services.exporting import Exported, Exporting, side_by_side
from mai_cli.services.outputs import Target
from mai_cli.stores import atomic
from tests.chunks import international_texts, without_texts
from tests.pictures import encoded, smooth

FLATTENED = "JPEG has no transparency: what was transparent is white."
UNSIGNED = (
    "This picture has content credentials. Copies keep them; conversions cannot, since the "
    "signature holds for the master's bytes only."
)
MASTER = b"the master, byte for byte"
COPY = Recipe("png")
FULL = OSError(28, "No space left on device")


class Studio:
    """Exports into a real folder from a master that is no picture.

    ``rendered`` is what was converted; ``fails`` is what goes wrong, by format, and by ``"decode"``
    and ``"stamp"``; ``meanwhile`` happens while something is converted.
    """

    def __init__(self, folder: Path, request_) -> None:
        self.folder = folder
        self.master = folder / "gallery" / "fox.png"
        self.master.parent.mkdir()
        self.master.write_bytes(MASTER)
        self.has_transparency = False
        self.signed = False
        self.request = request_
        self.told: list[str] = []
        self.rendered: list[Recipe] = []
        self.decoded = 0
        self.unknown: set[str] = set()
        self.fails: dict[str, BaseException] = {}
        self.meanwhile = lambda: None
        self.exporting = Exporting(
            disk=atomic,
            stamp=self.stamp,
            decode=self.decode,
            can_write=self.can_write,
            tell=self.told.append,
        )

    @property
    def record(self) -> Record:
        digest = hashlib.sha256(MASTER).hexdigest()
        master = Master(
            *("fox.png", str(self.master.parent), digest, len(MASTER), 400, 300),
            content_credentials=self.signed,
        )
        sent = Record.sent(
            self.request, id="b7c41f09e2aa", created_at=datetime.now(UTC), endpoint=None
        )
        return replace(sent, status="ok", master=master)

    def can_write(self, name: str) -> bool:
        return name not in self.unknown

    def export(self, *texts: str, recipe=COPY, number=None, **options):
        targets = [Target.parse(f"{self.folder}/out/{text}", recipe) for text in texts]
        options = {"overwrite": False, "metadata": True} | options
        self.exporting.prepare(targets)
        done = Exported()
        self.exporting.export(done, self.master, self.record, targets, number, **options)
        return done

    @property
    def files(self) -> dict[str, bytes]:
        out = self.folder / "out"
        paths = [path for path in out.rglob("*") if path.is_file()]
        return {str(path.relative_to(out)): path.read_bytes() for path in paths}

    def fail(self, step: str) -> None:
        if step in self.fails:
            raise self.fails[step]

    def decode(self, path: Path) -> "Studio":
        assert path == self.master
        self.decoded += 1
        self.fail("decode")
        return self

    def stamp(self, master, copy, record) -> None:
        copy.write(b"stamped: ")
        self.fail("stamp")
        copy.write(record.id.encode() + b" " + master.read())

    def render(self, recipe: Recipe, record: Record | None) -> bytes:
        self.rendered.append(recipe)
        self.meanwhile()
        self.fail(recipe.format)
        return f"{recipe.format} {recipe.width}, {record and record.id}".encode()


@pytest.fixture
def studio(tmp_path, request_) -> Studio:
    return Studio(tmp_path, request_)


def names(done) -> list[str]:
    return [Path(export.path).name for export in done.exports]


def test_what_stays_a_png_of_that_size_is_copied_and_the_rest_converted(studio):
    done = studio.export("a.png", "b.webp", "c.jpg", "d.avif", "new/")

    assert studio.files == {
        "a.png": b"stamped: b7c41f09e2aa " + MASTER,
        "b.webp": b"webp None, b7c41f09e2aa",
        "c.jpg": b"jpeg None, b7c41f09e2aa",
        "d.avif": b"avif None, b7c41f09e2aa",
        "new/fox.png": b"stamped: b7c41f09e2aa " + MASTER,
    }
    assert names(done) == ["a.png", "b.webp", "c.jpg", "d.avif", "fox.png"]
    assert (done.failures, studio.told, studio.decoded) == ([], [], 1)
    for export in done.exports:
        data = Path(export.path).read_bytes()
        assert (export.bytes, export.sha256) == (len(data), hashlib.sha256(data).hexdigest())
        assert (export.width, export.height) == (400, 300)
        assert export.content_credentials is False
    assert [export.format for export in done.exports] == ["png", "webp", "jpeg", "avif", "png"]


@pytest.mark.parametrize(
    ("recipe", "size", "is_copied"),
    [
        (Recipe("png", 200), (200, 150), False),
        (Recipe("png", 400), (400, 300), True),
        (Recipe("png", 400, 300, "stretch"), (400, 300), True),
        (Recipe("png", 800, 300, "contain"), (400, 300), True),
        (Recipe("png", 100, 100), (100, 100), False),
    ],
)
def test_a_png_of_another_size_is_converted_and_its_record_says_which(
    studio, recipe, size, is_copied
):
    (export,) = studio.export("a.png", recipe=recipe).exports

    assert (export.width, export.height) == size
    assert studio.files["a.png"].startswith(b"stamped" if is_copied else b"png")
    assert (studio.decoded, len(studio.rendered)) == ((0, 0) if is_copied else (1, 1))


def test_without_metadata_a_copy_is_the_master_and_nothing_is_told_of_it(studio):
    done = studio.export("a.png", "b.webp", metadata=False)

    assert studio.files == {"a.png": MASTER, "b.webp": b"webp None, None"}
    assert done.exports[0].sha256 == hashlib.sha256(MASTER).hexdigest()


def test_one_recipe_is_carried_out_once_however_many_files_it_fills(studio):
    done = studio.export("a.webp", "b.webp", "c.WEBP", "d.jpg", "e.jpeg")

    assert sorted(recipe.format for recipe in studio.rendered) == ["jpeg", "webp"]
    assert len(done.exports) == 5
    assert studio.files["a.webp"] == studio.files["b.webp"] == b"webp None, b7c41f09e2aa"


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (ValueError("takes at least 3 kB, more than 2"), "could not be made: the picture takes at"),
        (FULL, "could not be written: No space left on device"),
    ],
)
@pytest.mark.parametrize("name", ["webp", "jpeg", "stamp"])
def test_one_that_fails_does_not_stop_the_others(studio, name, problem, told):
    studio.fails = {name: problem}
    files = {"webp": "a.webp", "jpeg": "b.jpg", "stamp": "c.png"}
    done = studio.export(*files.values(), "d.avif")

    failed = files.pop(name)
    assert names(done) == [*files.values(), "d.avif"]
    assert done.failures[0].startswith(f"{studio.folder / 'out' / failed} {told}")
    assert len(done.failures) == 1
    assert studio.files.keys() == {*files.values(), "d.avif"}


@pytest.mark.parametrize(
    "problem", [ValueError("is damaged"), FileNotFoundError(2, "No such file")]
)
def test_a_master_that_cannot_be_decoded_is_still_copied(studio, problem):
    studio.fails = {"decode": problem}
    done = studio.export("a.webp", "b.png", "c.avif")

    assert names(done) == ["b.png"]
    half = {
        ValueError: "could not be made: the picture is damaged",
        FileNotFoundError: "could not be written: No such file",
    }[type(problem)]
    assert done.failures == [f"{studio.folder}/out/{name} {half}" for name in ("a.webp", "c.avif")]


def test_a_file_that_appears_meanwhile_is_left_alone(studio):
    studio.meanwhile = lambda: (studio.folder / "out/a.webp").write_bytes(b"mine")
    done = studio.export("a.webp", "b.png")

    assert done.failures == [f"{studio.folder}/out/a.webp exists and was left alone"]
    assert names(done) == ["b.png"]
    assert studio.files["a.webp"] == b"mine"


def test_a_file_that_may_be_replaced_is(studio):
    studio.meanwhile = lambda: (studio.folder / "out/a.webp").write_bytes(b"mine")
    done = studio.export("a.webp", overwrite=True)

    assert (names(done), done.failures) == (["a.webp"], [])
    assert studio.files == {"a.webp": b"webp None, b7c41f09e2aa"}


def test_a_file_of_ours_is_replaced_and_those_of_others_are_not(studio):
    (studio.folder / "out").mkdir()
    for name in ("a.webp", "b.webp"):
        (studio.folder / "out" / name).write_bytes(b"there before")
    targets = [
        replace(Target.parse(f"{studio.folder}/out/{name}", COPY), is_ours=is_ours)
        for name, is_ours in [("a.webp", True), ("b.webp", False)]
    ]
    done = Exported()
    studio.exporting.export(
        done, studio.master, studio.record, targets, None, overwrite=False, metadata=True
    )

    assert names(done) == ["a.webp"]
    assert done.failures == [f"{studio.folder}/out/b.webp exists and was left alone"]
    assert studio.files == {"a.webp": b"webp None, b7c41f09e2aa", "b.webp": b"there before"}


@pytest.mark.parametrize("name", ["a.png", "a.webp", "new/"])
def test_a_file_with_just_those_bytes_counts_as_made_and_is_not_touched(studio, name):
    first = studio.export(name)
    (path,) = [Path(export.path) for export in first.exports]
    before = path.stat()
    again = studio.export(name)

    assert (again.exports, again.failures) == (first.exports, [])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "change", [lambda data: data + b"!", lambda data: data[:-1], lambda _: b""]
)
def test_a_file_with_other_bytes_does_not_count_as_made(studio, change):
    studio.export("a.webp")
    path = studio.folder / "out/a.webp"
    changed = change(path.read_bytes())
    path.write_bytes(changed)
    done = studio.export("a.webp")

    assert (done.exports, len(done.failures)) == ([], 1)
    assert path.read_bytes() == changed


def test_a_folder_in_the_way_of_a_file_is_not_read(studio):
    studio.meanwhile = (studio.folder / "out/a.webp").mkdir
    done = studio.export("a.webp")

    assert (done.exports, len(done.failures)) == ([], 1)


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
@pytest.mark.skipif(os.name != "nt" and os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_does_not_count_as_made(studio):
    studio.export("a.webp")
    (studio.folder / "out/a.webp").chmod(0)

    assert len(studio.export("a.webp").failures) == 1


@pytest.mark.parametrize("recipe", [Recipe("png"), Recipe("png", 200)])
def test_in_a_folder_a_name_that_is_taken_gets_a_number(studio, recipe):
    (studio.folder / "out/new").mkdir(parents=True)
    for name in ("fox.png", "fox-2.png"):
        (studio.folder / "out/new" / name).write_bytes(b"another fox")
    (export,) = studio.export("new/", recipe=recipe).exports

    assert Path(export.path).name == "fox-3.png"
    assert (studio.files["new/fox.png"], studio.files["new/fox-2.png"]) == (b"another fox",) * 2
    assert hashlib.sha256(studio.files["new/fox-3.png"]).hexdigest() == export.sha256


def test_in_a_folder_the_first_name_with_just_those_bytes_is_it(studio):
    (studio.folder / "out/new").mkdir(parents=True)
    (studio.folder / "out/new/fox.png").write_bytes(b"another fox")
    found = [studio.export("new/").exports[0].path for _ in range(2)]

    assert found == [str(studio.folder / "out/new/fox-2.png")] * 2
    assert studio.files.keys() == {"new/fox.png", "new/fox-2.png"}


def test_of_several_pictures_each_file_has_its_number(studio):
    done = studio.export("a.webp", "b.c.png", "new/", number=3)

    assert names(done) == ["a-3.webp", "b.c-3.png", "fox.png"]


@pytest.mark.parametrize(
    "problem", [ValueError("is a PNG without pixels"), FULL, KeyboardInterrupt(), RuntimeError()]
)
def test_a_copy_that_fails_half_way_leaves_nothing_behind(studio, problem):
    studio.fails = {"stamp": problem}
    if isinstance(problem, (ValueError, OSError)):
        assert len(studio.export("a.png").failures) == 1
    else:
        with pytest.raises(type(problem)):
            studio.export("a.png")

    assert list((studio.folder / "out").iterdir()) == []


def test_a_copy_meets_a_limit_or_is_not_made(studio):
    recipe = Recipe("png", max_kb=1)
    assert names(studio.export("a.png", recipe=recipe)) == ["a.png"]

    studio.master.write_bytes(bytes(2000))
    done = studio.export("b.png", "new/", recipe=recipe)
    out = studio.folder / "out"
    assert done.failures == [
        f"{out}/b.png could not be made: the picture takes more than 1 kB",
        f"{out}/new/fox.png could not be made: the picture takes more than 1 kB",
    ]
    assert studio.files.keys() == {"a.png"}


def test_a_limit_on_a_copy_counts_what_is_told_in_it_too(studio):
    studio.master.write_bytes(bytes(990))
    recipe = Recipe("png", max_kb=1)

    assert len(studio.export("a.png", recipe=recipe).failures) == 1
    assert names(studio.export("a.png", recipe=recipe, metadata=False)) == ["a.png"]


def test_a_signed_master_is_copied_to_the_byte_and_its_conversions_say_what_they_lost(studio):
    studio.signed = True
    done = studio.export("a.png", "b.webp", "new/")

    assert studio.files == {
        "a.png": MASTER,
        "b.webp": b"webp None, b7c41f09e2aa",
        "new/fox.png": MASTER,
    }
    assert [export.content_credentials for export in done.exports] == [True, False, True]
    assert studio.told == [UNSIGNED]


def test_credentials_that_were_not_there_are_not_missed(studio):
    studio.signed = True
    studio.export("a.png", "new/")
    assert studio.told == []

    studio.signed = False
    studio.export("b.webp")
    assert studio.told == []


def test_credentials_of_a_file_that_has_changed_on_disk_are_not_claimed(studio):
    studio.signed = True
    studio.master.write_bytes(b"something else")
    (export,) = studio.export("a.png").exports

    assert export.content_credentials is False


def test_what_is_to_know_is_told_once_for_all_pictures(studio):
    studio.signed = studio.has_transparency = True
    for number in (1, 2, 3):
        studio.export("a.jpg", "b.jpeg", "c.webp", number=number)

    assert studio.told == [UNSIGNED, FLATTENED]


def test_only_a_jpeg_is_said_to_lose_transparency_and_only_if_there_is_any(studio):
    studio.export("a.jpg")
    studio.has_transparency = True
    studio.export("a.webp", "a.avif", "a.png")
    assert studio.told == []

    studio.export("b.jpg")
    assert studio.told == [FLATTENED]


def test_folders_are_prepared_and_one_that_cannot_be_written_is_named(studio):
    (studio.folder / "file").touch()
    good, bad = (
        Target(studio.folder / name / "a.png", is_folder=False) for name in ("x/y", "file")
    )

    studio.exporting.prepare([good])
    assert (studio.folder / "x/y").is_dir()
    with pytest.raises(UsageError) as caught:
        studio.exporting.prepare([good, bad])
    assert caught.value.code == "bad_output"
    assert caught.value.message.startswith(
        f"The output folder {studio.folder / 'file'} cannot be written: "
    )


def test_a_format_that_this_machine_cannot_write_is_refused_beforehand(studio):
    studio.unknown = {"avif"}
    with pytest.raises(UsageError, match="cannot write avif") as caught:
        studio.export("a.png", "b.avif")

    assert caught.value.code == "bad_output"
    assert studio.decoded == 0


def test_a_file_that_is_replaced_hands_its_permissions_on(studio):
    studio.export("a.png")
    (studio.folder / "out" / "a.png").chmod(0o600)
    studio.export("a.png", overwrite=True)

    assert (studio.folder / "out" / "a.png").stat().st_mode & 0o777 == 0o600


def test_a_stop_that_comes_as_a_file_gets_its_name_is_told_with_it(studio):
    @contextmanager
    def hold():
        yield
        raise KeyboardInterrupt

    studio.exporting = Exporting(
        disk=atomic,
        stamp=studio.stamp,
        decode=studio.decode,
        can_write=studio.can_write,
        tell=studio.told.append,
        hold=hold,
    )
    done = Exported()
    target = Target.parse(f"{studio.folder}/out/a.png")
    studio.exporting.prepare([target])
    with pytest.raises(KeyboardInterrupt):
        studio.exporting.export(
            *(done, studio.master, studio.record, [target], None), overwrite=False, metadata=True
        )

    assert [export.path for export in done.exports] == [str(target.path)]
    assert target.path.is_file()


def test_a_record_without_a_picture_has_no_exports(studio):
    record = replace(studio.record, master=None)

    with pytest.raises(ValueError, match="without a master"):
        studio.exporting.export(
            Exported(), studio.master, record, [], None, overwrite=False, metadata=True
        )


def test_conversions_are_made_at_the_same_time(studio):
    if (os.cpu_count() or 1) < 2:
        pytest.skip("there is one core")
    both = threading.Barrier(2, timeout=20)
    studio.meanwhile = both.wait

    assert studio.export("a.webp", "b.avif").failures == []


def test_results_come_in_order_whatever_takes_longest():
    first = threading.Event()

    def wait() -> int:
        first.wait(0.2)
        return 0

    def fail() -> int:
        raise ValueError("no")

    results = side_by_side([wait, lambda: 1, fail, lambda: 3, fail] * 2)

    assert [str(result) for result in results] == ["0", "1", "no", "3", "no"] * 2
    assert side_by_side([]) == []


def test_there_are_no_more_threads_than_cores():
    before, most = threading.active_count(), []

    def work() -> None:
        most.append(threading.active_count() - before)
        threading.Event().wait(0.01)

    side_by_side([work] * 50)
    assert 1 <= max(most) <= (os.cpu_count() or 1)
    assert len(most) == 50


def real(told: list[str]) -> Exporting:
    return Exporting(
        disk=atomic, stamp=stamp, decode=Original, can_write=can_write, tell=told.append
    )


def test_real_pictures_become_real_files(studio):
    master = encoded(smooth(400, 300, "RGBA"))
    studio.master.write_bytes(master)
    studio.exporting = real(studio.told)
    done = studio.export("a.png", "b.webp", "c.jpg", "d.avif", "s/", recipe=Recipe("png", 40))
    copied = studio.export("e.png")

    assert done.failures == copied.failures == []
    assert [(export.width, export.height) for export in done.exports] == [(40, 30)] * 5
    assert all(b"mai:record:b7c41f09e2aa" in data for data in studio.files.values())
    assert without_texts(studio.files["e.png"]) == master
    assert "Identifier" in international_texts(studio.files["e.png"])
    assert studio.told == [FLATTENED]


def test_a_picture_other_than_asked_for_may_be_too_large_for_its_export(studio):
    studio.master.write_bytes(encoded(smooth(4, 300)))
    studio.exporting = real(studio.told)
    wide = Recipe("png", 16_000)
    done = studio.export("a.webp", "b.png", recipe=wide)

    assert [failure.split(": ")[1] for failure in done.failures] == [
        "the picture would be 16000x1200000, more than 16383 pixels a side and 50 million in all"
    ] * 2


EXPORT_WITH_LITTLE_ROOM = """
import json, os, resource, signal, sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mai_cli.adapters.conversion import Original, can_write
from mai_cli.adapters.provenance import stamp
from mai_cli.models.catalogue import find
from mai_cli.models.record import Master, Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size
from mai_cli.services.exporting import Exported, Exporting
from mai_cli.services.outputs import Target
from mai_cli.stores import atomic

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
request = ImageRequest("a fox", "mai-image-26", find("mai-image-26"), Size(1024, 1024))
record = Record.sent(request, id="b7c41f09e2aa", created_at=datetime.now(UTC), endpoint=None)
master = Master("fox.png", ".", "0" * 64, 1, 200, 200, content_credentials=False)
exporting = Exporting(disk=atomic, stamp=stamp, decode=Original, can_write=can_write, tell=print)
targets = [Target.parse(name) for name in ("out/a.png", "out/b.jpg", "out/c.png", "out/d.webp")]
done = Exported()
exporting.export(
    done, Path("fox.png").absolute(), replace(record, master=master), targets, None,
    overwrite=True, metadata=True,
)
print(json.dumps([[Path(export.path).name for export in done.exports], done.failures]))
"""


def test_an_output_that_does_not_fit_on_the_disk_leaves_the_old_file_and_the_others(tmp_path):
    (tmp_path / "fox.png").write_bytes(encoded(smooth(200, 200), compress_level=0))
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"old")
    done = subprocess.run(
        [sys.executable, "-B", "-c", EXPORT_WITH_LITTLE_ROOM],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [
        ["b.jpg", "d.webp"],
        [f"{out}/{name} could not be written: File too large" for name in ("a.png", "c.png")],
    ]
    assert (out / "a.png").read_bytes() == b"old"
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.jpg", "d.webp"]


def test_without_room_for_threads_the_work_is_done_all_the_same(monkeypatch):
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)

    assert side_by_side([lambda: 1, lambda: 2, lambda: 3]) == [1, 2, 3]
