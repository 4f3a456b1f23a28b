# Completion of mai for PowerShell 7. Written by: mai config completion powershell
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
        '' = @{
            Mixed = $true
            Commands = [ordered]@{
                'generate' = 'Make pictures from a prompt'
                'batch' = 'Make the pictures of a manifest that are not up to date'
                'history' = 'What was made, and from what'
                'config' = 'Settings, signing in, and a doctor'
                'emulator' = 'Serve the MAI image API on this machine, to try things out'
            }
            Options = [ordered]@{
                '--version' = @{ About = 'Show the version'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'generate' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--prompt-file' = @{ About = 'Read the prompt from a file (''-'': standard input)'; Value = 'path' }
                '-f' = @{ About = 'Read the prompt from a file (''-'': standard input)'; Value = 'path' }
                '--var' = @{ About = 'Fill ${NAME} in the prompt: --var season=winter'; Value = 'text' }
                '--image' = @{ About = 'A reference picture to edit or start from'; Value = 'path' }
                '-i' = @{ About = 'A reference picture to edit or start from'; Value = 'path' }
                '--count' = @{ About = 'N pictures'; Value = 'text' }
                '-n' = @{ About = 'N pictures'; Value = 'text' }
                '--size' = @{ About = '1280x832; a ratio such as 16:9; square, landscape, portrait, wide, tall; or auto, where the model offers it'; Value = 'words square landscape portrait wide tall auto 1:1 3:2 2:3 16:9 9:16' }
                '-s' = @{ About = '1280x832; a ratio such as 16:9; square, landscape, portrait, wide, tall; or auto, where the model offers it'; Value = 'words square landscape portrait wide tall auto 1:1 3:2 2:3 16:9 9:16' }
                '--background' = @{ About = 'For models that offer it'; Value = 'words transparent opaque' }
                '--web-grounding' = @{ About = 'Let the model look things up; slower'; Value = '' }
                '--param' = @{ About = 'Any other field of the API, as JSON where it is JSON: --param style=vivid'; Value = 'text' }
                '--output' = @{ About = 'An export: a .png, .webp, .jpg or .avif file, a folder, or ''-'' for the picture itself on stdout'; Value = 'path' }
                '-o' = @{ About = 'An export: a .png, .webp, .jpg or .avif file, a folder, or ''-'' for the picture itself on stdout'; Value = 'path' }
                '--overwrite' = @{ About = 'Replace an existing output'; Value = '' }
                '--resize' = @{ About = 'Size of the outputs in pixels: 800x600, or 800x or x600 to keep the shape'; Value = 'text' }
                '--fit' = @{ About = 'Into WxH: cut off what is too much (cover), stay smaller on one side (contain), or distort (stretch)'; Value = 'words cover contain stretch' }
                '--quality' = @{ About = 'Of lossy outputs'; Value = 'text' }
                '--max-kb' = @{ About = 'The best quality that fits into N kB (1000 bytes each), up to --quality'; Value = 'text' }
                '--no-metadata' = @{ About = 'Outputs say nothing of prompt, model, id and time, nor that they are AI''s'; Value = '' }
                '--private' = @{ About = 'Write the prompt into no file: no history, no metadata, no file name'; Value = '' }
                '--tag' = @{ About = 'For the history'; Value = 'living tags' }
                '--deployment' = @{ About = 'The deployment to call (MAI_DEPLOYMENT)'; Value = 'living deployments' }
                '-d' = @{ About = 'The deployment to call (MAI_DEPLOYMENT)'; Value = 'living deployments' }
                '--model' = @{ About = 'The model behind the deployment, where its name does not tell (MAI_MODEL): -m MAI-Image-2.6'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '-m' = @{ About = 'The model behind the deployment, where its name does not tell (MAI_MODEL): -m MAI-Image-2.6'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '--timeout' = @{ About = 'How long to wait for one picture'; Value = 'text' }
                '--profile' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '-p' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '--offline' = @{ About = 'Draw placeholders on this machine, free, instead of calling Foundry (MAI_OFFLINE=1)'; Value = '' }
                '--max-cost' = @{ About = 'Send nothing that could make this run cost more: --max-cost 2.50'; Value = 'text' }
                '--retry-lost' = @{ About = 'Ask again after a lost answer, although it may bill twice'; Value = '' }
                '--dry-run' = @{ About = 'Show what would be sent and about what it would cost; send nothing'; Value = '' }
                '--preview' = @{ About = 'Show the pictures in the terminal'; Value = '' }
                '--no-preview' = @{ About = 'Show the pictures in the terminal'; Value = '' }
                '--open' = @{ About = 'Open each picture in the system''s viewer'; Value = '' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--quiet' = @{ About = 'Only errors on stderr'; Value = '' }
                '-q' = @{ About = 'Only errors on stderr'; Value = '' }
                '--verbose' = @{ About = 'Say each request on stderr; never a key'; Value = '' }
                '-v' = @{ About = 'Say each request on stderr; never a key'; Value = '' }
                '--no-color' = @{ About = 'No colours (also NO_COLOR, TERM=dumb)'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('text')
            Repeats = $false
        }
        'batch' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--format' = @{ About = 'Of the manifest, where its ending does not tell'; Value = 'words toml yaml json jsonl csv tsv txt' }
                '--check' = @{ About = 'Draw and write nothing; exit with 10 unless everything is up to date'; Value = '' }
                '--dry-run' = @{ About = 'Show what would be done, about what it would cost and take; do nothing'; Value = '' }
                '--only' = @{ About = 'Only assets of such a name: hero, ''season-*'''; Value = 'text' }
                '--force' = @{ About = 'Draw again, and pay again, whatever is up to date: --force hero ''season-*'''; Value = '' }
                '--adopt' = @{ About = 'Take files that are there into the lock as they are; draw nothing'; Value = '' }
                '--prune' = @{ About = 'Remove the files of assets that left the manifest, unless they were modified'; Value = '' }
                '--shard' = @{ About = 'Only the I-th of N parts, for jobs that run side by side: --shard 2/3'; Value = 'text' }
                '--allow-outside' = @{ About = 'Let outputs go outside of the manifest''s folder'; Value = '' }
                '--no-metadata' = @{ About = 'Outputs say nothing of prompt, model, id and time, nor that they are AI''s'; Value = '' }
                '--private' = @{ About = 'Write the prompt into no file: no history, no metadata, no file name'; Value = '' }
                '--junit' = @{ About = 'Write a report as JUnit XML'; Value = 'path' }
                '--profile' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '-p' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '--concurrency' = @{ About = 'At most so many pictures at once'; Value = 'text' }
                '-j' = @{ About = 'At most so many pictures at once'; Value = 'text' }
                '--rpm' = @{ About = 'The quota of the deployment, in requests a minute'; Value = 'text' }
                '--timeout' = @{ About = 'How long to wait for one picture'; Value = 'text' }
                '--offline' = @{ About = 'Draw placeholders on this machine, free, instead of calling Foundry (MAI_OFFLINE=1)'; Value = '' }
                '--max-cost' = @{ About = 'Send nothing that could make this run cost more: --max-cost 2.50'; Value = 'text' }
                '--max-images' = @{ About = 'Ask for no more than N'; Value = 'text' }
                '--fail-fast' = @{ About = 'Stop at the first failure; else every asset gets its chance'; Value = '' }
                '--retry-lost' = @{ About = 'Ask again after a lost answer, although it may bill twice'; Value = '' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--quiet' = @{ About = 'Only errors on stderr'; Value = '' }
                '-q' = @{ About = 'Only errors on stderr'; Value = '' }
                '--verbose' = @{ About = 'Say each request on stderr; never a key'; Value = '' }
                '-v' = @{ About = 'Say each request on stderr; never a key'; Value = '' }
                '--no-color' = @{ About = 'No colours (also NO_COLOR, TERM=dumb)'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('path', 'text')
            Repeats = $true
        }
        'history' = @{
            Mixed = $true
            Commands = [ordered]@{
                'list' = 'List records, the newest first'
                'search' = 'Find records by words of their prompt, the newest first'
                'show' = 'Show records in full'
                'open' = 'Open pictures in the system''s viewer'
                'preview' = 'Show pictures in the terminal'
                'stats' = 'Add up pictures, cost, refusals and time'
                'rerun' = 'Make the picture of a record again, with changes'
                'gallery' = 'Make a web page of the pictures'
                'export' = 'Hand records or pictures to others'
                'tag' = 'Add tags to a record, or take them off'
                'verify' = 'See that every picture is there as it was'
                'recover' = 'Look into requests that were never answered'
                'remove' = 'Remove pictures from the gallery'
                'prune' = 'Remove old pictures, and their records with them'
            }
            Options = [ordered]@{
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'history list' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--number' = @{ About = 'At most so many records'; Value = 'text' }
                '-n' = @{ About = 'At most so many records'; Value = 'text' }
                '--all' = @{ About = 'Every record, not only the newest'; Value = '' }
                '--since' = @{ About = 'From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h'; Value = 'text' }
                '--until' = @{ About = 'Up to then; a day or month to its end'; Value = 'text' }
                '--status' = @{ About = 'What became of it'; Value = 'words ok refused failed unknown sent removed' }
                '--model' = @{ About = 'Of such a model or deployment, or a part of its name'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '--tag' = @{ About = 'With that tag'; Value = 'living tags' }
                '--batch' = @{ About = 'Of that manifest, by its name or path, or of that asset'; Value = 'text' }
                '--search' = @{ About = 'With all these words in the prompt'; Value = 'text' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'history search' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--number' = @{ About = 'At most so many records'; Value = 'text' }
                '-n' = @{ About = 'At most so many records'; Value = 'text' }
                '--all' = @{ About = 'Every record, not only the newest'; Value = '' }
                '--since' = @{ About = 'From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h'; Value = 'text' }
                '--until' = @{ About = 'Up to then; a day or month to its end'; Value = 'text' }
                '--status' = @{ About = 'What became of it'; Value = 'words ok refused failed unknown sent removed' }
                '--model' = @{ About = 'Of such a model or deployment, or a part of its name'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '--tag' = @{ About = 'With that tag'; Value = 'living tags' }
                '--batch' = @{ About = 'Of that manifest, by its name or path, or of that asset'; Value = 'text' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('text')
            Repeats = $false
        }
        'history show' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('living ids')
            Repeats = $true
        }
        'history open' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('living ids')
            Repeats = $true
        }
        'history preview' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('living ids')
            Repeats = $true
        }
        'history stats' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--by' = @{ About = 'What the groups are'; Value = 'words day month model profile tag' }
                '--since' = @{ About = 'From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h'; Value = 'text' }
                '--until' = @{ About = 'Up to then; a day or month to its end'; Value = 'text' }
                '--status' = @{ About = 'What became of it'; Value = 'words ok refused failed unknown sent removed' }
                '--model' = @{ About = 'Of such a model or deployment, or a part of its name'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '--tag' = @{ About = 'With that tag'; Value = 'living tags' }
                '--batch' = @{ About = 'Of that manifest, by its name or path, or of that asset'; Value = 'text' }
                '--search' = @{ About = 'With all these words in the prompt'; Value = 'text' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'history rerun' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--prompt-file' = @{ About = 'Read the prompt from a file (''-'': standard input)'; Value = 'path' }
                '-f' = @{ About = 'Read the prompt from a file (''-'': standard input)'; Value = 'path' }
                '--var' = @{ About = 'Fill ${NAME} in the prompt: --var season=winter'; Value = 'text' }
                '--image' = @{ About = 'A reference picture to edit or start from'; Value = 'path' }
                '-i' = @{ About = 'A reference picture to edit or start from'; Value = 'path' }
                '--count' = @{ About = 'N pictures'; Value = 'text' }
                '-n' = @{ About = 'N pictures'; Value = 'text' }
                '--size' = @{ About = '1280x832; a ratio such as 16:9; square, landscape, portrait, wide, tall; or auto, where the model offers it'; Value = 'words square landscape portrait wide tall auto 1:1 3:2 2:3 16:9 9:16' }
                '-s' = @{ About = '1280x832; a ratio such as 16:9; square, landscape, portrait, wide, tall; or auto, where the model offers it'; Value = 'words square landscape portrait wide tall auto 1:1 3:2 2:3 16:9 9:16' }
                '--background' = @{ About = 'For models that offer it'; Value = 'words transparent opaque' }
                '--web-grounding' = @{ About = 'Let the model look things up; slower'; Value = '' }
                '--param' = @{ About = 'Any other field of the API, as JSON where it is JSON: --param style=vivid'; Value = 'text' }
                '--output' = @{ About = 'An export: a .png, .webp, .jpg or .avif file, a folder, or ''-'' for the picture itself on stdout'; Value = 'path' }
                '-o' = @{ About = 'An export: a .png, .webp, .jpg or .avif file, a folder, or ''-'' for the picture itself on stdout'; Value = 'path' }
                '--overwrite' = @{ About = 'Replace an existing output'; Value = '' }
                '--resize' = @{ About = 'Size of the outputs in pixels: 800x600, or 800x or x600 to keep the shape'; Value = 'text' }
                '--fit' = @{ About = 'Into WxH: cut off what is too much (cover), stay smaller on one side (contain), or distort (stretch)'; Value = 'words cover contain stretch' }
                '--quality' = @{ About = 'Of lossy outputs'; Value = 'text' }
                '--max-kb' = @{ About = 'The best quality that fits into N kB (1000 bytes each), up to --quality'; Value = 'text' }
                '--no-metadata' = @{ About = 'Outputs say nothing of prompt, model, id and time, nor that they are AI''s'; Value = '' }
                '--private' = @{ About = 'Write the prompt into no file: no history, no metadata, no file name'; Value = '' }
                '--tag' = @{ About = 'For the history'; Value = 'living tags' }
                '--deployment' = @{ About = 'The deployment to call (MAI_DEPLOYMENT)'; Value = 'living deployments' }
                '-d' = @{ About = 'The deployment to call (MAI_DEPLOYMENT)'; Value = 'living deployments' }
                '--model' = @{ About = 'The model behind the deployment, where its name does not tell (MAI_MODEL): -m MAI-Image-2.6'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '-m' = @{ About = 'The model behind the deployment, where its name does not tell (MAI_MODEL): -m MAI-Image-2.6'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '--timeout' = @{ About = 'How long to wait for one picture'; Value = 'text' }
                '--profile' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '-p' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '--offline' = @{ About = 'Draw placeholders on this machine, free, instead of calling Foundry (MAI_OFFLINE=1)'; Value = '' }
                '--max-cost' = @{ About = 'Send nothing that could make this run cost more: --max-cost 2.50'; Value = 'text' }
                '--retry-lost' = @{ About = 'Ask again after a lost answer, although it may bill twice'; Value = '' }
                '--dry-run' = @{ About = 'Show what would be sent and about what it would cost; send nothing'; Value = '' }
                '--preview' = @{ About = 'Show the pictures in the terminal'; Value = '' }
                '--no-preview' = @{ About = 'Show the pictures in the terminal'; Value = '' }
                '--open' = @{ About = 'Open each picture in the system''s viewer'; Value = '' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--quiet' = @{ About = 'Only errors on stderr'; Value = '' }
                '-q' = @{ About = 'Only errors on stderr'; Value = '' }
                '--verbose' = @{ About = 'Say each request on stderr; never a key'; Value = '' }
                '-v' = @{ About = 'Say each request on stderr; never a key'; Value = '' }
                '--no-color' = @{ About = 'No colours (also NO_COLOR, TERM=dumb)'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('living ids', 'text')
            Repeats = $false
        }
        'history gallery' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--output' = @{ About = 'A folder of its own, with copies of the pictures'; Value = 'path' }
                '-o' = @{ About = 'A folder of its own, with copies of the pictures'; Value = 'path' }
                '--open' = @{ About = 'Open it in the browser'; Value = '' }
                '--since' = @{ About = 'From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h'; Value = 'text' }
                '--until' = @{ About = 'Up to then; a day or month to its end'; Value = 'text' }
                '--status' = @{ About = 'What became of it'; Value = 'words ok refused failed unknown sent removed' }
                '--model' = @{ About = 'Of such a model or deployment, or a part of its name'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '--tag' = @{ About = 'With that tag'; Value = 'living tags' }
                '--batch' = @{ About = 'Of that manifest, by its name or path, or of that asset'; Value = 'text' }
                '--search' = @{ About = 'With all these words in the prompt'; Value = 'text' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'history export' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--format' = @{ About = 'Of records: json, jsonl or csv'; Value = 'words json jsonl csv png jpg webp avif' }
                '--output' = @{ About = 'Where the records go, else to stdout'; Value = 'path' }
                '-o' = @{ About = 'Where the records go, else to stdout'; Value = 'path' }
                '--to' = @{ About = 'Copy the pictures there, converted where that is asked for'; Value = 'path' }
                '--sheet' = @{ About = 'Put the pictures on one, with captions'; Value = 'path' }
                '--overwrite' = @{ About = 'Replace an existing output'; Value = '' }
                '--resize' = @{ About = 'Size of the outputs in pixels: 800x600, or 800x or x600 to keep the shape'; Value = 'text' }
                '--fit' = @{ About = 'Into WxH: cut off what is too much (cover), stay smaller on one side (contain), or distort (stretch)'; Value = 'words cover contain stretch' }
                '--quality' = @{ About = 'Of lossy outputs'; Value = 'text' }
                '--max-kb' = @{ About = 'The best quality that fits into N kB (1000 bytes each), up to --quality'; Value = 'text' }
                '--no-metadata' = @{ About = 'Outputs say nothing of prompt, model, id and time, nor that they are AI''s'; Value = '' }
                '--since' = @{ About = 'From then on: 2026-11-01, 2026-11, yesterday, 7d, 12h'; Value = 'text' }
                '--until' = @{ About = 'Up to then; a day or month to its end'; Value = 'text' }
                '--status' = @{ About = 'What became of it'; Value = 'words ok refused failed unknown sent removed' }
                '--model' = @{ About = 'Of such a model or deployment, or a part of its name'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '--tag' = @{ About = 'With that tag'; Value = 'living tags' }
                '--batch' = @{ About = 'Of that manifest, by its name or path, or of that asset'; Value = 'text' }
                '--search' = @{ About = 'With all these words in the prompt'; Value = 'text' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('living ids')
            Repeats = $true
        }
        'history tag' = @{
            Mixed = $false
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('living ids', 'signed tags')
            Repeats = $true
        }
        'history verify' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'history recover' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--forget' = @{ About = 'Settle what no picture is found of'; Value = '' }
                '--dry-run' = @{ About = 'Show what would be done; do nothing'; Value = '' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('living ids')
            Repeats = $true
        }
        'history remove' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--dry-run' = @{ About = 'Show what would be done; do nothing'; Value = '' }
                '--yes' = @{ About = 'Do not ask'; Value = '' }
                '-y' = @{ About = 'Do not ask'; Value = '' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('living ids')
            Repeats = $true
        }
        'history prune' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--older-than' = @{ About = 'Sent before: 90d, 2026-01'; Value = 'text' }
                '--keep' = @{ About = 'All but the newest N'; Value = 'text' }
                '--dry-run' = @{ About = 'Show what would be done; do nothing'; Value = '' }
                '--yes' = @{ About = 'Do not ask'; Value = '' }
                '-y' = @{ About = 'Do not ask'; Value = '' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'config' = @{
            Mixed = $true
            Commands = [ordered]@{
                'init' = 'Set up endpoint, deployment and sign-in'
                'list' = 'Show every setting, its value and its origin'
                'get' = 'Print the value of one setting'
                'set' = 'Change a setting in your file, or store the key'
                'unset' = 'Remove a setting from your file, or forget the key'
                'path' = 'Print the path of your file; with --json of all'
                'edit' = 'Open your file in your editor, then check it'
                'profiles' = 'List the profiles; ''*'' marks the one in use'
                'check' = 'Find out what is wrong, from settings to disk. Free'
                'schema' = 'Print a JSON Schema; without NAME what there is'
                'completion' = 'Print the completion script of a shell'
                'man' = 'Print the manual page'
            }
            Options = [ordered]@{
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'config init' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--endpoint' = @{ About = 'The resource: any address of it that you see'; Value = 'text' }
                '--deployment' = @{ About = 'The deployment to call'; Value = 'living deployments' }
                '-d' = @{ About = 'The deployment to call'; Value = 'living deployments' }
                '--model' = @{ About = 'The model behind it, where its name does not tell'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '-m' = @{ About = 'The model behind it, where its name does not tell'; Value = 'words MAI-Image-2 MAI-Image-2e MAI-Image-2.5 MAI-Image-2.5-Flash MAI-Image-2.5-Pro MAI-Image-2.6 MAI-Image-2.6-Flash MAI-Image-2.7 MAI-Image-2.7-Flash' }
                '--auth' = @{ About = 'How to sign in; auto: with a key if there is one'; Value = 'words auto key entra' }
                '--api-key' = @{ About = '''-'' reads the key from standard input'; Value = 'text' }
                '--test' = @{ About = 'Test the answers before they are written; free'; Value = '' }
                '--no-test' = @{ About = 'Test the answers before they are written; free'; Value = '' }
                '--no-input' = @{ About = 'Ask nothing; what is missing is an error'; Value = '' }
                '--overwrite' = @{ About = 'Replace settings that the file has'; Value = '' }
                '--profile' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '-p' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--verbose' = @{ About = 'Say each request on stderr; never a key'; Value = '' }
                '-v' = @{ About = 'Say each request on stderr; never a key'; Value = '' }
                '--no-color' = @{ About = 'No colours (also NO_COLOR, TERM=dumb)'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'config list' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--profile' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '-p' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'config get' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--profile' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '-p' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('words endpoint api_key auth scope deployment model size rpm concurrency max_cost max_cost_per_day timeout preview metadata private gallery history filename')
            Repeats = $false
        }
        'config set' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--profile' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '-p' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '--quiet' = @{ About = 'Only errors on stderr'; Value = '' }
                '-q' = @{ About = 'Only errors on stderr'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('words endpoint api_key auth scope deployment model size rpm concurrency max_cost max_cost_per_day timeout preview metadata private gallery history filename', 'text')
            Repeats = $false
        }
        'config unset' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--profile' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '-p' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '--quiet' = @{ About = 'Only errors on stderr'; Value = '' }
                '-q' = @{ About = 'Only errors on stderr'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('words endpoint api_key auth scope deployment model size rpm concurrency max_cost max_cost_per_day timeout preview metadata private gallery history filename')
            Repeats = $false
        }
        'config path' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'config edit' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--quiet' = @{ About = 'Only errors on stderr'; Value = '' }
                '-q' = @{ About = 'Only errors on stderr'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'config profiles' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'config check' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--profile' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '-p' = @{ About = 'A named profile of the configuration (MAI_PROFILE)'; Value = 'living profiles' }
                '--json' = @{ About = 'Print one JSON object a line on stdout'; Value = '' }
                '--verbose' = @{ About = 'Say each request on stderr; never a key'; Value = '' }
                '-v' = @{ About = 'Say each request on stderr; never a key'; Value = '' }
                '--no-color' = @{ About = 'No colours (also NO_COLOR, TERM=dumb)'; Value = '' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'config schema' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('text')
            Repeats = $false
        }
        'config completion' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @('words bash zsh fish powershell')
            Repeats = $false
        }
        'config man' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
        'emulator' = @{
            Mixed = $true
            Commands = [ordered]@{}
            Options = [ordered]@{
                '--port' = @{ About = 'Of loopback; 0: a free one'; Value = 'text' }
                '--latency' = @{ About = 'Until a picture is there'; Value = 'text' }
                '--rpm' = @{ About = 'The quota: pictures a minute'; Value = 'text' }
                '--fail' = @{ About = 'A fault, and after a colon when: 429:20% (by chance), lost:3 (the third), filter:fox (prompts with that)'; Value = 'text' }
                '--seed' = @{ About = 'Another one, other chances'; Value = 'text' }
                '--help' = @{ About = 'Show this message and exit'; Value = '' }
                '-h' = @{ About = 'Show this message and exit'; Value = '' }
            }
            Arguments = @()
            Repeats = $false
        }
    }

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
