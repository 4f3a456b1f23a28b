"""The completion script of fish, 3.0 or newer: a ``complete`` for each option and argument.

fish quotes what the program answers when it inserts it, and does not evaluate it.
"""

from mai_cli.terminal.completion.tree import Command, Option, Value

_HEADER = r"""# Completion of mai for fish. Written by: mai config completion fish
#
# To install it:
#   mai config completion fish > ~/.config/fish/completions/mai.fish
# Commands, options and choices are known here; only for names and ids of yours mai is started.
"""

_HELPERS = r"""
# Find the command before the cursor and how many arguments follow it, once for each line.
function __mai_look
    set -l line (commandline -pc)
    test "$__mai_line" = "$line"; and return
    set -g __mai_line $line
    set -l tokens (commandline -opc)
    set -g __mai_path
    set -g __mai_count 0
    set -l is_value no
    set -l is_plain no
    for token in $tokens[2..-1]
        if test $is_value = yes
            set is_value no
        else if test $is_plain = no; and test "$token" = --
            set is_plain yes
        else if test $is_plain = no; and string match -qr -- '^-.' "$token"
            __mai_takes_value "$token"; and set is_value yes
        else if __mai_has "$token"
            set -g __mai_path $__mai_path $token
        else
            set -g __mai_count (math $__mai_count + 1)
            __mai_is_plain; and set is_plain yes
        end
    end
end

# Whether the command is $argv[1] and, if given, the next argument has the number $argv[2].
function __mai_at
    __mai_look
    test "$__mai_path" = "$argv[1]"; or return
    test (count $argv) = 1; or test $__mai_count = $argv[2]
end

# The same, from that number on.
function __mai_from
    __mai_look
    test "$__mai_path" = "$argv[1]" -a $__mai_count -ge $argv[2]
end

# Whether it is not an option that is typed.
function __mai_no_option
    not string match -q -- '-*' (commandline -ct)
end

# What only this machine knows, of the kind $argv[1], with each of the other arguments before it.
function __mai_living
    command -q mai; or return
    set -l found (command mai --values $argv[1] 2>/dev/null </dev/null)
    for before in $argv[2..-1]
        string join \n -- $before$found
    end
end

complete -c mai -f
"""


def script(tree: Command) -> str:
    """The script for the program whose commands are ``tree``."""
    parts = [
        _HEADER,
        _has(tree),
        _takes_value(tree),
        _is_plain(tree),
        _HELPERS,
        *map(_completes, tree.all()),
    ]
    return "".join(parts)


def _has(tree: Command) -> str:
    """The function that says whether a word is a command below that of ``__mai_path``."""
    cases = "".join(
        f"        case {_quoted(' '.join(group.path))}\n"
        f"            contains -- $argv[1] {' '.join(one.name for one in group.commands)}\n"
        for group in tree.all()
        if group.commands
    )
    return _function("__mai_has", "Whether $argv[1] is a command there.", cases)


def _takes_value(tree: Command) -> str:
    """The function that says whether the next word is the value of an option."""
    cases = ""
    for command in tree.all():
        names = [name for one in command.options if one.value for name in one.names]
        if names:
            cases += f"        case {_quoted(' '.join(command.path))}\n"
            cases += f"            contains -- $argv[1] {' '.join(names)}\n"
    return _function("__mai_takes_value", "Whether the option $argv[1] has a value there.", cases)


def _is_plain(tree: Command) -> str:
    """The function that says whether all that follows an argument is an argument too."""
    cases = "".join(
        f"        case {_quoted(' '.join(command.path))}\n            true\n"
        for command in tree.all()
        if not command.is_mixed
    )
    return _function("__mai_is_plain", "Whether no option follows an argument there.", cases)


def _function(name: str, about: str, cases: str) -> str:
    otherwise = "        case '*'\n            false\n"
    body = f'    switch "$__mai_path"\n{cases}{otherwise}    end\n'
    return f"\n# {about}\nfunction {name}\n{body}end\n"


def _completes(command: Command) -> str:
    """What there is to complete after one command."""
    path = _quoted(" ".join(command.path))
    here = f"complete -c mai -n {_quoted(f'__mai_at {path}')}"
    early = here if command.is_mixed else f"complete -c mai -n {_quoted(f'__mai_at {path} 0')}"
    lines = [f"{here} -a {one.name} -d {_quoted(one.about)}" for one in command.commands]
    lines += [f"{early} {_option(option)}" for option in command.options]
    for number, argument in enumerate(command.arguments):
        if answer := _answer(argument.value):
            test = "__mai_from" if argument.is_repeatable else "__mai_at"
            condition = f"{test} {path} {number}"
            if not argument.value.is_signed:  # else it may begin like an option
                condition += "; and __mai_no_option"
            lines.append(f"complete -c mai -n {_quoted(condition)} {answer}")
    return "\n" + "".join(f"{line}\n" for line in lines)


def _option(option: Option) -> str:
    names = " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )
    value = f" -r {_answer(option.value) or '-f'}" if option.value else ""
    return f"{names}{value} -d {_quoted(option.about)}"


def _answer(value: Value) -> str:
    """The options of ``complete`` for a value; nothing where any text may stand."""
    if value.choices:
        return f"-f -k -a {_quoted(' '.join(value.choices))}"
    if value.living:
        files = "-F" if value.path else "-f"
        marks = "+ -" if value.is_signed else "''"
        return f'{files} -k -a "(__mai_living {value.living} {marks})"'
    return {"": "", "file": "-F", "folder": "-f -a '(__fish_complete_directories)'"}[value.path]


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
