"""``config init``: what must be known, asked of a person where there is one, and written."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from mai_cli.errors import MaiError, UsageError
from mai_cli.models.catalogue import find
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.setting import Name, to_toml
from mai_cli.models.settings import ConfigFile, Origin, Settings
from mai_cli.services.configuring import COMMAND_LINE, Configuration, winner
from mai_cli.services.settings import check

WAYS = ("key", "entra")


class Person(Protocol):
    """Somebody at a terminal."""

    def text(self, question: str, check: Callable[[str], object], *, default: str = "") -> str:
        """A line of text."""

    def choice(self, question: str, choices: Sequence[str], *, default: str) -> str:
        """One of ``choices``."""

    def confirm(self, question: str, *, default: bool) -> bool:
        """Yes or no."""

    def secret(self, question: str, check: Callable[[str], object]) -> str:
        """A text that is not shown."""


@dataclass(frozen=True)
class Answers:
    """What ``config init`` is told; ``None`` is not known yet."""

    endpoint: str | None = None
    deployment: str | None = None
    model: str | None = None
    auth: str | None = None
    api_key: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Setup:
    """Sets up ``profile``, or what holds without one.

    ``file`` is what is there already, ``stored`` tells where the key of an endpoint is kept.
    ``person`` is ``None`` where nobody can be asked.
    """

    configuration: Configuration
    file: ConfigFile
    stored: Callable[[Endpoint], Origin | None]
    person: Person | None
    profile: str | None = None

    def ask(self, given: Answers) -> Answers:
        """``given`` and the rest of the answers, all checked.

        Raises:
            UsageError: An answer cannot be used, or is missing and nobody can be asked.
        """
        for name in ("endpoint", "deployment", "model", "auth"):
            if (text := getattr(given, name)) is not None:
                self._prepared(name, text)
        if self.person is not None:
            return self._asked(given, self.person)
        for name in ("endpoint", "deployment"):
            if getattr(given, name) is None:
                raise UsageError(
                    f"--{name} is missing, and there is nobody to ask.",
                    code="bad_option",
                    hint=f"Add --{name}, or run 'mai config init' in a terminal.",
                )
        return given

    def may_write(self, answers: Answers, *, overwrite: bool) -> bool:
        """Whether the person agrees to what would be replaced, if anything would.

        Raises:
            UsageError: Something would be replaced, and nobody can be asked.
        """
        names = self._replaced(self._changes(answers))
        if answers.api_key and self.stored(self.endpoint(answers)):
            names.append("api_key")
        if not names or overwrite:
            return True
        what = f"There is already: {', '.join(names)}"
        if self.person is not None:
            return self.person.confirm(f"{what}. Replace?", default=False)
        raise UsageError(
            f"{what}.", code="output_exists", hint="Add --overwrite to replace what it sets."
        )

    def endpoint(self, answers: Answers) -> Endpoint:
        """The endpoint that ``answers`` name."""
        return Endpoint.parse(answers.endpoint or "")

    def wants_test(self, *, test: bool | None) -> bool:
        """Whether to test the answers: as the option says, else as the person does."""
        if test is None and self.person is not None:
            return self.person.confirm("Test it now? It is free.", default=True)
        return bool(test)

    def insists(self) -> bool:
        """Whether the person wants answers that failed their test."""
        if self.person is None:
            return False
        return self.person.confirm("Write it anyway?", default=False)

    def pretended(self, answers: Answers) -> ConfigFile:
        """What the file would be with ``answers`` in it."""
        values = dict(self.file.values)
        tables = {
            "profiles": dict(self.file.profiles),
            "deployments": dict(self.file.deployments),
        }
        for (first, *rest), value in self._changes(answers).items():
            if rest:
                name, key = rest
                tables[first][name] = {**tables[first].get(name, {}), key: value}
            else:
                values[first] = value
        return replace(
            self.file,
            values=values,
            profiles=tables["profiles"],
            deployments=tables["deployments"],
        )

    def hidden(self, answers: Answers, settings: Settings) -> dict[str, Origin]:
        """The answers that have no effect, each with what wins over it."""
        names = [self._name(key) for key in ("endpoint", "deployment", "auth", "api_key")]
        winners = {
            name.key.name: winner(settings, name)
            for name in names
            if getattr(answers, name.key.name) is not None
        }
        return {name: origin for name, origin in winners.items() if origin}

    def write(self, answers: Answers) -> None:
        """Put the answers, but for the key, into the file.

        Raises:
            ConfigError: It cannot be changed.
        """
        self.configuration.change(self.configuration.path, self._changes(answers))

    def _asked(self, given: Answers, person: Person) -> Answers:
        endpoint = given.endpoint or person.text(
            "Endpoint (any address of the resource)",
            lambda text: self._prepared("endpoint", text),
            default=self._old_text(self._name("endpoint")),
        )
        deployment = given.deployment or person.text(
            "Deployment (its name in the Foundry portal)",
            lambda text: self._prepared("deployment", text),
            default=self._old_text(self._name("deployment")),
        )
        model = given.model
        if model is None and not find(deployment).is_known:
            model = person.text(
                "Model behind it, such as MAI-Image-2.6 (empty: not known)",
                lambda _text: None,
                default=self._old_text(_model_of(deployment)),
            )
        auth, key = given.auth, given.api_key
        if auth is None and key:
            auth = "key"
        if auth is None:
            old = self._old_text(self._name("auth"))
            default = old if old in WAYS else WAYS[0]
            auth = person.choice("Sign in with a key, or Entra ID", WAYS, default=default)
        if auth == "key" and key is None:
            key = self._key(Endpoint.parse(endpoint), person)
        return replace(
            given,
            endpoint=endpoint,
            deployment=deployment,
            model=model or None,
            auth=auth,
            api_key=key,
        )

    def _key(self, endpoint: Endpoint, person: Person) -> str | None:
        """The key that the person types; nothing where the stored one is to stay."""
        if not self.stored(endpoint):
            return person.secret("Key of the resource", check_key)
        question = "Key of the resource (empty: the stored one)"
        return person.secret(question, lambda text: text and check_key(text)) or None

    def _prepared(self, name: str, text: str) -> object:
        return self.configuration.prepared(Name.parse(name), text)

    def _name(self, key: str) -> Name:
        return Name.parse(key, self.profile)

    def _changes(self, answers: Answers) -> dict[tuple[str, ...], object]:
        """What to write for ``answers``."""
        texts = {
            self._name("endpoint"): answers.endpoint,
            self._name("deployment"): answers.deployment,
            self._name("auth"): answers.auth,
            _model_of((answers.deployment or "").strip()): answers.model,
        }
        return {
            name.names: self.configuration.prepared(name, text)
            for name, text in texts.items()
            if text is not None
        }

    def _replaced(self, changes: Mapping[tuple[str, ...], object]) -> list[str]:
        """The settings in the file that ``changes`` give another value."""
        olds = {names: self._value(names) for names in changes}
        return [
            ".".join(names)
            for names, new in changes.items()
            if olds[names] is not None and olds[names] != new
        ]

    def _old_text(self, name: Name) -> str:
        """What the file says of ``name`` now."""
        value = self._value(name.names)
        try:
            return str(to_toml(check(name.key, value, COMMAND_LINE))) if value else ""
        except MaiError:
            return ""

    def _value(self, names: tuple[str, ...]) -> object:
        value: object = {
            **self.file.values,
            "profiles": self.file.profiles,
            "deployments": self.file.deployments,
        }
        for name in names:
            value = value.get(name) if isinstance(value, Mapping) else None
        return value


def _model_of(deployment: str) -> Name:
    """The name of what the file says of the model behind ``deployment``."""
    return Name(("deployments", deployment, "model"), Name.parse("deployments.any.model").key)


def refuse_argument(argument: str | None) -> None:
    """See that a key is not given as an argument; ``-`` asks for standard input.

    Raises:
        UsageError: It is; the message does not repeat it.
    """
    if argument not in (None, "-"):
        raise UsageError(
            "A key does not belong on the command line, where the shell's history and other "
            "users can see it.",
            code="bad_option",
            hint="Type it when asked: mai config set api_key. Or pipe it: "
            "mai config set api_key - < FILE. If it is a real one, replace it.",
        )


def check_key(text: str) -> object:
    """See that ``text`` can be a key.

    Raises:
        UsageError: It cannot; the message does not repeat it.
    """
    return check(Name.parse("api_key").key, text, COMMAND_LINE)
