# SPDX-License-Identifier: MIT
# summary: no module of the kernel and no device in a guest's file: pciback attach to a guest that runs, hot plug, hot
# unplug, attach to a paused guest, xl destroy in the middle of a scan; afterwards everything is as before
# devices: -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0 -device nvme,serial=x,drive=d0,addr=05.0 -drive if=none,id=d0,file=null-co://,format=raw
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 3000
. "$OUT/lib.sh"
READY_SECONDS=900
NIC=0000:00:04.0 NVME=0000:00:05.0
case $SLOTS in
  vpci) VNIC=0000:00:00.0 VNVME=0000:00:01.0 ;;
  passthrough) VNIC=$NIC VNVME=$NVME ;;
esac
holds() { same "$(held_devices u1)" "DEVICES $*"; }
both_ends() { same "$(xenstore-read "/local/domain/$id/device/pci/0/state" "/local/domain/0/backend/pci/$id/0/state" | xargs)" "$1"; }
start_xen
rmmod pci-stub
check "no module of the kernel for pass-through is loaded" same "$(lsmod | grep -cE '^(xen_pciback|pci_stub|vfio|uio)')" 0
remember "$NIC" "$NVME"
start_stand_alone
guest_config u1 "hold traffic"
check "xl create u1, without a device" xl create /run/u1.cfg
id=$(xl domid u1)
check "u1: the guest is up" within 600 guest_says u1 '=== GUEST UP'
permitted "$id" > /run/permitted-none
cat /run/permitted-none /run/hypervisor-report > "$OUT/report-q"
hypervisor_report Q 'PCI devices' > "$OUT/report-Q"
check "u1: attach of a device to the running guest" pciback attach u1 00:04.0
check "u1: the guest goes through its tests" wait_guest u1 1200 HOLD
check_guest_network u1
check "u1: it has one device" within 400 holds "$VNIC=e1000e:3"
check "u1: its pings go on" within 400 sent_more u1 20
check "the hypervisor: the device is the guest's" same "$(owner_of $NIC)" "d$id"
held=$(held_of_guest "$id")
check "the hypervisor: one channel and one page beside console and xenstore, 3 interrupts" \
  same "$held" "channels=3 grants=3 irqs=3"
permitted "$id" > /run/permitted-nic
check "the hypervisor lets it use more than before" test "$(cat /run/permitted-nic)" != "$(cat /run/permitted-none)"

note "hot plug"
check "u1: attach of a second device" pciback attach u1 00:05.0
check "u1: it has both devices, nvme with its vectors" within 400 holds "$VNIC=e1000e:3 $VNVME=nvme:2"
check "both ends are Connected" within 120 both_ends "4 4"
note "hot unplug"
check "u1: detach of it" pciback detach u1 00:05.0
check "u1: it has one device" within 400 holds "$VNIC=e1000e:3"
check "both ends are Connected again" within 120 both_ends "4 4"
check "the hypervisor lets it use what it could before" same "$(permitted "$id")" "$(cat /run/permitted-nic)"
check "the hypervisor holds what it held before" same "$(held_of_guest "$id")" "$held"
check_pings_go_on u1 400 20
note "$(pings_sent u1) pings sent, $(pings_lost u1) lost"
check "no ping was lost" same "$(pings_lost u1)" 0

note "a guest that is paused"
guest_config u2 hold
check "xl create -p u2" xl create -p /run/u2.cfg
id2=$(xl domid u2)
check "u2: a device before it boots" pciback attach u2 00:05.0,slot=07
check "xl unpause u2" xl unpause u2
check "u2: it has connected" within 900 logged 'guest connected' "guest=$id2"
check "xl destroy u2, while it looks for devices" xl destroy u2
check "its nodes are gone" within 120 nodes_gone "$id2"
check "the log says that $NVME was returned" within 120 logged 'device returned' "bdf=$NVME" "guest=$id2"
check "the hypervisor: it is nobody's" within 120 bash -c "[ ! -s /run/pciback/stand-alone/$NVME ] || ! grep -q domain /run/pciback/stand-alone/$NVME"
check_pings_go_on u1 400 20

note "detach of the last device, and the end"
check "u1: detach" pciback detach u1
check "u1: it has no device" within 400 guest_says u1 '^DEVICES none'
check "the hypervisor lets it use what it could before it had any" same "$(permitted "$id")" "$(cat /run/permitted-none)"
check "its nodes are gone" within 120 nodes_gone "$id"
check "no channel, no page, no interrupt is left" same "$(held_of_guest "$id")" "channels=2 grants=2 irqs=0"
stop_daemon 120
check "the daemon ends with status 0" same "$DAEMON_STATUS" 0
check "its ledger says that nothing is mapped or bound" logged stopped mapped=0 bound=0 pirqs=0 assigned=0
check "nothing is noted as changed" nothing_noted
check_host_has "at the end" "$NIC" "$NVME"
check "u1: no request went without an answer" same "$(guest_log u1 | grep -c 'not responding')" 0
check "xl destroy u1" xl destroy u1
finish
