# SPDX-License-Identifier: MIT
# summary: a guest that pings and asks for config space while the daemon is started twice, upgraded, killed beside a standby, killed alone, reloaded, and killed while the host takes the device
# devices: -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0
# options: native=koffi|ffi-napi
# seconds: 1500
. "$OUT/lib.sh"
SLOTS=vpci
NIC=0000:00:04.0
pokes() { guest_log "$1" | grep -c '^POKE '; }
more_pokes() { [ "$(pokes "$1")" -ge "$2" ]; }
rounds() { guest_log "$1" | grep -c '^TRAFFIC '; }
more_rounds() { [ "$(rounds "$1")" -ge "$2" ]; }
unanswered() { guest_log "$1" | grep -c 'not responding'; }
second_daemon() { # what a second one says; HOST_LOCKED with the first one's process, and nothing else
  pciback serve --platform xen --slots "$SLOTS" --native "$NATIVE" --json > /run/second.log 2>&1 && { echo "it served"; return 1; }
  grep -q 'HOST_LOCKED' /run/second.log && grep -q "process $DAEMON" /run/second.log && ! grep -q '"msg":"device' /run/second.log && return
  cat /run/second.log
  return 1
}
begin() { # what is so before something is done to the daemon
  asked=$(pokes u1) late=$(unanswered u1) lost=$(pings_lost u1)
}
goes_on() { # title: the guest is served by another daemon, whose log is DAEMON_LOG from line FROM on, and noticed nothing
  tail -n "+${FROM:-1}" "$DAEMON_LOG" > /run/daemon-now.log
  check "$1: the device was taken over" grep -q '"msg":"device taken over"' /run/daemon-now.log
  check "$1: nothing was reset or seized anew" same "$(grep -cE '"msg":"(device seized|device returned|device reset)' /run/daemon-now.log)" 0
  check "$1: the state in the store is the same" same "$(xenstore-read "/local/domain/0/backend/pci/$id/0/state")" "$state"
  check "$1: the guest holds what it held" same "$(held_of_guest "$id")" "$held"
  check "$1: config space is answered again" within 120 more_pokes u1 $((asked + 3))
  check "$1: the guest pings" within 120 more_rounds u1 $(($(rounds u1) + 2))
  note "$1: $(($(unanswered u1) - late)) times not responding, $(($(pings_lost u1) - lost)) pings lost"
}
taken_by() { # log: whoever logs there serves
  grep -q '"msg":"standby: taking over"' "$1" && [ "$(grep -c '"msg":"ready"' "$1")" -ge "${2:-1}" ]
}
start_xen
load_pciback_module
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
make_assignable "$NIC"
remember "$NIC"
start_daemon
check "a second daemon is refused, and names the first" second_daemon
PCI_LINE='pci=["00:04.0"]'
guest_config u1 "hold traffic poke=8086:10d3@e8.w=5"
check "xl create u1" xl create /run/u1.cfg
id=$(xl domid u1)
check "u1: the guest goes through its tests" wait_guest u1 240 HOLD
check_guest_network u1
check "u1: pings and asks" within 120 more_rounds u1 2
held=$(held_of_guest "$id")
state=$(xenstore-read "/local/domain/0/backend/pci/$id/0/state")

begin
check "a second daemon is refused under a guest too" second_daemon
check "the guest pings on" within 60 more_rounds u1 $(($(rounds u1) + 1))
check "no request of it went without an answer" same "$(unanswered u1)" "$late"

begin
FROM=$(($(wc -l < "$DAEMON_LOG") + 1))
check "upgrade: the command says who serves" pciback upgrade
goes_on upgrade
check "upgrade: no request went without an answer" same "$(unanswered u1)" "$late"
check "upgrade: the first daemon has ended" within 30 daemon_ended
DAEMON=$(pciback status --json | sed -nE 's/^ *"pid": ([0-9]+).*/\1/p' | head -n 1)
FROM=1

begin
# Not by the function: the process would be its shell's.
"${PCIBACK[@]}" serve --platform xen --slots "$SLOTS" --native "$NATIVE" --json --standby > "$OUT/daemon-standby.log" 2>&1 &
standby=$!
check "standby: it waits" within 300 grep -q 'standby: waiting' "$OUT/daemon-standby.log"
kill -9 "$DAEMON"
DAEMON=$standby DAEMON_LOG="$OUT/daemon-standby.log"
check "standby: it serves" within 60 taken_by "$DAEMON_LOG"
goes_on standby
check "standby: no request went without an answer" same "$(unanswered u1)" "$late"

begin
kill -9 "$DAEMON"
wait "$DAEMON" 2> /dev/null
DAEMON_LOG="$OUT/daemon-cold.log"
start_daemon
goes_on "cold start"

begin
kill -HUP "$DAEMON"
check "reload: the log says so" within 30 logged reloaded
check "reload: the guest pings on" within 60 more_rounds u1 $(($(rounds u1) + 1))
check "reload: no request went without an answer" same "$(unanswered u1)" "$late"

check "u1: hot unplug" xl pci-detach u1 00:04.0
check "the log says that the device was returned" within 30 logged 'device returned' "bdf=$NIC" "guest=$id"
check "its config space is what it was before" space_as_before "$NIC"
check "xl destroy u1" xl destroy u1

kill -9 "$DAEMON"
wait "$DAEMON" 2> /dev/null
check "the host takes the device while nobody serves, and gives it back" \
  eval 'xl pci-assignable-remove 00:04.0 && xl pci-assignable-add 00:04.0'
DAEMON_LOG="$OUT/daemon-again.log"
start_daemon
guest_config u2
check "xl create u2" xl create /run/u2.cfg
check "u2: the guest goes through its tests" wait_guest u2 240
check_guest_network u2
check "the log says that the host had the device" logged 'the host had the device meanwhile.*' "bdf=$NIC"
end_daemon
finish
