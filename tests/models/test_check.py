import json

from mai_cli.errors import ExitCode
from mai_cli.models.check import Check


def test_a_check_is_json():
    check = Check("token", "failed", "No.", "Sign in.", 1.23456, ExitCode.AUTH)

    assert json.loads(json.dumps(check.to_json())) == {
        "schema": "mai/check/1",
        "name": "token",
        "result": "failed",
        "message": "No.",
        "hint": "Sign in.",
        "seconds": 1.235,
        "exit_code": 4,
    }


def test_a_check_that_went_well_has_nothing_to_do():
    check = Check("name", "ok", "contoso.example is 127.0.0.1")

    assert (check.hint, check.seconds, check.exit_code) == ("", 0.0, ExitCode.OK)
