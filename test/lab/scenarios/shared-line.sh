# SPDX-License-Identifier: MIT
# summary: a guest's card and a card of dom0 on one line in stand-alone mode: both work while the guest's card interrupts as fast as it
# can, because a handler claims that; with 20,000 interrupts and more also: without a handler the host shuts the line down
# devices: -netdev user,id=n0 -device e1000,netdev=n0,addr=04.0 -netdev user,id=n1 -device e1000,netdev=n1,addr=08.0
# options: interrupts=2000|20000|200000 slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 3000
# emulator: newer
# xen: dom0_max_vcpus=1 dom0_vcpus_pin
# Older emulators miss a write of half a command register: docs/operators/stand-alone.md.
# Whoever does not answer an interrupt of a line within 1 ms has it answered by the hypervisor, and gets it anew. In this emulation
# that is less than a change between two domains takes, so each has a processor of its own.
. "$OUT/lib.sh"
READY_SECONDS=900
NIC=0000:00:04.0 OWN=0000:00:08.0
ping() { "$LAB/dom0-tree/bin/busybox" ping "$@"; }
actions() { cat "/sys/kernel/irq/$LINE/actions"; }
taken() { awk -v line="$LINE:" '$1 == line { print $2 }' /proc/interrupts; } # interrupts of the line in dom0
handled() { pciback irq list --json | sed -nE 's/.*"handled": ?([0-9]+).*/\1/p'; }
sent() { guest_log "$1" | awk '/^TRAFFIC/ { sent += $2 } END { print sent + 0 }'; }
lost() { guest_log "$1" | awk '/^TRAFFIC/ { sent += $2; back += $4 } END { print sent - back }'; }
sent_more() { [ "$(sent "$1")" -ge "$2" ]; }
served() { guest_log "$1" | sed -nE 's/^ *[0-9]+: +([0-9]+) +xen-pirq +-pcifront  *eth0/\1/p' | tail -n 1; }
served_more() { [ "$(served "$1")" -ge "$2" ]; }
own_card_works() { ping -c 3 -W 5 10.0.2.2 | grep '3 packets received'; }
dead() { ! own_card_works; }
cut_off() { dmesg | grep -E "irq $LINE: nobody cared"; }
serve() { # the rc file
  echo "$1" > /run/pciback.config.json
  start_daemon --config /run/pciback.config.json
}
boot_guest() { # name
  guest_config "$1" "hold traffic=fast modules=e1000 interrupts=eth0"
  check "$1: xl create -p" xl create -p "/run/$1.cfg"
  id=$(xl domid "$1")
  check "$1: attach of the card" pciback attach "$1" "$NIC"
  cat "/run/pciback/stand-alone/$NIC"
  echo "handlers on line $LINE: $(actions)"
  check "$1: xl unpause" xl unpause "$1"
  check "$1: the guest goes through its tests" wait_guest "$1" 600 HOLD
  check "$1: 3 of 3 pings come back" guest_says "$1" '^3 packets transmitted, 3 packets received'
}
start_xen
modprobe_finds_modules
modprobe uio_pci_generic || give_up "uio_pci_generic loads"
cp "$PCI/$NIC/config" /run/before
host_state "$NIC" > /run/host
serve '{ "xen": { "mode": "stand-alone" } }'
check "the guest's card is seized" pciback seize "$NIC"
modprobe e1000 || give_up "dom0's driver loads"
ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0
check "dom0's card works" within 60 own_card_works
LINE=$(cat "$PCI/$NIC/irq")
check "both cards have one line" same "$(cat "$PCI/$OWN/irq")" "$LINE"
PCI_LINE=$'e820_host=1\npassthrough="enabled"\ncpus="1"'

note "with a handler"
boot_guest u1
check "dom0's driver and the handler are on the line" same "$(actions | tr ',' '\n' | sort | xargs)" "eth0 uio_pci_generic"
from=$(cut -d. -f1 /proc/uptime)
check "u1: its driver has served $INTERRUPTS interrupts" within 2400 served_more u1 "$INTERRUPTS"
note "$(served u1) interrupts of the guest's after $(($(cut -d. -f1 /proc/uptime) - from)) s; dom0 took $(taken)"
pciback irq list
check "the handler has claimed interrupts" test "$(handled)" -gt 0
check "dom0 did not shut the line down" same "$(cut_off)" ""
check "dom0's card works" within 60 own_card_works
check "u1: its pings go on" within 400 sent_more u1 $(($(sent u1) + 40))
note "u1: $(sent u1) pings sent, $(lost u1) lost"
check "u1: detach" pciback detach u1
check "only dom0's driver is on the line" within 60 same "$(actions)" eth0
check "dom0's card works" within 60 own_card_works
check "xl destroy u1" xl destroy u1
end_daemon 120
check "nothing is noted as changed" same "$(ls /run/pciback/stand-alone 2>/dev/null)" ""
check "the config space of the guest's card is what it was before" config_changes "$NIC" /run/before
check "what sysfs says of it is what it said before" same "$(host_state "$NIC")" "$(cat /run/host)"

[ "$INTERRUPTS" != 2000 ] || finish # dom0 looks at a line after 100,000, which takes its time
note "without a handler"
echo pciback-nobody > "$PCI/$NIC/driver_override" # dom0's driver would take it before it is seized
serve '{ "xen": { "mode": "stand-alone" }, "stand-alone": { "lineHandler": "none" }, "sharedLines": "allow" }'
boot_guest u2
check "only dom0's driver is on the line" same "$(actions)" eth0
check "dom0 shuts the line down: nobody cared" within 2000 cut_off
note "$(served u2) interrupts of the guest's; dom0 took $(taken)"
check "dom0's card is dead" dead
check "xl destroy u2" xl destroy u2
end_daemon 120
finish
