"""Changing a TOML file of the user's: comments and order stay, and it is whole or as it was."""

import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from mai_cli.errors import ConfigError
from mai_cli.stores import atomic
from mai_cli.stores.config_text import read_text
from mai_cli.stores.file_lock import locked

Changes = Mapping[tuple[str, ...], object]
"""New values by the names that lead to them: ``("profiles", "work", "size")``."""


def change(path: Path, changes: Changes, *, mode: int = 0o666) -> bool:
    """Make ``changes`` in the file at ``path``, all of them or none; ``None`` removes a key.

    Processes that change it at once wait for each other, so none loses what another wrote. A
    file that is new gets ``mode``; an old one keeps its own, without what ``mode`` forbids.
    Returns whether anything changed.

    Raises:
        ConfigError: The file cannot be read or written, or is not TOML; it is as before.
    """
    target = Path(os.path.realpath(path))  # a link, as keepers of dotfiles make them, stays one
    if target.exists() and not target.is_file():
        raise _not_possible(f"{path} is not a file.")
    try:
        atomic.make_folder(target.parent)
        with locked(target.with_name(f"{target.name}.lock"), mode=mode):
            atomic.partial_of(target).unlink(missing_ok=True)  # a killed one may have left a key
            text = read_text(target)
            changed = text
            for names, value in changes.items():
                changed = _changed(path, changed, names, value)
            if changed == text:
                return False
            atomic.write(target, [changed.encode()], mode=mode)
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.",
            code="cannot_write",
            hint="Make room, or change the permissions of the file and its folder.",
        ) from None
    return True


def _changed(path: Path, text: str, names: tuple[str, ...], value: object) -> str:
    """``text`` with one key changed, and nothing else: that is checked before it is believed."""
    try:
        tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise _not_possible(f"{path} is not TOML: {error}.") from None
    try:
        for candidate, wanted in _candidates(text, names, value):
            if "\r\n" in text:  # written on Windows; every line is to end in the same way
                candidate = candidate.replace("\r\n", "\n").replace("\n", "\r\n")  # noqa: PLW2901
            if _is(candidate, wanted):
                return candidate
    except (TOMLKitError, ValueError, TypeError, AttributeError, RecursionError):
        pass
    raise _not_possible(f"{path} cannot be changed as it stands.")


def _candidates(
    text: str, names: tuple[str, ...], value: object
) -> Iterator[tuple[str, dict[str, object]]]:
    """Texts with the change made, the better first, each with what it must say."""
    document, wanted = tomlkit.parse(text), tomllib.loads(text)
    was_there = _put(document, names, value)
    _put(wanted, names, value)
    changed = tomlkit.dumps(document)
    if value is not None and len(names) == 1:
        yield _inserted(text, tomlkit.dumps({names[0]: value})), wanted
    if value is None and was_there:
        small, small_wanted = tomlkit.parse(changed), tomllib.loads(changed)
        _prune(small, names[:-1])
        _prune(small_wanted, names[:-1])
        if tomlkit.dumps(small).count("#") == changed.count("#"):
            yield tomlkit.dumps(small), small_wanted
    yield changed, wanted
    if value is not None and len(names) > 1:  # tomlkit mixes up tables that lie apart
        table: Any = value
        for name in reversed(names):
            table = {name: table}
        yield f"{text.rstrip()}\n\n{tomlkit.dumps(table)}", wanted


def _is(text: str, wanted: dict[str, object]) -> bool:
    try:
        return tomllib.loads(text) == wanted
    except ValueError:
        return False


def _inserted(text: str, line: str) -> str:
    """``text`` with a new line above the first table and the comments that belong to it."""
    lines = text.splitlines(keepends=True)
    heads = [number for number, old in enumerate(lines) if old.lstrip().startswith("[")]
    if not heads:
        return ""  # at the end, as it comes
    place = heads[0]
    while place and lines[place - 1].startswith("#"):
        place -= 1
    gap = place
    while gap and not lines[gap - 1].strip():
        gap -= 1
    before, after = "".join(lines[:gap]), "".join(lines[gap:])
    return before + line + (after if gap < place else f"\n{after}")


def _put(table: Any, names: Sequence[str], value: object) -> bool:  # noqa: ANN401
    """Set the key, or remove it; whether it was there."""
    *above, last = names
    for name in above:
        if value is None and name not in table:
            return False
        table = table.setdefault(name, {})
    was_there = last in table
    if value is not None:
        table[last] = value
    elif was_there:
        del table[last]
    return was_there


def _prune(table: Any, names: Sequence[str]) -> None:  # noqa: ANN401
    """Remove the tables that ``names`` lead to, as far as they are empty."""
    if names:
        _prune(table[names[0]], names[1:])
        if not table[names[0]]:
            del table[names[0]]


def _not_possible(message: str) -> ConfigError:
    return ConfigError(message, code="bad_config_file", hint="Look at it in an editor.")
