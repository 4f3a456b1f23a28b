"""What the web page of a gallery says of each picture."""

import json
import os
import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any
from urllib.parse import quote

State = Mapping[str, Any]

_DIGEST = re.compile(r"[0-9a-f]{64}")
_SIZE = ("width", "height")
_OPTIONS = {"background": "--background"}


def masters_of(states: Iterable[State]) -> list[tuple[State, Path]]:
    """The records that have a picture, and where each is; whether it is there is not asked."""
    found = []
    for state in states:
        match state:
            case {
                "status": "ok",
                "id": str(),
                "master": {"gallery": str(gallery), "path": str(path), "sha256": str(sha256)},
            } if _DIGEST.fullmatch(sha256):
                found.append((state, Path(gallery, path)))
    return found


def page_item(state: State, picture: str, thumb: str | None) -> dict[str, object]:
    """What the page says of one picture; ``picture`` and ``thumb`` are relative URLs."""
    master = state["master"]
    request = state.get("request")
    fields = request if isinstance(request, dict) else {}
    return {
        "id": state["id"],
        "when": state.get("created_at"),
        "prompt": _text(state.get("prompt")),
        "alt": _text(state.get("alt")),
        "model": state.get("model"),
        "deployment": state.get("deployment"),
        "profile": state.get("profile"),
        "width": master.get("width"),
        "height": master.get("height"),
        "bytes": master.get("bytes"),
        "cost_usd": state.get("cost_usd"),
        "seconds": state.get("seconds"),
        "offline": bool(state.get("offline")),
        "signed": bool(master.get("content_credentials")),
        "tags": _texts(state.get("tags")),
        "params": {key: value for key, value in fields.items() if key not in _SIZE},
        "images": [PurePath(path).name for path in _images(state)],
        "picture": picture,
        "thumb": thumb,
        "command": command_of(state),
        "rerun_of": state.get("rerun_of"),
    }


def command_of(state: State) -> str | None:
    """The command line that asks for the same; ``None`` where the prompt is private."""
    prompt, request = state.get("prompt"), state.get("request")
    if not isinstance(prompt, str) or not isinstance(request, dict):
        return None
    words = ["mai", "generate", *(["--"] if prompt.startswith("-") else []), prompt]
    fields = dict(request)
    width, height = (fields.pop(key, None) for key in _SIZE)
    options: list[str] = []
    if width and height:
        options += ["-s", f"{width}x{height}"]
    if fields.pop("auto_aspect_ratio", False):
        options += ["-s", "auto"]
    if fields.pop("web_grounding", False):
        options.append("--web-grounding")
    for key, value in fields.items():
        if key in _OPTIONS:
            options += [_OPTIONS[key], str(value)]
        else:
            options += ["--param", f"{key}={json.dumps(value, ensure_ascii=False)}"]
    for path in _images(state):
        options += ["-i", path]
    if deployment := state.get("deployment"):
        options += ["-d", str(deployment)]
    return shlex.join([*words[:2], *options, *words[2:]])


def url_between(folder: Path, file: Path) -> str:
    """The relative URL of ``file`` for a page in ``folder``; a whole one on another drive."""
    try:
        path = os.path.relpath(file, folder)
    except ValueError:  # on Windows
        return file.as_uri()
    return quote(os.fsencode(path.replace(os.sep, "/")))


def _images(state: State) -> list[str]:
    """The paths of the reference pictures."""
    images = state.get("images")
    found = images if isinstance(images, list) else []
    return [str(image.get("path")) for image in found if isinstance(image, dict)]


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
