# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# bash completion for holdfast: commands from its own help, hold ids from the daemon.
_holdfast() {
	local word=${COMP_WORDS[COMP_CWORD]}
	if [ "$COMP_CWORD" -eq 1 ]; then
		mapfile -t COMPREPLY < <(compgen -W "$(holdfast help 2> /dev/null | awk '/^  [a-z]/ { print $1 }')" -- "$word")
		return
	fi
	case ${COMP_WORDS[1]} in
	approve | deny)
		mapfile -t COMPREPLY < <(compgen -W "$(holdfast pending 2> /dev/null | grep -oE '\bh[0-9]+\b')" -- "$word") ;;
	policy)
		if [ "$COMP_CWORD" -eq 2 ]; then
			mapfile -t COMPREPLY < <(compgen -W 'check test explain' -- "$word")
		else
			mapfile -t COMPREPLY < <(compgen -f -- "$word")
		fi ;;
	run)
		mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
	esac
}
complete -F _holdfast holdfast
