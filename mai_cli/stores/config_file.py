"""``config.toml`` and a project's ``.mai.toml``: reading them, mistakes named by file and line."""

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Never

from mai_cli.errors import ConfigError
from mai_cli.models.keys import DEPLOYMENT_KEYS, KEYS, did_you_mean
from mai_cli.models.settings import ConfigFile
from mai_cli.stores.config_text import read_text, unreadable

TABLES = ("profiles", "deployments")

_KEEPS_QUIET: dict[str, object] = {"private": True, "metadata": False}
"""What a project may set in one direction only: it must not tell more than the user wants."""

_DEPTH = 3  # no setting is deeper

_START = re.compile(r"[^=#]+=")


def read(path: Path, *, is_project: bool = False) -> ConfigFile:
    """The settings in the file at ``path``; none if there is no such file.

    Raises:
        ConfigError: The file cannot be read, is not TOML, has a key that ``mai`` does not know,
            or is a project's and has one that a project may not set.
    """
    text = read_text(path)
    if not text:
        return ConfigFile(path, is_project)
    import tomllib  # noqa: PLC0415 - many have no file

    try:
        content = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise unreadable(f"{path} is not TOML: {error}.") from None
    file = ConfigFile(
        path,
        is_project,
        values={name: value for name, value in content.items() if name not in TABLES},
        profiles=content.get("profiles", {}),
        deployments=content.get("deployments", {}),
        lines=dict(_lines(text)),
    )
    _check(file)
    return file


@contextmanager
def offer(path: Path, start: str) -> Iterator[None]:
    """Have a file at ``path`` while it is edited: what is there, else one that says ``start``.

    Where nothing was made of it, it goes again.

    Raises:
        ConfigError: It cannot be made.
    """
    from mai_cli.stores.atomic import make_folder  # noqa: PLC0415 - reading needs none of it

    try:
        if not os.path.lexists(path):
            make_folder(path.parent)
            with path.open("x", encoding="utf-8") as file:
                file.write(start)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.",
            code="cannot_write",
            hint="Make room, or change the permissions of its folder.",
        ) from None
    try:
        yield
    finally:
        with suppress(ConfigError, OSError):
            if read_text(path) == start:
                path.unlink()


def _check(file: ConfigFile) -> None:
    """See that every name in ``file`` is one that may stand where it stands."""
    known = [key.name for key in KEYS if key.in_file]
    _check_names(file, (), file.values, [*known, *TABLES])
    for table, keys in (
        ("profiles", known),
        ("deployments", [key.name for key in DEPLOYMENT_KEYS]),
    ):
        tables: object = getattr(file, table)
        if not isinstance(tables, Mapping):
            _refuse(file, (table,), f"'{table}' is not a table", f"Write it as [{table}.NAME].")
        for name, values in tables.items():
            if not isinstance(values, Mapping):
                what = f"'{table}.{name}' is not a table"
                _refuse(file, (table, name), what, f"Write it as [{table}.{name}].")
            _check_names(file, (table, name), values, keys)


def _check_names(
    file: ConfigFile, table: tuple[str, ...], values: Mapping[str, object], known: list[str]
) -> None:
    own = {key.name for key in KEYS if not key.in_project} if table[:1] != ("deployments",) else ()
    for name in values:
        names = (*table, name)
        if name == "api_key":
            what = "a key does not belong in this file"
            _refuse(
                file, names, what, "Store it with 'mai config set api_key', and remove it here."
            )
        if name not in known:
            what = f"there is no setting '{'.'.join(names)}'"
            _refuse(file, names, what, did_you_mean(name, known))
        if file.is_project and name in own:
            what = (
                f"a project may not set '{name}': a repository that was cloned could send "
                "requests, keys or files elsewhere"
            )
            advice = f"Remove it there, and set it for yourself: mai config set {name} ..."
            _refuse(file, names, what, advice)
        if file.is_project and values[name] is not _KEEPS_QUIET.get(name, values[name]):
            ways = ("on", "off") if _KEEPS_QUIET[name] else ("off", "on")
            what = f"a project may switch '{name}' {ways[0]}, but not {ways[1]}"
            _refuse(file, names, what, "Remove it there.")


def _refuse(file: ConfigFile, names: tuple[str, ...], what: str, advice: str) -> Never:
    place = file.origin(*names)
    raise ConfigError(f"{place}: {what}.", code="bad_setting", hint=advice)


def _lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """On which line each key and table stands."""
    table: tuple[str, ...] = ()
    seen = set()
    quotes = ""  # of a text that goes over several lines
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if quotes:
            quotes = "" if quotes in line else quotes
            continue
        quotes = next(
            (mark for mark in ('"""', "'''") if line.partition("#")[0].count(mark) % 2), ""
        )
        for names in _names(line):
            if line.lstrip().startswith("["):
                table, names = names, ()  # noqa: PLW2901
            path = (*table, *names)
            for depth in range(1, len(path) + 1):
                if path[:depth] not in seen:  # the first one counts, also for what is above it
                    seen.add(path[:depth])
                    yield path[:depth], number


def _names(line: str) -> list[tuple[str, ...]]:
    """The names that ``line`` gives a value to, or that of the table that it begins."""
    import tomllib  # noqa: PLC0415 - many have no file

    start = _START.match(line)
    for text in (line, f"{start[0]} 0" if start else ""):  # the value may end in another line
        try:
            return [names for names in _paths(tomllib.loads(text)) if names]
        except (ValueError, RecursionError):
            continue
    return []


def _paths(value: object, depth: int = _DEPTH) -> Iterator[tuple[str, ...]]:
    """The ways that lead to the values in ``value``, as deep as settings are."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        value = value[0]
    if not isinstance(value, dict) or not value or not depth:
        yield ()
        return
    for name, inner in value.items():
        yield from ((name, *path) for path in _paths(inner, depth - 1))
