# SPDX-License-Identifier: Apache-2.0
# fish completion for daytona-local. Options come from the program's own help.

function __daytona_local_options
    set -l words (commandline -opc)
    $words[1] $words[2] --help 2>/dev/null | string match -ar -- '--[a-z][a-z-]*' | sort -u
end

complete -c daytona-local -n '__fish_use_subcommand' -f -a 'serve run image admin --help --version'
complete -c daytona-local -n '__fish_seen_subcommand_from serve run' -a '(__daytona_local_options)'
complete -c daytona-local -n '__fish_seen_subcommand_from image' -a 'import list remove prune --state --json'
complete -c daytona-local -n '__fish_seen_subcommand_from admin' -f -a 'GET POST PUT DELETE /admin/info /admin/clock /admin/faults'
