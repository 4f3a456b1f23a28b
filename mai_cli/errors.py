"""What can go wrong, named by what the user has to do about it, and the exit codes.

Every failure that is not a bug is a :class:`MaiError`, raised where it is found and turned into
a message, JSON and an exit code in one place, ``app.main``.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum, IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of ``mai``; scripts rely on them."""

    OK = 0
    BUG = 1
    USAGE = 2
    CONFIG = 3
    AUTH = 4
    REFUSED = 5
    UNAVAILABLE = 6
    STORAGE = 7
    UNKNOWN = 8
    BUDGET = 9
    STALE = 10
    PARTIAL = 11
    HUNG_UP = 129
    INTERRUPTED = 130
    CLOSED_PIPE = 141
    TERMINATED = 143

    @classmethod
    def of_all(cls, codes: Iterable["ExitCode"]) -> "ExitCode":
        """The exit code of a run that made, or failed to make, several pictures."""
        seen = set(codes)
        failures = seen - {cls.OK}
        if not failures:
            return cls.OK
        if len(failures) == 1 and (cls.OK not in seen or failures == {cls.STORAGE}):
            return failures.pop()
        return cls.PARTIAL


class Retry(Enum):
    """When a request that failed may be sent again without a risk of paying twice."""

    NEVER = "it would fail again"
    SOON = "nothing was drawn; another try may work"
    LATER = "nothing was drawn; another try may work once the quota has recovered"
    WITH_FRESH_TOKEN = "nothing was drawn; a new sign-in may help, once"  # noqa: S105 - a sentence
    IF_TOLD = "the picture may have been drawn and billed"


class MaiError(Exception):
    """A failure, with one line of what happened and one of what to do.

    ``details`` are more lines, such as each mistake of a manifest. ``codes`` lists the stable
    error codes of a kind with their meaning; each ``code`` that is raised is one of them.
    """

    exit_code: ClassVar[ExitCode]
    codes: ClassVar[Mapping[str, str]]

    def __init__(
        self,
        message: str,
        *,
        code: str,
        hint: str = "",
        retry: Retry = Retry.NEVER,
        wait_seconds: float | None = None,
        request_id: str | None = None,
        details: Sequence[str] = (),
    ) -> None:
        super().__init__(message)
        if code not in self.codes:
            raise ValueError(f"{code!r} is not a code of {type(self).__name__}")
        self.message = message
        self.code = code
        self.hint = hint
        self.retry = retry
        self.wait_seconds = wait_seconds
        self.request_id = request_id
        self.details = details

    def to_json(self) -> dict[str, object]:
        """The ``error`` object of JSON output and of a history record."""
        told = {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "exit_code": int(self.exit_code),
        }
        return {**told, "details": list(self.details)} if self.details else told


class UsageError(MaiError):
    """The command line, or a file named on it, is wrong; nothing was sent."""

    exit_code = ExitCode.USAGE
    codes: ClassVar = {
        "bad_option": "an option or argument is missing or wrong",
        "bad_prompt": "the prompt is missing, empty or cannot be read",
        "bad_size": "the size is not one that the model can draw",
        "bad_image": "a reference picture is missing, damaged, too large or not what it claims",
        "not_offered": "the model does not offer what was asked for",
        "bad_output": "the output cannot be written in this form or at this place",
        "output_exists": "an output exists already",
        "no_record": "no record of the history is meant, or more than one",
        "bad_manifest": "the manifest of a batch has mistakes, each of which is named",
        "bad_lock": "the lock of a batch cannot be read or written",
    }


class ConfigError(MaiError):
    """A setting is missing or wrong; nothing was drawn."""

    exit_code = ExitCode.CONFIG
    codes: ClassVar = {
        "missing_setting": "a setting that is needed is not set",
        "bad_setting": "a setting has a value that cannot be used",
        "bad_config_file": "the configuration file cannot be read",
        "cannot_write": "the configuration cannot be written",
        "cannot_read": "the history cannot be read",
        "cannot_store": "what must be written before a request cannot be; nothing was sent",
        "redirected": "the endpoint answered with a redirect, which is not followed",
    }


class AuthError(MaiError):
    """There is no credential, or it was not accepted; nothing was drawn."""

    exit_code = ExitCode.AUTH
    codes: ClassVar = {
        "no_credential": "there is neither a key nor a sign-in",
        "bad_credential": "the key or token was not accepted",
        "no_permission": "the key or sign-in lacks a permission",
    }


class RefusedError(MaiError):
    """The service declined this request; the same request would be declined again."""

    exit_code = ExitCode.REFUSED
    codes: ClassVar = {
        "content_filter": "the content filter blocked the prompt or the picture",
        "resource_blocked": "the service has blocked the whole resource for a time",
        "bad_request": "the service found a mistake in the request",
        "no_deployment": "the resource has no deployment of that name",
        "not_found": "the endpoint has no image API at its address",
    }


class UnavailableError(MaiError):
    """The service could not be reached or could not serve; nothing was drawn."""

    exit_code = ExitCode.UNAVAILABLE
    codes: ClassVar = {
        "no_connection": "no connection could be made",
        "bad_certificate": "the certificate of the endpoint is not trusted",
        "quota": "the quota of the deployment is used up for now",
        "service_failure": "the service reported a failure of its own",
        "busy": "another mai is at work on the same manifest",
    }


class StorageError(MaiError):
    """A picture was made but could not be written where asked."""

    exit_code = ExitCode.STORAGE
    codes: ClassVar = {
        "export_failed": "the picture is safe in the gallery, but an output could not be written",
        "rescued": "the gallery failed; the picture is safe where the message says",
        "history_failed": "the picture is safe, but the history could not be written",
        "lock_failed": "the pictures are safe, but the lock of a batch could not be written",
    }


class UnknownError(MaiError):
    """A request was sent and no usable answer came; the picture may have been billed."""

    exit_code = ExitCode.UNKNOWN
    codes: ClassVar = {
        "lost_answer": "the connection broke, or the time ran out, before the whole answer came",
        "gateway_gave_up": "a gateway gave up on a service that may have been drawing",
        "no_picture": "the service reported success but sent no picture",
        "bad_picture": "the service sent bytes that are not a whole PNG picture",
        "not_stored": "a picture came but no place on this machine could take it",
        "interrupted": "mai was stopped while a request was in flight",
    }


class BudgetError(MaiError):
    """It would cost more than allowed; nothing beyond the limit was sent."""

    exit_code = ExitCode.BUDGET
    codes: ClassVar = {
        "over_budget": "the worst case of a request is more than what a limit leaves",
        "unknown_price": "there is a limit, but the cost of the request is not known",
    }


class StoppedError(MaiError):
    """Ctrl-C or SIGTERM came while no request was in flight; nothing was drawn."""

    exit_code = ExitCode.INTERRUPTED
    codes: ClassVar = {"stopped": "mai was stopped before the request was sent again"}
