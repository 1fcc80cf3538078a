# SPDX-License-Identifier: MIT
# summary: a guest's card and a card of dom0 on one line, stand-alone
# devices: -netdev user,id=n0 -device e1000,netdev=n0,addr=04.0,mitigation=off -netdev user,id=n1 -device e1000,netdev=n1,addr=08.0,mitigation=off
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 3000
. "$OUT/lib.sh"
READY_SECONDS=900
NIC=0000:00:04.0 OWN=0000:00:08.0
start_xen
modprobe_finds_modules
cat "$PCI/$NIC/irq" "$PCI/$OWN/irq"
echo '{ "xen": { "mode": "stand-alone" } }' > /run/pciback.config.json
start_daemon --config /run/pciback.config.json
check "the function is seized" pciback seize "$NIC"
cat "$PCI/$NIC/irq" "$PCI/$OWN/irq"
PCI_LINE=$'e820_host=1\npassthrough="enabled"'
guest() {
guest_config $1 "hold traffic modules=e1000 interrupts=eth0 iomem=relaxed $2"
check "xl create -p $1" xl create -p /run/$1.cfg
id=$(xl domid $1)
check "attach" pciback attach $1 "$NIC"
cat /run/pciback/stand-alone/*
check "xl unpause $1" xl unpause $1
check "$1: the guest goes through its tests" wait_guest $1 300 HOLD
sleep 10
guest_log $1 | tail -${3:-25}
cat /proc/interrupts | grep 20:
hypervisor_report i 'IO-APIC interrupt information' | grep -E "d$id|IRQ: *20"
setpci -s $NIC COMMAND STATUS INTERRUPT_LINE
}
note A: alone
guest u1 "" 60
modprobe e1000
ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0; sleep 5; ping -c 3 10.0.2.2
note B: dom0s driver came later
cat "$PCI/$NIC/irq" "$PCI/$OWN/irq"
cat /proc/interrupts
cat /sys/kernel/irq/20/actions
guest_log u1 | tail -4
hypervisor_report i 'IO-APIC interrupt information' | grep -E "d$id|IRQ: *20"
xl destroy u1
modprobe uio_pci_generic
sleep 5
note C: with uio
guest u2 "" 60
sleep 10
ping -c 3 10.0.2.2
guest_log u2 | tail -6
tail -5 "$DAEMON_LOG"
finish
