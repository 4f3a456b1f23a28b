import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mai_cli.errors import ConfigError
from mai_cli.models.settings import KEYS
from mai_cli.stores import config_file

SETTINGS = "endpoint, auth, deployment, model, size, gallery, history, filename, timeout, private"


@pytest.fixture
def refused(tmp_path):
    """The error that a config file with this text, or these bytes, is refused with."""
    path = tmp_path / "config.toml"

    def refused(text: str | bytes) -> ConfigError:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(ConfigError) as caught:
            config_file.read(path)
        caught.value.message = caught.value.message.replace(str(path), "config.toml")
        return caught.value

    return refused


def test_a_missing_file_says_nothing(tmp_path):
    assert config_file.read(tmp_path / "none" / "config.toml") == {}


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_read_with_the_types_of_toml(tmp_path, before):
    path = tmp_path / "config.toml"
    path.write_bytes(
        before + b'# mine\r\ndeployment = ["a", "b"]\r\ntimeout = 60\r\nprivate = true\r\n'
    )

    assert config_file.read(path) == {"deployment": ["a", "b"], "timeout": 60, "private": True}


def test_every_key_that_belongs_in_the_file_may_stand_there(tmp_path):
    names = [key.name for key in KEYS if key.in_file]
    path = tmp_path / "config.toml"
    path.write_text("".join(f"{name} = 1\n" for name in names))

    assert list(config_file.read(path)) == names
    assert ", ".join(names) == SETTINGS


@pytest.mark.parametrize(
    ("text", "line", "name", "hint"),
    [
        ('galery = "x"', 1, "galery", "Did you mean 'gallery'?"),
        (
            '# a\n\nsize = "16:9"\n  deploymnet = "x"\n',
            4,
            "deploymnet",
            "Did you mean 'deployment'?",
        ),
        ('size = "1:1"\n"time out" = 3\n', 2, "time out", "Did you mean 'timeout'?"),
        ("size = '1:1'\n'history.' = 3\n", 2, "history.", "Did you mean 'history'?"),
        ("\n\n[profils.work]\nsize = '1:1'\n", 3, "profils", f"Valid settings: {SETTINGS}."),
        ("a.b = 1", 1, "a", f"Valid settings: {SETTINGS}."),
        ("[[xyz]]", 1, "xyz", f"Valid settings: {SETTINGS}."),
        ('x = "size"\n', 1, "x", f"Valid settings: {SETTINGS}."),
        ("# offline = 1\noffline = true", 2, "offline", f"Valid settings: {SETTINGS}."),
    ],
)
def test_an_unknown_key_is_named_with_its_line_and_what_may_be_meant(
    refused, text, line, name, hint
):
    error = refused(text)

    assert error.code == "bad_setting"
    assert error.message == f"config.toml, line {line}: there is no setting '{name}'."
    assert error.hint == hint


def test_lines_are_counted_as_an_editor_counts_them(refused):
    assert "line 2:" in refused("# one\u2028still one\ngalery = 1\n").message


def test_a_key_in_the_file_is_told_where_it_belongs_and_not_repeated(refused):
    error = refused('\napi_key = "key-0123456789abcdef"\n')

    assert error.message == "config.toml, line 2: there is no setting 'api_key'."
    assert error.hint == "A key does not belong in this file. Set MAI_API_KEY instead."


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size = ", "config.toml is not TOML: Invalid value (at end of document)."),
        ("size = 1\nsize = 2", "config.toml is not TOML: Cannot overwrite a value ("),
        (b"size = '\xff'", "config.toml is not UTF-8 text."),
        ("size = '1:1'".encode("utf-16"), "config.toml is not UTF-8 text."),
        ("a\0b", "config.toml is not TOML: "),
    ],
)
def test_a_file_that_is_no_toml_is_refused(refused, text, message):
    error = refused(text)

    assert error.code == "bad_config_file"
    assert error.message.startswith(message)


@pytest.mark.parametrize("text", [f"timeout = {'1' * 5000}", f"size = {'[' * 100_000}"])
def test_a_file_that_no_parser_can_hold_is_refused_too(refused, text):
    assert refused(text).code == "bad_config_file"


def test_a_file_that_cannot_be_read_is_named_with_the_reason(tmp_path):
    with pytest.raises(ConfigError) as caught:
        config_file.read(tmp_path)

    assert caught.value.message == f"{tmp_path} cannot be read: Is a directory."
    assert caught.value.code == "bad_config_file"


@given(text=st.binary() | st.text().map(str.encode) | st.text("siz=e\n\"'[]#.1 ").map(str.encode))
@settings(deadline=None)
def test_any_file_is_read_or_refused(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "config.toml"
    path.write_bytes(text)

    try:
        values = config_file.read(path)
    except ConfigError:
        return
    assert values.keys() <= {key.name for key in KEYS}
