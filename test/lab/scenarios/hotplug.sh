# SPDX-License-Identifier: MIT
# summary: xl pci-attach and pci-detach of a second device, again and again, on a guest that pings through its first
# devices: -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0 -device nvme,serial=x,drive=d0,addr=05.0 -drive if=none,id=d0,file=null-co://,format=raw
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 500
. "$OUT/lib.sh"
NIC=0000:00:04.0 NVME=0000:00:05.0 CYCLES=3
case $SLOTS in
  vpci) VNIC=0000:00:00.0 VNVME=0000:00:01.0 ;;
  passthrough) VNIC=$NIC VNVME=$NVME ;;
esac
returned() { same "$(times 'device returned' "bdf=$NVME" "guest=$id")" "$1"; } # how often
holds() { same "$(held_devices u1)" "DEVICES $*"; }
times() { logged_lines "$@" | wc -l; }
both_ends() { same "$(xenstore-read "/local/domain/$id/device/pci/0/state" "/local/domain/0/backend/pci/$id/0/state" | xargs)" "$1"; }
start_xen
load_pciback_module
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
make_assignable "$NIC" "$NVME"
remember "$NIC" "$NVME"
start_daemon
PCI_LINE='pci=["00:04.0"]'
guest_config u1 "hold traffic"
check "xl create u1" xl create /run/u1.cfg
id=$(xl domid u1)
check "u1: the guest goes through its tests" wait_guest u1 240 HOLD
check_guest_network u1
check "the guest has one device" within 20 holds "$VNIC=e1000e:3"
check "its pings go on" within 30 sent_more u1 20
held=$(held_of_guest "$id")
check "the hypervisor: one channel and one page beside console and xenstore, 3 interrupts" \
  same "$held" "channels=3 grants=3 irqs=3"
for cycle in $(seq $CYCLES); do
  note "cycle $cycle: attach"
  check "cycle $cycle: xl pci-attach" xl pci-attach u1 00:05.0
  check "cycle $cycle: the guest has both devices, nvme with its vectors" \
    within 60 holds "$VNIC=e1000e:3 $VNVME=nvme:2"
  check "cycle $cycle: both ends are Connected" within 20 both_ends "4 4"
  note "cycle $cycle: detach"
  check "cycle $cycle: xl pci-detach" xl pci-detach u1 00:05.0
  check "cycle $cycle: the guest has one device" within 60 holds "$VNIC=e1000e:3"
  check "cycle $cycle: both ends are Connected again" within 20 both_ends "4 4"
  check "cycle $cycle: the log says that the device was returned" \
    within 20 returned "$cycle"
  check "cycle $cycle: its config space is what it was before" space_as_before "$NVME"
  check "cycle $cycle: the hypervisor holds what it held before" same "$(held_of_guest "$id")" "$held"
  check_pings_go_on u1 30 20 "cycle $cycle: its pings go on"
done
note "$(pings_sent u1) pings sent, $(pings_lost u1) lost"
check "no ping was lost" same "$(pings_lost u1)" 0
check "no request of the guest went without an answer" same "$(guest_log u1 | grep -c 'not responding')" 0
for end in front back; do
  check "the log shows the $end end going to Connected once and after each change" \
    same "$(times 'guest state' "guest=$id" end=$end to=Connected)" $((1 + 2 * CYCLES))
done
check "the log shows every change answered with Reconfigured" \
  same "$(times 'guest state' "guest=$id" end=back to=Reconfigured)" $((2 * CYCLES))
check "xl destroy u1" xl destroy u1
check "its nodes are gone" within 20 nodes_gone "$id"
check "the log says that $NIC was returned" within 20 logged 'device returned' "bdf=$NIC" "guest=$id"
end_daemon
finish
