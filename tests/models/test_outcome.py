from datetime import UTC, datetime
from pathlib import Path

from mai_cli.errors import ExitCode, StorageError, UnknownError
from mai_cli.models.catalogue import find
from mai_cli.models.outcome import Outcome
from mai_cli.models.record import Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size

RECORD = Record.sent(
    ImageRequest("a fox", "mai-image-26", find("mai-image-26"), Size(1024, 1024)),
    id="0123456789ab",
    created_at=datetime(2026, 11, 22, tzinfo=UTC),
    endpoint=None,
)


def test_an_outcome_has_the_exit_code_of_its_error_even_where_there_is_a_picture():
    lost = UnknownError("m", code="lost_answer")
    rescued = StorageError("m", code="rescued")

    assert Outcome(RECORD, Path("a.png")).exit_code is ExitCode.OK
    assert Outcome(RECORD, error=lost).exit_code is ExitCode.UNKNOWN
    assert Outcome(RECORD, Path("a.png"), rescued).exit_code is ExitCode.STORAGE
