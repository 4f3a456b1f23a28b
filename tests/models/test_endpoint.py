import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mai_cli.models.endpoint import Endpoint, is_loopback

BASE = "https://contoso.services.ai.azure.com"
PATHS = ["", "/mai/v1", "/mai/v1/images/edits", "/openai/v1", "/models", "/api/projects/p", "/gate"]

pieces = st.sampled_from(
    ["https://", "http://", "HTTPS://", "//", "/", ":", ":8765", "?", "#", "@", "[", "]", "[::1]"]
) | st.sampled_from(
    ["localhost", "127.0.0.1", "contoso", ".openai.azure.com", "'", "%20", ".", ";", " ", "\n", "é"]
)
addresses = st.text() | st.lists(pieces | st.sampled_from(PATHS), max_size=8).map("".join)
paths = st.lists(st.sampled_from(PATHS[1:]) | st.just("/"), max_size=4).map("".join)
plain = st.builds(
    "{}{}{}{}".format,
    st.sampled_from([BASE, "http://localhost:8765", "https://[::1]", "gateway.example"]),
    paths,
    st.sampled_from(["", "/"]),
    st.sampled_from(["", "?api-version=preview", "#x"]),
)


@pytest.mark.parametrize(
    "text",
    [
        BASE,
        f"{BASE}/",
        f"{BASE}/mai",
        f"{BASE}/mai/v1",
        f"{BASE}/mai/v1/",
        f"{BASE}/mai/v1/images",
        f"{BASE}/mai/v1/images/generations",
        f"{BASE}/mai/v1/images/generations/",
        f"{BASE}/mai/v1/images/edits",
        f"{BASE}/mai/v1/images/generations?api-version=preview",
        f"{BASE}/MAI/V1/images",
        f"{BASE}/openai",
        f"{BASE}/openai/v1",
        f"{BASE}/openai/v1/",
        f"{BASE}/openai/deployments/d/images/generations?api-version=2025-04-01-preview",
        f"{BASE}/models",
        f"{BASE}/models/chat/completions?api-version=2024-05-01-preview",
        f"{BASE}/api/projects/p",
        f"{BASE}/api/projects/p/deployments?api-version=v1",
        f"{BASE}?api-version=preview",
        f"{BASE}/#overview",
        f"  {BASE}/ ",
        f"{BASE}\r\n",
        f'"{BASE}"',
        f"' {BASE}/'",
        "HTTPS://Contoso.Services.AI.Azure.com",
        "contoso.services.ai.azure.com",
        "contoso.services.ai.azure.com/mai/v1",
        f"{BASE}.",
        "https://contoso.openai.azure.com",
        "https://contoso.openai.azure.com/openai/v1/",
        "https://contoso.cognitiveservices.azure.com/",
        "Contoso.CognitiveServices.Azure.com",
    ],
)
def test_every_form_that_people_paste_is_understood(text):
    assert str(Endpoint.parse(text)) == BASE


@pytest.mark.parametrize(
    ("text", "base"),
    [
        ("https://gw.example/foundry", "https://gw.example/foundry"),
        ("https://gw.example/foundry/mai/v1/images", "https://gw.example/foundry"),
        ("https://gw.example/team/a/openai/v1?x=1", "https://gw.example/team/a"),
        ("https://gw.example/mainland", "https://gw.example/mainland"),
        ("https://gw.example/openai-gateway", "https://gw.example/openai-gateway"),
        ("https://gw.example/my-models/", "https://gw.example/my-models"),
        ("https://gw.example/api/v2", "https://gw.example/api/v2"),
        ("https://gw.example:8443/", "https://gw.example:8443"),
        ("gw.example:8443/foundry", "https://gw.example:8443/foundry"),
        ("https://a.b.openai.azure.com", "https://a.b.openai.azure.com"),
        ("https://openai.azure.com.example", "https://openai.azure.com.example"),
        ("http://127.0.0.1:8765", "http://127.0.0.1:8765"),
        ("http://127.0.0.53", "http://127.0.0.53"),
        ("http://localhost:8765/mai/v1", "http://localhost:8765"),
        ("https://localhost:8765", "https://localhost:8765"),
        ("localhost:8765", "http://localhost:8765"),
        ("http://[::1]:8765/", "http://[::1]:8765"),
        ("[::1]:8765", "http://[::1]:8765"),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("https://10.0.0.5", "https://10.0.0.5"),
    ],
)
def test_gateways_ports_and_this_machine_keep_what_is_theirs(text, base):
    assert str(Endpoint.parse(text)) == base


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http://contoso.services.ai.azure.com", "must start with https://"),
        ("http://127.0.0.1.example", "must start with https://"),
        ("http://localhost.example", "must start with https://"),
        ("http://10.0.0.5", "must start with https://"),
        ("http://[2001:db8::1]", "must start with https://"),
        ("ftp://contoso.services.ai.azure.com", "must start with https://"),
        ("file:///etc/passwd", "has no host name"),
        ("https://", "has no host name"),
        ("https:///mai/v1", "has no host name"),
        ("", "has no host name"),
        ("/mai/v1", "has no host name"),
        ("https://-contoso.example", "has no host name"),
        ("https://contoso<x>.example", "has no host name"),
        ("https://user:secret@contoso.example", "must not carry a user name or password"),
        ("https://user@contoso.example", "must not carry a user name or password"),
        ("https://@contoso.example", "must not carry a user name or password"),
        ("user:secret@contoso.example", "must not carry a user name or password"),
        ("https://con toso.example", "has a space or a character"),
        (f"{BASE}/my path", "has a space or a character"),
        (f"{BASE}\0", "has a space or a character"),
        (f"{BASE}/a\nb", "has a space or a character"),
        (f"{BASE}/\x1b[31m", "has a space or a character"),
        (f"{BASE}\x7f", "has a space or a character"),
        ("https://c\u043entoso.example", "has a space or a character"),
        ("https://contoso.example\u200b", "has a space or a character"),
        ("https://contoso.example:port", "is not a web address"),
        ("https://contoso.example:99999", "is not a web address"),
        ("https://contoso.example:-1", "is not a web address"),
        ("https://[::1", "is not a web address"),
        ("https://[contoso]", "is not a web address"),
    ],
)
def test_what_is_no_safe_address_is_refused_with_a_reason(text, problem):
    with pytest.raises(ValueError, match=f"^{problem}"):
        Endpoint.parse(text)


@pytest.mark.parametrize("text", ["contoso.example:99999", "contoso.example:port", "https:contoso"])
def test_a_bad_port_of_a_bare_host_is_refused_in_our_words(text):
    with pytest.raises(ValueError, match=r"^is not a web address"):
        Endpoint.parse(text)


def test_port_zero_is_refused_rather_than_replaced():
    with pytest.raises(ValueError, match="is not a web address"):
        Endpoint.parse("https://contoso.example:0")


def test_a_host_with_an_address_glued_to_it_is_refused():
    with pytest.raises(ValueError, match="is not a web address"):
        Endpoint.parse("https://contoso.example[::1]")


@given(text=addresses)
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_address_or_refused_and_https_leaves_this_machine(text):
    try:
        endpoint = Endpoint.parse(text)
    except ValueError:
        return
    base = str(endpoint)
    assert base.isascii()
    assert "@" not in base.split("/")[2]
    assert not set(" ?#\n\0") & set(base)
    assert not base.endswith("/")
    assert base.startswith("https://") or is_loopback(endpoint.host)


@given(text=plain | addresses)
@example(text="https://gw.example/mai/v1/mai/v1")
@example(text="https://gw.example/a'/")
@settings(max_examples=200, deadline=None)
def test_what_was_understood_is_understood_the_same_again(text):
    try:
        endpoint = Endpoint.parse(text)
    except ValueError:
        return
    assert Endpoint.parse(str(endpoint)) == endpoint


def test_an_endpoint_knows_its_host_and_where_pictures_are_asked_for():
    endpoint = Endpoint.parse("http://[::1]:8765/gate")
    assert endpoint.host == "::1"
    assert endpoint.generations_url == "http://[::1]:8765/gate/mai/v1/images/generations"
    assert Endpoint.parse(BASE).generations_url == f"{BASE}/mai/v1/images/generations"


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("127.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_this_machine_is_known_by_its_name_or_address_alone(host, is_local):
    assert is_loopback(host) is is_local
