"""Manifests that are tables: CSV and TSV, whose columns are the keys of an asset."""

import csv
from collections.abc import Iterator, Sequence
from contextlib import suppress
from io import StringIO

from mai_cli.models.manifest import Entry, Mistake
from mai_cli.models.mistakes import quoted
from mai_cli.stores.manifest_formats import load_json

_LISTS = ("images", "tags", "outputs")
_TABLES = ("vars", "params", "matrix")


def read_table(text: str, delimiter: str, mistakes: list[Mistake]) -> Iterator[Entry]:
    """An asset for each row that is not empty; what is wrong is added to ``mistakes``."""
    rows = _rows(text, delimiter, mistakes)
    place, names = next(rows, ("line 1", []))
    if not _check_header(place, names, delimiter, mistakes):
        return
    for place, cells in rows:
        if any(cells[len(names) :]):
            what = f"has {len(cells)} cells, but the first line has {len(names)}"
            mistakes.append(Mistake(place, what, "Put a text with separators in double quotes."))
        else:
            yield Entry(_values(names, cells), place)


def _rows(text: str, delimiter: str, mistakes: list[Mistake]) -> Iterator[tuple[str, list[str]]]:
    """The cells of each row that has any, with the line on which it begins."""
    lines = StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    begins = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield f"line {begins}", cells
            begins = reader.line_num + 1
    except csv.Error as error:
        mistakes.append(Mistake(f"line {begins}", f"cannot be read: {error}"))


def _check_header(
    place: str, names: Sequence[str], delimiter: str, mistakes: list[Mistake]
) -> bool:
    """Whether ``names`` can be the columns; else ``mistakes`` say why not."""
    known = len(mistakes)
    if not names and not mistakes:
        hint = "Begin with a line of keys, for example: name,prompt,output"
        mistakes.append(Mistake(place, "there is no line with the names of the columns", hint))
    if len(names) == 1 and any(other in names[0] for other in ",;\t"):
        kind = "commas" if delimiter == "," else "tabs"
        mistakes.append(Mistake(place, f"the columns are not separated by {kind}"))
    for number, name in enumerate(names, start=1):
        table, dot, key = name.partition(".")
        if not name or (dot and not key):
            mistakes.append(Mistake(place, f"column {number} has no name"))
        elif name in names[: number - 1]:
            mistakes.append(Mistake(place, f"there are two columns {quoted(name)}"))
        elif dot and table in _TABLES and table in names:
            what = f"there are two columns, '{table}' and {quoted(name)}"
            mistakes.append(Mistake(place, what, "Keep one of them."))
    return bool(names) and len(mistakes) == known


def _values(names: Sequence[str], cells: Sequence[str]) -> dict[str, object]:
    values: dict[str, object] = {}
    tables: dict[str, dict[str, object]] = {}
    for name, cell in zip(names, cells, strict=False):
        table, dot, key = name.partition(".")
        if not cell:
            continue
        if dot and table in _TABLES:
            tables.setdefault(table, {})[key] = _value(table, cell)
        else:
            values[name] = _cell(name, cell)
    return values | tables


def _value(table: str, cell: str) -> object:
    """What one key of ``vars``, ``params`` or ``matrix`` is, from its cell."""
    if table == "vars":
        return cell
    if table == "params":
        return _json_or_text(cell)  # as --param reads it
    return _list(cell)


def _cell(name: str, cell: str) -> object:
    if name in _TABLES:
        return _json_or_text(cell)
    return _list(cell) if name in _LISTS else cell


def _list(cell: str) -> object:
    if cell[0] in "[{" and not isinstance(value := _json_or_text(cell), str):
        return value
    return [part.strip() for part in cell.split(";") if part.strip()]


def _json_or_text(cell: str) -> object:
    with suppress(ValueError):
        return load_json(cell)
    return cell
