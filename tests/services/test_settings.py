from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from mai_cli.errors import ConfigError, MaiError, UsageError
from mai_cli.models.catalogue import Model, find
from mai_cli.models.keys import KEYS
from mai_cli.models.settings import DEFAULT, ConfigFile, Origin, Settings
from mai_cli.services.settings import combine, environment, flags, resolve

DEFAULTS = Settings(gallery=Path("/home/me/Pictures/mai"), history=Path("/home/me/history.jsonl"))
SECRET = "key-0123456789abcdef"
HERE = Path("/here")
USER = Path("/etc/config.toml")
PROJECT = Path("/repo/.mai.toml")

values = {
    "profile": st.sampled_from(["work", "home"]),
    "endpoint": st.sampled_from(["https://a.example", "https://b.example"]),
    "api_key": st.sampled_from(["key-a", "key-b"]),
    "auth": st.sampled_from(["auto", "key", "entra"]),
    "scope": st.sampled_from(["https://a.example/.default", "https://b.example/.default"]),
    "deployment": st.sampled_from(["one", "two"]),
    "model": st.sampled_from(["MAI-Image-2.6", "MAI-Image-2.7"]),
    "size": st.sampled_from(["16:9", "1024x1024"]),
    "timeout": st.sampled_from(["60", "600"]),
    "rpm": st.sampled_from(["6", "60"]),
    "concurrency": st.sampled_from(["1", "16"]),
    "max_cost": st.just("1"),  # of two that differ, the lower may hold; see below
    "max_cost_per_day": st.just("5"),
    "preview": st.sampled_from(["true", "false"]),
    "metadata": st.sampled_from(["true", "false"]),
    "private": st.sampled_from(["true", "false"]),
    "gallery": st.sampled_from(["gallery", "/b/gallery"]),
    "history": st.sampled_from(["history.jsonl", "/b/history.jsonl"]),
    "filename": st.sampled_from(["{id}", "{prompt}-{id}"]),
    "offline": st.sampled_from(["true", "false"]),
}
outer = st.fixed_dictionaries({}, optional=values)
in_user = st.fixed_dictionaries(
    {}, optional={key.name: values[key.name] for key in KEYS if key.in_file}
)
in_project = st.fixed_dictionaries(
    {}, optional={key.name: values[key.name] for key in KEYS if key.in_file and key.in_project}
)
profiles_of = {False: in_user, True: in_project}


def paths_of(tables: Mapping[str, object], above: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """The names of all keys in ``tables``, in order."""
    found = []
    for name, value in tables.items():
        names = (*above, name)
        found += paths_of(value, names) if isinstance(value, dict) else [names]
    return found


def file(path: Path = USER, **tables: object) -> ConfigFile:
    """A file with these keys and tables, each key on a line of its own, from line 1."""
    lines = {names: number for number, names in enumerate(paths_of(tables), start=1)}
    profiles, deployments = tables.pop("profiles", {}), tables.pop("deployments", {})
    return ConfigFile(path, path == PROJECT, tables, profiles, deployments, lines)


@st.composite
def files(draw: st.DrawFn, *, is_project: bool) -> ConfigFile:
    some = profiles_of[is_project]
    return file(
        PROJECT if is_project else USER,
        **draw(some),
        profiles=draw(st.fixed_dictionaries({"work": some, "home": some})),
    )


@given(
    given_flags=outer,
    environ=outer,
    project=st.none() | files(is_project=True),
    user=files(is_project=False),
)
@hypothesis_settings(deadline=None, max_examples=200)
def test_the_first_layer_that_has_a_key_wins_and_is_named(given_flags, environ, project, user):
    variables = {f"MAI_{name.upper()}": value for name, value in environ.items()}
    found = [project, user] if project else [user]
    resolved = resolve(
        [
            flags({key.name: given_flags.get(key.name) for key in KEYS}, HERE),
            environment(variables | {"MAI_OTHER": "x", "HOME": "/home/me"}, HERE),
        ],
        found,
        DEFAULTS,
    )

    profile = given_flags.get("profile", environ.get("profile"))
    assert resolved.profile == profile
    for key in KEYS:
        places = [
            (given_flags, Origin("flag", f"--{key.name.replace('_', '-')}"), HERE),
            (environ, Origin("environment", key.variable), HERE),
            *(
                (file_.profiles[profile], file_.origin("profiles", profile, key.name), file_)
                for file_ in found
                if profile
            ),
            *((file_.values, file_.origin(key.name), file_) for file_ in found),
        ]
        raw, origin, place = next(
            (
                (layer[key.name], origin, place)
                for layer, origin, place in places
                if key.name in layer
            ),
            (None, DEFAULT, None),
        )
        expected = getattr(DEFAULTS, key.name) if raw is None else key.parse(raw)
        if raw is not None and key.is_path:
            expected = (place.path.parent if isinstance(place, ConfigFile) else place) / expected
        assert getattr(resolved, key.name) == expected
        assert resolved.origins[key.name] == origin


def test_each_layer_hides_those_below_it():
    layers = [
        ("--size", {}),
        ("MAI_SIZE", {}),
        ("/repo/.mai.toml, line 2", {"profile": "work"}),
        ("/etc/config.toml, line 2", {"profile": "work"}),
        ("/repo/.mai.toml, line 1", {"profile": None}),
        ("/etc/config.toml, line 1", {"profile": None}),
        ("default", {"profile": None}),
    ]
    told = []
    for hidden, (_, chosen) in enumerate(layers):

        def size(layer: int, hidden: int = hidden) -> dict[str, str]:
            return {"size": f"{768 + 16 * layer}x768"} if layer >= hidden else {"model": "x"}

        project = file(PROJECT, **size(4), profiles={"work": size(2)})
        user = file(USER, **size(5), profiles={"work": size(3)})
        environ = environment({"MAI_SIZE": "784x768"} if hidden <= 1 else {}, HERE)
        outer = flags({**(size(0) if hidden == 0 else {}), **chosen}, HERE)
        resolved = resolve([outer, environ], [project, user], DEFAULTS)
        told.append((str(resolved.origin("size")), resolved.size))

    assert told == [
        ("--size", "768x768"),
        ("MAI_SIZE", "784x768"),
        ("/repo/.mai.toml, line 2", "800x768"),
        ("/etc/config.toml, line 2", "816x768"),
        ("/repo/.mai.toml, line 1", "832x768"),
        ("/etc/config.toml, line 1", "848x768"),
        ("default", "1024x1024"),
    ]


LIMITS = ["max_cost", "max_cost_per_day"]


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize(
    ("project", "user", "limit", "origin"),
    [
        (2, 5, 2, "/repo/.mai.toml, line 1"),
        (9, 5, 5, "/etc/config.toml, line 1"),
        (5, 5, 5, "/repo/.mai.toml, line 1"),
        (0, 5, 0, "/repo/.mai.toml, line 1"),
        (5, 0, 0, "/etc/config.toml, line 1"),
        (9, None, 9, "/repo/.mai.toml, line 1"),
        (None, 5, 5, "/etc/config.toml, line 1"),
        (None, None, None, "default"),
    ],
)
def test_a_limit_of_a_project_can_lower_that_of_the_user_but_not_raise_it(
    name, project, user, limit, origin
):
    values = {PROJECT: project, USER: user}
    found = [file(path, **{name: value}) for path, value in values.items() if value is not None]
    resolved = resolve([], found, DEFAULTS)

    assert (getattr(resolved, name), str(resolved.origin(name))) == (limit, origin)


@pytest.mark.parametrize(
    ("project", "user", "limit"),
    [
        ({"profiles": {"work": {"max_cost": 9}}}, {"profiles": {"work": {"max_cost": 5}}}, 5),
        ({"profiles": {"work": {"max_cost": 2}}}, {"profiles": {"work": {"max_cost": 5}}}, 2),
        ({"profiles": {"work": {"max_cost": 9}}}, {"max_cost": 5}, 5),
        ({"profiles": {"work": {"max_cost": 2}}}, {"max_cost": 5}, 2),
        ({"max_cost": 9}, {"profiles": {"work": {"max_cost": 5}}}, 5),
        ({"max_cost": 9}, {"profiles": {"home": {"max_cost": 5}, "work": {}}}, 9),
        ({}, {"max_cost": 5, "profiles": {"work": {"max_cost": 9}}}, 9),
        ({"max_cost": 2, "profiles": {"work": {"max_cost": 9}}}, {}, 9),
    ],
)
def test_a_limit_of_a_project_does_not_raise_that_of_a_profile_either(project, user, limit):
    found = [file(PROJECT, **project), file(**user)]

    assert resolve([flags({"profile": "work"}, HERE)], found, DEFAULTS).max_cost == limit


@pytest.mark.parametrize(
    "outer", [flags({"max_cost": 9}, HERE), environment({"MAI_MAX_COST": "9"}, HERE)]
)
def test_who_runs_it_may_raise_any_limit(outer):
    found = [file(PROJECT, max_cost=2), file(max_cost=5)]

    assert resolve([outer], found, DEFAULTS).max_cost == 9


def test_what_is_no_limit_may_be_raised_by_a_project():
    found = [file(PROJECT, rpm=60, concurrency=32), file(rpm=6, concurrency=2)]
    resolved = resolve([], found, DEFAULTS)

    assert (resolved.rpm, resolved.concurrency) == (60, 32)


amounts = st.none() | st.floats(0, 1000)


@given(project=amounts, user=amounts)
@hypothesis_settings(deadline=None)
def test_whatever_a_project_says_no_limit_is_above_the_users(project, user):
    found = [
        file(PROJECT, **({} if project is None else {"max_cost": project})),
        file(**({} if user is None else {"max_cost": user})),
    ]
    limits = [limit for limit in (project, user) if limit is not None]

    assert resolve([], found, DEFAULTS).max_cost == min(limits, default=None)


def test_without_layers_the_defaults_hold():
    resolved = resolve([], [], DEFAULTS)

    assert set(resolved.origins.values()) == {DEFAULT}
    assert resolved.origins.keys() == {key.name for key in KEYS}
    assert (resolved.gallery, resolved.timeout, resolved.auth) == (DEFAULTS.gallery, 300, "auto")
    assert (resolved.profile, resolved.deployments) == (None, {})


def test_an_empty_variable_and_a_flag_that_is_not_given_count_as_not_set():
    resolved = resolve(
        [
            flags({"size": None, "profile": None}, HERE),
            environment({"MAI_SIZE": "", "MAI_PRIVATE": "", "MAI_PROFILE": ""}, HERE),
        ],
        [file(size="16:9", private=True)],
        DEFAULTS,
    )

    assert (resolved.size, resolved.private, resolved.profile) == ("16:9", True, None)


def test_a_flag_may_turn_off_what_a_file_turns_on():
    resolved = resolve([flags({"private": False}, Path("/"))], [file(private=True)], DEFAULTS)

    assert resolved.private is False


def test_paths_start_where_they_are_written(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")

    def gallery(*layers, files=()):
        return resolve(layers, files, DEFAULTS).gallery

    assert gallery(flags({"gallery": "pics"}, HERE)) == Path("/here/pics")
    assert gallery(environment({"MAI_GALLERY": "pics"}, HERE)) == Path("/here/pics")
    assert gallery(files=[file(gallery="pics")]) == Path("/etc/pics")
    assert gallery(files=[file(gallery="~/pics")]) == Path("/home/me/pics")
    assert gallery(files=[file(gallery="/pics")]) == Path("/pics")
    assert gallery(files=[file(gallery="~nobody-here/x")]) == Path("/etc/~nobody-here/x")
    assert gallery(
        flags({"profile": "work"}, HERE), files=[file(profiles={"work": {"gallery": "pics"}})]
    ) == Path("/etc/pics")


def test_a_wrong_flag_is_a_wrong_command_line():
    with pytest.raises(UsageError) as caught:
        resolve([flags({"timeout": 0}, HERE)], [], DEFAULTS)

    error = caught.value
    assert error.code == "bad_option"
    assert error.message == "The timeout '0' must be a number of seconds from 1 to 3600."
    assert error.hint == "Change --timeout."


@pytest.mark.parametrize(
    ("layers", "files", "hint"),
    [
        ([environment({"MAI_AUTH": "magic"}, HERE)], [], "Change MAI_AUTH."),
        ([], [file(size="16:9", auth="magic")], "Change it in /etc/config.toml, line 2."),
        (
            [],
            [file(profiles={"work": {"size": "1:1"}, "home": {"auth": "magic"}})],
            "Change it in /etc/config.toml, line 2.",
        ),
        (
            [],
            [file(PROJECT, auth="key"), file(size="16:9", model="x", auth="magic")],
            "Change it in /etc/config.toml, line 3.",
        ),
    ],
    ids=["variable", "file", "profile that was not chosen", "file below another"],
)
def test_a_wrong_value_elsewhere_is_named_even_where_it_is_hidden(layers, files, hint):
    hiding = flags({"auth": "key"}, HERE)

    with pytest.raises(ConfigError) as caught:
        resolve([hiding, *layers], files, DEFAULTS)

    error = caught.value
    assert error.code == "bad_setting"
    assert error.message == "The auth 'magic' must be one of auto, key, entra."
    assert error.hint == hint


WRONG = {
    "endpoint": "http://a.example",
    "auth": 7,
    "scope": "a",
    "deployment": "",
    "model": "",
    "size": "huge",
    "rpm": 0,
    "concurrency": 1.5,
    "max_cost": -1,
    "max_cost_per_day": "much",
    "timeout": 0,
    "preview": "perhaps",
    "metadata": 3,
    "private": 2,
    "gallery": " ",
    "history": 3,
    "filename": "{x}",
}


@given(
    name=st.sampled_from(sorted(WRONG)),
    profile=st.sampled_from([None, "work", "home"]),
    chosen=st.sampled_from([None, "work", "home"]),
    path=st.sampled_from([USER, PROJECT]),
    hiding=outer,
)
@hypothesis_settings(deadline=None)
def test_any_wrong_value_in_a_file_is_found_whatever_is_chosen(name, profile, chosen, path, hiding):
    before = {"size": "1:1"} if name != "size" else {"model": "x"}
    wrong = before | {name: WRONG[name]}
    tables = {"profiles": {"work": {"private": True}, "home": {}}}
    tables = (
        wrong | tables if profile is None else {"profiles": tables["profiles"] | {profile: wrong}}
    )
    bad = file(path, **tables)
    names = (name,) if profile is None else ("profiles", profile, name)
    layers = [flags({**hiding, "profile": chosen}, HERE)]

    with pytest.raises(ConfigError) as caught:
        resolve(layers, [bad] if path == USER else [bad, file(USER)], DEFAULTS)

    line = paths_of(tables).index(names) + 1
    assert caught.value.code == "bad_setting"
    assert caught.value.hint.endswith(f"Change it in {path}, line {line}.")
    assert str(WRONG[name]) in caught.value.message


@pytest.mark.parametrize("key", [f"{SECRET} {SECRET}", f"{SECRET}\0", f"\u00e9{SECRET}"])
def test_a_wrong_key_is_not_repeated(key):
    with pytest.raises(ConfigError) as caught:
        resolve([environment({"MAI_API_KEY": key}, Path("/"))], [], DEFAULTS)

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
        resolve([environment({"MAI_ENDPOINT": endpoint}, Path("/"))], [], DEFAULTS)

    assert SECRET not in repr(caught.value.to_json())


def test_settings_that_are_shown_do_not_show_the_key():
    resolved = resolve([environment({"MAI_API_KEY": SECRET}, Path("/"))], [], DEFAULTS)

    assert resolved.api_key == SECRET
    assert resolved.origins["api_key"] == Origin("environment", "MAI_API_KEY")
    assert SECRET not in repr(resolved)
    assert SECRET not in str(resolved.origins)


FLAG = flags({"profile": "wrok"}, HERE)
VARIABLE = environment({"MAI_PROFILE": " wrok "}, HERE)
NO_FILE = "There are none; see 'mai config init --help'."


@pytest.mark.parametrize(
    ("layers", "kind", "code", "place"),
    [
        ([FLAG], UsageError, "bad_option", "--profile"),
        ([VARIABLE], ConfigError, "bad_setting", "MAI_PROFILE"),
        ([FLAG, VARIABLE], UsageError, "bad_option", "--profile"),
    ],
)
@pytest.mark.parametrize(
    ("found", "advice"),
    [
        ([], NO_FILE),
        ([file(size="1:1")], NO_FILE),
        ([file(profiles={"work": {}, "home": {}})], "Did you mean 'work'?"),
        ([file(PROJECT, profiles={"work": {}}), file()], "Did you mean 'work'?"),
        (
            [file(PROJECT, profiles={"b": {}}), file(profiles={"a": {}, "b": {}})],
            "There are: a, b.",
        ),
    ],
    ids=["no file", "no profile", "near", "near in a project", "far"],
)
def test_a_profile_that_is_not_there_is_told_with_those_that_are(
    layers, kind, code, place, found, advice
):
    with pytest.raises(kind) as caught:
        resolve(layers, found, DEFAULTS)

    error = caught.value
    assert (type(error), error.code, error.exit_code) == (
        kind,
        code,
        2 if kind is UsageError else 3,
    )
    assert error.message == f"There is no profile 'wrok', which {place} asks for."
    assert error.hint == advice


def test_a_profile_that_only_one_of_two_files_knows_is_known():
    found = [file(PROJECT, profiles={"work": {"size": "1:1"}}), file(profiles={"home": {}})]

    assert resolve([flags({"profile": "home"}, HERE)], found, DEFAULTS).profile == "home"
    assert resolve([flags({"profile": "work"}, HERE)], found, DEFAULTS).size == "1:1"


def test_a_profile_may_have_an_odd_name():
    names = ["a.b", "a b", "prod-1", "\u00fc"]
    odd = file(profiles={name: {"size": "1:1"} for name in names})

    for name in names:
        assert resolve([flags({"profile": name}, HERE)], [odd], DEFAULTS).size == "1:1"


facts = st.fixed_dictionaries(
    {},
    optional={
        "model": st.sampled_from(["MAI-Image-2.6", "x"]),
        "max_pixels": st.sampled_from([1_000_000, 2_000_000]),
        "edits": st.booleans(),
        "price_text_in": st.sampled_from([0, 4.5]),
    },
)
deployments = st.dictionaries(st.sampled_from(["one", "two", "mai-image-2.6"]), facts)


@given(in_project=deployments, in_user=deployments)
@hypothesis_settings(deadline=None)
def test_what_files_say_of_a_deployment_is_merged_key_by_key(in_project, in_user):
    found = [file(PROJECT, deployments=in_project), file(deployments=in_user)]
    resolved = resolve([], found, DEFAULTS)

    assert resolved.deployments.keys() == in_project.keys() | in_user.keys()
    for name, deployment in resolved.deployments.items():
        above, below = dict(in_project.get(name, {})), in_user.get(name, {})
        if above.get("price_text_in", 5) < below.get("price_text_in", 0):
            del above["price_text_in"]  # it would lift the user's limits
        assert deployment.values == {**below, **above}
        assert deployment.origins == {
            **{key: found[1].origin("deployments", name, key) for key in below},
            **{key: found[0].origin("deployments", name, key) for key in above},
        }


def test_a_project_cannot_make_a_picture_cheaper_than_it_is_known_to_be():
    prices = {"price_text_in": 0, "price_image_in": 90, "price_image_out": 0}
    project = file(PROJECT, deployments={"mai-image-2.6": prices, "mine": prices})
    deployments = resolve([], [project], DEFAULTS).deployments

    known = deployments["mai-image-2.6"].correct(find("MAI-Image-2.6")).price
    assert (known.text_in, known.image_in, known.image_out) == (5, 90, 38)
    unknown = deployments["mine"].correct(Model.unknown()).price
    assert (unknown.text_in, unknown.image_in, unknown.image_out) == (0, 90, 0)


def test_a_wrong_fact_of_a_deployment_is_named_even_where_it_is_hidden():
    hiding = file(PROJECT, deployments={"one": {"edits": True}})
    wrong = file(size="1:1", deployments={"one": {"edits": "perhaps"}})

    with pytest.raises(ConfigError) as caught:
        resolve([], [hiding, wrong], DEFAULTS)

    assert caught.value.message == "The edits 'perhaps' must be true or false."
    assert caught.value.hint == "Change it in /etc/config.toml, line 2."


A = replace(DEFAULTS, profile="a", offline=True)


def test_one_profile_alone_is_as_it_is():
    assert combine([A]) == A


@pytest.mark.parametrize("name", ["gallery", "history"])
def test_profiles_that_keep_what_they_make_apart_cannot_share_a_batch(name):
    elsewhere = replace(A, profile=None, **{name: Path("/b")})
    with pytest.raises(ConfigError) as caught:
        combine([A, A, elsewhere])

    assert caught.value.code == "bad_setting"
    assert caught.value.message == (
        f"The profiles of a batch must agree on the {name}: {getattr(A, name)} or /b."
    )
    assert caught.value.hint == f"Set {name} once, outside of the profiles."


@pytest.mark.parametrize(
    ("values", "combined"),
    [
        ([{}, {"private": True}], {"private": True}),
        ([{"private": True}, {}], {"private": True}),
        ([{}, {"metadata": False}], {"metadata": False}),
        ([{"max_cost": 3.0}, {"max_cost": 0.0}, {}], {"max_cost": 0.0}),
        ([{}, {"max_cost_per_day": 2.0}], {"max_cost_per_day": 2.0}),
        ([{}, {"profile": "b", "concurrency": 2, "rpm": 1.0}], {"concurrency": 2}),
    ],
)
def test_of_profiles_that_share_a_batch_the_strictest_holds(values, combined):
    assert combine([replace(A, **facts) for facts in values]) == replace(A, **combined)
