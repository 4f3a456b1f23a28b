"""Where the pictures of a run go besides the gallery; checked before anything is sent."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product
from pathlib import Path

from mai_cli.errors import UsageError
from mai_cli.models.recipe import FORMATS, Recipe
from mai_cli.models.size import Size

_COPY = Recipe("png")

MAX_NAME_BYTES = 240
"""File systems take 255; the rest is room for a number."""


@dataclass(frozen=True)
class Target:
    """One ``--output``: a file, or a folder in which each picture keeps its own name.

    Where ``is_ours``, an earlier run has made what is there, and it may be replaced.
    """

    path: Path
    is_folder: bool
    recipe: Recipe = _COPY
    is_ours: bool = False

    @classmethod
    def parse(cls, text: str, recipe: Recipe = _COPY) -> "Target":
        """Understand ``text``: a folder exists or ends in a slash, anything else is a file.

        ``recipe`` holds but for the format, which is PNG in a folder, as in the gallery.

        Raises:
            UsageError: The name of a file does not end in a format that can be written.
        """
        if not text or "\0" in text:
            raise UsageError(
                "An output has no name.", code="bad_output", hint="Give a file such as hero.png."
            )
        path = Path(text).absolute()
        if text.endswith(("/", os.sep)) or _is_folder(path):
            return cls(path, is_folder=True, recipe=recipe)
        if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
            raise UsageError(
                f"The name of the output is too long: {text}", code="bad_output", hint="Shorten it."
            )
        ending = path.suffix.lower()
        if ending in FORMATS:
            return cls(path, is_folder=False, recipe=replace(recipe, format=FORMATS[ending]))
        if ending:
            message = f"mai does not know the picture format '{ending[1:]}': {text}"
        else:
            message = f"The output has no ending that names a format: {text}"
        raise UsageError(
            message,
            code="bad_output",
            hint=f"End it in {', '.join(FORMATS)}, or in a slash for a folder.",
        )

    @property
    def folder(self) -> Path:
        """Where the files go."""
        return self.path if self.is_folder else self.path.parent

    def file_for(self, master_name: str, number: int | None) -> Path:
        """The file of one picture; ``number`` counts from 1 where a run makes several."""
        if self.is_folder:
            return self.path / master_name
        if number is None:
            return self.path
        return self.path.with_name(f"{self.path.stem}-{number}{self.path.suffix}")


@dataclass(frozen=True)
class Targets:
    """All outputs of a run; ``to_stdout`` is ``-o -``, the picture's bytes on standard output."""

    files: Sequence[Target] = ()
    to_stdout: bool = False


def parse_outputs(
    texts: Sequence[str],
    recipe: Recipe = _COPY,
    *,
    pictures: int,
    json: bool,
    stdout_is_terminal: bool,
) -> Targets:
    """Understand every ``--output`` of a run that makes ``pictures``, each by ``recipe``.

    Raises:
        UsageError: One of them cannot be written, or ``-`` cannot work here, or ``recipe`` asks
            for what none of them can have.
    """
    to_stdout = "-" in texts
    problem = ""
    if to_stdout and json:
        problem = "'-o -' and --json both want standard output."
    elif to_stdout and pictures > 1:
        problem = "'-o -' takes one picture, not several."
    elif to_stdout and stdout_is_terminal:
        problem = "'-o -' would write a picture to the terminal."
    if problem:
        hint = "Give a file such as hero.png, or send standard output to a file or a program."
        raise UsageError(problem, code="bad_output", hint=hint)
    files = [Target.parse(text, recipe) for text in texts if text != "-"]
    if recipe != _COPY and not files:
        raise UsageError(
            "There is no output to resize or compress.",
            code="bad_option",
            hint="Name one with -o; the master in the gallery stays as the service sent it.",
        )
    if recipe.quality and not any(target.recipe.is_lossy for target in files):
        raise UsageError(
            "--quality means nothing for PNG.",
            code="bad_option",
            hint="Leave it out, or ask for a .jpg, .webp or .avif.",
        )
    return Targets(files, to_stdout=to_stdout)


def check_sizes(outputs: Targets, sizes: Iterable[Size]) -> None:
    """See that every output can be made from pictures of ``sizes``.

    Raises:
        UsageError: One would be larger than a file can be.
    """
    for output, size in product(outputs.files, sizes):
        try:
            output.recipe.size_of(size.width, size.height)
        except ValueError as error:
            raise UsageError(
                f"The output {output.path} {error}.", code="bad_output", hint="Ask for less."
            ) from None


def check_targets(
    outputs: Targets, numbers: Sequence[int | None], gallery: Path, *, overwrite: bool
) -> None:
    """See that no file is in the way of a run whose pictures have ``numbers``.

    Raises:
        UsageError: A target exists (and ``overwrite`` is false), is named twice, or would stand
            among the masters, which nothing may replace.
    """
    masters = resolved(gallery)
    seen: set[Path] = set()
    for output in outputs.files:
        files = [output.path]  # the names in a folder are new each time
        if not output.is_folder:
            files = [output.file_for("", number) for number in numbers]
        for file in files:
            place = check_place(file, masters, is_folder=output.is_folder)
            if place in seen:
                raise UsageError(
                    f"Two outputs have the same name: {file}", code="bad_output", hint="Rename one."
                )
            seen.add(place)
            in_the_way = _is_folder(file) or (os.path.lexists(file) and not overwrite)
            if in_the_way and not output.is_folder:
                raise UsageError(
                    f"The output exists: {file}",
                    code="output_exists",
                    hint="Choose another name, or add --overwrite.",
                )


def check_place(path: Path, masters: Path, *, is_folder: bool) -> Path:
    """See that a file or folder is not among ``masters``, a resolved folder; where it really is.

    Raises:
        UsageError: It is.
    """
    # Replacing a link leaves what it leads to; a folder that is one is followed.
    place = resolved(path) if is_folder else resolved(path.parent) / path.name
    if masters == place or masters in place.parents:
        raise UsageError(
            f"The output is in the gallery, which is for masters: {path}",
            code="bad_output",
            hint="Choose another place.",
        )
    return place


def resolved(folder: Path) -> Path:
    """``folder`` without links, as far as they lead somewhere."""
    try:
        return folder.resolve()
    except (OSError, RuntimeError):  # they lead in a circle; whoever writes there says so
        return folder


def real(file: Path) -> str:
    """``file`` without links in its folder, of which thousands share a few."""
    return str(_real_folder(file.parent) / file.name)


@lru_cache(maxsize=1024)
def _real_folder(folder: Path) -> Path:
    return resolved(folder)


def is_within(path: Path, folder: Path) -> bool:
    """Whether ``path`` is below ``folder``, links followed but for a last one."""
    return resolved(folder) in resolved(path.parent).joinpath("x").parents


def _is_folder(path: Path) -> bool:
    """Whether ``path`` is a folder; no if that cannot be told."""
    try:
        return path.is_dir()
    except OSError:
        return False
