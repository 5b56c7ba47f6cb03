#!/bin/sh
# Write Redis' ACL file from users.acl and the passwords, then exec the given command.
# Usage: with-users.sh users.acl FOLDER ACL_FILE COMMAND...; the password of the user NAME is in FOLDER/redis-NAME.
set -eu
umask 077
template=$1 folder=$2 target=$3
shift 3

digest_of() {
  password=$(cat "$folder/redis-$1") || return 1
  if [ "${#password}" -lt 16 ]; then
    echo "with-users.sh: the password in $folder/redis-$1 is too short: at least 16 characters are required." >&2
    return 1
  fi
  printf %s "$password" | sha256sum | cut -c 1-64
}

print_user() {
  case $1 in
  *'#password'*)
    name=${1#user } name=${name%% *}
    digest=$(digest_of "$name")
    printf '%s#%s%s\n' "${1%%'#password'*}" "$digest" "${1#*'#password'}"
    ;;
  ?*) printf '%s\n' "$1" ;;
  esac
}

print_users() {
  user=
  while read -r words; do
    case $words in
    '' | '#'*) ;;
    'user '*)
      print_user "$user"
      user=$words
      ;;
    *) user="$user $words" ;;
    esac
  done
  print_user "$user"
}

# Generate everything before writing: with an empty or truncated ACL file Redis would accept every client.
users=$(print_users <"$template")
printf '%s\n' "$users" >"$target"
exec "$@"
