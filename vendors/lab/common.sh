# Shared by the lab scripts: state, free ports, throwaway keys, processes. Sourced, not run.
#
# A script sets VENDOR and defines install and start; it may redefine probe, processes and restart, and name another STARTED.
# State lives in $PROOFMARK_LAB_STATE: data/, *.pid, keys, ports, logs.
set -eEuo pipefail
# Some tools fail without a word.
trap 'echo "$VENDOR: failed with $?: $BASH_COMMAND" >&2' ERR

STATE=${PROOFMARK_LAB_STATE:-$(cd "$(dirname "$0")/../.." && pwd)/lab-data/$VENDOR}
mkdir -p "$STATE"
STATE=$(cd "$STATE" && pwd)

say() { echo "$VENDOR: $*" >&2; }
die() { say "$*"; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# go_binary NAME: where `go install` puts it, or what PATH has.
go_binary() {
  local own
  own=$(go env GOPATH 2>/dev/null || echo "$HOME/go")/bin/$1
  if [ -x "$own" ]; then echo "$own"; else command -v "$1" || true; fi
}

# go_install NAME MODULE VERSION: builds the pinned version unless it is there.
go_install() {
  local binary
  binary=$(go_binary "$1")
  if [ -n "$binary" ] && go version -m "$binary" 2>/dev/null | grep -qE "^\s+mod\s+\S+\s+$3(\s|$)"; then return; fi
  have go || die "needs Go (1.26 or newer) to build $1 $3: install it from your distribution or go.dev, then try again"
  say "building $1 $3 with go install (minutes the first time): the last version that can be built from public source"
  (cd / && go install "$2@$3" >&2)
}

# kept NAME COMMAND...: the content of a state file, made by COMMAND the first time.
kept() {
  local file=$STATE/$1
  shift
  [ -s "$file" ] || (umask 077 && "$@" > "$file")
  cat "$file"
}

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; } # BYTES
random_key() { random_hex 10 | tr a-f A-F; }
random_secret() { random_hex 20; }

# A port that nothing listens on now, outside the range that the kernel hands out to clients.
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 12000))
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then echo "$port"; return; fi
  done
  die "no free port between 20000 and 32000"
}

# run_daemon NAME COMMAND...: in a process group of its own, its output in NAME.log, its id in NAME.pid.
run_daemon() {
  local name=$1
  shift
  setsid "$@" >> "$STATE/$name.log" 2>&1 < /dev/null &
  echo $! > "$STATE/$name.pid"
}

# The ids of the server's processes that live.
processes() {
  local file pid
  for file in "$STATE"/*.pid; do
    [ -e "$file" ] || continue
    pid=$(cat "$file")
    if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then echo "$pid"; fi
  done
}

signal_all() {
  local pids
  pids=$(processes)
  [ -n "$pids" ] || die "no process of it runs"
  # shellcheck disable=SC2086
  kill "-$1" $pids
}

wait_gone() {
  for _ in $(seq 100); do
    [ -z "$(processes)" ] && return
    sleep 0.05
  done
  die "processes did not end: $(processes | tr '\n' ' ')"
}

wait_ready() {
  for _ in $(seq "${READY_TRIES:-600}"); do
    if probe; then return; fi
    sleep 0.1
  done
  die "not ready in time; logs are in $STATE"
}

stop() {
  local pids
  pids=$(processes)
  # A stopped process does not act on SIGTERM before it goes on.
  # shellcheck disable=SC2086
  if [ -n "$pids" ]; then kill -CONT $pids; kill -9 $pids; wait_gone; fi
}

# A server that has just died may still be there for a moment and hold its port.
restart() {
  if probe; then return; fi
  wait_gone
  start
  wait_ready
}

# http_answers URL: any HTTP answer counts; a refused or silent connection does not.
http_answers() {
  local code
  code=$(curl -s -o /dev/null -m 2 -w '%{http_code}' "$1") || return 1
  [ "$code" != 000 ] && [ "$code" -lt 500 ]
}

probe() { [ -s "$STATE/port" ] && http_answers "http://127.0.0.1:$(cat "$STATE/port")/"; }

# The state file that is there once the server can be told to others.
STARTED=port

variables() {
  local file
  [ -e "$STATE/$STARTED" ] || die "was never started: proofmark lab up $VENDOR"
  echo "export ${VENDOR^^}_ENDPOINT=http://127.0.0.1:$(cat "$STATE/port")"
  for file in access_key secret_key alt_access_key alt_secret_key; do
    [ ! -e "$STATE/$file" ] || echo "export ${VENDOR^^}_${file^^}=$(cat "$STATE/$file")"
  done
}

main() {
  case ${1:-} in
    install) install ;;
    up) probe || { install; start; wait_ready; } ;;
    ready) [ -n "$(processes)" ] && probe ;;
    env) variables ;;
    identify) [ -n "$(processes)" ] && echo "$VENDOR" ;;
    pids) processes ;;
    kill) signal_all KILL; wait_gone ;;
    pause) signal_all STOP ;;
    resume) signal_all CONT ;;
    restart) restart ;;
    down) stop; rm -rf "$STATE" ;;
    *) echo "usage: $0 install|up|ready|env|identify|pids|kill|pause|resume|restart|down" >&2; exit 2 ;;
  esac
}
