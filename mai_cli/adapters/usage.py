"""What an answer says of the tokens that were counted."""

from collections.abc import Mapping

from mai_cli.models.answer import Usage

MAX_TOKENS = 10_000_000
"""A larger count is not believed: prompts have up to 32,000, and pictures a few thousand."""


def read_usage(envelope: Mapping[str, object]) -> Usage | None:
    """The tokens that were counted, from either place in which models have put them.

    Source: ``usage`` in answers of MAI-Image-2.5 and newer; ``num_output_tokens`` at the top
    level in those of MAI-Image-2.
    """
    counts = envelope.get("usage")
    if not isinstance(counts, dict):
        counts = envelope
    usage = Usage(
        input_text_tokens=_count(counts.get("num_input_text_tokens")),
        input_image_tokens=_count(counts.get("num_input_image_tokens")),
        output_tokens=_count(counts.get("num_output_tokens")),
    )
    return None if usage == Usage() else usage


def _count(value: object) -> int | None:
    """A count of tokens, if it is one that can be."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TOKENS:
        return None
    return value
