from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mai_cli.errors import ConfigError
from mai_cli.models.batch import Drawn
from mai_cli.models.record import Export, Master, Record
from mai_cli.services.planning import Known
from mai_cli.services.recalling import Recalling
from mai_cli.stores.history import History

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MANIFEST = "/site/assets.toml"
A, B = "a" * 64, "b" * 64
HERO = ("hero", A)


class Machine:
    """A history on disk and a gallery; each record was sent a minute after the last."""

    def __init__(self, folder: Path, request_) -> None:
        self.gallery = folder / "gallery"
        self.gallery.mkdir()
        self.history = History(folder / "history.jsonl")
        self.request = request_
        self.count = 0

    def append(
        self,
        status: str,
        asset: str = "hero",
        request: str = A,
        *,
        manifest: str = MANIFEST,
        offline: bool = False,
        **facts,
    ) -> dict:
        """Let a request be sent and end; the state of its record is returned."""
        self.count += 1
        record = Record.sent(
            self.request,
            id=f"{self.count:012}",
            created_at=NOON + timedelta(minutes=self.count),
            endpoint=None if offline else "https://contoso.services.ai.azure.com",
            batch={"manifest": manifest, "asset": asset, "request": request},
        )
        record = replace(record, **facts)
        self.history.append(record)
        if status == "ok":
            record = replace(record, master=self.master(f"{self.count:064}"))
        if status != "sent":
            self.history.append(replace(record, status=status))
        return replace(record, status=status).to_json()

    def master(self, sha256: str) -> Master:
        name = f"{sha256[-4:]}.png"
        (self.gallery / name).write_bytes(b"a picture")
        return Master(name, str(self.gallery), sha256, 9, 1, 1, content_credentials=False)

    def drawn(self, record: dict, request: str = A) -> Drawn:
        return Drawn(record, self.gallery / record["master"]["path"], request)

    def look(self, *keys: tuple[str, str], masters: tuple[str, ...] = (), offline=False) -> Known:
        recalling = Recalling(self.history, MANIFEST, offline=offline, is_file=Path.is_file)
        return recalling.look(set(keys), set(masters))


@pytest.fixture
def machine(tmp_path, request_) -> Machine:
    return Machine(tmp_path, request_)


def test_without_a_history_nothing_is_known(machine):
    assert machine.look(HERO, masters=(A,)) == Known()


def test_a_picture_is_known_by_its_asset_and_request(machine):
    hero = machine.append("ok")
    other = machine.append("ok", request=B)

    assert machine.look(HERO) == Known(drawn={HERO: machine.drawn(hero)})
    assert machine.look(HERO, ("hero", B)).drawn == {
        HERO: machine.drawn(hero),
        ("hero", B): machine.drawn(other, B),
    }


def test_what_was_sent_for_another_asset_is_told_as_its_own(machine):
    villain = machine.append("ok", "villain")
    lost = machine.append("unknown", "henchman")

    assert machine.look(HERO) == Known(
        drawn={("villain", A): machine.drawn(villain)}, lost={("henchman", A): lost}
    )


def test_the_newest_picture_wins(machine):
    machine.append("ok")
    newest = machine.append("ok")
    machine.append("refused")
    machine.append("failed")

    assert machine.look(HERO) == Known(drawn={HERO: machine.drawn(newest)})


def test_a_later_line_of_a_record_holds(machine):
    record = machine.append("ok")
    export = Export("/x.png", "png", 1, 1, 1, B, content_credentials=False)
    machine.history.append(replace(Record.from_json(record), exports=[export]))

    (drawn,) = machine.look(HERO).drawn.values()
    assert drawn.record["exports"][0]["path"] == "/x.png"


@pytest.mark.parametrize("status", ["sent", "unknown"])
def test_what_was_sent_and_never_answered_is_lost(machine, status):
    state = machine.append(status)

    assert machine.look(HERO) == Known(lost={HERO: state})


@pytest.mark.parametrize("status", ["refused", "failed", "removed"])
def test_what_surely_has_no_picture_is_neither_drawn_nor_lost(machine, status):
    machine.append(status)

    assert machine.look(HERO) == Known()


@pytest.mark.parametrize("status", ["refused", "failed", "removed"])
def test_what_was_lost_is_settled_by_nothing_that_has_no_picture(machine, status):
    lost = machine.append("unknown")
    machine.append(status)

    assert machine.look(HERO) == Known(lost={HERO: lost})


def test_what_was_lost_is_settled_by_a_later_picture_that_was_removed(machine):
    machine.append("unknown")
    record = Record.from_json(machine.append("ok"))
    machine.history.append(replace(record, status="removed"))

    assert machine.look(HERO) == Known()


def test_the_newest_of_what_was_lost_is_told(machine):
    machine.append("unknown")
    newest = machine.append("sent")

    assert machine.look(HERO) == Known(lost={HERO: newest})


def test_a_picture_settles_what_was_lost_before_and_not_what_was_lost_after(machine):
    machine.append("unknown")
    hero = machine.append("ok")
    assert machine.look(HERO) == Known(drawn={HERO: machine.drawn(hero)})

    lost = machine.append("unknown")
    assert machine.look(HERO) == Known({HERO: machine.drawn(hero)}, {HERO: lost})


def test_what_was_lost_for_another_asset_or_request_settles_nothing(machine):
    lost = machine.append("unknown")
    machine.append("ok", "villain")
    machine.append("ok", request=B)

    assert machine.look(HERO).lost == {HERO: lost}


def test_what_was_sent_for_a_manifest_that_is_gone_is_this_ones(machine, tmp_path):
    gone = str(tmp_path / "before" / "assets.toml")
    hero = machine.append("ok", manifest=gone)
    lost = machine.append("unknown", request=B, manifest=gone)

    assert machine.look(HERO, ("hero", B)) == Known(
        drawn={HERO: machine.drawn(hero)}, lost={("hero", B): lost}
    )


def test_the_newest_counts_whatever_the_manifest_was_called(machine, tmp_path):
    machine.append("unknown", manifest=str(tmp_path / "before.toml"))
    newest = machine.append("ok")
    assert machine.look(HERO) == Known(drawn={HERO: machine.drawn(newest)})

    lost = machine.append("unknown", manifest=str(tmp_path / "between.toml"))
    assert machine.look(HERO).lost == {HERO: lost}


def test_what_was_sent_for_another_manifest_that_is_there_is_not_this_ones(machine, tmp_path):
    other = tmp_path / "assets.toml"
    other.touch()
    for status in ("ok", "unknown"):
        machine.append(status, manifest=str(other))
    assert machine.look(HERO) == Known()

    other.unlink()
    assert machine.look(HERO) != Known()


def test_what_was_sent_for_a_manifest_from_standard_input_is_never_another_ones(machine, tmp_path):
    for status in ("ok", "unknown"):
        machine.append(status, manifest=str(tmp_path / "mai"))

    assert machine.look(HERO) == Known()


def test_a_manifest_in_a_folder_that_may_not_be_entered_does_not_end_it(machine):
    def is_file(path: Path) -> bool:
        if path.name == "assets.toml":
            raise PermissionError(13, "Permission denied")
        return path.is_file()

    hero = machine.append("ok")
    machine.append("ok", "villain", manifest="/closed/assets.toml")
    recalling = Recalling(machine.history, MANIFEST, offline=False, is_file=is_file)

    assert recalling.look({HERO}, set()).drawn[HERO] == machine.drawn(hero)


@pytest.mark.parametrize(
    "batch",
    [
        *(None, {}, {"manifest": MANIFEST, "asset": "hero"}, {"manifest": MANIFEST, "request": A}),
        *({"manifest": MANIFEST, "asset": 7, "request": A}, [MANIFEST, "hero", A], "hero"),
    ],
)
def test_a_record_that_is_no_batchs_is_passed_over(machine, batch):
    machine.append("ok", batch=batch, prompt=f"{A}", tags=[A])
    machine.append("unknown", batch=batch, tags=[A])

    assert machine.look(HERO) == Known()


def test_a_placeholder_is_no_picture_and_a_picture_no_placeholder(machine):
    real = machine.append("ok")
    placeholder = machine.append("ok", offline=True)

    assert machine.look(HERO).drawn == {HERO: machine.drawn(real)}
    assert machine.look(HERO, offline=True).drawn == {HERO: machine.drawn(placeholder)}


def test_a_placeholder_is_never_lost_nor_does_it_settle_anything(machine):
    lost = machine.append("unknown")
    machine.append("ok", offline=True)
    machine.append("sent", offline=True)

    assert machine.look(HERO).lost == {HERO: lost}
    assert machine.look(HERO, offline=True).lost == {}


def test_a_master_that_is_gone_is_no_picture(machine):
    older, newer = machine.append("ok"), machine.append("ok")
    machine.drawn(newer).master.unlink()
    assert machine.look(HERO) == Known(drawn={HERO: machine.drawn(older)})

    machine.drawn(older).master.unlink()
    assert machine.look(HERO) == Known()


def test_a_master_that_was_removed_is_no_picture(machine):
    record = Record.from_json(machine.append("ok"))
    machine.history.append(replace(record, status="removed"))

    assert machine.look(HERO, masters=(record.master.sha256,)) == Known()


def test_a_master_is_known_by_its_digest_whoever_has_drawn_it(machine):
    by_hand = machine.append("ok", batch=None)
    elsewhere = machine.append("ok", "villain", B, manifest="/elsewhere.toml")
    placeholder = machine.append("ok", offline=True)
    records = (by_hand, elsewhere, placeholder)
    digests = tuple(record["master"]["sha256"] for record in records)

    assert machine.look(masters=(*digests, B)) == Known(
        masters={
            digests[0]: machine.drawn(by_hand, ""),
            digests[1]: machine.drawn(elsewhere, B),
            digests[2]: machine.drawn(placeholder, A),
        }
    )


def test_the_digest_of_an_export_is_no_masters(machine):
    export = Export("/x.png", "png", 1, 1, 1, B, content_credentials=False)
    machine.append("ok", exports=[export])

    assert machine.look(masters=(B,)) == Known()


def test_lines_that_make_no_sense_are_passed_over(machine, tmp_path):
    hero = machine.append("ok")
    lines = [
        f'{{"id":"x","status":"ok","batch":{{"manifest":"{MANIFEST}","asset":"hero",'
        f'"request":"{A}"}},"offline":false,"master":{master}}}\n'
        for master in ("null", "[]", '{"sha256":7,"path":"a","gallery":"b"}', '{"path":"x"}')
    ]
    with (tmp_path / "history.jsonl").open("a") as file:
        file.writelines([*lines, f'["{A}"]\n', f'{{"id":7,"request":"{A}"}}\n', f'"{A}'])

    assert machine.look(HERO) == Known(drawn={HERO: machine.drawn(hero)})


def test_a_history_that_cannot_be_read_is_told(machine, tmp_path):
    (tmp_path / "history.jsonl").mkdir()
    with pytest.raises(ConfigError) as caught:
        machine.look(HERO)

    assert caught.value.code == "cannot_read"
