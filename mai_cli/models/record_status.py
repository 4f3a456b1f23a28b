"""What can have become of a request. See :class:`mai_cli.models.record.Record`."""

from enum import StrEnum


class RecordStatus(StrEnum):
    """The statuses of records."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    SENT = "sent"
    REMOVED = "removed"
