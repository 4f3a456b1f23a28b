from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mai_cli.errors import ConfigError, MaiError, UsageError
from mai_cli.models.settings import KEYS, Settings
from mai_cli.services.settings import environment, file, flags, resolve

DEFAULTS = Settings(gallery=Path("/home/me/Pictures/mai"), history=Path("/home/me/history.jsonl"))
SECRET = "key-0123456789abcdef"

values = {
    "endpoint": st.sampled_from(["https://a.example", "https://b.example"]),
    "api_key": st.sampled_from(["key-a", "key-b"]),
    "auth": st.sampled_from(["auto", "key", "entra"]),
    "deployment": st.sampled_from(["one", "two"]),
    "model": st.sampled_from(["MAI-Image-2.6", "MAI-Image-2.7"]),
    "size": st.sampled_from(["16:9", "1024x1024"]),
    "gallery": st.sampled_from(["/a/gallery", "/b/gallery"]),
    "history": st.sampled_from(["/a/history.jsonl", "/b/history.jsonl"]),
    "filename": st.sampled_from(["{id}", "{prompt}-{id}"]),
    "timeout": st.sampled_from(["60", "600"]),
    "private": st.sampled_from(["true", "false"]),
    "offline": st.sampled_from(["true", "false"]),
}
layers = st.fixed_dictionaries({}, optional=values)


@given(given_flags=layers, environ=layers, stored=layers)
@hypothesis_settings(deadline=None)
def test_the_first_layer_that_has_a_key_wins_and_is_named(given_flags, environ, stored):
    variables = {f"MAI_{name.upper()}": value for name, value in environ.items()}
    resolved = resolve(
        [
            flags({key.name: given_flags.get(key.name) for key in KEYS}, Path("/here")),
            environment(variables | {"MAI_OTHER": "x", "HOME": "/home/me"}, Path("/here")),
            file(stored, Path("/etc/config.toml")),
        ],
        DEFAULTS,
    )

    for key in KEYS:
        if key.name in given_flags:
            raw, origin = given_flags[key.name], f"--{key.name}"
        elif key.name in environ:
            raw, origin = environ[key.name], key.variable
        elif key.name in stored:
            raw, origin = stored[key.name], f"{key.name} in /etc/config.toml"
        else:
            raw, origin = None, "default"
        expected = getattr(DEFAULTS, key.name) if raw is None else key.parse(raw)
        assert getattr(resolved, key.name) == expected
        assert resolved.origins[key.name] == origin


def test_without_layers_the_defaults_hold():
    resolved = resolve([], DEFAULTS)

    assert set(resolved.origins.values()) == {"default"}
    assert (resolved.gallery, resolved.timeout, resolved.auth) == (DEFAULTS.gallery, 300, "auto")


def test_an_empty_variable_and_a_flag_that_is_not_given_count_as_not_set():
    resolved = resolve(
        [
            flags({"size": None}, Path("/here")),
            environment({"MAI_SIZE": "", "MAI_PRIVATE": ""}, Path("/here")),
            file({"size": "16:9", "private": True}, Path("/etc/config.toml")),
        ],
        DEFAULTS,
    )

    assert (resolved.size, resolved.private) == ("16:9", True)


def test_a_flag_may_turn_off_what_a_file_turns_on():
    layers = [flags({"private": False}, Path("/")), file({"private": True}, Path("/etc/x"))]

    assert resolve(layers, DEFAULTS).private is False


def test_paths_start_where_they_are_written(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")

    def gallery(layer):
        return resolve([layer], DEFAULTS).gallery

    assert gallery(flags({"gallery": "pics"}, Path("/here"))) == Path("/here/pics")
    assert gallery(environment({"MAI_GALLERY": "pics"}, Path("/here"))) == Path("/here/pics")
    assert gallery(file({"gallery": "pics"}, Path("/etc/config.toml"))) == Path("/etc/pics")
    assert gallery(file({"gallery": "~/pics"}, Path("/etc/x"))) == Path("/home/me/pics")
    assert gallery(file({"gallery": "/pics"}, Path("/etc/x"))) == Path("/pics")
    assert gallery(file({"gallery": "~nobody-here/x"}, Path("/etc/x"))) == Path(
        "/etc/~nobody-here/x"
    )


def test_a_wrong_flag_is_a_wrong_command_line():
    with pytest.raises(UsageError) as caught:
        resolve([flags({"timeout": 0}, Path("/here"))], DEFAULTS)

    error = caught.value
    assert error.code == "bad_option"
    assert error.message == "The timeout '0' must be a number of seconds from 1 to 3600."
    assert error.hint == "Change --timeout."


@pytest.mark.parametrize(
    ("layer", "hint"),
    [
        (environment({"MAI_AUTH": "magic"}, Path("/")), "Change MAI_AUTH."),
        (file({"auth": "magic"}, Path("/etc/c.toml")), "Change auth in /etc/c.toml."),
    ],
)
def test_a_wrong_value_elsewhere_is_named_even_where_it_is_hidden(layer, hint):
    hiding = flags({"auth": "key"}, Path("/here"))

    with pytest.raises(ConfigError) as caught:
        resolve([hiding, layer], DEFAULTS)

    error = caught.value
    assert error.code == "bad_setting"
    assert error.message == "The auth 'magic' must be one of auto, key, entra."
    assert error.hint == hint


@pytest.mark.parametrize("key", [f"{SECRET} {SECRET}", f"{SECRET}\0", f"\u00e9{SECRET}"])
def test_a_wrong_key_is_not_repeated(key):
    with pytest.raises(ConfigError) as caught:
        resolve([environment({"MAI_API_KEY": key}, Path("/"))], DEFAULTS)

    assert caught.value.message == "The api_key has a character that no key has."
    assert SECRET not in repr(caught.value.to_json())
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "endpoint",
    [
        f"https://me:{SECRET}@contoso.example",
        f"https://{SECRET}@contoso.example",
        f"http://contoso.example/?api-key={SECRET}",
    ],
)
def test_a_password_or_key_in_an_endpoint_is_not_repeated(endpoint):
    with pytest.raises(MaiError) as caught:
        resolve([environment({"MAI_ENDPOINT": endpoint}, Path("/"))], DEFAULTS)

    assert SECRET not in repr(caught.value.to_json())


def test_settings_that_are_shown_do_not_show_the_key():
    resolved = resolve([environment({"MAI_API_KEY": SECRET}, Path("/"))], DEFAULTS)

    assert resolved.api_key == SECRET
    assert resolved.origins["api_key"] == "MAI_API_KEY"
    assert SECRET not in repr(resolved)
    assert SECRET not in str(resolved.origins)
