# SPDX-License-Identifier: MIT
# summary: the daemon is killed with -9, three times, under a guest that pings and asks for config space; each next one goes on
# devices: -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0
# options: native=koffi|ffi-napi
# seconds: 1200
. "$OUT/lib.sh"
SLOTS=vpci
NIC=0000:00:04.0
pokes() { guest_log "$1" | grep -c '^POKE '; }
more_pokes() { [ "$(pokes "$1")" -ge "$2" ]; }
rounds() { guest_log "$1" | grep -c '^TRAFFIC '; }
more_rounds() { [ "$(rounds "$1")" -ge "$2" ]; }
lost_pings() { guest_log "$1" | sed -nE 's/^TRAFFIC ([0-9]+) sent ([0-9]+) received.*/\1 \2/p' | awk '{ n += $1 - $2 } END { print n + 0 }'; }
unanswered() { guest_log "$1" | grep -c 'not responding'; }
start_xen
load_pciback_module
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
make_assignable "$NIC"
cp "$PCI/$NIC/config" /run/before
start_daemon
PCI_LINE='pci=["00:04.0"]'
guest_config u1 "hold traffic poke=8086:10d3@e8.w=5"
check "xl create u1" xl create /run/u1.cfg
id=$(xl domid u1)
check "u1: the guest goes through its tests" wait_guest u1 240 HOLD
check_guest_network u1
check "u1: pings and asks" within 120 more_rounds u1 2
held=$(held_of_guest "$id")
state=$(xenstore-read "/local/domain/0/backend/pci/$id/0/state")

for n in 1 2 3; do
  asked=$(pokes u1) late=$(unanswered u1) lost=$(lost_pings u1)
  kill -9 "$DAEMON"
  wait "$DAEMON" 2> /dev/null
  DAEMON_LOG="$OUT/daemon-$n.log"
  start_daemon
  check "kill $n: the device was taken over" logged 'device taken over' "bdf=$NIC" "guest=$id"
  check "kill $n: nothing was reset or seized anew" same "$(grep -cE '"msg":"(device seized|device returned|device reset)' "$DAEMON_LOG")" 0
  check "kill $n: the state in the store is the same" same "$(xenstore-read "/local/domain/0/backend/pci/$id/0/state")" "$state"
  check "kill $n: the guest holds what it held" same "$(held_of_guest "$id")" "$held"
  check "kill $n: config space is answered again" within 120 more_pokes u1 $((asked + 3))
  check "kill $n: the guest pings" within 120 more_rounds u1 $(($(rounds u1) + 2))
  note "kill $n: $(($(unanswered u1) - late)) times not responding, $(($(lost_pings u1) - lost)) pings lost"
done

check "u1: hot unplug" xl pci-detach u1 00:04.0
check "the log says that the device was returned" within 30 logged 'device returned' "bdf=$NIC" "guest=$id"
check "its config space is what it was before" config_changes "$NIC" /run/before
check "xl destroy u1" xl destroy u1
guest_config u2
check "xl create u2" xl create /run/u2.cfg
check "u2: the guest goes through its tests" wait_guest u2 240
check_guest_network u2
stop_daemon
check "the daemon ends with status 0" same "$DAEMON_STATUS" 0
check "its ledger says that nothing is mapped or bound" logged stopped mapped=0 bound=0 pirqs=0
finish
