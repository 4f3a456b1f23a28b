# Completion of mai for bash 4 or newer. Written by: mai config completion bash
#
# To install it, where bash-completion is there (most systems):
#   mai config completion bash > ~/.local/share/bash-completion/completions/mai
# (make the folder if need be), else add to ~/.bashrc a line that sources such a file.
# Commands, options and choices are known here; only for names and ids of yours mai is started.

_mai_root() {
    commands='generate batch history config emulator' kind='' list='' mixed=yes
    options='--version --help -h'
    case $1 in
        generate | batch | history | config | emulator) kind=command ;;
    esac
}

_mai_root_generate() {
    commands='' kind='' list='' mixed=yes
    options='--prompt-file -f --var --image -i --count -n --size -s --background --web-grounding --param --output -o --overwrite --resize --fit --quality --max-kb --no-metadata --private --tag --deployment -d --model -m --timeout --profile -p --offline --max-cost --retry-lost --dry-run --preview --no-preview --open --json --quiet -q --verbose -v --no-color --help -h'
    case $1 in
        --prompt-file | -f | --image | -i | --output | -o) kind=file ;;
        --var | --count | -n | --param | --resize | --quality | --max-kb | --timeout | --max-cost) kind=text ;;
        --size | -s) kind=words list='square landscape portrait wide tall auto 1:1 3:2 2:3 16:9 9:16' ;;
        --background) kind=words list='transparent opaque' ;;
        --fit) kind=words list='cover contain stretch' ;;
        --tag) kind=living list=tags ;;
        --deployment | -d) kind=living list=deployments ;;
        --model | -m) kind=words list='MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' ;;
        --profile | -p) kind=living list=profiles ;;
        0) kind=text ;;
    esac
}

_mai_root_batch() {
    commands='' kind='' list='' mixed=yes
    options='--format --check --dry-run --only --force --adopt --prune --shard --allow-outside --no-metadata --private --junit --profile -p --concurrency -j --rpm --timeout --offline --max-cost --max-images --fail-fast --retry-lost --json --quiet -q --verbose -v --no-color --help -h'
    case $1 in
        --format) kind=words list='toml yaml json jsonl csv tsv txt' ;;
        --only | --shard | --concurrency | -j | --rpm | --timeout | --max-cost | --max-images) kind=text ;;
        --junit) kind=file ;;
        --profile | -p) kind=living list=profiles ;;
        0) kind=file ;;
        [0-9]*) kind=text ;;
    esac
}

_mai_root_history() {
    commands='list search show open preview stats rerun gallery export tag verify recover remove prune' kind='' list='' mixed=yes
    options='--help -h'
    case $1 in
        list | search | show | open | preview | stats | rerun | gallery | export | tag | verify | recover | remove | prune) kind=command ;;
    esac
}

_mai_root_history_list() {
    commands='' kind='' list='' mixed=yes
    options='--number -n --all --since --until --status --model --tag --batch --search --json --help -h'
    case $1 in
        --number | -n | --since | --until | --batch | --search) kind=text ;;
        --status) kind=words list='ok refused failed unknown sent removed' ;;
        --model) kind=words list='MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' ;;
        --tag) kind=living list=tags ;;
    esac
}

_mai_root_history_search() {
    commands='' kind='' list='' mixed=yes
    options='--number -n --all --since --until --status --model --tag --batch --json --help -h'
    case $1 in
        --number | -n | --since | --until | --batch) kind=text ;;
        --status) kind=words list='ok refused failed unknown sent removed' ;;
        --model) kind=words list='MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' ;;
        --tag) kind=living list=tags ;;
        0) kind=text ;;
    esac
}

_mai_root_history_show() {
    commands='' kind='' list='' mixed=yes
    options='--json --help -h'
    case $1 in
        [0-9]*) kind=living-or-file list=ids ;;
    esac
}

_mai_root_history_open() {
    commands='' kind='' list='' mixed=yes
    options='--json --help -h'
    case $1 in
        [0-9]*) kind=living-or-file list=ids ;;
    esac
}

_mai_root_history_preview() {
    commands='' kind='' list='' mixed=yes
    options='--help -h'
    case $1 in
        [0-9]*) kind=living-or-file list=ids ;;
    esac
}

_mai_root_history_stats() {
    commands='' kind='' list='' mixed=yes
    options='--by --since --until --status --model --tag --batch --search --json --help -h'
    case $1 in
        --by) kind=words list='day month model profile tag' ;;
        --since | --until | --batch | --search) kind=text ;;
        --status) kind=words list='ok refused failed unknown sent removed' ;;
        --model) kind=words list='MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' ;;
        --tag) kind=living list=tags ;;
    esac
}

_mai_root_history_rerun() {
    commands='' kind='' list='' mixed=yes
    options='--prompt-file -f --var --image -i --count -n --size -s --background --web-grounding --param --output -o --overwrite --resize --fit --quality --max-kb --no-metadata --private --tag --deployment -d --model -m --timeout --profile -p --offline --max-cost --retry-lost --dry-run --preview --no-preview --open --json --quiet -q --verbose -v --no-color --help -h'
    case $1 in
        --prompt-file | -f | --image | -i | --output | -o) kind=file ;;
        --var | --count | -n | --param | --resize | --quality | --max-kb | --timeout | --max-cost) kind=text ;;
        --size | -s) kind=words list='square landscape portrait wide tall auto 1:1 3:2 2:3 16:9 9:16' ;;
        --background) kind=words list='transparent opaque' ;;
        --fit) kind=words list='cover contain stretch' ;;
        --tag) kind=living list=tags ;;
        --deployment | -d) kind=living list=deployments ;;
        --model | -m) kind=words list='MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' ;;
        --profile | -p) kind=living list=profiles ;;
        0) kind=living-or-file list=ids ;;
        1) kind=text ;;
    esac
}

_mai_root_history_gallery() {
    commands='' kind='' list='' mixed=yes
    options='--output -o --open --since --until --status --model --tag --batch --search --json --help -h'
    case $1 in
        --output | -o) kind=folder ;;
        --since | --until | --batch | --search) kind=text ;;
        --status) kind=words list='ok refused failed unknown sent removed' ;;
        --model) kind=words list='MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' ;;
        --tag) kind=living list=tags ;;
    esac
}

_mai_root_history_export() {
    commands='' kind='' list='' mixed=yes
    options='--format --output -o --to --sheet --overwrite --resize --fit --quality --max-kb --no-metadata --since --until --status --model --tag --batch --search --json --help -h'
    case $1 in
        --format) kind=words list='json jsonl csv png jpg webp avif' ;;
        --output | -o | --sheet) kind=file ;;
        --to) kind=folder ;;
        --resize | --quality | --max-kb | --since | --until | --batch | --search) kind=text ;;
        --fit) kind=words list='cover contain stretch' ;;
        --status) kind=words list='ok refused failed unknown sent removed' ;;
        --model) kind=words list='MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' ;;
        --tag) kind=living list=tags ;;
        [0-9]*) kind=living-or-file list=ids ;;
    esac
}

_mai_root_history_tag() {
    commands='' kind='' list='' mixed=
    options='--json --help -h'
    case $1 in
        0) kind=living-or-file list=ids ;;
        [0-9]*) kind=signed list=tags ;;
    esac
}

_mai_root_history_verify() {
    commands='' kind='' list='' mixed=yes
    options='--json --help -h'
}

_mai_root_history_recover() {
    commands='' kind='' list='' mixed=yes
    options='--forget --dry-run --json --help -h'
    case $1 in
        [0-9]*) kind=living-or-file list=ids ;;
    esac
}

_mai_root_history_remove() {
    commands='' kind='' list='' mixed=yes
    options='--dry-run --yes -y --json --help -h'
    case $1 in
        [0-9]*) kind=living-or-file list=ids ;;
    esac
}

_mai_root_history_prune() {
    commands='' kind='' list='' mixed=yes
    options='--older-than --keep --dry-run --yes -y --json --help -h'
    case $1 in
        --older-than | --keep) kind=text ;;
    esac
}

_mai_root_config() {
    commands='init list get set unset path edit profiles check schema completion man' kind='' list='' mixed=yes
    options='--help -h'
    case $1 in
        init | list | get | set | unset | path | edit | profiles | check | schema | completion | man) kind=command ;;
    esac
}

_mai_root_config_init() {
    commands='' kind='' list='' mixed=yes
    options='--endpoint --deployment -d --model -m --auth --api-key --test --no-test --no-input --overwrite --profile -p --json --verbose -v --no-color --help -h'
    case $1 in
        --endpoint | --api-key) kind=text ;;
        --deployment | -d) kind=living list=deployments ;;
        --model | -m) kind=words list='MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' ;;
        --auth) kind=words list='auto key entra' ;;
        --profile | -p) kind=living list=profiles ;;
    esac
}

_mai_root_config_list() {
    commands='' kind='' list='' mixed=yes
    options='--profile -p --json --help -h'
    case $1 in
        --profile | -p) kind=living list=profiles ;;
    esac
}

_mai_root_config_get() {
    commands='' kind='' list='' mixed=yes
    options='--profile -p --json --help -h'
    case $1 in
        --profile | -p) kind=living list=profiles ;;
        0) kind=words list='endpoint api_key auth scope deployment model size rpm concurrency max_cost max_cost_per_day timeout preview metadata private gallery history filename' ;;
    esac
}

_mai_root_config_set() {
    commands='' kind='' list='' mixed=yes
    options='--profile -p --quiet -q --help -h'
    case $1 in
        --profile | -p) kind=living list=profiles ;;
        0) kind=words list='endpoint api_key auth scope deployment model size rpm concurrency max_cost max_cost_per_day timeout preview metadata private gallery history filename' ;;
        1) kind=text ;;
    esac
}

_mai_root_config_unset() {
    commands='' kind='' list='' mixed=yes
    options='--profile -p --quiet -q --help -h'
    case $1 in
        --profile | -p) kind=living list=profiles ;;
        0) kind=words list='endpoint api_key auth scope deployment model size rpm concurrency max_cost max_cost_per_day timeout preview metadata private gallery history filename' ;;
    esac
}

_mai_root_config_path() {
    commands='' kind='' list='' mixed=yes
    options='--json --help -h'
}

_mai_root_config_edit() {
    commands='' kind='' list='' mixed=yes
    options='--quiet -q --help -h'
}

_mai_root_config_profiles() {
    commands='' kind='' list='' mixed=yes
    options='--json --help -h'
}

_mai_root_config_check() {
    commands='' kind='' list='' mixed=yes
    options='--profile -p --json --verbose -v --no-color --help -h'
    case $1 in
        --profile | -p) kind=living list=profiles ;;
    esac
}

_mai_root_config_schema() {
    commands='' kind='' list='' mixed=yes
    options='--help -h'
    case $1 in
        0) kind=text ;;
    esac
}

_mai_root_config_completion() {
    commands='' kind='' list='' mixed=yes
    options='--help -h'
    case $1 in
        0) kind=words list='bash zsh fish powershell' ;;
    esac
}

_mai_root_config_man() {
    commands='' kind='' list='' mixed=yes
    options='--help -h'
}

_mai_root_emulator() {
    commands='' kind='' list='' mixed=yes
    options='--port --latency --rpm --fail --seed --help -h'
    case $1 in
        --port | --latency | --rpm | --fail | --seed) kind=text ;;
    esac
}

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
