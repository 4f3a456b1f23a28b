"""The report of a batch as JUnit XML, which GitLab, Jenkins and GitHub actions show.

Source: https://docs.gitlab.com/ci/testing/unit_test_reports/ and
https://github.com/testmoapp/junitxml
"""

import re
from pathlib import Path
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from mai_cli.errors import StorageError, UsageError
from mai_cli.models.batch import Ended, Result, Summary
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
    try:
        atomic.make_folder(path.parent)
        with atomic.create(path, overwrite=True) as file:
            _report(summary).write(file, encoding="utf-8", xml_declaration=True)
            file.write(b"\n")
    except OSError as error:
        raise StorageError(
            f"The JUnit report {path} cannot be written: {error.strerror}.",
            code="export_failed",
            hint="Every picture that was made is safe.",
        ) from None


def _report(summary: Summary) -> "ElementTree[Element]":
    """One suite with a case for each asset that was not up to date before."""
    counts = {
        "tests": str(len(summary.ended)),
        "failures": str(sum(ended.result in _FAILED for ended in summary.ended)),
        "errors": "0",
        "skipped": str(sum(ended.result is Result.NOT_SENT for ended in summary.ended)),
        "time": f"{summary.seconds:.3f}",
    }
    root = Element("testsuites", counts)
    suite = SubElement(root, "testsuite", {"name": _text(summary.manifest), **counts})
    _add_properties(suite, summary)
    for ended in summary.ended:
        _add_case(suite, summary.manifest, ended)
    indent(root)
    return ElementTree(root)


def _add_properties(suite: Element, summary: Summary) -> None:
    """What has no case."""
    facts = {
        "up_to_date": summary.counts[Result.UP_TO_DATE],
        "left_over": summary.left_over,
        "cost_usd": summary.cost_usd,
        "cost_is_whole": str(summary.cost_is_whole).lower(),
    }
    properties = SubElement(suite, "properties")
    for name, value in facts.items():
        SubElement(properties, "property", {"name": name, "value": str(value)})


def _add_case(suite: Element, manifest: str, ended: Ended) -> None:
    # GitLab tells cases apart by their class and name, and shows the class as the suite.
    name, class_name = _text(ended.name), _text(manifest)
    case = SubElement(suite, "testcase", {"name": name, "classname": class_name})
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
