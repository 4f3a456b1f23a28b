import pytest

from mai_cli import __version__

CONFIG = ["list", "get", "set", "unset", "path", "edit", "init", "profiles", "check", "completion"]


@pytest.mark.parametrize(
    "path", [[], ["generate"], ["config"], *(["config", name] for name in CONFIG)]
)
def test_help_fits_80_columns_and_starts_with_examples(run, bare, path):
    result = run(bare, *path, "--help")

    assert result.code == 0
    assert all(len(line) <= 80 for line in result.lines)
    text = "\n".join(result.lines)
    assert text.index("Examples:") < text.index("Usage:")
    assert f"\n  {' '.join(['mai', *path])}" in text
    assert "..." not in text.partition("Commands:")[2]


def test_options_stand_under_their_headings(run, bare):
    lines = run(bare, "generate", "--help").lines

    headings = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert headings == [
        "Examples:",
        "Arguments:",
        "Picture:",
        "Output:",
        "Foundry:",
        "Money:",
        "Display:",
        "Other options:",
    ]


def test_without_a_command_the_help_is_shown(run, bare):
    assert run(bare).lines == run(bare, "--help").lines
    assert run(bare).code == 0


def test_the_version_is_all_that_is_done(run, bare):
    result = run(bare, "--version", "generate", "a fox", "--offline")
    assert (result.lines, result.err) == ([f"mai {__version__}"], "")


def test_the_version_is_shown_fast_and_slow(run, bare):
    assert run(bare, "--version").lines == [f"mai {__version__}"]
    assert run(bare, "--version", "--version").lines == [f"mai {__version__}"]
