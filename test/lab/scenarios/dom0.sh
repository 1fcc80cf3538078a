# SPDX-License-Identifier: MIT
# summary: what an administrator types: pciback serve, then xl alone, for a guest with network, disk, console, PCI devices and permissive=1 in its file
# devices: -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0 -device nvme,serial=x,drive=d0,addr=05.0 -drive if=none,id=d0,file=null-co://,format=raw
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 900
. "$OUT/lib.sh"
export COLUMNS=80
NIC=0000:00:04.0 NVME=0000:00:05.0 DISK=/run/disk.img
case $SLOTS in
  vpci) VNIC=0000:00:00.0 VNVME=0000:00:01.0 ;;
  passthrough) VNIC=$NIC VNVME=$NVME ;;
esac
AUTOPROBE=/sys/bus/xen-backend/drivers_autoprobe
# A register that no field describes, and that this device lets anybody write.
POKE=poke=8086:10d3@f8.w=5
holds() { same "$(held_devices "$1")" "DEVICES $2"; } # guest, devices
driver_of() { basename "$(readlink "/sys/bus/xen-backend/devices/$1/driver" || echo none)"; } # back end
row() { printed "^$1 +$2 +$3$"; } # device, guest, and the rest of its row
nobody_is_permissive() { ! printed ' yes '; }

# --- a dom0 as it has come up: its bridge, a disk for the guest, and what udev would load when the first back end comes
start_xen
modprobe_finds_modules
check "dom0 has its own modules" modprobe -a loop bridge xen-netback xen-blkback
ip link add xenbr0 type bridge stp_state 0 forward_delay 0
ip addr add 10.0.3.1/24 dev xenbr0
check "dom0 has a bridge" ip link set xenbr0 up
dd if=/dev/urandom of="$DISK" bs=1M count=8 status=none
check "dom0 has a disk for the guest" losetup -f --show "$DISK"
LOOP=$(losetup -j "$DISK" | cut -d: -f1)
# Short ones in the place of Xen's own hotplug scripts: those start many programs, want what udev makes (/dev/stdin), and xl waits for
# them for a time that the lab cannot make longer.
cat > /run/vif-script << 'END'
#!/bin/sh
[ "$1" = online ] || exit 0
ip link set "$vif" master xenbr0 up
xenstore-write "$XENBUS_PATH/hotplug-status" connected
END
cat > /run/disk-script << END
#!/bin/sh
[ "\$1" = add ] || exit 0
xenstore-write "\$XENBUS_PATH/physical-device" $(stat -c %t:%T "$LOOP") "\$XENBUS_PATH/hotplug-status" connected
END
chmod +x /run/vif-script /run/disk-script

# --- pciback serves; nothing else was done for it
check "the kernel's module is not loaded" test ! -e /sys/bus/pci/drivers/pciback
[ -z "$INSTALLED" ] || shows "the program is that of the installed package" dpkg -S /usr/bin/pciback
start_daemon
check "the daemon has loaded it" logged 'kernel module loaded' module=xen-pciback
check "the kernel's back ends are kept from new guests" same "$(cat $AUTOPROBE)" 0

shows "xl makes a device assignable" xl pci-assignable-add 00:04.0
shows "and another one" xl pci-assignable-add 00:05.0
shows "xl lists what is assignable" xl pci-assignable-list
remember "$NIC" "$NVME"
check "it lists both" same "$(tail -n +2 "$SHOWN" | cut -d' ' -f1 | xargs)" "$NIC $NVME"

# --- a guest with one of everything
PCI_LINE="pci=[\"00:04.0,permissive=1\"]
vif=[\"bridge=xenbr0,script=/run/vif-script\"]
disk=[\"vdev=xvda,access=rw,script=/run/disk-script,target=$LOOP\"]"
guest_config u1 "hold tests=net,vif,disk disk=xvda modules=e1000e,nvme,xen-netfront,xen-blkfront $POKE"
shows "the file of guest u1" cat /run/u1.cfg
shows "xl create u1, unmodified" xl create /run/u1.cfg
xl domid u1 > /dev/null || give_up "there is a guest u1"
id=$(xl domid u1)
check "u1: its network back end is the kernel's" same "$(driver_of "vif-$id-0")" vif
check "u1: its disk back end is the kernel's" same "$(driver_of "vbd-$id-51712")" vbd
check "u1: no kernel back end of PCI is bound to it" same "$(driver_of "pci-$id-0")" none
check "u1: the guest goes through its tests" wait_guest u1 300 HOLD
check "u1: its console says so from the first line on" guest_says u1 '=== GUEST UP'
check_guest_view u1 "$NIC=$VNIC"
check_guest_network u1
check "u1: 3 of 3 pings come back through the bridge" guest_says u1 '^VIF [a-z0-9]+ 3 packets transmitted, 3 packets received'
check_guest_disk u1 "$DISK"

shows "who is permissive, and who says so" pciback attribute permissive
check "u1: permissive=1 of its file counts" row "$NIC" "$id" 'yes +xl'
check "u1: the list fits 80 columns" narrow
check "u1: it stands in the kernel's text" same "$(pciback attribute permissive --sysfs)" "$NIC"
check "u1: what it writes where no field is arrives" within 60 arrives_since u1 0

# --- a second device comes and goes
shows "xl lists the devices of u1" xl pci-list u1
check "it has the one" printed "$NIC"
shows "xl gives u1 a second device, with the same word" xl pci-attach u1 00:05.0,permissive=1
check "u1: it has both, nvme with its vectors" within 60 holds u1 "$VNIC=e1000e:3 $VNVME=nvme:2"
shows "xl lists the devices of u1" xl pci-list u1
check "it has the second one too" printed "$NVME"
shows "who is permissive now" pciback attribute permissive
check "u1: the second device is too" row "$NVME" "$id" 'yes +xl'
check "u1: the first one still is" row "$NIC" "$id" 'yes +xl'
shows "xl takes it away again" xl pci-detach u1 00:05.0
check "u1: it has the first device" within 60 holds u1 "$VNIC=e1000e:3"
check "the log says that $NVME was returned" within 30 logged 'device returned' "bdf=$NVME" "guest=$id"
shows "xl ends u1" xl destroy u1
check "the log says that $NIC was returned" within 30 logged 'device returned' "bdf=$NIC" "guest=$id"
check "u1: its nodes are gone" within 20 nodes_gone "$id"
check "u1: the log says that the guest was released, and of no leak" released_whole "$id"
for d in "$NIC" "$NVME"; do
  check "u1: the config space of $d is what it was before" space_as_before "$d"
done
shows "who is permissive without u1" pciback attribute permissive
check "nobody is" nobody_is_permissive

# --- the same devices, and no word of permissive=1
PCI_LINE='pci=["00:04.0","00:05.0"]'
guest_config u2 "hold tests=none modules=e1000e,nvme $POKE"
shows "xl create u2" xl create /run/u2.cfg
id=$(xl domid u2)
check "u2: the guest comes up" wait_guest u2 240 HOLD
check "u2: what it writes where no field is is refused" within 60 refused_since u2 0
for d in "$NIC" "$NVME"; do
  check "the log says that what xl left of $d in the kernel's module is not obeyed" \
    logged 'permissive of the kernel module not obeyed: it is of an earlier guest' "bdf=$d"
done
shows "what u2 was refused" pciback explain 00:04.0 --denied
check "that register, because no field is there" printed '^ +0xf8 +2 bytes +0x0005 .* policy: drop: no field claims'
shows "who is permissive in u2" pciback attribute permissive
check "u2: nobody" nobody_is_permissive
check "u2: both devices are there" row "$NVME" "$id" 'no +-'
shows "xl ends u2" xl destroy u2
for d in "$NIC" "$NVME"; do
  check "the log says that $d was returned" within 30 logged 'device returned' "bdf=$d" "guest=$id"
  check "u2: the config space of $d is what it was before" space_as_before "$d"
done
check "u2: the log says that the guest was released, and of no leak" released_whole "$id"

# --- the host gets them back
shows "xl takes one from the assignable devices" xl pci-assignable-remove 00:04.0
check "no driver holds it" test ! -e "$PCI/$NIC/driver"
shows "xl lists what is assignable" xl pci-assignable-list
check "it lists the other one" same "$(tail -n +2 "$SHOWN" | cut -d' ' -f1 | xargs)" "$NVME"
shows "xl takes the other one" xl pci-assignable-remove 00:05.0
check "nothing is assignable" same "$(xl pci-assignable-list)" ''
check "no request of a guest went without an answer" same "$(cat "$GUEST_LOGS"/guest-u?.log | grep -c 'not responding')" 0
end_daemon
check "the kernel binds back ends by itself again" same "$(cat $AUTOPROBE)" 1
finish
