# SPDX-License-Identifier: MIT
# summary: interrupt policy msi-only: a driver that asks for MSI-X gets one MSI instead, and works with it
# devices: -netdev user,id=n0 -device vmxnet3,netdev=n0,addr=04.0
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 400
. "$OUT/lib.sh"
NIC=0000:00:04.0
start_xen
load_pciback_module
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
make_assignable "$NIC"
remember "$NIC"
cat > /run/pciback.config.json <<'EOC'
{ "interrupts": "msi-only" }
EOC
start_daemon --config /run/pciback.config.json
PCI_LINE='pci=["00:04.0"]'
guest_config u1 "hold modules=vmxnet3"
check "xl create u1" xl create /run/u1.cfg
id=$(xl domid u1)
check "u1: the guest goes through its tests" wait_guest u1 240 HOLD
guest_interrupts u1 eth0
check "u1: vmxnet3 is bound" guest_says u1 '^DRIVER [0-9a-f:.]+ vmxnet3$'
check "the log says that its request for MSI-X was refused" \
  logged 'interrupt request refused' "guest=$id" what=enable_msix 'why=.*msi-only.*'
check "u1: no MSI-X vector" same "$(msix_vectors u1)" 0
check "u1: exactly one MSI" same "$(guest_interrupts u1 eth0 | grep -c 'pcifront-msi ')" 1
check "u1: no line interrupt" same "$(guest_interrupts u1 eth0 | grep -c -- '-pcifront ')" 0
check "u1: the interrupt was counted" test "$(guest_interrupts u1 eth0 | awk '{ print $2 }')" -gt 0
check "u1: lspci says that MSI is on" guest_says u1 'MSI: Enable\+'
check "u1: lspci says that MSI-X is off" guest_says u1 'MSI-X: Enable-'
check "u1: 3 of 3 pings come back" guest_says u1 '3 packets transmitted, 3 packets received'
check "the hypervisor: one interrupt is routed to the guest" same "$(held_of_guest "$id")" "channels=3 grants=3 irqs=1"
check "xl destroy u1" xl destroy u1
check "the log says that the device was returned" within 30 logged 'device returned' "bdf=$NIC" "guest=$id"
check "its config space is what it was before" space_as_before "$NIC"
end_daemon
finish
