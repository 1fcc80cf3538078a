# SPDX-License-Identifier: MIT
# summary: the daemon serves two guests (or the second of them only), one after the other, under an unmodified xl in place of the kernel's PV half
# devices: -device edu,addr=03.0 -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0
# options: slots=vpci|passthrough native=koffi|ffi-napi guests=2|1
# seconds: 700
. "$OUT/lib.sh"
DEVICES=(0000:00:03.0 0000:00:04.0)
case $SLOTS in
  vpci) VDEVS=(0000:00:00.0 0000:00:01.0) ;;
  passthrough) VDEVS=("${DEVICES[@]}") ;;
esac
start_xen
load_pciback_module
AUTOPROBE=/sys/bus/xen-backend/drivers_autoprobe
insmod "$MODULES/kernel/drivers/net/xen-netback/xen-netback.ko" || give_up "xen-netback.ko loads"
make_assignable "${DEVICES[@]}"
remember "${DEVICES[@]}"
start_daemon
check "the kernel's back ends are kept from new guests" same "$(cat $AUTOPROBE)" 0
# The first guest has a back end of the kernel beside its devices. Nobody binds it by hand, and xl waits for it.
cat > /run/vif-script << 'END'
#!/bin/sh
xenstore-write "$XENBUS_PATH/hotplug-status" connected
END
chmod +x /run/vif-script
DEVICES_LINE='pci=["00:03.0","00:04.0"]'

serve_one_guest() { # name, how it ends: "poweroff" by itself, or "destroy" by xl while it is connected
  local guest=$1 end=$2 id i marker=DONE words=''
  [ "$end" = poweroff ] || marker=HOLD words=hold
  PCI_LINE=$DEVICES_LINE
  [ "$guest" != u1 ] || PCI_LINE+=$'\n''vif=["script=/run/vif-script"]'
  guest_config "$guest" "$words"
  note "starting guest $guest"
  check "xl create $guest, unmodified" xl create "/run/$guest.cfg"
  id=$(xl domid "$guest")
  [ "$guest" != u1 ] || check "$guest: its network back end is the kernel's" \
    same "$(basename "$(readlink "/sys/bus/xen-backend/devices/vif-$id-0/driver")")" vif
  check "$guest: no kernel back end of PCI is bound to it" test ! -e "/sys/bus/xen-backend/devices/pci-$id-0/driver"
  check "$guest: the guest goes through its tests" wait_guest "$guest" 240 $marker
  note "$guest is done"
  check_guest_view "$guest" "${DEVICES[0]}=${VDEVS[0]}" "${DEVICES[1]}=${VDEVS[1]}"
  check_guest_network "$guest"
  case $end in
    poweroff) check "$guest: the guest ends by itself" within 60 guest_gone "$guest" ;;
    destroy) check "$guest: xl destroy ends it while it is connected" xl destroy "$guest" ;;
  esac
  note "$guest is gone"
  check "$guest: the log says that the guest was connected" logged 'guest connected' "guest=$id"
  for i in 0 1; do
    check "$guest: the log says that ${DEVICES[i]} was assigned as ${VDEVS[i]}" \
      logged 'device assigned' "bdf=${DEVICES[i]}" "guest=$id" "vdev=${VDEVS[i]%.*}\\.0?${VDEVS[i]##*.}"
    check "$guest: the log says that ${DEVICES[i]} was returned" \
      within 30 logged 'device returned' "bdf=${DEVICES[i]}" "guest=$id"
  done
  check "$guest: the log says that the guest was disconnected" within 10 logged 'guest disconnected' "guest=$id"
  check "$guest: the log says that the guest was released, and of no leak" released_whole "$id"
  for d in "${DEVICES[@]}"; do
    check "$guest: the config space of $d is what it was before" space_as_before "$d"
  done
  # After a guest's own end xl leaves the nodes behind, with the kernel's back end too.
  [ "$end" = poweroff ] || check "$guest: its nodes are gone" within 20 nodes_gone "$id"
}

[ "$GUESTS" = 1 ] || serve_one_guest u1 poweroff
serve_one_guest u2 destroy
check "the daemon is still there" daemon_runs
end_daemon
check "the kernel binds back ends by itself again" same "$(cat $AUTOPROBE)" 1
finish
