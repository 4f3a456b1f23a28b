"""The composition root: reads the environment and builds each part on first use.

Its imports stand inside the functions, so that a mistake is reported before anything slow is
loaded, and ``--help`` loads none of it.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from mai_cli.errors import AuthError, ConfigError, UsageError
from mai_cli.terminal.output import Output, is_terminal, wants_color
from mai_cli.terminal.stopping import Stops

if TYPE_CHECKING:
    from mai_cli.adapters.credentials import Credential
    from mai_cli.adapters.foundry import Foundry
    from mai_cli.models.endpoint import Endpoint
    from mai_cli.models.settings import Settings
    from mai_cli.services.generation import Generation

T = TypeVar("T")


class Parts:
    """The parts of one run; a context manager that closes what was opened."""

    def __init__(self, *, wants_json: bool = False) -> None:
        self._environ = os.environ
        self._closing = ExitStack()
        self._flags: Mapping[str, object] = {}
        self.stops = Stops()
        self.output = Output(json=wants_json, color=self._color(no_color=False))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.close()

    def configure(
        self,
        settings: Mapping[str, object],
        *,
        json: bool,
        quiet: bool,
        verbose: bool,
        no_color: bool,
    ) -> None:
        """Take the options of the command; ``settings`` are those that stand in for a setting."""
        self._flags = settings
        self.output = Output(
            json=json, quiet=quiet, verbose=verbose, color=self._color(no_color=no_color)
        )

    def _color(self, *, no_color: bool) -> bool:
        return wants_color(sys.stderr, self._environ, no_color=no_color)

    @cached_property
    def settings(self) -> "Settings":
        """The settings that hold for this run."""
        from mai_cli.models.settings import Settings
        from mai_cli.services.settings import environment, file, flags, resolve
        from mai_cli.stores import config_file
        from mai_cli.stores.paths import find_paths

        try:
            here = Path.cwd()
        except FileNotFoundError:
            raise UsageError(
                "The current folder is gone.", code="bad_option", hint="Change to one that exists."
            ) from None
        paths = find_paths(self._environ)
        layers = [
            flags(self._flags, here),
            environment(self._environ, here),
            file(config_file.read(paths.config), paths.config),
        ]
        return resolve(layers, Settings(gallery=paths.gallery, history=paths.history))

    @property
    def generation(self) -> "Generation":
        """What makes pictures."""
        painter = self._painter()
        from mai_cli.services.generation import Generation
        from mai_cli.stores import atomic
        from mai_cli.stores.gallery import Gallery
        from mai_cli.stores.history import History

        return Generation(
            painter=painter,
            gallery=Gallery(self.settings.gallery, self.settings.filename),
            history=History(self.settings.history),
            disk=atomic,
            tell=self.output.note,
            hold=self.stops.held,
        )

    @property
    def endpoint(self) -> "Endpoint | None":
        """The resource that pictures are asked of; none offline."""
        if self.settings.offline:
            return None
        if self.settings.endpoint is None:
            raise ConfigError(
                "No Foundry endpoint is set.",
                code="missing_setting",
                hint="Set MAI_ENDPOINT to https://NAME.services.ai.azure.com, or add --offline to "
                "draw placeholders on this machine.",
            )
        return self.settings.endpoint

    def _painter(self) -> "Foundry":
        endpoint, transport = self.endpoint, None
        credential = self._credential() if endpoint else None
        from mai_cli.adapters.foundry import Foundry

        if endpoint is None or credential is None:
            from mai_cli.adapters import offline

            endpoint, credential = offline.ENDPOINT, offline.CREDENTIAL
            transport = offline.OfflineTransport()
        foundry = Foundry(
            endpoint,
            credential,
            timeout_seconds=self.settings.timeout,
            log=self.output.log,
            transport=transport,
        )
        self._closing.callback(foundry.close)
        return foundry

    def _credential(self) -> "Credential":
        from mai_cli.adapters.credentials import ApiKey

        settings = self.settings
        if settings.api_key and settings.auth != "entra":
            return ApiKey(settings.api_key)
        if settings.auth == "key":
            raise AuthError(
                "The settings ask for an API key, but there is none.",
                code="no_credential",
                hint="Set MAI_API_KEY, or set auth to auto or entra.",
            )
        from mai_cli.adapters.entra_id import EntraId

        identity = EntraId()
        self._closing.callback(identity.close)
        return identity

    def prompt(self, argument: str | None, file: str | None) -> str:
        """The prompt, from the one place where it stands."""
        from mai_cli.stores.prompts import find_prompt

        return find_prompt(argument, file, sys.stdin)

    @property
    def stdout_is_terminal(self) -> bool:
        """Whether results go to a person."""
        return is_terminal(sys.stdout)

    def watch(self, items: Iterable[T], total: int) -> Iterator[T]:
        """Yield ``items``, with progress for a person on stderr, if there is one."""
        if self.output.quiet or not is_terminal(sys.stderr) or self._environ.get("TERM") == "dumb":
            return iter(items)
        from mai_cli.terminal.progress import watch

        return watch(items, total, color=self.output.color)
