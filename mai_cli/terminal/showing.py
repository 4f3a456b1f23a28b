"""How results are shown: as lines to people, as JSON to programs."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mai_cli.terminal.output import Output
from mai_cli.terminal.wording import dollars

if TYPE_CHECKING:  # each command loads what it shows, and nothing of the others
    from mai_cli.models.check import Check
    from mai_cli.models.outcome import Outcome
    from mai_cli.models.plan import Plan
    from mai_cli.models.record import Record
    from mai_cli.models.setting import Profile, Setting
    from mai_cli.terminal.preview import Preview


def show_outcome(output: Output, outcome: "Outcome", *, to_stdout: bool) -> None:
    """Show what became of one picture; ``to_stdout`` writes the picture itself."""
    record = outcome.record
    if output.json:
        output.object(record.to_json())
    elif outcome.path and to_stdout:
        output.file(outcome.path)
    else:
        for path in outcome.results:
            output.path(path)
    for note in outcome.notes:
        output.note(note)
    if outcome.error:
        output.error(outcome.error, with_json=False)
        output.note(f"Recorded as {record.status}, id {record.id}")
    else:
        output.note(_summary(record))


def show_preview(output: Output, preview: "Preview", outcome: "Outcome") -> None:
    """Show the picture itself in the terminal, if there is one."""
    if outcome.path is not None:
        show_picture(output, preview, outcome.path)


def show_picture(output: Output, preview: "Preview", path: Path) -> None:
    """Show the picture at ``path`` in the terminal."""
    try:
        preview.show(path)
    except OSError as error:
        output.note(f"The picture cannot be shown: {error.strerror}.")
    except ValueError as error:
        output.note(f"The picture cannot be shown: it {error}.")


def show_plan(output: Output, plan: "Plan") -> None:
    """Show what a run would do."""
    if output.json:
        output.object(plan.to_json())
        return
    for item in plan.items:
        output.text(f"POST {item.url or 'to this machine (offline)'}")
        output.text(json.dumps(item.body, ensure_ascii=False))
        for image in item.images:
            output.text(f"Reference: {image}")
        for path in item.outputs:
            output.text(f"Output: {path}")
    count = len(plan.items)
    pictures = "1 picture" if count == 1 else f"{count} pictures"
    cost = dollars(plan.cost_usd)
    about = "about " if cost.startswith("$") else ""
    output.text(f"{pictures}, {about}{cost}. Nothing was sent.")


def _fields(request: Mapping[str, object]) -> str:
    return ", ".join(
        f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in request.items()
    )


def _size(file: Mapping[str, Any]) -> str:
    return f"{file['width']}x{file['height']}, {file['bytes']} bytes"


def _cost(state: Mapping[str, Any]) -> list[str]:
    if state["master"] is None:
        return []
    if state["cost_usd"] is None:
        return ["not known"]
    return ["free" if state["offline"] else dollars(state["cost_usd"])]


_FACTS: dict[str, Callable[[Mapping[str, Any]], Iterable[str]]] = {
    "id": lambda state: [state["id"]],
    "status": lambda state: [state["status"]],
    "created": lambda state: [state["created_at"]],
    "prompt": lambda state: ["(private)" if state["prompt"] is None else state["prompt"]],
    "model": lambda state: [f"{state['model'] or 'not known'} (deployment {state['deployment']})"],
    "profile": lambda state: [state["profile"]] if state["profile"] else [],
    "endpoint": lambda state: [state["endpoint"] or "this machine (offline)"],
    "request": lambda state: [_fields(state["request"])] if state["request"] else [],
    "reference": lambda state: [image["path"] for image in state["images"]],
    "picture": lambda state: [str(Path(state["master"]["gallery"]) / state["master"]["path"])],
    "size": lambda state: [_size(state["master"])],
    "signed": lambda state: (
        ["it has content credentials"] if state["master"]["content_credentials"] else []
    ),
    "export": lambda state: [f"{file['path']} ({_size(file)})" for file in state["exports"]],
    "cost": _cost,
    "time": lambda state: [f"{state['seconds']:.0f} s"],
    "tags": lambda state: [", ".join(state["tags"])] if state["tags"] else [],
    "batch": lambda state: [f"{state['batch']['asset']} of {state['batch']['manifest']}"],
    "alt": lambda state: [state["alt"]] if state["alt"] else [],
    "rerun of": lambda state: [state["rerun_of"]] if state["rerun_of"] else [],
    "error": lambda state: [state["error"]["message"]],
}


def show_record(output: Output, state: Mapping[str, Any]) -> None:
    """Show one record of the history in full."""
    if output.json:
        output.object(state)
        return
    for name, fact in _FACTS.items():
        # A record may be of a later version: what is not understood is left out.
        with suppress(KeyError, TypeError, ValueError, AttributeError):
            for text in fact(state):
                output.text(f"{name:<11}{text}")


def show_settings(output: Output, settings: Sequence["Setting"]) -> None:
    """Show settings with their values and where those come from."""
    width = max(len(setting.key) for setting in settings) + 2
    for setting in settings:
        if output.json:
            output.object(setting.to_json())
        elif not setting.texts:
            output.text(f"{setting.key:<{width}}(not set)")
        else:
            output.text(f"{setting.key:<{width}}{', '.join(setting.texts)}  ({setting.origin})")


def show_profile(output: Output, profile: "Profile") -> None:
    """Show one profile; a star marks the one in use."""
    if output.json:
        output.object(profile.to_json())
        return
    mark = "*" if profile.is_in_use else " "
    output.text(f"{mark} {profile.name:<10}  {', '.join(profile.texts)}".rstrip())


def check_lines(check: "Check") -> list[str]:
    """What a check found, for people."""
    seconds = f" ({check.seconds:.1f} s)" if check.seconds >= 0.1 else ""  # noqa: PLR2004 - felt
    lines = [f"{check.result:<9}{check.name:<12}{check.message}{seconds}"]
    if check.hint:
        lines.append(f"{'':<21}{check.hint}")
    return lines


def _summary(record: "Record") -> str:
    """One line about a picture that was made."""
    size = f"{record.master.width}x{record.master.height}" if record.master else ""
    cost = "free" if record.offline else dollars(record.cost_usd)
    return f"{size}, {cost}, {record.seconds or 0:.0f} s, id {record.id}"
