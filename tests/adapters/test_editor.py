import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from mai_cli.adapters.editor import edit
from mai_cli.errors import UsageError


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A file to edit, in a folder whose name a shell would take apart."""
    folder = tmp_path / "my $HOME; settings*"
    folder.mkdir()
    path = folder / "con'fig.toml"
    path.touch()
    return path


Editor = Callable[..., Path]


@pytest.fixture
def editor(tmp_path: Path) -> Editor:
    """A program that notes how it was called."""

    def editor(name: str, end: str = "exit 0") -> Path:
        path = tmp_path / name
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/called"\n{end}\n')
        path.chmod(0o755)
        return path

    return editor


@pytest.fixture
def called(tmp_path: Path) -> Callable[[], list[str]]:
    return lambda: (tmp_path / "called").read_text().splitlines()


def fail(path: Path, **environ: str) -> UsageError:
    with pytest.raises(UsageError) as caught:
        edit(path, environ)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert str(path) in caught.value.hint
    return caught.value


def test_the_editor_is_given_the_file(editor, called, config):
    edit(config, {"EDITOR": str(editor("ed"))})
    assert called() == [str(config)]


def test_mai_waits_until_the_editor_has_ended(editor, config):
    edit(config, {"EDITOR": str(editor("ed", 'echo "size = 1" > "$1"'))})
    assert config.read_text() == "size = 1\n"


def test_an_editor_may_have_arguments(editor, called, config):
    edit(config, {"EDITOR": f"{editor('ed')} --wait '--title=my settings' -n"})
    assert called() == ["--wait", "--title=my settings", "-n", str(config)]


def test_an_editor_whose_path_has_spaces_is_quoted(editor, called, config):
    edit(config, {"EDITOR": f"'{editor('my ed')}' --wait"})
    assert called() == ["--wait", str(config)]


def test_a_visual_editor_comes_first(editor, called, config):
    edit(config, {"VISUAL": f"{editor('ed')} visual", "EDITOR": str(editor("ed2"))})
    assert called() == ["visual", str(config)]


@pytest.mark.parametrize("visual", [{}, {"VISUAL": ""}])
def test_an_empty_variable_is_none(editor, called, config, visual):
    edit(config, {**visual, "EDITOR": str(editor("ed"))})
    assert called() == [str(config)]


def test_without_a_variable_vi_is_the_editor(editor, called, config, tmp_path, monkeypatch):
    editor("vi")
    monkeypatch.setenv("PATH", str(tmp_path))
    edit(config, {})
    assert called() == [str(config)]


def test_nothing_in_the_variable_is_run_by_a_shell(editor, called, config, tmp_path):
    edit(config, {"EDITOR": f"{editor('ed')} ; touch {tmp_path}/trap $(id)"})
    assert called() == [";", "touch", f"{tmp_path}/trap", "$(id)", str(config)]
    assert not (tmp_path / "trap").exists()


def test_an_editor_that_is_not_there_is_named(config):
    failure = fail(config, EDITOR="no-such-editor --wait")
    assert failure.code == "bad_option"
    assert failure.message.startswith("The editor no-such-editor --wait cannot be started: ")


@pytest.mark.parametrize("kind", ["a folder", "a file that is no program"])
def test_an_editor_that_is_no_program_is_named(config, tmp_path, kind):
    (tmp_path / "file").write_text("hello")
    path = tmp_path if kind == "a folder" else tmp_path / "file"
    assert "cannot be started" in fail(config, EDITOR=str(path)).message


@pytest.mark.parametrize("editor_", ["ed 'wait", 'ed "', "ed\\"])
def test_an_editor_with_half_a_quote_is_named(config, editor_):
    assert "cannot be started" in fail(config, EDITOR=editor_).message


@pytest.mark.parametrize(("end", "told"), [("exit 3", "3"), ("kill -9 $$", "-9")])
def test_an_editor_that_failed_is_named(editor, config, end, told):
    path = editor("ed", end)
    assert fail(config, EDITOR=str(path)).message == f"The editor {path} ended with {told}."


@pytest.mark.parametrize("variable", ["VISUAL", "EDITOR"])
def test_a_variable_of_spaces_does_not_start_the_file(
    editor, called, config, tmp_path, monkeypatch, variable
):
    shutil.copy(editor("vi", f"touch {tmp_path}/trap-${{0##*/}}"), config)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    edit(config, {variable: "  "})
    assert called() == [str(config)]
    assert [path.name for path in tmp_path.glob("trap-*")] == ["trap-vi"]
