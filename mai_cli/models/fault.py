"""What the emulator is told to do wrong: ``429:20%``, ``filter:fox``, ``lost:3``."""

import random
import re
from dataclasses import dataclass

from mai_cli.errors import UsageError

KINDS = {
    "filter": "the content filter declines it",
    "blocked": "the whole resource is blocked",
    "lost": "it is drawn, and the connection closes without an answer",
    "reset": "the same, with a reset",
    "torn": "the answer breaks off in the middle",
    "hang": "no answer ever comes",
    "no-json": "the answer is no JSON",
    "no-picture": "the answer has no picture",
    "no-png": "the picture is no PNG",
}
"""Faults with a name; a status from 400 to 599 is another."""

_STATUS = re.compile(r"[45]\d\d", re.ASCII)
_SHARE = re.compile(r"(\d{1,3}(?:\.\d+)?)%", re.ASCII)
_ALL_PERCENT = 100
_NUMBER = re.compile(r"\d+", re.ASCII)


@dataclass(frozen=True)
class Fault:
    """One kind, a name of :data:`KINDS` or a status, and when it befalls a request.

    ``share`` of all, by chance; the request with that ``number``, from 1; those whose prompt has
    ``words``, in capitals or not. Without any of these, all.
    """

    kind: str
    share: float | None = None
    number: int | None = None
    words: str = ""

    @property
    def status(self) -> int | None:
        """The status, where that is all that is wrong."""
        return None if self.kind in KINDS else int(self.kind)

    def befalls(self, prompt: str, number: int, seed: int) -> bool:
        """Whether it befalls the request with that prompt and number; the same for each seed."""
        if self.share is not None:
            chance = random.Random(f"{seed} {self.kind} {number}")  # noqa: S311 - no secret
            return chance.random() < self.share
        if self.number is not None:
            return number == self.number
        return self.words.lower() in prompt.lower()


def parse_fault(text: str) -> Fault:
    """The fault that ``text`` means: a kind, and after a colon when.

    Raises:
        UsageError: It means none.
    """
    kind, _, when = text.partition(":")
    kind, when = kind.strip().lower(), when.strip()
    if kind not in KINDS and not _STATUS.fullmatch(kind):
        raise UsageError(
            f"--fail: '{kind}' is no fault.",
            code="bad_option",
            hint=f"Use a status from 400 to 599, or {', '.join(KINDS)}.",
        )
    if (share := _SHARE.fullmatch(when)) and float(share[1]) <= _ALL_PERCENT:
        return Fault(kind, share=float(share[1]) / _ALL_PERCENT)
    if _NUMBER.fullmatch(when) and int(when):
        return Fault(kind, number=int(when))
    if share or _NUMBER.fullmatch(when):
        raise UsageError(
            f"--fail: '{when}' is no share and no number of a request.",
            code="bad_option",
            hint="Write it as 429:20%, up to 100%, or as lost:3, from 1.",
        )
    return Fault(kind, words=when)
