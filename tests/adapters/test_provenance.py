import hashlib
import io
import json
import os
import random
import shutil
import struct
import subprocess
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from mai_cli.adapters.conversion import Original
from mai_cli.adapters.identity import digest, digests, embedded_id
from mai_cli.adapters.offline import ENDPOINT
from mai_cli.adapters.provenance import (
    MAX_ALT_BYTES,
    MAX_PROMPT_BYTES,
    png_chunks,
    stamp,
    xmp_packet,
)
from mai_cli.models.catalogue import Model, find
from mai_cli.models.recipe import Recipe
from mai_cli.models.record import Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size
from tests.chunks import (
    SIGNATURE,
    Chunk,
    international_texts,
    read_chunks,
    without_texts,
    write_chunks,
)
from tests.pictures import PALETTE, encoded, icc_chunk, png_of, smooth, srgb_profile

ID = "b7c41f09e2aa"
FALSE_ID = "mai:record:000000000000"
AI = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
NO_AI = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicMedia"
FORMATS = ["png", "jpeg", "webp", "avif"]
NAMES = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "core": "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/",
    "ext": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"

exiftool = pytest.mark.skipif(not shutil.which("exiftool"), reason="exiftool is not installed")
pngcheck = pytest.mark.skipif(not shutil.which("pngcheck"), reason="pngcheck is not installed")


def record(prompt: str = "a red fox", *, offline: bool = False, **rest: object) -> Record:
    facts = {
        "id": ID,
        "created_at": datetime(2026, 11, 22, 9, 14, 3, 120_999, UTC),
        "endpoint": None if offline else "https://contoso.services.ai.azure.com",
    }
    model = find("mai-image-26")
    request = ImageRequest("x", "mai-image-26", model, Size(1024, 1024))
    made = Record.sent(request, **(facts | rest))
    return made if made.prompt is None else replace(made, prompt=prompt)


def stamped(png: bytes, told: Record | None = None) -> bytes:
    copy = io.BytesIO()
    stamp(io.BytesIO(png), copy, told or record())
    return copy.getvalue()


def animated() -> bytes:
    frames = [smooth(20, 12), smooth(20, 12).rotate(180), Image.new("RGB", (20, 12), "red")]
    return encoded(frames[0], save_all=True, append_images=frames[1:])


def in_pieces(png: bytes, size: int) -> bytes:
    """The same PNG with its pixels in many chunks, as libpng writes them."""
    chunks = []
    for chunk in read_chunks(png):
        cuts = range(0, len(chunk.data), size) if chunk.kind == b"IDAT" else [0]
        end = size if chunk.kind == b"IDAT" else None
        chunks += [Chunk(chunk.kind, chunk.data[at:][:end]) for at in cuts]
    return write_chunks(chunks)


def with_more_behind(png: bytes) -> bytes:
    chunks = read_chunks(png)
    return write_chunks([*chunks[:-1], Chunk(b"tEXt", b"Comment\0behind"), chunks[-1]])


GRID = [[(x % 4,) for x in range(9)]] * 7
PLTE = (b"PLTE", bytes(range(12)))
MASTERS = {
    "plain": encoded(smooth(20, 12)),
    "rgba": encoded(smooth(20, 12, "RGBA")),
    "palette": png_of(GRID, PALETTE, 2, before=[PLTE, (b"tRNS", b"\0\x80")]),
    "interlaced": png_of([[(x, 2 * x, 9) for x in range(9)]] * 7, interlaced=True),
    "sixteen bits": png_of([[(x * 7000,) for x in range(9)]] * 7, 0, 16),
    "animated": animated(),
    "many chunks": in_pieces(encoded(smooth(64, 64)), 100),
    "profile": png_of([[(1, 2, 3)]], before=[icc_chunk(srgb_profile())]),
    "texts": png_of(
        [[(1, 2, 3)]],
        before=[(b"tEXt", b"Comment\0IDAT"), (b"zTXt", b"a\0\0" + zlib.compress(b"x"))],
    ),
    "texts behind": with_more_behind(encoded(smooth(20, 12))),
    "empty pixels": png_of([[(1, 2, 3)]], before=[(b"IDAT", b"")]),
}


@pytest.fixture(scope="module")
def exports(tmp_path_factory) -> dict[str, Path]:
    """One export in each format, and a PNG that was copied."""
    return make_exports(tmp_path_factory.mktemp("exports"), record("a red fox, \N{FOX FACE} & co"))


def make_exports(folder: Path, told: Record) -> dict[str, Path]:
    folder.mkdir(exist_ok=True)
    (folder / "master.png").write_bytes(MASTERS["many chunks"])
    original = Original(folder / "master.png")
    files = {name: original.render(Recipe(name, 32), told) for name in FORMATS}
    files["copy.png"] = stamped(MASTERS["many chunks"], told)
    for name, data in files.items():
        (folder / f"export.{name}").write_bytes(data)
    return {name: folder / f"export.{name}" for name in files}


@pytest.mark.parametrize("master", MASTERS)
def test_every_chunk_of_the_master_stays_and_texts_stand_before_its_pixels(master):
    before = read_chunks(MASTERS[master])
    after = read_chunks(stamped(MASTERS[master]))

    first = [chunk.kind for chunk in before].index(b"IDAT")
    count = len(after) - len(before)
    assert after[:first] == before[:first]
    assert after[first + count :] == before[first:]
    assert [chunk.kind for chunk in after[first : first + count]] == [b"iTXt"] * 7
    assert SIGNATURE + b"".join(map(bytes, after)) == stamped(MASTERS[master])


@pytest.mark.parametrize("master", [name for name in MASTERS if not name.startswith("texts")])
def test_without_its_texts_a_copy_is_the_master(master):
    assert without_texts(stamped(MASTERS[master])) == MASTERS[master]


@pytest.mark.parametrize("master", MASTERS)
def test_a_copy_shows_what_its_master_shows(master):
    before, after = (
        Image.open(io.BytesIO(data)) for data in (MASTERS[master], stamped(MASTERS[master]))
    )
    assert getattr(after, "n_frames", 1) == getattr(before, "n_frames", 1)
    for frame in range(getattr(before, "n_frames", 1)):
        before.seek(frame)
        after.seek(frame)
        assert (after.mode, after.tobytes()) == (before.mode, before.tobytes())


@pngcheck
@pytest.mark.parametrize(
    "prompt", ["a red fox", "line\nline", "\N{FOX FACE} \0 \x1b \x85 ü", "x" * 9999]
)
def test_pngcheck_finds_nothing_wrong_with_copies(tmp_path, prompt):
    for name, master in MASTERS.items():
        (tmp_path / f"{name}.png").write_bytes(stamped(master, record(prompt)))
    files = sorted(map(str, tmp_path.iterdir()))

    checked = subprocess.run(
        ["pngcheck", "-q", *files], capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_a_png_tells_the_same_in_text_as_in_xmp():
    texts = international_texts(stamped(MASTERS["plain"], record("a red fox\nat night")))

    assert texts == {
        "XML:com.adobe.xmp": xmp_packet(record("a red fox\nat night")).decode(),
        "Identifier": "mai:record:b7c41f09e2aa",
        "Creation Time": "2026-11-22T09:14:03.120Z",
        "Software": "mai",
        "Source": "MAI-Image-2.6",
        "Digital Source Type": AI,
        "Description": "a red fox\nat night",
    }


def properties(told: Record) -> dict[str, str]:
    """The properties in the packet, as an XML parser reads them."""
    root = ET.fromstring(xmp_packet(told))
    (description,) = root.findall("rdf:RDF/rdf:Description", NAMES)
    assert description.attrib == {f"{{{NAMES['rdf']}}}about": ""}
    found = {}
    for element in description:
        space, name = element.tag[1:].split("}")
        prefix = {uri: short for short, uri in NAMES.items()}[space]
        items = element.findall("rdf:Alt/rdf:li", NAMES)
        assert [item.get(LANGUAGE) for item in items] == ["x-default"] * len(items)
        assert len(items) == (name in {"description", "AltTextAccessibility"})
        found[f"{prefix}:{name}"] = items[0].text if items else element.text
    return found


def test_a_packet_tells_what_the_record_knows():
    assert properties(record()) == {
        "dc:identifier": "mai:record:b7c41f09e2aa",
        "dc:description": "a red fox",
        "xmp:CreateDate": "2026-11-22T09:14:03.120Z",
        "xmp:CreatorTool": "mai",
        "ext:DigitalSourceType": AI,
        "ext:AISystemUsed": "MAI-Image-2.6",
        "ext:AIPromptInformation": "a red fox",
    }
    assert xmp_packet(record()).startswith(b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehi')
    assert xmp_packet(record()).endswith(b'<?xpacket end="r"?>')


def test_a_placeholder_is_not_passed_off_as_the_work_of_a_model():
    told = record(offline=True)
    texts = international_texts(stamped(MASTERS["plain"], told))

    assert properties(told) == {
        "dc:identifier": "mai:record:b7c41f09e2aa",
        "dc:description": "a red fox",
        "xmp:CreateDate": "2026-11-22T09:14:03.120Z",
        "xmp:CreatorTool": "mai (placeholder drawn offline, not by an AI model)",
        "ext:DigitalSourceType": NO_AI,
    }
    assert texts["Digital Source Type"] == NO_AI
    assert "placeholder" in texts["Software"]
    assert b"trainedAlgorithmicMedia" not in png_chunks(told)


def test_a_private_picture_says_nothing_of_its_prompt():
    told = record(private=True)

    assert properties(told).keys().isdisjoint({"dc:description", "ext:AIPromptInformation"})
    assert "Description" not in international_texts(stamped(MASTERS["plain"], told))
    assert properties(told)["dc:identifier"] == "mai:record:b7c41f09e2aa"


def test_an_alternative_text_is_told_as_such():
    told = record(alt="A fox & its shadow.")

    assert properties(told) == properties(record()) | {
        "core:AltTextAccessibility": "A fox & its shadow."
    }
    assert b'xmlns:Iptc4xmpCore="http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"' in xmp_packet(told)
    assert b"<Iptc4xmpCore:AltTextAccessibility><rdf:Alt>" in xmp_packet(told)


@pytest.mark.parametrize("alt", [None, ""])
def test_without_an_alternative_text_there_is_none(alt):
    assert xmp_packet(record(alt=alt)) == xmp_packet(record())


def test_a_private_picture_keeps_its_alternative_text():
    assert properties(record(alt="A fox.", private=True))["core:AltTextAccessibility"] == "A fox."


def test_a_model_nobody_knows_is_named_by_its_deployment():
    request = ImageRequest("x", "my & pics", Model.unknown(), None)
    told = Record.sent(request, id=ID, created_at=datetime.now(UTC), endpoint=str(ENDPOINT))

    assert properties(told)["ext:AISystemUsed"] == "my & pics"
    assert international_texts(stamped(MASTERS["plain"], told))["Source"] == "my & pics"


def test_moments_are_told_in_utc():
    moment = datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))

    assert properties(record(created_at=moment))["xmp:CreateDate"] == "2025-12-31T23:00:00.000Z"


def as_xml(prompt: str) -> str:
    """``prompt`` without what no XML can hold. Source: https://www.w3.org/TR/xml/#charsets"""

    def is_kept(code: int) -> bool:
        return (
            code in {9, 10, 13}
            or 0x20 <= code <= 0xD7FF
            or 0xE000 <= code <= 0xFFFD
            or (code >= 0x10000)
        )

    return "".join(
        letter if is_kept(ord(letter)) else "\N{REPLACEMENT CHARACTER}" for letter in prompt
    )


@given(
    st.text(st.characters(exclude_categories=()), min_size=1)
    | st.text("]>&<;\"'\r\n\t\0\x85\u2028\ud800\ufffe\uffff#x13", min_size=1)
)
@example("]]> <!-- -- --> <![CDATA[ ]]> &amp; &#13; <?xpacket end='r'?>")
@example("\r\n\r \n\t")
@example("".join(map(chr, range(160))))
@example("\ud83d\ude00 \ufeff \U0010ffff")
@settings(deadline=None, max_examples=300)
def test_any_prompt_comes_back_out_of_xml_and_text(prompt):
    found = properties(record(prompt))

    assert found["dc:description"] == found["ext:AIPromptInformation"] == as_xml(prompt)
    assert international_texts(stamped(MASTERS["plain"], record(prompt)))["Description"] == (
        as_xml(prompt)
    )


LONG = {
    "words": "a red fox at night, " * 5_000,
    "ampersands": "&" * 1_000_000,
    "emoji": "\N{FOX FACE}" * 250_000,
    "both": "&\N{FOX FACE}" * 20_000,
    "returns": "\r" * 100_000,
    "surrogates": "\ud800" * 100_000,
    "a little too long": "x" * (MAX_PROMPT_BYTES + 1),
}


@pytest.mark.parametrize("prompt", LONG.values(), ids=LONG)
def test_a_prompt_that_is_too_long_ends_in_an_ellipsis_and_still_fits(tmp_path, prompt):
    told = record(prompt)
    found = properties(told)["dc:description"]

    assert found.endswith("…")
    assert as_xml(prompt).startswith(found[:-1])
    escaped = found[:-1].replace("&", "&amp;").replace("\r", "&#13;").encode()
    assert MAX_PROMPT_BYTES - 5 < len(escaped) <= MAX_PROMPT_BYTES
    assert len(xmp_packet(told)) < 65_502 - len("http://ns.adobe.com/xap/1.0/\0")
    for name, path in make_exports(tmp_path, told).items():
        data = path.read_bytes()
        assert xmp_packet(told) in data, name
        assert Image.open(io.BytesIO(data)).size[0] in {32, 64}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_an_alternative_text_that_is_too_long_ends_in_an_ellipsis_and_still_fits(tmp_path, text):
    told = record(text, alt=text)
    found = properties(told)["core:AltTextAccessibility"]

    assert found.endswith("…")
    assert as_xml(text).startswith(found[:-1])
    escaped = found[:-1].replace("&", "&amp;").replace("\r", "&#13;").encode()
    assert MAX_ALT_BYTES - 5 < len(escaped) <= MAX_ALT_BYTES
    assert len(xmp_packet(told)) < 65_502 - len("http://ns.adobe.com/xap/1.0/\0")
    for name, path in make_exports(tmp_path, told).items():
        assert xmp_packet(told) in path.read_bytes(), name


@given(st.text(st.characters(exclude_categories=()), min_size=1))
@settings(deadline=None)
def test_any_alternative_text_comes_back_out_of_xml(alt):
    assert properties(record(alt=alt))["core:AltTextAccessibility"] == as_xml(alt)


def test_a_prompt_that_just_fits_is_whole():
    for prompt in ("x" * MAX_PROMPT_BYTES, "&" * (MAX_PROMPT_BYTES // 5)):
        assert properties(record(prompt))["dc:description"] == prompt


def test_pillow_reads_what_was_written(exports):
    for name, path in exports.items():
        with Image.open(path) as picture:
            found = picture.info["XML:com.adobe.xmp" if "png" in name else "xmp"]
            packet = found.encode() if isinstance(found, str) else found
            assert packet == xmp_packet(record("a red fox, \N{FOX FACE} & co"))
            if "png" in name:
                assert picture.text["Digital Source Type"] == AI


def told_by_exiftool(*paths: Path) -> list[dict[str, str]]:
    done = subprocess.run(
        ["exiftool", "-j", "-G1", "-a", "-validate", "-warning", "-all", *map(str, paths)],
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


@exiftool
def test_exiftool_reads_what_was_written(exports):
    for name, found in zip(exports, told_by_exiftool(*exports.values()), strict=True):
        assert found["XMP-dc:Description"] == "a red fox, \N{FOX FACE} & co"
        assert found["XMP-dc:Identifier"] == "mai:record:b7c41f09e2aa"
        assert found["XMP-xmp:CreateDate"] == "2026:11:22 09:14:03.120Z"
        assert found["XMP-xmp:CreatorTool"] == "mai"
        assert found["XMP-iptcExt:DigitalSourceType"] == AI
        assert "MAI-Image-2.6" in found.values()
        assert found["ExifTool:Validate"] in {"OK", "1 Warning (minor)"}, found
        if "png" in name:
            assert found["PNG:Description"] == "a red fox, \N{FOX FACE} & co"
            assert found["PNG:Software"] == "mai"


@pytest.mark.parametrize("name", [*FORMATS, "copy.png"])
def test_the_id_is_found_in_every_format(exports, name):
    assert embedded_id(exports[name]) == ID


@pytest.mark.parametrize(
    "prompt",
    [
        FALSE_ID,
        f"a fox <dc:identifier>{FALSE_ID}</dc:identifier>",
        f'dc:identifier="{FALSE_ID}"',
        f"\n{FALSE_ID}\n" * 99,
    ],
)
def test_an_id_in_a_prompt_is_not_taken_for_the_pictures_own(tmp_path, prompt):
    for path in make_exports(tmp_path, record(prompt)).values():
        assert embedded_id(path) == ID


def rewrite(*paths: Path, **tags: str) -> None:
    """Let another program write other tags into files."""
    changes = [f"-{name.replace('_', ':')}={text}" for name, text in tags.items()]
    subprocess.run(
        ["exiftool", "-q", "-overwrite_original", *changes, *map(str, paths)], check=True
    )


@exiftool
@pytest.mark.parametrize("prompt", ["a red fox", FALSE_ID])
@pytest.mark.parametrize("tags", [{"Artist": "me"}, {"XMP_Title": "mine", "XMP_Rating": "5"}])
def test_the_id_is_found_after_another_program_has_written_into_the_file(tmp_path, prompt, tags):
    paths = make_exports(tmp_path, record(prompt)).values()
    before = [path.read_bytes() for path in paths]
    rewrite(*paths, **tags)

    for path, data in zip(paths, before, strict=True):
        assert path.read_bytes() != data
        assert embedded_id(path) == ID, path.name


@pytest.mark.parametrize(
    "form",
    [
        "<dc:identifier>{}</dc:identifier>",
        "<dc:identifier>\n   {}\n  </dc:identifier>",
        '<rdf:Description rdf:about="" dc:identifier="{}"',
        "<rdf:Description rdf:about='' dc:identifier='{}'",
    ],
)
def test_the_id_is_found_in_every_form_that_a_packet_may_have(tmp_path, form):
    prompt = f"<Iptc4xmpExt:AIPromptInformation>{FALSE_ID}</Iptc4xmpExt:AIPromptInformation>"
    (tmp_path / "x").write_text(f"{prompt} {form.format(f'mai:record:{ID}')}")

    assert embedded_id(tmp_path / "x") == ID


def test_the_id_is_found_where_only_the_texts_of_a_png_are_left(tmp_path):
    chunks = read_chunks(stamped(MASTERS["plain"]))
    (tmp_path / "x.png").write_bytes(
        write_chunks([chunk for chunk in chunks if not chunk.data.startswith(b"XML")])
    )

    assert embedded_id(tmp_path / "x.png") == ID


def test_a_file_of_somebody_else_has_no_id(tmp_path):
    others = {
        "plain.png": MASTERS["plain"],
        "photo.jpg": encoded(smooth(20, 12), "JPEG", xmp=b"<x:xmpmeta>by me</x:xmpmeta>"),
        "empty.png": b"",
        "short": b"mai:record:b7c41f09",
        "capital": b"mai:record:B7C41F09E2AA",
        "longer": b"mai:record:b7c41f09e2aab",
        "random": random.Random(1).randbytes(100_000),
    }
    for name, data in others.items():
        (tmp_path / name).write_bytes(data)
        assert embedded_id(tmp_path / name) is None, name


def test_a_file_that_cannot_be_read_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        embedded_id(tmp_path / "missing.png")
    with pytest.raises(OSError, match="it is not a file"):
        embedded_id(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is not a file"):
        embedded_id(tmp_path / "pipe")


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
def test_the_digest_of_a_file_is_that_of_all_its_bytes(tmp_path, size):
    data = random.Random(size).randbytes(size)
    (tmp_path / "x.png").write_bytes(data)

    assert digest(tmp_path / "x.png") == hashlib.sha256(data).hexdigest()


def test_the_digests_of_files_tell_those_that_are_missing_from_those_that_cannot_be_read(tmp_path):
    (tmp_path / "in" / "folder").mkdir(parents=True)
    (tmp_path / "a.png").write_bytes(b"a")
    (tmp_path / "in" / "b.png").write_bytes(b"b")
    os.mkfifo(tmp_path / "pipe")
    paths = ["in/b.png", "a.png", "c.png", "a.png/d.png", "in/folder", "pipe"]

    assert digests(tmp_path, paths) == {
        "in/b.png": hashlib.sha256(b"b").hexdigest(),
        "a.png": hashlib.sha256(b"a").hexdigest(),
        "c.png": None,
        "a.png/d.png": None,
        "in/folder": "",
        "pipe": "",
    }
    assert list(digests(tmp_path, paths)) == paths
    assert digests(tmp_path, []) == {}


HEADER = Chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
PIXELS = Chunk(b"IDAT", zlib.compress(b"\0\1\2\3"))
ENDLESS = struct.pack(">I4s", 0xFFFF_FFF0, b"tEXt") + b"x" * 100


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is not a PNG"),
        (b"\x89PNG", "is not a PNG"),
        (encoded(smooth(8, 8), "JPEG"), "is not a PNG"),
        (SIGNATURE, "is a PNG without pixels"),
        (write_chunks([HEADER]), "is a PNG without pixels"),
        (write_chunks([HEADER, Chunk(b"IEND", b"")]), "is a PNG without pixels"),
        (write_chunks([HEADER]) + b"\0\0\0", "is a PNG without pixels"),
        (write_chunks([HEADER]) + ENDLESS, "is a PNG without pixels"),
        (write_chunks([HEADER, PIXELS])[:20], "is a PNG without pixels"),
        (write_chunks([HEADER, PIXELS])[:38], "is a PNG without pixels"),
    ],
)
def test_what_is_no_png_with_pixels_is_refused_in_half_a_sentence(data, problem):
    with pytest.raises(ValueError, match=f"^{problem}$"):
        stamped(data)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda rest: SIGNATURE + rest))
@settings(deadline=None)
def test_any_bytes_are_copied_whole_or_refused(data):
    try:
        copy = stamped(data)
    except ValueError:
        return
    at = copy.index(png_chunks(record()))
    assert copy[:at] + copy[at + len(png_chunks(record())) :] == data


def test_a_packet_that_the_master_brings_stays_the_only_one():
    theirs = Chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x:xmpmeta/>")
    chunks = read_chunks(MASTERS["plain"])
    master = write_chunks([chunks[0], theirs, *chunks[1:]])
    copy = io.BytesIO()
    stamp(io.BytesIO(master), copy, record("a red fox"))

    packets = [
        chunk for chunk in read_chunks(copy.getvalue()) if b"XML:com.adobe.xmp" in chunk.data
    ]
    assert packets == [theirs]
    assert b"Identifier\0" in copy.getvalue()
