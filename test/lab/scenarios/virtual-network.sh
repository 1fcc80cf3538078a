# SPDX-License-Identifier: MIT
# summary: a virtual function of a network card with MSI-X in stand-alone mode: its guest pings through it, beside the host's own port
# devices: -device pcie-root-port,id=rp0,chassis=1,slot=1,addr=04.0,hotplug=off -netdev user,id=n0 -device igb,netdev=n0,bus=rp0
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 1500
# emulator: newer
. "$OUT/lib.sh"
READY_SECONDS=900
PF=0000:01:00.0
start_xen
modprobe_finds_modules
modprobe igb || give_up "igb is loaded"
host_network
echo 0 > "$PCI/$PF/sriov_drivers_autoprobe"
echo 1 > "$PCI/$PF/sriov_numvfs" || give_up "a virtual function is there"
VF=$(basename "$(readlink "$PCI/$PF/virtfn0")")
note "$PF has $VF"
check "dom0's port works" within 60 host_pings
remember "$VF"
start_stand_alone
check "the function is seized" pciback seize "$VF"

guest_config u1 "hold traffic modules=igbvf"
check "xl create -p u1" xl create -p /run/u1.cfg
id=$(xl domid u1)
permitted "$id" > /run/permitted-none
pciback attach u1 "$VF" || give_up "u1: attach of the virtual function"
check "xl unpause u1" xl unpause u1
check "u1: the guest goes through its tests" wait_guest u1 300 HOLD
# The function's number alone stays, of a slot that the guest has not.
case $SLOTS in
  vpci) VDEV=0000:00:00.0 ;;
  passthrough) VDEV=$VF ;;
esac
check_guest_view u1 "$VF=$VDEV"
check "u1: igbvf is bound" guest_says u1 "^DRIVER $VDEV igbvf$"
check "u1: it has 3 MSI-X vectors" same "$(msix_vectors u1)" 3
guest_interrupts u1 eth0
check "u1: 3 of 3 pings come back" guest_says u1 '^3 packets transmitted, 3 packets received'
check "u1: interrupts were counted" test "$(guest_interrupts u1 eth0 | awk '{ sum += $2 } END { print sum + 0 }')" -gt 0
check "u1: no request went without an answer" same "$(guest_log u1 | grep -c 'not responding')" 0
check "the hypervisor: the device is the guest's" same "$(owner_of "$VF")" "d$id"
check "the hypervisor: so are as many interrupts" same "$(held_of_guest "$id")" "channels=3 grants=3 irqs=3"
check "dom0's port works beside it" within 60 host_pings
note "detach"
check "u1: detach" pciback detach u1
check "u1: it has no device" within 120 guest_says u1 '^DEVICES none'
check "u1: the hypervisor lets it use what it could before" same "$(permitted "$id")" "$(cat /run/permitted-none)"
check "dom0's port works without it" within 60 host_pings
check "the function is released" pciback release "$VF"
check_host_has "after the release" "$VF"
check "xl destroy u1" xl destroy u1
end_daemon 120
check "nothing is noted as changed" nothing_noted
finish
