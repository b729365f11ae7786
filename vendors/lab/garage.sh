#!/usr/bin/env bash
# Garage 2.5.0, one node on loopback with LMDB metadata, and a second key.
VENDOR=garage
. "$(dirname "$0")/common.sh"
VERSION=2.5.0
STARTED=created
CONF=$STATE/garage.toml

# $PROOFMARK_GARAGE, where cargo puts it, or what PATH has.
binary() {
  local own=${CARGO_HOME:-$HOME/.cargo}/bin/garage
  if [ -n "${PROOFMARK_GARAGE:-}" ]; then echo "$PROOFMARK_GARAGE"; elif [ -x "$own" ]; then echo "$own"; else command -v garage || true; fi
}

install() {
  local found
  found=$(binary)
  if [ -n "$found" ] && "$found" --version 2>/dev/null | grep -qF "$VERSION"; then return; fi
  have cargo || die "needs a Rust toolchain to build Garage $VERSION: https://rustup.rs"
  say "building Garage $VERSION with cargo install (a quarter of an hour on two cores)"
  (cd / && CARGO_PROFILE_RELEASE_LTO=off cargo install "garage@$VERSION" --locked --no-default-features --features bundled-libs,lmdb >&2)
}

configuration() {
  cat <<C
metadata_dir = "$STATE/meta"
data_dir = "$STATE/data"
db_engine = "lmdb"
replication_factor = 1
metadata_fsync = true
data_fsync = true
rpc_bind_addr = "127.0.0.1:$(kept rpc_port free_port)"
rpc_public_addr = "127.0.0.1:$(kept rpc_port free_port)"
rpc_secret = "$(kept rpc_secret random_hex 32)"
[s3_api]
s3_region = "us-east-1"
api_bind_addr = "127.0.0.1:$(kept port free_port)"
C
}

# Garage takes keys of its own form only.
access_key() { echo "GK$(random_hex 12)"; }

garage() { "$(binary)" -c "$CONF" "$@"; }

start() {
  mkdir -p "$STATE/meta" "$STATE/data"
  configuration > "$CONF"
  chmod 600 "$CONF"
  RUST_LOG=garage=warn run_daemon server "$(binary)" -c "$CONF" server
  [ -e "$STATE/created" ] || create
}

create() {
  wait_ready
  garage layout assign -z lab -c 10G "$(garage node id -q | cut -d@ -f1)" >&2
  garage layout apply --version 1 >&2
  account "" proofmark
  account alt_ proofmark-alt
  touch "$STATE/created"
}

account() { # KEY_FILE_PREFIX NAME
  garage key import --yes -n "$2" "$(kept "$1access_key" access_key)" "$(kept "$1secret_key" random_hex 32)" > /dev/null
  garage key allow --create-bucket "$(cat "$STATE/$1access_key")" > /dev/null
}

main "$@"
