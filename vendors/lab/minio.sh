#!/usr/bin/env bash
# MinIO, one process and one drive on loopback: the last community source (2026-02-12).
VENDOR=minio
. "$(dirname "$0")/common.sh"

install() { go_install minio github.com/minio/minio v0.0.0-20260212201848-7aac2a2c5b7c; }

start() {
  mkdir -p "$STATE/data"
  MINIO_ROOT_USER=$(kept access_key random_key) MINIO_ROOT_PASSWORD=$(kept secret_key random_secret) MINIO_UPDATE=off \
    run_daemon server "$(go_binary minio)" server --quiet --address "127.0.0.1:$(kept port free_port)" --console-address 127.0.0.1:0 "$STATE/data"
}

probe() { [ -s "$STATE/port" ] && curl -sf -o /dev/null -m 2 "http://127.0.0.1:$(cat "$STATE/port")/minio/health/ready"; }

main "$@"
