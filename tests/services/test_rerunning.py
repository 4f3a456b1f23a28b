from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given

from mai_cli.errors import UsageError
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.reference import Reference
from mai_cli.services.rerunning import Asked
from tests.services.records import ODD_STATES, state

HERE = Endpoint("https://contoso.services.ai.azure.com")


def asked(*, is_elsewhere: bool = False, **more: object) -> Asked:
    return Asked.of(state(**more), is_elsewhere=is_elsewhere)


def never(*_: object):
    raise AssertionError


def test_without_a_record_nothing_was_asked_for():
    nothing = Asked.of(None, is_elsewhere=False)
    assert nothing == Asked()
    assert nothing.record_id is None
    assert nothing.text("a fox", None, lambda argument, _: argument) == "a fox"
    assert nothing.text(None, None, lambda argument, file: f"{argument} {file}") == "None None"


def test_the_words_of_a_record_are_those_of_the_options():
    request = {"width": 1024, "height": 768, "background": "opaque", "web_grounding": True}
    again = asked(request=request | {"seed": 7}, images=[{"path": "/x/a.png", "sha256": "ab"}])

    assert again.record_id == "b7c41f09e2aa"
    assert (again.prompt, again.size) == ("a lighthouse at dawn", "1024x768")
    assert (again.deployments, again.model) == (["mai-image-26"], "MAI-Image-2.6")
    assert (again.background, again.web_grounding) == ("opaque", True)
    assert (again.params, again.images) == ({"seed": 7}, [("/x/a.png", "ab")])


@pytest.mark.parametrize(
    ("request_", "size"),
    [({}, None), ({"auto_aspect_ratio": True}, "auto"), ({"width": 5}, None)],
)
def test_a_size_that_the_service_chose_is_chosen_again(request_, size):
    assert asked(request=request_).size == size


def test_elsewhere_the_deployment_is_another():
    again = asked(is_elsewhere=True, profile="work")
    assert (again.deployments, again.model, again.profile) == ((), None, None)
    assert again.prompt == "a lighthouse at dawn"


def test_the_profile_is_that_of_the_record():
    assert asked(profile="work").profile == "work"
    assert asked(profile=None).profile is None
    old = state()
    del old["profile"]
    assert Asked.of(old, is_elsewhere=False).profile is None


def test_what_follows_a_private_record_is_private():
    assert asked(prompt=None).is_private
    assert asked(prompt=None, is_elsewhere=True).is_private
    assert not asked(prompt="").is_private
    assert not Asked().is_private


@pytest.mark.parametrize("key", ["request", "prompt", "deployment", "model", "images"])
def test_a_record_that_lacks_what_is_needed_is_told(key):
    odd = state()
    del odd[key]
    with pytest.raises(UsageError) as caught:
        Asked.of(odd, is_elsewhere=False)
    assert caught.value.code == "no_record"
    assert caught.value.message == "The record b7c41f09e2aa cannot be understood."


@given(odd=ODD_STATES)
def test_a_record_of_any_shape_is_understood_or_told(odd):
    with suppress(UsageError):
        again = Asked.of(odd, is_elsewhere=False)
        texts = [again.prompt, again.profile, again.model, again.background]
        texts += [text for image in again.images for text in image]
        assert all(text is None or isinstance(text, str) for text in texts)


@pytest.mark.parametrize("key", ["prompt", "profile", "model", "background", "path", "sha256"])
def test_a_text_of_a_record_that_is_none_is_told(key):
    image = {"path": "/a.png", "sha256": "aa"}
    odd = {
        "background": {"request": {"background": ["opaque"]}},
        "path": {"images": [image | {"path": 7}]},
        "sha256": {"images": [image | {"sha256": None}]},
    }.get(key, {key: ["x"]})
    with pytest.raises(UsageError) as caught:
        asked(**odd)
    assert caught.value.message == "The record b7c41f09e2aa cannot be understood."


@pytest.mark.parametrize("odd", [float("inf"), "\ud800", [{"\udfff": 1}]])
def test_a_parameter_that_cannot_be_sent_is_told(odd):
    with pytest.raises(UsageError) as caught:
        asked(request={"style": odd})
    assert caught.value.code == "no_record"


def test_a_record_is_not_changed_by_being_read():
    record = state(request={"width": 1, "height": 1, "background": "opaque"})
    Asked.of(record, is_elsewhere=False)
    assert record["request"] == {"width": 1, "height": 1, "background": "opaque"}


def test_the_old_prompt_holds_until_there_is_a_new_one():
    assert asked().text(None, None, never) == "a lighthouse at dawn"
    assert asked().text("new", None, lambda argument, _: f"found {argument}") == "found new"
    assert asked().text(None, "p.txt", lambda _, file: f"read {file}") == "read p.txt"
    assert asked().text("", None, lambda argument, _: f"found {argument!r}") == "found ''"


def test_a_private_prompt_has_to_be_given_again():
    private = asked(prompt=None)
    with pytest.raises(UsageError) as caught:
        private.text(None, None, never)
    assert caught.value.code == "bad_prompt"
    assert private.text("new", None, lambda argument, _: argument) == "new"


def reference(path: str, sha256: str) -> Reference:
    return Reference(Path(path), sha256, "PNG")


def test_old_references_are_read_again():
    again = asked(images=[{"path": "/b.png", "sha256": "bb"}, {"path": "/a.png", "sha256": "aa"}])
    read = [reference("/b.png", "bb"), reference("/a.png", "aa")]
    assert (
        again.references(None, lambda paths: read if paths == ["/b.png", "/a.png"] else []) == read
    )
    assert again.references([], lambda paths: read) == read


def test_a_picture_that_is_referred_to_twice_is_so_again():
    again = asked(images=[{"path": "/a.png", "sha256": "aa"}] * 2)
    read = again.references(None, lambda paths: [reference(path, "aa") for path in paths])
    assert len(read) == 2


def test_a_reference_that_was_changed_is_told_unless_it_is_given_on_purpose():
    again = asked(images=[{"path": "/a.png", "sha256": "aa"}])
    changed = [reference("/a.png", "cc")]
    with pytest.raises(UsageError) as caught:
        again.references(None, lambda _: changed)
    assert caught.value.code == "bad_image"
    assert caught.value.message == "The reference picture /a.png is not what it was."
    assert again.references(["/a.png"], lambda _: changed) == changed


def test_what_differs_is_told_line_by_line(request_):
    again = asked(
        prompt="a red fox", request={"width": 1024, "height": 1024}, model=request_.model.name
    )
    assert again.differences(request_, HERE) == []
    other = replace(
        request_,
        prompt="a blue fox",
        size=None,
        params={"seed": 7},
        images=[reference("/a.png", "ab" * 32)],
    )
    assert again.differences(other, HERE) == [
        "prompt: a red fox -> a blue fox",
        "width: 1024 -> (none)",
        "height: 1024 -> (none)",
        "seed: (none) -> 7",
        'references: (none) -> ["abababab"]',
    ]
    assert Asked().differences(other, HERE) == []


def test_a_rerun_that_goes_elsewhere_says_so(request_):
    same = {"prompt": "a red fox", "model": request_.model.name}
    endpoint = "https://contoso.services.ai.azure.com"
    assert asked(**same).differences(request_, None) == [
        f"endpoint: {endpoint} -> this machine (offline)"
    ]
    assert asked(**same, endpoint=None).differences(request_, HERE) == [
        f"endpoint: this machine (offline) -> {endpoint}"
    ]


def test_what_differs_is_told_in_its_own_letters(request_):
    again = asked(prompt="a red fox", model=request_.model.name)
    other = replace(request_, params={"more": ["雪"]})
    assert again.differences(other, HERE) == ['more: (none) -> ["雪"]']


def test_a_long_prompt_is_cut_where_it_differs(request_):
    again = asked(prompt="x" * 300, model=request_.model.name)
    assert again.differences(request_, HERE) == [f"prompt: {'x' * 200}... -> a red fox"]
