"""The registry of error codes is that of the program and of its tests, read from their source."""

import ast
from functools import cache
from pathlib import Path

import pytest

from mai_cli.errors import MaiError

PROJECT = Path(__file__).parents[1]
CODES = {code: kind for kind in MaiError.__subclasses__() for code in kind.codes}
NAMES = {kind.__name__: kind for kind in MaiError.__subclasses__()}


@cache
def trees(folder: str) -> tuple[ast.Module, ...]:
    files = sorted((PROJECT / folder).rglob("*.py"))
    own = {PROJECT / "mai_cli" / "errors.py", Path(__file__), PROJECT / "tests" / "test_errors.py"}
    return tuple(ast.parse(file.read_bytes()) for file in files if file not in own)


@cache
def texts(folder: str) -> frozenset[str]:
    """Every text in the code of ``folder``, but not those that explain it."""
    nodes = [node for tree in trees(folder) for node in ast.walk(tree)]
    explained = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    constants = [node for node in nodes if isinstance(node, ast.Constant)]
    return frozenset(
        node.value
        for node in constants
        if isinstance(node.value, str) and id(node) not in explained
    )


def raised() -> list[tuple[str, str]]:
    """Each error that is made with a code which stands there, by the name of its kind."""
    calls = [
        node
        for tree in trees("mai_cli")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in NAMES
    ]
    return [
        (call.func.id, word.value.value)
        for call in calls
        for word in call.keywords
        if word.arg == "code" and isinstance(word.value, ast.Constant)
    ]


def test_each_error_that_is_raised_has_a_code_of_its_kind():
    found = raised()
    assert len(found) > 100
    assert [(kind, code) for kind, code in found if code not in NAMES[kind].codes] == []


@pytest.mark.parametrize("code", CODES)
def test_each_code_is_raised_somewhere(code):
    assert code in texts("mai_cli")


@pytest.mark.parametrize("code", CODES)
def test_each_code_is_in_a_test_of_what_raises_it(code):
    assert code in texts("tests")
