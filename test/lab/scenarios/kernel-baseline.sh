# SPDX-License-Identifier: MIT
# summary: the stock kernel back end under the stock toolstack, the reference for what a guest sees
# devices: -device edu,addr=03.0 -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0
# options:
# build: no
# seconds: 500
. "$OUT/lib.sh"
DEVICES=(0000:00:03.0 0000:00:04.0)
start_xen
load_pciback_module passthrough=0
make_assignable "${DEVICES[@]}"
remember "${DEVICES[@]}"
PCI_LINE='pci=["00:03.0","00:04.0"]'
guest_config u1 hold
note "starting guest u1"
check "xl create u1" xl create /run/u1.cfg
id=$(xl domid u1)
front=/local/domain/$id/device/pci/0/state
back=/local/domain/0/backend/pci/$id/0/state
check "u1: the guest goes through its tests" wait_guest u1 240 HOLD
note "u1 is done"
check "the guest's nodes say Connected" same "$(xenstore-read "$front" "$back" | xargs)" "4 4"
check "the hypervisor: one channel and one page beside console and xenstore, 3 interrupts" \
  same "$(held_of_guest "$id")" "channels=3 grants=3 irqs=3"
check_guest_view u1 "${DEVICES[0]}=0000:00:00.0" "${DEVICES[1]}=0000:00:01.0"
check_guest_network u1
note "xl destroy u1"
check "xl destroy u1" xl destroy u1
note "u1 is gone"
check "the guest's nodes are gone" within 20 nodes_gone "$id"
for d in "${DEVICES[@]}"; do
  check "u1: the config space of $d is what it was before" space_as_before "$d"
done
finish
