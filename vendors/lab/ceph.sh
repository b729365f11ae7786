#!/usr/bin/env bash
# Ceph RGW 16.2 (Debian 12) on loopback: mon, mgr, one BlueStore OSD in a sparse file, radosgw; no systemd, no containers.
# BlueStore and not memstore: what was acknowledged must survive kill -9 of the OSD and the gateway.
VENDOR=ceph
. "$(dirname "$0")/common.sh"
STARTED=created
CONF=$STATE/ceph.conf

install() {
  if have radosgw && have ceph-mon && have ceph-osd && have ceph-mgr && have radosgw-admin; then return; fi
  have apt-get || die "needs radosgw, ceph-mon, ceph-osd, ceph-mgr and ceph-common: install your distribution's Ceph packages, then try again"
  say "installing Debian's Ceph 16.2 packages (about a minute): monitor, manager, OSD and RADOS gateway"
  # Packages must not start daemons of their own.
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e $policy ]; then printf '#!/bin/sh\nexit 101\n' > $policy; chmod +x $policy; made=1; fi
  (apt-get update -qq || true; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    radosgw ceph-mon ceph-osd ceph-mgr ceph-common) >&2
  [ -z "$made" ] || rm -f $policy
}

configuration() {
  cat <<C
[global]
fsid = $(kept fsid cat /proc/sys/kernel/random/uuid)
mon host = v1:127.0.0.1:$(kept mon_port free_port)
public network = 127.0.0.0/8
auth cluster required = none
auth service required = none
auth client required = none
mon warn on pool no redundancy = false
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd crush chooseleaf type = 0
osd objectstore = bluestore
bluestore block size = 21474836480
mon allow pool size one = true
mon allow pool delete = true
mon data avail warn = 1
mon data avail crit = 0
ms bind msgr2 = false
run dir = $STATE/run
log file = $STATE/log/\$name.log
admin socket = $STATE/run/\$name.asok
pid file = $STATE/\$name.pid
setuser match path = $STATE
[mon.a]
mon data = $STATE/mon
[mgr.x]
mgr data = $STATE/mgr
[osd]
osd data = $STATE/osd
osd memory target = 939524096
osd class update on start = false
osd crush update on start = false
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:$(kept port free_port)
rgw dns name = localhost
rgw lc debug interval = 10
rgw crypt require ssl = false
rgw enable usage log = false
C
}

ceph_tool() { local tool=$1; shift; "$tool" -c "$CONF" "$@"; }

create_cluster() {
  # What an attempt that failed half-way left running or half-made would fail this one, too.
  stop
  rm -rf "$STATE"/{mon,mgr,osd,run}
  mkdir -p "$STATE"/{mon,mgr,osd,run,log}
  configuration > "$CONF"
  monmaptool --create --clobber --fsid "$(cat "$STATE/fsid")" --addv a "v1:127.0.0.1:$(cat "$STATE/mon_port")" "$STATE/monmap" > /dev/null
  ceph_tool ceph-mon --mkfs -i a --monmap "$STATE/monmap" >&2
  ceph_tool ceph-mon -i a >&2
  ceph_tool ceph-mgr -i x >&2
  ceph_tool ceph osd create "$(kept osd_uuid cat /proc/sys/kernel/random/uuid)" 0 >&2
  ceph_tool ceph-osd -i 0 --mkfs --osd-uuid "$(cat "$STATE/osd_uuid")" >&2
  ceph_tool ceph osd crush add osd.0 1.0 host=localhost root=default >&2
}

account() { # UID KEY_FILE_PREFIX
  ceph_tool radosgw-admin -n client.rgw user create --uid "$1" --display-name "$1" --email "$1@example.com" \
    --access-key "$(kept "$2access_key" random_key)" --secret "$(kept "$2secret_key" random_secret)" > /dev/null
}

# Runs a command once more where it fails: on a busy machine a fresh monitor may refuse what it takes a moment later.
again() { # COMMAND...
  local status
  # In a subshell of its own, outside of any condition: only there does -e stop at the first failing command.
  set +e
  (set -e; "$@")
  status=$?
  set -e
  [ "$status" -eq 0 ] || { echo "$1 failed with $status: once more" >&2; "$@"; }
}

# Only what is not running is started: after a kill the monitor and the manager still live.
start() {
  [ -e "$STATE/created" ] || again create_cluster
  [ -n "$(alive mon.a)" ] || [ ! -e "$STATE/created" ] || ceph_tool ceph-mon -i a >&2
  [ -n "$(alive mgr.x)" ] || [ ! -e "$STATE/created" ] || ceph_tool ceph-mgr -i x >&2
  [ -n "$(alive osd.0)" ] || ceph_tool ceph-osd -i 0 >&2
  [ -n "$(alive client.rgw)" ] || ceph_tool radosgw -n client.rgw >&2
  if [ ! -e "$STATE/created" ]; then
    wait_ready
    account proofmark ""
    account proofmark-alt alt_
    touch "$STATE/created"
  fi
}

alive() {
  local pid
  pid=$(cat "$STATE/$1.pid" 2>/dev/null || true)
  if [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; then echo "$pid"; fi
}

# Hooks act on what serves and stores data; the monitor and manager end with `down` only.
processes() {
  alive osd.0
  alive client.rgw
}

# After a crash the OSD lives on, and the gateway may still be there for a moment, writing down why it ended.
restart() {
  for _ in $(seq 100); do
    if [ -z "$(alive client.rgw)" ] || probe; then break; fi
    sleep 0.1
  done
  start
  wait_ready
}

stop() {
  local name pid
  for name in client.rgw osd.0 mgr.x mon.a; do
    pid=$(alive $name)
    if [ -n "$pid" ]; then kill -CONT "$pid"; kill -9 "$pid"; fi
  done
  wait_gone
}

main "$@"
