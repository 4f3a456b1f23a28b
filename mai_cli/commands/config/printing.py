"""``mai config schema``, ``completion`` and ``man``: files for other programs."""

from typing import Annotated, Literal

import typer

from mai_cli.commands.help import HelpCommand
from mai_cli.commands.options import Help
from mai_cli.parts import Parts

app = typer.Typer(add_completion=False)

SchemaName = Annotated[
    str | None,
    typer.Argument(metavar="[NAME]", help="What it is of, such as record.", show_default=False),
]

Shell = Annotated[
    Literal["bash", "zsh", "fish", "powershell"],
    typer.Argument(metavar="SHELL", help="bash, zsh, fish or powershell."),
]


@app.command(cls=HelpCommand, add_help_option=False)
def schema(context: typer.Context, name: SchemaName = None, _help: Help = False) -> None:
    """Print a JSON Schema; without NAME what there is.

    mai config schema
    mai config schema record
    mai config schema config > config.schema.json
    """
    from mai_cli.stores.schemas import names, read

    output = context.obj.output
    if name is None:
        output.lines("\n".join(names()))
    else:
        output.data(read(name))


@app.command(cls=HelpCommand, add_help_option=False)
def completion(context: typer.Context, shell: Shell, _help: Help = False) -> None:
    """Print the completion script of a shell.

    Its first lines say how to install it.

    mai config completion bash
    mai config completion zsh > "${fpath[1]}/_mai"
    """
    from mai_cli.terminal.completion import script

    parts: Parts = context.obj
    parts.output.data(script(shell, context.find_root().command).encode())


@app.command(cls=HelpCommand, add_help_option=False)
def man(context: typer.Context, _help: Help = False) -> None:
    """Print the manual page.

    mai config man | man -l -
    mai config man > ~/.local/share/man/man1/mai.1
    """
    from mai_cli.commands.manual import manual

    context.obj.output.data(manual(context.find_root().command).encode())
