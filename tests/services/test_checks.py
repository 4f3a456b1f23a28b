from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from errno import EACCES
from itertools import count
from os import strerror
from pathlib import Path

import pytest

from mai_cli.errors import (
    AuthError,
    ConfigError,
    ExitCode,
    MaiError,
    RefusedError,
    UnavailableError,
    UnknownError,
)
from mai_cli.models.check import Check
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.settings import ConfigFile, Deployment, Origin, Settings
from mai_cli.services.checks import LITTLE_SPACE, MAX_SKEW_SECONDS, Checks, Surroundings, worst

NOW = datetime(2026, 11, 22, 9, 14, tzinfo=UTC)
ENDPOINT = Endpoint("https://contoso.services.ai.azure.com")
NAMES = [
    "config",
    "endpoint",
    "name",
    "connection",
    "credential",
    "token",
    "deployment",
    "gallery",
    "history",
    "clock",
    "variables",
]
SETTINGS = Settings(
    Path("/pictures/mai"),
    Path("/data/history.jsonl"),
    endpoint=ENDPOINT,
    deployment=("mai-image-26",),
    origins={"endpoint": Origin("user", "/c.toml", 2)},
)
DECLINED = RefusedError("The service declined: width must be at least 768.", code="bad_request")
BROKEN = ConfigError(
    "/c.toml, line 1: there is no setting 'x'.", code="bad_setting", hint="Fix it."
)
NO_WORK = "none misspelt, none of another tool that is missing here"
ANSWERS = (
    "mai-image-26 answers. This cost nothing: it relies on the service declining a picture of 1 "
    "pixel before it draws."
)


@dataclass
class Reached:
    at: datetime | None = NOW
    tls_version: str | None = "TLSv1.3"


@dataclass
class Signing:
    is_token: bool = False
    source: str = "a key from MAI_API_KEY"
    problem: MaiError | None = None

    def headers(self) -> dict[str, str]:
        if self.problem:
            raise self.problem
        self.source = "Entra ID, by Azure CLI" if self.is_token else self.source
        return {}


class World:
    """Surroundings in which all is well, but for ``changes``; an error stands for what raises it.

    ``asked`` says what was asked for.
    """

    def __init__(self, **changes: object) -> None:
        self.asked: list[str] = []
        self.is_there: dict[str, object] = {
            "files": [],
            "settings": SETTINGS,
            "endpoint": ENDPOINT,
            "credential": Signing(),
            "exposed": None,
            "reach": Reached(),
            "probe": DECLINED,
            "resolve": ["20.1.2.3"],
            "proxy": None,
            "free_bytes": LITTLE_SPACE,
        }
        self.environ: Mapping[str, str] = changes.pop("environ", {})
        self.seconds = changes.pop("seconds", 0.0)
        self.now = changes.pop("now", NOW)
        assert changes.keys() <= self.is_there.keys()
        self.is_there |= changes

    def checks(self) -> dict[str, Check]:
        ticks = count()
        around = Surroundings(
            environ=self.environ,
            **{name: self._gives(name) for name in self.is_there},
            now=lambda: self.now,
            clock=lambda: next(ticks) * self.seconds,
        )
        return {check.name: check for check in Checks(around).run()}

    def _gives(self, name: str) -> Callable[..., object]:
        def give(*args: object) -> object:
            self.asked.append(" ".join([name, *map(str, args)]))
            value = self.is_there[name]
            if isinstance(value, dict):
                value = value[str(args[0])]
            if isinstance(value, BaseException):
                raise value
            return value

        return give


def run(**changes: object) -> dict[str, Check]:
    return World(**changes).checks()


def told(check: Check) -> tuple[str, str, str]:
    return (check.result, check.message, check.hint)


def results(checks: Mapping[str, Check]) -> dict[str, str]:
    """Those that are not ok."""
    return {name: check.result for name, check in checks.items() if check.result != "ok"}


def test_where_all_is_well_every_check_says_what_it_saw():
    checks = run()

    assert {name: told(check) for name, check in checks.items()} == {
        "config": ("ok", "no file yet", ""),
        "endpoint": ("ok", f"{ENDPOINT} (/c.toml, line 2)", ""),
        "name": ("ok", "contoso.services.ai.azure.com is 20.1.2.3", ""),
        "connection": ("ok", "the service answers, TLSv1.3", ""),
        "credential": ("ok", "a key from MAI_API_KEY", ""),
        "token": ("skipped", "not needed with a key", ""),
        "deployment": ("ok", ANSWERS, ""),
        "gallery": ("ok", "/pictures/mai", ""),
        "history": ("ok", "/data/history.jsonl", ""),
        "clock": ("ok", "agrees with the service's", ""),
        "variables": ("ok", NO_WORK, ""),
    }
    assert list(checks) == NAMES
    assert worst(list(checks.values())) is ExitCode.OK


def test_a_check_is_there_before_the_next_one_is_made():
    world = World()
    around = Surroundings(
        environ={}, **{name: world._gives(name) for name in world.is_there}, now=lambda: NOW
    )
    run = Checks(around).run()

    assert next(run).name == "config"
    assert world.asked == ["files", "settings"]
    assert next(run).name == "endpoint"
    assert not [what for what in world.asked if what.startswith("resolve")]


def test_each_check_tells_how_long_it_took():
    checks = run(seconds=1.5, reach=UnavailableError("No.", code="no_connection"))

    assert checks["name"].seconds == checks["connection"].seconds == 1.5
    assert checks["deployment"].seconds == 0.0


def test_the_files_that_there_are_and_the_profile_are_named(tmp_path):
    (tmp_path / "config.toml").touch()
    files = [ConfigFile(tmp_path / name) for name in ("config.toml", "none.toml")]
    work = replace(SETTINGS, profile="work")

    assert run(files=files)["config"].message == f"{tmp_path}/config.toml"
    assert run(files=files, settings=work)["config"].message == (
        f"{tmp_path}/config.toml, profile work"
    )
    assert run(settings=work)["config"].message == ("no file yet, profile work")


@pytest.mark.parametrize("where", ["files", "settings"])
def test_without_settings_nothing_can_be_looked_at(where):
    world = World(**{where: BROKEN})
    checks = world.checks()

    assert told(checks["config"]) == ("failed", BROKEN.message, "Fix it.")
    assert results(checks) == dict.fromkeys(NAMES[:-1], "skipped") | {"config": "failed"}
    assert {checks[name].message for name in ("endpoint", "credential", "gallery", "history")} == {
        "needs: config"
    }
    assert checks["deployment"].message == "needs: connection, token"
    assert set(world.asked) <= {"files", "settings"}
    assert worst(list(checks.values())) is ExitCode.CONFIG


def test_without_an_endpoint_the_rest_is_looked_at_all_the_same():
    world = World(
        endpoint=ConfigError("No Foundry endpoint is set.", code="missing_setting"),
        settings=replace(SETTINGS, endpoint=None),
    )
    checks = world.checks()

    assert results(checks) == {
        "endpoint": "failed",
        "name": "skipped",
        "connection": "skipped",
        "token": "skipped",
        "deployment": "skipped",
        "clock": "skipped",
    }
    assert {
        name: checks[name].message for name in ("name", "connection", "deployment", "clock")
    } == {
        "name": "needs: endpoint",
        "connection": "needs: name",
        "deployment": "needs: connection",
        "clock": "needs: connection",
    }
    assert not {"reach", "probe mai-image-26"} & set(world.asked)


def test_a_name_that_leads_nowhere_ends_the_calls():
    problem = UnavailableError("The name was not found.", code="no_connection", hint="Check it.")
    world = World(resolve=problem)
    checks = world.checks()

    assert told(checks["name"]) == ("failed", problem.message, "Check it.")
    assert checks["name"].exit_code is ExitCode.UNAVAILABLE
    assert results(checks) == {
        "name": "failed",
        "connection": "skipped",
        "token": "skipped",
        "deployment": "skipped",
        "clock": "skipped",
    }
    assert f"resolve {ENDPOINT.host}" in world.asked
    assert "reach" not in world.asked


def test_names_are_left_to_a_proxy():
    world = World(proxy="http://proxy.example:3128")
    checks = world.checks()

    assert told(checks["name"]) == ("skipped", "left to the proxy http://proxy.example:3128", "")
    assert checks["connection"].message == (
        "the service answers through the proxy http://proxy.example:3128, TLSv1.3"
    )
    assert checks["deployment"].result == "ok"
    assert f"resolve {ENDPOINT.host}" not in world.asked


def test_a_connection_that_is_not_encrypted_is_told():
    assert run(reach=Reached(tls_version=None))["connection"].message == (
        "the service answers, without TLS"
    )


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (UnavailableError("No.", code="bad_certificate", hint="Set it."), ExitCode.UNAVAILABLE),
        (ConfigError("It redirects.", code="redirected", hint="Set it."), ExitCode.CONFIG),
    ],
)
def test_without_a_connection_no_deployment_is_asked(problem, code):
    world = World(reach=problem)
    checks = world.checks()

    assert told(checks["connection"]) == ("failed", problem.message, "Set it.")
    assert (checks["connection"].exit_code, worst(list(checks.values()))) == (code, code)
    assert checks["deployment"].message == "needs: connection"
    assert "probe mai-image-26" not in world.asked
    assert checks["credential"].result == checks["gallery"].result == "ok"


NO_KEY = AuthError("There is none.", code="no_credential", hint="Store one.")


def test_without_a_credential_no_deployment_is_asked():
    world = World(credential=NO_KEY)
    checks = world.checks()

    assert told(checks["credential"]) == ("failed", "There is none.", "Store one.")
    assert results(checks) == {
        "credential": "failed",
        "token": "skipped",
        "deployment": "skipped",
    }
    assert checks["token"].message == "needs: credential"
    assert checks["deployment"].message == "needs: token"
    assert worst(list(checks.values())) is ExitCode.AUTH
    assert "probe mai-image-26" not in world.asked


def test_a_token_is_asked_for_where_one_is_needed():
    checks = run(credential=Signing(is_token=True, source="Entra ID"))

    assert told(checks["credential"]) == ("ok", "Entra ID", "")
    assert told(checks["token"]) == ("ok", "granted, Entra ID, by Azure CLI", "")


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (NO_KEY, ExitCode.AUTH),
        (UnavailableError("No.", code="no_connection"), ExitCode.UNAVAILABLE),
        (ConfigError("No.", code="bad_setting"), ExitCode.CONFIG),
    ],
)
def test_without_a_token_no_deployment_is_asked(problem, code):
    world = World(credential=Signing(is_token=True, problem=problem))
    checks = world.checks()

    assert told(checks["token"]) == ("failed", problem.message, problem.hint)
    assert checks["token"].exit_code is code
    assert results(checks) == {"token": "failed", "deployment": "skipped"}
    assert checks["deployment"].message == "needs: token"
    assert "probe mai-image-26" not in world.asked


def test_a_key_that_others_can_read_is_a_warning():
    path = Path("/home/me/.config/mai/credentials.toml")
    stored = Signing(source=f"a key from {path}")
    checks = run(exposed=path, credential=stored)

    assert told(checks["credential"]) == (
        "warning",
        f"a key from {path}, which others on this machine can read",
        f"Run: chmod 600 {path}",
    )
    assert worst(list(checks.values())) is ExitCode.OK


@pytest.mark.parametrize("source", ["a key from MAI_API_KEY", "Entra ID"])
def test_a_file_of_keys_that_is_not_used_is_not_taken_for_the_one_that_is(source):
    path = Path("/home/me/.config/mai/credentials.toml")
    check = run(exposed=path, credential=Signing(source=source))["credential"]

    assert told(check) == ("ok", source, "")


@pytest.mark.parametrize(
    ("problem", "result", "message", "hint"),
    [
        (DECLINED, "ok", ANSWERS, ""),
        (
            RefusedError("The Size is wrong.", code="bad_request"),
            "ok",
            ANSWERS,
            "",
        ),
        (
            RefusedError("The service declined: bad model.", code="bad_request"),
            "warning",
            "mai-image-26 answers, but not as expected: The service declined: bad model.",
            "A real picture will show whether it works.",
        ),
        (
            UnavailableError("The quota is used up.", code="quota", hint="Wait."),
            "warning",
            "mai-image-26 answers: The quota is used up.",
            "Wait.",
        ),
        (
            None,
            "warning",
            "mai-image-26 drew a picture where it should have declined one of 1 pixel.",
            "It may be billed. Please report this.",
        ),
    ],
)
def test_a_deployment_that_answers_is_no_failure(problem, result, message, hint):
    world = World(probe=problem)
    checks = world.checks()

    assert told(checks["deployment"]) == (result, message, hint)
    assert worst(list(checks.values())) is ExitCode.OK
    assert [what for what in world.asked if what.startswith("probe")] == ["probe mai-image-26"]


HINTS = {
    "no_deployment": (
        "The Foundry portal lists them. Name one: mai config set deployment NAME. A new one takes "
        "up to 5 minutes."
    ),
}


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (RefusedError("No such one.", code="no_deployment", hint="Look."), ExitCode.CONFIG),
        (RefusedError("Not here.", code="not_found"), ExitCode.CONFIG),
        (RefusedError("Blocked.", code="resource_blocked"), ExitCode.UNAVAILABLE),
        (AuthError("The key is wrong.", code="bad_credential"), ExitCode.AUTH),
        (AuthError("Not allowed.", code="no_permission"), ExitCode.AUTH),
        (UnavailableError("It failed.", code="service_failure"), ExitCode.UNAVAILABLE),
    ],
)
def test_a_deployment_that_does_not_answer_is_a_failure(problem, code):
    checks = run(probe=problem)

    hint = HINTS.get(problem.code, problem.hint)
    assert told(checks["deployment"]) == ("failed", problem.message, hint)
    assert checks["deployment"].exit_code is code
    assert worst(list(checks.values())) is code
    assert results(checks) == {"token": "skipped", "deployment": "failed"}


@pytest.mark.parametrize("code", ["lost_answer", "gateway_gave_up", "bad_picture"])
def test_an_answer_to_the_probe_that_is_lost_is_no_picture_that_may_be_billed(code):
    problem = UnknownError("The answer was lost: reset; it may be billed.", code=code)
    check = run(probe=problem)["deployment"]

    assert told(check) == ("failed", "The answer was lost: reset.", "Try again later.")
    assert check.exit_code is ExitCode.UNAVAILABLE


def test_no_deployment_is_a_missing_setting():
    checks = run(settings=replace(SETTINGS, deployment=()))

    assert checks["deployment"].result == "failed"
    assert checks["deployment"].message == "No deployment is named."
    assert checks["deployment"].hint == (
        "Run 'mai config init', or: mai config set deployment NAME"
    )
    assert checks["deployment"].exit_code is ExitCode.CONFIG


def test_a_size_that_the_model_cannot_draw_is_found():
    checks = run(
        settings=replace(
            SETTINGS,
            deployment=("mai-image-25",),
            size="21:9",
            origins={"size": Origin("user", "/c.toml", 4)},
        )
    )

    assert checks["deployment"].result == "failed"
    assert "Change it in /c.toml, line 4." in checks["deployment"].hint


def test_every_deployment_is_asked_once():
    two = replace(SETTINGS, deployment=("mai-image-26", "mai-image-27", "mai-image-26"))
    world = World(settings=two, probe={"mai-image-26": DECLINED, "mai-image-27": DECLINED})
    checks = world.checks()

    assert checks["deployment"].message == f"{ANSWERS} {ANSWERS.replace('26', '27')}"
    assert [what for what in world.asked if what.startswith("probe")] == [
        "probe mai-image-26",
        "probe mai-image-27",
    ]


def test_a_model_that_is_not_known_or_is_to_retire_is_a_warning():
    check = run(settings=replace(SETTINGS, deployment=("pics",)))["deployment"]
    assert check.result == "warning"
    assert check.hint.startswith("The model behind this deployment is not known")

    told_it = {"pics": Deployment({"model": "MAI-Image-2.6"})}
    known = replace(SETTINGS, deployment=("pics",), deployments=told_it)
    assert run(settings=known)["deployment"].result == "ok"

    check = run(settings=replace(SETTINGS, deployment=("mai-image-2",)))["deployment"]
    assert check.result == "warning"
    assert "MAI-Image-2 was due to retire" in check.hint


FULL = PermissionError(EACCES, strerror(EACCES))


@pytest.mark.parametrize(
    ("name", "folder", "place", "variable"),
    [
        ("gallery", "/pictures/mai", "/pictures/mai", "MAI_GALLERY"),
        ("history", "/data", "/data/history.jsonl", "MAI_HISTORY"),
    ],
)
def test_a_place_that_cannot_be_written_is_a_failure(name, folder, place, variable):
    free = {"/pictures/mai": LITTLE_SPACE, "/data": LITTLE_SPACE} | {folder: FULL}
    checks = run(free_bytes=free)

    assert told(checks[name]) == (
        "failed",
        f"The {name} {place} cannot be written: Permission denied.",
        f"Make room, or set {variable} to a place that can be written.",
    )
    assert results(checks) == {"token": "skipped", name: "failed"}
    assert worst(list(checks.values())) is ExitCode.CONFIG


def test_little_room_is_a_warning():
    checks = run(free_bytes={"/pictures/mai": LITTLE_SPACE - 1, "/data": LITTLE_SPACE})

    assert told(checks["gallery"]) == ("warning", "/pictures/mai, 99 MB free", "Make room.")
    assert checks["history"].result == "ok"
    assert worst(list(checks.values())) is ExitCode.OK

    checks = run(free_bytes={"/pictures/mai": LITTLE_SPACE, "/data": 0})
    assert checks["history"].result == "warning"
    assert checks["history"].hint == "Make room."


@pytest.mark.parametrize(
    ("off", "result", "message"),
    [
        (0, "ok", "agrees with the service's"),
        (MAX_SKEW_SECONDS, "ok", "agrees with the service's"),
        (-MAX_SKEW_SECONDS, "ok", "agrees with the service's"),
        (MAX_SKEW_SECONDS + 1, "warning", "this machine's is 5 minutes fast"),
        (-3600, "warning", "this machine's is 60 minutes slow"),
    ],
)
def test_a_clock_that_is_off_is_a_warning(off, result, message):
    check = run(now=NOW + timedelta(seconds=off))["clock"]

    assert (check.result, check.message) == (result, message)
    assert check.hint == (
        "Set it: sign-ins and certificates depend on it." if result == "warning" else ""
    )


def test_without_the_time_of_the_service_the_clock_is_not_looked_at():
    assert told(run(reach=Reached(at=None))["clock"]) == (
        "skipped",
        "the service does not tell the time",
        "",
    )


OFFLINE = replace(SETTINGS, offline=True, origins={"offline": Origin("environment", "MAI_OFFLINE")})


def test_offline_nothing_is_called_and_nothing_fails():
    world = World(settings=OFFLINE, endpoint=None, credential=NO_KEY)
    checks = world.checks()

    assert told(checks["endpoint"]) == ("skipped", "not called: MAI_OFFLINE says offline", "")
    assert told(checks["credential"]) == ("skipped", "not needed offline", "")
    assert told(checks["token"]) == ("skipped", "not needed offline", "")
    skipped = ("endpoint", "name", "connection", "credential", "token", "deployment", "clock")
    assert results(checks) == dict.fromkeys(skipped, "skipped")
    assert worst(list(checks.values())) is ExitCode.OK
    assert not {"reach", "probe mai-image-26", "credential"} & set(world.asked)


def test_a_variable_that_is_misspelt_is_a_warning():
    check = run(environ={"MAI_DEPLOYMNET": "x", "MAI_ZZZZZZZZZ": "x", "MAI_SIZE": "1:1"})[
        "variables"
    ]

    assert told(check) == (
        "warning",
        (
            "MAI_DEPLOYMNET is none of mai's (did you mean MAI_DEPLOYMENT?); "
            "MAI_ZZZZZZZZZ is none of mai's"
        ),
        "",
    )


FOREIGN = {
    "AZURE_OPENAI_ENDPOINT": "https://secret.example",
    "AZURE_OPENAI_API_KEY": "key-0123456789abcdef",
    "DEPLOYMENT_NAME": "x",
}
NO_ENDPOINT = ConfigError("No Foundry endpoint is set.", code="missing_setting")


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, []),
        ({"credential": NO_KEY}, ["AZURE_OPENAI_API_KEY"]),
        ({"credential": Signing(is_token=True, problem=NO_KEY)}, ["AZURE_OPENAI_API_KEY"]),
        ({"settings": replace(SETTINGS, deployment=())}, ["DEPLOYMENT_NAME"]),
        (
            {"settings": replace(SETTINGS, endpoint=None), "endpoint": NO_ENDPOINT},
            ["AZURE_OPENAI_ENDPOINT"],
        ),
        ({"settings": BROKEN}, list(FOREIGN)),
    ],
)
def test_a_variable_of_another_tool_is_named_where_it_would_help(changes, names):
    check = run(environ=FOREIGN, **changes)["variables"]
    mine = {
        "AZURE_OPENAI_ENDPOINT": "MAI_ENDPOINT",
        "AZURE_OPENAI_API_KEY": "MAI_API_KEY",
        "DEPLOYMENT_NAME": "MAI_DEPLOYMENT",
    }
    exports = "; ".join(f'export {mine[name]}="${name}"' for name in names)

    assert told(check) == (
        "warning" if names else "ok",
        "; ".join(f"{name} is another tool's, and not used" for name in names) or NO_WORK,
        f"If it is meant for mai: {exports}" if names else "",
    )
    assert not any(value in f"{check.message}{check.hint}" for value in list(FOREIGN.values())[:2])


@pytest.mark.parametrize(
    ("codes", "code"),
    [
        ([], ExitCode.OK),
        ([ExitCode.UNAVAILABLE], ExitCode.UNAVAILABLE),
        ([ExitCode.UNAVAILABLE, ExitCode.AUTH], ExitCode.AUTH),
        ([ExitCode.AUTH, ExitCode.UNAVAILABLE, ExitCode.CONFIG], ExitCode.CONFIG),
    ],
)
def test_what_must_be_set_comes_before_signing_in_and_waiting(codes, code):
    failed = [Check("x", "failed", "", exit_code=code) for code in codes]

    assert worst([Check("x", "ok", ""), Check("x", "skipped", ""), *failed]) is code
    assert worst([Check("x", "warning", ""), *reversed(failed)]) is code


def test_a_bug_in_a_check_is_not_taken_for_a_finding():
    with pytest.raises(ZeroDivisionError):
        run(reach=ZeroDivisionError())
