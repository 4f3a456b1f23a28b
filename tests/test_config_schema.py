"""The JSON Schema of ``config.toml`` and ``.mai.toml`` says what the code says."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mai_cli.errors import MaiError
from mai_cli.models.catalogue import MIN_SIDE
from mai_cli.models.keys import (
    AUTH,
    DEFAULT_FILENAME,
    DEPLOYMENT_KEYS,
    FILENAME_FIELDS,
    KEYS,
    MAX_CONCURRENCY,
    MAX_PRICE,
    MAX_RPM,
    MAX_TIMEOUT_SECONDS,
    Key,
)
from mai_cli.models.settings import Settings
from mai_cli.services.configuring import template
from mai_cli.services.settings import resolve
from mai_cli.stores.config_file import read
from tests import schemas

SCHEMA = schemas.schema("config")
PARTS = SCHEMA["$defs"]
IN_FILE = [key for key in KEYS if key.in_file]
TABLES = {"profiles", "deployments"}
DEPLOYMENT = SCHEMA["properties"]["deployments"]["additionalProperties"]["properties"]


def is_valid(text: str) -> bool:
    return schemas.is_valid("config", tomllib.loads(text))


def is_used(text: str, folder: Path) -> bool:
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    try:
        resolve([], [read(path)], Settings(folder, folder))
    except MaiError:
        return False
    return True


GOOD = [
    "",
    'endpoint = "https://contoso.services.ai.azure.com"',
    'endpoint = " contoso.openai.azure.com/ "',
    "endpoint = '\"HTTPS://contoso.example:8443/gateway/mai/v1?x=1#y\"'",
    'endpoint = "http://localhost:8765"',
    'endpoint = "127.0.0.1:8765/mai"',
    'endpoint = "http://[::1]:80/"',
    'auth = "entra"',
    'scope = "https://x.example/.default "',
    'deployment = " mai-image-26 "',
    'model = "MAI-Image-2.6"',
    'size = "1280x832"',
    'size = " 1280 × 832 "',
    'size = "16:9"',
    'size = "2.39:1"',
    'size = "Wide"',
    'size = "auto"',
    "rpm = 0.01",
    'rpm = "6.5"',
    "concurrency = 64",
    "concurrency = 4.0",
    'concurrency = "4"',
    "max_cost = 0",
    'max_cost_per_day = "1e3"',
    "timeout = 3600",
    "preview = true",
    'metadata = "No"',
    "private = 1",
    'private = ""',
    'gallery = "~/Pictures"',
    'history = " /var/mai/ä.jsonl"',
    f'filename = "{DEFAULT_FILENAME}"',
    'filename = "{{x}}/{id:}"',
    "[profiles]\n[deployments]",
    '[profiles.work]\nsize = "1:1"\nrpm = 2\nendpoint = "contoso.example"',
    '[profiles."my work"]',
    """
    [deployments.my-pics]
    model = "x"
    max_pixels = 589824
    edits = true
    edit_size = "on"
    auto_size = false
    web_grounding = 0
    background = true
    price_text_in = 0
    price_image_in = "8.5"
    price_image_out = 1000000
    """,
]

BAD = [
    'api_key = "x"',
    'profile = "work"',
    "offline = true",
    "sise = 1",
    'endpoint = "http://contoso.example"',
    'endpoint = "ftp://contoso.example"',
    'endpoint = "https://me:secret@contoso.example"',
    'endpoint = "https://contoso.example/a b"',
    'endpoint = "https://"',
    'endpoint = ""',
    "endpoint = 7",
    'auth = "Key"',
    'scope = "https://x.example"',
    'scope = "https://x.example/.default https://y.example/.default"',
    'deployment = ["one", "two"]',
    'deployment = " "',
    'deployment = "a\\tb"',
    "model = 2.6",
    "size = 1024",
    'size = "big"',
    'size = "1024"',
    'size = "1024x"',
    'size = "16:"',
    "rpm = 0",
    "rpm = 100001",
    "rpm = true",
    "rpm = inf",
    'rpm = "fast"',
    "concurrency = 0",
    "concurrency = 65",
    "concurrency = 1.5",
    "max_cost = -1",
    "max_cost_per_day = 1000001",
    "timeout = 0.5",
    "timeout = 3601",
    "timeout = 2026-11-22",
    "preview = 2",
    'metadata = "maybe"',
    "private = []",
    'gallery = ""',
    'gallery = " "',
    'history = "a\\u0000b"',
    "history = false",
    'filename = "{title}"',
    'filename = "{id!r}"',
    'filename = "{id:>9}"',
    'filename = "{prompt"',
    'filename = "prompt}"',
    'filename = ""',
    "profiles = 1",
    "profiles.work = 1",
    "[profiles.work]\nsise = 1",
    '[profiles.work]\napi_key = "x"',
    "[profiles.work]\nrpm = 0",
    "[profiles.work.profiles.home]",
    "deployments = []",
    "deployments.x = 1",
    "[deployments.x]\nrpm = 1",
    "[deployments.x]\nmodel = 1",
    "[deployments.x]\nmax_pixels = 589823",
    "[deployments.x]\nmax_pixels = 600000.5",
    '[deployments.x]\nedits = "perhaps"',
    "[deployments.x]\nprice_text_in = -0.01",
]


@pytest.mark.parametrize("text", GOOD)
def test_what_the_schema_allows_is_used(tmp_path, text):
    assert is_valid(text)
    assert is_used(text, tmp_path)


@pytest.mark.parametrize("text", BAD)
def test_what_the_schema_refuses_is_refused(tmp_path, text):
    assert not is_valid(text)
    assert not is_used(text, tmp_path)


def test_what_a_text_cannot_be_is_refused_by_the_code_alone(tmp_path):
    assert is_valid('size = "1000x1000"')
    assert not is_used('size = "1000x1000"', tmp_path)


def test_the_file_that_an_editor_opens_is_allowed():
    offered = template()
    assert is_valid(offered)
    assert {name.split()[1] for name in offered.splitlines() if " = " in name} == {
        key.name for key in IN_FILE
    }


def test_the_schema_has_the_keys_of_the_code_and_no_others():
    profile = SCHEMA["properties"]["profiles"]["additionalProperties"]

    assert set(SCHEMA["properties"]) == {key.name for key in IN_FILE} | TABLES
    assert set(profile["properties"]) == {key.name for key in IN_FILE}
    assert set(DEPLOYMENT) == {key.name for key in DEPLOYMENT_KEYS}
    for part in (SCHEMA, profile, SCHEMA["properties"]["deployments"]["additionalProperties"]):
        assert part["additionalProperties"] is False


def limits(part: dict) -> tuple[float, float]:
    return part["anyOf"][0]["minimum"], part["anyOf"][0]["maximum"]


def test_the_schema_has_the_limits_of_the_code():
    assert PARTS["auth"]["enum"] == list(AUTH)
    assert limits(PARTS["rpm"]) == (0.01, MAX_RPM)
    assert limits(PARTS["concurrency"]) == (1, MAX_CONCURRENCY)
    assert limits(PARTS["timeout"]) == (1, MAX_TIMEOUT_SECONDS)
    assert limits(PARTS["max_cost"]) == limits(PARTS["max_cost_per_day"]) == (0, MAX_PRICE)
    assert limits(DEPLOYMENT["max_pixels"]) == (MIN_SIDE * MIN_SIDE, 1 << 30)
    for field in FILENAME_FIELDS:
        assert is_valid(f'filename = "{{{field}}}"')


@pytest.mark.parametrize("key", IN_FILE, ids=lambda key: key.name)
def test_the_schema_says_what_a_project_may_not_set(key):
    refused = "Not in a project's file." in PARTS[key.name]["description"]
    limited = "A project's file can only" in PARTS[key.name]["description"]

    assert refused is not key.in_project
    assert limited is (key.is_limit or key.name in ("metadata", "private"))


def test_everything_that_can_be_set_is_described():
    for part in [*(PARTS[key.name] for key in IN_FILE), *DEPLOYMENT.values()]:
        assert part["description"].endswith(".")
    for table in TABLES:
        assert SCHEMA["properties"][table]["description"].endswith(".")


PIECES = """
https:// http:// localhost 127.0.0.1 [::1] contoso .example :8443 /mai/v1 ?x @ ' " / . - a : x ×
auto key entra square WIDE 16 1280 .default true NO 0 1 5 e3 + _ ~ ä {id} {time} {year:} {{ }}
"""
pieces = st.sampled_from([*PIECES.split(), " ", "\t", "\u200b"])
texts = st.lists(pieces, max_size=6).map("".join) | st.text(max_size=8)
values = texts | st.booleans() | st.integers(-2, 1 << 31) | st.floats(allow_nan=False)


@pytest.mark.parametrize(
    ("table", "key"),
    [((), key) for key in IN_FILE] + [(("deployments", "x"), key) for key in DEPLOYMENT_KEYS],
    ids=lambda one: one.name if isinstance(one, Key) else ".".join(one),
)
@example("")
@given(values)
def test_the_schema_refuses_nothing_that_the_code_takes(table, key, value):
    try:
        key.parse(value)
    except (ValueError, MaiError):
        return
    content: dict[str, object] = {key.name: value}
    for name in reversed(table):
        content = {name: content}

    assert schemas.is_valid("config", content)
