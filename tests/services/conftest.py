"""What tests of the services share: a request, an answer, and parts that tell what they do."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import pytest

from mai_cli.models.answer import Answer, Kept, Picture, Usage
from mai_cli.models.catalogue import find
from mai_cli.models.endpoint import Endpoint
from mai_cli.models.outcome import Outcome
from mai_cli.models.record import Export, Record
from mai_cli.models.request import ImageRequest
from mai_cli.models.size import Size
from mai_cli.services.exporting import Exported
from mai_cli.services.generation import Generation, Order
from mai_cli.services.outputs import Target, Targets

ENDPOINT = Endpoint("https://contoso.services.ai.azure.com")


@pytest.fixture(scope="session")
def request_() -> ImageRequest:
    return ImageRequest("a red fox", "mai-image-26", find("mai-image-26"), Size(1024, 1024))


@pytest.fixture(scope="session")
def answer() -> Answer:
    picture = Picture(1024, 1024, 1_534_022, "ab" * 32, content_credentials=False)
    return Answer(picture, Usage(10, 0, 1024), "request-1")


@pytest.fixture
def world(answer: Answer) -> "World":
    return World(answer)


@dataclass
class Incoming:
    """A picture on its way into the gallery of ``world``."""

    world: "World"
    path: Path
    name: str
    size: int = 0

    def keep(self) -> Kept:
        self.world.happen("keep")
        return Kept(self.world.folder / self.name, self.name, self.world.problem)


class World:
    """Every part of a run; ``steps`` is what they did, ``orders`` what was to be exported and how.

    ``todo`` is what painting meets, in order; ``fails`` is what goes wrong at other steps;
    ``arrives`` is how many bytes come before that; ``stop`` is what was held back meanwhile.
    """

    folder = Path("/gallery")

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.steps: list[str] = []
        self.records: list[Record] = []
        self.told: list[str] = []
        self.orders: list[tuple[object, ...]] = []
        self.todo: list[BaseException | None] = []
        self.fails: dict[str, BaseException] = {}
        self.problem = None
        self.arrives = 0
        self.stop: BaseException | None = None

    def run(
        self,
        *requests: ImageRequest,
        outputs: Sequence[Target] = (),
        endpoint: Endpoint | None = ENDPOINT,
        **options: object,
    ) -> Iterator[Outcome]:
        ids = count()
        generation = Generation(
            painter=self,
            gallery=self,
            history=self,
            exporter=self,
            tell=self.told.append,
            hold=self.hold,
            clock=lambda: 0.0,
            sleep=lambda _: self.happen("wait"),
            now=lambda: datetime(2026, 11, 22, tzinfo=UTC),
            new_id=lambda: f"id-{next(ids)}",
        )
        return generation.run(Order(requests, Targets(outputs), endpoint, **options))

    def happen(self, step: str) -> None:
        self.steps.append(step)
        if step in self.fails:
            raise self.fails[step]

    @contextmanager
    def hold(self) -> Iterator[None]:
        yield
        if self.stop and "keep" in self.steps:
            raise self.stop

    def sign_in(self) -> None:
        self.happen("sign in")

    @contextmanager
    def receive(self, record: Record) -> Iterator[Incoming]:
        self.happen("open")
        yield Incoming(self, self.folder / f".{record.id}.part", f"{record.id}.png")

    def paint(self, request: ImageRequest, sink: Incoming) -> Answer:
        self.happen("paint")
        sink.size += self.arrives
        if self.todo and (error := self.todo.pop(0)):
            raise error
        return self.answer

    def append(self, record: Record) -> None:
        self.happen(record.status)
        self.records.append(record)

    def prepare(self, targets: Sequence[Target]) -> None:
        for target in targets:
            self.happen(f"prepare {target.folder}")

    def export(
        self,
        done: Exported,
        master: Path,
        record: Record,
        targets: Sequence[Target],
        number: int | None,
        *,
        overwrite: bool,
        metadata: bool,
    ) -> None:
        for target in targets:
            file = target.file_for(master.name, number)
            self.orders.append((master, record.status, file, overwrite, metadata))
            try:
                self.happen(f"export {file}")
            except OSError as error:
                done.failures.append(f"{file} failed: {error.strerror}")
            else:
                made = Export(str(file), "png", 1024, 1024, 1, "ab" * 32, content_credentials=False)
                done.exports.append(made)
