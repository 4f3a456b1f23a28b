"""The completion script of zsh, 5.1 or newer, made of its own ``_arguments`` and ``compadd``.

What the program answers goes to ``compadd`` only, which shows and quotes it, and evaluates nothing.
"""

import re

from mai_cli.terminal.completion.tree import Argument, Command, Option, Value

_HEADER = r"""#compdef mai
# Completion of mai for zsh. Written by: mai config completion zsh
#
# To install it, with compinit in your ~/.zshrc:
#   mai config completion zsh > "${fpath[1]}/_mai"
# Commands, options and choices are known here; only for names and ids of yours mai is started.
"""

_HELPERS = r"""
# Offer what only this machine knows, in its order; $1 says of what kind. None of it is evaluated.
_mai_living() {
    local kind=$1 value about
    local -a values abouts lines expl
    local -i width i
    shift
    [[ $PREFIX == -* ]] && return 1 # an option is typed
    while IFS=$'\t' read -r value about; do
        values+=("$value")
        abouts+=("$about")
        (( ${#value} > width )) && width=${#value}
    done < <(command mai --values $kind 2>/dev/null </dev/null)
    for (( i = 1; i <= $#values; i++ )); do
        lines+=("${(r:$width:)values[i]}${abouts[i]:+  -- ${abouts[i]}}")
    done
    _wanted -V $kind expl $kind compadd "$@" -l -d lines -a values
}

# Ids of records, or else the path of a picture.
_mai_ids() {
    _mai_living ids || _files
}

_mai_signed_tags() {
    if compset -P '[+-]'; then
        _mai_living tags
    else
        _mai_living tags -P +
    fi
}
"""

_START = r"""
if [[ $funcstack[1] == _mai ]]; then
    _mai "$@"
else
    compdef _mai mai
fi
"""

_NOTHING = " "
"""The action that only says what is wanted."""


def script(tree: Command) -> str:
    """The script for the program whose commands are ``tree``."""
    return _HEADER + "".join(map(_function, tree.all())) + _HELPERS + _START


def _function(command: Command) -> str:
    """The function that completes after one command, and below it."""
    name = "_".join(("_mai", *command.path))
    if command.commands:
        return f"{_list(name, command)}\n{name}() {{\n{_group(name, command)}}}\n"
    flags = "-s -S" if command.is_mixed else "-s -A '-*'"
    return f"\n{name}() {{\n    _arguments {flags}{_specs(command)}\n}}\n"


def _list(name: str, command: Command) -> str:
    rows = "".join(f"        {_quoted(f'{one.name}:{one.about}')}\n" for one in command.commands)
    describe = "    _describe -t commands command commands"
    return f"\n{name}_commands() {{\n    local -a commands=(\n{rows}    )\n{describe}\n}}\n"


def _group(name: str, command: Command) -> str:
    """``_arguments`` for the group itself, then the function of the command that was named."""
    names = " | ".join(one.name for one in command.commands)
    return (
        '    local curcontext="$curcontext" state line\n'
        "    typeset -A opt_args\n"
        f"    _arguments -C -s -S{_specs(command)}"
        f" \\\n        '1: :{name}_commands' \\\n        '*:: :->below' && return\n"
        f"    case $words[1] in\n"
        f"        {names})\n"
        f'            curcontext="${{curcontext%:*}}-$words[1]:"\n'
        f"            {name}_$words[1]\n"
        f"            ;;\n"
        f"    esac\n"
    )


def _specs(command: Command) -> str:
    specs = [*map(_option, command.options)]
    specs += [_argument(number, one) for number, one in enumerate(command.arguments, 1)]
    return "".join(f" \\\n        {spec}" for spec in specs)


def _option(option: Option) -> str:
    """An option for ``_arguments``: once, or again and again; its names shut each other out."""
    about = f"[{_escaped(option.about)}]"
    value = f":{_escaped(option.metavar)}:{_action(option.value)}" if option.value else ""
    names = [_with_value(name) if option.value else name for name in option.names]
    others = "*" if option.is_repeatable else f"({' '.join(option.names)})"
    if len(names) == 1:
        mark = "*" if option.is_repeatable else ""
        return _quoted(f"{mark}{names[0]}{about}{value}")
    return f"'{others}'{{{','.join(names)}}}{_quoted(about + value)}"


def _with_value(name: str) -> str:
    """The value may follow ``--size=`` or ``-s`` at once, or be the next word."""
    return f"{name}=" if name.startswith("--") else f"{name}+"


def _argument(number: int, argument: Argument) -> str:
    place = "*" if argument.is_repeatable else str(number)
    action = _action(argument.value)
    if action == _NOTHING:  # its message would keep an option from being inserted there
        action = " false"
    return _quoted(f"{place}:{_escaped(argument.metavar)}:{action}")


def _action(value: Value) -> str:
    """What ``_arguments`` does for a value; after a space it adds nothing of its own to a call."""
    if value.choices:
        return f"({' '.join(map(_escaped, value.choices))})"
    if value.is_signed:
        return " _mai_signed_tags"
    if value.living == "ids":
        return " _mai_ids"
    if value.living:
        return f" _mai_living {value.living}"
    return {"": _NOTHING, "file": "_files", "folder": "_files -/"}[value.path]


def _escaped(text: str) -> str:
    """``text`` for a spec of ``_arguments``, to which colons and brackets mean something."""
    return re.sub(r"([\\:\[\]])", r"\\\1", text)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
