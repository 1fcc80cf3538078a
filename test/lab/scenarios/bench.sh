# SPDX-License-Identifier: MIT
# summary: the kernel's back end and the daemon in turn, in one boot: config accesses, scan and driver start as a guest sees them
# devices: -device edu,addr=03.0 -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0
# options: runs=3|1|2|5 native=koffi|ffi-napi lane=usual|asked
# seconds: 1500
# xen: dom0_max_vcpus=1
. "$OUT/lib.sh"
SLOTS=vpci READS=20000 WRITES=5000 BINDS=5
start_xen
load_pciback_module passthrough=0
make_assignable 0000:00:03.0 0000:00:04.0
PCI_LINE='pci=["00:03.0","00:04.0"]'
# dom0 has one processor. What the lane may have of that only if somebody asks for it, an operator of such a host may ask for.
SETTINGS=()
if [ "$LANE" = asked ]; then
  echo '{ "xen": { "precedence": true } }' > /run/bench.json
  chmod 600 /run/bench.json
  SETTINGS=(--config /run/bench.json)
fi
timeouts() { guest_log "$1" | grep -c 'not responding'; }
measured() { # guest: every row of the bench has all its accesses
  local row
  for row in "scan count=[1-9]" "read count=$READS" "readAll count=$READS" "alone count=$READS" "write count=$WRITES" \
    "writeDropped count=$WRITES" "rescan count=10" "bind count=$BINDS"; do
    guest_says "$1" "^BENCH $row " || { echo "no line: BENCH $row"; return 1; }
  done
}
served_by() { # domain id, back end
  local driver=/sys/bus/xen-backend/devices/pci-$1-0/driver
  case $2 in
    kernel) test -e "$driver" ;;
    pciback) test ! -e "$driver" && logged 'guest connected' "guest=$1" ;;
  esac
}
measure() { # guest, back end
  local id
  guest_config "$1" "hold tests=net,bench modules=e1000e reads=$READS writes=$WRITES binds=$BINDS"
  check "$1: xl create" xl create "/run/$1.cfg"
  id=$(xl domid "$1")
  STEP=5 # asking costs processor time that the guest's requests wait for
  check "$1: the guest goes through its tests" wait_guest "$1" 300 HOLD
  STEP=
  check "$1: it is served by $2" served_by "$id" "$2"
  check "$1: every measurement was made" measured "$1"
  check "$1: 3 of 3 pings come back, before and after" \
    same "$(guest_log "$1" | grep -c '3 packets transmitted, 3 packets received')" 2
  check "$1: no request of the guest went without an answer" same "$(timeouts "$1")" 0
  guest_log "$1" | grep '^BENCH'
  check "$1: xl destroy" xl destroy "$1"
  check "$1: its nodes are gone" within 20 nodes_gone "$id"
}
rehearsed() { pciback status --json | grep -q '"done in [0-9]* ms"'; }
report() { # guests…: table and bench.json of all runs until now
  "$NODE" "$PROJECT/test/lab/bench/report-main.mjs" --logs "$GUEST_LOGS" --out "$OUT/bench.json" \
    --xen "$(xl info xen_version)" --kernel "$KERNEL" --pciback "$PROJECT/package.json" \
    --settings "native=$NATIVE slots=$SLOTS runs=$RUNS lane=$LANE reads=$READS writes=$WRITES binds=$BINDS" "$@"
}
guests=()
for run in $(seq "$RUNS"); do
  note "run $run of $RUNS: the kernel's back end"
  echo 1 > /sys/bus/xen-backend/drivers_autoprobe
  measure "kernel-$run" kernel
  note "run $run of $RUNS: pciback"
  echo 0 > /sys/bus/xen-backend/drivers_autoprobe # the module's PV half binds to no guest from now on
  DAEMON_LOG=/run/daemon-$run.log
  start_daemon "${SETTINGS[@]}"
  # Half a second on a host whose processor is not emulated: over before a toolstack starts a guest.
  STEP=2
  check "pciback-$run: it has rehearsed" within 240 rehearsed
  STEP=
  measure "pciback-$run" pciback
  end_daemon 60
  guests+=("kernel-$run" "pciback-$run")
  report "${guests[@]}" > /run/report || cat /run/report
  [ "$run" = "$RUNS" ] || cat /run/report
done
cat /run/report
check "the report has every run" same "$(grep -c '"backend"' "$OUT/bench.json")" $((2 * RUNS))
finish
