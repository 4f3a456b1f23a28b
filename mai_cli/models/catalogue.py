"""The MAI image models as data: what each can do, what it costs, where that is known from.

A deployment may run a model that is not listed here; it is then :meth:`Model.unknown`, for which
only the rules that all models share are checked, and the service has the last word.
"""

import re
from dataclasses import dataclass
from datetime import date

MIN_SIDE = 768
"""Pixels; all models. Source: the service's own words, "'width' must be at least 768 pixels"."""

SIDE_STEP = 16
"""Pixels; the service rounds other sides down without a word. Source: observed by several users."""

SAFE_MAX_PIXELS = 1_048_576
"""The smallest limit of any model; used to choose a size for a model that is not known."""

PIXELS_PER_OUTPUT_TOKEN = 1024
"""Fits every published ``usage``, for example 1024x1024 = 1024 tokens. An observation."""

TOKENS_PER_REFERENCE = 1024
"""Of a reference picture of about a megapixel, for estimates only. An observation."""

MAX_TOKENS_PER_REFERENCE = 4096
"""Of a reference picture of any size: four times what was observed. A guess, for hard limits."""

MAX_TOKENS_AROUND_PROMPT = 300
"""Of text that the service adds to a prompt; 252 were observed in an edit. For hard limits."""

CHARACTERS_PER_TEXT_TOKEN = 4
"""A rule of thumb, for estimates only; the tokenizer is not published."""

_LEARN = (
    "https://learn.microsoft.com/azure/foundry/foundry-models/how-to/use-foundry-models-mai-image"
)
_PRICE_PAGE = "https://azure.microsoft.com/pricing/details/ai-foundry-models/microsoft/"
_BLOG_26 = "https://techcommunity.microsoft.com/blog/4550970 (2026-09-06)"
_RESELLERS_27 = "fal.ai and openrouter.ai, microsoft/mai-image-2.7; no page of Microsoft's yet"


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens, as published on ``read_on``; ``None`` for a user's own."""

    text_in: float
    image_in: float
    image_out: float
    read_on: date | None
    source: str

    def cost(self, *, text_tokens: int, image_tokens: int, output_tokens: int) -> float:
        """US dollars for one picture, to the millionth."""
        total = (
            text_tokens * self.text_in
            + image_tokens * self.image_in
            + output_tokens * self.image_out
        )
        return round(total / 1_000_000, 6)


@dataclass(frozen=True)
class Model:
    """What one model can do. ``max_pixels`` is ``None`` where no limit is known."""

    name: str | None
    version: date | None = None
    max_pixels: int | None = None
    edits: bool = True
    edit_size: bool = True
    auto_size: bool = True
    web_grounding: bool = True
    background: bool = True
    price: Price | None = None
    retires_on: date | None = None
    replacement: str | None = None
    source: str = ""

    @classmethod
    def unknown(cls, name: str | None = None) -> "Model":
        """A model that the catalogue does not know: everything is left to the service."""
        return cls(name)

    @property
    def is_known(self) -> bool:
        """Whether the catalogue has facts about this model."""
        return self.max_pixels is not None

    def note(
        self, today: date, how_to_name: str = "name it with --model", *, is_free: bool = False
    ) -> str:
        """What a user of this model should know before paying, or nothing.

        ``is_free``: placeholders are drawn instead.
        """
        if not self.is_known:
            which = f"The model {self.name}" if self.name else "The model behind this deployment"
            cost = "" if self.price or is_free else ", cost unknown"
            advice = "" if self.name else f"; {how_to_name}"
            return f"{which} is not known: its limits are not checked{cost}{advice}."
        if self.retires_on is None:
            return ""
        instead = f"; {self.replacement} replaces it" if self.replacement else ""
        tense = "was due to retire" if self.retires_on <= today else "is due to retire"
        return f"{self.name} {tense} on {self.retires_on}{instead}."


_PRICED = date(2026, 9, 4)
_PRICED_26 = date(2026, 9, 6)
_PRICED_27 = date(2026, 11, 20)

MODELS = (
    Model(
        "MAI-Image-2",
        version=date(2026, 2, 20),
        max_pixels=1_048_576,
        edits=False,
        edit_size=False,
        auto_size=False,
        web_grounding=False,
        background=False,
        price=Price(5, 0, 33, _PRICED, _PRICE_PAGE),
        retires_on=date(2026, 8, 15),
        replacement="MAI-Image-2.5",
        source=_LEARN,
    ),
    Model(
        "MAI-Image-2e",
        version=date(2026, 4, 9),
        max_pixels=1_048_576,
        edits=False,
        edit_size=False,
        auto_size=False,
        web_grounding=False,
        background=False,
        price=Price(5, 0, 19.50, _PRICED, _PRICE_PAGE),
        retires_on=date(2026, 8, 15),
        replacement="MAI-Image-2.5-Flash",
        source=_LEARN,
    ),
    Model(
        "MAI-Image-2.5",
        version=date(2026, 6, 2),
        max_pixels=1_048_576,
        edit_size=False,
        auto_size=False,
        web_grounding=False,
        background=False,
        price=Price(5, 8, 47, _PRICED, _PRICE_PAGE),
        retires_on=date(2026, 10, 1),
        source=_LEARN,
    ),
    Model(
        "MAI-Image-2.5-Flash",
        version=date(2026, 6, 2),
        max_pixels=1_048_576,
        edit_size=False,
        auto_size=False,
        web_grounding=False,
        background=False,
        # A blog of Microsoft's says 33 for image out; price page and invoices say 19.50.
        price=Price(1.75, 1.75, 19.50, _PRICED, _PRICE_PAGE),
        retires_on=date(2026, 10, 1),
        source=_LEARN,
    ),
    Model(
        "MAI-Image-2.5-Pro",
        version=date(2026, 6, 19),
        max_pixels=1_048_576,
        edit_size=False,
        auto_size=False,
        web_grounding=False,
        background=False,
        price=Price(5, 8, 106, _PRICED, _PRICE_PAGE),
        retires_on=date(2026, 10, 1),
        source=_LEARN,
    ),
    Model(
        "MAI-Image-2.6",
        version=date(2026, 7, 31),
        # The how-to page says 1,048,576; the newer model list and live users say 2,359,296.
        max_pixels=2_359_296,
        # Whether an edit takes a size: the Azure provider of the AI SDK sends one, another client
        # was refused. So one is sent only where the user asks for it.
        background=False,
        price=Price(5, 8, 38, _PRICED_26, _BLOG_26),
        source=_LEARN,
    ),
    Model(
        "MAI-Image-2.6-Flash",
        version=date(2026, 7, 31),
        max_pixels=2_359_296,
        background=False,
        price=Price(1.75, 2.50, 19, _PRICED_26, _BLOG_26),
        source=_LEARN,
    ),
    Model(
        "MAI-Image-2.7",
        max_pixels=4_194_304,
        price=Price(5, 8, 34, _PRICED_27, _RESELLERS_27),
        source=_RESELLERS_27,
    ),
    # No price of text is known for this one, so its cost is unknown.
    Model("MAI-Image-2.7-Flash", max_pixels=4_194_304, source=_RESELLERS_27),
)

NEWEST = MODELS[-2]
"""Stands behind ``--offline`` where no deployment is named."""

_NAME = re.compile(
    r"mai[-_. ]?image[-_. ]?(?P<major>\d)(?:[-_. ]?(?P<minor>\d)(?!\d))?(?![\d])"
    r"(?:[-_. ]?(?P<variant>flash|pro|e)(?![a-z]))?",
    re.IGNORECASE,
)
_BY_NAME = {(model.name or "").lower(): model for model in MODELS}


def find(name: str) -> Model:
    """The model that ``name`` means: its own name, or a deployment's that contains it.

    ``mai-image-2-6-flash-prod`` and ``MAI-Image-2.6-Flash`` are both MAI-Image-2.6-Flash;
    ``my-pics``, and a version that is not listed, are :meth:`Model.unknown`.
    """
    match = _NAME.search(name)
    if match is None:
        return Model.unknown()
    version = match["major"] + (f".{match['minor']}" if match["minor"] else "")
    variant = (match["variant"] or "").lower()
    suffix = variant if variant in ("", "e") else f"-{variant}"
    return _BY_NAME.get(f"mai-image-{version}{suffix}", Model.unknown())
