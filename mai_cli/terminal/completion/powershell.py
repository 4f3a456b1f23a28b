"""The completion script of PowerShell 7.

Its text is tested, but it was not run in a PowerShell, since none was at hand. What the program
answers is quoted as text, so that nothing in it is evaluated. Where nothing is offered, PowerShell
offers files by itself.
"""

from mai_cli.terminal.completion.tree import Command, Option, Value

_HEADER = r"""# Completion of mai for PowerShell 7. Written by: mai config completion powershell
#
# To install it, write it to a file, and add a line to your $PROFILE that reads it:
#   mai config completion powershell > "$HOME/mai.ps1"
#   Add-Content $PROFILE '. "$HOME/mai.ps1"'
# Commands, options and choices are known here; only for names and ids of yours mai is started.

Register-ArgumentCompleter -Native -CommandName mai -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    # For each command: those below it, its options (what they do, what their value is), and what
    # its arguments are. A value is 'words a b', 'living KIND', 'signed KIND', 'path' or 'text'.
    $tree = @{
"""

_ENGINE = r"""    }

    # The command before the cursor, and how many arguments follow it.
    $at = ''
    $count = 0
    $option = ''
    $plain = $false
    $before = $commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition }
    foreach ($element in $before) {
        $word = $element.Extent.Text
        $here = $tree[$at]
        if ($option) {
            $option = ''
        } elseif (-not $plain -and $word -eq '--') {
            $plain = $true
        } elseif (-not $plain -and $word.StartsWith('-')) {
            if ($here.Options[$word] -and $here.Options[$word].Value) { $option = $word }
        } elseif ($here.Commands.Contains($word)) {
            $at = "$at $word".Trim()
        } else {
            $count++
            if (-not $here.Mixed) { $plain = $true }
        }
    }

    # What may stand here, and what stands before it in the same word, as in --size=wide.
    $here = $tree[$at]
    $prefix = ''
    $value = 'text'
    $found = @()
    if ($option) {
        $value = $here.Options[$option].Value
    } elseif (-not $plain -and $wordToComplete -match '^(--[^=]+)=') {
        $prefix = $Matches[0]
        if ($here.Options[$Matches[1]]) { $value = $here.Options[$Matches[1]].Value }
    } elseif (-not $plain -and $wordToComplete.StartsWith('-')) {
        $found = $here.Options.Keys |
            ForEach-Object { @{ Text = $_; About = $here.Options[$_].About } }
    } elseif ($here.Commands.Count) {
        $found = $here.Commands.Keys |
            ForEach-Object { @{ Text = $_; About = $here.Commands[$_] } }
    } elseif ($here.Arguments.Count) {
        $value = $here.Arguments[[Math]::Min($count, $here.Arguments.Count - 1)]
        if ($count -ge $here.Arguments.Count -and -not $here.Repeats) { $value = 'text' }
    }

    $kind, $list = "$value" -split ' '
    $signs = if ($kind -eq 'signed') { '+', '-' } else { '' }
    if ($kind -eq 'words') {
        $found = $list | ForEach-Object { @{ Text = $_; About = $_ } }
    } elseif ($kind -eq 'living' -or $kind -eq 'signed') {
        $lines = @(mai --values $list 2>$null)
        $found = foreach ($sign in $signs) {
            foreach ($line in $lines) {
                $name, $about = $line -split "`t", 2
                @{ Text = "$sign$name"; About = $about }
            }
        }
    }

    foreach ($one in $found) {
        $text = $prefix + $one.Text
        if (-not $text.StartsWith($wordToComplete)) { continue }
        $quoted = $text
        if ($text -notmatch '^[\w./:+=-]+$') { $quoted = "'" + $text.Replace("'", "''") + "'" }
        $about = if ($one.About) { $one.About } else { $text }
        [System.Management.Automation.CompletionResult]::new(
            $quoted, $text, 'ParameterValue', $about)
    }
}
"""


def script(tree: Command) -> str:
    """The script for the program whose commands are ``tree``."""
    return _HEADER + "".join(map(_entry, tree.all())) + _ENGINE


def _entry(command: Command) -> str:
    """What is known of one command."""
    commands = [f"{_quoted(one.name)} = {_quoted(one.about)}" for one in command.commands]
    options = [line for option in command.options for line in _option(option)]
    arguments = ", ".join(_quoted(_value(one.value)) for one in command.arguments)
    repeats = any(one.is_repeatable for one in command.arguments)
    return (
        f"        {_quoted(' '.join(command.path))} = @{{\n"
        f"            Mixed = {_truth(is_so=command.is_mixed)}\n"
        f"            Commands = {_table(commands)}\n"
        f"            Options = {_table(options)}\n"
        f"            Arguments = @({arguments})\n"
        f"            Repeats = {_truth(is_so=repeats)}\n"
        "        }\n"
    )


def _table(rows: list[str]) -> str:
    if not rows:
        return "[ordered]@{}"
    lines = "".join(f"                {row}\n" for row in rows)
    return f"[ordered]@{{\n{lines}            }}"


def _option(option: Option) -> list[str]:
    value = _value(option.value) if option.value else ""
    facts = f"@{{ About = {_quoted(option.about)}; Value = {_quoted(value)} }}"
    return [f"{_quoted(name)} = {facts}" for name in option.names]


def _value(value: Value) -> str:
    if value.choices:
        return " ".join(("words", *value.choices))
    if value.living:
        return f"{'signed' if value.is_signed else 'living'} {value.living}"
    return "path" if value.path else "text"


def _truth(*, is_so: bool) -> str:
    return "$true" if is_so else "$false"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
