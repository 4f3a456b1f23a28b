"""What became of a request when a stop came: Ctrl-C, SIGTERM, or the end of a run."""

from mai_cli.errors import StoppedError, UnknownError


def stopped_before() -> StoppedError:
    """The error of a request that was not sent, or surely not drawn."""
    return StoppedError("Stopped. Nothing was drawn.", code="stopped")


def stopped_in_flight(request_id: str | None = None) -> UnknownError:
    """The error of a request that was cut short; not sent again, even with ``--retry-lost``."""
    return UnknownError(
        "Stopped while a request was in flight; it may still be billed.",
        code="interrupted",
        hint="Look before you ask again.",
        request_id=request_id,
    )
