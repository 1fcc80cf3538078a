# SPDX-License-Identifier: MIT
# summary: a guest's card and a card of dom0 on one line in stand-alone mode: both work while the guest's card interrupts as fast as it
# can, and while the guest is paused, because a handler claims that; without the handler dom0 shuts the line down
# devices: -netdev user,id=n0 -device e1000,netdev=n0,addr=04.0 -netdev user,id=n1 -device e1000,netdev=n1,addr=08.0
# options: interrupts=2000|20000|200000 slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 3000
# emulator: newer
# xen: dom0_max_vcpus=1 dom0_vcpus_pin ioapic_ack=old
# Older emulators miss a write of half a command register: docs/operators/stand-alone.md.
# Whoever does not answer an interrupt of a line within 1 ms has it answered by the hypervisor, and gets it anew. In this emulation
# that is less than a change between two domains takes, so each has a processor of its own.
# While it waits for the answer, ioapic_ack=new (its default here) keeps every interrupt of a lower priority from that processor: a line
# that nobody serves takes dom0's disks with it, and nobody could see there what became of its card.
. "$OUT/lib.sh"
READY_SECONDS=900
NIC=0000:00:04.0 OWN=0000:00:08.0
actions() { cat "/sys/kernel/irq/$LINE/actions"; }
taken() { awk -v line="$LINE:" '$1 == line { print $2 }' /proc/interrupts; } # interrupts of the line in dom0
handled() { pciback irq list --json | sed -nE 's/.*"handled": ?([0-9]+).*/\1/p'; }
served() { guest_log "$1" | sed -nE 's/^ *[0-9]+: +([0-9]+) +xen-pirq +-pcifront  *eth0/\1/p' | tail -n 1; }
served_more() { [ "$(served "$1")" -ge "$2" ]; }
is_polled() { # Linux asks the drivers of a line that it has shut down ten times a second
  local from
  from=$(taken)
  host_pings
  same "$(taken)" "$from"
}
round_trips() { "$LAB/dom0-tree/bin/busybox" ping -c 5 -W 5 10.0.2.2 | tail -n 1; }
# Linux counts anew after 0.1 s without an interrupt that nobody claims, and an emulated guest is rarely that quick for 100,000 in a
# row. A guest that is paused while its card asks for service leaves the line raised, so dom0 gets one after the other.
pause_with_line_raised() { # name
  local from
  for _ in $(seq 60); do
    xl pause "$1"
    from=$(taken)
    sleep 1
    [ $(($(taken) - from)) -lt 50 ] || return 0
    xl unpause "$1"
    sleep 0.5
  done
  return 1
}
cut_off() { dmesg | grep -E "irq $LINE: nobody cared"; }
boot_guest() { # name
  guest_config "$1" "hold traffic=fast modules=e1000 interrupts=eth0"
  check "$1: xl create -p" xl create -p "/run/$1.cfg"
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
remember "$NIC"
start_stand_alone
PCI_LINE+=$'\ncpus="1"'
check "the guest's card is seized" pciback seize "$NIC"
modprobe e1000 || give_up "dom0's driver loads"
host_network
check "dom0's card works" within 60 host_pings
LINE=$(cat "$PCI/$NIC/irq")
check "both cards have one line" same "$(cat "$PCI/$OWN/irq")" "$LINE"
note "dom0's card: $(round_trips)"

note "with a handler"
boot_guest u1
check "dom0's driver and the handler are on the line" same "$(actions | tr ',' '\n' | sort | xargs)" "eth0 uio_pci_generic"
from=$(cut -d. -f1 /proc/uptime)
check "u1: its driver has served $INTERRUPTS interrupts" within 2400 served_more u1 "$INTERRUPTS"
note "$(served u1) interrupts of the guest's after $(($(cut -d. -f1 /proc/uptime) - from)) s; dom0 took $(taken)"
pciback irq list
check "the handler has claimed interrupts" test "$(handled)" -gt 0
check "dom0 did not shut the line down" same "$(cut_off)" ""
check "dom0's card works" within 60 host_pings
check_pings_go_on u1 400 40
note "u1: $(pings_sent u1) pings sent, $(pings_lost u1) lost"
check "u1: xl pause, while its card asks for service" pause_with_line_raised u1
from=$(taken) claimed=$(handled)
sleep 30
note "paused: in 30 s dom0 took $(($(taken) - from)), and the handler claimed $(($(handled) - claimed))"
check "u1 is paused: dom0 did not shut the line down" same "$(cut_off)" ""
check "u1 is paused: dom0's card works" within 60 host_pings
check "u1: xl unpause" xl unpause u1
check_pings_go_on u1 400 40
check "u1: detach" pciback detach u1
check "only dom0's driver is on the line" within 60 same "$(actions)" eth0
check "dom0's card works" within 60 host_pings
check "xl destroy u1" xl destroy u1
end_daemon 120
check "nothing is noted as changed" nothing_noted
check_host_has "at the end" "$NIC"

note "without a handler"
echo pciback-nobody > "$PCI/$NIC/driver_override" # dom0's driver would take it before it is seized
start_stand_alone ', "stand-alone": { "lineHandler": "none" }, "sharedLines": "allow"'
PCI_LINE+=$'\ncpus="1"'
boot_guest u2
check "only dom0's driver is on the line" same "$(actions)" eth0
check "u2: xl pause, while its card asks for service" pause_with_line_raised u2
check "dom0 shuts the line down: nobody cared" within 2000 cut_off
cut_off
note "$(served u2) interrupts of the guest's; dom0 took $(taken)"
check "dom0's card gets no interrupts any more" is_polled
note "dom0's card: $(round_trips)"
check "xl destroy u2" xl destroy u2
end_daemon 120
finish
