#!/usr/bin/env bash
# versitygw 1.8.0 over a POSIX directory on loopback, with versioning and a second account.
VENDOR=versitygw
. "$(dirname "$0")/common.sh"

install() { go_install versitygw github.com/versity/versitygw/cmd/versitygw v1.8.0; }

start() {
  mkdir -p "$STATE/data" "$STATE/versions" "$STATE/iam"
  ROOT_ACCESS_KEY=$(kept access_key random_key) ROOT_SECRET_KEY=$(kept secret_key random_secret) \
    run_daemon server "$(go_binary versitygw)" --quiet --port "127.0.0.1:$(kept port free_port)" --iam-dir "$STATE/iam" \
    posix --versioning-dir "$STATE/versions" "$STATE/data"
  [ -s "$STATE/alt_secret_key" ] || { wait_ready; second_account; }
}

second_account() {
  ADMIN_ACCESS_KEY_ID=$(cat "$STATE/access_key") ADMIN_SECRET_ACCESS_KEY=$(cat "$STATE/secret_key") \
    ADMIN_ENDPOINT_URL="http://127.0.0.1:$(cat "$STATE/port")" "$(go_binary versitygw)" admin create-user \
    --access "$(kept alt_access_key random_key)" --secret "$(kept alt_secret_key random_secret)" --role userplus >&2
}

main "$@"
