import pytest

from mai_cli.errors import ExitCode, MaiError, Retry, StorageError, UnknownError, UsageError

KINDS = MaiError.__subclasses__()
EVERY_CODE = [(kind, code) for kind in KINDS for code in kind.codes]

OK, REFUSED, UNAVAILABLE = ExitCode.OK, ExitCode.REFUSED, ExitCode.UNAVAILABLE
STORAGE, UNKNOWN, PARTIAL = ExitCode.STORAGE, ExitCode.UNKNOWN, ExitCode.PARTIAL


@pytest.mark.parametrize(
    ("codes", "exit_code"),
    [
        ([], OK),
        ([OK], OK),
        ([OK, OK], OK),
        ([REFUSED], REFUSED),
        ([REFUSED, REFUSED], REFUSED),
        ([UNKNOWN], UNKNOWN),
        ([ExitCode.AUTH], ExitCode.AUTH),
        ([OK, REFUSED], PARTIAL),
        ([REFUSED, OK], PARTIAL),
        ([OK, UNKNOWN], PARTIAL),
        ([REFUSED, UNKNOWN], PARTIAL),
        ([REFUSED, UNAVAILABLE, OK], PARTIAL),
        ([STORAGE], STORAGE),
        ([OK, STORAGE], STORAGE),
        ([STORAGE, REFUSED], PARTIAL),
        ([OK, STORAGE, UNKNOWN], PARTIAL),
    ],
)
def test_a_run_ends_with_the_code_of_what_became_of_its_pictures(codes, exit_code):
    assert ExitCode.of_all(codes) is exit_code
    assert ExitCode.of_all(iter(codes)) is exit_code


def test_the_exit_codes_are_those_that_scripts_rely_on():
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "BUG": 1,
        "USAGE": 2,
        "CONFIG": 3,
        "AUTH": 4,
        "REFUSED": 5,
        "UNAVAILABLE": 6,
        "STORAGE": 7,
        "UNKNOWN": 8,
        "BUDGET": 9,
        "STALE": 10,
        "PARTIAL": 11,
        "HUNG_UP": 129,
        "INTERRUPTED": 130,
        "CLOSED_PIPE": 141,
        "TERMINATED": 143,
    }


def test_each_code_belongs_to_one_kind_and_each_kind_to_one_exit_code():
    codes = [code for _, code in EVERY_CODE]

    assert len(set(codes)) == len(codes)
    assert len({kind.exit_code for kind in KINDS}) == len(KINDS)
    assert all(meaning for kind in KINDS for meaning in kind.codes.values())


@pytest.mark.parametrize(("kind", "code"), EVERY_CODE)
def test_an_error_says_what_happened_and_what_to_do(kind, code):
    error = kind("What happened.", code=code, hint="What to do.")

    assert str(error) == "What happened."
    assert error.retry is Retry.NEVER
    assert error.to_json() == {
        "code": code,
        "message": "What happened.",
        "hint": "What to do.",
        "exit_code": int(kind.exit_code),
    }
    assert type(error.to_json()["exit_code"]) is int


def test_an_error_with_details_has_them_in_its_json_and_one_without_has_none():
    details = ("hero: no size", "icon: no prompt")
    error = UsageError("Two mistakes.", code="bad_manifest", hint="Mend them.", details=details)

    assert error.details == details
    assert error.to_json() == {
        "code": "bad_manifest",
        "message": "Two mistakes.",
        "hint": "Mend them.",
        "exit_code": 2,
        "details": ["hero: no size", "icon: no prompt"],
    }
    assert "details" not in UsageError("One.", code="bad_manifest").to_json()


@pytest.mark.parametrize(
    ("kind", "code"), [(UsageError, "lost_answer"), (UnknownError, "quota"), (StorageError, "")]
)
def test_a_code_that_a_kind_does_not_have_is_refused(kind, code):
    with pytest.raises(ValueError, match=f"is not a code of {kind.__name__}"):
        kind("What happened.", code=code)
