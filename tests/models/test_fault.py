import pytest
from hypothesis import given
from hypothesis import strategies as st

from mai_cli.errors import UsageError
from mai_cli.models.fault import KINDS, Fault, parse_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("429", Fault("429")),
        ("429:20%", Fault("429", share=0.2)),
        ("500:0.5%", Fault("500", share=0.005)),
        ("lost:3", Fault("lost", number=3)),
        ("filter:fox", Fault("filter", words="fox")),
        (" Filter : a red fox ", Fault("filter", words="a red fox")),
        ("torn:a:b", Fault("torn", words="a:b")),
        ("torn:3 foxes", Fault("torn", words="3 foxes")),
        ("hang:", Fault("hang")),
    ],
)
def test_a_pattern_says_what_and_when(text, fault):
    assert parse_fault(text) == fault


@pytest.mark.parametrize("text", ["", ":3", "200", "399", "600", "4290", "٤٢٩", "loss", "20%"])
def test_what_is_no_fault_is_told_with_those_that_are(text):
    with pytest.raises(UsageError) as caught:
        parse_fault(text)
    assert caught.value.message == f"--fail: '{text.partition(':')[0]}' is no fault."
    assert all(kind in caught.value.hint for kind in KINDS)


@pytest.mark.parametrize("when", ["101%", "200%", "0", "000"])
def test_what_can_never_happen_is_refused(when):
    with pytest.raises(UsageError) as caught:
        parse_fault(f"429:{when}")
    assert caught.value.message == f"--fail: '{when}' is no share and no number of a request."


def test_a_status_is_all_that_is_wrong():
    assert (Fault("503").status, Fault("lost").status) == (503, None)


def test_it_befalls_every_request_or_those_that_are_named():
    assert Fault("lost").befalls("x", 7, 0)
    assert [Fault("lost", number=3).befalls("x", number, 0) for number in (2, 3, 4)] == [
        *(False, True, False)
    ]
    assert Fault("lost", words="Fox").befalls("a red FOX", 1, 0)
    assert not Fault("lost", words="fox").befalls("a dog", 1, 0)


@given(st.integers(), st.sampled_from([0.1, 0.5]))
def test_chances_come_out_as_the_share_says_and_the_same_for_a_seed(seed, share):
    fault = Fault("429", share=share)
    befallen = [fault.befalls("x", number, seed) for number in range(500)]
    assert befallen == [fault.befalls("y", number, seed) for number in range(500)]
    assert abs(sum(befallen) / 500 - share) < 0.15


def test_another_seed_or_another_fault_has_other_chances():
    def befallen(kind: str, seed: int) -> list[bool]:
        return [Fault(kind, share=0.5).befalls("x", number, seed) for number in range(64)]

    assert befallen("429", 1) != befallen("429", 2)
    assert befallen("429", 1) != befallen("500", 1)
