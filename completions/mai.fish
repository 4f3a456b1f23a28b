# Completion of mai for fish. Written by: mai config completion fish
#
# To install it:
#   mai config completion fish > ~/.config/fish/completions/mai.fish
# Commands, options and choices are known here; only for names and ids of yours mai is started.

# Whether $argv[1] is a command there.
function __mai_has
    switch "$__mai_path"
        case ''
            contains -- $argv[1] generate batch history config emulator
        case 'history'
            contains -- $argv[1] list search show open preview stats rerun gallery export tag verify recover remove prune
        case 'config'
            contains -- $argv[1] init list get set unset path edit profiles check schema completion man
        case '*'
            false
    end
end

# Whether the option $argv[1] has a value there.
function __mai_takes_value
    switch "$__mai_path"
        case 'generate'
            contains -- $argv[1] --prompt-file -f --var --image -i --count -n --size -s --background --param --output -o --resize --fit --quality --max-kb --tag --deployment -d --model -m --timeout --profile -p --max-cost
        case 'batch'
            contains -- $argv[1] --format --only --shard --junit --profile -p --concurrency -j --rpm --timeout --max-cost --max-images
        case 'history list'
            contains -- $argv[1] --number -n --since --until --status --model --tag --batch --search
        case 'history search'
            contains -- $argv[1] --number -n --since --until --status --model --tag --batch
        case 'history stats'
            contains -- $argv[1] --by --since --until --status --model --tag --batch --search
        case 'history rerun'
            contains -- $argv[1] --prompt-file -f --var --image -i --count -n --size -s --background --param --output -o --resize --fit --quality --max-kb --tag --deployment -d --model -m --timeout --profile -p --max-cost
        case 'history gallery'
            contains -- $argv[1] --output -o --since --until --status --model --tag --batch --search
        case 'history export'
            contains -- $argv[1] --format --output -o --to --sheet --resize --fit --quality --max-kb --since --until --status --model --tag --batch --search
        case 'history prune'
            contains -- $argv[1] --older-than --keep
        case 'config init'
            contains -- $argv[1] --endpoint --deployment -d --model -m --auth --api-key --profile -p
        case 'config list'
            contains -- $argv[1] --profile -p
        case 'config get'
            contains -- $argv[1] --profile -p
        case 'config set'
            contains -- $argv[1] --profile -p
        case 'config unset'
            contains -- $argv[1] --profile -p
        case 'config check'
            contains -- $argv[1] --profile -p
        case 'emulator'
            contains -- $argv[1] --port --latency --rpm --fail --seed
        case '*'
            false
    end
end

# Whether no option follows an argument there.
function __mai_is_plain
    switch "$__mai_path"
        case 'history tag'
            true
        case '*'
            false
    end
end

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

complete -c mai -n '__mai_at \'\'' -a generate -d 'Make pictures from a prompt'
complete -c mai -n '__mai_at \'\'' -a batch -d 'Make the pictures of a manifest that are not up to date'
complete -c mai -n '__mai_at \'\'' -a history -d 'What was made, and from what'
complete -c mai -n '__mai_at \'\'' -a config -d 'Settings, signing in, and a doctor'
complete -c mai -n '__mai_at \'\'' -a emulator -d 'Serve the MAI image API on this machine, to try things out'
complete -c mai -n '__mai_at \'\'' -l version -d 'Show the version'
complete -c mai -n '__mai_at \'\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'generate\'' -l prompt-file -s f -r -F -d 'Read the prompt from a file (\'-\': standard input)'
complete -c mai -n '__mai_at \'generate\'' -l var -r -f -d 'Fill ${NAME} in the prompt: --var season=winter'
complete -c mai -n '__mai_at \'generate\'' -l image -s i -r -F -d 'A reference picture to edit or start from'
complete -c mai -n '__mai_at \'generate\'' -l count -s n -r -f -d 'N pictures'
complete -c mai -n '__mai_at \'generate\'' -l size -s s -r -f -k -a 'square landscape portrait wide tall auto 1:1 3:2 2:3 16:9 9:16' -d '1280x832; a ratio such as 16:9; square, landscape, portrait, wide, tall; or auto, where the model offers it'
complete -c mai -n '__mai_at \'generate\'' -l background -r -f -k -a 'transparent opaque' -d 'For models that offer it'
complete -c mai -n '__mai_at \'generate\'' -l web-grounding -d 'Let the model look things up; slower'
complete -c mai -n '__mai_at \'generate\'' -l param -r -f -d 'Any other field of the API, as JSON where it is JSON: --param style=vivid'
complete -c mai -n '__mai_at \'generate\'' -l output -s o -r -F -d 'An export: a .png, .webp, .jpg or .avif file, a folder, or \'-\' for the picture itself on stdout'
complete -c mai -n '__mai_at \'generate\'' -l overwrite -d 'Replace an existing output'
complete -c mai -n '__mai_at \'generate\'' -l resize -r -f -d 'Size of the outputs in pixels: 800x600, or 800x or x600 to keep the shape'
complete -c mai -n '__mai_at \'generate\'' -l fit -r -f -k -a 'cover contain stretch' -d 'Into WxH: cut off what is too much (cover), stay smaller on one side (contain), or distort (stretch)'
complete -c mai -n '__mai_at \'generate\'' -l quality -r -f -d 'Of lossy outputs'
complete -c mai -n '__mai_at \'generate\'' -l max-kb -r -f -d 'The best quality that fits into N kB (1000 bytes each), up to --quality'
complete -c mai -n '__mai_at \'generate\'' -l no-metadata -d 'Outputs say nothing of prompt, model, id and time, nor that they are AI\'s'
complete -c mai -n '__mai_at \'generate\'' -l private -d 'Write the prompt into no file: no history, no metadata, no file name'
complete -c mai -n '__mai_at \'generate\'' -l tag -r -f -k -a "(__mai_living tags '')" -d 'For the history'
complete -c mai -n '__mai_at \'generate\'' -l deployment -s d -r -f -k -a "(__mai_living deployments '')" -d 'The deployment to call (MAI_DEPLOYMENT)'
complete -c mai -n '__mai_at \'generate\'' -l model -s m -r -f -k -a 'MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' -d 'The model behind the deployment, where its name does not tell (MAI_MODEL): -m MAI-Image-2.6'
complete -c mai -n '__mai_at \'generate\'' -l timeout -r -f -d 'How long to wait for one picture'
complete -c mai -n '__mai_at \'generate\'' -l profile -s p -r -f -k -a "(__mai_living profiles '')" -d 'A named profile of the configuration (MAI_PROFILE)'
complete -c mai -n '__mai_at \'generate\'' -l offline -d 'Draw placeholders on this machine, free, instead of calling Foundry (MAI_OFFLINE=1)'
complete -c mai -n '__mai_at \'generate\'' -l max-cost -r -f -d 'Send nothing that could make this run cost more: --max-cost 2.50'
complete -c mai -n '__mai_at \'generate\'' -l retry-lost -d 'Ask again after a lost answer, although it may bill twice'
complete -c mai -n '__mai_at \'generate\'' -l dry-run -d 'Show what would be sent and about what it would cost; send nothing'
complete -c mai -n '__mai_at \'generate\'' -l preview -l no-preview -d 'Show the pictures in the terminal'
complete -c mai -n '__mai_at \'generate\'' -l open -d 'Open each picture in the system\'s viewer'
complete -c mai -n '__mai_at \'generate\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'generate\'' -l quiet -s q -d 'Only errors on stderr'
complete -c mai -n '__mai_at \'generate\'' -l verbose -s v -d 'Say each request on stderr; never a key'
complete -c mai -n '__mai_at \'generate\'' -l no-color -d 'No colours (also NO_COLOR, TERM=dumb)'
complete -c mai -n '__mai_at \'generate\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'batch\'' -l format -r -f -k -a 'toml yaml json jsonl csv tsv txt' -d 'Of the manifest, where its ending does not tell'
complete -c mai -n '__mai_at \'batch\'' -l check -d 'Draw and write nothing; exit with 10 unless everything is up to date'
complete -c mai -n '__mai_at \'batch\'' -l dry-run -d 'Show what would be done, about what it would cost and take; do nothing'
complete -c mai -n '__mai_at \'batch\'' -l only -r -f -d 'Only assets of such a name: hero, \'season-*\''
complete -c mai -n '__mai_at \'batch\'' -l force -d 'Draw again, and pay again, whatever is up to date: --force hero \'season-*\''
complete -c mai -n '__mai_at \'batch\'' -l adopt -d 'Take files that are there into the lock as they are; draw nothing'
complete -c mai -n '__mai_at \'batch\'' -l prune -d 'Remove the files of assets that left the manifest, unless they were modified'
complete -c mai -n '__mai_at \'batch\'' -l shard -r -f -d 'Only the I-th of N parts, for jobs that run side by side: --shard 2/3'
complete -c mai -n '__mai_at \'batch\'' -l allow-outside -d 'Let outputs go outside of the manifest\'s folder'
complete -c mai -n '__mai_at \'batch\'' -l no-metadata -d 'Outputs say nothing of prompt, model, id and time, nor that they are AI\'s'
complete -c mai -n '__mai_at \'batch\'' -l private -d 'Write the prompt into no file: no history, no metadata, no file name'
complete -c mai -n '__mai_at \'batch\'' -l junit -r -F -d 'Write a report as JUnit XML'
complete -c mai -n '__mai_at \'batch\'' -l profile -s p -r -f -k -a "(__mai_living profiles '')" -d 'A named profile of the configuration (MAI_PROFILE)'
complete -c mai -n '__mai_at \'batch\'' -l concurrency -s j -r -f -d 'At most so many pictures at once'
complete -c mai -n '__mai_at \'batch\'' -l rpm -r -f -d 'The quota of the deployment, in requests a minute'
complete -c mai -n '__mai_at \'batch\'' -l timeout -r -f -d 'How long to wait for one picture'
complete -c mai -n '__mai_at \'batch\'' -l offline -d 'Draw placeholders on this machine, free, instead of calling Foundry (MAI_OFFLINE=1)'
complete -c mai -n '__mai_at \'batch\'' -l max-cost -r -f -d 'Send nothing that could make this run cost more: --max-cost 2.50'
complete -c mai -n '__mai_at \'batch\'' -l max-images -r -f -d 'Ask for no more than N'
complete -c mai -n '__mai_at \'batch\'' -l fail-fast -d 'Stop at the first failure; else every asset gets its chance'
complete -c mai -n '__mai_at \'batch\'' -l retry-lost -d 'Ask again after a lost answer, although it may bill twice'
complete -c mai -n '__mai_at \'batch\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'batch\'' -l quiet -s q -d 'Only errors on stderr'
complete -c mai -n '__mai_at \'batch\'' -l verbose -s v -d 'Say each request on stderr; never a key'
complete -c mai -n '__mai_at \'batch\'' -l no-color -d 'No colours (also NO_COLOR, TERM=dumb)'
complete -c mai -n '__mai_at \'batch\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_at \'batch\' 0; and __mai_no_option' -F

complete -c mai -n '__mai_at \'history\'' -a list -d 'List records, the newest first'
complete -c mai -n '__mai_at \'history\'' -a search -d 'Find records by words of their prompt, the newest first'
complete -c mai -n '__mai_at \'history\'' -a show -d 'Show records in full'
complete -c mai -n '__mai_at \'history\'' -a open -d 'Open pictures in the system\'s viewer'
complete -c mai -n '__mai_at \'history\'' -a preview -d 'Show pictures in the terminal'
complete -c mai -n '__mai_at \'history\'' -a stats -d 'Add up pictures, cost, refusals and time'
complete -c mai -n '__mai_at \'history\'' -a rerun -d 'Make the picture of a record again, with changes'
complete -c mai -n '__mai_at \'history\'' -a gallery -d 'Make a web page of the pictures'
complete -c mai -n '__mai_at \'history\'' -a export -d 'Hand records or pictures to others'
complete -c mai -n '__mai_at \'history\'' -a tag -d 'Add tags to a record, or take them off'
complete -c mai -n '__mai_at \'history\'' -a verify -d 'See that every picture is there as it was'
complete -c mai -n '__mai_at \'history\'' -a recover -d 'Look into requests that were never answered'
complete -c mai -n '__mai_at \'history\'' -a remove -d 'Remove pictures from the gallery'
complete -c mai -n '__mai_at \'history\'' -a prune -d 'Remove old pictures, and their records with them'
complete -c mai -n '__mai_at \'history\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'history list\'' -l number -s n -r -f -d 'At most so many records'
complete -c mai -n '__mai_at \'history list\'' -l all -d 'Every record, not only the newest'
complete -c mai -n '__mai_at \'history list\'' -l since -r -f -d 'From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h'
complete -c mai -n '__mai_at \'history list\'' -l until -r -f -d 'Up to then; a day or month to its end'
complete -c mai -n '__mai_at \'history list\'' -l status -r -f -k -a 'ok refused failed unknown sent removed' -d 'What became of it'
complete -c mai -n '__mai_at \'history list\'' -l model -r -f -k -a 'MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' -d 'Of such a model or deployment, or a part of its name'
complete -c mai -n '__mai_at \'history list\'' -l tag -r -f -k -a "(__mai_living tags '')" -d 'With that tag'
complete -c mai -n '__mai_at \'history list\'' -l batch -r -f -d 'Of that manifest, by its name or path, or of that asset'
complete -c mai -n '__mai_at \'history list\'' -l search -r -f -d 'With all these words in the prompt'
complete -c mai -n '__mai_at \'history list\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history list\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'history search\'' -l number -s n -r -f -d 'At most so many records'
complete -c mai -n '__mai_at \'history search\'' -l all -d 'Every record, not only the newest'
complete -c mai -n '__mai_at \'history search\'' -l since -r -f -d 'From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h'
complete -c mai -n '__mai_at \'history search\'' -l until -r -f -d 'Up to then; a day or month to its end'
complete -c mai -n '__mai_at \'history search\'' -l status -r -f -k -a 'ok refused failed unknown sent removed' -d 'What became of it'
complete -c mai -n '__mai_at \'history search\'' -l model -r -f -k -a 'MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' -d 'Of such a model or deployment, or a part of its name'
complete -c mai -n '__mai_at \'history search\'' -l tag -r -f -k -a "(__mai_living tags '')" -d 'With that tag'
complete -c mai -n '__mai_at \'history search\'' -l batch -r -f -d 'Of that manifest, by its name or path, or of that asset'
complete -c mai -n '__mai_at \'history search\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history search\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'history show\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history show\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_from \'history show\' 0; and __mai_no_option' -F -k -a "(__mai_living ids '')"

complete -c mai -n '__mai_at \'history open\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history open\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_from \'history open\' 0; and __mai_no_option' -F -k -a "(__mai_living ids '')"

complete -c mai -n '__mai_at \'history preview\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_from \'history preview\' 0; and __mai_no_option' -F -k -a "(__mai_living ids '')"

complete -c mai -n '__mai_at \'history stats\'' -l by -r -f -k -a 'day month model profile tag' -d 'What the groups are'
complete -c mai -n '__mai_at \'history stats\'' -l since -r -f -d 'From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h'
complete -c mai -n '__mai_at \'history stats\'' -l until -r -f -d 'Up to then; a day or month to its end'
complete -c mai -n '__mai_at \'history stats\'' -l status -r -f -k -a 'ok refused failed unknown sent removed' -d 'What became of it'
complete -c mai -n '__mai_at \'history stats\'' -l model -r -f -k -a 'MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' -d 'Of such a model or deployment, or a part of its name'
complete -c mai -n '__mai_at \'history stats\'' -l tag -r -f -k -a "(__mai_living tags '')" -d 'With that tag'
complete -c mai -n '__mai_at \'history stats\'' -l batch -r -f -d 'Of that manifest, by its name or path, or of that asset'
complete -c mai -n '__mai_at \'history stats\'' -l search -r -f -d 'With all these words in the prompt'
complete -c mai -n '__mai_at \'history stats\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history stats\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'history rerun\'' -l prompt-file -s f -r -F -d 'Read the prompt from a file (\'-\': standard input)'
complete -c mai -n '__mai_at \'history rerun\'' -l var -r -f -d 'Fill ${NAME} in the prompt: --var season=winter'
complete -c mai -n '__mai_at \'history rerun\'' -l image -s i -r -F -d 'A reference picture to edit or start from'
complete -c mai -n '__mai_at \'history rerun\'' -l count -s n -r -f -d 'N pictures'
complete -c mai -n '__mai_at \'history rerun\'' -l size -s s -r -f -k -a 'square landscape portrait wide tall auto 1:1 3:2 2:3 16:9 9:16' -d '1280x832; a ratio such as 16:9; square, landscape, portrait, wide, tall; or auto, where the model offers it'
complete -c mai -n '__mai_at \'history rerun\'' -l background -r -f -k -a 'transparent opaque' -d 'For models that offer it'
complete -c mai -n '__mai_at \'history rerun\'' -l web-grounding -d 'Let the model look things up; slower'
complete -c mai -n '__mai_at \'history rerun\'' -l param -r -f -d 'Any other field of the API, as JSON where it is JSON: --param style=vivid'
complete -c mai -n '__mai_at \'history rerun\'' -l output -s o -r -F -d 'An export: a .png, .webp, .jpg or .avif file, a folder, or \'-\' for the picture itself on stdout'
complete -c mai -n '__mai_at \'history rerun\'' -l overwrite -d 'Replace an existing output'
complete -c mai -n '__mai_at \'history rerun\'' -l resize -r -f -d 'Size of the outputs in pixels: 800x600, or 800x or x600 to keep the shape'
complete -c mai -n '__mai_at \'history rerun\'' -l fit -r -f -k -a 'cover contain stretch' -d 'Into WxH: cut off what is too much (cover), stay smaller on one side (contain), or distort (stretch)'
complete -c mai -n '__mai_at \'history rerun\'' -l quality -r -f -d 'Of lossy outputs'
complete -c mai -n '__mai_at \'history rerun\'' -l max-kb -r -f -d 'The best quality that fits into N kB (1000 bytes each), up to --quality'
complete -c mai -n '__mai_at \'history rerun\'' -l no-metadata -d 'Outputs say nothing of prompt, model, id and time, nor that they are AI\'s'
complete -c mai -n '__mai_at \'history rerun\'' -l private -d 'Write the prompt into no file: no history, no metadata, no file name'
complete -c mai -n '__mai_at \'history rerun\'' -l tag -r -f -k -a "(__mai_living tags '')" -d 'For the history'
complete -c mai -n '__mai_at \'history rerun\'' -l deployment -s d -r -f -k -a "(__mai_living deployments '')" -d 'The deployment to call (MAI_DEPLOYMENT)'
complete -c mai -n '__mai_at \'history rerun\'' -l model -s m -r -f -k -a 'MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' -d 'The model behind the deployment, where its name does not tell (MAI_MODEL): -m MAI-Image-2.6'
complete -c mai -n '__mai_at \'history rerun\'' -l timeout -r -f -d 'How long to wait for one picture'
complete -c mai -n '__mai_at \'history rerun\'' -l profile -s p -r -f -k -a "(__mai_living profiles '')" -d 'A named profile of the configuration (MAI_PROFILE)'
complete -c mai -n '__mai_at \'history rerun\'' -l offline -d 'Draw placeholders on this machine, free, instead of calling Foundry (MAI_OFFLINE=1)'
complete -c mai -n '__mai_at \'history rerun\'' -l max-cost -r -f -d 'Send nothing that could make this run cost more: --max-cost 2.50'
complete -c mai -n '__mai_at \'history rerun\'' -l retry-lost -d 'Ask again after a lost answer, although it may bill twice'
complete -c mai -n '__mai_at \'history rerun\'' -l dry-run -d 'Show what would be sent and about what it would cost; send nothing'
complete -c mai -n '__mai_at \'history rerun\'' -l preview -l no-preview -d 'Show the pictures in the terminal'
complete -c mai -n '__mai_at \'history rerun\'' -l open -d 'Open each picture in the system\'s viewer'
complete -c mai -n '__mai_at \'history rerun\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history rerun\'' -l quiet -s q -d 'Only errors on stderr'
complete -c mai -n '__mai_at \'history rerun\'' -l verbose -s v -d 'Say each request on stderr; never a key'
complete -c mai -n '__mai_at \'history rerun\'' -l no-color -d 'No colours (also NO_COLOR, TERM=dumb)'
complete -c mai -n '__mai_at \'history rerun\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_at \'history rerun\' 0; and __mai_no_option' -F -k -a "(__mai_living ids '')"

complete -c mai -n '__mai_at \'history gallery\'' -l output -s o -r -f -a '(__fish_complete_directories)' -d 'A folder of its own, with copies of the pictures'
complete -c mai -n '__mai_at \'history gallery\'' -l open -d 'Open it in the browser'
complete -c mai -n '__mai_at \'history gallery\'' -l since -r -f -d 'From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h'
complete -c mai -n '__mai_at \'history gallery\'' -l until -r -f -d 'Up to then; a day or month to its end'
complete -c mai -n '__mai_at \'history gallery\'' -l status -r -f -k -a 'ok refused failed unknown sent removed' -d 'What became of it'
complete -c mai -n '__mai_at \'history gallery\'' -l model -r -f -k -a 'MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' -d 'Of such a model or deployment, or a part of its name'
complete -c mai -n '__mai_at \'history gallery\'' -l tag -r -f -k -a "(__mai_living tags '')" -d 'With that tag'
complete -c mai -n '__mai_at \'history gallery\'' -l batch -r -f -d 'Of that manifest, by its name or path, or of that asset'
complete -c mai -n '__mai_at \'history gallery\'' -l search -r -f -d 'With all these words in the prompt'
complete -c mai -n '__mai_at \'history gallery\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history gallery\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'history export\'' -l format -r -f -k -a 'json jsonl csv png jpg webp avif' -d 'Of records: json, jsonl or csv'
complete -c mai -n '__mai_at \'history export\'' -l output -s o -r -F -d 'Where the records go, else to stdout'
complete -c mai -n '__mai_at \'history export\'' -l to -r -f -a '(__fish_complete_directories)' -d 'Copy the pictures there, converted where that is asked for'
complete -c mai -n '__mai_at \'history export\'' -l sheet -r -F -d 'Put the pictures on one, with captions'
complete -c mai -n '__mai_at \'history export\'' -l overwrite -d 'Replace an existing output'
complete -c mai -n '__mai_at \'history export\'' -l resize -r -f -d 'Size of the outputs in pixels: 800x600, or 800x or x600 to keep the shape'
complete -c mai -n '__mai_at \'history export\'' -l fit -r -f -k -a 'cover contain stretch' -d 'Into WxH: cut off what is too much (cover), stay smaller on one side (contain), or distort (stretch)'
complete -c mai -n '__mai_at \'history export\'' -l quality -r -f -d 'Of lossy outputs'
complete -c mai -n '__mai_at \'history export\'' -l max-kb -r -f -d 'The best quality that fits into N kB (1000 bytes each), up to --quality'
complete -c mai -n '__mai_at \'history export\'' -l no-metadata -d 'Outputs say nothing of prompt, model, id and time, nor that they are AI\'s'
complete -c mai -n '__mai_at \'history export\'' -l since -r -f -d 'From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h'
complete -c mai -n '__mai_at \'history export\'' -l until -r -f -d 'Up to then; a day or month to its end'
complete -c mai -n '__mai_at \'history export\'' -l status -r -f -k -a 'ok refused failed unknown sent removed' -d 'What became of it'
complete -c mai -n '__mai_at \'history export\'' -l model -r -f -k -a 'MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' -d 'Of such a model or deployment, or a part of its name'
complete -c mai -n '__mai_at \'history export\'' -l tag -r -f -k -a "(__mai_living tags '')" -d 'With that tag'
complete -c mai -n '__mai_at \'history export\'' -l batch -r -f -d 'Of that manifest, by its name or path, or of that asset'
complete -c mai -n '__mai_at \'history export\'' -l search -r -f -d 'With all these words in the prompt'
complete -c mai -n '__mai_at \'history export\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history export\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_from \'history export\' 0; and __mai_no_option' -F -k -a "(__mai_living ids '')"

complete -c mai -n '__mai_at \'history tag\' 0' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history tag\' 0' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_at \'history tag\' 0; and __mai_no_option' -F -k -a "(__mai_living ids '')"
complete -c mai -n '__mai_from \'history tag\' 1' -f -k -a "(__mai_living tags + -)"

complete -c mai -n '__mai_at \'history verify\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history verify\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'history recover\'' -l forget -d 'Settle what no picture is found of'
complete -c mai -n '__mai_at \'history recover\'' -l dry-run -d 'Show what would be done; do nothing'
complete -c mai -n '__mai_at \'history recover\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history recover\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_from \'history recover\' 0; and __mai_no_option' -F -k -a "(__mai_living ids '')"

complete -c mai -n '__mai_at \'history remove\'' -l dry-run -d 'Show what would be done; do nothing'
complete -c mai -n '__mai_at \'history remove\'' -l yes -s y -d 'Do not ask'
complete -c mai -n '__mai_at \'history remove\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history remove\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_from \'history remove\' 0; and __mai_no_option' -F -k -a "(__mai_living ids '')"

complete -c mai -n '__mai_at \'history prune\'' -l older-than -r -f -d 'Sent before: 90d, 2026-01'
complete -c mai -n '__mai_at \'history prune\'' -l keep -r -f -d 'All but the newest N'
complete -c mai -n '__mai_at \'history prune\'' -l dry-run -d 'Show what would be done; do nothing'
complete -c mai -n '__mai_at \'history prune\'' -l yes -s y -d 'Do not ask'
complete -c mai -n '__mai_at \'history prune\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'history prune\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'config\'' -a init -d 'Set up endpoint, deployment and sign-in'
complete -c mai -n '__mai_at \'config\'' -a list -d 'Show every setting, its value and its origin'
complete -c mai -n '__mai_at \'config\'' -a get -d 'Print the value of one setting'
complete -c mai -n '__mai_at \'config\'' -a set -d 'Change a setting in your file, or store the key'
complete -c mai -n '__mai_at \'config\'' -a unset -d 'Remove a setting from your file, or forget the key'
complete -c mai -n '__mai_at \'config\'' -a path -d 'Print the path of your file; with --json of all'
complete -c mai -n '__mai_at \'config\'' -a edit -d 'Open your file in your editor, then check it'
complete -c mai -n '__mai_at \'config\'' -a profiles -d 'List the profiles; \'*\' marks the one in use'
complete -c mai -n '__mai_at \'config\'' -a check -d 'Find out what is wrong, from settings to disk. Free'
complete -c mai -n '__mai_at \'config\'' -a schema -d 'Print a JSON Schema; without NAME what there is'
complete -c mai -n '__mai_at \'config\'' -a completion -d 'Print the completion script of a shell'
complete -c mai -n '__mai_at \'config\'' -a man -d 'Print the manual page'
complete -c mai -n '__mai_at \'config\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'config init\'' -l endpoint -r -f -d 'The resource: any address of it that you see'
complete -c mai -n '__mai_at \'config init\'' -l deployment -s d -r -f -k -a "(__mai_living deployments '')" -d 'The deployment to call'
complete -c mai -n '__mai_at \'config init\'' -l model -s m -r -f -k -a 'MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' -d 'The model behind it, where its name does not tell'
complete -c mai -n '__mai_at \'config init\'' -l auth -r -f -k -a 'auto key entra' -d 'How to sign in; auto: with a key if there is one'
complete -c mai -n '__mai_at \'config init\'' -l api-key -r -f -d '\'-\' reads the key from standard input'
complete -c mai -n '__mai_at \'config init\'' -l test -l no-test -d 'Test the answers before they are written; free'
complete -c mai -n '__mai_at \'config init\'' -l no-input -d 'Ask nothing; what is missing is an error'
complete -c mai -n '__mai_at \'config init\'' -l overwrite -d 'Replace settings that the file has'
complete -c mai -n '__mai_at \'config init\'' -l profile -s p -r -f -k -a "(__mai_living profiles '')" -d 'A named profile of the configuration (MAI_PROFILE)'
complete -c mai -n '__mai_at \'config init\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'config init\'' -l verbose -s v -d 'Say each request on stderr; never a key'
complete -c mai -n '__mai_at \'config init\'' -l no-color -d 'No colours (also NO_COLOR, TERM=dumb)'
complete -c mai -n '__mai_at \'config init\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'config list\'' -l profile -s p -r -f -k -a "(__mai_living profiles '')" -d 'A named profile of the configuration (MAI_PROFILE)'
complete -c mai -n '__mai_at \'config list\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'config list\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'config get\'' -l profile -s p -r -f -k -a "(__mai_living profiles '')" -d 'A named profile of the configuration (MAI_PROFILE)'
complete -c mai -n '__mai_at \'config get\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'config get\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_at \'config get\' 0; and __mai_no_option' -f -k -a 'endpoint api_key auth scope deployment model size rpm concurrency max_cost max_cost_per_day timeout preview metadata private gallery history filename'

complete -c mai -n '__mai_at \'config set\'' -l profile -s p -r -f -k -a "(__mai_living profiles '')" -d 'A named profile of the configuration (MAI_PROFILE)'
complete -c mai -n '__mai_at \'config set\'' -l quiet -s q -d 'Only errors on stderr'
complete -c mai -n '__mai_at \'config set\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_at \'config set\' 0; and __mai_no_option' -f -k -a 'endpoint api_key auth scope deployment model size rpm concurrency max_cost max_cost_per_day timeout preview metadata private gallery history filename'

complete -c mai -n '__mai_at \'config unset\'' -l profile -s p -r -f -k -a "(__mai_living profiles '')" -d 'A named profile of the configuration (MAI_PROFILE)'
complete -c mai -n '__mai_at \'config unset\'' -l quiet -s q -d 'Only errors on stderr'
complete -c mai -n '__mai_at \'config unset\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_at \'config unset\' 0; and __mai_no_option' -f -k -a 'endpoint api_key auth scope deployment model size rpm concurrency max_cost max_cost_per_day timeout preview metadata private gallery history filename'

complete -c mai -n '__mai_at \'config path\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'config path\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'config edit\'' -l quiet -s q -d 'Only errors on stderr'
complete -c mai -n '__mai_at \'config edit\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'config profiles\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'config profiles\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'config check\'' -l profile -s p -r -f -k -a "(__mai_living profiles '')" -d 'A named profile of the configuration (MAI_PROFILE)'
complete -c mai -n '__mai_at \'config check\'' -l json -d 'Print one JSON object a line on stdout'
complete -c mai -n '__mai_at \'config check\'' -l verbose -s v -d 'Say each request on stderr; never a key'
complete -c mai -n '__mai_at \'config check\'' -l no-color -d 'No colours (also NO_COLOR, TERM=dumb)'
complete -c mai -n '__mai_at \'config check\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'config schema\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'config completion\'' -l help -s h -d 'Show this message and exit'
complete -c mai -n '__mai_at \'config completion\' 0; and __mai_no_option' -f -k -a 'bash zsh fish powershell'

complete -c mai -n '__mai_at \'config man\'' -l help -s h -d 'Show this message and exit'

complete -c mai -n '__mai_at \'emulator\'' -l port -r -f -d 'Of loopback; 0: a free one'
complete -c mai -n '__mai_at \'emulator\'' -l latency -r -f -d 'Until a picture is there'
complete -c mai -n '__mai_at \'emulator\'' -l rpm -r -f -d 'The quota: pictures a minute'
complete -c mai -n '__mai_at \'emulator\'' -l fail -r -f -d 'A fault, and after a colon when: 429:20% (by chance), lost:3 (the third), filter:fox (prompts with that)'
complete -c mai -n '__mai_at \'emulator\'' -l seed -r -f -d 'Another one, other chances'
complete -c mai -n '__mai_at \'emulator\'' -l help -s h -d 'Show this message and exit'
