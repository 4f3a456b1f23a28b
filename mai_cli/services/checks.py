"""``config check``: a doctor that names the cause, looking at one thing after the other.

What does not depend on a thing that failed is checked all the same.
"""

import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from mai_cli.errors import ConfigError, ExitCode, MaiError, UnavailableError
from mai_cli.models.check import Check, Result
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.settings import ConfigFile, Settings
from mai_cli.models.variables import copied, misspelt, suggestions
from mai_cli.services.requesting import build_requests

MAX_SKEW_SECONDS = 300
"""A clock that is off by more makes tokens and certificates look too young or too old."""

LITTLE_SPACE = 100 << 20
"""Bytes; about fifty pictures."""

_HINTS = {  # where that of the error speaks of options which this command does not have
    ("endpoint", "missing_setting"): "Run 'mai config init', or: mai config set endpoint URL",
    ("deployment", "missing_setting"): "Run 'mai config init', or: mai config set deployment NAME",
    ("deployment", "no_deployment"): "The Foundry portal lists them. Name one: mai config set "
    "deployment NAME. A new one takes up to 5 minutes.",
}
_PROBE_WORDS = ("width", "height", "size", "dimension", "pixel")


class Reached(Protocol):
    """What a call without a credential shows."""

    @property
    def at(self) -> datetime | None:
        """What the clock of the service says."""

    @property
    def tls_version(self) -> str | None:
        """How the connection is encrypted."""


class Credential(Protocol):
    """What signs requests."""

    @property
    def source(self) -> str:
        """Where it comes from."""

    @property
    def is_token(self) -> bool:
        """Whether it has to be granted first."""

    def headers(self) -> dict[str, str]:
        """Sign."""


@dataclass(frozen=True)
class Surroundings:
    """Where the things to check come from; each is asked for when its turn comes.

    ``reach`` calls the endpoint without a credential; ``probe`` asks a deployment, with one, for
    what is refused before it is drawn.
    """

    environ: Mapping[str, str]
    files: Callable[[], Sequence[ConfigFile]]
    settings: Callable[[], Settings]
    endpoint: Callable[[], Endpoint | None]
    credential: Callable[[], Credential]
    exposed: Callable[[], Path | None]
    reach: Callable[[], Reached]
    probe: Callable[[str], None]
    resolve: Callable[[str], Sequence[str]]
    proxy: Callable[[Endpoint], str | None]
    free_bytes: Callable[[Path, Path | None], int]
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.perf_counter


@dataclass(frozen=True)
class Finding:
    """What a check saw, where nothing failed."""

    message: str
    hint: str = ""
    result: Result = "ok"


_NOT_OFFLINE = Finding("not needed offline", result="skipped")


@dataclass
class Checks:
    """The checks of one run, in the order in which a picture would need the things."""

    around: Surroundings
    _missing: set[str] = field(default_factory=set)
    _clock_there: datetime | None = None

    def run(self) -> Iterator[Check]:
        """Check everything, yielding each result as it is there."""
        yield self._check("config", self._config)
        yield self._check("endpoint", self._endpoint, "config")
        yield self._check("name", self._name, "endpoint")
        yield self._check("connection", self._connection, "name")
        yield self._check("credential", self._credential, "config")
        yield self._check("token", self._token, "credential")
        yield self._check("deployment", self._deployment, "connection", "token")
        yield self._check("gallery", self._gallery, "config")
        yield self._check("history", self._history, "config")
        yield self._check("clock", self._clock, "connection")
        yield self._check("variables", self._variables)

    def _check(self, name: str, look: Callable[[], Finding], *needs: str) -> Check:
        """The result of ``look``; it is not called where one of ``needs`` is not there."""
        if missing := [need for need in needs if need in self._missing]:
            self._missing.add(name)
            return Check(name, "skipped", f"needs: {', '.join(missing)}")
        started = self.around.clock()
        try:
            finding = look()
        except MaiError as error:
            self._missing.add(name)
            return Check(
                name,
                "failed",
                error.message,
                _HINTS.get((name, error.code), error.hint),
                self.around.clock() - started,
                _exit_code(error),
            )
        seconds = self.around.clock() - started
        return Check(name, finding.result, finding.message, finding.hint, seconds)

    def _config(self) -> Finding:
        files = [str(file.path) for file in self.around.files() if file.path.exists()]
        settings = self.around.settings()
        profile = f", profile {settings.profile}" if settings.profile else ""
        if not files:
            return Finding(f"no file yet{profile}")
        return Finding(f"{', '.join(files)}{profile}")

    def _endpoint(self) -> Finding:
        endpoint = self.around.endpoint()
        if endpoint is None:
            self._missing.add("endpoint")
            where = self.around.settings().origin("offline")
            return Finding(f"not called: {where} says offline", result="skipped")
        return Finding(f"{endpoint} ({self.around.settings().origin('endpoint')})")

    def _name(self) -> Finding:
        endpoint = self._the_endpoint()
        if proxy := self.around.proxy(endpoint):
            return Finding(f"left to the proxy {proxy}", result="skipped")
        return Finding(f"{endpoint.host} is {', '.join(self.around.resolve(endpoint.host))}")

    def _connection(self) -> Finding:
        endpoint = self._the_endpoint()
        reached = self.around.reach()
        self._clock_there = reached.at
        proxy = self.around.proxy(endpoint)
        through = f" through the proxy {proxy}" if proxy else ""
        how = reached.tls_version or "without TLS"
        return Finding(f"the service answers{through}, {how}")

    def _credential(self) -> Finding:
        if self.around.settings().offline:
            return _NOT_OFFLINE
        source = self.around.credential().source
        exposed = self.around.exposed()
        if exposed and str(exposed) in source:
            hint = f"Run: chmod 600 {shlex.quote(str(exposed))}"
            return Finding(f"{source}, which others on this machine can read", hint, "warning")
        return Finding(source)

    def _token(self) -> Finding:
        if self.around.settings().offline:
            return _NOT_OFFLINE
        credential = self.around.credential()
        if not credential.is_token:
            return Finding("not needed with a key", result="skipped")
        credential.headers()
        return Finding(f"granted, {credential.source}")

    def _deployment(self) -> Finding:
        settings = self.around.settings()
        requests = {
            request.deployment: request for request in build_requests(settings, "a lighthouse")
        }
        findings = [self._probe(deployment) for deployment in requests]
        today = self.around.now().date()
        notes = [
            request.model.note(today, f"name it: mai config set deployments.{name}.model MODEL")
            for name, request in requests.items()
        ]
        warned = [finding for finding in findings if finding.result != "ok"]
        hints = [finding.hint for finding in findings] + notes
        return Finding(
            " ".join(finding.message for finding in findings),
            " ".join(hint for hint in hints if hint),
            "warning" if warned or any(notes) else "ok",
        )

    def _probe(self, deployment: str) -> Finding:
        """Whether ``deployment`` answers; the request is one that it declines before it draws."""
        try:
            self.around.probe(deployment)
        except MaiError as error:
            if error.code == "quota":
                return Finding(f"{deployment} answers: {error.message}", error.hint, "warning")
            if error.exit_code is ExitCode.UNKNOWN:
                raise UnavailableError(  # what it says of bills is about pictures
                    f"{error.message.partition(';')[0]}.",
                    code="service_failure",
                    hint="Try again later.",
                ) from None
            if error.code != "bad_request":
                raise
            if not any(word in error.message.lower() for word in _PROBE_WORDS):
                return Finding(
                    f"{deployment} answers, but not as expected: {error.message}",
                    "A real picture will show whether it works.",
                    "warning",
                )
            return Finding(
                f"{deployment} answers. This cost nothing: it relies on the service declining a "
                "picture of 1 pixel before it draws."
            )
        return Finding(
            f"{deployment} drew a picture where it should have declined one of 1 pixel.",
            "It may be billed. Please report this.",
            "warning",
        )

    def _gallery(self) -> Finding:
        return self._place(self.around.settings().gallery, None, "gallery", "MAI_GALLERY")

    def _history(self) -> Finding:
        path = self.around.settings().history
        return self._place(path.parent, path, "history", "MAI_HISTORY")

    def _place(self, folder: Path, file: Path | None, what: str, variable: str) -> Finding:
        place = file or folder
        try:
            free = self.around.free_bytes(folder, file)
        except OSError as error:
            raise ConfigError(
                f"The {what} {place} cannot be written: {error.strerror}.",
                code="cannot_store",
                hint=f"Make room, or set {variable} to a place that can be written.",
            ) from None
        if free < LITTLE_SPACE:
            return Finding(f"{place}, {free >> 20} MB free", "Make room.", "warning")
        return Finding(str(place))

    def _clock(self) -> Finding:
        if self._clock_there is None:
            return Finding("the service does not tell the time", result="skipped")
        off = (self.around.now() - self._clock_there).total_seconds()
        if abs(off) <= MAX_SKEW_SECONDS:
            return Finding("agrees with the service's")
        way = "fast" if off > 0 else "slow"
        return Finding(
            f"this machine's is {abs(off) / 60:.0f} minutes {way}",
            "Set it: sign-ins and certificates depend on it.",
            "warning",
        )

    def _variables(self) -> Finding:
        """Variables that are misspelt, or are another tool's and would help."""
        strange = misspelt(self.around.environ)
        lines = [
            f"{name} is none of mai's" + (f" (did you mean {meant}?)" if meant else "")
            for name, meant in strange.items()
        ]
        foreign = {
            setting: name
            for setting, name in suggestions(self.around.environ).items()
            if self._lacks(setting)
        }
        lines += [f"{name} is another tool's, and not used" for name in foreign.values()]
        if not lines:
            return Finding("none misspelt, none of another tool that is missing here")
        exports = [copied(f"MAI_{key.upper()}", name) for key, name in foreign.items()]
        hint = f"If it is meant for mai: {'; '.join(exports)}" if exports else ""
        return Finding("; ".join(lines), hint, "warning")

    def _lacks(self, setting: str) -> bool:
        """Whether that setting is missing, as far as the settings can be read."""
        if setting == "api_key":
            return "token" in self._missing  # as it is without a credential
        if "config" in self._missing:
            return True
        return not getattr(self.around.settings(), setting)

    def _the_endpoint(self) -> Endpoint:
        endpoint = self.around.endpoint()
        assert endpoint is not None  # noqa: S101 - what needs it is skipped without
        return endpoint


def _exit_code(error: MaiError) -> ExitCode:
    """The one of 3, 4 and 6 that says what to do: set something, sign in, or try later."""
    if error.code == "resource_blocked":
        return ExitCode.UNAVAILABLE
    is_itself = error.exit_code in (ExitCode.AUTH, ExitCode.UNAVAILABLE)
    return error.exit_code if is_itself else ExitCode.CONFIG


def worst(checks: Sequence[Check]) -> ExitCode:
    """The exit code for all of them: what must be set comes before signing in and waiting."""
    failures = [check.exit_code for check in checks if check.result == "failed"]
    return min(failures, default=ExitCode.OK)
