"""What only this machine knows and completions offer: profiles, deployments, ids, tags.

``mai --values KIND`` is what a shell asks at a TAB, while a person waits. So this is a composition
root of its own: it loads no Typer, checks no setting, and reads the end of the history only.
"""

from collections import ChainMap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from mai_cli.models.home import expand_home
from mai_cli.stores.config_text import find_project, read_text
from mai_cli.stores.history_lines import State, lines_from_the_end, newest_first
from mai_cli.stores.paths import find_paths
from mai_cli.terminal.output import Output

MAX_IDS = 30
MAX_SEARCHED = 500
"""So many of the newest records are looked at for tags and deployments."""

MAX_ABOUT = 60
FAVORITE = "favorite"
LAST = "last"

Pairs = Iterable[tuple[str, str]]


def show(kind: str, environ: Mapping[str, str]) -> None:
    """Print the values of ``kind``, one a line, each with a tab and what it is.

    Whatever is wrong, nothing more is printed and nothing is said: it would end up in the middle of
    the line that a person types.
    """
    with suppress(Exception, SystemExit):
        output = Output()
        for value, about in KINDS[kind](Machine(environ)):
            if _is_usable(value):
                output.row([value, _shortened(about)])


def _is_usable(value: object) -> bool:
    """Whether ``value`` can be typed as an argument; hostile files may have anything."""
    return isinstance(value, str) and value.isprintable() and value[:1] not in ("", "-")


def _shortened(about: object) -> str:
    text = " ".join(about[: MAX_ABOUT * 2].split()) if isinstance(about, str) else ""
    return text if len(text) <= MAX_ABOUT else f"{text[: MAX_ABOUT - 1]}…"


class Machine:
    """The files of this machine, read as far as they are asked for."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._paths = find_paths(environ)
        self.user = _content(self._paths.config)

    def files(self) -> Iterator[Mapping[str, Any]]:
        """What the configuration files say; the one that wins comes first."""
        if project := find_project(Path.cwd()):
            yield _content(project)
        yield self.user

    def table(self, name: str) -> Mapping[str, Any]:
        """The tables of that name, such as the profiles, of all files."""
        return ChainMap(*(dict(file.get(name, {})) for file in self.files()))

    @property
    def history(self) -> Path:
        """Where the history is; the same as in the settings, which a project cannot change."""
        chosen = self._environ.get("MAI_PROFILE", "").strip()
        profile = self.user.get("profiles", {}).get(chosen, {})
        if path := self._environ.get("MAI_HISTORY"):
            return expand_home(Path(path.strip()))
        if path := profile.get("history") or self.user.get("history"):
            return self._paths.config.parent / expand_home(Path(path.strip()))
        return self._paths.history

    def records(self, most: int) -> Iterator[State]:
        """At most so many records, the newest first."""
        if self.history.is_file():  # a pipe would be waited for
            with self.history.open("rb") as file:
                yield from islice(newest_first(lines_from_the_end(file)), most)


def _content(path: Path) -> dict[str, Any]:
    text = read_text(path) if path.is_file() else ""
    if not text:
        return {}
    import tomllib  # noqa: PLC0415 - many have no file

    return tomllib.loads(text)


def _profiles(machine: Machine) -> Pairs:
    for name, values in machine.table("profiles").items():
        yield name, values.get("deployment", "")


def _deployments(machine: Machine) -> Pairs:
    """The configured ones, then those of the newest records; each once."""
    tables = machine.table("deployments")
    files = list(machine.files())
    profiles = [values for file in files for values in file.get("profiles", {}).values()]
    named = [values.get("deployment") for values in (*files, *profiles)]
    seen = (record.get("deployment") for record in machine.records(MAX_SEARCHED))
    for name in _once((*named, *tables, *seen)):
        yield name, tables.get(name, {}).get("model", "")


def _ids(machine: Machine) -> Pairs:
    for number, record in enumerate(machine.records(MAX_IDS)):
        prompt = record.get("prompt")
        about = "(private)" if prompt is None else prompt
        if not number:
            yield LAST, about
        yield record["id"], about


def _tags(machine: Machine) -> Pairs:
    lists = (record.get("tags") for record in machine.records(MAX_SEARCHED))
    used = (tag for tags in lists if isinstance(tags, list) for tag in tags)
    for tag in _once((FAVORITE, *used)):
        yield tag, "is not pruned" if tag == FAVORITE else ""


def _once(values: Iterable[object]) -> Iterator[str]:
    yield from dict.fromkeys(value for value in values if isinstance(value, str))


KINDS: Mapping[str, Callable[[Machine], Pairs]] = {
    "profiles": _profiles,
    "deployments": _deployments,
    "ids": _ids,
    "tags": _tags,
}
