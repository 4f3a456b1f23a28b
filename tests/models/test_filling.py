import pytest

from mai_cli.errors import UsageError
from mai_cli.models.filling import fill_prompt, parse_values


def test_values_are_what_stands_behind_the_first_equals_sign():
    assert parse_values(["a=1", "b-c=", "d=x=y"]) == {"a": "1", "b-c": "", "d": "x=y"}
    assert parse_values([]) == {}


@pytest.mark.parametrize("text", ["a", "=x", "1a=x", "a b=x", "é=x", ""])
def test_what_gives_no_name_a_value_is_refused(text):
    with pytest.raises(UsageError) as caught:
        parse_values([text])
    assert caught.value.code == "bad_option"
    assert caught.value.message.endswith("gives no name a value.")


def test_a_name_has_one_value():
    with pytest.raises(UsageError, match="gives a a value twice"):
        parse_values(["a=1", "a=1"])


def test_without_values_a_prompt_is_taken_literally():
    assert fill_prompt("${a} $$ ${", {}) == "${a} $$ ${"


def test_values_are_filled_in_once():
    values = {"a": "a ${b}", "b": "fox"}
    assert fill_prompt("${a}, ${b} for $$5 and $6", values) == "a ${b}, fox for $5 and $6"


@pytest.mark.parametrize(
    ("prompt", "code", "message"),
    [
        ("${a} ${b}", "bad_prompt", "The prompt uses ${b}, which has no value."),
        ("${a", "bad_prompt", "The prompt has a '${' that is not closed."),
        ("a fox", "bad_option", "The prompt does not use a."),
    ],
)
def test_what_cannot_be_filled_in_is_refused(prompt, code, message):
    with pytest.raises(UsageError) as caught:
        fill_prompt(prompt, {"a": "1"})
    assert (caught.value.code, caught.value.message) == (code, message)
