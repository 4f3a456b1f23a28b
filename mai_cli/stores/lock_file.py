"""The lock of a batch on disk: stable text that is made to be committed, and its fragments.

``assets.lock.json`` stands beside ``assets.toml``. A job of a sharded run writes a fragment of
its own, ``assets.lock.d/2-of-4.json``, which a later run folds in.
"""

import json
import re
from bisect import insort
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, fields
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from mai_cli.errors import StorageError, UsageError
from mai_cli.models.lock import Lock, LockedAsset, LockedOutput
from mai_cli.models.recipe import FORMATS, Fit, Recipe
from mai_cli.stores import atomic

SCHEMA = "mai/lock/1"
MODE = 0o666


_TOGETHER = 100  # assets in one piece of the text
_FRAGMENT = re.compile(r"\d+-of-\d+\.json", re.ASCII)
_KEYS = {"request", "master", "offline", "alt", "outputs"}
_OUTPUT_KEYS = {"recipe", "sha256"}
_USUAL = {field.name: field.default for field in fields(Recipe)}


class LockFile:
    """The lock beside the manifest at ``path``; ``shard`` is ``2-of-4`` where this is one job.

    It says whose it is: what another manifest of that name lists is nothing that has left this one.
    """

    def __init__(self, path: Path, shard: str | None = None) -> None:
        self._manifest = path.name
        self.path = path.with_name(f"{path.stem}.lock.json")
        self._fragments = path.with_name(f"{path.stem}.lock.d")
        self._target = self._fragments / f"{shard}.json" if shard else self.path
        self._held: Lock = {}
        self._texts: dict[str, bytes] = {}
        self._order: list[str] = []

    def read(self) -> Lock:
        """What the lock itself says; nothing where there is none.

        Raises:
            UsageError: It cannot be read.
        """
        return _read(self.path, self._manifest)

    def read_fragments(self) -> dict[str, Lock]:
        """What the fragments say, by their names, in the order of their numbers.

        Raises:
            UsageError: One cannot be read.
        """
        return {path.name: _read(path, self._manifest) for path in self._fragment_paths()}

    def prepare(self) -> None:
        """See that it can be written, before anything is paid for.

        Raises:
            UsageError: It cannot.
        """
        try:
            atomic.prepare(self._target.parent)
        except OSError as error:
            raise UsageError(
                f"The lock {self._target} cannot be written: {error.strerror}. Nothing was sent.",
                code="bad_lock",
                hint="Change the permissions of its folder; without the lock nobody knows what "
                "was made.",
            ) from None

    @property
    def names(self) -> Collection[str]:
        """The assets that it knows of since :meth:`hold`."""
        return self._held.keys() | self._texts.keys()

    def hold(self, lock: Lock) -> None:
        """Take over ``lock``, to be changed asset by asset; nothing is written yet."""
        self._held, self._texts, self._order = lock, {}, []

    def change(self, changed: Lock) -> None:
        """Put what it holds on disk with what is ``changed``, whole or not at all.

        Of that only the text is kept: a batch writes all after each of thousands.

        Raises:
            StorageError: It cannot be written; the old one is as before. What is changed is held
                all the same, for the next time.
        """
        self._settle()
        for name, asset in changed.items():
            if name not in self._texts:
                insort(self._order, name)
            self._texts[name] = _text(name, asset)
        self._put()

    def drop(self, names: Collection[str]) -> None:
        """Put what it holds on disk without these.

        Raises:
            StorageError: It cannot be written; the old one is as before.
        """
        self._settle()
        self._order = [name for name in self._order if name not in names]
        self._texts = {name: self._texts[name] for name in self._order}
        self._put()

    def write(self, lock: Lock) -> None:
        """Put ``lock`` on disk, whole or not at all.

        Raises:
            StorageError: It cannot be written; the old one is as before.
        """
        self.hold(lock)
        self._settle()
        self._put()

    def _settle(self) -> None:
        """Make text of what was taken over."""
        self._order += sorted(self._held)
        self._texts |= {name: _text(name, asset) for name, asset in self._held.items()}
        self._held = {}

    def _put(self) -> None:
        try:
            atomic.make_folder(self._target.parent)
            atomic.write(self._target, self._pieces(), mode=MODE)
        except OSError as error:
            raise StorageError(
                f"The lock {self._target} cannot be written: {error.strerror}.",
                code="lock_failed",
                hint="Make room or change the permissions, and run it again; nothing is paid for "
                "twice, since the history knows what was made.",
            ) from None

    def remove_fragments(self, names: Iterable[str]) -> None:
        """Remove the fragments of these names, now that the lock has what they say."""
        for name in names:
            with suppress(OSError):
                (self._fragments / name).unlink()
        with suppress(OSError):
            self._fragments.rmdir()  # only if it is empty

    def _fragment_paths(self) -> list[Path]:
        try:
            found = [path for path in self._fragments.iterdir() if _FRAGMENT.fullmatch(path.name)]
        except OSError:
            return []
        return sorted(found, key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)])

    def _pieces(self) -> Iterator[bytes]:
        """The whole text; not all in one, for there may be megabytes of it."""
        head = json.dumps({"schema": SCHEMA, "manifest": self._manifest}, indent=2)
        yield f'{head[:-2]},\n  "assets": {{'.encode()
        for start in range(0, len(self._order), _TOGETHER):
            yield b",\n" if start else b"\n"
            yield b",\n".join(self._texts[name] for name in self._order[start : start + _TOGETHER])
        yield b"\n  }\n}\n" if self._order else b"}\n}\n"


def _text(name: str, asset: LockedAsset) -> bytes:
    text = json.dumps({name: to_json(asset)}, indent=2, ensure_ascii=False)
    return text[1:-2].replace("\n", "\n  ")[1:].encode()  # without the outermost braces


def to_json(asset: LockedAsset) -> dict[str, object]:
    """``asset`` as the file has it; of recipes only what is not usual."""
    return {
        "request": asset.request,
        "master": asset.master,
        "offline": asset.offline,
        **({} if asset.alt is None else {"alt": asset.alt}),
        "outputs": {
            path: {"recipe": _recipe_to_json(output.recipe), "sha256": output.sha256}
            for path, output in sorted(asset.outputs.items())
        },
    }


def _recipe_to_json(recipe: Recipe) -> dict[str, object]:
    return {name: value for name, value in asdict(recipe).items() if value != _USUAL[name]}


def _read(path: Path, manifest: str) -> Lock:
    try:
        if path.is_fifo():  # it could be waited for without end
            raise _wrong(path, "is not a file")
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise _wrong(path, "is not JSON, perhaps after a merge") from None
    schema = content.get("schema") if isinstance(content, dict) else None
    if schema != SCHEMA:
        raise _wrong(path, f"is not a lock of this version of mai ({SCHEMA})")
    if content.get("manifest") != manifest:
        raise UsageError(
            f"The lock {path} is that of another manifest: {content.get('manifest')}.",
            code="bad_lock",
            hint=f"Rename {manifest}; if it takes the place of the other, write its name there.",
        )
    try:
        json.dumps(content, ensure_ascii=False).encode()  # half a character could not be written
        return {name: _asset(facts) for name, facts in content["assets"].items()}
    except (KeyError, TypeError, AttributeError, ValueError):
        raise _wrong(path, "is not as mai writes it") from None


def _asset(facts: Mapping[str, Any]) -> LockedAsset:
    """The asset that ``facts`` tell of; whatever is wrong with them raises one of a few errors."""
    asset = LockedAsset(
        request=_is(facts["request"], str),
        master=_is(facts["master"], str, NoneType),
        offline=_is(facts["offline"], bool),
        alt=_is(facts.get("alt"), str, NoneType),
        outputs={
            path: LockedOutput(_recipe(output["recipe"]), _is(output["sha256"], str))
            for path, output in facts["outputs"].items()
        },
    )
    if facts.keys() - _KEYS or any(
        value.keys() - _OUTPUT_KEYS for value in facts["outputs"].values()
    ):
        raise ValueError
    return asset


def _recipe(facts: Mapping[str, Any]) -> Recipe:
    for name in ("width", "height", "quality", "max_kb"):
        if type(facts.get(name, 1)) is not int or facts.get(name, 1) < 1:
            raise TypeError
    if facts["format"] not in FORMATS.values() or facts.get("fit", "cover") not in get_args(Fit):
        raise ValueError
    return Recipe(**facts)


def _is(value: object, *kinds: type) -> Any:  # noqa: ANN401 - of one of ``kinds``
    if type(value) not in kinds:
        raise TypeError
    return value


def _wrong(path: Path, what: str) -> UsageError:
    return UsageError(
        f"The lock {path} {what}.",
        code="bad_lock",
        hint="Restore it, for example from version control. Without it, whatever this machine's "
        "history does not know would be drawn and paid for again.",
    )
