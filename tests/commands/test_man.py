"""The manual page: what ``man`` makes of it."""

import re
import subprocess

import pytest

from mai_cli.errors import ExitCode
from mai_cli.models.keys import KEYS
from tests.shells import COMPLETIONS, path_of


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    """The page as a terminal of 100 columns shows it; what groff finds wrong is a failure."""
    done = subprocess.run(
        [path_of("groff"), "-man", "-ww", "-Tutf8", "-P-cbou", "-rLL=100n", COMPLETIONS / "mai.1"],
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode()


def test_the_page_in_the_project_is_what_the_program_prints(run, bare):
    assert run(bare, "config", "man").out == (COMPLETIONS / "mai.1").read_bytes()


def test_the_examples_can_be_copied(page):
    source = (COMPLETIONS / "mai.1").read_text()
    assert re.findall(r".*[^\\]-.*", source) == []  # some systems show a bare one as a dash
    assert '           mai generate "make it night" -i hero.png -o night.png\n' in page
    assert 'EDITOR="code --wait" mai config edit\n' in page
    assert 'mai config completion zsh > "${fpath[1]}/_mai"\n' in page
    assert "'*' marks the one in use" in page


def test_every_command_with_its_options_is_in_it(page, run, bare):
    commands = re.findall(r"^   (mai [a-z ]+)$", page, re.MULTILINE)
    assert len(commands) == len({*commands})
    assert {"mai generate", "mai batch", "mai history rerun", "mai config man"} < {*commands}
    shown = run(bare, "history", "prune", "--help").out.decode()
    part = page.partition("   mai history prune\n")[2].partition("\n   mai ")[0]
    assert {*re.findall(r"--[a-z-]+", shown)} == {*re.findall(r"--[a-z-]+", part)}


def test_every_exit_code_and_variable_is_in_it(page):
    codes = re.findall(r"^       (\d+) +[A-Za-z]", page.partition("EXIT STATUS")[2], re.MULTILINE)
    assert codes == [str(int(code)) for code in sorted(ExitCode)]
    variables = re.findall(r"^       (MAI_[A-Z_]+)$", page, re.MULTILINE)
    assert variables == [*(key.variable for key in KEYS), "MAI_CONFIG", "MAI_HOME"]
