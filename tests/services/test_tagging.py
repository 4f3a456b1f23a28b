import pytest
from hypothesis import given
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.services.tagging import parse_tags
from tests.services.records import ANYTHING, state


def tags(before: object, *texts: str) -> object:
    return parse_tags(texts)(state(tags=before))["tags"]


@pytest.mark.parametrize(
    ("before", "texts", "after"),
    [
        ([], ["+x"], ["x"]),
        (["a", "b"], ["+x", "-a"], ["b", "x"]),
        (["a", "b"], ["+a"], ["a", "b"]),
        (["a"], ["-b"], ["a"]),
        ([], ["+x", "-x"], []),
        (["x"], ["-x", "+x"], ["x"]),
        ([], ["+two words", "+ trimmed "], ["two words", "trimmed"]),
        ([], ["++", "+-x", "-y"], ["+", "-x"]),
        ([], ["+雪"], ["雪"]),
        (["a", "a"], ["+b"], ["a", "b"]),
    ],
)
def test_tags_are_added_and_taken_off_in_order(before, texts, after):
    assert tags(before, *texts) == after


@pytest.mark.parametrize("text", ["", "x", "+", "-", "+ ", "- \t", " +x", "favorite", "--tag"])
def test_what_does_not_say_what_to_do_is_told(text):
    with pytest.raises(UsageError) as caught:
        parse_tags(["+fine", text])

    assert caught.value.code == "bad_option"
    assert caught.value.message == f"'{text}' does not say what to do with a tag."


def test_without_a_tag_there_is_nothing_to_do():
    with pytest.raises(UsageError) as caught:
        parse_tags([])

    assert (caught.value.code, caught.value.message, caught.value.hint) == (
        *("bad_option", "No tag is named.", "Write +TAG or -TAG."),
    )


def test_the_rest_of_the_record_stays():
    later = state(tags=["a"], mood={"new": 1})
    assert parse_tags(["+b"])(later) == later | {"tags": ["a", "b"]}
    assert later["tags"] == ["a"]


@given(ANYTHING | st.lists(ANYTHING))
def test_tags_of_another_shape_stop_nothing(before):
    assert "x" in tags(before, "+x", "-y")


def test_a_record_without_tags_gets_some():
    assert parse_tags(["+x"])({"id": "a"}) == {"id": "a", "tags": ["x"]}
