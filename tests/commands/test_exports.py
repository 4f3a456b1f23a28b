"""From one paid picture to every file that was asked for."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from mai_cli.adapters.identity import embedded_id
from tests.chunks import international_texts, without_texts
from tests.conftest import MAI
from tests.emulator import Answer, picture
from tests.pictures import encoded, smooth

PLAIN = encoded(smooth(96, 64))
CLEAR = encoded(smooth(96, 64, "RGBA"))
FORMATS = {"a.png": "PNG", "b.webp": "WEBP", "c.jpg": "JPEG", "d.jpeg": "JPEG", "e.avif": "AVIF"}
ALL = [word for name in FORMATS for word in ("-o", name)]
SECRET = "a secret garden party"


def noise(width: int, height: int) -> bytes:
    data = random.Random(1).randbytes(width * height * 3)
    return encoded(Image.frombytes("RGB", (width, height), data), compress_level=1)


def test_one_picture_becomes_every_file_that_was_asked_for(
    mai, foundry, tmp_path, masters, history
):
    foundry.will(picture(PLAIN))
    result = mai("generate", "a red fox", *ALL, "-o", "new/")

    (master,) = masters()
    (record,) = history().values()
    files = [*(tmp_path / name for name in FORMATS), tmp_path / "new" / master.name]
    assert (result.code, result.lines) == (0, [str(file) for file in files])
    assert master.read_bytes() == PLAIN
    mask = os.umask(0)
    os.umask(mask)
    for file, export in zip(files, record["exports"], strict=True):
        data = file.read_bytes()
        with Image.open(file) as opened:
            assert (opened.format, opened.size) == (FORMATS.get(file.name, "PNG"), (96, 64))
            error = ImageChops.difference(opened.convert("RGB"), smooth(96, 64)).getextrema()
        assert max(high for _, high in error) <= 16
        assert embedded_id(file) == record["id"]
        assert file.stat().st_mode & 0o777 == 0o666 & ~mask
        assert export == {
            "path": str(file),
            "format": opened.format.lower(),
            "width": 96,
            "height": 64,
            "bytes": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "content_credentials": False,
        }
    assert without_texts(files[0].read_bytes()) == PLAIN
    assert international_texts(files[0].read_bytes())["Description"] == "a red fox"
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".part"]


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (["--resize", "48x"], (48, 32)),
        (["--resize", "40x40"], (40, 40)),
        (["--resize", "40x40", "--fit", "contain"], (40, 27)),
        (["--resize", "40x40", "--fit", "stretch"], (40, 40)),
    ],
)
def test_every_output_gets_the_size_that_was_asked_for(mai, foundry, tmp_path, options, size):
    foundry.will(picture(PLAIN))
    result = mai("generate", "x", "-o", "a.png", "-o", "b.avif", "-o", "new/", *options, "--json")

    (record,) = result.objects
    assert [(export["width"], export["height"]) for export in record["exports"]] == [size] * 3
    for export in record["exports"]:
        with Image.open(export["path"]) as opened:
            assert opened.size == size
    assert (record["master"]["width"], record["master"]["height"]) == (96, 64)


def test_quality_is_for_every_lossy_output_and_a_limit_holds(mai, foundry, tmp_path):
    foundry.always(picture(noise(96, 64)))
    sizes = {}
    for name, options in {
        "high": ["--quality", "95"],
        "fitted": ["--quality", "95", "--max-kb", "6"],
    }.items():
        outputs = ["-o", f"{name}.webp", "-o", f"{name}.jpg", "-o", f"{name}.avif"]
        (record,) = mai("generate", "x", *outputs, *options, "--json").objects
        sizes[name] = [export["bytes"] for export in record["exports"]]

    for fitted, high in zip(sizes["fitted"], sizes["high"], strict=True):
        assert 5000 < fitted <= 6000 < high


@pytest.mark.parametrize(
    ("args", "what"),
    [
        (["-o", "a.png", "--resize", "big"], "'big' is not a size to resize to."),
        (["-o", "a.png", "--resize", ""], "'' is not a size to resize to."),
        (["-o", "a.png", "--fit", "cover"], "--fit needs a width and a height to fit into."),
        (["-o", "a.png", "--resize", "9x9", "--fit", "zoom"], "--fit"),
        (["-o", "a.jpg", "--quality", "0"], "--quality"),
        (["-o", "a.jpg", "--max-kb", "0"], "--max-kb"),
        (["-o", "a.png", "--quality", "80"], "--quality means nothing for PNG."),
        (["--resize", "100x"], "There is no output to resize or compress."),
        (["-o", "-", "--max-kb", "100"], "There is no output to resize or compress."),
        (["-o", "a.jpg", "--resize", "16000x"], "a.jpg would be 16000x16000, more than 16383"),
        (["-o", "a.webp", "-o", "./a.webp"], "Two outputs have the same name"),
    ],
)
def test_what_cannot_be_made_is_refused_before_anything_is_sent(
    mai, foundry, home, tmp_path, args, what
):
    result = mai("generate", "x", *args)

    assert (result.code, result.out) == (2, b"")
    assert what in result.err.replace(f"{tmp_path}/", "")
    assert foundry.received == []
    assert not (home / "history.jsonl").exists()
    assert not (tmp_path / "new").exists()


def test_an_output_that_cannot_be_made_is_named_and_the_others_are_there(
    mai, foundry, tmp_path, masters, history
):
    foundry.will(picture(noise(96, 64)))
    result = mai("generate", "x", "-o", "a.png", "-o", "b.webp", "-o", "c.jpg", "--max-kb", "6")

    (record,) = history().values()
    assert result.code == 7
    assert result.lines == [str(tmp_path / "b.webp"), str(tmp_path / "c.jpg")]
    assert (
        f"Error: {tmp_path}/a.png could not be made: the picture takes more than 6 kB.\n"
        f"The picture is safe at {masters()[0]}\n"
    ) in result.err
    assert (record["status"], record["error"]["code"]) == ("ok", "export_failed")
    assert [Path(export["path"]).name for export in record["exports"]] == ["b.webp", "c.jpg"]
    assert {path.name for path in tmp_path.iterdir() if path.is_file()} == {"b.webp", "c.jpg"}


def test_a_limit_that_nothing_meets_says_what_would(mai, foundry, tmp_path):
    foundry.will(picture(noise(160, 160)))
    result = mai("generate", "x", "-o", "b.webp", "--max-kb", "2")

    assert result.code == 7
    assert "b.webp could not be made: the picture takes at least " in result.err
    assert " kB, more than 2." in result.err


def test_outputs_of_several_pictures_are_numbered_in_every_format(mai, foundry, tmp_path):
    foundry.always(picture(PLAIN))
    result = mai("generate", "x", "-n", "2", "-o", "hero.webp", "-o", "hero.v2.jpg")

    assert result.lines == [
        str(tmp_path / name)
        for name in ("hero-1.webp", "hero.v2-1.jpg", "hero-2.webp", "hero.v2-2.jpg")
    ]


def test_the_masters_bytes_still_go_to_stdout_with_a_dash(mai, foundry, tmp_path):
    foundry.will(picture(PLAIN))
    result = mai("generate", "x", "-o", "-", "-o", "small.webp", "--resize", "9x9")

    assert (result.code, result.out) == (0, PLAIN)
    with Image.open(tmp_path / "small.webp") as small:
        assert small.size == (9, 9)


def test_an_export_is_replaced_only_when_told(mai, foundry, tmp_path):
    (tmp_path / "a.webp").write_bytes(b"mine")
    assert mai("generate", "x", "-o", "a.webp").code == 2
    assert foundry.received == []
    assert mai("generate", "x", "-o", "a.webp", "--overwrite", "--resize", "9x").code == 0
    with Image.open(tmp_path / "a.webp") as opened:
        assert opened.size == (9, 9)


def test_a_dry_run_names_the_outputs_and_makes_none(mai, foundry, tmp_path):
    result = mai("generate", "x", "-o", "new/a.webp", "--resize", "9x", "--dry-run")

    assert f"Output: {tmp_path / 'new/a.webp'}" in result.lines
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("way", ["flag", "variable", "user file", "project file", "profile"])
def test_an_output_says_nothing_of_its_origin_where_that_is_not_wanted(
    mai, foundry, home, tmp_path, way
):
    home.mkdir()
    foundry.will(picture(PLAIN))
    if way == "user file":
        (home / "config.toml").write_text("metadata = false\n")
    if way == "project file":
        (tmp_path / ".mai.toml").write_text("metadata = false\n")
    if way == "profile":
        (home / "config.toml").write_text("[profiles.quiet]\nmetadata = false\n")
    args = {"flag": ["--no-metadata"], "profile": ["-p", "quiet"]}.get(way, [])
    more = {"MAI_METADATA": "0"} if way == "variable" else {}
    result = mai("generate", SECRET, *ALL, *args, **more)

    assert result.code == 0, result.err
    assert (tmp_path / "a.png").read_bytes() == PLAIN
    for name in FORMATS:
        data = (tmp_path / name).read_bytes()
        assert not [word for word in (b"secret", b"mai:", b"Algorithmic", b"xmp") if word in data]


def test_a_project_may_not_make_outputs_tell_more_than_their_owner_wants(mai, foundry, tmp_path):
    (tmp_path / ".mai.toml").write_text("metadata = true\n")
    result = mai("generate", "x", "-o", "a.png", MAI_METADATA="0")

    assert result.code == 3
    assert "a project may switch 'metadata' off, but not on" in result.err
    assert foundry.received == []


def test_the_owner_decides_against_a_project_that_says_nothing(mai, foundry, tmp_path):
    (tmp_path / ".mai.toml").write_text("metadata = false\n")
    foundry.will(picture(PLAIN))
    mai("generate", "x", "-o", "a.png", MAI_METADATA="1")

    assert "Identifier" in international_texts((tmp_path / "a.png").read_bytes())


def test_private_puts_the_prompt_into_no_output(mai, foundry, tmp_path, history):
    foundry.will(picture(PLAIN))
    result = mai("generate", SECRET, "--private", *ALL, "-o", "new/", "-o", "small.png")

    (record,) = history().values()
    assert result.code == 0
    for line in result.lines:
        data = Path(line).read_bytes()
        assert b"secret" not in data
        assert embedded_id(Path(line)) == record["id"]
    assert b"secret" not in (tmp_path / "home" / "history.jsonl").read_bytes()


def test_what_a_conversion_loses_is_said_once_and_not_when_quiet(mai, foundry):
    foundry.always(picture(CLEAR))
    loud = mai("generate", "x", "-n", "3", "-o", "a.jpg", "-o", "b.jpg", "-o", "c.webp")
    quiet = mai("generate", "x", "-o", "d.jpg", "-q")

    assert loud.err.count("JPEG has no transparency: what was transparent is white.") == 1
    assert (quiet.code, quiet.err) == (0, "")


def test_a_placeholder_says_what_it_is_in_every_output(run, bare, tmp_path):
    for folder in ("first", "again"):
        outputs = [word for name in FORMATS for word in ("-o", f"{folder}/{name}")]
        outputs += ["--resize", "96x"]
        result = run(bare, "generate", "a red fox", "--offline", "-s", "768x768", *outputs)
        assert result.code == 0, result.err

    for name in FORMATS:
        first, again = (tmp_path / folder / name for folder in ("first", "again"))
        data = first.read_bytes()
        assert b"digitalsourcetype/algorithmicMedia" in data
        assert b"trainedAlgorithmicMedia" not in data
        assert b"placeholder" in data
        assert embedded_id(first) != embedded_id(again)
        with Image.open(first) as one, Image.open(again) as other:
            assert (one.size, one.tobytes()) == ((96, 96), other.tobytes())


def wait_for(condition, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.01)


def test_ctrl_c_while_an_export_is_made_ends_it_and_the_picture_is_safe(
    env, foundry, tmp_path, masters, history
):
    master = noise(2048, 2048)
    foundry.will(picture(master))
    process = subprocess.Popen(
        [*MAI, "generate", "x", "-n", "2", "-o", "a.avif", "-o", "b.avif", "--max-kb", "9"],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    wait_for(lambda: [record["status"] for record in history().values()] == ["ok"])
    time.sleep(0.5)
    stopped = time.monotonic()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)

    (record,) = history().values()
    assert time.monotonic() - stopped < 3
    assert process.returncode == 130
    assert (record["status"], record["exports"]) == ("ok", [])
    assert masters()[0].read_bytes() == master
    assert out.decode() == f"{masters()[0]}\n"
    assert b"Traceback" not in err
    assert not list(tmp_path.glob("*.avif")) + list(tmp_path.glob("*.part"))
    assert len(foundry.received) == 1


def test_a_file_that_appears_while_the_service_draws_is_left_alone(mai, foundry, tmp_path):
    answer = picture(PLAIN)
    mine = tmp_path / "a.webp"
    foundry.will(Answer(200, answer.body, before=lambda: mine.write_bytes(b"mine")))
    result = mai("generate", "x", "-o", "a.webp", "-o", "b.jpg")

    assert (result.code, result.lines) == (7, [str(tmp_path / "b.jpg")])
    assert f"{mine} exists and was left alone." in result.err
    assert mine.read_bytes() == b"mine"


def test_pillow_is_loaded_only_for_what_it_is_needed(env, foundry, tmp_path):
    foundry.always(picture(PLAIN))
    code = (
        "import sys\n"
        "from mai_cli.__main__ import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(any(name.startswith('PIL') for name in sys.modules), file=sys.stderr)\n"
    )

    def loads_pillow(*outputs: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, "generate", "x", "-q", *outputs],
            env=env,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stderr.strip()

    assert loads_pillow("-o", "a.png", "-o", "new/") == "False"
    assert loads_pillow("-o", "b.webp") == "True"
