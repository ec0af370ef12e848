# SPDX-License-Identifier: Apache-2.0
# bash completion for daytona-local. Options come from the program's own help, so they are always those of what is installed.

_daytona_local() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} i
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W 'serve run image admin --help --version' -- "$current")
    return
  fi
  # What comes after "--" is a command of its own.
  for ((i = 2; i < COMP_CWORD; i++)); do
    if [ "$command" = run ] && [ "${COMP_WORDS[i]}" = -- ]; then
      if [ "$i" -eq $((COMP_CWORD - 1)) ]; then
        mapfile -t COMPREPLY < <(compgen -c -- "$current")
      else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
      fi
      return
    fi
  done
  case $previous in
    --isolation) mapfile -t COMPREPLY < <(compgen -W 'bwrap none' -- "$current"); return ;;
    --network) mapfile -t COMPREPLY < <(compgen -W 'private host none' -- "$current"); return ;;
    --log) mapfile -t COMPREPLY < <(compgen -W 'error warn info debug' -- "$current"); return ;;
    --create-answer) mapfile -t COMPREPLY < <(compgen -W 'started creating' -- "$current"); return ;;
    --state | --node-modules | --xterm) mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    --key-file | --registry-auth-file | --tls-cert | --tls-key | --tls-client-ca)
      mapfile -t COMPREPLY < <(compgen -f -- "$current")
      return ;;
  esac
  case $command in
    serve | run)
      mapfile -t COMPREPLY < <(compgen -W "$("${COMP_WORDS[0]}" "$command" --help 2>/dev/null | grep -oE -- '--[a-z][a-z-]*' | sort -u)" -- "$current") ;;
    image)
      if [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W 'import list remove prune --help' -- "$current")
      elif [[ $current == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '--state --json' -- "$current")
      elif [ "${COMP_WORDS[2]}" = import ]; then
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
      fi ;;
    admin)
      if [ "$COMP_CWORD" -eq 2 ]; then
        mapfile -t COMPREPLY < <(compgen -W 'GET POST PUT DELETE' -- "$current")
      elif [ "$COMP_CWORD" -eq 3 ]; then
        mapfile -t COMPREPLY < <(compgen -W '/admin/info /admin/clock /admin/faults' -- "$current")
      fi ;;
  esac
}

complete -o filenames -F _daytona_local daytona-local
