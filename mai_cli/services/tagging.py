"""Changing the tags of a record."""

from collections.abc import Callable, Sequence
from typing import Any

from mai_cli.errors import UsageError


def parse_tags(texts: Sequence[str]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """What ``+tag`` and ``-tag`` make of a record.

    Raises:
        UsageError: One of ``texts`` is neither.
    """
    if not texts:
        raise UsageError("No tag is named.", code="bad_option", hint="Write +TAG or -TAG.")
    for text in texts:
        if text[:1] not in ("+", "-") or text.startswith("--") or not text[1:].strip():
            raise UsageError(
                f"'{text}' does not say what to do with a tag.",
                code="bad_option",
                hint="Write +TAG to add one, -TAG to take it off; options come before the id.",
            )

    def change(state: dict[str, Any]) -> dict[str, Any]:
        found = state.get("tags")
        known = found if isinstance(found, list) else []
        tags = dict.fromkeys(tag for tag in known if isinstance(tag, str))
        for text in texts:
            if text.startswith("+"):
                tags[text[1:].strip()] = None
            else:
                tags.pop(text[1:].strip(), None)
        return {**state, "tags": list(tags)}

    return change
