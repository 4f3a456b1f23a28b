"""The outputs of the assets of a manifest: what is made, and that no file is in another's way.

Of what is on the disk only links count; whether a file is there is not asked.
"""

import os
import posixpath
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mai_cli.models.keys import did_you_mean
from mai_cli.models.manifest import Asset, AssetOutput, Manifest, Mistake
from mai_cli.models.mistakes import quoted
from mai_cli.models.recipe import FORMATS, MAX_SIDE, Recipe
from mai_cli.services.asset_values import Read, choice, path, whole
from mai_cli.services.outputs import MAX_NAME_BYTES

MAX_PATH_BYTES = 4000
"""Linux takes 4095; the rest is room for a temporary name."""

_MOST_BYTES = 4
"""Of a character in UTF-8."""

Problem = tuple[str, ...]
"""What is wrong, as a sentence without its dot, and a hint if there is one."""

_side = whole(1, MAX_SIDE)
_FIELDS: Mapping[str, Read] = {
    "width": _side,
    "height": _side,
    "fit": choice("cover", "contain", "stretch"),
    "quality": whole(1, 100),
    "max_kb": whole(1),
}
OUTPUT_KEYS = ("path", *_FIELDS)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of outputs: from that of the manifest, and without links, as ``_comparable``."""

    relative: str
    identity: str
    is_outside: bool


class Outputs:
    """The files that the assets of ``manifest`` become."""

    def __init__(self, manifest: Manifest, *, allow_outside: bool) -> None:
        self._home = str(manifest.folder)
        self._manifest = manifest.name
        self._allow_outside = allow_outside
        self._real: dict[str, str] = {}
        self._folders: dict[str, _Folder] = {}
        self._recipes: dict[Recipe, Recipe] = {}
        self._owners: dict[str, tuple[Asset, AssetOutput]] = {}

    def read(
        self, value: object, number: int | None, problems: list[Problem]
    ) -> AssetOutput | None:
        """What ``value``, a path or a table, asks for; ``number`` goes before the ending.

        ``None`` where something about it is wrong, which is added to ``problems``.
        """
        fields = dict(value) if isinstance(value, dict) else {"path": value}
        if "path" not in fields:
            problems.append(("an output has no path",))
            return None
        try:
            name = _numbered(path(fields.pop("path")), number)
        except ValueError as error:
            what, *hint = error.args
            problems.append((f"the path of an output {what}", *hint))
            return None
        found: list[Problem] = []
        recipe = _recipe(name, fields, found)
        base = name.rpartition("/")[2]
        if _is_too_long(name):
            found.append(("has a name that is too long", "Shorten it."))
        elif not self._allow_outside:
            found += self._misplaced(name)
        if found or recipe is None:
            problems += [(f"the output {quoted(name)} {what}", *hint) for what, *hint in found]
            return None
        relative = self._folder(name).relative
        recipe = self._recipes.setdefault(recipe, recipe)  # thousands share a few
        return AssetOutput(f"{relative.rstrip('/')}/{base}" if relative else base, recipe)

    def claim(self, asset: Asset) -> Iterator[Mistake]:
        """Give ``asset`` its files; what is wrong where one belongs to another already."""
        for output in asset.outputs:
            owner, owned = self._owners.setdefault(self._identity(output.path), (asset, output))
            if owned is output:
                continue
            what = f"{quoted(asset.name)} has the output {quoted(owned.path)} twice"
            hint = "Rename one."
            if owner is not asset:
                who = f"{quoted(owner.name)} ({owner.place})"
                what = f"{quoted(asset.name)} has the same output as {who}: {quoted(owned.path)}"
                if owner.place == asset.place:
                    hint = "Put ${name} into the path."
            yield Mistake(asset.place, what, hint)

    def conflicts(self, assets: Sequence[Asset]) -> Iterator[Mistake]:
        """What is wrong once all ``assets`` have their files: some would destroy something."""
        read = {self._identity(self._manifest): "the manifest itself"}
        for image in dict.fromkeys(image for asset in assets for image in asset.images):
            what = f"the reference picture {quoted(image.name)}"
            read[self._identity(str(image))] = what
            read[_comparable(os.path.realpath(image))] = what
        folders: set[str] = set()
        for key in self._owners:
            folder = posixpath.dirname(key)
            while folder not in folders:
                folders.add(folder)
                folder = posixpath.dirname(folder)
        for key, (asset, output) in self._owners.items():
            who = f"the output {quoted(output.path)} of {quoted(asset.name)}"
            if key in read:
                yield Mistake(asset.place, f"{who} is {read[key]}", "Rename the output.")
            if key in folders:
                yield Mistake(asset.place, f"{who} is the folder of another", "Rename one.")

    def _misplaced(self, name: str) -> Iterator[Problem]:
        """Why no output may be at ``name``."""
        if os.path.isabs(name):  # noqa: PTH117 - fast
            yield (
                "is an absolute path",
                "Write it from the manifest's folder, or add --allow-outside.",
            )
        elif self._folder(name).is_outside:
            yield "is outside of the manifest's folder", "Move it, or add --allow-outside."

    def _identity(self, name: str) -> str:
        """The file at ``name``, the same for names that some system takes for the same."""
        return f"{self._folder(name).identity}/{_comparable(name.rpartition('/')[2])}"

    def _folder(self, name: str) -> _Folder:
        """The folder of the file at ``name``."""
        folder = name[: name.rfind("/") + 1]
        if folder not in self._folders:
            relative = self._relative(folder)
            real, home = self._resolved(relative), self._resolved("")
            is_outside = real != home and not real.startswith(home.rstrip("/") + "/")
            is_outside = is_outside or relative.partition("/")[0] == ".."
            identity = _comparable(real.rstrip("/"))
            self._folders[folder] = _Folder(relative, identity, is_outside)
        return self._folders[folder]

    def _relative(self, folder: str) -> str:
        """``folder`` from that of the manifest, without detours; nothing if it is the same."""
        with suppress(ValueError):  # on another drive
            folder = os.path.relpath(os.path.join(self._home, folder), self._home)  # noqa: PTH118
        return "" if folder == "." else folder.replace(os.sep, "/")

    def _resolved(self, folder: str) -> str:
        """``folder`` without links; mostly found from the one above it, asking the disk once."""
        if folder not in self._real:
            above, _, base = folder.rpartition("/")
            if above and base != "..":
                if above not in self._real:
                    self._real[above] = self._followed(above)
                real = f"{self._real[above]}/{base}"
                self._real[folder] = self._followed(real) if os.path.islink(real) else real  # noqa: PTH114
            else:
                self._real[folder] = self._followed(folder)
        return self._real[folder]

    def _followed(self, folder: str) -> str:
        return os.path.realpath(os.path.join(self._home, folder)).replace(os.sep, "/")  # noqa: PTH118


def _comparable(name: str) -> str:
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _is_too_long(name: str) -> bool:
    if len(name) * _MOST_BYTES <= MAX_NAME_BYTES:
        return False
    longest = max(len(os.fsencode(part)) for part in name.split("/"))
    return longest > MAX_NAME_BYTES or len(os.fsencode(name)) > MAX_PATH_BYTES


def _numbered(name: str, number: int | None) -> str:
    if number is None:
        return name
    stem, ending = posixpath.splitext(name)
    return f"{stem}-{number}{ending}"


def _recipe(name: str, fields: Mapping[str, object], problems: list[Problem]) -> Recipe | None:
    """How the file ``name`` is made; ``None`` where its ending does not tell."""
    values = {}
    for key, value in fields.items():
        if key not in _FIELDS:
            problems.append((f"has an unknown key {quoted(key)}", did_you_mean(key, OUTPUT_KEYS)))
            continue
        try:
            values[key] = _FIELDS[key](value)
        except ValueError as error:
            what, *hint = error.args
            problems.append((f"has a wrong {key}: it {what}", *hint))
    ending = posixpath.splitext(name)[1].lower()
    if ending not in FORMATS:
        what = (
            f"ends in {quoted(ending)}, which mai cannot write" if ending[1:] else "has no ending"
        )
        problems.append((what, f"End it in {', '.join(FORMATS)}."))
        return None
    recipe = Recipe(FORMATS[ending], **values)
    if "fit" in values and not {"width", "height"} <= fields.keys():
        problems.append(("has a fit, which needs a width and a height",))
    if recipe.quality and not recipe.is_lossy:
        problems.append(("has a quality, which means nothing for PNG", "Leave it out."))
    if recipe.width and recipe.height and recipe.fit != "contain":
        try:
            recipe.size_of(1, 1)
        except ValueError as error:
            problems.append((str(error), "Ask for less."))
    return recipe
