"""The completion script of bash, 4.0 or newer. It needs no bash-completion.

A function for each command knows its options and what their values are; the rest is the same for
all. What the program answers is compared and quoted, never evaluated: ``compgen -W`` would.
"""

from mai_cli.terminal.completion.tree import Argument, Command, Option, Value

_HEADER = r"""# Completion of mai for bash 4 or newer. Written by: mai config completion bash
#
# To install it, where bash-completion is there (most systems):
#   mai config completion bash > ~/.local/share/bash-completion/completions/mai
# (make the folder if need be), else add to ~/.bashrc a line that sources such a file.
# Commands, options and choices are known here; only for names and ids of yours mai is started.
"""

_ENGINE = r"""
# The words before the one to complete, which is cur; bash has split them at '=', ':' and '@'.
_mai_words() {
    local i word glue=''
    for ((i = 1; i <= COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $i -gt 1 && ($glue || $word == [=:@]*) ]]; then
            cur+=$word
        else
            ((i > 1)) && words+=("$cur")
            cur=$word
        fi
        glue=''
        [[ $word == [=:@]* ]] && glue=yes
    done
}

# Offer $1 if it begins like cur. bash wants only what follows the last character it splits at.
_mai_offer() {
    local whole=$prefix$1
    [[ $whole != "$cur"* ]] || COMPREPLY+=("${whole#"$head"}")
}

# Offer what only this machine knows; $1 says of what kind, $2 is put before each.
_mai_living() {
    local value quoted mark=''
    [[ $cur == [\"\']* ]] && mark=${cur:0:1} && cur=${cur:1}
    while IFS=$'\t' read -r value _; do
        value=${2-}$value
        printf -v quoted %q "$value"
        [[ $mark && $quoted != "$value" ]] && continue
        _mai_offer "$quoted"
    done < <(command mai --values "$1" 2>/dev/null </dev/null)
    compopt -o nosort 2>/dev/null || true
}

# Offer what $kind and $list say.
_mai_offer_kind() {
    local word
    case $kind in
        words) for word in $list; do _mai_offer "$word"; done ;;
        file) compopt -o default 2>/dev/null ;;
        folder) compopt -o dirnames 2>/dev/null ;;
        living) _mai_living "$list" ;;
        living-or-file)
            _mai_living "$list"
            [[ ${COMPREPLY[0]+x} ]] || compopt -o default 2>/dev/null
            ;;
        signed)
            [[ $cur == -* ]] && word=- || word=+
            _mai_living "$list" "$word"
            ;;
    esac
}

_mai() {
    local IFS=$' \t\n' cur='' head='' prefix='' at=_mai_root option='' place=0 plain=''
    local commands options kind list mixed word
    local -a words=()
    COMPREPLY=()
    _mai_words
    "$at" ''
    for word in ${words[@]+"${words[@]}"}; do
        if [[ $option ]]; then
            option=''
        elif [[ ! $plain && $word == -- ]]; then
            plain=yes
        elif [[ ! $plain && $word == -?* ]]; then
            "$at" "$word"
            [[ $kind ]] && option=$word
        else
            "$at" "$word"
            if [[ $kind == command ]]; then
                at+=_$word
            else
                place=$((place + 1))
                [[ $mixed ]] || plain=yes
            fi
        fi
    done
    local breaks=${COMP_WORDBREAKS//[!=:@]/}
    [[ $breaks ]] && head=${cur%"${cur##*["$breaks"]}"}
    if [[ $option ]]; then
        "$at" "$option"
    elif [[ ! $plain && $cur == --*=* ]]; then
        "$at" "${cur%%=*}"
        prefix=${cur%%=*}=
    elif [[ ! $plain && $cur == -* ]]; then
        "$at" ''
        kind=words list=$options
    else
        "$at" "$place"
        [[ $commands ]] && kind=words list=$commands
    fi
    _mai_offer_kind
}

complete -F _mai mai
"""


def script(tree: Command) -> str:
    """The script for the program whose commands are ``tree``."""
    return _HEADER + "".join(map(_function, tree.all())) + _ENGINE


def _function(command: Command) -> str:
    """What is known of one command: as variables, and of the option or place that $1 names."""
    names = " ".join(name for option in command.options for name in option.names)
    commands = " ".join(one.name for one in command.commands)
    cases = [*_options(command.options), *_arguments(command.arguments)]
    if command.commands:
        cases.append((" | ".join(commands.split()), "kind=command"))
    lines = [
        f"{_name(command)}() {{",
        f"    commands='{commands}' kind='' list='' mixed={'yes' if command.is_mixed else ''}",
        f"    options='{names}'",
        *(["    case $1 in", *(f"        {key}) {then} ;;" for key, then in cases), "    esac"]),
        "}",
    ]
    if not cases:
        del lines[3:5]
    return "\n" + "\n".join(lines) + "\n"


def _name(command: Command) -> str:
    return "_".join(("_mai_root", *command.path))


def _options(options: tuple[Option, ...]) -> list[tuple[str, str]]:
    """The options with a value, those with the same kind of it together."""
    found: dict[str, list[str]] = {}
    for option in options:
        if option.value:
            found.setdefault(_kind(option.value), []).extend(option.names)
    return [(" | ".join(names), kind) for kind, names in found.items()]


def _arguments(arguments: tuple[Argument, ...]) -> list[tuple[str, str]]:
    return [
        ("[0-9]*" if argument.is_repeatable else str(number), _kind(argument.value))
        for number, argument in enumerate(arguments)
    ]


def _kind(value: Value) -> str:
    if value.choices:
        return f"kind=words list='{' '.join(value.choices)}'"
    if value.living:
        kind = "signed" if value.is_signed else "living-or-file" if value.path else "living"
        return f"kind={kind} list={value.living}"
    return f"kind={value.path or 'text'}"
