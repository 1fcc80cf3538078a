# SPDX-License-Identifier: MIT
# summary: SIGTERM of the daemon while a guest holds its devices: the guest is led to Closed, nothing is left behind
# devices: -device edu,addr=03.0 -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 500
. "$OUT/lib.sh"
DEVICES=(0000:00:03.0 0000:00:04.0)
start_xen
load_pciback_module
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
make_assignable "${DEVICES[@]}"
remember "${DEVICES[@]}"
start_daemon
PCI_LINE='pci=["00:03.0","00:04.0"]'
guest_config u1 hold
check "xl create u1" xl create /run/u1.cfg
id=$(xl domid u1)
front=/local/domain/$id/device/pci/0/state
back=/local/domain/0/backend/pci/$id/0/state
wait_guest u1 240 HOLD || give_up "the guest goes through its tests and stays up"
check_guest_network u1
check "both ends are Connected before" same "$(xenstore-read "$front" "$back" | xargs)" "4 4"
check "the hypervisor: one channel and one page beside console and xenstore, 3 interrupts" \
  same "$(held_of_guest "$id")" "channels=3 grants=3 irqs=3"
note "SIGTERM of the daemon"
stop_daemon 60
check "the daemon ends with status 0" same "$DAEMON_STATUS" 0
check "the guest's end in xenstore is Closed" same "$(xenstore-read "$front")" 6
check "the daemon's end in xenstore is Closed" same "$(xenstore-read "$back")" 6
check "the log shows the daemon's end going to Closing" logged 'guest state' "guest=$id" end=back 'to=5|[Cc]losing'
check "the log shows the guest's end going to Closed" logged 'guest state' "guest=$id" end=front 'to=6|[Cc]losed'
check "the log shows the daemon's end going to Closed" logged 'guest state' "guest=$id" end=back 'to=6|[Cc]losed'
check "the log says that the guest was released, and of no leak" released_whole "$id"
for d in "${DEVICES[@]}"; do
  check "the log says that $d was returned" logged 'device returned' "bdf=$d" "guest=$id"
  check "the config space of $d is what it was before" space_as_before "$d"
done
check "its ledger says that nothing is mapped or bound" logged stopped mapped=0 bound=0 pirqs=0
check "the hypervisor agrees: no channel, no page, no interrupt is left" \
  same "$(held_of_guest "$id")" "channels=2 grants=2 irqs=0"
check "the guest is still up and has no PCI device any more" within 20 guest_says u1 'FRONT Closed; PCI devices: 0'
finish
