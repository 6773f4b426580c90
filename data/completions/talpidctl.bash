# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bash completion of talpidctl(1) and talpid-exclude(1). Commands and options are those that the
# program's own --help lists.

_talpidctl_commands() { # [GROUP]
        talpidctl "$@" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p'
}

_talpidctl_options() { # [COMMAND…]
        talpidctl "$@" --help 2>/dev/null |
                sed -n '/^Options:/,/^$/s/^  \(-., \)\{0,1\}\(--[a-z0-9-]*=\{0,1\}\).*/\2/p'
}

# The names that the words so far stand for, one a line; words may be cut short
_talpidctl_resolve() { # WORD…
        local group word names
        for word in "$@"; do
                names=$(_talpidctl_commands $group)
                [[ $names ]] || return 0
                grep -qxF -- "$word" <<<"$names" || word=$(grep -- "^$word" <<<"$names")
                printf '%s\n' "$word"
                group+=" $word"
        done
}

_talpidctl_devices() {
        (cd /sys/class/net && printf '%s\n' *)
}

_talpidctl_units() {
        local scope=--system
        [[ $EUID -eq 0 ]] || scope=--user
        systemctl "$scope" list-units --plain --no-legend --type=service,scope,slice 2>/dev/null |
                cut -d ' ' -f 1
}

# By number, or by name: of one process its number, of several a list to choose from
_talpidctl_pids() {
        local name=$cur pid comm found=()
        if [[ $cur == [0-9]* || ! $cur ]]; then
                COMPREPLY+=($(compgen -W "$(cd /proc && printf '%s\n' [0-9]*)" -- "$cur"))
                return
        fi
        for pid in $(pgrep -- "^${name//[^[:alnum:]_.-]/.}"); do
                read -r comm 2>/dev/null </proc/$pid/comm && found+=("$pid ($comm)")
        done
        if ((${#found[@]} == 1 && ${#COMPREPLY[@]} == 0)); then
                COMPREPLY=("${found[0]%% *}")
        elif ((${#found[@]} > 0)); then
                # The blank keeps what was typed: it has nothing in common with the others
                COMPREPLY+=("${found[@]}" ' ')
        fi
}

_talpidctl_words() {
        COMPREPLY+=($(compgen -W "$*" -- "$cur"))
}

_talpidctl_value() { # OPTION; false: it has no values to choose from
        case $1 in
        --json) _talpidctl_words short pretty off ;;
        --color) _talpidctl_words auto always never ;;
        --sockets) _talpidctl_words keep migrate reset ;;
        --lifetime) _talpidctl_words boot permanent ;;
        --state) _talpidctl_words installed waiting conflict ;;
        --ipv4 | --ipv6) _talpidctl_words yes no ;;
        --dev) _talpidctl_words $(_talpidctl_devices) ;;
        *) return 1 ;;
        esac
}

_talpidctl_argument() { # COMMAND
        case $1:$prev in
        *:dev | *:interface) _talpidctl_words $(_talpidctl_devices) ;;
        *:uid | *:user) COMPREPLY=($(compgen -u -- "$cur")) ;;
        *:pid) _talpidctl_pids ;;
        *:unit) _talpidctl_words $(_talpidctl_units) ;;
        *:cgroup) COMPREPLY=($(cd /sys/fs/cgroup && compgen -d -- "$cur")) ;;
        *:via | *:metric | *:mtu | *:mark | *:network) ;;
        'route '*:node) _talpidctl_words default ;;
        'route '*:table) _talpidctl_words main tunnel excluded ;;
        'route '*:type) _talpidctl_words unicast unreachable blackhole prohibit throw ;;
        'route add:'* | 'route del:'*) _talpidctl_words via dev node metric mtu table type ;;
        'route get:'* | 'route mtu:'*) _talpidctl_words mark uid pid dev ;;
        'tunnel set:'*) _talpidctl_words $(_talpidctl_devices) ;;
        'exclude add:'* | 'exclude del:'*)
                _talpidctl_words pid unit cgroup user network interface
                [[ $cur ]] || return 0
                _talpidctl_words $(_talpidctl_units)
                _talpidctl_pids
                ;;
        mode:*) _talpidctl_words exclude include ;;
        dns:*) _talpidctl_words system tunnel ;;
        log-level:*) _talpidctl_words emerg alert crit err warning notice info debug ;;
        esac
}

_talpidctl() {
        local cur prev words cword split i path=() places=() command
        _init_completion -s -n : || return

        for ((i = 1; i < cword; i++)); do
                if [[ ${words[i]} == --json || ${words[i]} == --color ]]; then
                        ((i++))
                elif [[ ${words[i]} != -* ]]; then
                        path+=("${words[i]}")
                        places+=("$i")
                fi
        done
        mapfile -t path < <(_talpidctl_resolve "${path[@]}")
        command="${path[*]}"

        if [[ $command == 'exclude run' ]] && ((${#places[@]} > 2)); then
                _command_offset "${places[2]}"
                return
        fi
        if [[ $split == true || $prev == --json || $prev == --color ]]; then
                _talpidctl_value "$prev"
        elif [[ $cur == -* ]]; then
                _talpidctl_words $(_talpidctl_options "${path[@]}")
                [[ ${COMPREPLY-} == *= ]] && compopt -o nospace
        else
                _talpidctl_words $(_talpidctl_commands "${path[@]}")
                if [[ $command == 'exclude run' ]]; then
                        COMPREPLY=($(compgen -c -- "$cur"))
                elif [[ $command ]]; then
                        _talpidctl_argument "$command"
                fi
        fi
        __ltrim_colon_completions "$cur"
} && complete -F _talpidctl talpidctl

_talpid_exclude() {
        local cur prev words cword split i
        _init_completion -s || return

        for ((i = 1; i < cword; i++)); do
                if [[ ${words[i]} == --sockets ]]; then
                        ((i++))
                elif [[ ${words[i]} != -* ]]; then
                        _command_offset "$i"
                        return
                fi
        done
        if [[ $prev == --sockets ]]; then
                _talpidctl_words keep migrate reset
        elif [[ $cur == -* ]]; then
                _talpidctl_words --sockets --no-ask-password --help
        else
                COMPREPLY=($(compgen -c -- "$cur"))
        fi
} && complete -F _talpid_exclude talpid-exclude
