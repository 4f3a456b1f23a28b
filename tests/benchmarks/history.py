"""What a long history costs: appending, listing, searching, adding up; and the web page of it."""

import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from statistics import median

from mai_cli.models.catalogue import find
from mai_cli.models.record import Master, Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size
from mai_cli.stores.history import History
from mai_cli.stores.history_lines import to_line
from tests.benchmarks.measuring import MAI, UNIT, Command, Run, difference, take_turns
from tests.emulator import chunk
from tests.pictures import encoded, smooth

_SIZES = (1_000, 100_000, 1_000_000)
_SMALL_SIZES = (100, 1_000)
_PAGES = (1_000, 10_000)
_SMALL_PAGES = (20, 40)
_APPENDS = 500
_END_BYTES = 12  # of the last chunk of a PNG
_SUBJECTS = ("lighthouse", "valley", "harbour", "meadow", "workshop", "library", "orchard")
_START = datetime(2026, 1, 1, tzinfo=UTC)
_REQUEST = ImageRequest("a", "mai-image-26", find("mai-image-26"), Size(1024, 1024))
_ID, _PROMPT, _TIME = "0123456789ab", "PROMPT", "2026-01-01T00:00:00.000Z"


def run(folder: Path, env: Mapping[str, str], runs: int) -> None:
    """Print the tables; a single run takes short histories."""
    few = min(runs, 5)
    place = folder / "long-history"
    place.mkdir()
    _records(place, env, _SIZES if runs > 1 else _SMALL_SIZES, few)
    _page(place, env, _PAGES if runs > 1 else _SMALL_PAGES)
    shutil.rmtree(place)


def lines(count: int) -> Iterator[bytes]:
    """Two lines for each of ``count`` records, as ``mai`` writes them; one word is rare."""
    sent = Record.sent(
        _REQUEST, id=_ID, created_at=_START, endpoint="https://contoso.services.ai.azure.com"
    )
    sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    name = f"2026/01/01/000000-{_PROMPT}-{_ID}.png"
    master = Master(name, "/home/me/mai", sha256, 1534022, 1024, 1024, content_credentials=False)
    templates = [
        to_line({**state.to_json(), **more, "prompt": _PROMPT}).decode()
        for state, more in (
            (sent, {}),
            (sent, {"status": "ok", "master": vars(master), "cost_usd": 0.038962, "seconds": 31.4}),
        )
    ]
    for number in range(count):
        subject = _SUBJECTS[number % len(_SUBJECTS)]
        prompt = f"a {subject} at dawn, soft light, number {number}"
        if number == count // 3:
            prompt += ", with a zeppelin"
        moment = f"{_START + timedelta(seconds=number * 30):%Y-%m-%dT%H:%M:%S}.000Z"
        for template in templates:
            line = template.replace(_ID, f"{number:012x}").replace(_PROMPT, prompt)
            yield line.replace(_TIME, moment).encode()


def _records(place: Path, env: Mapping[str, str], sizes: Sequence[int], runs: int) -> None:
    print(f"\nHistory ({runs} runs each; two lines a record)\n")
    print(f"{'':<28}" + "".join(f"{size:>26,}" for size in sizes))
    columns: dict[str, list[str]] = {}
    first: dict[str, float] = {}
    megabytes: list[str] = []
    for size in sizes:
        home = place / f"home-{size}"
        home.mkdir()
        path = home / "history.jsonl"
        with path.open("wb") as file:
            file.writelines(lines(size))
        megabytes.append(f"{path.stat().st_size / 1e6:.1f} MB")
        for name, run in _measured(home, env, size, runs).items():
            base = first.setdefault(name, run.wall)
            cell = f"{run.wall * 1000:9.1f} ms {run.wall / base:5.1f} x"
            cell += f" {run.peak:4.0f} MiB" if run.peak else f"{'':9}"
            columns.setdefault(name, []).append(cell)
        shutil.rmtree(home)
    print(f"{'':<28}" + "".join(f"{text:>26}" for text in megabytes))
    for name, cells in columns.items():
        print(f"{name:<28}" + "".join(f"{cell:>26}" for cell in cells))
    print(
        "\nGoals: append within half as much again of the first column; list 20 within 5 ms beyond"
    )
    print("the start, which 'config get' stands for; search within 1 s and 40 MiB at 1,000,000.")


def _measured(home: Path, env: Mapping[str, str], size: int, runs: int) -> dict[str, Run]:
    env = {**env, "MAI_HOME": str(home)}
    file = str(home / "history.jsonl")

    def mai(*words: str, exit_code: int = 0) -> Command:
        return Command([MAI, "history", *words], env, home, exit_code)

    quick = {
        UNIT: Command([sys.executable, "-I", "-S", "-c", "pass"], env, home),
        "mai config get size": Command([MAI, "config", "get", "size"], env, home),
        "list -n 20 --json": mai("list", "--json"),
        "search lighthouse (common)": mai("search", "lighthouse"),
        "tail -n 20": Command(["/usr/bin/tail", "-n", "20", file], env, home),
    }
    thorough = {
        "list --status refused": mai("list", "--status", "refused"),
        "list --since 2026-01-01 -n 1": mai("list", "--since", "2026-01-01", "-n", "1"),
        "search zeppelin (rare)": mai("search", "zeppelin"),
        "show, the oldest": mai("show", "000000000000"),
        "stats": mai("stats"),
        "verify": mai("verify", exit_code=7),
        "grep -c zeppelin": Command(["/usr/bin/grep", "-c", "zeppelin", file], env, home),
    }
    rounds = {**take_turns(quick, runs), **take_turns(thorough, runs if size < _SIZES[-1] else 1)}
    beyond = difference(rounds["list -n 20 --json"], rounds["mai config get size"])
    return {
        **_append(home / "history.jsonl"),
        **{
            name: Run(median(one.wall for one in its), None, median(one.peak or 0 for one in its))
            for name, its in rounds.items()
        },
        "list 20, beyond config get": Run(median(one.wall for one in beyond)),
    }


def _append(path: Path) -> dict[str, Run]:
    """A line as a request is sent, and one as it has ended, which reads back for tags."""
    history = History(path)
    times: dict[str, list[float]] = {"append sent (with fsync)": [], "append ended": []}
    for number in range(_APPENDS):
        sent = Record.sent(
            _REQUEST, id=f"f{number:011x}", created_at=datetime.now(UTC), endpoint=None
        )
        for record, its in zip((sent, replace(sent, status="ok")), times.values(), strict=True):
            started = time.perf_counter()
            history.append(record)
            its.append(time.perf_counter() - started)
    return {name: Run(median(its)) for name, its in times.items()}


def _page(place: Path, env: Mapping[str, str], sizes: Sequence[int]) -> None:
    print("\nThe web page of a gallery (pictures of 1024x1024)\n")
    heads = ("two cores", "one core", "x", "again", "list", "first paint")
    print(f"{'':<12}" + "".join(f"{head:>12}" for head in heads))
    content = (
        encoded(smooth(1024, 1024)) if len(sizes) and sizes[-1] > 1000 else encoded(smooth(64, 64))
    )
    for size in sizes:
        home = place / f"page-{size}"
        _make_gallery(home, size, content)
        env = {**env, "MAI_HOME": str(home)}
        command = Command([MAI, "history", "gallery"], env, home)
        both = command().wall
        assert len(list((home / "gallery/page/thumbs").rglob("*.webp"))) == size
        again = command().wall
        data = (home / "gallery/page/data.js").stat().st_size / 1e6
        paint = _first_paint(home / "gallery/page/index.html")
        shutil.rmtree(home / "cache")
        shutil.rmtree(home / "gallery/page")
        one = Command(["/usr/bin/taskset", "-c", "0", *command.argv], env, home)().wall
        cells = (f"{both:.1f} s", f"{one:.1f} s", f"{one / both:.2f}", f"{again:.2f} s")
        cells += (f"{data:.1f} MB", "-" if paint is None else f"{paint:.0f} ms")
        print(f"N = {size:<8}" + "".join(f"{cell:>12}" for cell in cells))
        shutil.rmtree(home)
    print("\nGoals: 1.8 x as fast with two cores at 10,000; again within 0.2 s of the start.")


def _first_paint(index: Path) -> float | None:
    """Milliseconds until Chromium shows something of the page; ``None`` where there is none."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver and find_spec("selenium")):
        return None
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService  # noqa: PLC0415
    from selenium.webdriver.support.wait import WebDriverWait  # noqa: PLC0415

    options = ChromeOptions()
    options.binary_location = chromium
    for switch in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(switch)
    with Chrome(options=options, service=ChromeService(executable_path=driver)) as browser:
        browser.get(index.as_uri())
        script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
        taken: float = WebDriverWait(browser, 30).until(lambda _: browser.execute_script(script))
        return taken


def _make_gallery(home: Path, size: int, content: bytes) -> None:
    """``size`` records with a picture each, which differ by a chunk that says nothing."""
    gallery = home / "gallery" / "2026"
    gallery.mkdir(parents=True)
    with (home / "history.jsonl").open("wb") as file:
        for number, line in enumerate(lines(size)):
            state = json.loads(line)
            if state["master"]:
                mark = chunk(b"maRk", str(number).encode())
                picture = content[:-_END_BYTES] + mark + content[-_END_BYTES:]
                (gallery / f"{number}.png").write_bytes(picture)
                state["master"] |= {
                    "gallery": str(home / "gallery"),
                    "path": f"2026/{number}.png",
                    "sha256": sha256(picture).hexdigest(),
                }
            file.write(to_line(state))
