"""From a manifest as it was read to the pictures that it describes, everything filled in."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from itertools import product
from pathlib import Path
from typing import TypeVar

from mai_cli.errors import UsageError
from mai_cli.models.filling import Value, names_in
from mai_cli.models.keys import did_you_mean
from mai_cli.models.manifest import Asset, AssetOutput, Entry, Manifest, Mistake
from mai_cli.models.mistakes import quoted, shortened
from mai_cli.models.slug import slug
from mai_cli.services import asset_values
from mai_cli.services.asset_outputs import Outputs, Problem
from mai_cli.services.asset_values import ASSET_KEYS, DEFAULT_KEYS, FILES, ONLY_HERE, PLAIN, SOURCES
from mai_cli.services.draft import Draft

_Read = TypeVar("_Read")

MAX_ASSETS = 100_000

NAME_DIGITS = 10
"""Of the digest of a prompt, in a name that is made from it."""


def build_assets(
    manifest: Manifest,
    mistakes: list[Mistake],
    *,
    allow_outside: bool,
    read_prompt: Callable[[Path], str],
    private: bool = False,
) -> list[Asset]:
    """The pictures that ``manifest`` describes, in its order.

    What is wrong is added to ``mistakes``, and such pictures are left out. ``read_prompt`` reads
    a file or raises ``UsageError``. Where ``private``, a name that is made from a prompt has none
    of its words.
    """
    building = _Building(manifest, read_prompt, allow_outside=allow_outside, private=private)
    return building.build(mistakes)


@dataclass(frozen=True)
class _Described:
    """One entry together with the defaults; ``variables`` are its own and the manifest's."""

    entry: Entry
    values: Mapping[str, object]
    variables: Mapping[str, Value]
    matrix: Mapping[str, list[Value]]


class _Building:
    def __init__(
        self,
        manifest: Manifest,
        read_prompt: Callable[[Path], str],
        *,
        allow_outside: bool,
        private: bool,
    ) -> None:
        self._manifest = manifest
        self._read_prompt = read_prompt
        self._private = private
        self._outputs = Outputs(manifest, allow_outside=allow_outside)
        self._defaults = {
            key: value for key, value in manifest.defaults.items() if key in DEFAULT_KEYS
        }
        self._prompts: dict[str, str | UsageError] = {}
        self._named: dict[str, Asset] = {}
        self._drafts = 0
        # In the order in which they were found, none twice.
        self._mistakes: dict[Mistake, None] = {}
        self._in_defaults: set[tuple[str, ...]] = set()

    def build(self, mistakes: list[Mistake]) -> list[Asset]:
        assets: list[Asset] = []
        self._check_keys("defaults", self._manifest.defaults, DEFAULT_KEYS)
        variables = self._table(
            "top level", "vars", {"vars": self._manifest.variables}, asset_values.variable, str
        )
        for entry in self._manifest.entries:
            described = self._describe(entry, variables)
            for asset, is_whole in self._assets(described):
                self._add(asset, described)
                if is_whole:
                    assets.append(asset)
            if self._drafts > MAX_ASSETS:
                what = f"with this there are more than {MAX_ASSETS:,} pictures"
                self._report(_place(entry), what, "Split the manifest.")
                break
        mistakes += dict.fromkeys([*self._mistakes, *self._outputs.conflicts(assets)])
        return assets

    def _report(self, place: str, what: str, hint: str = "") -> None:
        self._mistakes[Mistake(place, what, hint)] = None

    def _check_keys(self, place: str, values: Mapping[str, object], known: tuple[str, ...]) -> None:
        for key in values:
            if key in known:
                continue
            if key in ONLY_HERE:
                self._report(place, f"{quoted(key)} belongs to a single asset", "Move it there.")
            else:
                self._report(place, f"there is no key {quoted(key)}", _meant(key, known))
        for one, other in (SOURCES, FILES):
            if one in values and other in values:
                self._report(
                    place, f"'{one}' and '{other}' exclude each other", "Keep one of them."
                )

    def _describe(self, entry: Entry, variables: Mapping[str, Value]) -> _Described:
        """``entry`` with what it does not say taken from the defaults."""
        place = _place(entry)
        self._check_keys(place, entry.values, ASSET_KEYS)
        values = {**self._defaults, **entry.values}
        for keys in (SOURCES, FILES):
            for key in keys if any(key in entry.values for key in keys) else ():
                if key not in entry.values:
                    values.pop(key, None)
        if not any(key in values for key in SOURCES):
            self._report(place, "there is no prompt", "Add 'prompt' or 'prompt_file'.")
        own = self._table(place, "vars", entry.values, asset_values.variable, str)
        matrix = self._table(place, "matrix", entry.values, asset_values.choices, _one)
        for name in matrix:
            if name in own:
                what = f"'vars' and 'matrix' both have {quoted(name)}"
                self._report(place, what, "Keep one of them.")
        return _Described(entry, values, {**variables, **own}, matrix)

    def _table(
        self,
        place: str,
        key: str,
        values: Mapping[str, object],
        read: Callable[[str, object], _Read],
        instead: Callable[[str], _Read],
    ) -> dict[str, _Read]:
        """The table ``key``; ``instead`` takes the place of what is wrong, so that it is known."""
        found: dict[str, _Read] = {}
        if key not in values:
            return found
        try:
            given = asset_values.table(values[key])
        except ValueError as error:
            self._report(place, f"'{key}' {error}")
            return found
        for name, value in given.items():
            try:
                found[name] = read(name, value)
            except ValueError as error:
                what, *hint = error.args
                self._report(place, f"'{key}' {what}", *hint)
                found[name] = instead(name)
        return found

    def _assets(self, described: _Described) -> Iterator[tuple[Asset, bool]]:
        """The pictures of one entry, as many as the limit leaves, and whether each is whole.

        What is known of one with mistakes counts all the same: its name and files are taken.
        """
        if self._drafts + math.prod(map(len, described.matrix.values())) > MAX_ASSETS:
            self._drafts = MAX_ASSETS + 1
            return
        for values in product(*described.matrix.values()):
            names = {**described.variables, **dict(zip(described.matrix, values, strict=True))}
            count = self._count(described, names)
            for number in range(1, (count or 1) + 1):
                self._drafts += 1
                if self._drafts > MAX_ASSETS:
                    return
                counted = {"number": number} if count else {}
                draft = Draft(described.values, names | counted)
                asset = self._asset(draft, described, number if count and count > 1 else None)
                self._tell(draft, described)
                if asset:
                    yield asset, bool(asset.prompt) and not draft.problems

    def _count(self, described: _Described, names: dict[str, Value]) -> int | None:
        if "count" not in described.values:
            return None
        draft = Draft(described.values, names)
        count: int | None = draft.read("count", asset_values.count)
        self._tell(draft, described)
        return count

    def _tell(self, draft: Draft, described: _Described) -> None:
        """Report the problems of ``draft``; what comes from the defaults once, not each time."""
        for key, *problem in draft.problems:
            place = _place(described.entry)
            if key in described.entry.values:
                self._report(place, *problem)
            elif tuple(problem) not in self._in_defaults:
                self._in_defaults.add(tuple(problem))
                self._report(f"defaults, for {place}", *problem)

    def _asset(self, draft: Draft, described: _Described, number: int | None) -> Asset | None:
        """One picture; ``number`` is its number where there are several of its kind."""
        values = described.values
        prompt = None
        if "name" in values:
            uses_number = "number" in names_in(str(values["name"]))
            ending = "" if number is None or uses_number else f"-{number}"
            name = draft.read("name", lambda value: asset_values.name(value, ending))
        else:
            prompt = self._prompt(draft, described)
            name = self._name_from(prompt or "", "" if number is None else f"-{number}")
        draft.names["name"] = name or "name"
        prompt = prompt or self._prompt(draft, described)
        outputs = self._files(draft, described, number)
        plain = {key: draft.read(key, read) for key, read in PLAIN.items() if key in values}
        if name is None:
            return None
        place = described.entry.place
        if prompt is None or draft.problems:
            is_named = "name" in values or prompt is not None
            return Asset(name, "", place, outputs=outputs) if is_named else None
        images = tuple(self._manifest.folder / image for image in plain.pop("images", ()))
        return Asset(name, prompt, place, outputs=outputs, images=images, **plain)

    def _name_from(self, prompt: str, ending: str) -> str:
        words = "picture" if self._private else slug(prompt)
        digest = sha256(prompt.encode(errors="replace")).hexdigest()
        return f"{words}-{digest[:NAME_DIGITS]}{ending}"

    def _prompt(self, draft: Draft, described: _Described) -> str | None:
        prompt: str | None
        if "prompt" in described.values:
            prompt = draft.read("prompt", asset_values.prompt)
            return prompt
        file = draft.read("prompt_file", asset_values.path)
        if file is None:
            return None
        if file not in self._prompts:
            self._prompts[file] = self._prompt_in(self._manifest.folder / file)
        found = self._prompts[file]
        if isinstance(found, str):
            prompt = draft.read_other("prompt_file", found, asset_values.prompt)
            return prompt
        draft.problems.append(("prompt_file", found.message.removesuffix("."), found.hint))
        return None

    def _prompt_in(self, path: Path) -> str | UsageError:
        try:
            return self._read_prompt(path)
        except UsageError as error:
            return error

    def _files(
        self, draft: Draft, described: _Described, number: int | None
    ) -> tuple[AssetOutput, ...]:
        found = []
        for key in FILES:
            for item in asset_values.several(described.values.get(key, [])):
                problems: list[Problem] = []
                path = item.get("path") if isinstance(item, dict) else item
                is_own = bool({"name", "number"} & names_in(str(path)))
                filled = draft.fill(key, item)
                if key == "output" and isinstance(described.values[key], list):
                    problems.append(("'output' is a list", "Write it as 'outputs'."))
                elif filled is not None:
                    found.append(self._outputs.read(filled, None if is_own else number, problems))
                draft.problems += [(key, *problem) for problem in problems]
        return tuple(output for output in found if output)

    def _add(self, asset: Asset, described: _Described) -> None:
        """See that neither the name nor a file of ``asset`` is another's."""
        other = self._named.setdefault(asset.name, asset)
        if other is not asset:
            what = f"the name {quoted(asset.name)} is also that of {other.place}"
            hint = "Give one of them another name."
            if "name" not in described.values:
                what = f"the prompt gives the same name as that of {other.place}"
                hint = "Give them names, or use count."
            elif other.place == asset.place:
                what = f"the name {quoted(asset.name)} stands for several pictures"
                used = names_in(str(described.values["name"]))
                missing = next((key for key in described.matrix if key not in used), "number")
                hint = f"Put ${{{missing}}} into the name."
            self._report(_place(described.entry), what, hint)
        self._mistakes |= dict.fromkeys(self._outputs.claim(asset))


def _place(entry: Entry) -> str:
    """Where ``entry`` stands, with the name that it says there."""
    name = entry.values.get("name")
    return f"{entry.place} ({shortened(name)})" if isinstance(name, str) and name else entry.place


def _one(name: str) -> list[Value]:
    return [name]


@lru_cache
def _meant(name: str, known: tuple[str, ...]) -> str:
    """Looked for once: a column with a wrong name is wrong in every line."""
    return did_you_mean(name, known)
