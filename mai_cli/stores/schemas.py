"""The JSON Schemas that come with the program: of what it prints, writes and reads."""

from importlib.resources import files

from mai_cli.errors import UsageError
from mai_cli.models.keys import did_you_mean

_FOLDER = files("mai_cli") / "schemas"
_ENDING = ".json"


def names() -> list[str]:
    """What there is a schema of, in order."""
    found = (entry.name for entry in _FOLDER.iterdir())
    return sorted(name.removesuffix(_ENDING) for name in found if name.endswith(_ENDING))


def read(name: str) -> bytes:
    """The schema of that name, as it is.

    Raises:
        UsageError: There is none.
    """
    known = names()
    if name not in known:
        raise UsageError(
            f"There is no schema '{name}'.",
            code="bad_option",
            hint=_advice(name, known),
        )
    return (_FOLDER / f"{name}{_ENDING}").read_bytes()


def _advice(name: str, known: list[str]) -> str:
    """The nearest name, if one is near, and all of them."""
    there_are = f"There are: {', '.join(known)}."
    nearest = did_you_mean(name, known)
    return nearest if nearest == there_are else f"{nearest} {there_are}"
