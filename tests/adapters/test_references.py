import hashlib
import io
import os
import struct
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from mai_cli.adapters.references import opened_reference, read_reference
from mai_cli.errors import UsageError
from mai_cli.models.reference import Reference
from tests.emulator import chunk, png

SIGNATURE = b"\x89PNG\r\n\x1a\n"
TURNS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def drawn(mode: str = "RGB", size: tuple[int, int] = (20, 12)) -> Image.Image:
    """A picture that is not the same when it is turned or loses a channel."""
    across, down = (Image.linear_gradient("L").rotate(turn).resize(size) for turn in (90, 0))
    channels = [across, down, across.point(lambda value: value // 2), down]
    if mode in {"RGB", "RGBA", "CMYK"}:
        return Image.merge(mode, channels[: len(mode)])
    if mode == "LA":
        return Image.merge(mode, channels[:2])
    return Image.merge("RGB", channels[:3]).convert(mode)


def encoded(picture: Image.Image, name: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, name, **options)
    return file.getvalue()


WHOLE = {
    "PNG": encoded(drawn(), "PNG"),
    "JPEG": encoded(drawn(), "JPEG"),
    "WEBP": encoded(drawn(), "WEBP", lossless=True),
    "AVIF": encoded(drawn(), "AVIF"),
    "GIF": encoded(drawn(), "GIF"),
    "TIFF": encoded(drawn(), "TIFF"),
    "BMP": encoded(drawn(), "BMP"),
}


def grey_profile() -> bytes:
    """An ICC profile of grey with a gamma of 2. Source: ICC.1:2001-04, 6 and 10."""
    tags = [
        (b"wtpt", b"XYZ \0\0\0\0" + struct.pack(">iii", 63190, 65536, 54061)),
        (b"kTRC", b"curv\0\0\0\0" + struct.pack(">IHxx", 1, 512)),
    ]
    start, table, data = 132 + 12 * len(tags), b"", b""
    for name, value in tags:
        table += struct.pack(">4sII", name, start + len(data), len(value))
        data += value
    body = struct.pack(">I", len(tags)) + table + data
    kind = struct.pack(
        ">I4sI4s4s4s", 128 + len(body), b"none", 0x02100000, b"mntr", b"GRAY", b"XYZ "
    )
    white = struct.pack(">iii", 63190, 65536, 54061)
    return (kind.ljust(36, b"\0") + b"acsp").ljust(68, b"\0") + white.ljust(60, b"\0") + body


Save = Callable[[str, bytes], Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def save(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return save


def refused(path: Path) -> str:
    """What is said of ``path`` after its name."""
    with pytest.raises(UsageError) as caught:
        read_reference(path)
    error = caught.value
    assert error.code == "bad_image"
    assert error.hint == "Nothing was sent. Give a picture such as a PNG or JPEG."
    assert error.message.startswith(f"The reference {path} ")
    assert error.message.endswith(".")
    return error.message.removeprefix(f"The reference {path} ")


def sent(path: Path) -> tuple[str, str, bytes]:
    """The name, the type and the bytes that go out for the file at ``path``."""
    with opened_reference(read_reference(path)) as upload:
        return upload.name, upload.media_type, upload.file.read()


def converted(path: Path) -> Image.Image:
    name, media_type, data = sent(path)
    assert (name, media_type) == ("image.png", "image/png")
    picture = Image.open(io.BytesIO(data), formats=["PNG"])
    picture.load()
    return picture


def assert_same(picture: Image.Image, expected: Image.Image) -> None:
    assert (picture.mode, picture.size) == (expected.mode, expected.size)
    assert picture.tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("suffix", "name"),
    [
        (".png", "PNG"),
        (".PNG", "PNG"),
        (".jpg", "JPEG"),
        (".jpeg", "JPEG"),
        (".JPG", "JPEG"),
        (".webp", "WEBP"),
        (".avif", "AVIF"),
        (".gif", "GIF"),
        (".tif", "TIFF"),
        (".tiff", "TIFF"),
        (".bmp", "BMP"),
    ],
)
def test_a_picture_of_a_usual_format_is_read_with_its_digest(save, suffix, name):
    path = save(f"picture{suffix}", WHOLE[name])
    assert read_reference(path) == Reference(path, hashlib.sha256(WHOLE[name]).hexdigest(), name)


@pytest.mark.parametrize("name", ["picture", "picture.download", ".png", "a.png.bak", "fox.jfif"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_name_that_claims_no_format_is_as_good_as_any(save, name, kind):
    assert read_reference(save(name, WHOLE[kind])).format == kind


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("PNG", encoded(drawn("1"), "PNG")),
        ("PNG", encoded(drawn("P"), "PNG")),
        ("PNG", encoded(drawn("LA"), "PNG")),
        ("PNG", encoded(Image.new("I;16", (9, 5), 40_000), "PNG")),
        ("PNG", encoded(drawn(), "PNG", save_all=True, append_images=[drawn().rotate(180)])),
        ("PNG", png(3, 2, extra=chunk(b"caBX", b"signed"))),
        ("JPEG", encoded(drawn(), "JPEG", progressive=True)),
        ("JPEG", encoded(drawn("L"), "JPEG")),
        ("JPEG", encoded(drawn("CMYK"), "JPEG")),
        ("JPEG", encoded(drawn(), "MPO", save_all=True, append_images=[drawn().rotate(180)])),
        ("GIF", encoded(drawn(), "GIF", save_all=True, append_images=[drawn().rotate(180)])),
        ("WEBP", encoded(drawn(), "WEBP", save_all=True, append_images=[drawn().rotate(180)])),
        ("TIFF", encoded(drawn(), "TIFF", big_tiff=True)),
        ("TIFF", encoded(drawn(), "TIFF", compression="jpeg")),
        ("TIFF", encoded(drawn("1"), "TIFF", compression="group4")),
        ("TIFF", encoded(Image.new("I;16B", (9, 5), 40_000), "TIFF")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_picture_of_a_rarer_kind_is_read_too(save, name, data):
    assert read_reference(save("picture", data)).format == name


def test_the_path_of_a_reference_is_absolute_and_as_it_was_given(save, tmp_path, monkeypatch):
    save("hero.png", WHOLE["PNG"])
    (tmp_path / "link.png").symlink_to("hero.png")
    monkeypatch.chdir(tmp_path)
    assert read_reference(Path("hero.png")).path == tmp_path / "hero.png"
    assert read_reference(Path("link.png")).path == tmp_path / "link.png"


@pytest.mark.parametrize("suffix", [".heic", ".heif", ""])
@pytest.mark.parametrize("brand", [b"heic", b"heix", b"hevc", b"mif1", b"msf1"])
def test_a_heic_is_named_as_what_pillow_does_not_read(save, suffix, brand):
    path = save(f"photo{suffix}", b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(100))
    assert refused(path) == "is HEIF, which this installation of Pillow does not read."


@pytest.mark.parametrize(
    ("suffix", "claim", "name"),
    [
        (".png", "PNG", "JPEG"),
        (".jpg", "JPEG", "PNG"),
        (".JPEG", "JPEG", "WEBP"),
        (".webp", "WEBP", "AVIF"),
        (".avif", "AVIF", "GIF"),
        (".gif", "GIF", "TIFF"),
        (".tiff", "TIFF", "BMP"),
        (".bmp", "BMP", "PNG"),
        (".tif", "TIFF", "GIF"),
        (".heic", "HEIF", "JPEG"),
        (".heif", "HEIF", "PNG"),
    ],
)
def test_a_picture_that_is_not_what_its_name_says_is_refused(save, suffix, claim, name):
    path = save(f"picture{suffix}", WHOLE[name])
    assert refused(path) == f"is not the {claim} that its name says, but {name}."


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"a red fox in snow",
        b"<!DOCTYPE html>",
        b'<svg xmlns="http://www.w3.org/2000/svg"/>',
        b"%PDF-1.7\n",
        b"PK\x03\x04",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"\0\0\0\x18ftypisom\0\0\0\0",
        b"8BPS\0\x01",
        WHOLE["PNG"][:7],
        WHOLE["JPEG"][:2],
        WHOLE["PNG"][1:],
        b"\n" + WHOLE["PNG"],
        bytes(1000),
    ],
)
@pytest.mark.parametrize("name", ["picture.png", "notes.txt"])
def test_a_file_that_is_no_picture_is_refused(save, name, data):
    assert refused(save(name, data)) == "is not a picture."


def test_a_picture_is_read_as_what_its_first_bytes_say_and_as_nothing_else(save):
    data = b"RIFF    WEBP".ljust(2048) + b"PCD_".ljust(800_000, b"\0")
    Image.open(io.BytesIO(data), formats=["PCD"]).load()
    assert refused(save("picture", data)).startswith("is damaged")


def test_a_file_that_is_not_there_is_refused(tmp_path):
    assert refused(tmp_path / "x.png") == "cannot be read: No such file or directory."
    (tmp_path / "link.png").symlink_to("x.png")
    assert refused(tmp_path / "link.png") == "cannot be read: No such file or directory."


def test_a_name_that_no_file_can_have_is_refused(save, tmp_path):
    save("hero.png", WHOLE["PNG"])
    (tmp_path / "loop.png").symlink_to("loop.png")
    assert refused(tmp_path / "a\0b.png") == "cannot be read: no file can have that name."
    assert refused(tmp_path / f"{'x' * 300}.png") == "cannot be read: File name too long."
    assert refused(tmp_path / "hero.png" / "x.png") == "cannot be read: Not a directory."
    assert refused(tmp_path / "loop.png").startswith("cannot be read: Too many levels of")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(save):
    path = save("hero.png", WHOLE["PNG"])
    path.chmod(0)
    assert refused(path) == "cannot be read: Permission denied."


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that fails")
def test_a_file_that_fails_while_it_is_read_is_refused():
    assert refused(Path("/proc/self/mem")) == "cannot be read: Input/output error."


def test_a_name_of_bytes_that_are_no_text_is_a_name(save):
    assert read_reference(save(os.fsdecode(b"\xff.png"), WHOLE["PNG"])).format == "PNG"


def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    # Should it be opened after all, this ends the wait.
    rescue = threading.Timer(5, lambda: os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK)))
    rescue.start()
    assert refused(pipe) == "is not a file."
    rescue.cancel()
    assert refused(tmp_path) == "is not a file."
    assert refused(Path("/dev/zero")) == "is not a file."


def test_a_file_has_at_most_50_megabytes(save):
    most = 50_000_000
    path = save("large.png", png(3, 2, extra=chunk(b"paDd", bytes(most - len(png(3, 2)) - 12))))
    assert path.stat().st_size == most
    assert read_reference(path).format == "PNG"
    with path.open("ab") as file:
        file.write(b"\0")
    assert refused(path) == "is larger than 50 MB."


def test_a_file_that_is_much_too_large_is_not_read(save):
    path = save("huge.png", WHOLE["PNG"])
    os.truncate(path, 1 << 40)
    assert refused(path) == "is larger than 50 MB."


def test_a_picture_has_at_most_50_million_pixels(save):
    assert read_reference(save("most.png", png(10_000, 5_000))).format == "PNG"
    above = save("above.png", png(10_001, 5_000, rows=b"x"))
    assert refused(above) == "has 10001x5000 pixels, more than 50 million."


BOMB = """
import sys
from pathlib import Path

from mai_cli.adapters.references import read_reference
from mai_cli.errors import UsageError

def peak():
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) // 1024

read_reference(Path(sys.argv[1]))
before = peak()
try:
    read_reference(Path(sys.argv[2]))
except UsageError as error:
    print(error.message)
print(peak() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_a_small_file_cannot_fill_the_memory(save):
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(3751 * 1000)) for _ in range(30)) + packer.flush()
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    bomb = save("bomb.png", SIGNATURE + parts)
    assert bomb.stat().st_size < 200_000

    small = save("small.png", WHOLE["PNG"])
    done = subprocess.run(
        [sys.executable, "-c", BOMB, small, bomb], capture_output=True, text=True, check=True
    )
    message, megabytes = done.stdout.splitlines()
    assert message.endswith("has 30000x30000 pixels, more than 50 million.")
    assert int(megabytes) < 20


@pytest.mark.parametrize(
    ("kind", "start"),
    [(b"zTXt", b"Comment\0\0"), (b"iTXt", b"Comment\0\1\0\0\0"), (b"iCCP", b"profile\0\0")],
)
def test_a_text_or_profile_of_a_small_file_cannot_fill_the_memory(save, kind, start):
    packer = zlib.compressobj(1)
    filling = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    bomb = save("bomb.png", png(64, 64, extra=chunk(kind, start + filling)))
    tracemalloc.start()
    try:
        message = refused(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert message.startswith("is damaged (Decompressed data too large")
    assert peak < 8 << 20


def test_a_frame_cannot_be_larger_than_its_picture_says(save):
    frame = struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
    screen = struct.pack("<HHBBB", 8, 8, 0x80, 0, 0) + bytes(6)
    path = save("frame.gif", b"GIF89a" + screen + b"," + frame + b"\x02\x02D\x01\0;")
    assert refused(path) == "has 65535x65535 pixels, more than 50 million."


@pytest.mark.parametrize(
    ("name", "end", "step"),
    [
        ("PNG", 0, 1),
        ("JPEG", 0, 1),
        ("WEBP", 0, 3),
        ("AVIF", 0, 3),
        ("GIF", 2, 5),  # bytes that say that nothing follows; the pixels before them are whole
        ("TIFF", 0, 5),
        ("BMP", 0, 5),
    ],
)
@pytest.mark.filterwarnings("ignore")  # they would be refusals here, and only here
def test_a_picture_that_is_torn_anywhere_is_refused(tmp_path, name, end, step):
    path = tmp_path / "torn"
    accepted = []
    for length in range(len(WHOLE[name]) - end - 1, -1, -step):
        path.write_bytes(WHOLE[name][:length])
        try:
            read_reference(path)
        except UsageError:
            continue
        accepted.append(length)
    assert accepted == []


@pytest.mark.parametrize("name", ["PNG", "JPEG"])
def test_a_larger_picture_that_is_torn_near_its_end_is_refused(tmp_path, name):
    data = encoded(drawn(size=(640, 480)), name)
    path = tmp_path / "torn"
    accepted = []
    for missing in range(1, 40):
        path.write_bytes(data[:-missing])
        try:
            read_reference(path)
        except UsageError:
            continue
        accepted.append(missing)
    assert accepted == []


@pytest.mark.parametrize("part", [b"IHDR", b"IDAT", b"IEND"])
def test_a_png_with_a_wrong_checksum_is_refused(save, part):
    data = bytearray(png(3, 2))
    at = data.index(part)
    (length,) = struct.unpack_from(">I", data, at - 4)
    data[at + 4 + length] ^= 1
    assert refused(save("picture.png", bytes(data))).startswith("is damaged")


@pytest.mark.parametrize("name", WHOLE)
def test_a_picture_that_is_damaged_is_called_so_without_the_words_of_a_library(save, name):
    said = refused(save("picture", WHOLE[name][:20]))
    assert said.startswith("is damaged")
    assert "<_io." not in said


def test_odd_notes_of_a_camera_are_no_damage_and_no_warning(save):
    broken = b"Exif\0\0MM\0*\0\0\0\x08\0\x05\x01\x12"
    path = save("photo.jpg", encoded(drawn(), "JPEG", exif=broken))
    assert read_reference(path).format == "JPEG"


@pytest.mark.parametrize(
    ("name", "upload", "media_type"),
    [("PNG", "image.png", "image/png"), ("JPEG", "image.jpeg", "image/jpeg")],
)
def test_a_jpeg_or_png_is_sent_as_it_is(save, name, upload, media_type):
    data = encoded(drawn(), name, exif=turned(6))
    assert sent(save("my holiday", data)) == (upload, media_type, data)


def test_a_png_of_sixteen_bits_is_sent_as_it_is(save):
    data = encoded(Image.new("I;16", (9, 5), 40_000), "PNG")
    assert sent(save("deep.png", data))[2] == data


@pytest.mark.parametrize("name", ["WEBP", "AVIF", "GIF", "TIFF", "BMP"])
def test_another_format_is_sent_as_a_png_with_the_same_pixels(save, name):
    expected = Image.open(io.BytesIO(WHOLE[name]), formats=[name]).convert("RGB")
    assert_same(converted(save("picture", WHOLE[name])), expected)


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker of cameras"
    return exif


def corners(picture: Image.Image) -> list[tuple[bool, ...]]:
    """The colours in the corners, in so few steps that no format loses one."""
    right, bottom = picture.width - 1, picture.height - 1
    places = [(0, 0), (right, 0), (0, bottom), (right, bottom)]
    return [tuple(value > 127 for value in picture.getpixel(place)) for place in places]


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", ["WEBP", "TIFF", "AVIF"])
def test_a_picture_that_lies_on_its_side_is_sent_upright(save, name, orientation):
    lying = Image.new("RGB", (2, 2))
    lying.putdata([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)])
    lying = lying.resize((64, 32), Image.Resampling.NEAREST)
    turn = TURNS[orientation]
    upright = lying if turn is None else lying.transpose(turn)
    picture = converted(save("picture", encoded(lying, name, exif=turned(orientation))))

    assert picture.size == upright.size
    assert corners(picture) == corners(upright)
    assert not picture.getexif()


def test_four_colours_of_ink_become_three_of_light(save):
    inks = drawn("CMYK")
    path = save("print.tif", encoded(inks, "TIFF"))
    assert_same(converted(path), inks.convert("RGB"))


def test_sixteen_bits_of_grey_become_eight_from_black_to_white(save):
    values = range(0, 1 << 16, 257)
    deep = Image.frombytes("I;16", (256, 1), struct.pack("<256H", *values))
    expected = Image.frombytes("L", (256, 1), bytes(range(256))).convert("RGB")
    assert_same(converted(save("deep.tif", encoded(deep, "TIFF"))), expected)


def test_a_palette_keeps_its_colours_and_its_hole(save):
    picture = Image.new("P", (4, 3), 1)
    picture.putpalette([255, 0, 0, 0, 128, 255])
    picture.putpixel((0, 0), 0)
    expected = Image.new("RGBA", (4, 3), (0, 128, 255, 255))
    expected.putpixel((0, 0), (255, 0, 0, 0))
    data = encoded(picture, "GIF", transparency=0)
    assert_same(converted(save("hole.gif", data)), expected)


@pytest.mark.parametrize(
    ("name", "options"), [("WEBP", {"lossless": True, "exact": True}), ("TIFF", {})]
)
def test_a_picture_keeps_its_transparency(save, name, options):
    glass = drawn("RGBA")
    assert_same(converted(save("glass", encoded(glass, name, **options))), glass)


def test_grey_keeps_its_transparency(save):
    glass = drawn("LA")
    assert_same(converted(save("glass.tif", encoded(glass, "TIFF"))), glass.convert("RGBA"))


def test_grey_with_a_profile_keeps_its_transparency(save):
    glass = drawn("LA")
    data = encoded(glass, "TIFF", icc_profile=grey_profile())
    assert converted(save("glass.tif", data)).getchannel("A").tobytes() == (
        glass.getchannel("A").tobytes()
    )


def test_grey_with_a_profile_becomes_the_grey_that_it_means(save):
    grey = Image.new("L", (4, 3), 128)
    picture = converted(save("grey.tif", encoded(grey, "TIFF", icc_profile=grey_profile())))
    assert "icc_profile" not in picture.info
    (light,) = {round(value / 4) for value in picture.getpixel((0, 0))}
    assert light == 34  # (128 / 255) ** 2 of all light is 137 in sRGB


def test_colours_keep_the_profile_that_explains_them(save):
    profile = grey_profile().replace(b"GRAY", b"RGB ")
    data = encoded(drawn(), "WEBP", lossless=True, icc_profile=profile)
    assert converted(save("wide.webp", data)).info["icc_profile"] == profile


def test_the_first_picture_of_several_is_sent(save):
    several = encoded(
        drawn(), "WEBP", lossless=True, save_all=True, append_images=[drawn().rotate(180)]
    )
    assert_same(converted(save("film.webp", several)), drawn())


def write_other(path: Path) -> None:
    path.write_bytes(png(4, 4))


def add_a_byte(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\0")


def cut_a_byte(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def change_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("change", [write_other, add_a_byte, cut_a_byte, change_a_byte])
@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_a_file_that_has_changed_meanwhile_is_not_sent(save, name, change):
    path = save("picture", WHOLE[name])
    reference = read_reference(path)
    change(path)
    with pytest.raises(UsageError) as caught, opened_reference(reference):
        pass
    assert caught.value.code == "bad_image"
    assert caught.value.message == f"The reference {path} has changed since this run began."


@pytest.mark.parametrize(
    ("replace", "said"),
    [
        (lambda path: None, "cannot be read: No such file or directory"),
        (Path.mkdir, "is not a file"),
        (os.mkfifo, "is not a file"),
    ],
    ids=["gone", "folder", "pipe"],
)
def test_what_is_no_file_any_more_is_not_sent(save, replace, said):
    path = save("picture.png", WHOLE["PNG"])
    reference = read_reference(path)
    path.unlink()
    replace(path)
    with pytest.raises(UsageError) as caught, opened_reference(reference):
        pass
    assert caught.value.message == f"The reference {path} {said}."


def test_a_file_that_was_written_again_as_it_was_is_sent(save):
    path = save("picture.png", WHOLE["PNG"])
    reference = read_reference(path)
    path.unlink()
    path.write_bytes(WHOLE["PNG"])
    os.utime(path, (1, 1))
    with opened_reference(reference) as upload:
        assert upload.file.read() == WHOLE["PNG"]


@pytest.mark.parametrize("name", ["PNG", "WEBP"])
def test_a_file_is_closed_after_it_was_sent(save, name):
    with opened_reference(read_reference(save("picture", WHOLE[name]))) as upload:
        pass
    assert upload.file.closed


FULL = """
import resource, sys
from pathlib import Path

from mai_cli.adapters.references import opened_reference, read_reference
from mai_cli.errors import MaiError

reference = read_reference(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    with opened_reference(reference):
        print("opened")
except MaiError as error:
    print(error.message)
"""


def test_no_room_for_the_png_that_is_to_be_sent_is_said(save):
    path = save("picture.webp", WHOLE["WEBP"])
    done = subprocess.run(
        [sys.executable, "-B", "-c", FULL, path], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert str(path) in done.stdout


def test_references_that_are_sent_side_by_side_leave_stderr_alone(save):
    reference = read_reference(save("picture.tiff", WHOLE["TIFF"]))
    before = os.fstat(2)
    is_lost, last = False, threading.Event()

    def send() -> None:
        while not last.is_set():
            with opened_reference(reference):
                pass

    threads = [threading.Thread(target=send) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3000):
        if not os.path.samestat(before, os.fstat(2)):
            is_lost = True
    last.set()
    for thread in threads:
        thread.join()
    assert not is_lost
    assert os.path.samestat(before, os.fstat(2))
