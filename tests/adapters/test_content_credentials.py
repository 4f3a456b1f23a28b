"""What becomes of a signed picture, by the C2PA's own library."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from PIL import Image

from mai_cli.adapters.conversion import Original, can_write
from mai_cli.adapters.png import PngScan
from mai_cli.adapters.provenance import stamp
from mai_cli.models.catalogue import find
from mai_cli.models.record import Master, Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size
from mai_cli.services.exporting import Exported, Exporting
from mai_cli.services.outputs import Target
from mai_cli.stores import atomic
from tests.chunks import read_chunks
from tests.emulator import picture
from tests.pictures import encoded, smooth
from tests.signing import sign, state

PLAIN = encoded(smooth(64, 48))
NOTE = "Copies keep them; conversions cannot"


@pytest.fixture(scope="module")
def signed() -> bytes:
    return sign(PLAIN)


def record_of(master: bytes) -> Record:
    scan = PngScan()
    scan.feed(master)
    request = ImageRequest("a fox", "mai-image-26", find("mai-image-26"), Size(1024, 1024))
    sent = Record.sent(request, id="b7c41f09e2aa", created_at=datetime.now(UTC), endpoint="x")
    return replace(sent, master=Master.of(scan.finish(), "master.png", "gallery"))


def test_the_library_tells_what_was_signed_from_what_was_changed(signed):
    changed = bytearray(signed)
    changed[-20] ^= 1

    assert [chunk.kind for chunk in read_chunks(signed)][:2] == [b"IHDR", b"caBX"]
    assert (state(signed), state(bytes(changed)), state(PLAIN)) == ("Trusted", "Invalid", None)


def test_one_text_more_would_break_the_signature(signed):
    copy = io.BytesIO()
    stamp(io.BytesIO(signed), copy, record_of(signed))

    assert state(copy.getvalue()) == "Invalid"


def test_a_copy_by_mai_is_still_signed_and_a_conversion_is_not(signed, tmp_path):
    (tmp_path / "master.png").write_bytes(signed)
    told: list[str] = []
    exporting = Exporting(
        disk=atomic, stamp=stamp, decode=Original, can_write=can_write, tell=told.append
    )
    targets = [Target.parse(str(tmp_path / name)) for name in ("a.png", "b.webp", "c.jpg")]
    done = Exported()
    exporting.export(
        done,
        *(tmp_path / "master.png", record_of(signed), targets, None),
        overwrite=False,
        metadata=True,
    )

    copy, webp, jpeg = ((tmp_path / name).read_bytes() for name in ("a.png", "b.webp", "c.jpg"))
    assert copy == signed
    assert state(copy) == "Trusted"
    assert state(webp, "image/webp") is state(jpeg, "image/jpeg") is None
    assert [export.content_credentials for export in done.exports] == [True, False, False]
    assert len(told) == 1
    assert NOTE in told[0]


def test_an_unsigned_copy_claims_nothing(tmp_path):
    (tmp_path / "master.png").write_bytes(PLAIN)
    exporting = Exporting(
        disk=atomic, stamp=stamp, decode=Original, can_write=can_write, tell=print
    )
    target = Target.parse(str(tmp_path / "a.png"))
    done = Exported()
    exporting.export(
        done,
        *(tmp_path / "master.png", record_of(PLAIN), [target], None),
        overwrite=False,
        metadata=False,
    )

    assert (tmp_path / "a.png").read_bytes() == PLAIN
    assert done.exports[0].content_credentials is False


def test_from_the_service_to_a_copy_a_picture_stays_signed(mai, foundry, signed, tmp_path, history):
    foundry.always(picture(signed))
    result = mai("generate", "x", "-n", "2", "-o", "copy.png", "-o", "new/", "-o", "small.webp")

    assert result.code == 0, result.err
    assert len(result.lines) == 6
    for number, record in enumerate(history().values(), start=1):
        assert (tmp_path / f"copy-{number}.png").read_bytes() == signed
        assert record["master"]["content_credentials"] is True
        exported = [
            (export["format"], export["content_credentials"]) for export in record["exports"]
        ]
        assert exported == [("png", True), ("png", True), ("webp", False)]
        with Image.open(tmp_path / f"small-{number}.webp") as small:
            assert small.size == (64, 48)
    assert {path.read_bytes() for path in (tmp_path / "new").iterdir()} == {signed}
    assert state((tmp_path / "copy-1.png").read_bytes()) == "Trusted"
    assert result.err.count(NOTE) == 1


def test_a_resized_png_is_no_copy_and_loses_the_signature(mai, foundry, signed, tmp_path, history):
    foundry.will(picture(signed))
    result = mai("generate", "x", "-o", "small.png", "--resize", "32x", "--no-metadata", "-q")

    (record,) = history().values()
    assert (result.code, result.err) == (0, "")
    assert record["exports"][0]["content_credentials"] is False
    assert b"caBX" not in (tmp_path / "small.png").read_bytes()
