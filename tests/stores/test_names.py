import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.models.keys import DEFAULT_FILENAME, FILENAME_FIELDS, KEYS
from mai_cli.models.slug import MAX_SLUG, slug
from mai_cli.stores.names import master_name, numbered

ILLEGAL = set('<>:"\\|?*') | {chr(code) for code in range(32)}
# Source: https://learn.microsoft.com/windows/win32/fileio/naming-a-file, and CreateFile for the
# names of the console.
DIGITS = [*"123456789", "\xb9", "\xb2", "\xb3"]
RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$"}
RESERVED |= {f"{port}{digit}" for port in ("COM", "LPT") for digit in DIGITS}

any_text = st.text(st.characters(exclude_categories=()))
literals = any_text | st.sampled_from(
    [
        "con",
        "AUX.",
        "nul.txt",
        "Com1",
        "lpt9.",
        "a. ",
        " .",
        "..",
        "../",
        "/",
        "//",
        "\\",
        "C:",
        "~",
    ]
)
templates = st.lists(
    literals.map(lambda text: text.replace("{", "{{").replace("}", "}}"))
    | st.sampled_from(FILENAME_FIELDS).map("{{{}}}".format),
    max_size=8,
).map("".join)


def is_legal(part: str) -> bool:
    stem = part.partition(".")[0].rstrip(" ").upper()
    return (
        0 < len(part.encode()) <= 255
        and stem not in RESERVED
        and not ILLEGAL & set(part)
        and not part.endswith((".", " "))
    )


def test_a_name_tells_when_what_and_which(record):
    name = master_name(DEFAULT_FILENAME, record)

    assert name == "2026/11/22/091403-a-lighthouse-at-dawn-b7c41f09.png"


def test_times_in_names_are_utc(record):
    moment = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    name = master_name("{year}-{month}-{day} {time}", replace(record, created_at=moment))

    assert name == "2025-12-31 233000.png"


def test_a_private_picture_has_no_prompt_in_its_name(record):
    assert master_name("{prompt}-{id}", replace(record, prompt=None)) == "picture-b7c41f09.png"


@pytest.mark.parametrize(
    ("template", "name"),
    [
        ("{deployment}/{prompt}", "mai-image-26/a-lighthouse-at-dawn.png"),
        ("../../{id}", "b7c41f09.png"),
        ("/etc/{id}", "etc/b7c41f09.png"),
        ("./{id}/", "b7c41f09.png"),
        ("C:\\x\\{id}", "C-x-b7c41f09.png"),
        ("a. /{id}. .", "a/b7c41f09.png"),
        ("con/nul.{id}", "_con/_nul.b7c41f09.png"),
        ("console/{id}", "console/b7c41f09.png"),
        ("a\0b\nc", "a-b-c.png"),
        ("{{{id}}}", "{b7c41f09}.png"),
        ("...", "picture.png"),
    ],
)
def test_a_template_cannot_leave_the_gallery_or_break_a_system(record, template, name):
    assert master_name(template, record) == name


@given(template=templates, prompt=st.none() | any_text, deployment=any_text)
@example(template="a" * 119 + "\u00e9" * 80, prompt="", deployment="")
@example(template="a" * 119 + " b/{id}", prompt="", deployment="")
@settings(max_examples=200, deadline=None)
def test_every_name_is_legal_everywhere_and_stays_in_its_folder(
    record, template, prompt, deployment
):
    name = master_name(template, replace(record, prompt=prompt, deployment=deployment))
    folder = Path("/gallery")

    assert name.endswith(".png")
    assert all(map(is_legal, name.split("/")))
    assert ".." not in name.split("/")
    assert (folder / name).resolve().is_relative_to(folder)
    assert all(map(is_legal, numbered(name, 1000).split("/")))


@pytest.mark.parametrize("template", ["con .x", "CONOUT$", "com\xb9", "lpt\xb2.x"])
def test_the_rarer_names_of_devices_are_not_used_either(record, template):
    assert all(map(is_legal, master_name(template, record).split("/")))


def test_every_template_that_the_settings_accept_can_be_filled(record):
    parse = next(key.parse for key in KEYS if key.name == "filename")
    template = parse("/".join(f"{{{name}}}" for name in FILENAME_FIELDS))

    assert master_name(template, record) == (
        "2026/11/22/091403/a-lighthouse-at-dawn/b7c41f09/mai-image-26.png"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A Lighthouse, at DAWN!", "a-lighthouse-at-dawn"),
        ("Caf\u00e9 cr\u00e8me", "cafe-creme"),
        ("\u96ea\u306e\u4e2d\u306e\u72d0", "picture"),
        ("", "picture"),
        ("\ud800 \udcff", "picture"),
        (
            "one two three four five six seven eight nine ten",
            "one-two-three-four-five-six-seven-eight",
        ),
        ("w" * 100, "w" * 40),
        ("../../etc/passwd", "etc-passwd"),
    ],
)
def test_a_slug_is_the_first_words_in_lower_case_ascii(text, words):
    assert slug(text) == words


@given(text=any_text | st.text("aB1 -.", max_size=300))
@settings(deadline=None)
def test_a_slug_is_short_and_plain_whatever_the_prompt(text):
    words = slug(text)

    assert len(words) <= MAX_SLUG
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", words)


def test_a_number_goes_before_the_extension():
    assert numbered("2026/a.b/fox.png", 2) == "2026/a.b/fox-2.png"
