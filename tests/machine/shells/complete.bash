#!/bin/bash
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What bash offers behind LINE: complete.bash LINE. As an interactive shell: by the function that
# bash-completion finds for the command in the place it is installed to.
set +o nounset
source /usr/share/bash-completion/bash_completion

COMP_LINE=$1
COMP_POINT=${#COMP_LINE}
COMP_TYPE=9
COMP_KEY=9
# As readline cuts it: at blanks, and around "=" and ":"
read -ra COMP_WORDS < <(sed -E 's/([=:]+)/ \1 /g' <<<"$COMP_LINE")
[[ $COMP_LINE == *' ' || $COMP_LINE == *[=:] ]] && COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))

compopt() {
        :
}
_completion_loader "${COMP_WORDS[0]}"
function=$(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \([^ ]*\) .*/\1/')
"$function" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
((${#COMPREPLY[@]} == 0)) || printf '%s\n' "${COMPREPLY[@]}" | sort -u
