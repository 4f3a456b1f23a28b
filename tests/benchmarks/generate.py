"""What one ``mai generate`` adds to the time that the service takes.

Run as a program, this serves the picture to the benchmark, so that serving costs nothing there.
"""

import base64
import json
import os
import socket
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

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
    ratio,
    take_turns,
)
from tests.emulator import KEY, Answer, Emulator, chunk

_PROJECT = Path(__file__).parents[2]
_SIDE = 1024
_IDAT_BYTES = 8192  # as libpng writes them
_ADDED = Goal(ratio=14)
_MEMORY = Goal(mib=40)
_TO_OPENAI = 0.35

_HTTPX = """
import base64
import os
from pathlib import Path

import httpx

response = httpx.post(
    os.environ["MAI_ENDPOINT"] + "/mai/v1/images/generations",
    headers={"api-key": os.environ["MAI_API_KEY"]},
    json={"model": "mai-image-26", "prompt": "a lighthouse", "width": 1024, "height": 1024},
    timeout=300,
)
response.raise_for_status()
Path("httpx.png").write_bytes(base64.b64decode(response.json()["data"][0]["b64_json"]))
"""
_OPENAI = """
import base64
import os
from pathlib import Path

from openai import OpenAI

client = OpenAI(base_url=os.environ["MAI_ENDPOINT"] + "/mai/v1", api_key=os.environ["MAI_API_KEY"])
answer = client.images.generate(
    model="mai-image-26", prompt="a lighthouse", extra_body={"width": 1024, "height": 1024}
)
Path("openai.png").write_bytes(base64.b64decode(answer.data[0].b64_json))
"""


def run(folder: Path, env: Mapping[str, str], runs: int) -> None:
    """Print the table; ``env`` has no endpoint yet."""
    with _emulator() as url:
        service = {"MAI_ENDPOINT": url, "MAI_API_KEY": KEY, "MAI_DEPLOYMENT": "mai-image-26"}
        env = {**env, **service}
        clients: dict[str, Subject] = {
            "mai generate": Command([MAI, "generate", "a lighthouse"], env, folder),
            "script with httpx": _script(folder / "with_httpx.py", _HTTPX, env),
        }
        if find_spec("openai"):
            clients["script with openai"] = _script(folder / "with_openai.py", _OPENAI, env)
        unit = Command([sys.executable, "-c", "pass"], env, folder)
        taken = take_turns({UNIT: unit, "emulator alone": lambda: _ask(url), **clients}, runs)
    added = {name: difference(taken[name], taken["emulator alone"]) for name in clients}
    rows = [Row(name, its) for name, its in taken.items() if name not in clients]
    for name in clients:
        is_mai = name == "mai generate"
        rows.append(Row(name, taken[name], _MEMORY if is_mai else Goal()))
        rows.append(Row("  what it adds", added[name], _ADDED if is_mai else Goal()))
    heading = f"One picture ({runs} runs each, in turns; no latency; x: to {UNIT})"
    print_table(heading, rows, taken[UNIT])
    print()
    if "script with openai" in added:
        part = ratio(added["mai generate"], added["script with openai"])
        verdict = "ok" if part <= _TO_OPENAI else "over"
        print(f"mai adds {part:.2f} of what openai adds, goal <= {_TO_OPENAI}: {verdict}")
    else:
        print("openai: not installed, not compared")
    if find_spec("click"):
        print("click is installed, so httpx loads its own command line: slower than without")


def _script(path: Path, text: str, env: Mapping[str, str]) -> Command:
    path.write_text(text)
    return Command([sys.executable, str(path)], env, path.parent)


def _ask(url: str) -> Run:
    """Send the request that ``mai`` sends, and read the answer to its end."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    fields = {"model": "mai-image-26", "prompt": "a lighthouse", "width": _SIDE, "height": _SIDE}
    body = json.dumps(fields).encode()
    head = (
        f"POST /mai/v1/images/generations HTTP/1.1\r\nHost: {host}:{port}\r\napi-key: {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n"
    )
    request = f"{head}\r\n".encode() + body
    started = time.perf_counter()
    with socket.create_connection((host, port)) as connection:
        connection.sendall(request)
        while connection.recv(1 << 16):
            pass
    return Run(time.perf_counter() - started)


@contextmanager
def _emulator() -> Iterator[str]:
    """The URL of an emulator in a process of its own, which serves a picture to every request."""
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.generate"],
        cwd=_PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:  # its input ends with it
        assert server.stdout
        yield server.stdout.readline().strip()


def _serve() -> None:
    """Serve until standard input ends."""
    usage = {"num_input_text_tokens": 6, "num_output_tokens": 1024}
    text = base64.b64encode(_noise()).decode()
    body = json.dumps({"created": 0, "data": [{"b64_json": text}], "usage": usage})
    with Emulator() as emulator:
        emulator.always(Answer(body=body.encode()))
        print(emulator.url, flush=True)
        sys.stdin.read()


def _noise() -> bytes:
    """A PNG of four random bits in each colour, about as large as a real picture of that size."""
    low_bits = bytes(value & 15 for value in range(256))
    rows = [b"\0" + os.urandom(3 * _SIDE).translate(low_bits) for _ in range(_SIDE)]
    packer = zlib.compressobj(strategy=zlib.Z_HUFFMAN_ONLY)  # there is nothing that repeats
    data = packer.compress(b"".join(rows)) + packer.flush()
    header = struct.pack(">IIBBBBB", _SIDE, _SIDE, 8, 2, 0, 0, 0)
    parts = [data[i : i + _IDAT_BYTES] for i in range(0, len(data), _IDAT_BYTES)]
    chunks = [(b"IHDR", header), *((b"IDAT", part) for part in parts), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, data) for kind, data in chunks)


if __name__ == "__main__":
    _serve()
