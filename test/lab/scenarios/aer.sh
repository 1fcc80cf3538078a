# SPDX-License-Identifier: MIT
# summary: PCI Express errors: a guest's driver is asked and recovers, after a fatal one with its link reset under it; a guest without a
# handler and one that does not answer lose their device, and nobody else notices
# devices: -device pcie-root-port,id=rp1,chassis=1,slot=1,hotplug=off,x-speed=2_5,x-width=1,addr=06.0 -netdev user,id=n0 -device e1000e,id=nic0,netdev=n0,bus=rp1 -device pcie-root-port,id=rp2,chassis=2,slot=2,hotplug=off,x-speed=2_5,x-width=1,addr=07.0 -netdev user,id=n1 -device virtio-net-pci,id=nic1,netdev=n1,bus=rp2,aer=on,disable-legacy=on
# options: mode=drop-in|stand-alone slots=vpci|passthrough native=koffi|ffi-napi
# dom0: pcie_ports=native
# monitor: yes
# seconds: 1500
. "$OUT/lib.sh"
NIC=0000:01:00.0 VIRTIO=0000:02:00.0
PORT=0000:00:06.0 PORT2=0000:00:07.0
# Uncorrectable errors by their bit: a poisoned packet is not fatal, one of the data link protocol is.
POISONED=0x1000 PROTOCOL=0x10
back() { guest_log "$u1" | awk '/^TRAFFIC/ { back += $4 } END { print back + 0 }'; }
back_more() { [ "$(back)" -ge "$1" ]; }
bars() { od -An -v -tx4 -j16 -N24 "$PCI/$1/config"; }
# What is said of an error of the network card, from a line of the log on: "detected 2 …", a stage with state and answer each.
asked_since() { # number of lines before
  tail -n +$(($1 + 1)) "$DAEMON_LOG" | grep '"msg":"device error"' | grep "\"bdf\":\"$NIC\"" |
    sed -E 's/.*"stage":"([a-zA-Z]+)","state":([0-9]),"answer":"([^"]*)".*/\1 \2 \3/'
}
asked_all() { same "$(asked_since "$1" | paste -sd';')" "$2"; }
log_lines() { wc -l < "$DAEMON_LOG"; }
le32() { printf '\\x%02x\\x%02x\\x%02x\\x%02x' $(($1 & 255)) $((($1 >> 8) & 255)) $((($1 >> 16) & 255)) $((($1 >> 24) & 255)); }
# The kernel's own injection: a function's error without a word of the device. Address, correctable and uncorrectable bits, four
# dwords of the packet's header, segment.
kernel_injects() { # bus, uncorrectable bits
  # shellcheck disable=SC2059 # bytes, not a format of ours
  printf "$(printf '\\x%02x\\0\\0\\0' "$1")$(le32 "$2")$(le32 0)$(le32 1)$(le32 2)$(le32 3)$(le32 4)$(le32 0)" > /run/error
  dd if=/run/error of=/dev/aer_inject bs=32 count=1 status=none
}
counted() { [ "$(tail -n 1 "$PCI/$1/aer_dev_$2" | cut -d' ' -f2)" = "$3" ] || { cat "$PCI/$1/aer_dev_$2"; return 1; }; } # BDF, severity, number
kernel_says() { dmesg | grep -qE -- "$1" || { dmesg | tail -n 20; return 1; }; }
holds() { same "$(held_of_guest "$1")" "channels=3 grants=3 irqs=$2"; } # domain id, number
failed() { same "$(xenstore-read "/local/domain/0/backend/pci/$1/0/aerState")" aerfail; } # domain id
cut_off() { # BDF: its fence leaves it decode, and no bus mastering
  local command
  command=$((16#$(setpci -s "$1" COMMAND)))
  [ $((command & 6)) = 2 ] || { setpci -s "$1" COMMAND; return 1; }
}
reports_errors() { # BDF…: as firmware or a driver would have it
  local bdf
  for bdf; do setpci -s "$bdf" CAP_EXP+8.w=000f:000f COMMAND=0100:0100; done
}

counts_as_before() { # BDF, register as setpci has it, number of bytes
  local at
  at=$((16#$(setpci -v -s "$1" "$2.b" | sed -nE 's/.* @([0-9a-f]+) = .*/\1/p')))
  dd if="$PCI/$1/config" of="/run/before-$1" bs=1 skip=$at seek=$at count="$3" conv=notrunc status=none
}

gives() { # guest, BDF, words: makes a guest that has the device, or gets it as soon as it is up
  [ "$MODE" = drop-in ] && PCI_LINE="pci=[\"${2#0000:}\"]"
  [ "$MODE" = drop-in ] || PCI_LINE=$'e820_host=1\npassthrough="enabled"'
  guest_config "$1" "$3"
  check "xl create $1" xl create "/run/$1.cfg"
  [ "$MODE" = drop-in ] && return
  check "$1: the guest is up" within 600 guest_says "$1" '=== GUEST UP'
  check "$1: attach" pciback attach "$1" "${2#0000:}"
}

start_xen
# In stand-alone mode no driver has the function, so none in the kernel can vote.
case $MODE in
  drop-in) VOTE='device recovery successful' ;;
  stand-alone) VOTE="can't recover \\(no error_detected callback\\)" ;;
esac
[ "$MODE" = stand-alone ] || load_pciback_module
insmod "$MODULES/kernel/drivers/pci/pcie/aer_inject.ko" || give_up "aer_inject.ko loads"
if [ "$MODE" = drop-in ]; then
  make_assignable "$NIC" "$VIRTIO"
else
  # dom0's own driver has it since the boot.
  echo "$VIRTIO" > "$PCI/$VIRTIO/driver/unbind"
fi
echo "{ \"xen\": { \"mode\": \"$MODE\" }, \"errors\": { \"deadlineSeconds\": 20 } }" > /run/pciback.config.json
remember "$NIC" "$VIRTIO"
start_daemon --config /run/pciback.config.json
# On a busy machine the front end can give up a request of its first scan, and has a card without one of its addresses then.
for u1 in u1 u1-2 u1-3; do
  gives "$u1" "$NIC" "hold traffic modules=e1000e"
  id=$(xl domid "$u1")
  wait_guest "$u1" 400 HOLD
  guest_says "$u1" 'not responding' || break
  note "$u1 got no answer to a request: another guest takes its place"
  [ "$MODE" = drop-in ] || pciback detach "$u1"
  xl destroy "$u1"
  within 60 logged 'device returned' "guest=$id" > /dev/null
done
check_guest_network "$u1"
[ "$(msix_vectors "$u1")" = 3 ] || give_up "$u1 has a card that works"
check "u1: its pings come back" within 120 back_more 20
check "the hypervisor: 3 interrupts are routed to u1" holds "$id" 3
bars "$NIC" > /run/bars

note "a nonfatal error of the network card"
before=$(log_lines)
dmesg -C
check "the kernel takes a poisoned packet of $NIC" kernel_injects 1 $POISONED
check "the function has counted it" within 20 counted "$NIC" nonfatal 1
check "the log says that the host counted an error" within 30 logged 'the host counted an error' "bdf=$NIC" severity=nonfatal
check "u1 is asked and answers: it needs a reset, has recovered, goes on" \
  within 60 asked_all "$before" 'detected 1 needs reset;slotReset 1 recovered;resume 1 none'
asked_since "$before"
dmesg | sed 's/^/    /'
check "the kernel's own recovery: $VOTE" kernel_says "$VOTE"
check "u1: pings come back again" within 120 back_more $(($(back) + 20))
check "the hypervisor: 3 interrupts are routed to u1" within 30 holds "$id" 3

note "a fatal error of the network card"
before=$(log_lines)
dmesg -C
check "the kernel takes a protocol error of $NIC" kernel_injects 1 $PROTOCOL
check "the kernel resets the link" within 30 kernel_says 'Root Port link has been reset \(0\)'
bars "$NIC" | sed 's/^/    /'
check "the log says that the host counted a fatal error" within 30 logged 'the host counted an error' "bdf=$NIC" severity=fatal
check "the log says that the function answers after the reset" within 90 logged 'the host reset a link' "bdf=$NIC" answers=true
check "u1 is asked and answers: it is frozen, was reset, goes on" \
  within 60 asked_all "$before" 'detected 2 needs reset;slotReset 1 recovered;resume 1 none'
asked_since "$before"
dmesg | sed 's/^/    /'
check "its addresses are what they were" same "$(bars "$NIC")" "$(cat /run/bars)"
check "u1: pings come back again" within 120 back_more $(($(back) + 20))
check "the hypervisor: 3 interrupts are routed to u1" within 30 holds "$id" 3
check "u1 is not fenced" test -z "$(logged_lines 'device fenced' "guest=$id")"

note "a real message of an error: a device whose guest has no driver for it"
gives u2 "$VIRTIO" "tests=none modules=none hold"
id2=$(xl domid u2)
check "u2: the guest is up" wait_guest u2 400 HOLD
reports_errors "$PORT2" "$VIRTIO"
setpci -s "$PORT2" BRIDGE_CONTROL=0002:0002
check "the emulator takes a poisoned packet" grep -q '^OK' <(monitor pcie_aer_inject_error nic1 POISON_TLP)
check "the function has counted it" within 20 counted "$VIRTIO" nonfatal 1
counts_as_before "$VIRTIO" ECAP_AER+18 1 # which error was the first
counts_as_before "$VIRTIO" CAP_EXP+c 2   # the emulator writes four bytes into the register before it, which has two
check "u2 is asked, gives up and is fenced" within 60 logged 'device fenced' "guest=$id2" "bdf=$VIRTIO" 'reason=guest gave up'
check "its directory says so" within 10 failed "$id2"
check "u1: pings go on" within 120 back_more $(($(back) + 20))

note "a guest that does not answer"
check "xl pause u1" xl pause "$u1"
check "the kernel takes a poisoned packet of $NIC" kernel_injects 1 $POISONED
check "u1 is fenced" within 60 logged 'device fenced' "guest=$id" "bdf=$NIC" 'reason=no answer'
check "bus mastering is off, decode is not" within 10 cut_off "$NIC"
check "the hypervisor: no interrupt is routed to u1" within 30 holds "$id" 0
check "its directory says so" within 10 failed "$id"
check "the daemon serves on" daemon_runs
xl unpause "$u1"

# What it put into the function's registers is seen no more.
rmmod aer_inject
for one in "$u1 $id $NIC" "u2 $id2 $VIRTIO"; do
  # shellcheck disable=SC2086 # three words
  set -- $one
  # Before the host may do anything with it.
  [ "$MODE" = drop-in ] || check "$1: detach" pciback detach "$1"
  check "xl destroy $1" xl destroy "$1"
  check "$1: the log says that the device was returned" within 60 logged 'device returned' "bdf=$3" "guest=$2"
  check "$1: released, and nothing of it is left" within 30 released_whole "$2"
  check "$1: the config space of $3 is what it was before" space_as_before "$3"
done
end_daemon
finish
