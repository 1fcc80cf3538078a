# SPDX-License-Identifier: MIT
# summary: a guest drives config space by a seeded script, under the kernel's back end or under the daemon
# devices: -device edu,addr=03.0 -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0 -device nvme,serial=x,drive=d0,addr=05.0 -drive if=none,id=d0,file=null-co://,format=raw -netdev user,id=n1 -device rtl8139,netdev=n1,addr=06.0 -netdev user,id=n2 -device e1000,netdev=n2,addr=07.0 -device qemu-xhci,addr=08.0
# options: backend=pciback|kernel seed=1|2|3|4|5 operations=7200|1200|24000 fields=kernel|full
# seconds: 900
. "$OUT/lib.sh"
SLOTS=vpci NATIVE=koffi
DEVICES=(0000:00:03.0 0000:00:04.0 0000:00:05.0 0000:00:06.0 0000:00:07.0 0000:00:08.0)
start_xen
load_pciback_module passthrough=0
[ "$BACKEND" = kernel ] || echo 0 > /sys/bus/xen-backend/drivers_autoprobe
make_assignable "${DEVICES[@]}"
[ "$BACKEND" = kernel ] || start_daemon --fields "$FIELDS"
PCI_LINE='pci=["00:03.0","00:04.0","00:05.0","00:06.0","00:07.0","00:08.0"]'
guest_config u1 "tests=script seed=$SEED operations=$OPERATIONS"
check "xl create u1" xl create /run/u1.cfg
check "the guest goes through the script" wait_guest u1 700
check "every device went to the end of its script" grep -c '^OPS ' /var/log/xen/console/guest-u1.log
[ "$BACKEND" = kernel ] || { cp "$DAEMON_LOG" "$OUT/daemon.log"; stop_daemon; }
finish
