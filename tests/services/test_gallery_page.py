import json
import shlex
import subprocess
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.services.gallery_page import command_of, masters_of, page_item, url_between
from tests.conftest import MAI
from tests.services.records import ODD_STATES, state

ATTACK = "</script><script>alert(1)</script> $(rm -rf ~) `id` '; echo \" \u202e !x \\ \n -- %n"
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def words(**more: object) -> list[str]:
    return shlex.split(command_of(state(**more)))


@pytest.mark.parametrize(
    ("more", "options"),
    [
        ({}, ["-s", "1024x1024"]),
        ({"request": {}}, []),
        ({"request": {"width": 1024}}, []),
        ({"request": {"height": 1024}}, []),
        ({"request": {"auto_aspect_ratio": True}}, ["-s", "auto"]),
        ({"request": {"web_grounding": True}}, ["--web-grounding"]),
        ({"request": {"web_grounding": False}}, []),
        ({"request": {"background": "transparent"}}, ["--background", "transparent"]),
        ({"request": {"seed": 7}}, ["--param", "seed=7"]),
        ({"request": {"style": "雪 & ice"}}, ["--param", 'style="雪 & ice"']),
        ({"request": {"x": {"y": [None]}}}, ["--param", 'x={"y": [null]}']),
        (
            {"request": {}, "images": [{"path": "/x/a b.png"}, {"path": "/x/$HOME.png"}]},
            ["-i", "/x/a b.png", "-i", "/x/$HOME.png"],
        ),
    ],
)
def test_the_command_asks_for_the_same(more, options):
    usual = ["-d", "mai-image-26", "a lighthouse at dawn"]
    assert words(**more) == ["mai", "generate", *options, *usual]


def test_the_options_of_the_command_are_those_of_generate():
    done = subprocess.run([*MAI, "generate", "--help"], capture_output=True, text=True, check=True)
    for option in ("-s", "--web-grounding", "--background", "--param", "-i", "-d"):
        assert f"{option}," in done.stdout or f"{option} " in done.stdout


@pytest.mark.parametrize("prompt", ["-x", "--help", "-"])
def test_a_prompt_that_looks_like_an_option_is_a_prompt(prompt):
    assert words(prompt=prompt)[-2:] == ["--", prompt]


@pytest.mark.parametrize("more", [{"prompt": None}, {"prompt": 7}, {"request": None}])
def test_what_is_private_or_unknown_has_no_command(more):
    assert command_of(state(**more)) is None


@given(prompt=TEXT, path=TEXT, value=TEXT)
@example(prompt=ATTACK, path=ATTACK, value=ATTACK)
def test_any_text_comes_out_of_the_command_as_it_was(prompt, path, value):
    told = words(prompt=prompt, images=[{"path": path}], request={"x": value})
    assert told[-1] == prompt
    assert told[told.index("-i") + 1] == path
    assert json.loads(told[told.index("--param") + 1].removeprefix("x=")) == value


@given(prompt=st.one_of(TEXT, st.just(ATTACK)))
@example(prompt=ATTACK)
@settings(deadline=None, max_examples=20)
def test_a_shell_runs_the_command_and_nothing_else(prompt):
    command = command_of(state(prompt=prompt, deployment=ATTACK))
    shell = f'mai() {{ printf "%s\\0" "$@"; }}\n{command}'
    done = subprocess.run(["/bin/sh"], input=shell.encode(), capture_output=True, check=True)
    told = done.stdout.decode().split("\0")[:-1]
    dashes = ["--"] if prompt.startswith("-") else []
    assert told == ["generate", "-s", "1024x1024", "-d", ATTACK, *dashes, prompt]
    assert done.stderr == b""


def test_records_with_a_picture_are_on_the_page():
    pictures = [state("a"), state("b")]
    others = [
        state(status="removed"),
        state(status="ok", master=None),
        state(status="ok", master={"path": "a.png"}),
        state(status="sent", master=None),
    ]
    assert masters_of([*pictures, *others]) == [
        (pictures[0], Path("/gallery/2026/a.png")),
        (pictures[1], Path("/gallery/2026/b.png")),
    ]


def test_an_item_tells_what_the_page_shows():
    item = page_item(
        state(
            "a",
            tags=["hero"],
            alt="A lighthouse",
            profile="work",
            rerun_of="b",
            request={"width": 1, "height": 1, "background": "opaque"},
            images=[{"path": "/home/me/secret/ref.png", "sha256": "x"}],
        ),
        "../a.png",
        "thumbs/ab/ab.webp",
    )
    assert item.pop("command").startswith("mai generate ")
    assert item == {
        "id": "a",
        "when": "2026-11-22T09:14:03.120Z",
        "prompt": "a lighthouse at dawn",
        "alt": "A lighthouse",
        "model": "MAI-Image-2.6",
        "deployment": "mai-image-26",
        "profile": "work",
        "width": 1024,
        "height": 1024,
        "bytes": 1_534_022,
        "cost_usd": 0.038962,
        "seconds": 31.4,
        "offline": False,
        "signed": False,
        "tags": ["hero"],
        "params": {"background": "opaque"},
        "images": ["ref.png"],
        "picture": "../a.png",
        "thumb": "thumbs/ab/ab.webp",
        "rerun_of": "b",
    }


def test_a_private_picture_tells_no_prompt():
    item = page_item(state(prompt=None), "a.png", None)
    assert (item["prompt"], item["command"], item["thumb"]) == (None, None, None)


def test_a_text_of_another_shape_is_none():
    item = page_item(state(prompt=7, alt=["A lighthouse"], tags=["a", 7]), "a.png", None)
    assert (item["prompt"], item["alt"], item["tags"]) == (None, None, ["a"])


def test_an_item_tells_of_placeholders_and_signatures():
    master = state()["master"] | {"content_credentials": True}
    item = page_item(state(offline=True, master=master), "a.png", None)
    assert (item["offline"], item["signed"]) == (True, True)


@given(odd=ODD_STATES)
@example(odd=state(images=7))
@example(odd=state(images=["a.png"]))
def test_a_record_of_any_shape_stops_no_page(odd):
    for found, _ in masters_of([odd]):
        json.dumps(page_item(found, "a.png", None))


PART = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0/"), min_size=1, max_size=9
).filter(lambda part: part not in (".", ".."))


@given(parts=st.lists(PART, min_size=1, max_size=3))
@example(parts=["a b", "50%.png"])
@example(parts=["#1?x=y&z.png"])
@example(parts=["c:a.png"])
@example(parts=["</script>\"'.png"])
def test_a_url_leads_to_its_file(parts):
    file = Path("/gallery", *parts)
    for folder in (Path("/gallery/page"), Path("/elsewhere/deep/page"), Path("/gallery")):
        url = url_between(folder, file)
        whole = urlsplit(urljoin(f"file://{folder}/index.html", url))
        assert unquote(whole.path) == str(file)
        assert not (whole.query)
        assert not (whole.fragment)
        assert url.isascii()


def test_a_file_name_that_is_not_utf_8_has_a_url():
    assert url_between(Path("/gallery/page"), Path("/gallery/\udcff.png")) == "../%FF.png"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("a b#?.png", "file:///gallery/a%20b%23%3F.png"),
        ("50%.png", "file:///gallery/50%25.png"),
        ("雪.png", "file:///gallery/%E9%9B%AA.png"),
        ("\udcff.png", "file:///gallery/%FF.png"),
    ],
)
def test_a_file_on_another_drive_has_a_whole_url(monkeypatch, name, url):
    def refuse(*_: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    with monkeypatch.context() as patch:
        patch.setattr("os.path.relpath", refuse)
        found = url_between(Path("/page"), Path("/gallery", name))
    assert found == url
