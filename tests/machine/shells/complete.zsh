#!/usr/bin/zsh -f
# SPDX-License-Identifier: GPL-3.0-or-later
#
# What zsh makes of LINE: complete.zsh LINE. On a terminal, by the completion system as it is
# installed; all that it offers is put in, so that the line shows it.
zmodload zsh/zpty

read_until() { # PATTERN
        local text part
        until [[ $text == *$~1* ]]; do
                zpty -r shell part || return 1
                text+=$part
        done
        REPLY=$text
}

zpty shell zsh -f -i
zpty -w shell 'PS1= PS2= RPS1=; unsetopt zle_bracketed_paste prompt_cr prompt_sp; stty -echo cols 1000'
zpty -w shell 'autoload -Uz compinit && compinit -u -D'
zpty -w shell 'show() { print -r -- "@@$BUFFER@@"; BUFFER=; }; zle -N show; bindkey "^X" show'
zpty -w shell 'zstyle ":completion:*" completer _all_matches _complete; zstyle ":completion:*" insert yes'
zpty -w shell 'setopt no_list_beep no_beep; bindkey "^I" complete-word; print -r -- rea""dy'
read_until ready
zpty -w -n shell "$1"$'\t\x18'
read_until '@@*@@'
print -r -- ${${REPLY#*@@}%%@@*}
zpty -d shell
