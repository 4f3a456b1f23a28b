"""What the service means by an answer that is not a success.

Sources: Microsoft's how-to names 400, 401, 404 and 429; the other statuses, the codes and the
texts were seen by users of the service or are those of Azure AI services in general.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from mai_cli.errors import (
    AuthError,
    MaiError,
    RefusedError,
    Retry,
    UnavailableError,
    UnknownError,
)

MAX_MESSAGE = 300
CLIENT_CLOSED_REQUEST = 499

_FILTER_CODES = {
    "content_safety_violation",
    "content_filter",
    "contentfilter",
    "content_policy_violation",
    "moderation_blocked",
    "responsibleaipolicyviolation",
}
_FILTER_WORDS = ("blocked by label", "rai policy", "content policy")
_NOTHING_DRAWN = {408, 429, CLIENT_CLOSED_REQUEST, 500, 503}


@dataclass(frozen=True)
class Refusal:
    """The status and what the body says about it; texts are empty where it says nothing."""

    status: int
    codes: frozenset[str]
    message: str

    @classmethod
    def parse(cls, status: int, body: bytes, secret: str) -> "Refusal":
        """Read the error envelope of ``body``, if it is one, without ``secret``."""
        try:
            value = json.loads(body)
        except (ValueError, RecursionError):
            value = None
        error = value.get("error") if isinstance(value, dict) else None
        if not isinstance(error, dict):
            error = {"message": error} if isinstance(error, str) else {}
        inner = error.get("innererror")
        codes = [error.get("code"), inner.get("code") if isinstance(inner, dict) else None]
        message = error.get("message")
        text = " ".join(message.split()) if isinstance(message, str) else ""
        text = text.replace(secret, "***") if secret else text
        return cls(status, frozenset(str(code).lower() for code in codes if code), text)

    @property
    def words(self) -> str:
        """What the service says, shortened, or the name of the status."""
        if self.message:
            short = self.message[:MAX_MESSAGE]
            return f"{short}…" if len(self.message) > MAX_MESSAGE else short.rstrip(".")
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return "no explanation"

    def says(self, *words: str) -> bool:
        """Whether any of ``words`` is in the message."""
        message = self.message.lower()
        return any(word in message for word in words)


def error_of(status: int, body: bytes, retry_after: str | None, secret: str = "") -> MaiError:
    """The error that an answer with this status, body and ``Retry-After`` header means.

    ``secret`` is masked, should the service repeat it.
    """
    refusal = Refusal.parse(status, body, secret)
    if status in _NOTHING_DRAWN:
        return _unavailable(refusal, parse_retry_after(retry_after))
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        gave_up = status in (HTTPStatus.BAD_GATEWAY, HTTPStatus.GATEWAY_TIMEOUT)
        who = "The gateway gave up waiting" if gave_up else "The service failed"
        message = f"{who} ({status}: {refusal.words}); the picture may have been drawn and billed."
        return maybe_drawn("gateway_gave_up", message)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return _not_allowed(refusal)
    return _refused(refusal)


def maybe_drawn(code: str, message: str, request_id: str | None = None) -> UnknownError:
    """A request whose picture may have been drawn and billed; not sent again unless told to."""
    return UnknownError(
        message,
        code=code,
        hint="Look before you ask again, or add --retry-lost to ask again by itself.",
        retry=Retry.IF_TOLD,
        request_id=request_id,
    )


def _unavailable(refusal: Refusal, wait_seconds: float | None) -> UnavailableError:
    """Nothing was drawn, and a later try may work."""
    if refusal.status == HTTPStatus.TOO_MANY_REQUESTS:
        return UnavailableError(
            f"The quota of the deployment is used up for now: {refusal.words}.",
            code="quota",
            hint=f"Try again in {_duration(wait_seconds)}, or ask for a higher quota.",
            retry=Retry.LATER,
            wait_seconds=wait_seconds,
        )
    return UnavailableError(
        f"The service could not draw now ({refusal.status}: {refusal.words}).",
        code="service_failure",
        hint="Try again later.",
        retry=Retry.SOON,
        wait_seconds=wait_seconds,
    )


def _duration(seconds: float | None) -> str:
    return "a minute" if seconds is None or seconds < 1 else f"{math.ceil(seconds)} s"


def _not_allowed(refusal: Refusal) -> MaiError:
    """The credential is not accepted, lacks a permission, or the resource is blocked."""
    if refusal.status == HTTPStatus.FORBIDDEN and refusal.says(
        "temporarily blocked", *_FILTER_WORDS
    ):
        return RefusedError(
            f"The service has blocked this resource: {refusal.words}.",
            code="resource_blocked",
            hint="Stop sending for now; more requests can prolong it. See the Azure portal.",
        )
    if refusal.status == HTTPStatus.FORBIDDEN or "permissiondenied" in refusal.codes:
        return AuthError(
            f"The credential lacks a permission: {refusal.words}.",
            code="no_permission",
            hint="A sign-in needs the role 'Cognitive Services User' on the resource; a new one "
            "takes up to 5 minutes. For a key, see whether the resource allows keys, and calls "
            "from this network.",
        )
    return AuthError(
        f"The credential was not accepted: {refusal.words}.",
        code="bad_credential",
        hint="Check that the key or sign-in belongs to this endpoint.",
    )


def _refused(refusal: Refusal) -> RefusedError:
    """The request itself is declined."""
    if refusal.codes & _FILTER_CODES or refusal.says(*_FILTER_WORDS):
        return RefusedError(
            f"The content filter declined it: {refusal.words}.",
            code="content_filter",
            hint="Change the prompt; a shorter one often passes.",
        )
    if refusal.status == HTTPStatus.NOT_FOUND and "deploymentnotfound" in refusal.codes:
        return RefusedError(
            f"There is no such deployment: {refusal.words}.",
            code="no_deployment",
            hint="Name one that exists with --deployment; a new one takes up to 5 minutes.",
        )
    is_elsewhere = refusal.status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
    if is_elsewhere or refusal.status < HTTPStatus.BAD_REQUEST:  # as "not modified", of a cache
        return RefusedError(
            f"The endpoint has no image API ({refusal.status}: {refusal.words}).",
            code="not_found",
            hint="Check the endpoint; it looks like https://NAME.services.ai.azure.com",
        )
    return RefusedError(
        f"The service declined the request ({refusal.status}: {refusal.words}).",
        code="bad_request",
        hint="Change what the message names.",
    )


def parse_retry_after(text: str | None, now: Callable[[], float] = time.time) -> float | None:
    """Seconds to wait, from either form of the header; ``None`` if it says nothing usable.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.retry-after
    """
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        moment = parse_date(text)
        return None if moment is None else max(0.0, moment.timestamp() - now())
    return seconds if 0 <= seconds < math.inf else None


def parse_date(text: str | None) -> datetime | None:
    """The moment that a header of HTTP names; ``None`` if it names none.

    Source: https://www.rfc-editor.org/rfc/rfc9110#field.date
    """
    try:
        moment = parsedate_to_datetime(text or "")
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        moment.timestamp()
    except (ValueError, OverflowError):
        return None
    return moment
