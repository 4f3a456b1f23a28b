"""Words of a prompt as part of a name."""

import re
import unicodedata

MAX_SLUG = 40

_WORD = re.compile(r"[a-z0-9]+")


def slug(text: str) -> str:
    """The first words of ``text`` in lower-case ASCII, joined by dashes; ``picture`` if none."""
    letters = unicodedata.normalize("NFKD", text[: 4 * MAX_SLUG].casefold())
    ascii_text = letters.encode("ascii", "ignore").decode()
    words: list[str] = []
    length = -1
    for word in _WORD.findall(ascii_text):
        length += 1 + len(word)
        if words and length > MAX_SLUG:
            break
        words.append(word[:MAX_SLUG])
    return "-".join(words) or "picture"
