import io

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.adapters.form import Part, read_form

TYPE = "multipart/form-data; boundary=xyz"
FIELD = b'--xyz\r\nContent-Disposition: form-data; name="prompt"\r\n\r\na red fox\r\n'
FILE = (
    b'--xyz\r\nContent-Disposition: form-data; name="image"; filename="image.png"\r\n'
    b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n\r\n"
)
END = b"--xyz--\r\n"
PARTS = [
    Part("prompt", b"a red fox"),
    Part("image", b"\x89PNG\r\n\x1a\n", "image/png", is_file=True),
]

File = tuple[str, bytes, str]

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.from_regex(r"[a-z_]{1,20}", fullmatch=True)
pieces = [
    b"\r\n",
    b"--",
    b"\r\n--",
    b"\r\n--xy",
    b"--xyz",
    b"\r\n\r\n",
    b'name="x"',
    FIELD[7:],
    b"\0",
]
contents = st.lists(st.sampled_from(pieces) | st.binary(max_size=20)).map(b"".join)
files = st.tuples(names, contents, st.sampled_from(["image/png", "image/jpeg"]))


def sent(
    fields: dict[str, str], files: list[tuple[str, File]], boundary: str | None = None
) -> tuple[str, bytes]:
    """The content type and the body of such a form as the real client makes them."""
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"} if boundary else {}
    uploads = [(name, (file, io.BytesIO(data), kind)) for name, (file, data, kind) in files]
    request = httpx.Request("POST", "http://x", data=fields, files=uploads, headers=headers)
    return request.headers["content-type"], request.read()


def assert_malformed(content_type: str, body: bytes) -> None:
    with pytest.raises(ValueError, match=r"^(request Content-Type isn't|the form is|a part of)"):
        read_form(content_type, body)


@given(
    fields=st.dictionaries(names, texts, max_size=4),
    files=st.lists(st.tuples(names, files), min_size=1, max_size=4),
)
@settings(deadline=None)
def test_what_a_client_sends_is_read_as_it_was(fields, files):
    assert read_form(*sent(fields, files)) == [
        *(Part(name, text.encode()) for name, text in fields.items()),
        *(Part(name, data, kind, is_file=True) for name, (_, data, kind) in files),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"\r\n--",
        b"--xy",
        b"xyz",
        b"a--xyz--\r\n",
        b"\r\n--xy",
        b"\r\n-xyz",
        b"\n--xyz",
        b"\r\n\r\n",
        b"x" + FIELD,
        bytes(range(256)) * 300,
    ],
)
def test_a_file_may_contain_what_looks_like_the_lines_between_files(data):
    parts = read_form(*sent({"prompt": "x"}, [("image", ("a.png", data, "image/png"))], "xyz"))
    assert [part.content for part in parts] == [b"x", data]


def test_files_of_the_same_name_stay_apart_and_in_order():
    uploads = [("image", (f"{n}.png", bytes([n]), "image/png")) for n in range(5)]
    parts = read_form(*sent({}, uploads))
    assert [(part.name, part.content) for part in parts] == [
        ("image", bytes([n])) for n in range(5)
    ]


@pytest.mark.parametrize(
    "prompt", ["un café à l'aube ☕", "雪の中の狐", "a\r\nb\n", '"quoted"', ""]
)
def test_a_prompt_in_any_language_is_read(prompt):
    uploads = [("image", ("a.png", b"x", "image/png"))]
    assert read_form(*sent({"prompt": prompt}, uploads))[0] == Part("prompt", prompt.encode())


def test_an_empty_field_is_a_field():
    uploads = [("image", ("", b"", "image/png"))]
    assert read_form(*sent({"prompt": ""}, uploads))[0] == Part("prompt", b"")


@pytest.mark.parametrize(
    "content_type",
    [
        TYPE,
        'multipart/form-data; boundary="xyz"',
        "Multipart/Form-Data;Boundary=xyz",
        "multipart/form-data; charset=utf-8; boundary=xyz",
        "multipart/form-data; boundary=xyz; charset=utf-8",
    ],
)
def test_a_boundary_is_found_however_it_is_written(content_type):
    assert read_form(content_type, FIELD + FILE + END) == PARTS


@pytest.mark.parametrize("end", [b"--xyz--", END, END + b"what follows is ignored"])
def test_a_form_ends_with_two_dashes(end):
    assert read_form(TYPE, FIELD + FILE + end) == PARTS


@pytest.mark.parametrize(
    ("head", "part"),
    [
        (b'Content-Disposition: form-data; name="a"', Part("a", b"x")),
        (b'content-disposition:form-data;NAME="a"', Part("a", b"x")),
        (b'X: y\r\nContent-Disposition: form-data; name="a"', Part("a", b"x")),
        (
            b'Content-Disposition: form-data; filename="b"; name="a"',
            Part("a", b"x", is_file=True),
        ),
        (b'Content-Disposition: form-data; name="a"; filename=""', Part("a", b"x", is_file=True)),
        (
            b'Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name="a"',
            Part("a", b"x", "text/plain"),
        ),
        (b'Content-Disposition: form-data; name="\xff"', Part("\ufffd", b"x")),
    ],
)
def test_a_part_is_read_however_its_head_is_written(head, part):
    assert read_form(TYPE, b"--xyz\r\n" + head + b"\r\n\r\nx\r\n" + END) == [part]


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/json",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/mixed; boundary=xyz",
        "application/json; x=multipart/form-data; boundary=xyz",
    ],
)
def test_another_type_is_no_form(content_type):
    with pytest.raises(ValueError, match=r"^request Content-Type isn't multipart/form-data$"):
        read_form(content_type, FIELD + FILE + END)


@pytest.mark.parametrize("length", range(len(FIELD + FILE + END) - 2))
def test_a_form_that_is_torn_anywhere_is_not_whole(length):
    assert_malformed(TYPE, (FIELD + FILE + END)[:length])


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        END.replace(b"xyz", b"abc"),
        b"before " + FIELD + END,
        b"--xyz\r\n\r\nx\r\n" + END,
        b"--xyz\r\nContent-Disposition: form-data\r\n\r\nx\r\n" + END,
        b'--xyz\r\nContent-Disposition: form-data; filename="a"\r\n\r\nx\r\n' + END,
        b'--xyz\r\nContent-Disposition: form-data; name="a"\r\nx\r\n' + END,
        FIELD.replace(b"\r\n", b"\n") + END,
    ],
)
def test_what_is_not_such_a_form_is_refused(body):
    assert_malformed(TYPE, body)


@given(
    content_type=st.just(TYPE) | st.text(st.characters(exclude_categories=())),
    body=contents | st.lists(st.sampled_from([FIELD, FILE, END])).map(b"".join),
)
@example(content_type="multipart/form-data; boundary=\ud800", body=b"")
@settings(deadline=None)
def test_any_bytes_are_a_form_or_are_refused(content_type, body):
    try:
        parts = read_form(content_type, body)
    except ValueError:
        return
    assert all(part.name is not None and part.content in body for part in parts)
