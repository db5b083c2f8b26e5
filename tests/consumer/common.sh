# Sourced by the consumers: a private folder, a private Redis, and programs out of the README.
#   root   the repository      work   a folder of this run, removed at its end      port   of Redis, on loopback
set -eu
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
redis=""
unset FLASHSALE_SINKS
clean_up() {
  [ -n "$redis" ] && kill "$redis" 2> /dev/null && wait "$redis" 2> /dev/null
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

fail() {
  echo "$*" >&2
  exit 1
}

# quietly COMMAND...: shows its output only if it fails.
quietly() {
  "$@" > "$work/log" 2>&1 || { tail -40 "$work/log" >&2; fail "failed: $*"; }
}

# The server of Redis or of Valkey and its client, in the folder that FLASHSALE_TEST_REDIS names; unset: the system's.
servers=${FLASHSALE_TEST_REDIS:+$FLASHSALE_TEST_REDIS/}
kind=redis
[ -z "$servers" ] || [ -x "${servers}redis-server" ] || kind=valkey
redis_server=$servers$kind-server
redis_cli=$servers$kind-cli

# start_redis: another process may be quicker with a port; then the next one will do.
start_redis() {
  local try
  for try in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 20000))
    "$redis_server" --port "$port" --bind 127.0.0.1 --save "" --dir "$work" > "$work/redis.log" 2>&1 &
    redis=$!
    for _ in $(seq 200); do
      "$redis_cli" -p "$port" info server 2> /dev/null | grep -q "^process_id:$redis" && return 0
      kill -0 "$redis" 2> /dev/null || break
      sleep 0.05
    done
  done
  tail -5 "$work/redis.log" >&2
  fail "$redis_server does not start"
}

# readme_program LANGUAGE LINES FILE: the README's first block of that language, of LINES lines at most, asking our Redis.
readme_program() {
  awk -v fence="\`\`\`$1" '$0 == fence && !seen {inside = 1; seen = 1; next} /^```$/ {inside = 0} inside' \
    "$root/README.md" > "$3"
  [ -s "$3" ] || fail "the README has no program in $1"
  [ "$(wc -l < "$3")" -le "$2" ] || fail "the README's program in $1 has more than $2 lines"
  sed -i "s/127\.0\.0\.1:6379/127.0.0.1:$port/" "$3"
  grep -q "127\.0\.0\.1:$port" "$3" || fail "the README's program in $1 does not name its Redis"
}

# sells PROGRAM...: it must print its order, and the database it leaves must be there. Each asks an empty Redis.
sells() {
  "$redis_cli" -p "$port" flushall > /dev/null
  local folder output
  folder=$(mktemp -d "$work/run.XXXX")
  output=$(cd "$folder" && "$@") || fail "failed: $*"
  echo "  ${1##*/}: $output"
  grep -qE '^1-[0-9]+\.0$' <<< "$output" || fail "it did not win: $*"
  [ -s "$folder/orders.db" ] || fail "it made no orders.db: $*"
}
