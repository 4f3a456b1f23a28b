"""The same request again: what a record asked for, and what is different this time."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mai_cli.errors import UsageError
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.reference import Reference
from mai_cli.models.request import ImageRequest

RECORD = "mai.record"
"""Under this name ``history rerun`` hands a record to ``generate``."""

_SHOWN = 200  # characters of a prompt


@dataclass(frozen=True)
class Asked:
    """What a record asked for, in the words of the options of ``generate``; else nothing.

    ``images`` are paths with the digests that they had.
    """

    record: Mapping[str, Any] | None = None
    prompt: str | None = None
    size: str | None = None
    profile: str | None = None
    deployments: Sequence[str] = ()
    model: str | None = None
    background: str | None = None
    web_grounding: bool = False
    params: Mapping[str, object] = field(default_factory=dict)
    images: Sequence[tuple[str, str]] = ()

    @classmethod
    def of(cls, record: Mapping[str, Any] | None, *, is_elsewhere: bool) -> "Asked":
        """What ``record`` asked for, if there is one; of another place if ``is_elsewhere``.

        Raises:
            UsageError: It is of a version that says it another way.
        """
        if record is None:
            return cls()
        try:
            fields = dict(record["request"])
            width, height = fields.pop("width", None), fields.pop("height", None)
            json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()  # all can be sent
            size = "auto" if fields.pop("auto_aspect_ratio", False) else None
            return cls(
                record=record,
                prompt=_text(record["prompt"]),
                size=f"{width}x{height}" if width and height else size,
                profile=None if is_elsewhere else _text(record.get("profile")),
                deployments=() if is_elsewhere else [str(record["deployment"])],
                model=None if is_elsewhere else _text(record["model"]),
                background=_text(fields.pop("background", None)),
                web_grounding=bool(fields.pop("web_grounding", False)),
                params=fields,
                images=[_image(image) for image in record["images"]],
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UsageError(
                f"The record {record.get('id')} cannot be understood.",
                code="no_record",
                hint="A newer version of mai may have written it.",
            ) from None

    @property
    def is_private(self) -> bool:
        """Whether the prompt of the record went into no file, as that of a new one should not."""
        return self.record is not None and self.prompt is None

    @property
    def record_id(self) -> str | None:
        """Which record it is."""
        return self.record["id"] if self.record else None

    def text(
        self,
        argument: str | None,
        file: str | None,
        find: Callable[[str | None, str | None], str],
    ) -> str:
        """The prompt that ``find`` finds where one is given, else the old one.

        Raises:
            UsageError: The record keeps it private.
        """
        if self.record is None or argument is not None or file is not None:
            return find(argument, file)
        if self.prompt is None:
            raise UsageError(
                f"The record {self.record_id} does not have the prompt, which was private.",
                code="bad_prompt",
                hint=f'Give it: mai history rerun {self.record_id} "PROMPT"',
            )
        return self.prompt

    def references(
        self, paths: Sequence[str] | None, read: Callable[[Sequence[str]], list[Reference]]
    ) -> list[Reference]:
        """The pictures at ``paths`` if there are any, else the old ones.

        Raises:
            UsageError: One cannot be read, or an old one is not what it was.
        """
        images = read(paths or [path for path, _ in self.images])
        for image, (path, sha256) in zip(images, () if paths else self.images, strict=False):
            if image.sha256 != sha256:
                raise UsageError(
                    f"The reference picture {path} is not what it was.",
                    code="bad_image",
                    hint=f"Restore it, or give the new one on purpose: --image {path}",
                )
        return images

    def differences(self, request: ImageRequest, endpoint: Endpoint | None) -> list[str]:
        """What ``request`` asks for in another way than the record, a line for each.

        Also where: a placeholder may become a picture that is paid for.
        """
        if self.record is None:
            return []
        old, new = self.record["request"], request.settings
        pairs = {
            "prompt": ("(private)" if self.is_private else self.prompt, request.prompt),
            "endpoint": (_place(self.record.get("endpoint")), _place(endpoint)),
            "deployment": (self.record["deployment"], request.deployment),
            "model": (self.record["model"], request.model.name),
            **{key: (old.get(key), new.get(key)) for key in dict.fromkeys([*old, *new])},
            "references": (
                [sha256[:8] for _, sha256 in self.images],
                [image.sha256[:8] for image in request.images],
            ),
        }
        return [
            f"{name}: {_shown(before)} -> {_shown(after)}"
            for name, (before, after) in pairs.items()
            if before != after
        ]


def _text(value: object) -> str | None:
    """``value``, which may be missing.

    Raises:
        TypeError: It is no text.
    """
    if value is None or isinstance(value, str):
        return value
    raise TypeError(value)


def _image(image: Mapping[str, object]) -> tuple[str, str]:
    """Path and digest of a reference.

    Raises:
        TypeError: They are no texts.
    """
    match image:
        case {"path": str(path), "sha256": str(sha256)}:
            return path, sha256
    raise TypeError(image)


def _place(endpoint: object) -> str:
    return str(endpoint or "this machine (offline)")


def _shown(value: object) -> str:
    if value in (None, []):
        return "(none)"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
