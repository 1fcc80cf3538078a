# SPDX-License-Identifier: MIT
# summary: the stock nvme driver: a line interrupt under the kernel's back end, its MSI-X vectors under the daemon; disk contents
# devices: -device nvme,serial=lab,drive=d0,addr=05.0
# disks: d0=64
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 400
. "$OUT/lib.sh"
NVME=0000:00:05.0 VCPUS=2 DISK=$OUT/d0.img
PCI_LINE='pci=["00:05.0"]'
start_xen
load_pciback_module passthrough=0
make_assignable "$NVME"
remember "$NVME"
check_disk() { # guest
  check "$1: nvme is bound" guest_says "$1" '^DRIVER [0-9a-f:.]+ nvme$'
  check_guest_disk "$1" "$DISK"
  check "$1: no request went without an answer" same "$(guest_log "$1" | grep -c 'not responding')" 0
}
run_guest() { # name
  dd if=/dev/urandom of="$DISK" bs=1M count=1 conv=notrunc,fsync status=none
  guest_config "$1" "hold tests=disk modules=nvme"
  check "$1: xl create" xl create "/run/$1.cfg"
  check "$1: the guest goes through its tests" wait_guest "$1" 240 HOLD
  guest_interrupts "$1" nvme
}

note "the kernel's back end"
run_guest kernel
check_disk kernel
check "kernel: no MSI-X vector" same "$(msix_vectors kernel)" 0
check "kernel: one line interrupt" test "$(guest_interrupts kernel nvme0q0 | wc -l)" = 1
check "xl destroy kernel" xl destroy kernel

note "pciback"
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
start_daemon
run_guest pciback
check_disk pciback
check "pciback: more than one MSI-X vector" test "$(msix_vectors pciback)" -gt 1
check "pciback: one for each processor and one for the controller" same "$(msix_vectors pciback)" $((VCPUS + 1))
id=$(xl domid pciback)
check "the hypervisor: as many interrupts are routed to the guest" \
  same "$(held_of_guest "$id")" "channels=3 grants=3 irqs=$((VCPUS + 1))"
check "xl destroy pciback" xl destroy pciback
check "the log says that the device was returned" within 30 logged 'device returned' "bdf=$NVME" "guest=$id"
check "its config space is what it was before" space_as_before "$NVME"
end_daemon
rm -f "$DISK"
finish
