# SPDX-License-Identifier: MIT
# summary: a network card without MSI (82540EM) works through its line interrupt
# devices: -netdev user,id=n0 -device e1000,netdev=n0,addr=04.0
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 400
. "$OUT/lib.sh"
NIC=0000:00:04.0
interrupts_of() { guest_log u1 | sed -nE 's/^ *[0-9]+: +([0-9]+) +xen-pirq +-pcifront  *eth0/\1/p'; }
counted() { # text: numbers of interrupts over time rise
  local first last
  first=$(interrupts_of | head -n 1) last=$(interrupts_of | tail -n 1)
  echo "counted: $(interrupts_of | xargs)"
  [ "${last:-0}" -gt "${first:-0}" ]
}
start_xen
load_pciback_module
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
make_assignable "$NIC"
line=$(cat "$PCI/$NIC/irq")
note "the line of $NIC is $line; dom0's own interrupts:"
tee "$OUT/dom0-interrupts.txt" < /proc/interrupts | grep -E 'pirq'
for d in "$PCI"/*; do echo "$(basename "$d") line $(cat "$d/irq") $(basename "$(readlink "$d/driver" || echo none)")"; done |
  tee "$OUT/dom0-lines.txt"
check "it has a line, and no other device of this machine has the same" \
  same "$(grep " line $line " "$OUT/dom0-lines.txt")" "$NIC line $line pciback"
check "no driver of dom0 has a handler on it" same "$(grep -cE "^ *$line:" /proc/interrupts)" 0
remember "$NIC"
start_daemon
PCI_LINE='pci=["00:04.0"]'
guest_config u1 "hold traffic modules=e1000 interrupts=eth0"
check "xl create u1" xl create /run/u1.cfg
id=$(xl domid u1)
check "u1: the guest goes through its tests" wait_guest u1 240 HOLD
check "u1: e1000 is bound" guest_says u1 '^DRIVER [0-9a-f:.]+ e1000$'
check "u1: 3 of 3 pings come back" guest_says u1 '3 packets transmitted, 3 packets received'
check "u1: one line interrupt" guest_says u1 'xen-pirq +-pcifront +eth0'
check "u1: no message interrupt" same "$(guest_interrupts u1 eth0 | grep -c pcifront-msi)" 0
check "u1: the line's count rises with the pings" within 60 counted
note "interrupts over time: $(interrupts_of | xargs)"
check "the hypervisor: one interrupt is routed to the guest" same "$(held_of_guest "$id")" "channels=3 grants=3 irqs=1"
check "xl destroy u1" xl destroy u1
check "the log says that the device was returned" within 30 logged 'device returned' "bdf=$NIC" "guest=$id"
check "its config space is what it was before" space_as_before "$NIC"
end_daemon
check "no line of dom0 was switched off" same "$(dmesg | grep -c 'nobody cared')" 0
finish
