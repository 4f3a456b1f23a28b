"""One request for one picture, checked against what its model offers."""

import json
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mai_cli.errors import UsageError
from mai_cli.models.catalogue import (
    CHARACTERS_PER_TEXT_TOKEN,
    MAX_TOKENS_AROUND_PROMPT,
    MAX_TOKENS_PER_REFERENCE,
    PIXELS_PER_OUTPUT_TOKEN,
    SAFE_MAX_PIXELS,
    TOKENS_PER_REFERENCE,
    Model,
)
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.reference import MAX_REFERENCES, Reference
from mai_cli.models.size import Size

BACKGROUNDS = ("transparent", "opaque")

_UNSEEN = ("Cc", "Cf", "Zs", "Zl", "Zp")  # categories of characters that leave no mark

OWN_OPTION = {
    "model": "--deployment",
    "prompt": "PROMPT",
    "image": "--image",
    "width": "--size",
    "height": "--size",
    "auto_aspect_ratio": "--size auto",
    "background": "--background",
    "web_grounding": "--web-grounding",
    # The service ignores these two without a word, and bills what it draws instead.
    "size": "--size",
    "n": "--count",
}


@dataclass(frozen=True)
class ImageRequest:
    """What is asked of a deployment: a picture from a prompt, or an edit of ``images``.

    ``size`` is ``None`` where the service chooses it; ``auto_size`` then asks for the shape that
    suits the prompt, else an edit keeps the shape of its first reference.

    Raises:
        UsageError: The prompt is empty, or the model does not offer what is asked for.
    """

    prompt: str
    deployment: str
    model: Model
    size: Size | None = None
    auto_size: bool = False
    images: Sequence[Reference] = ()
    background: str | None = None
    web_grounding: bool = False
    params: Mapping[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if is_blank(self.prompt):
            raise UsageError(
                "The prompt is empty.",
                code="bad_prompt",
                hint='Say what to draw, for example: mai generate "a lighthouse at dawn"',
            )
        if not self.prompt.isprintable() and _has_surrogates(self.prompt):
            raise UsageError(
                "The prompt is not valid UTF-8.",
                code="bad_prompt",
                hint="Put it in a file saved as UTF-8 and give that with --prompt-file.",
            )
        if _has_surrogates(self.deployment):
            raise UsageError(
                "The name of the deployment is not valid UTF-8.",
                code="bad_option",
                hint="Write it in UTF-8.",
            )
        if len(self.images) > MAX_REFERENCES:
            raise UsageError(
                f"There are {len(self.images)} reference pictures.",
                code="bad_option",
                hint=f"A model takes {MAX_REFERENCES} at most.",
            )
        if self.images and not self.model.edits:
            raise self._not_offered("--image")
        if self.images and self.size and not self.model.edit_size:
            raise UsageError(
                f"{self._who} takes no size together with reference pictures.",
                code="not_offered",
                hint="Leave out --size: an edit keeps the shape of its first reference.",
            )
        if self.background and not self.model.background:
            raise self._not_offered("--background")
        if self.web_grounding and not self.model.web_grounding:
            raise self._not_offered("--web-grounding")

    def _not_offered(self, option: str) -> UsageError:
        return UsageError(
            f"{self._who} does not offer {option}.",
            code="not_offered",
            hint=f"Leave out {option}, or use a deployment of a newer model.",
        )

    @property
    def _who(self) -> str:
        return self.model.name or "The model behind this deployment"

    def url(self, endpoint: Endpoint) -> str:
        """Where this is asked for."""
        return endpoint.edits_url if self.images else endpoint.generations_url

    @property
    def settings(self) -> dict[str, object]:
        """The fields of the request besides deployment and prompt, as sent.

        Source of the names: the API's documentation, and for ``background`` the Azure provider
        of the AI SDK; the service ignores or refuses any other field.
        """
        fields: dict[str, object] = {}
        if self.size:
            fields |= {"width": self.size.width, "height": self.size.height}
        elif self.auto_size:
            fields["auto_aspect_ratio"] = True
        if self.background:
            fields["background"] = self.background
        if self.web_grounding:
            fields["web_grounding"] = True
        return {**fields, **self.params}

    @property
    def body(self) -> dict[str, object]:
        """The fields of the request; ``images`` are sent beside them."""
        return {"model": self.deployment, "prompt": self.prompt, **self.settings}

    @property
    def estimated_cost(self) -> float | None:
        """US dollars, or ``None`` where the price or the size is not known beforehand."""
        pixels = self.size.pixels if self.size else self.model.max_pixels
        if self.images and not self.size and not self.auto_size:
            pixels = SAFE_MAX_PIXELS  # edits were seen to have about as many
        text_tokens = -(-len(self.prompt) // CHARACTERS_PER_TEXT_TOKEN)
        return self._cost(pixels, text_tokens, TOKENS_PER_REFERENCE)

    @property
    def worst_cost(self) -> float | None:
        """US dollars that this costs at most, ``None`` where that is not known."""
        pixels = self.size.pixels if self.size else self.model.max_pixels
        text_tokens = len(self.prompt.encode()) + MAX_TOKENS_AROUND_PROMPT
        return self._cost(pixels, text_tokens, MAX_TOKENS_PER_REFERENCE)

    def _cost(self, pixels: int | None, text_tokens: int, reference_tokens: int) -> float | None:
        if self.model.price is None or pixels is None:
            return None
        return self.model.price.cost(
            text_tokens=text_tokens,
            image_tokens=len(self.images) * reference_tokens,
            output_tokens=-(-pixels // PIXELS_PER_OUTPUT_TOKEN),
        )

    @property
    def digest(self) -> str:
        """The SHA-256 of all that makes the picture what it is, hexadecimal.

        References count by their content, wherever they are. The endpoint does not count: the
        same model draws there.
        """
        from hashlib import sha256  # noqa: PLC0415 - a quarter of the memory of a start

        facts = {
            "prompt": self.prompt,
            "deployment": self.deployment,
            "model": self.model.name,
            "fields": self.settings,
            "images": [image.sha256 for image in self.images],
        }
        return sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def is_blank(text: str) -> bool:
    """Whether nothing of ``text`` can be seen: white space, control characters and the like."""
    return all(unicodedata.category(character) in _UNSEEN for character in text)


def parse_params(texts: Sequence[str]) -> dict[str, object]:
    """The fields that ``--param KEY=VALUE`` adds; a value that is JSON is sent as JSON.

    Raises:
        UsageError: Not of that form, given twice, or a field that has an option of its own.
    """
    params: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(
                f"'{text}' is not a parameter.",
                code="bad_option",
                hint="Write it as KEY=VALUE, for example --param style=vivid",
            )
        if key in OWN_OPTION:
            raise UsageError(
                f"--param cannot set '{key}'.", code="bad_option", hint=f"Use {OWN_OPTION[key]}."
            )
        if key in params:
            raise UsageError(
                f"--param sets '{key}' twice.", code="bad_option", hint="Leave one of them out."
            )
        params[key] = _parse_json(value)
        if _has_surrogates(text):
            raise UsageError(
                f"The value of '{key}' is not valid UTF-8.",
                code="bad_option",
                hint="Write it in UTF-8.",
            )
    return params


def _parse_json(text: str) -> object:
    """``text`` as JSON where it is JSON that can be sent, else as it is."""
    try:
        value: object = json.loads(text)
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return text
    return value


def _has_surrogates(text: str) -> bool:
    """Whether ``text`` came from bytes that are not UTF-8."""
    return any("\ud800" <= character <= "\udfff" for character in text)
