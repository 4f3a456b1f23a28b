"""The record of one request: a line of the history, and of ``--json`` output."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, Self

from mai_cli.errors import ExitCode, MaiError
from mai_cli.models.answer import Answer, Picture, Usage
from mai_cli.models.request import ImageRequest

SCHEMA = "mai/record/1"

_STATUS_OF = {ExitCode.REFUSED: "refused", ExitCode.UNKNOWN: "unknown"}


@dataclass(frozen=True)
class Master:
    """The picture as the service sent it. ``path`` is relative to ``gallery``."""

    path: str
    gallery: str
    sha256: str
    bytes: int
    width: int
    height: int
    content_credentials: bool

    @classmethod
    def of(cls, picture: Picture, path: str, gallery: str) -> Self:
        """The master of ``picture``, kept at ``path`` in ``gallery``."""
        return cls(path=path, gallery=gallery, **asdict(picture))


@dataclass(frozen=True)
class Export:
    """A picture made from the master, where the user asked for it. ``path`` is absolute.

    ``content_credentials`` says whether it still carries the master's, which a conversion cannot.
    """

    path: str
    format: str
    width: int
    height: int
    bytes: int
    sha256: str
    content_credentials: bool


@dataclass(frozen=True)
class Record:
    """One request and what became of it.

    ``status`` is ``sent``, ``ok``, ``refused``, ``failed`` (surely not drawn), ``unknown``
    (possibly billed) or ``removed``. ``prompt`` is ``None`` for a private picture. ``seconds`` is
    the time from sending to the answer, waits between attempts left out. ``batch`` tells of the
    ``manifest`` (an absolute path), the ``asset`` and the digest of its ``request``; ``alt`` is
    the alternative text, for whoever cannot see the picture.
    """

    id: str
    status: str
    created_at: datetime
    prompt: str | None
    deployment: str
    model: str | None
    endpoint: str | None
    offline: bool
    request: dict[str, object]
    seconds: float | None = None
    images: list[dict[str, object]] = field(default_factory=list)
    profile: str | None = None
    master: Master | None = None
    exports: list[Export] = field(default_factory=list)
    usage: Usage | None = None
    cost_usd: float | None = None
    request_id: str | None = None
    attempts: int = 1
    batch: dict[str, str] | None = None
    alt: str | None = None
    rerun_of: str | None = None
    tags: list[str] = field(default_factory=list)
    error: dict[str, object] | None = None

    @classmethod
    def sent(
        cls,
        request: ImageRequest,
        *,
        id: str,
        created_at: datetime,
        endpoint: str | None,
        profile: str | None = None,
        private: bool = False,
        tags: list[str] | None = None,
        batch: dict[str, str] | None = None,
        alt: str | None = None,
        rerun_of: str | None = None,
    ) -> Self:
        """A request that is about to leave. ``endpoint`` is ``None`` for one drawn offline."""
        return cls(
            id=id,
            status="sent",
            created_at=created_at,
            prompt=None if private else request.prompt,
            deployment=request.deployment,
            model=request.model.name,
            endpoint=endpoint,
            profile=profile,
            offline=endpoint is None,
            request=request.settings,
            images=[image.to_json() for image in request.images],
            batch=batch,
            alt=alt,
            tags=tags or [],
            rerun_of=rerun_of,
        )

    def made(
        self,
        answer: Answer,
        master: Master,
        *,
        cost_usd: float | None,
        seconds: float,
        attempts: int,
    ) -> Self:
        """The same record, with the picture that came."""
        return replace(
            self,
            status="ok",
            master=master,
            usage=answer.usage,
            cost_usd=cost_usd,
            request_id=answer.request_id,
            seconds=round(seconds, 3),
            attempts=attempts,
        )

    def failed(self, error: MaiError, *, seconds: float, attempts: int) -> Self:
        """The same record, ended without a picture: refused, unknown, or surely not drawn.

        The record of a private picture does not repeat what the service says, since the service
        may repeat the prompt.
        """
        told = error.to_json()
        if self.prompt is None:
            told["message"] = error.codes[error.code]
        return replace(
            self,
            status=_STATUS_OF.get(error.exit_code, "failed"),
            error=told,
            request_id=error.request_id,
            seconds=round(seconds, 3),
            attempts=attempts,
        )

    @classmethod
    def from_json(cls, state: Mapping[str, Any]) -> Self:
        """The record that a line of the history tells of; what a later version added is left out.

        Raises:
            ValueError: It is not a record.
        """
        try:
            known = {name: state[name] for name in _FIELDS if name in state}
            master, usage = state["master"], state["usage"]
            known |= {
                "created_at": datetime.fromisoformat(state["created_at"]),
                "master": master and Master(**_known(Master, master)),
                "usage": usage and Usage(**_known(Usage, usage)),
                "exports": [Export(**_known(Export, export)) for export in state["exports"]],
            }
            return cls(**known)
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError("is not a record") from error

    def to_json(self) -> dict[str, object]:
        """The JSON object of this record, keys in the order of the schema."""
        instant = self.created_at.astimezone(UTC).isoformat(timespec="milliseconds")
        return {
            "schema": SCHEMA,
            "id": self.id,
            "status": self.status,
            "created_at": instant.replace("+00:00", "Z"),
            "seconds": self.seconds,
            "prompt": self.prompt,
            "images": self.images,
            "deployment": self.deployment,
            "model": self.model,
            "endpoint": self.endpoint,
            "profile": self.profile,
            "offline": self.offline,
            "request": self.request,
            "master": self.master and asdict(self.master),
            "exports": [asdict(export) for export in self.exports],
            "usage": self.usage and asdict(self.usage),
            "cost_usd": self.cost_usd,
            "request_id": self.request_id,
            "attempts": self.attempts,
            "batch": self.batch,
            "alt": self.alt,
            "rerun_of": self.rerun_of,
            "tags": self.tags,
            "error": self.error,
        }


_FIELDS = [field.name for field in fields(Record)]


def _known(kind: type, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``facts`` that ``kind`` has fields for."""
    return {field.name: facts[field.name] for field in fields(kind) if field.name in facts}
