"""The report of a batch as JUnit XML, which GitLab, Jenkins and GitHub actions show.

Source: https://docs.gitlab.com/ci/testing/unit_test_reports/ and
https://github.com/testmoapp/junitxml
"""

import re
from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from mai_cli.errors import StorageError, UsageError
from mai_cli.models.batch import BatchPlan, Ended, Result, State, Summary
from mai_cli.stores import atomic

_MARK, _HEAD_BYTES = b"<testsuites", 200
_FAILED = (Result.REFUSED, Result.FAILED, Result.UNKNOWN)
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def check_junit(path: Path) -> None:
    """See that a report can be written to ``path``, before anything is paid for.

    It ends in ``.xml`` and takes the place of nothing but an older report.

    Raises:
        UsageError: It cannot.
    """
    try:
        atomic.prepare(path.parent)
        is_report = not path.exists() or _is_report(path)
    except OSError as error:
        raise UsageError(
            f"The JUnit report {path} cannot be written: {error.strerror}. Nothing was sent.",
            code="bad_output",
            hint="Choose another place.",
        ) from None
    if path.suffix.lower() != ".xml" or not is_report:
        what = "is another file" if path.suffix.lower() == ".xml" else "does not end in .xml"
        raise UsageError(
            f"The JUnit report {path} {what}. Nothing was sent.",
            code="bad_output",
            hint="Choose another name, such as report.xml.",
        )


def _is_report(path: Path) -> bool:
    if not (path.is_file() or path.is_dir()):  # a pipe could be waited for without end
        return False
    with path.open("rb") as file:
        return _MARK in file.read(_HEAD_BYTES)


def write_junit(path: Path, summary: Summary) -> None:
    """Write what became of a run to ``path``, in place of an older report.

    Raises:
        StorageError: It cannot be written; the older report is as before.
    """
    _write(path, _report(summary))


def write_check(path: Path, plan: BatchPlan) -> None:
    """Write what is not up to date, as failures, to ``path``, in place of an older report.

    Raises:
        StorageError: It cannot be written; the older report is as before.
    """
    _write(path, _check_report(plan))


def _write(path: Path, root: Element) -> None:
    indent(root)
    try:
        atomic.make_folder(path.parent)
        with atomic.create(path, overwrite=True) as file:
            ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)
            file.write(b"\n")
    except OSError as error:
        raise StorageError(
            f"The JUnit report {path} cannot be written: {error.strerror}.",
            code="export_failed",
            hint="Every picture that was made is safe.",
        ) from None


def _report(summary: Summary) -> Element:
    """One suite with a case for each asset that was not up to date before."""
    counts = {
        "tests": str(len(summary.ended)),
        "failures": str(sum(ended.result in _FAILED for ended in summary.ended)),
        "errors": "0",
        "skipped": str(sum(ended.result is Result.NOT_SENT for ended in summary.ended)),
        "time": f"{summary.seconds:.3f}",
    }
    facts = {
        "up_to_date": summary.counts[Result.UP_TO_DATE],
        "left_over": summary.left_over,
        "cost_usd": summary.cost_usd,
        "cost_is_whole": str(summary.cost_is_whole).lower(),
    }
    root = Element("testsuites", counts)
    suite = _add_suite(root, summary.manifest, counts, facts)
    for ended in summary.ended:
        _tell(_add_case(suite, summary.manifest, ended.name), ended)
    return root


def _check_report(plan: BatchPlan) -> Element:
    """One suite with a case for each asset that is not up to date."""
    stale = [step for step in plan.steps if step.state is not State.UP_TO_DATE]
    counts = {"tests": str(len(stale)), "failures": str(len(stale)), "errors": "0", "skipped": "0"}
    root = Element("testsuites", counts)
    facts = {"up_to_date": plan.count(State.UP_TO_DATE)}
    suite = _add_suite(root, plan.manifest, counts, facts)
    for step in stale:
        message = _text(": ".join(filter(None, (step.state.text, step.reason))))
        case = _add_case(suite, plan.manifest, step.name)
        SubElement(case, "failure", {"message": message, "type": str(step.state)}).text = message
    return root


def _add_suite(
    root: Element, manifest: str, counts: dict[str, str], facts: Mapping[str, object]
) -> Element:
    """A suite; ``facts`` are what has no case."""
    suite = SubElement(root, "testsuite", {"name": _text(manifest), **counts})
    properties = SubElement(suite, "properties")
    for name, value in facts.items():
        SubElement(properties, "property", {"name": name, "value": str(value)})
    return suite


def _add_case(suite: Element, manifest: str, name: str) -> Element:
    # GitLab tells cases apart by their class and name, and shows the class as the suite.
    return SubElement(suite, "testcase", {"name": _text(name), "classname": _text(manifest)})


def _tell(case: Element, ended: Ended) -> None:
    """What became of an asset."""
    error = ended.error
    message = _text(error.message if error else ended.result.text)
    if ended.result in _FAILED:
        kind = error.code if error else str(ended.result)
        failure = SubElement(case, "failure", {"message": message, "type": kind})
        lines = [error.message, *error.details, error.hint] if error else [ended.result.text]
        failure.text = _text("\n".join(filter(None, lines)))
    elif ended.result is Result.NOT_SENT:
        SubElement(case, "skipped", {"message": message})


def _text(text: str) -> str:
    """``text`` with what XML cannot hold replaced."""
    return _NOT_XML.sub("\ufffd", text)
