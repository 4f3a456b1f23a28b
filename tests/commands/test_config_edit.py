from pathlib import Path

import pytest


def editor(tmp_path: Path, *lines: str) -> str:
    script = tmp_path / "my editor"
    script.write_text("\n".join(["#!/bin/sh", *lines]))
    script.chmod(0o755)
    return f"'{script}'"


def test_edit_opens_a_file_that_says_what_can_be_set(run, bare, config, tmp_path):
    result = run(bare | {"EDITOR": editor(tmp_path, 'cat "$1"')}, "config", "edit")

    assert (result.code, result.err) == (0, f"{config} is not there: nothing was set.\n")
    assert all(line.startswith("#") for line in result.lines if line)
    assert "# size = ...  # such as 1280x832, 16:9, wide or auto" in result.lines
    assert b"api_key" not in result.out
    assert not config.exists()  # nothing was said


def test_what_was_edited_holds(run, bare, config, tmp_path):
    config.write_text('size = "1:1"\n')
    change = editor(tmp_path, """sed -i 's/1:1/16:9/' "$1" """)
    result = run(bare | {"VISUAL": change, "EDITOR": "false"}, "config", "edit")

    assert (result.code, result.out, result.err) == (0, b"", f"{config} is in order.\n")
    assert run(bare, "config", "get", "size").lines == ["16:9"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("size = 16:9", "is not TOML"),
        ("sise = 1", "line 2: there is no setting 'sise'"),
        ("timeout = 0", "line 2"),
        ('api_key = "sesame"', "line 2: a key does not belong in this file"),
    ],
)
def test_a_mistake_made_while_editing_is_told_and_the_file_kept(
    run, bare, config, tmp_path, line, what
):
    config.write_text("# mine\n")
    break_it = editor(tmp_path, f"echo '{line}' >> \"$1\"")
    result = run(bare | {"EDITOR": break_it}, "config", "edit")

    assert result.code == 3
    assert f"{config}" in result.err
    assert what in result.err
    assert "sesame" not in result.err
    assert config.read_text() == f"# mine\n{line}\n"


def test_a_broken_file_can_be_edited(run, bare, config, tmp_path):
    config.write_text("size = 16:9\n")
    mend = editor(tmp_path, """echo 'size = "16:9"' > "$1" """)

    assert run(bare | {"EDITOR": mend}, "config", "edit").code == 0


@pytest.mark.parametrize(
    ("command", "what"),
    [
        ("sh -c 'exit 3'", "ended with 3"),
        ("no-such-editor --wait", "cannot be started"),
        ("'unbalanced", "cannot be started"),
    ],
)
def test_an_editor_that_does_not_work_is_named(run, bare, config, command, what):
    config.write_text('size = "1:1"\n')
    result = run(bare | {"EDITOR": command}, "config", "edit")

    assert (result.code, result.out) == (2, b"")
    assert f"The editor {command} {what}" in result.err
    assert f"Set EDITOR to one that works, or edit {config} yourself." in result.err
    assert config.read_text() == 'size = "1:1"\n'
