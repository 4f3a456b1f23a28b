import errno
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mai_cli.errors import BudgetError, RefusedError, StorageError, UnknownError, UsageError
from mai_cli.models.batch import Action, BatchPlan, Ended, Result, State, Step, Summary
from mai_cli.stores.junit import check_junit, write_check, write_junit

DECLINED = RefusedError(
    'It shows <b>"1 & 2"</b>.',
    code="content_filter",
    hint="Change the prompt.",
    details=["first", "second"],
)
ENDINGS = [
    Ended("hero", Result.MADE, cost_usd=0.0868),
    Ended("logo", Result.RESTORED),
    *[Ended("icon", Result.UP_TO_DATE)] * 3,
    Ended("fox", Result.REFUSED, error=DECLINED),
    Ended("owl", Result.UNKNOWN, error=UnknownError("Lost.", code="lost_answer"), cost_usd=None),
    Ended("ox", Result.FAILED, error=StorageError("No room.", code="export_failed")),
    Ended("late", Result.NOT_SENT),
    Ended("dear", Result.NOT_SENT, error=BudgetError("Too dear.", code="over_budget")),
]

REPORT = """\
<?xml version='1.0' encoding='utf-8'?>
<testsuites tests="7" failures="3" errors="0" skipped="2" time="83.400">
  <testsuite name="assets.toml" tests="7" failures="3" errors="0" skipped="2" time="83.400">
    <properties>
      <property name="up_to_date" value="3" />
      <property name="left_over" value="4" />
      <property name="cost_usd" value="0.0868" />
      <property name="cost_is_whole" value="false" />
    </properties>
    <testcase name="hero" classname="assets.toml" />
    <testcase name="logo" classname="assets.toml" />
    <testcase name="fox" classname="assets.toml">
      <failure message="It shows &lt;b&gt;&quot;1 &amp; 2&quot;&lt;/b&gt;." type="content_filter">\
It shows &lt;b&gt;"1 &amp; 2"&lt;/b&gt;.
first
second
Change the prompt.</failure>
    </testcase>
    <testcase name="owl" classname="assets.toml">
      <failure message="Lost." type="lost_answer">Lost.</failure>
    </testcase>
    <testcase name="ox" classname="assets.toml">
      <failure message="No room." type="export_failed">No room.</failure>
    </testcase>
    <testcase name="late" classname="assets.toml">
      <skipped message="not sent" />
    </testcase>
    <testcase name="dear" classname="assets.toml">
      <skipped message="Too dear." />
    </testcase>
  </testsuite>
</testsuites>
"""

CHECKED = """\
<?xml version='1.0' encoding='utf-8'?>
<testsuites tests="2" failures="2" errors="0" skipped="0">
  <testsuite name="assets.toml" tests="2" failures="2" errors="0" skipped="0">
    <properties>
      <property name="up_to_date" value="1" />
    </properties>
    <testcase name="hero" classname="assets.toml">
      <failure message="new" type="new">new</failure>
    </testcase>
    <testcase name="old" classname="assets.toml">
      <failure message="left over: no longer in the manifest" type="left_over">\
left over: no longer in the manifest</failure>
    </testcase>
  </testsuite>
</testsuites>
"""

# No file may grow beyond 100 bytes.
NO_ROOM = """
import resource, signal, sys
from pathlib import Path
from mai_cli.errors import StorageError
from mai_cli.models.batch import Summary
from mai_cli.stores.junit import write_junit

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    write_junit(Path(sys.argv[1]), Summary("assets.toml"))
except StorageError as error:
    print(error.message)
"""

CHECK = """
import os, sys
from pathlib import Path
from mai_cli.errors import UsageError
from mai_cli.stores.junit import check_junit

if sys.argv[2:] and os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
try:
    check_junit(Path(sys.argv[1]))
except UsageError as error:
    print(error.code, error.message)
"""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def summary(*endings: Ended, manifest: str = "assets.toml") -> Summary:
    summary = Summary(manifest, left_over=4, seconds=83.4)
    for ended in endings:
        summary.add(ended)
    return summary


def test_a_report_of_a_check_has_a_case_for_each_asset_that_is_not_up_to_date(tmp_path):
    steps = [
        Step("hero", State.NEW, Action.DRAW),
        Step("icon", State.UP_TO_DATE, Action.NONE),
        Step("old", State.LEFT_OVER, Action.NONE, "no longer in the manifest"),
    ]
    write_check(tmp_path / "mai.xml", BatchPlan("assets.toml", steps))

    assert (tmp_path / "mai.xml").read_text() == CHECKED


def test_each_asset_that_was_not_up_to_date_is_a_case(tmp_path):
    write_junit(tmp_path / "report.xml", summary(*ENDINGS))
    assert (tmp_path / "report.xml").read_text() == REPORT
    assert names(tmp_path) == ["report.xml"]


def test_the_numbers_are_those_of_the_cases(tmp_path):
    write_junit(tmp_path / "report.xml", summary(*ENDINGS * 5))
    root = ET.parse(tmp_path / "report.xml").getroot()
    for told in (root, root.find("testsuite")):
        assert int(told.get("tests")) == len(root.findall(".//testcase")) == 35
        assert int(told.get("failures")) == len(root.findall(".//failure")) == 15
        assert int(told.get("skipped")) == len(root.findall(".//skipped")) == 10


def test_a_run_in_which_all_was_up_to_date_is_a_suite_without_cases(tmp_path):
    write_junit(tmp_path / "report.xml", summary(Ended("icon", Result.UP_TO_DATE)))
    suite = ET.parse(tmp_path / "report.xml").find("testsuite")
    assert (suite.get("tests"), suite.findall("testcase")) == ("0", [])
    assert suite.find("properties/property[@name='up_to_date']").get("value") == "1"


def test_what_xml_cannot_hold_is_replaced(tmp_path):
    text = "a\x00b\x1bc\udcffd\ufffee\U0001f98aé\n"
    error = RefusedError(text, code="content_filter", hint=text, details=[text])
    write_junit(
        tmp_path / "report.xml",
        summary(Ended(text, Result.REFUSED, error=error), manifest=text),
    )
    suite = ET.parse(tmp_path / "report.xml").find("testsuite")
    expected = "a\ufffdb\ufffdc\ufffdd\ufffde\U0001f98aé\n"
    failure = suite.find("testcase/failure")
    assert suite.get("name") == expected
    assert suite.find("testcase").get("name") == expected
    assert failure.get("message") == expected
    assert failure.text == "\n".join([expected] * 3)


def test_a_failure_that_nobody_explains_is_a_failure(tmp_path):
    write_junit(tmp_path / "report.xml", summary(Ended("fox", Result.FAILED)))
    failure = ET.parse(tmp_path / "report.xml").find(".//failure")
    assert (failure.attrib, failure.text) == ({"message": "failed", "type": "failed"}, "failed")


def test_a_folder_is_made_and_an_older_report_replaced(tmp_path):
    report = tmp_path / "ci" / "reports" / "mai.xml"
    write_junit(report, summary())
    report.chmod(0o640)
    write_junit(report, summary(*ENDINGS))
    assert report.read_text() == REPORT
    assert stat.S_IMODE(report.stat().st_mode) == 0o640
    assert names(report.parent) == ["mai.xml"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("folder", errno.EISDIR), ("file/report.xml", errno.ENOTDIR), ("a" * 300, errno.ENAMETOOLONG)],
)
def test_a_report_that_cannot_be_written_is_told_and_leaves_nothing(tmp_path, path, code):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("as before")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StorageError) as caught:
        write_junit(tmp_path / path, summary(*ENDINGS))
    reason = os.strerror(code)
    assert caught.value.message in {
        f"The JUnit report {tmp_path / path} cannot be written: {reason}.",
        f"The JUnit report {tmp_path / path} cannot be written: {os.strerror(errno.EEXIST)}.",
    }
    assert (caught.value.code, caught.value.hint) == (
        "export_failed",
        "Every picture that was made is safe.",
    )
    assert sorted(tmp_path.rglob("*")) == before


def refused(path: Path) -> str:
    with pytest.raises(UsageError) as caught:
        check_junit(path)
    assert caught.value.code == "bad_output"
    assert caught.value.message.startswith(f"The JUnit report {path} ")
    assert caught.value.message.endswith(". Nothing was sent.")
    return caught.value.message.removeprefix(f"The JUnit report {path} ").partition(".")[0]


def test_a_new_report_and_an_older_one_may_be_written(tmp_path):
    report = tmp_path / "ci" / "report.XML"
    check_junit(report)
    assert not report.exists()

    write_junit(report, summary(*ENDINGS))
    check_junit(report)
    assert report.read_text() == REPORT


@pytest.mark.parametrize("text", ["", "notes", "<?xml version='1.0'?>\n<svg/>\n"])
def test_a_report_takes_the_place_of_no_other_file(tmp_path, text):
    other = tmp_path / "report.xml"
    other.write_text(text)

    assert refused(other) == "is another file"
    assert other.read_text() == text


@pytest.mark.parametrize("name", ["assets.toml", "report", "xml", "report.xml.txt"])
@pytest.mark.parametrize("is_there", [False, True])
def test_a_report_has_the_ending_of_one(tmp_path, name, is_there):
    if is_there:
        (tmp_path / name).write_text(REPORT)

    assert refused(tmp_path / name) == "does not end in "
    assert names(tmp_path) == ([name] if is_there else [])


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("folder.xml", [errno.EISDIR]),
        ("file/report.xml", [errno.ENOTDIR, errno.EEXIST]),
        (f"{'a' * 300}.xml", [errno.ENAMETOOLONG]),
    ],
)
def test_a_place_that_takes_no_report_is_refused(tmp_path, path, codes):
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "file").write_text("as before")

    assert refused(tmp_path / path) in {f"cannot be written: {os.strerror(code)}" for code in codes}
    assert names(tmp_path) == ["file", "folder.xml"]


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that everybody can enter, and that only its owner can write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o555)
        yield Path(folder)


@pytest.mark.parametrize("name", ["report.xml", "ci/report.xml"])
def test_a_folder_that_cannot_be_written_takes_no_report(python, public, name):
    assert python.run(CHECK, public / name, "as nobody") == [
        (
            f"bad_output The JUnit report {public / name} cannot be written: Permission denied. "
            "Nothing was sent."
        )
    ]


def test_what_would_be_waited_for_is_no_report(python, tmp_path):
    os.mkfifo(tmp_path / "report.xml")
    (said,) = python.run(CHECK, tmp_path / "report.xml")

    assert said.startswith("bad_output ")


def test_a_report_is_whole_or_as_before(tmp_path, python):
    (tmp_path / "report.xml").write_text("as before")
    (said,) = python.run(NO_ROOM, tmp_path / "report.xml")
    reason = os.strerror(errno.EFBIG)
    assert said == f"The JUnit report {tmp_path / 'report.xml'} cannot be written: {reason}."
    assert (tmp_path / "report.xml").read_text() == "as before"
    assert names(tmp_path) == ["report.xml"]
