import base64
import io
import json
import re

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mai_cli.adapters import offline
from mai_cli.adapters.png import PngScan
from mai_cli.errors import RefusedError
from mai_cli.models.answer import Usage
from mai_cli.models.size import Size
from tests.emulator import draw, png

PATH = "/mai/v1/images/generations"
EDITS = "/mai/v1/images/edits"
KEY = {"api-key": "x"}
UNSUPPORTED = "Model does not support request parameter value supplied: "
ASKED = {"model": "mai-image-26", "prompt": "a red fox in snow", "width": 1024, "height": 1024}


def reply(
    body: object = None,
    *,
    method: str = "POST",
    path: str = PATH,
    headers: dict[str, str] | None = None,
    **fields: object,
) -> offline.Reply:
    if not isinstance(body, bytes):
        body = json.dumps(ASKED | fields if body is None else body).encode()
    return offline.answer(method, path, KEY if headers is None else headers, body, draw=draw)


def refusal(*args: object, **kwargs: object) -> tuple[int, str, str]:
    answered = reply(*args, **kwargs)
    error = json.loads(answered.body)["error"]
    return answered.status, error["code"], error["message"]


def drawn(**fields: object) -> tuple[int, int]:
    answered = reply(**fields)
    assert answered.status == 200, answered.body
    content = json.loads(answered.body)
    scan = PngScan()
    scan.feed(base64.b64decode(content["data"][0]["b64_json"]))
    picture = scan.finish()
    assert picture
    assert content["size"] == f"{picture.width}x{picture.height}"
    return picture.width, picture.height


def test_an_answer_looks_like_that_of_the_service():
    answered = reply()
    content = json.loads(answered.body)
    assert answered.status == 200
    assert list(content) == ["created", "model", "size", "usage", "data"]
    assert isinstance(content["created"], int)
    assert content["model"] == "mai-image-26"
    assert content["usage"] == {
        "num_output_tokens": 1024,
        "num_input_text_tokens": 5,
        "num_input_image_tokens": 0,
    }
    assert len(content["data"]) == 1
    assert list(content["data"][0]) == ["b64_json"]


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_every_answer_has_an_id_and_is_json(method):
    ids = set()
    for _ in range(3):
        headers = reply(method=method).headers
        assert headers["content-type"] == "application/json"
        ids.add(headers["apim-request-id"])
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", id) for id in ids)


WRONG = {"method": "GET"}, {"headers": {}}, {"body": b"{"}
STATUSES = [404, 401, 400]


@pytest.mark.parametrize("first", range(3))
def test_the_address_is_checked_before_the_key_and_the_key_before_the_body(first):
    wrong = {name: value for mistake in WRONG[first:] for name, value in mistake.items()}
    assert reply(**wrong).status == STATUSES[first]


def test_the_fields_that_are_needed_are_checked_before_the_values_of_others():
    assert "'model' is required" in refusal({"prompt": "x", "width": 1})[2]
    assert "'model' is required" in refusal({"prompt": "x", "seed": 1})[2]
    assert "'prompt' is required" in refusal({"model": "x", "width": 1, "background": "red"})[2]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PATH),
        ("PUT", PATH),
        ("POST", "/"),
        ("POST", f"{PATH}/"),
        ("POST", "/openai/v1/images/generations"),
        ("POST", "/mai/v1/images/edits/x"),
    ],
)
def test_another_address_is_not_found(method, path):
    assert refusal(method=method, path=path) == (404, "404", "Resource not found")


def test_a_query_is_ignored():
    assert reply(path=f"{PATH}?api-version=preview").status == 200


@pytest.mark.parametrize(
    "headers", [{}, {"api-key": ""}, {"authorization": "x"}, {"authorization": "Basic x"}]
)
def test_without_a_key_or_token_nothing_is_drawn(headers):
    status, code, message = refusal(headers=headers)
    assert (status, code) == (401, "401")
    assert message.startswith("Access denied due to invalid subscription key")


def test_a_token_is_as_good_as_a_key():
    assert reply(headers={"authorization": "Bearer x"}).status == 200


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_refused(body):
    assert refusal(body)[0] == 400


@pytest.mark.parametrize("name", ["model", "prompt"])
@pytest.mark.parametrize("value", [None, "", 7])
def test_a_deployment_and_a_prompt_are_needed(name, value):
    status, _, message = refusal({**ASKED, name: value})
    assert status == 400
    assert f"'{name}'" in message
    rest = {field: value for field, value in ASKED.items() if field != name}
    assert refusal(rest)[2] == f"'{name}' is required."


NOT_FIELDS = ("seed", "quality", "guidance", "response_format", "negative_prompt", "style", "mask")


@pytest.mark.parametrize("name", [*NOT_FIELDS, "output_format", "user", "stream", "Width", ""])
def test_what_is_no_field_of_the_api_is_refused(name):
    assert refusal(**{name: 1}) == (400, "invalid_request", f"Invalid parameters: {name}")


@pytest.mark.parametrize("ignored", [{"size": "1x1"}, {"n": 4}, {"size": "2048x2048", "n": "bad"}])
def test_size_and_n_have_no_effect(ignored):
    assert drawn(**ignored) == (1024, 1024)


@pytest.mark.parametrize(
    "field",
    [
        {"width": "1024"},
        {"height": 1024.0},
        {"width": True},
        {"height": None},
        {"auto_aspect_ratio": "true"},
        {"web_grounding": 1},
        {"background": 3},
        {"prompt": ["x"]},
    ],
)
def test_a_field_of_another_type_is_refused(field):
    status, _, message = refusal(**field)
    assert status == 400
    assert message == f"'{next(iter(field))}' has the wrong type."


@pytest.mark.parametrize("side", ["width", "height"])
@pytest.mark.parametrize("pixels", [-1, 0, 1, 767])
def test_a_side_that_is_too_small_is_refused_in_the_words_of_the_service(side, pixels):
    words = f"{UNSUPPORTED}'{side}' must be at least 768 pixels."
    assert refusal(**{side: pixels}) == (400, "unsupported_request_value", words)


@pytest.mark.parametrize(
    ("deployment", "width", "height", "fits"),
    [
        ("mai-image-25", 1024, 1024, True),
        ("mai-image-25", 1024, 1040, False),
        ("mai-image-25", 1365, 768, True),
        ("mai-image-26", 1536, 1536, True),
        ("mai-image-26", 1536, 1552, False),
        ("mai-image-27", 2048, 2048, True),
        ("mai-image-27", 2064, 2048, False),
        ("my-pictures", 2064, 2048, True),
        ("my-pictures", 1 << 20, 1 << 20, False),
    ],
)
def test_a_picture_has_as_many_pixels_as_its_model_draws(deployment, width, height, fits):
    sizes = []

    def note(prompt: str, width: int, height: int, *, transparent: bool) -> bytes:
        sizes.append((width, height))
        return b""

    body = json.dumps({**ASKED, "model": deployment, "width": width, "height": height}).encode()
    answered = offline.answer("POST", PATH, KEY, body, draw=note)
    assert answered.status == (200 if fits else 400)
    assert sizes == ([(width // 16 * 16, height // 16 * 16)] if fits else [])
    assert fits or json.loads(answered.body)["error"]["code"] == "unsupported_request_value"


@given(width=st.integers(768, 1020), height=st.integers(768, 1020))
@settings(max_examples=20, deadline=None)
def test_sides_are_rounded_down_to_a_multiple_of_sixteen(width, height):
    assert drawn(width=width, height=height) == (width // 16 * 16, height // 16 * 16)


def test_a_size_that_is_not_asked_for_is_square():
    assert reply({"model": "mai-image-26", "prompt": "x"}).status == 200
    asked = {"model": "mai-image-26", "prompt": "x", "auto_aspect_ratio": True}
    assert json.loads(reply(asked).body)["size"] == "1024x1024"


@pytest.mark.parametrize(
    ("background", "mode"), [("transparent", "RGBA"), ("opaque", "RGB"), (None, "RGB")]
)
def test_only_a_transparent_picture_has_an_alpha_channel(background, mode):
    fields = {"width": 768, "height": 768} | ({"background": background} if background else {})
    body = json.dumps(ASKED | fields).encode()
    content = json.loads(offline.answer("POST", PATH, KEY, body).body)
    with Image.open(io.BytesIO(base64.b64decode(content["data"][0]["b64_json"]))) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", mode, (768, 768))


@pytest.mark.parametrize("background", ["", "auto", "red", "TRANSPARENT"])
def test_another_background_is_refused(background):
    status, code, message = refusal(background=background)
    assert (status, code) == (400, "unsupported_request_value")
    assert "'background' must be transparent or opaque" in message


def test_the_same_request_gives_the_same_bytes_through_the_real_client(connect):
    clients = [
        connect(str(offline.ENDPOINT), offline.CREDENTIAL, transport=offline.OfflineTransport())
        for _ in range(2)
    ]
    answers = [client.paint(Size(768, 1024)) for client in clients]
    first, second = clients
    assert first.bytes == second.bytes
    assert answers[0].picture == answers[1].picture
    assert (answers[0].picture.width, answers[0].picture.height) == (768, 1024)
    assert answers[0].usage == Usage(2, 0, 768)
    assert answers[0].request_id != answers[1].request_id


def test_no_proxy_is_asked(connect, monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client = connect(
        str(offline.ENDPOINT), offline.CREDENTIAL, transport=offline.OfflineTransport()
    )

    assert client.paint().picture


def test_a_refusal_comes_through_the_real_client_too(connect):
    client = connect(
        str(offline.ENDPOINT), offline.CREDENTIAL, transport=offline.OfflineTransport()
    )
    with pytest.raises(RefusedError, match="Invalid parameters: seed"):
        client.paint(params={"seed": 1})


def encoded(name: str, size: tuple[int, int] = (16, 9)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size).save(file, name)
    return file.getvalue()


File = tuple[str, tuple[str, bytes, str]]


def file(data: bytes = b"", name: str = "image", kind: str = "image/png") -> File:
    return name, ("a.png", data or png(16, 9), kind)


def edit(
    *files: File, path: str = EDITS, key: dict[str, str] = KEY, **fields: object
) -> offline.Reply:
    """The answer to an edit as the real client sends it."""
    asked = {"model": "mai-image-26", "prompt": "make it night"} | fields
    texts = [(name, (None, value)) for name, value in asked.items() if value is not None]
    request = httpx.Request("POST", "http://x", files=[*texts, *files])
    headers = {**key, "content-type": request.headers["content-type"]}
    return offline.answer("POST", path, headers, request.read(), draw=draw)


def edited(*files: File, **fields: object) -> tuple[int, int]:
    answered = edit(*files, **fields)
    assert answered.status == 200, answered.body
    width, height = json.loads(answered.body)["size"].split("x")
    return int(width), int(height)


def declined(answered: offline.Reply) -> tuple[int, str, str]:
    error = json.loads(answered.body)["error"]
    return answered.status, error["code"], error["message"]


def test_the_answer_to_an_edit_looks_like_any_other():
    content = json.loads(edit(file()).body)
    assert list(content) == ["created", "model", "size", "usage", "data"]
    assert content["model"] == "mai-image-26"
    scan = PngScan()
    scan.feed(base64.b64decode(content["data"][0]["b64_json"]))
    picture = scan.finish()
    assert picture
    assert content["size"] == f"{picture.width}x{picture.height}"


@pytest.mark.parametrize("count", [1, 2, 5])
def test_each_reference_counts(count):
    content = json.loads(edit(*[file()] * count).body)
    assert content["usage"] == {
        "num_output_tokens": 1020,
        "num_input_text_tokens": 3,
        "num_input_image_tokens": 1024 * count,
    }


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((553, 311), (1360, 768)),  # observed with the real service
        ((311, 553), (768, 1360)),
        ((1, 1), (1024, 1024)),
        ((3000, 3000), (1024, 1024)),
        ((300, 200), (1248, 832)),
        ((120, 160), (880, 1168)),
        ((21, 9), (1360, 768)),
        ((1000, 1), (1360, 768)),
        ((1, 1000), (768, 1360)),
    ],
)
def test_an_edit_has_the_shape_of_its_reference_and_about_a_megapixel(size, expected):
    assert edited(file(png(*size))) == expected
    assert edited(file(encoded("JPEG", size), kind="image/jpeg")) == expected


@given(width=st.integers(1, 400), height=st.integers(1, 400))
@settings(max_examples=100, deadline=None)
def test_an_edit_of_any_picture_has_a_size_that_the_service_draws(width, height):
    wide, high = edited(file(png(width, height)))
    assert wide % 16 == high % 16 == 0
    assert min(wide, high) >= 768
    assert 1_000_000 < wide * high <= 1 << 20
    ratio = min(max(width / height, 768 / 1360), 1360 / 768)
    assert abs(wide - high * ratio) <= 16 * max(1, ratio)


def test_the_first_of_several_references_gives_the_shape():
    tall, wide = file(png(9, 16)), file(encoded("JPEG"), kind="image/jpeg")
    assert edited(tall, wide) == edited(tall, wide, wide, wide, wide) == (768, 1360)
    assert edited(wide, tall) == (1360, 768)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"width": "1280", "height": "800"}, (1280, 800)),
        ({"width": "1295", "height": "800"}, (1280, 800)),
        ({"auto_aspect_ratio": "true"}, (1024, 1024)),
        ({"web_grounding": "false", "background": "opaque"}, (1360, 768)),
    ],
)
def test_the_fields_of_an_edit_are_read_from_texts(fields, expected):
    assert edited(file(), **fields) == expected


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ({"width": "wide"}, "'width' has the wrong type."),
        ({"width": "1024.0"}, "'width' has the wrong type."),
        ({"width": ""}, "'width' has the wrong type."),
        ({"height": "true"}, "'height' has the wrong type."),
        ({"auto_aspect_ratio": "True"}, "'auto_aspect_ratio' has the wrong type."),
        ({"web_grounding": "1"}, "'web_grounding' has the wrong type."),
        ({"width": "767"}, f"{UNSUPPORTED}'width' must be at least 768 pixels."),
        ({"background": "red"}, f"{UNSUPPORTED}'background' must be transparent or opaque."),
        ({"mask": "x"}, "Invalid parameters: mask"),
        ({"seed": "1"}, "Invalid parameters: seed"),
        ({"model": None}, "'model' is required."),
        ({"prompt": None}, "'prompt' is required."),
        ({"prompt": ""}, "'prompt' is required."),
    ],
)
def test_a_wrong_field_of_an_edit_is_refused(field, words):
    status, _, message = declined(edit(file(), **field))
    assert (status, message) == (400, words)


ATTACH = "File must be attached in a form field with a name starting with 'image'."


@pytest.mark.parametrize(
    "name", ["image[]", "images", "image1", "image_a", "reference", "Image", "mask", ""]
)
def test_a_reference_under_another_name_is_refused(name):
    assert declined(edit(file(name=name))) == (400, "invalid_request", ATTACH)
    assert declined(edit(file(), file(name=name))) == (400, "invalid_request", ATTACH)


def test_an_edit_without_a_reference_is_refused():
    assert declined(edit()) == (400, "invalid_request", ATTACH)
    assert declined(edit(image="a.png")) == (400, "invalid_request", ATTACH)


@pytest.mark.parametrize("count", [6, 9])
def test_an_edit_of_too_many_references_is_refused(count):
    words = "Only 1 to 5 image files are supported for edit requests."
    assert declined(edit(*[file()] * count)) == (400, "invalid_request", words)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"a red fox", "image/png"),
        (b"\0", "image/jpeg"),
        (encoded("WEBP"), "image/webp"),
        (encoded("GIF"), "image/png"),
        (encoded("JPEG"), "image/png"),
        (encoded("PNG"), "image/jpeg"),
        (encoded("PNG"), "application/octet-stream"),
        (encoded("PNG")[:50], "image/png"),
        (png(10_001, 5_000, rows=b"x"), "image/png"),
    ],
)
def test_a_reference_that_is_no_jpeg_and_no_png_is_refused(data, kind):
    status, code, message = declined(edit(file(data, kind=kind)))
    assert (status, code) == (400, "invalid_request")
    assert message.startswith("A file ")


def test_an_edit_is_sent_as_a_form_and_a_generation_as_json():
    words = "request Content-Type isn't multipart/form-data"
    assert refusal(path=EDITS) == (400, "invalid_request", words)
    as_json = {**KEY, "content-type": "application/json"}
    assert refusal(path=EDITS, headers=as_json) == (400, "invalid_request", words)
    words = "The request body is not a JSON object."
    assert declined(edit(file(), path=PATH)) == (400, "invalid_request", words)
    assert refusal(image="a.png") == (400, "invalid_request", "Invalid parameters: image")


@pytest.mark.parametrize("body", [b"", b"--xyz", b"--xyz\r\n\r\n--xyz--\r\n"])
def test_a_form_that_is_not_whole_is_refused(body):
    headers = {**KEY, "content-type": "multipart/form-data; boundary=xyz"}
    assert refusal(body, path=EDITS, headers=headers)[:2] == (400, "invalid_request")


def test_an_edit_needs_a_key_or_token_too():
    assert declined(edit(file(), key={}))[:2] == (401, "401")
    assert edit(file(), key={"authorization": "Bearer x"}).status == 200
    assert refusal(path=EDITS, headers={})[:2] == (401, "401")
    assert refusal(method="GET", path=EDITS)[:2] == (404, "404")


@pytest.mark.parametrize("model", ["MAI-Image-2", "mai-image-2e"])
def test_a_model_that_does_not_edit_refuses_to(model):
    words = f"{UNSUPPORTED}this model does not edit pictures."
    assert declined(edit(file(), model=model)) == (400, "unsupported_request_value", words)


@pytest.mark.parametrize("model", ["mai-image-25", "my-pictures"])
def test_a_newer_model_or_one_that_is_not_known_edits(model):
    assert edited(file(), model=model) == (1360, 768)


def test_the_same_edit_gives_the_same_bytes():
    first, second = (json.loads(edit(file()).body)["data"] for _ in range(2))
    assert first == second
