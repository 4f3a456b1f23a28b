import errno
import io
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from mai_cli.adapters.png import PngScan
from mai_cli.errors import StorageError
from mai_cli.models.settings import DEFAULT_FILENAME
from mai_cli.stores.leftovers import PAGE, Leftovers, pictures_in
from mai_cli.stores.names import master_name
from tests.pictures import encoded, smooth

ID = "b7c41f09e2aa"
NAME = "2026/11/22/091403-a-lighthouse-at-dawn-b7c41f09.png"
PICTURE = encoded(smooth(8, 8))


def scan(path: Path):
    scan = PngScan()
    scan.feed(path.read_bytes())
    return scan.finish()


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch):
    """The system's temporary folder, for this test."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def gallery(tmp_path):
    (tmp_path / "gallery").mkdir()
    return tmp_path / "gallery"


@pytest.fixture
def left(gallery):
    return Leftovers(gallery, DEFAULT_FILENAME, scan)


def put(path: Path, content: bytes = PICTURE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("name", [f"2026/11/22/.{ID}.part", NAME, f"x/{ID[:8]}-2.png"])
def test_what_was_on_its_way_into_the_gallery_is_found(gallery, left, name):
    file = put(gallery / name)
    put(gallery / "2026/11/22/.cafe00000000.part")
    assert left.left_by([{"id": ID}, {"id": "dead00000000"}]) == {ID: [file]}


@pytest.mark.parametrize("name", [f"mai-{ID}-x7.part", f"mai-{ID}-x7.png"])
def test_what_the_gallery_could_not_take_is_found(temporary, left, name):
    file = put(temporary / name)
    assert left.left_by([{"id": ID}]) == {ID: [file]}


@pytest.mark.parametrize("name", [f"{ID}.txt", f"{ID}.webp", f"{PAGE}/pictures/{ID}.png", "a.png"])
def test_what_is_something_else_is_not(gallery, left, name):
    put(gallery / name)
    assert left.left_by([{"id": ID}]) == {}


@pytest.mark.parametrize("name", [f"mai-{ID}.txt", f"mai-{ID}", f"{ID}.png"])
def test_what_others_have_in_the_temporary_folder_is_not(temporary, left, name):
    put(temporary / name)
    assert left.left_by([{"id": ID}]) == {}


@pytest.mark.parametrize("record_id", ["", "a", "2"])
def test_a_record_with_a_short_id_is_given_no_picture_of_another(gallery, left, record_id):
    put(gallery / "2026" / "a-fox-at-dawn-cafe0000.png")
    assert left.left_by([{"id": record_id}]) == {}


def test_nothing_is_looked_for_where_nothing_is_asked_for(tmp_path):
    left = Leftovers(tmp_path / "not there", DEFAULT_FILENAME, scan)
    assert left.left_by([]) == {}
    assert left.left_by([{"id": ID}]) == {}


def test_all_that_a_request_may_have_left_is_found(temporary, gallery, left):
    files = [put(gallery / NAME), put(gallery / f"x/.{ID}.part"), put(temporary / f"mai-{ID}.png")]
    assert sorted(left.left_by([{"id": ID}])[ID]) == sorted(files)


def test_each_of_many_records_gets_its_own(gallery, left):
    ids = [f"{number:08x}cafe" for number in range(300)]
    files = {id_: [put(gallery / f"{id_[:8]}.png", b"")] for id_ in ids}
    assert left.left_by([{"id": id_} for id_ in ids]) == files


def test_an_id_is_found_in_a_longer_run_of_its_letters(gallery, left):
    file = put(gallery / f"a-facade{ID[:8]}cafe.png")
    assert left.left_by([{"id": ID}]) == {ID: [file]}


@pytest.mark.parametrize("template", ["{year}/{prompt}", "a-lighthouse-at-dawn", "x/{time}"])
def test_a_picture_whose_name_has_no_id_is_found_by_its_name(gallery, record, template):
    left = Leftovers(gallery, template, scan)
    first = gallery / master_name(template, record)
    assert left.left_by([record.to_json()]) == {}

    files = [put(first), put(first.with_stem(f"{first.stem}-2"))]
    put(first.with_stem(f"{first.stem}-4"))
    put(first.with_stem(f"{first.stem}-dusk"))
    assert left.left_by([record.to_json()]) == {ID: files}


def test_a_picture_whose_name_has_an_id_is_not_found_by_its_name_too(gallery, left, record):
    file = put(gallery / NAME)
    assert left.left_by([record.to_json()]) == {ID: [file]}


@pytest.mark.parametrize("odd", [{"created_at": 7}, {"prompt": ["a"]}, {"deployment": None}])
def test_a_record_of_another_shape_has_no_expected_name(gallery, record, odd):
    left = Leftovers(gallery, "picture", scan)
    put(gallery / "picture.png")
    assert left.left_by([{"id": ID}]) == {}
    assert left.left_by([record.to_json() | odd]) in ({}, {ID: [gallery / "picture.png"]})


def test_a_folder_that_cannot_be_looked_into_stops_no_search(gallery, record, monkeypatch):
    left = Leftovers(gallery, "x/picture", scan)
    file = put(gallery / "x" / "picture.png")
    stat = Path.stat

    def refuse(path: Path, **options: bool) -> object:
        if path == file:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return stat(path, **options)

    monkeypatch.setattr(Path, "stat", refuse)
    assert left.left_by([record.to_json()]) in ({}, {ID: [file]})


def test_what_is_whole_can_be_told(gallery, left):
    assert left.is_whole(put(gallery / "a.png"))
    assert not left.is_whole(put(gallery / "b.png", PICTURE[:-1]))
    assert not left.is_whole(gallery / "c.png")
    assert not left.is_whole(gallery)


def test_a_whole_picture_gets_its_name_and_its_facts(gallery, left, record):
    file = put(gallery / f"2026/11/22/.{ID}.part")
    inode = file.stat().st_ino
    master = left.keep(file, record.to_json())

    assert names(gallery) == [NAME]
    assert (gallery / NAME).read_bytes() == PICTURE
    assert (gallery / NAME).stat().st_ino == inode  # it needs no room
    assert master == {
        "path": NAME,
        "gallery": str(gallery),
        "sha256": master["sha256"],
        "bytes": len(PICTURE),
        "width": 8,
        "height": 8,
        "content_credentials": False,
    }


def test_a_picture_that_has_its_name_stays_where_it_is(gallery, left, record):
    file = put(gallery / "elsewhere" / f"{ID}.png")
    assert left.keep(file, record.to_json())["path"] == f"elsewhere/{ID}.png"
    assert names(gallery) == [f"elsewhere/{ID}.png"]


@pytest.mark.parametrize("ending", ["part", "png"])
def test_a_picture_in_the_temporary_folder_is_brought_home(
    temporary, gallery, left, record, ending
):
    file = put(temporary / f"mai-{ID}-x7.{ending}")
    assert left.keep(file, record.to_json())["path"] == NAME
    assert (gallery / NAME).read_bytes() == PICTURE
    assert names(temporary) == []


@pytest.mark.parametrize("where", ["gallery", "temporary"])
def test_a_name_that_is_taken_gets_a_number(request, gallery, left, record, where):
    put(gallery / NAME, b"another")
    file = put(request.getfixturevalue(where) / f"2026/11/22/.{ID}.part")

    name = NAME.replace(".png", "-2.png")
    assert left.keep(file, record.to_json())["path"] == name
    assert (gallery / NAME).read_bytes() == b"another"
    assert (gallery / name).read_bytes() == PICTURE


@pytest.mark.parametrize("content", [b"", b"x", PICTURE[:-1], PICTURE[: len(PICTURE) // 2]])
def test_what_is_not_whole_is_left_where_it_is(gallery, left, record, content):
    file = put(gallery / f".{ID}.part", content)
    assert left.keep(file, record.to_json()) is None
    assert file.read_bytes() == content


@pytest.mark.parametrize("odd", [{}, {"id": ID}, {"id": ID, "created_at": 7}])
def test_a_record_of_another_shape_gets_no_picture(gallery, left, odd):
    file = put(gallery / f".{ID}.part")
    assert left.keep(file, odd) is None
    assert file.exists()


def test_a_picture_that_is_gone_meanwhile_is_not_kept(gallery, left, record):
    assert left.keep(gallery / f".{ID}.part", record.to_json()) is None
    (gallery / f"{ID}.png").mkdir()
    assert left.keep(gallery / f"{ID}.png", record.to_json()) is None


def test_a_gallery_that_cannot_be_written_takes_nothing_away(
    temporary, gallery, left, record, monkeypatch
):
    file = put(temporary / f"mai-{ID}-x7.png")

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", refuse)
    with pytest.raises(StorageError) as caught:
        left.keep(file, record.to_json())
    assert caught.value.code == "rescued"
    assert caught.value.message == (
        f"The picture {file} cannot go into the gallery: No space left on device."
    )
    assert file.read_bytes() == PICTURE
    assert names(gallery) == []


def test_a_picture_that_cannot_be_taken_from_its_old_place_is_kept_all_the_same(
    temporary, gallery, left, record, monkeypatch
):
    file = put(temporary / f"mai-{ID}-x7.png")
    unlink = Path.unlink

    def refuse(path: Path, **options: bool) -> None:
        if path == file:
            raise PermissionError(errno.EPERM, "Operation not permitted")
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refuse)
    assert left.keep(file, record.to_json())["path"] == NAME
    assert (gallery / NAME).read_bytes() == file.read_bytes() == PICTURE


def test_the_private_prompt_is_not_in_the_name(gallery, left, record):
    file = put(gallery / f".{ID}.part")
    private = replace(record, prompt=None)
    assert "lighthouse" not in left.keep(file, private.to_json())["path"]


def test_pictures_come_in_order_without_the_page_and_what_is_hidden(gallery):
    for name in ("b/2.png", "a/1.png", "c.png", f"{PAGE}/x.png", f"a/{PAGE}/y.png"):
        put(gallery / name)
    for name in (".x.part", ".hidden.png", "x.part", "x.jpg"):
        put(gallery / name, b"")

    found = [str(path.relative_to(gallery)) for path in pictures_in(gallery)]
    assert [name for name in found if not name.endswith(".part")] == [
        "c.png",
        "a/1.png",
        f"a/{PAGE}/y.png",
        "b/2.png",
    ]
    assert list(pictures_in(gallery / "not there")) == []


def test_the_picture_of_these_tests_is_whole():
    scan = PngScan()
    for byte in io.BytesIO(PICTURE):
        scan.feed(byte)
    assert scan.finish() is not None
