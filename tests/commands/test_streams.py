"""What goes to which stream, seen as a terminal, a pipe and a script see it."""

import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pyte
import pytest
from PIL import Image

from tests.conftest import MAI
from tests.emulator import BUSY, KEY, Answer, Emulator, error, png


def on_terminal(
    command: list[str] | str, env: dict[str, str], cwd: Path, columns: int = 100
) -> tuple[int, list[list[str]]]:
    """Run ``command`` on a real terminal; its exit code, and the screens that a person saw."""
    screen = pyte.Screen(columns, 24)
    stream = pyte.ByteStream(screen)
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        command,
        env=env | {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "24"},
        cwd=cwd,
        stdin=follower,
        stdout=follower,
        stderr=follower,
        shell=isinstance(command, str),
        start_new_session=True,
    )
    os.close(follower)
    screens: list[list[str]] = []
    while True:
        if select.select([leader], [], [], 0.05)[0]:
            try:
                data = os.read(leader, 1 << 16)
            except OSError:
                break
            stream.feed(data)
        lines = [line.rstrip() for line in screen.display]
        if not screens or screens[-1] != lines:
            screens.append(lines)
    os.close(leader)
    return process.wait(10), screens


def test_a_person_sees_the_time_pass_and_then_the_result(foundry, env, tmp_path):
    foundry.latency = 2.5
    code, screens = on_terminal([*MAI, "generate", "x", "--no-preview"], env, tmp_path)

    seen = "\n".join(line for screen in screens for line in screen)
    assert code == 0
    assert "Drawing 0:00:01" in seen
    final = [line for line in screens[-1] if line]
    assert len(final) >= 2
    assert "".join(final[:-1]).endswith(".png")
    assert final[-1].startswith("1024x1024, $0.04, ")


def test_the_pipe_of_a_terminal_carries_the_paths(foundry, env, tmp_path, masters):
    foundry.latency = 1.2
    command = f"{MAI[0]} generate x -n 2 | cat > paths.txt"
    code, screens = on_terminal(command, env, tmp_path)

    paths = (tmp_path / "paths.txt").read_text().splitlines()
    assert code == 0
    assert sorted(paths) == [str(master) for master in masters()]
    assert any("Drawing 2 of 2" in line for screen in screens for line in screen)


def test_a_note_while_drawing_does_not_break_the_screen(foundry, env, tmp_path):
    foundry.latency = 0.3
    foundry.will(BUSY)
    _, screens = on_terminal([*MAI, "generate", "x", "--no-preview"], env, tmp_path, columns=160)

    assert any("Trying again in 0 s." in line for line in screens[-1])


def test_no_color_and_color(foundry, env, tmp_path):
    def raw(*args: str, **more: str) -> bytes:
        leader, follower = pty.openpty()
        process = subprocess.Popen(
            [*MAI, "generate", "x", "-s", "abc", *args],
            env=env | {"TERM": "xterm"} | more,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=follower,
        )
        process.wait(30)
        os.close(follower)
        data = os.read(leader, 1 << 16)
        os.close(leader)
        return data

    assert b"\x1b[31mError" in raw()
    for plain in (raw("--no-color"), raw(NO_COLOR="1"), raw(TERM="dumb")):
        assert b"\x1b" not in plain
        assert b"Error" in plain


def test_a_pipe_gets_no_progress_and_no_color(mai, foundry):
    foundry.latency = 0.3
    result = mai("generate", "x", FORCE_COLOR="1", TTY_COMPATIBLE="1")

    assert "\x1b" not in result.err
    assert "Drawing" not in result.err


def test_quiet_leaves_only_results_and_errors(mai, foundry):
    assert mai("generate", "x", "-q", "-d", "my-pics").err == ""
    foundry.will(error(400, "bad", "no"))
    assert mai("generate", "x", "-q").err.startswith("Error: ")


def test_verbose_names_each_request_but_never_the_key(mai, foundry):
    foundry.will(BUSY)
    result = mai("generate", "x", "-v")

    url = f"POST {foundry.url}/mai/v1/images/generations"
    assert f"{url}: 429 in 0.0 s, request id" in result.err
    assert f"{url}: 200 in 0.0 s, request id" in result.err
    assert KEY not in result.err


@pytest.mark.parametrize("args", [[], ["--json"], ["-v"], ["-v", "--json", "-o", "copy.png"]])
def test_the_key_is_nowhere(mai, foundry, tmp_path, args):
    foundry.will(error(400, "bad", f"Your key {KEY} is odd."))
    results = [mai("generate", "x", *args), mai("generate", "x", *args)]

    assert [result.code for result in results] == [5, 0]
    for result in results:
        assert KEY.encode() not in result.out
        assert KEY not in result.err
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()


def test_control_characters_from_outside_are_made_visible(mai, foundry):
    foundry.will(error(400, "bad", "\x1b]0;owned\x07 \u202egnp.exe"))
    result = mai("generate", "x")

    assert "\\x1b]0;owned\\x07 \\u202egnp.exe" in result.err
    assert "\x1b" not in result.err


def test_a_closed_pipe_ends_it_quietly_before_more_is_paid(foundry, env, tmp_path):
    foundry.latency = 0.2
    done = subprocess.run(
        f"{MAI[0]} generate x -n 5 | true; echo ${{PIPESTATUS[0]}}",
        env=env,
        cwd=tmp_path,
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.stdout == b"141\n"
    assert b"Traceback" not in done.stderr
    assert len(foundry.received) == 1


def test_a_full_disk_behind_stdout_is_told(env, masters, tmp_path):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*MAI, "generate", "x"],
            env=env,
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )

    assert done.returncode == 7
    assert b"Standard output cannot be written: No space left" in done.stderr
    assert len(masters()) == 1


@pytest.mark.parametrize(
    ("closed", "code"), [("<&-", 0), (">&-", 141), ("2>&-", 0), ("<&- >&- 2>&-", 141)]
)
def test_streams_that_are_closed_lose_no_picture(env, tmp_path, masters, history, closed, code):
    done = subprocess.run(
        f"{MAI[0]} generate x {closed}",
        env=env,
        cwd=tmp_path,
        shell=True,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == code
    assert b"Traceback" not in done.stderr
    assert [record["status"] for record in history().values()] == ["ok"]
    assert len(masters()) == 1


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_no_file_takes_the_place_of_a_stream_that_is_closed(env, tmp_path, history, closed):
    Image.new("RGB", (900, 900)).save(tmp_path / "a.tiff")
    command = f"{MAI[0]} generate x -i a.tiff {closed}"
    subprocess.run(command, env=env, cwd=tmp_path, shell=True, timeout=60, check=False)

    assert [record["status"] for record in history().values()] == ["ok"]


def test_output_is_flushed_a_line_at_a_time(env, tmp_path):
    with Emulator(latency=0.5) as slow:
        process = subprocess.Popen(
            [*MAI, "generate", "x", "-n", "2", "-q"],
            env=env | {"MAI_ENDPOINT": slow.url},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
        )
        first = process.stdout.readline()
        arrived = time.monotonic()
        process.wait(30)
        ended = time.monotonic()
        process.stdout.close()

    assert first.endswith(b".png\n")
    assert ended - arrived > 0.2


def test_a_latin_locale_changes_nothing(mai):
    result = mai(
        "generate", "Zürich ☕", "--json", LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING="ascii"
    )

    assert result.code == 0
    assert result.objects[0]["prompt"] == "Zürich ☕"


ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize("more", [{}, ASCII | {"PYTHONIOENCODING": "ascii:strict"}, ASCII])
def test_names_that_no_encoding_has_are_names_in_any_locale(mai, tmp_path, foundry, history, more):
    folder = os.fsencode(tmp_path) + b"/d\xff"
    os.mkdir(folder)  # noqa: PTH102 - a name of bytes
    for name, data in ((b"ref\xff.png", png(768, 768)), (b"m\xff.txt", "Zürich ☕\n".encode())):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(data)
    place = os.fsdecode(folder)
    made = mai("generate", "x", "-i", f"{place}/ref\udcff.png", "-o", f"{place}/\udcfe.png", **more)
    batch = mai("batch", f"{place}/m\udcff.txt", **more)
    found = mai("history", "show", f"{place}/\udcfe.png", "--json", **more)
    listed = mai("history", "list", MAI_GALLERY=f"{place}/gallery", **more)

    assert [result.code for result in (made, batch, found, listed)] == [0, 0, 0, 0]
    assert made.out == folder + b"/\xfe.png\n"
    assert (len(foundry.received), len(history())) == (2, 2)
    (record,) = found.objects
    assert record["exports"][0]["path"] == f"{place}/\udcfe.png"
    assert "Zürich ☕" in listed.lines[0]


def test_no_proxy_gets_to_see_a_key_on_its_way_on_this_machine(run, env, foundry):
    with Emulator() as proxy:
        through = dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), proxy.url)
        settings = {name: env[name] for name in env if name != "NO_PROXY"}
        url = foundry.url.replace("127.0.0.1", "localhost")
        result = run(settings | through | {"MAI_ENDPOINT": url}, "generate", "x")

        assert result.code == 0
        assert (proxy.received, len(foundry.received)) == ([], 1)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(400, headers={"apim-request-id": f"id-{KEY}"}),
        Answer(307, headers={"apim-request-id": KEY, "Location": "https://x.example"}),
        Answer(200, b'{"%s": 1}' % KEY.encode()),
        Answer(500, headers={"x-ms-request-id": KEY, "apim-request-id": "", "Retry-After": "9999"}),
    ],
)
def test_a_key_that_comes_back_anywhere_is_masked(mai, foundry, home, answer):
    foundry.always(answer)
    result = mai("generate", "x", "-v", "--json")

    assert KEY.encode() not in result.out
    assert KEY not in result.err
    assert KEY.encode() not in (home / "history.jsonl").read_bytes()
