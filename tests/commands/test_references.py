import hashlib
import io
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mai_cli.adapters.form import Part, read_form
from tests.emulator import BUSY, Answer, Received, picture, png

SKETCH = png(553, 311)
WHOLE = picture(png(1360, 768))


def encoded(name: str, **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 9), "red").save(file, name, **options)
    return file.getvalue()


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def parts_of(received: Received) -> list[Part]:
    return read_form(received.headers["content-type"], received.body)


def fields_of(received: Received) -> dict[str, str]:
    return {part.name: part.content.decode() for part in parts_of(received) if not part.is_file}


def files_of(received: Received) -> list[bytes]:
    return [part.content for part in parts_of(received) if part.is_file]


@pytest.fixture
def sketch(tmp_path: Path) -> Path:
    path = tmp_path / "sketch.png"
    path.write_bytes(SKETCH)
    return path


def test_an_edit_end_to_end(mai, foundry, history, masters, sketch, tmp_path):
    (tmp_path / "photo.webp").write_bytes(encoded("WEBP"))
    result = mai("generate", "make it night", "-i", "sketch.png", "--image", "photo.webp")

    (master,) = masters()
    (record,) = history().values()
    (received,) = foundry.received
    assert (result.code, result.lines) == (0, [str(master)])
    assert received.path == "/mai/v1/images/edits"
    assert fields_of(received) == {"model": "mai-image-26", "prompt": "make it night"}
    first, second = files_of(received)
    assert first == SKETCH
    assert second.startswith(b"\x89PNG")
    assert (record["status"], record["request"]) == ("ok", {})
    assert record["images"] == [
        {"path": str(sketch), "sha256": sha256(SKETCH)},
        {"path": str(tmp_path / "photo.webp"), "sha256": sha256(encoded("WEBP"))},
    ]
    assert (record["master"]["width"], record["master"]["height"]) == (1360, 768)
    assert "1360x768, $0.06" in result.err
    assert "instead of" not in result.err


def test_what_the_references_cost_is_counted(mai, foundry, history, sketch):
    foundry.will(picture(png(1360, 768), usage={"num_input_image_tokens": 1600}))
    foundry.will(
        picture(
            png(1360, 768),
            usage={
                "num_input_text_tokens": 252,
                "num_input_image_tokens": 1600,
                "num_output_tokens": 1020,
            },
        )
    )
    mai("generate", "x", "-i", "sketch.png", "-n", "2")

    unknown, known = (record["cost_usd"] for record in history().values())
    assert unknown is None
    assert known == pytest.approx((252 * 5 + 1600 * 8 + 1020 * 38) / 1e6)


WRONG = [
    (["-i", "missing.png"], "bad_image", "missing.png cannot be read: No such file or directory."),
    (["-i", "sketch.png", "-i", "lie.png"], "bad_image", "lie.png is not the PNG that its name"),
    (["-i", "torn.jpg"], "bad_image", "torn.jpg is damaged ("),
    (["-i", "notes.txt"], "bad_image", "notes.txt is not a picture."),
    (["-i", "photo.heic"], "bad_image", "photo.heic is HEIF, which this installation of"),
    (["-i", "."], "bad_image", "The reference . is not a file."),
    (["-i", "pipe.png"], "bad_image", "pipe.png is not a file."),
    (["-i", "huge.png"], "bad_image", "huge.png is larger than 50 MB."),
    (["-i", "wide.png"], "bad_image", "has 30000x30000 pixels, more than 50 million."),
    (["-i", "sketch.png"] * 6, "bad_option", "There are 6 reference pictures."),
    (
        ["-i", "sketch.png", "-m", "MAI-Image-2"],
        "not_offered",
        "MAI-Image-2 does not offer --image.",
    ),
    (
        ["-i", "sketch.png", "-d", "mai-image-26", "-d", "mai-image-2e"],
        "not_offered",
        "MAI-Image-2e does not offer --image.",
    ),
    (
        ["-i", "sketch.png", "-m", "MAI-Image-2.5", "-s", "1024x1024"],
        "not_offered",
        "MAI-Image-2.5 takes no size together with reference pictures.",
    ),
    (
        ["-i", "sketch.png", "-m", "MAI-Image-2.5", "-s", "auto"],
        "not_offered",
        "MAI-Image-2.5 does not choose the size by itself.",
    ),
]


@pytest.mark.parametrize(("args", "code", "what"), WRONG)
def test_a_wrong_reference_is_named_and_nothing_is_sent(
    mai, foundry, home, sketch, tmp_path, args, code, what
):
    (tmp_path / "lie.png").write_bytes(encoded("JPEG"))
    (tmp_path / "torn.jpg").write_bytes(encoded("JPEG")[:-9])
    (tmp_path / "notes.txt").write_text("a red fox")
    (tmp_path / "photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "huge.png").write_bytes(SKETCH)
    os.truncate(tmp_path / "huge.png", 50_000_001)
    (tmp_path / "wide.png").write_bytes(png(30_000, 30_000, rows=b"x"))
    result = mai("generate", "x", "--json", *args)

    (line,) = result.objects
    assert (result.code, line["schema"]) == (2, "mai/error/1")
    assert (line["error"]["code"], line["error"]["exit_code"]) == (code, 2)
    assert what in line["error"]["message"]
    message, hint = result.err.splitlines()
    assert message == f"Error: {line['error']['message']}"
    assert hint == line["error"]["hint"]
    assert foundry.connections == 0
    assert not home.exists()


TIFF = encoded("TIFF")
RAW, LZW = (struct.pack("<HHIHH", 259, 3, 1, way, 0) for way in (1, 5))


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("photo.jpg", encoded("JPEG", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12"), 0),
        ("torn.tif", TIFF[:100], 2),
        ("damaged.tif", TIFF.replace(RAW, LZW), 2),
    ],
    ids=["odd notes", "torn", "damaged"],
)
def test_what_a_library_mutters_about_a_reference_is_not_shown(mai, tmp_path, name, data, code):
    (tmp_path / name).write_bytes(data)
    result = mai("generate", "x", "-i", name, "--dry-run")

    assert result.code == code
    assert [line.partition(" ")[0] for line in result.err.splitlines()] == (
        ["Error:", "Nothing"] if code else []
    )


def test_several_pictures_start_from_the_same_references(mai, foundry, history, sketch):
    result = mai("generate", "x", "-i", "sketch.png", "-i", "sketch.png", "-n", "2")

    assert (result.code, len(result.lines)) == (0, 2)
    assert [files_of(received) for received in foundry.received] == [[SKETCH, SKETCH]] * 2
    assert [record["images"] for record in history().values()] == [
        [{"path": str(sketch), "sha256": sha256(SKETCH)}] * 2
    ] * 2


def test_several_deployments_start_from_the_same_reference(mai, foundry, sketch):
    names = ["mai-image-26", "mai-image-2-5", "my-pics"]
    result = mai("generate", "x", "-i", "sketch.png", *(f"-d{name}" for name in names))

    assert (result.code, len(result.lines)) == (0, 3)
    assert [fields_of(received)["model"] for received in foundry.received] == names
    assert [files_of(received) for received in foundry.received] == [[SKETCH]] * 3


def test_a_dry_run_lists_the_references_and_what_they_cost(mai, foundry, home, sketch):
    result = mai("generate", "x", "-i", "sketch.png", "-i", "./sketch.png", "--dry-run")

    assert result.code == 0
    assert result.lines == [
        f"POST {foundry.url}/mai/v1/images/edits",
        '{"model": "mai-image-26", "prompt": "x"}',
        f"Reference: {sketch}",
        f"Reference: {sketch}",
        "1 picture, about $0.06. Nothing was sent.",
    ]
    assert foundry.connections == 0
    assert not home.exists()


def test_a_dry_run_as_json_lists_the_references_too(mai, foundry, sketch):
    (plan,) = mai("generate", "x", "-i", "sketch.png", "--dry-run", "--json").objects

    (item,) = plan["items"]
    assert item["url"] == f"{foundry.url}/mai/v1/images/edits"
    assert item["images"] == [str(sketch)]
    assert item["cost_usd"] == pytest.approx((5 + 1024 * 8 + 1024 * 38) / 1e6)


@pytest.mark.parametrize(
    ("args", "fields"),
    [
        ([], {}),
        (["-s", "1280x832"], {"width": "1280", "height": "832"}),
        (["-s", "16:9"], {"width": "2048", "height": "1152"}),
        (["-s", "auto"], {"auto_aspect_ratio": "true"}),
    ],
)
def test_a_size_is_sent_only_where_the_command_line_asks_for_it(
    mai, foundry, home, sketch, args, fields
):
    home.mkdir()
    (home / "config.toml").write_text('size = "4:3"\n')
    result = mai("generate", "x", "-i", "sketch.png", *args, MAI_SIZE="768x768")

    assert result.code == 0, result.err
    assert fields_of(foundry.received[0]) == {"model": "mai-image-26", "prompt": "x", **fields}


def test_a_size_of_the_environment_keeps_no_model_from_editing(mai, foundry, sketch):
    args = ["generate", "x", "-i", "sketch.png", "-d", "mai-image-2-5"]

    assert mai(*args, MAI_SIZE="21:9").code == 0
    assert fields_of(foundry.received[0]) == {"model": "mai-image-2-5", "prompt": "x"}


def test_every_option_reaches_an_edit(mai, foundry, sketch):
    foundry.will(WHOLE)
    result = mai(
        *("generate", "x", "-i", "sketch.png", "-d", "mai-image-27"),
        *("--background", "transparent", "--web-grounding", "--param", "list=[1]"),
    )

    assert result.code == 0
    assert fields_of(foundry.received[0]) == {
        "model": "mai-image-27",
        "prompt": "x",
        "background": "transparent",
        "web_grounding": "true",
        "list": "[1]",
    }


def test_a_deployment_that_is_said_not_to_edit_does_not(mai, foundry, home, sketch):
    home.mkdir()
    (home / "config.toml").write_text("[deployments.mai-image-26]\nedits = false\n")
    result = mai("generate", "x", "-i", "sketch.png")

    assert result.code == 2
    assert "MAI-Image-2.6 does not offer --image." in result.err
    assert foundry.connections == 0


def test_a_private_picture_remembers_its_reference_but_no_prompt(mai, home, history, sketch):
    result = mai("generate", "a secret garden party", "-i", "sketch.png", "--private")

    (record,) = history().values()
    assert (result.code, record["prompt"]) == (0, None)
    assert record["images"] == [{"path": str(sketch), "sha256": sha256(SKETCH)}]
    assert b"secret" not in (home / "history.jsonl").read_bytes()


@pytest.mark.parametrize("kind", ["JPEG", "AVIF"])
def test_offline_an_edit_has_the_shape_of_its_reference(run, bare, history, tmp_path, kind):
    data = encoded(kind)
    (tmp_path / "photo").write_bytes(data)
    result = run(bare, "generate", "x", "-i", "photo", "--offline")

    (record,) = history().values()
    assert (result.code, len(result.lines)) == (0, 1), result.err
    assert (record["offline"], record["cost_usd"]) == (True, 0.0)
    assert (record["master"]["width"], record["master"]["height"]) == (1360, 768)
    assert record["images"] == [{"path": str(tmp_path / "photo"), "sha256": sha256(data)}]


def test_offline_the_same_is_refused(run, bare, home, sketch):
    result = run(bare, "generate", "x", "-i", "sketch.png", "--offline", "-m", "MAI-Image-2")

    assert result.code == 2
    assert "MAI-Image-2 does not offer --image." in result.err
    assert not home.exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda path: path.write_bytes(png(4, 4)), "has changed since this run began."),
        (Path.unlink, "cannot be read: No such file or directory."),
    ],
    ids=["changed", "gone"],
)
def test_a_reference_that_changes_in_the_middle_of_a_run_is_not_sent(
    mai, foundry, history, sketch, change, said
):
    foundry.will(replace(WHOLE, before=lambda: change(sketch)))
    result = mai("generate", "x", "-i", "sketch.png", "-n", "3")

    first, second = history().values()
    assert (result.code, len(result.lines), len(foundry.received)) == (11, 1, 1)
    assert (first["status"], second["status"]) == ("ok", "failed")
    assert (second["error"]["code"], second["error"]["exit_code"]) == ("bad_image", 2)
    assert first["images"] == second["images"] == [{"path": str(sketch), "sha256": sha256(SKETCH)}]
    assert f"Error: The reference {sketch} {said}" in result.err


def test_a_reference_that_changes_between_two_tries_is_not_sent(mai, foundry, history, sketch):
    foundry.will(replace(BUSY, before=lambda: sketch.write_bytes(png(4, 4))))
    result = mai("generate", "x", "-i", "sketch.png")

    (record,) = history().values()
    assert (result.code, len(foundry.received)) == (2, 1)
    assert (record["status"], record["error"]["code"]) == ("failed", "bad_image")


def test_a_second_try_sends_the_reference_again(mai, foundry, history, sketch):
    foundry.will(BUSY, Answer(503, headers={"Retry-After": "0"}))
    result = mai("generate", "x", "-i", "sketch.png")

    (record,) = history().values()
    assert (result.code, record["attempts"]) == (0, 3)
    assert [files_of(received) for received in foundry.received] == [[SKETCH]] * 3


def test_a_name_that_is_no_text_or_acts_on_a_terminal_is_kept_and_shown_safely(
    mai, history, tmp_path
):
    names = [os.fsdecode(b"\xff.png"), "\x1b[31m\n.png", "café ☕.png"]
    for name in names:
        (tmp_path / name).write_bytes(SKETCH)
    images = [part for name in names for part in ("-i", name)]
    result = mai("generate", "x", *images, "--json")
    shown = mai("generate", "x", *images, "--dry-run")

    (record,) = history().values()
    assert (result.code, shown.code) == (0, 0), shown.err
    assert [image["path"] for image in record["images"]] == [str(tmp_path / n) for n in names]
    assert result.objects == [record]
    assert b"\x1b" not in result.out + shown.out
    assert len(shown.lines) == 6
