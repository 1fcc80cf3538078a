# SPDX-License-Identifier: MIT
# Runs in the guest: two drivers that ask for an interrupt before they need an answer of their device. Behind the BARs of the
# samples is memory, so most others give up earlier.
for d in /sys/bus/pci/devices/*; do
  [ "$(cat "$d/vendor") $(cat "$d/device")" = "0x8086 0x10d3" ] || continue
  # One I/O BAR and messages are all that this driver wants of a device.
  echo uhci_hcd > "$d/driver_override"
  echo "${d##*/}" > /sys/bus/pci/drivers_probe
done
# The address of this card stands behind a BAR too: it reads as nothing, and with that it cannot be switched on.
for n in /sys/class/net/eth*; do ip link set "${n##*/}" address 02:00:00:00:00:01 up; done
