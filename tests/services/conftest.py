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

    ``todo`` is what painting meets, in order; ``fails`` is what goes wrong at other steps, each
    time at ``sent`` or only the second time at ``sent 2``; ``arrives`` is how many bytes come
    before that; ``stop`` is what was held back meanwhile, until the step ``stop_after``.
    ``reserved`` and ``settled`` are what the budget was told, ``paces`` the deployments at whose
    pace requests were sent, ``painted`` the requests; ``details`` tells which of the ``records``
    may get to disk later. ``recipes`` is how the outputs were to be made, first when they were
    prepared.
    """

    folder = Path("/gallery")

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.steps: list[str] = []
        self.records: list[Record] = []
        self.details: list[bool] = []
        self.told: list[str] = []
        self.orders: list[tuple[object, ...]] = []
        self.recipes: list[object] = []
        self.reserved: list[float | None] = []
        self.settled: list[float | None] = []
        self.paces: list[str] = []
        self.painted: list[ImageRequest] = []
        self.todo: list[BaseException | None] = []
        self.fails: dict[str, BaseException] = {}
        self.problem = None
        self.arrives = 0
        self.stop: BaseException | None = None
        self.stop_after = "keep"

    def run(
        self,
        *requests: ImageRequest,
        outputs: Sequence[Target] = (),
        endpoint: Endpoint | None = ENDPOINT,
        **options: object,
    ) -> Iterator[Outcome]:
        return self.generation().run(Order(requests, Targets(outputs), endpoint, **options))

    def generation(self) -> Generation:
        ids = count()
        return Generation(
            painter=self,
            gallery=self,
            history=self,
            exporter=self,
            pace=self.pace,
            budget=self,
            tell=self.told.append,
            hold=self.hold,
            clock=lambda: 0.0,
            sleep=lambda _: self.happen("wait"),
            now=lambda: datetime(2026, 11, 22, tzinfo=UTC),
            new_id=lambda: f"id-{next(ids)}",
        )

    def happen(self, step: str) -> None:
        self.steps.append(step)
        for name in (step, f"{step} {self.steps.count(step)}"):
            if name in self.fails:
                raise self.fails[name]

    @contextmanager
    def hold(self) -> Iterator[None]:
        yield
        if self.stop and self.stop_after in self.steps:
            raise self.stop

    def pace(self, deployment: str) -> "World":
        self.paces.append(deployment)
        return self

    def turn(self, patience_seconds: float) -> "World":
        assert patience_seconds
        self.happen("turn")
        return self

    def accepted(self, seconds: float) -> None:
        assert seconds == 0
        self.happen("accepted")

    def refused(self, retry_after: float | None) -> float:
        self.happen("refused for now")
        return retry_after or 0.0

    def ended(self) -> None:
        self.happen("ended")

    def give_back(self) -> None:
        self.happen("give back")

    def reserve(self, worst_cost: float | None) -> "World":
        self.happen("reserve")
        self.reserved.append(worst_cost)
        return self

    def settle(self, cost_usd: float | None) -> None:
        self.happen("settle")
        self.settled.append(cost_usd)

    def sign_in(self) -> None:
        self.happen("sign in")

    @contextmanager
    def receive(self, record: Record) -> Iterator[Incoming]:
        self.happen("open")
        yield Incoming(self, self.folder / f".{record.id}.part", f"{record.id}.png")

    def paint(self, request: ImageRequest, sink: Incoming) -> Answer:
        self.happen("paint")
        self.painted.append(request)
        sink.size += self.arrives
        if self.todo and (error := self.todo.pop(0)):
            raise error
        return self.answer

    def append(self, record: Record, *, is_detail: bool = False) -> None:
        self.happen(record.status)
        self.records.append(record)
        self.details.append(is_detail)

    def prepare(self, targets: Sequence[Target]) -> None:
        for target in targets:
            self.recipes.append(target.recipe)
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
            self.recipes.append(target.recipe)
            file = target.file_for(master.name, number)
            self.orders.append((master, record.status, file, overwrite, metadata))
            try:
                self.happen(f"export {file}")
            except OSError as error:
                done.failures.append(f"{file} failed: {error.strerror}")
            else:
                made = Export(str(file), "png", 1024, 1024, 1, "ab" * 32, content_credentials=False)
                done.exports.append(made)
