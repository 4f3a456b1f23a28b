"""The web page of the pictures: where it is, where its links lead, when it is written."""

import errno
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from mai_cli.errors import StorageError
from mai_cli.parts import Parts
from mai_cli.parts.page import Page
from mai_cli.services.filtering import Filter
from tests.commands.records import drawn, lines_of, record, remember, unmade
from tests.conftest import Result, Run
from tests.emulator import png


@pytest.fixture
def gallery(run: Run, bare: dict[str, str]) -> Callable[..., Result]:
    return lambda *args, **more: run(bare | more, "history", "gallery", *map(str, args))


@pytest.fixture
def states(home: Path) -> list[dict]:
    states = [
        drawn(home, 0, tags=["hero"]),
        unmade(1, "refused"),
        drawn(home, 2, prompt="</script><script>alert(1)</script> & 日本 \u202e", tags=["hero"]),
        drawn(home, 3, model="MAI-Image-2"),
    ]
    remember(home, states)
    return states


def items(folder: Path) -> list[dict]:
    """What the page shows, the newest first."""
    script = (folder / "data.js").read_text()
    start, end = "window.maiPictures = [", "];"
    assert script.startswith(start)
    return json.loads(script.removeprefix(start[:-1]).rstrip().removesuffix(end[1:]))


def leads(folder: Path, url: str) -> Path:
    assert not url.startswith(("/", "file:", "http"))
    return (folder / unquote(url)).resolve()


def stamps(folder: Path) -> dict[Path, tuple[int, int]]:
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_ino)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_page_is_made_beside_the_pictures_and_leads_to_them(gallery, states, home):
    masters = {path: path.read_bytes() for path in (home / "gallery").rglob("*.png")}
    result = gallery()
    folder = home / "gallery" / "page"
    assert (result.code, result.lines) == (0, [str(folder / "index.html")])
    assert result.err == "3 pictures\n"
    shown = items(folder)
    assert [one["id"] for one in shown] == [states[number]["id"] for number in (3, 2, 0)]
    for one, number in zip(shown, (3, 2, 0), strict=True):
        master = home / "gallery" / states[number]["master"]["path"]
        assert leads(folder, one["picture"]) == master.resolve()
        assert leads(folder, one["thumb"]).read_bytes()[8:12] == b"WEBP"
        assert one["prompt"] == states[number]["prompt"]
    assert b"</script><script>" not in (folder / "data.js").read_bytes()
    assert {path: path.read_bytes() for path in (home / "gallery").rglob("*.png")} == masters


def test_a_folder_of_its_own_stands_alone(gallery, states, home, tmp_path):
    result = gallery("-o", "my page", "--json")
    told = {"schema": "mai/page/1", "path": str(tmp_path / "my page/index.html"), "pictures": 3}
    assert result.objects == [told]
    shutil.move(tmp_path / "my page", tmp_path / "moved")
    contents = [
        (home / "gallery" / states[number]["master"]["path"]).read_bytes() for number in (3, 2, 0)
    ]
    shutil.rmtree(home)
    folder = tmp_path / "moved"
    shown = items(folder)
    found = [leads(folder, one["picture"]) for one in shown]
    assert [path.read_bytes() for path in found] == contents
    thumbs = [leads(folder, one["thumb"]) for one in shown]
    assert all(path.is_relative_to(folder) and path.is_file() for path in [*found, *thumbs])
    for name in ("index.html", "page.css", "page.js"):
        assert str(home).encode() not in (folder / name).read_bytes()


def test_pictures_of_one_name_in_different_folders_are_all_copied(gallery, home, tmp_path):
    states = []
    for number, day in enumerate(["01", "02"]):
        state = drawn(home, number)
        path = home / "gallery" / day / "fox.png"
        path.parent.mkdir()
        (home / "gallery" / state["master"]["path"]).rename(path)
        states.append(state | {"master": state["master"] | {"path": f"{day}/fox.png"}})
    remember(home, states)
    assert gallery("-o", "x").code == 0
    shown = [leads(tmp_path / "x", one["picture"]) for one in items(tmp_path / "x")]
    assert [path.read_bytes() for path in shown] == [
        (home / "gallery" / state["master"]["path"]).read_bytes() for state in states[::-1]
    ]


@pytest.mark.parametrize("args", [[], ["-o", "x"], ["--tag", "hero"]])
def test_again_without_changes_nothing_is_written(gallery, states, tmp_path, home, args):
    first = gallery(*args)
    folder = Path(first.lines[0]).parent
    before = stamps(folder)
    again = gallery(*args)
    assert (again.code, again.lines, again.err) == (0, first.lines, "Nothing has changed.\n")
    assert stamps(folder) == before
    assert gallery(*args, "--json").objects[0]["pictures"] is None


def test_a_date_that_moves_on_writes_no_page_anew(gallery, states, home):
    assert gallery("--since", "9y").code == 0
    before = stamps(home / "gallery" / "page")
    assert gallery("--since", "9y").code == 0
    after = stamps(home / "gallery" / "page")
    assert {path.name for path in after if after[path] != before[path]} <= {".mai-page.json"}


@pytest.mark.parametrize("args", [[], ["-o", "x"]])
def test_a_new_picture_is_added_and_only_its_thumbnail_is_made(
    gallery, states, home, tmp_path, args
):
    folder = Path(gallery(*args).lines[0]).parent
    cache = stamps(home / "cache") or stamps(home)
    thumbs = {path: stamp for path, stamp in cache.items() if path.suffix == ".webp"}
    assert len(thumbs) >= 3
    new = drawn(home, 9)
    with (home / "history.jsonl").open("a") as file:
        file.writelines(lines_of(new))
    assert gallery(*args).err == "4 pictures\n"
    shown = items(folder)
    assert shown[0]["id"] == new["id"]
    assert leads(folder, shown[0]["thumb"]).is_file()
    after = stamps(home)
    assert {path: after[path] for path in thumbs} == thumbs


@pytest.mark.parametrize("args", [[], ["-o", "x"]])
def test_a_removed_picture_leaves_nothing_on_the_page(run, bare, gallery, states, tmp_path, args):
    folder = Path(gallery(*args).lines[0]).parent
    digest = states[2]["master"]["sha256"]
    assert list(folder.rglob(f"{digest}*"))
    assert run(bare, "history", "remove", states[2]["id"], "--yes").code == 0
    assert gallery(*args).err == "2 pictures\n"
    assert [one["id"] for one in items(folder)] == [states[3]["id"], states[0]["id"]]
    assert list(folder.rglob(f"{digest}*")) == []
    assert list(folder.rglob("2.png")) == []
    assert len(list(folder.rglob("*.webp"))) == 2


def test_a_missing_picture_is_left_out_and_a_changed_one_has_no_thumbnail(gallery, states, home):
    (home / "gallery" / states[0]["master"]["path"]).unlink()
    (home / "gallery" / states[3]["master"]["path"]).write_bytes(png(64, 64))
    result = gallery()
    assert (result.code, result.err) == (0, "2 pictures\n")
    changed, whole = items(home / "gallery" / "page")
    assert (changed["id"], changed["thumb"]) == (states[3]["id"], None)
    assert (whole["id"], bool(whole["thumb"])) == (states[2]["id"], True)
    assert len(list((home / "gallery" / "page").rglob("*.webp"))) == 1


def test_a_picture_that_somebody_deleted_leaves_the_page(gallery, states, home):
    assert gallery().err == "3 pictures\n"
    (home / "gallery" / states[0]["master"]["path"]).unlink()
    gallery()
    folder = home / "gallery" / "page"
    assert all(leads(folder, one["picture"]).is_file() for one in items(folder))


@pytest.mark.parametrize("name", ["data.js", "page.css", "page.js"])
def test_a_part_of_the_page_that_somebody_deleted_is_made_again(gallery, states, home, name):
    assert gallery().code == 0
    (home / "gallery" / "page" / name).unlink()
    assert gallery().code == 0
    assert (home / "gallery" / "page" / name).exists()


@pytest.mark.parametrize(
    "name", ["index.html", "data.js", "page.css", "page.js", "notes.txt", "thumbs", ".hidden"]
)
def test_a_page_of_somebody_else_is_not_touched(gallery, states, tmp_path, name):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / name).write_text("mine")
    result = gallery("-o", "site")
    assert (folder / name).read_text() == "mine"
    assert (result.code, result.out) == (2, b"")
    assert [path.name for path in folder.iterdir()] == [name]
    assert result.err.startswith(f"Error: {folder} holds something else.")


@pytest.mark.parametrize("where", ["gallery", "gallery/mine", "gallery/page", "link"])
def test_a_page_of_ones_own_is_not_made_among_the_masters(gallery, states, home, tmp_path, where):
    (home / "link").symlink_to(home / "gallery")
    before = sorted(home.rglob("*"))
    result = gallery("-o", home / where)
    assert (result.code, result.out) == (2, b"")
    assert "The output is in the gallery" in result.err
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(("place", "why"), [("", "-o is empty."), ("home/history.jsonl", "is the")])
def test_a_page_has_to_be_somewhere(gallery, states, home, place, why):
    before = (home / "history.jsonl").read_bytes()
    result = gallery("-o", place)
    assert (result.code, why in result.err) == (2, True), result.err
    assert (home / "history.jsonl").read_bytes() == before


def test_a_page_that_was_interrupted_is_finished(gallery, states, tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / ".mai-page.json").write_text("")
    assert gallery("-o", "site").err == "3 pictures\n"
    assert gallery("-o", "site").err == "Nothing has changed.\n"


@pytest.mark.parametrize("name", ["thumbs/hero.webp", "thumbs/00/hero.webp", "pictures/hero.png"])
def test_pictures_of_somebody_else_beside_the_page_stay(gallery, states, tmp_path, name):
    assert gallery("-o", "site").code == 0
    path = tmp_path / "site" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"mine")
    assert gallery("-o", "site", "--tag", "hero").err == "2 pictures\n"
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("args", "name"), [([], "thumbs"), (["-o", "x"], "thumbs"), (["-o", "x"], "pictures")]
)
def test_a_folder_of_the_page_that_somebody_deleted_is_made_again(gallery, states, args, name):
    folder = Path(gallery(*args).lines[0]).parent
    shutil.rmtree(folder / name)
    assert gallery(*args).err == "3 pictures\n"
    links = [one[key] for one in items(folder) for key in ("picture", "thumb")]
    assert all(leads(folder, link).is_file() for link in links)


def test_one_name_that_no_file_can_have_does_not_stop_the_page(gallery, states, home):
    odd = drawn(home, 9)
    odd["master"] |= {"path": f"{'x' * 300}.png"}
    remember(home, [*states, odd])
    result = gallery()
    assert (result.code, result.err) == (0, "3 pictures\n")


@pytest.mark.parametrize("args", [[], ["-o", "x"]])
def test_of_a_picture_that_is_not_what_it_was_nothing_is_made(gallery, states, home, args):
    secret = png(64, 64)
    (home / "gallery" / states[0]["master"]["path"]).write_bytes(secret)
    result = gallery(*args)
    assert "Traceback" not in result.err
    folder = Path(result.lines[0]).parent
    assert all(one["thumb"] is None for one in items(folder) if one["id"] == states[0]["id"])
    assert len(list(folder.rglob("*.webp"))) == len(list((home / "cache").rglob("*.webp"))) == 2
    assert not [path for path in folder.rglob("*.png") if path.read_bytes() == secret]


def test_a_page_of_its_own_leads_to_no_picture_that_was_not_copied(gallery, states, home):
    (home / "gallery" / states[0]["master"]["path"]).write_bytes(png(64, 64))
    result = gallery("-o", "x")
    folder = Path(result.lines[0]).parent

    assert [one["id"] for one in items(folder)] == [states[3]["id"], states[2]["id"]]
    assert all(leads(folder, one["picture"]).is_file() for one in items(folder))
    note = "1 picture is not as the history says, and left out.\n2 pictures\n"
    assert (result.code, result.err) == (0, note)


@pytest.mark.parametrize("args", [[], ["-o", "x"]])
def test_a_record_that_names_another_file_takes_it_nowhere(gallery, home, tmp_path, args):
    theirs = tmp_path / "theirs.jpg"
    theirs.write_bytes(png(64, 64))
    digest = hashlib.sha256(theirs.read_bytes()).hexdigest()
    odd = drawn(home, 0)
    odd["master"] |= {"gallery": str(tmp_path), "path": theirs.name, "sha256": digest}
    remember(home, [odd])
    folder = Path(gallery(*args).lines[0]).parent
    assert list(folder.rglob(f"{digest}*")) == []


@pytest.mark.parametrize("command", [["remove", "last"], ["prune", "--keep", "0"]])
def test_what_is_removed_leaves_no_small_picture_behind(run, bare, gallery, states, home, command):
    assert gallery().code == 0
    digest = states[3]["master"]["sha256"]
    assert len(list(home.rglob(f"{digest}.webp"))) == 2
    assert run(bare, "history", *command, "--yes").code == 0
    assert list(home.rglob(f"{digest}*")) == []
    others = {path for path in home.rglob("*.webp") if path.stem != digest}
    assert len(others) == (4 if command[0] == "remove" else 0)


def test_what_is_left_alone_keeps_its_small_picture(run, bare, gallery, states, home):
    assert gallery().code == 0
    (home / "gallery" / states[3]["master"]["path"]).write_bytes(png(64, 64))
    assert run(bare, "history", "remove", "last", "--yes").code == 7
    assert len(list(home.rglob(f"{states[3]['master']['sha256']}.webp"))) == 2


def test_a_folder_that_cannot_be_looked_at_is_told(states, home, tmp_path, monkeypatch):
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setenv("MAI_HOME", str(home))
    monkeypatch.setattr(Path, "iterdir", refuse)
    folder = tmp_path / "site"
    with Parts() as parts, pytest.raises(StorageError) as caught:
        Page(parts, folder).build(Filter())
    assert caught.value.message == (
        f"The page in {folder} cannot be made: {folder}: Permission denied."
    )
    assert caught.value.exit_code == 7


def test_a_folder_that_cannot_be_written_is_told(gallery, states, tmp_path):
    (tmp_path / "file").write_text("mine")
    result = gallery("-o", "file", "--json")
    assert (result.code, result.objects[0]["schema"]) == (7, "mai/error/1")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("args", "numbers"),
    [
        (["--tag", "hero"], [2, 0]),
        (["--model", "2.6", "--search", "script"], [2]),
        (["--until", "2026-10"], []),
        (["--status", "refused"], []),
    ],
)
def test_filters_choose_what_is_on_the_page(gallery, states, tmp_path, args, numbers):
    assert gallery().code == 0  # what was there before goes
    assert gallery("-o", "x", *args).code == 0
    assert [one["id"] for one in items(tmp_path / "x")] == [states[n]["id"] for n in numbers]
    assert len(list((tmp_path / "x").rglob("*.webp"))) == len(numbers)


def test_another_filter_makes_another_page(gallery, states, home):
    folder = home / "gallery" / "page"
    assert gallery().err == "3 pictures\n"
    assert gallery("--tag", "hero").err == "2 pictures\n"
    assert len(items(folder)) == 2
    assert gallery().err == "3 pictures\n"
    assert len(list(folder.rglob("*.webp"))) == 3


def test_an_empty_history_makes_an_empty_page(gallery, home):
    result = gallery()
    assert (result.code, result.err) == (0, "0 pictures\n")
    assert items(home / "gallery" / "page") == []


def test_a_record_that_is_odd_is_shown_as_far_as_it_is_known(gallery, home):
    odd = drawn(home, 0) | {"tags": "x", "images": ["a"], "request": 7, "prompt": ["a"], "alt": 3}
    remember(home, [record(1, master={"path": "x"}), odd])
    assert gallery().err == "1 picture\n"
