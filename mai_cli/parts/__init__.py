"""The composition root: reads the environment and builds each part on first use.

Its imports stand inside the functions, so that a mistake is reported before anything slow is
loaded, and ``--help`` loads none of it.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from mai_cli.errors import MaiError, UsageError
from mai_cli.terminal.output import Output, colors_of, is_terminal, wants_color
from mai_cli.terminal.stopping import Stops

if TYPE_CHECKING:
    from mai_cli.adapters.conversion import Original
    from mai_cli.models.outcome import Outcome
    from mai_cli.models.reference import Reference
    from mai_cli.models.settings import ConfigFile, Settings
    from mai_cli.parts.access import Access
    from mai_cli.parts.batch import BatchParts
    from mai_cli.parts.upkeep import Upkeep
    from mai_cli.services.checks import Checks
    from mai_cli.services.configuring import Configuration
    from mai_cli.services.exporting import Exporting
    from mai_cli.services.generation import Generation
    from mai_cli.services.setup import Setup
    from mai_cli.stores.paths import Paths
    from mai_cli.terminal.preview import Preview

T = TypeVar("T")

USUAL_COLUMNS, USUAL_ROWS = 80, 24

CHECK_SECONDS = 30.0
"""How long a check waits for an answer; nothing is drawn, so it comes at once."""


class Parts:
    """The parts of one run; a context manager that closes what was opened."""

    def __init__(self, *, wants_json: bool = False) -> None:
        self._environ = os.environ
        self._closing = ExitStack()
        self._flags: Mapping[str, object] = {}
        self.pretended: ConfigFile | None = None  # what the user's file would be
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
        json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        no_color: bool = False,
    ) -> None:
        """Take the options of the command; ``settings`` are those that stand in for a setting."""
        self._flags = settings
        self.__dict__.pop("settings", None)  # one command may run another
        self.output = Output(
            json=json, quiet=quiet, verbose=verbose, color=self._color(no_color=no_color)
        )

    def _color(self, *, no_color: bool) -> bool:
        return wants_color(sys.stderr, self._environ, no_color=no_color)

    @cached_property
    def paths(self) -> "Paths":
        """Where things live."""
        from mai_cli.stores.paths import find_paths

        return find_paths(self._environ)

    @property
    def places(self) -> dict[str, str | None]:
        """Where every file is; ``None`` where a mistake in the settings keeps that unknown."""
        settings = None
        with suppress(MaiError):
            settings = self.settings
        return {
            "config": str(self.paths.config),
            "project": str(self.project) if self.project else None,
            "credentials": str(self.paths.credentials),
            "history": str(settings.history) if settings else None,
            "gallery": str(settings.gallery) if settings else None,
        }

    @cached_property
    def folder(self) -> Path:
        """The current folder."""
        try:
            return Path.cwd()
        except FileNotFoundError:
            raise UsageError(
                "The current folder is gone.", code="bad_option", hint="Change to one that exists."
            ) from None

    @cached_property
    def project(self) -> Path | None:
        """The configuration file of the project that the current folder belongs to."""
        from mai_cli.stores.config_text import find_project

        return find_project(self.folder)

    @property
    def files(self) -> "list[ConfigFile]":
        """The configuration files; the one that wins comes first."""
        return [*self._project_files, self.pretended or self._user_file]

    @cached_property
    def _project_files(self) -> "list[ConfigFile]":
        from mai_cli.stores.config_file import read

        return [read(self.project, is_project=True)] if self.project else []

    @cached_property
    def _user_file(self) -> "ConfigFile":
        """Read once, so that what is checked is what is used; it may be a pipe."""
        from mai_cli.stores.config_file import read

        return read(self.paths.config)

    @cached_property
    def settings(self) -> "Settings":
        """The settings that hold for this run."""
        return self.settings_of(self._flags)

    def settings_of(self, options: Mapping[str, object]) -> "Settings":
        """The settings that hold with ``options``."""
        from mai_cli.models.settings import Settings
        from mai_cli.services.settings import environment, flags, resolve

        outer = [flags(options, self.folder), environment(self._environ, self.folder)]
        defaults = Settings(gallery=self.paths.gallery, history=self.paths.history)
        return resolve(outer, self.files, defaults)

    @property
    def generation(self) -> "Generation":
        """What makes pictures, one after the other."""
        from mai_cli.parts.drawing import Drawing, budget

        drawing = Drawing(self, self.access)
        limits = budget(self, self.settings, None, lambda: False)
        return drawing.generation(limits, self.output.note, self.stops.held)

    def batch(self, profiles: Sequence[str]) -> "BatchParts":
        """The parts of a batch that is drawn with ``profiles``."""
        from mai_cli.parts.batch import BatchParts

        commands: list[str] = []
        if self.is_on_github:
            from mai_cli.terminal.github import unheard

            commands = self._closing.enter_context(unheard(self.output))
        flags = [{**self._flags, "profile": profile} for profile in profiles or (None,)]
        return BatchParts(self, [self._access_by(options) for options in flags], commands)

    def _access_by(self, options: Mapping[str, object]) -> "Access":
        from mai_cli.parts.access import Access

        settings = self.settings_of(options)
        return Access(self, lambda: settings, self._environ, self._closing)

    @cached_property
    def upkeep(self) -> "Upkeep":
        """What finds and looks after what was made."""
        from mai_cli.parts.upkeep import Upkeep

        return Upkeep(self)

    def exporting(self, hold: Callable[[], AbstractContextManager[None]]) -> "Exporting":
        """What makes files of masters; ``hold`` keeps a stop from coming in between."""
        from mai_cli.adapters.provenance import stamp
        from mai_cli.services.exporting import Exporting
        from mai_cli.stores import atomic

        def decode(master: Path) -> "Original":
            from mai_cli.adapters.conversion import Original

            return Original(master)

        def can_write(name: str) -> bool:
            from mai_cli.adapters.conversion import can_write

            return can_write(name)

        return Exporting(
            disk=atomic,
            stamp=stamp,
            decode=decode,
            can_write=can_write,
            tell=self.output.note,
            hold=hold,
        )

    @cached_property
    def access(self) -> "Access":
        """How the resource is reached, and by whose leave."""
        from mai_cli.parts.access import Access

        return Access(self, lambda: self.settings, self._environ, self._closing)

    def profile(self, flag: str | None) -> str | None:
        """The profile that ``flag``, or else the environment, names."""
        return (flag or self._environ.get("MAI_PROFILE") or "").strip() or None

    def secret(self, argument: str | None) -> str:
        """The key that a person types, or pipes in where ``argument`` is ``-``."""
        from mai_cli.services.setup import check_key
        from mai_cli.terminal.questions import Questions, read_secret

        if is_terminal(sys.stdin):
            return Questions(self.output, sys.stdin).secret("Key of the resource", check_key)
        return read_secret(argument, sys.stdin, check_key)

    @property
    def configuration(self) -> "Configuration":
        """The user's configuration file."""
        from mai_cli.services.configuring import Configuration
        from mai_cli.stores.toml_edit import change

        return Configuration(self.paths.config, self.folder, change)

    def setup(self, profile: str | None, *, may_ask: bool) -> "Setup":
        """What sets things up, with the person at the terminal, if there is one."""
        from mai_cli.services.setup import Setup
        from mai_cli.terminal.questions import Questions

        is_person = may_ask and is_terminal(sys.stdin) and is_terminal(sys.stderr)
        person = Questions(self.output, sys.stdin) if is_person else None
        return Setup(self.configuration, self._user_file, self.access.keys.origin, person, profile)

    def edit_configuration(self) -> bool:
        """Let the user edit the configuration file, and check it; whether there is one now."""
        from mai_cli.adapters.editor import edit
        from mai_cli.models.settings import Settings
        from mai_cli.services.configuring import template
        from mai_cli.services.settings import resolve
        from mai_cli.stores.config_file import offer, read

        path = self.paths.config
        with offer(path, template()):
            edit(path, self._environ)
        resolve([], [read(path)], Settings(self.paths.gallery, self.paths.history))
        return path.exists()

    @property
    def checks(self) -> "Checks":
        """The doctor."""
        from mai_cli.adapters import network
        from mai_cli.services.checks import Checks, Surroundings
        from mai_cli.stores.atomic import free_bytes

        return Checks(
            Surroundings(
                environ=self._environ,
                files=lambda: self.files,
                settings=lambda: self.settings,
                endpoint=lambda: self.access.endpoint,
                credential=lambda: self.access.credential,
                exposed=lambda: self.access.keys.exposed,
                reach=lambda: self.access.reach(CHECK_SECONDS),
                probe=lambda name: self.access.painter(CHECK_SECONDS).probe(name),
                resolve=network.resolve,
                proxy=network.proxy_name,
                free_bytes=free_bytes,
            )
        )

    def prompt(self, argument: str | None, file: str | None) -> str:
        """The prompt, from the one place where it stands."""
        from mai_cli.stores.prompts import find_prompt

        return find_prompt(argument, file, sys.stdin)

    def references(self, paths: Sequence[str]) -> "list[Reference]":
        """The pictures at ``paths``, each found whole."""
        if not paths:
            return []
        from mai_cli.adapters.references import read_reference

        return [read_reference(Path(path)) for path in paths]

    @property
    def stdout_is_terminal(self) -> bool:
        """Whether results go to a person."""
        return is_terminal(sys.stdout)

    def preview(self) -> "Preview | None":
        """What shows pictures in the terminal, if they are to be shown and it can.

        Unless the settings say, where both streams are a terminal. Never into a pipe.
        """
        wanted = self.settings.preview
        if wanted is None:
            wanted = self.stdout_is_terminal and not self.output.json
        if not wanted or not self.is_screen:
            return None
        from mai_cli.adapters.thumbnails import shrink
        from mai_cli.terminal.asking import ask_terminal, is_shared
        from mai_cli.terminal.preview import Preview

        colors = colors_of(sys.stderr, self._environ) if self.output.color else 0
        size = os.get_terminal_size(sys.stderr.fileno())
        preview = Preview(
            shrink,
            self.output.screen,
            ask_terminal(is_shared=is_shared(self._environ)),
            columns=size.columns or USUAL_COLUMNS,  # some connections do not tell
            rows=size.lines or USUAL_ROWS,
            colors=colors,
        )
        return preview if preview.is_possible else None

    @property
    def is_screen(self) -> bool:
        """Whether stderr is a terminal on which more than plain lines may be shown."""
        return (
            not self.output.quiet
            and is_terminal(sys.stderr)
            and self._environ.get("TERM") != "dumb"
        )

    @property
    def is_on_github(self) -> bool:
        """Whether this is a step of a workflow of GitHub Actions, which reads what is said."""
        return self._environ.get("GITHUB_ACTIONS") == "true"

    @property
    def step_summary(self) -> Path | None:
        """The file that such a step adds its summary to."""
        path = self._environ.get("GITHUB_STEP_SUMMARY")
        return Path(path) if path else None

    def open(self, outcome: "Outcome") -> None:
        """Hand the first output, else the master, to the system's viewer."""
        files = [*outcome.results, outcome.path]
        if files[0]:
            self.open_file(files[0])

    def open_file(self, path: Path) -> bool:
        """Hand the file at ``path`` to the system's viewer; whether there is one."""
        from mai_cli.adapters.viewer import open_file

        try:
            open_file(path)
        except OSError as error:
            self.output.note(f"It cannot be opened: {error.strerror}.")
            return False
        return True

    def watch(self, items: Iterable[T], total: int, *, doing: str = "Drawing") -> Iterator[T]:
        """Yield ``items``, with progress for a person on stderr, if there is one."""
        if not self.is_screen:
            return iter(items)
        from mai_cli.terminal.progress import watch

        return watch(items, total, doing=doing, color=self.output.color)
