"""What exports cost: each format, metadata, and memory.

Run as a program, this serves the picture in the file that it is given, so that serving costs
nothing in the benchmark.
"""

import io
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from PIL import Image, ImageChops, PngImagePlugin

from mai_cli.adapters.conversion import Original
from mai_cli.adapters.provenance import stamp, xmp_packet
from mai_cli.models.catalogue import find
from mai_cli.models.recipe import Recipe
from mai_cli.models.record import Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size
from tests.benchmarks.measuring import (
    MAI,
    UNIT,
    Command,
    Goal,
    Row,
    Run,
    Subject,
    difference,
    print_table,
    take_turns,
)
from tests.emulator import KEY, Emulator, picture
from tests.pictures import encoded, smooth

_PROJECT = Path(__file__).parents[2]
_FEW = 5  # a run of these takes seconds, and they hardly differ
_STAMP = Goal(ms=1)
_RECORD = Record.sent(
    ImageRequest("a lighthouse", "mai-image-26", find("mai-image-26"), Size(1024, 1024)),
    id="b7c41f09e2aa",
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
    endpoint="https://contoso.services.ai.azure.com",
)


def run(folder: Path, env: Mapping[str, str], runs: int) -> None:
    """Print the tables; ``env`` has no endpoint yet. A single run takes small pictures."""
    sides = (1024, 2048) if runs > 1 else (256, 512)
    masters = {side: folder / f"master-{side}.png" for side in sides}
    for side, path in masters.items():
        path.write_bytes(encoded(_scene(side)))
    _formats(masters, min(runs, _FEW))
    _metadata(masters, runs)
    _memory(masters[sides[-1]], folder, env, min(runs, _FEW))


def _formats(masters: Mapping[int, Path], runs: int) -> None:
    subjects: dict[str, Subject] = {}
    for side, path in masters.items():
        original, millions = Original(path), side * side / 1e6
        size = f"{side}x{side}"
        works: dict[str, Callable[[], object]] = {"decode": partial(Original, path)}
        for name in ("jpeg", "png", "webp", "avif"):
            works[name] = partial(original.render, Recipe(name), _RECORD)
        works["webp, half as wide"] = partial(original.render, Recipe("webp", side // 2), _RECORD)
        works["webp, --max-kb"] = partial(
            original.render, Recipe("webp", max_kb=side // 8), _RECORD
        )
        for name, work in works.items():
            subjects[f"{name}, {size}"] = partial(_timed, work, millions)
    taken = take_turns(subjects, runs)
    unit = next(name for name in taken if name.startswith("jpeg"))
    rows = [Row(name, its) for name, its in taken.items()]
    heading = (
        f"Exports, for each megapixel of the master ({runs} runs each, in turns; x: to {unit})"
    )
    print_table(heading, rows, taken[unit])


def _metadata(masters: Mapping[int, Path], runs: int) -> None:
    for side, path in masters.items():
        subjects: dict[str, Subject] = {
            "Pillow's load and save": partial(_timed, partial(_saved_by_pillow, path)),
            "a copy": partial(_timed, partial(_copied, path)),
            "a copy with metadata": partial(_timed, partial(_stamped, path)),
        }
        taken = take_turns(subjects, runs)
        pillow, copied, stamped = taken.values()
        size = f"{side}x{side}, {path.stat().st_size / 1e6:.1f} MB"
        heading = f"Metadata into a PNG of {size} ({runs} runs each, in turns; x: to Pillow)"
        rows = [Row(name, its) for name, its in taken.items()]
        rows.append(Row("  what that adds", difference(stamped, copied), _STAMP))
        print_table(heading, rows, pillow)


def _memory(master: Path, folder: Path, env: Mapping[str, str], runs: int) -> None:
    outputs = ["hero.png", "hero.webp", "hero.jpg", "hero.avif"]
    with _emulator(master) as url:
        service = {"MAI_ENDPOINT": url, "MAI_API_KEY": KEY, "MAI_DEPLOYMENT": "mai-image-27"}
        generate = [MAI, "generate", "a lighthouse", "--overwrite"]
        asked = {
            "mai generate": [],
            "  with a copy": ["-o", "copy.png"],
            **{f"  with {name}": ["-o", name] for name in outputs[1:]},
            "  with all four": [word for name in outputs for word in ("-o", name)],
        }
        env = {**env, **service}
        subjects: dict[str, Subject] = {UNIT: Command([sys.executable, "-c", "pass"], env, folder)}
        for name, words in asked.items():
            subjects[name] = Command([*generate, *words], env, folder)
        taken = take_turns(subjects, runs)
    size = master.stem.removeprefix("master-")
    heading = (
        f"One picture of {size}x{size} and its outputs ({runs} runs each, in turns; x: to {UNIT})"
    )
    print_table(heading, [Row(name, its) for name, its in taken.items()], taken[UNIT])


def _scene(side: int) -> Image.Image:
    """Soft shapes with some grain, about as large as a PNG as a real picture of that size."""
    scene = smooth(side, side)
    scene.paste(scene.rotate(90), mask=Image.radial_gradient("L").resize((side, side)))
    low_bits = bytes(124 + (value & 7) for value in range(256))
    grain = random.Random(side).randbytes(3 * side * side).translate(low_bits)
    return ImageChops.add(scene, Image.frombytes("RGB", (side, side), grain), 1, -128)


def _timed(work: Callable[[], object], parts: float = 1) -> Run:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Run((time.perf_counter() - wall) / parts, (time.process_time() - cpu) / parts)


def _saved_by_pillow(path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_itxt("XML:com.adobe.xmp", xmp_packet(_RECORD).decode())
    with Image.open(path) as opened:
        opened.save(io.BytesIO(), "PNG", pnginfo=texts)


def _copied(path: Path) -> None:
    with path.open("rb") as master:
        shutil.copyfileobj(master, io.BytesIO())


def _stamped(path: Path) -> None:
    with path.open("rb") as master:
        stamp(master, io.BytesIO(), _RECORD)


@contextmanager
def _emulator(master: Path) -> Iterator[str]:
    """The URL of an emulator in a process of its own, which serves ``master`` to every request."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.pictures", str(master)],
        cwd=_PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:  # its input ends with it
        assert server.stdout
        yield server.stdout.readline().strip()


def _serve(master: Path) -> None:
    """Serve until standard input ends."""
    with Emulator() as emulator:
        emulator.always(picture(master.read_bytes()))
        print(emulator.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
