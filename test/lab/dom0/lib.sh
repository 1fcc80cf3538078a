# SPDX-License-Identifier: MIT
# Helpers for scenarios; a scenario runs as root in dom0 and starts with: . "$OUT/lib.sh"
# From env.sh: LAB (the lab folder), PROJECT and NODE (the program's folder and engine), INSTALLED (not empty: a package is),
# XEN_VERSION, KERNEL, and the options of the scenario.
XENBIN=/usr/lib/xen-$XEN_VERSION/bin
MODULES=$LAB/kernel/lib/modules/$KERNEL
PCI=${PCI:-/sys/bus/pci/devices}
GUEST_LOGS=${GUEST_LOGS:-/var/log/xen/console}
DAEMON_LOG=${DAEMON_LOG:-/run/daemon.log}
SHOWN=${SHOWN:-/run/shown}
PCIBACK=("$NODE" "$PROJECT/dist/plugins/commands/main.js")
[ -z "$INSTALLED" ] || PCIBACK=(/usr/bin/pciback)
pciback() { "${PCIBACK[@]}" "$@"; }

# --- assertions ---------------------------------------------------------------------------------------------------

check() { # text, command…: runs the command, counts it; its output is shown only when it fails
  local text=$1 said
  shift
  if said=$("$@" 2>&1); then
    echo "ok - $text" | tee -a "$OUT/checks"
  else
    echo "not ok - $text" | tee -a "$OUT/checks"
    [ -z "$said" ] || sed 's/^/#   /' <<< "$said"
  fi
}
shows() { # text, command…: as check, and what the command prints is shown as a person sees it; `printed` looks at it
  local text=$1 rc
  shift
  { echo "\$ $*"; "$@" 2>&1; } > "$SHOWN"
  rc=$?
  sed 's/^/    /' "$SHOWN"
  cat "$SHOWN" >> "$OUT/screens.txt"
  check "$text" test $rc = 0
}
printed() { # extended regular expression that a line of the last `shows` matches
  tail -n +2 "$SHOWN" | grep -qE -- "$1"
}
narrow() { # no line of the last `shows` is wider than 80 columns
  ! tail -n +2 "$SHOWN" | LC_ALL=C.UTF-8 grep -nE '.{81}'
}
same() { # got, expected
  [ "$1" = "$2" ] && return
  printf 'got:\n%s\nexpected:\n%s\n' "$1" "$2"
  return 1
}
note() { echo "# $(cut -d' ' -f1 /proc/uptime)s $*"; }
finish() { # ends the scenario with its counts
  local passed failed
  [ ! -e "$OUT/volatile" ] || sort -u "$OUT/volatile"
  passed=$(grep -c '^ok ' "$OUT/checks")
  failed=$(grep -c '^not ok ' "$OUT/checks")
  echo "$passed passed, $failed failed"
  [ "$failed" = 0 ] && [ "$passed" != 0 ]
  exit
}
give_up() { # text: a step without which the rest means nothing
  echo "not ok - $*" | tee -a "$OUT/checks"
  finish
}
check_program() { # text, command…: a program that prints its own checks as "ok - …" and "not ok - …"
  local text=$1 rc
  shift
  "$@" > /run/program.log 2>&1
  rc=$?
  cat /run/program.log
  sed -nE 's/^[[:space:]]*((not )?ok) (- )?/\1 - /p' /run/program.log >> "$OUT/checks"
  mv /run/program.log "/run/$(tr -c 'a-z0-9\n' '-' <<< "$text").log"
  check "$text: ends with status 0" test "$rc" = 0
}
within() { # seconds, command…: asks every STEP seconds until the command succeeds; its output is shown only at the end
  local end=$(($(cut -d. -f1 /proc/uptime) + $1 * ${PATIENCE:-1})) said
  shift
  until said=$("$@" 2>&1); do
    [ "$(cut -d. -f1 /proc/uptime)" -lt $end ] || { echo "$said"; return 1; }
    sleep "${STEP:-0.5}"
  done
}

# --- the host -----------------------------------------------------------------------------------------------------

start_xen() { # xenstored, dom0's own nodes, guest console logs
  "$XENBIN/xenstored" --pid-file /run/xenstored.pid
  within 20 xenstore-exists / || give_up "xenstored starts"
  "$XENBIN/xen-init-dom0" > /dev/null
  "$XENBIN/xenconsoled" --pid-file=/run/xenconsoled.pid --log=all &
  sleep 0.5
}
load_pciback_module() { # module parameters: the stock module, PCI stub and kernel back end in one
  insmod "$MODULES/kernel/drivers/xen/xen-pciback/xen-pciback.ko" "$@" || give_up "xen-pciback.ko loads"
}
modprobe_finds_modules() { # this machine's own root has not the lab's kernel
  [ -e "/lib/modules/$KERNEL" ] || { mkdir -p /lib/modules && ln -s "$MODULES" "/lib/modules/$KERNEL"; }
}
make_assignable() { # BDF…
  local bdf
  for bdf; do xl pci-assignable-add "$bdf" || give_up "xl pci-assignable-add $bdf"; done
}
config_space() { od -An -v -tx1 -w1 "$PCI/$1/config" | tr -d ' '; } # BDF: one byte a line
host_state() { # what sysfs says of a function
  local file
  for file in driver_override enable power/control; do echo "$file $(cat "$PCI/$1/$file")"; done
  readlink "$PCI/$1/driver" || echo 'no driver'
}
bar_sizes() { # stdin: lines "start end flags" of a sysfs resource file; BARs and ROM as "index size"
  local i=0 start end _
  while read -r start end _ && [ $i -lt 7 ]; do
    [ $((start)) = 0 ] || echo "$i $((end - start + 1))"
    i=$((i + 1))
  done
}
# Bits that the device or its link sets by itself, as "offset mask"; offsets of capabilities are found in the device.
volatile_bits() { # BDF
  local space id next express=0 message=0 size at
  mapfile -t space < <(config_space "$1")
  echo "6 08" # status: the interrupt line
  echo "7 f9" # status: errors seen
  next=$((16#${space[52]}))
  while [ $next -ge 64 ]; do
    id=${space[next]}
    [ "$id" = 10 ] && express=$next
    [ "$id" = 05 ] && message=$next
    next=$((16#${space[next + 1]} & ~3))
  done
  # The hypervisor's message stays in the MSI capability when MSI is off: address, its upper half, data.
  if [ $message != 0 ]; then
    size=$((16#${space[message + 2]} & 0x80 ? 10 : 6))
    for ((at = message + 4; at < message + 4 + size; at++)); do echo "$at ff"; done
  fi
  [ $express = 0 ] || echo "$((express + 10)) 2f" # PCIe device status: errors seen, transactions pending
}
config_changes() { # BDF, file before: prints bytes that differ outside the volatile bits, notes the others
  local at was is mask changed volatile
  volatile=$(volatile_bits "$1")
  changed=0
  while read -r at was is; do
    at=$((at - 1))
    mask=0
    while read -r o m; do [ "$o" = $at ] && mask=$((mask | 16#$m)); done <<< "$volatile"
    if [ $(((8#$was ^ 8#$is) & ~mask & 255)) = 0 ]; then
      printf '# volatile: %s byte 0x%03x 0x%02x -> 0x%02x\n' "$1" $at $((8#$was)) $((8#$is)) >> "$OUT/volatile"
    else
      printf '%s byte 0x%03x was 0x%02x is 0x%02x\n' "$1" $at $((8#$was)) $((8#$is))
      changed=1
    fi
  done < <(cmp -l "$2" "$PCI/$1/config")
  return $changed
}

remember() { # BDF…: what they are before; space_as_before and check_host_has look at it
  local bdf
  for bdf; do
    cp "$PCI/$bdf/config" "/run/before-$bdf"
    host_state "$bdf" > "/run/host-$bdf"
  done
}
space_as_before() { config_changes "$1" "/run/before-$1"; } # BDF
check_host_has() { # when, BDF…: they are the host's again, and what they were
  local when=$1 bdf
  shift
  for bdf; do
    check "$when: the hypervisor: $bdf is dom0's" same "$(owner_of "$bdf")" d0
    check "$when: the config space of $bdf is what it was before" space_as_before "$bdf"
    check "$when: what sysfs says of $bdf is what it said before" same "$(host_state "$bdf")" "$(cat "/run/host-$bdf")"
  done
}
host_network() { ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0; } # for a card of dom0's own
host_pings() { "$LAB/dom0-tree/bin/busybox" ping -c 3 -W 5 10.0.2.2 | grep '3 packets received'; }

monitor() { # command: said to the emulator (header `# monitor: yes`), which has done it when this returns; its answer
  local line
  echo "$*" >> "$OUT/monitor-asked"
  line=$(wc -l < "$OUT/monitor-asked")
  within 30 monitor_answered "$line"
  sed -n "${line}p" "$OUT/monitor-answered"
}
monitor_answered() { [ "$(wc -l < "$OUT/monitor-answered")" -ge "$1" ]; } # number of lines

# --- guests -------------------------------------------------------------------------------------------------------

guest_config() { # name, further words of the guest's kernel command line; PCI devices in PCI_LINE, processors in VCPUS
  cat > "/run/$1.cfg" << EOC
name="$1"
type="pv"
kernel="$LAB/kernel/boot/vmlinuz-$KERNEL"
ramdisk="$LAB/guest.img"
extra="console=hvc0 quiet iommu=soft $2"
memory=256
vcpus=${VCPUS:-1}
on_poweroff="destroy"
on_crash="destroy"
$PCI_LINE
EOC
}
guest_log() { tr -d '\r' < "$GUEST_LOGS/guest-$1.log"; }
guest_says() { guest_log "$1" 2>/dev/null | grep -qE -- "$2"; } # name, extended regular expression
guest_gone() { ! xl domid "$1" > /dev/null 2>&1; }
guest_reached() { guest_says "$1" "=== GUEST $2" || guest_gone "$1"; }
wait_guest() { # name, seconds, marker (default DONE)
  within "$2" guest_reached "$1" "${3:-DONE}"
  guest_says "$1" "=== GUEST ${3:-DONE}"
}
guest_devices() { guest_log "$1" | sed -nE 's/^PCI ([0-9a-f:.]+) .*/\1/p'; }
guest_ids() { guest_log "$1" | sed -nE 's/^PCI [0-9a-f:.]+ (.*)/\1/p'; }
guest_bar_sizes() { guest_log "$1" | sed -nE "s/^RES $2 //p" | bar_sizes; }
msix_vectors() { guest_log "$1" | grep -cE '^ *[0-9]+:.*pcifront-msi-x'; }
guest_interrupts() { guest_log "$1" | grep -E "^ *[0-9]+:.*xen-pirq.* $2"; } # name, regular expression of the handler
guest_sum() { guest_log "$1" | sed -nE "s/^DISK $2 //p"; } # name, what of test disk
disk_sum() { dd if="$1" bs=1M skip="$2" count=1 status=none | md5sum | cut -d' ' -f1; } # file, which MiB of it
# Test poke: a line for each write, with what the guest then reads. The value and 0 are written in turn.
poked() { guest_log "$1" | grep -E '^POKE [0-9a-f]+ reads [0-9a-f]+$'; } # name
poked_since() { poked "$1" | tail -n +$(($2 + 3)) | head -n 2; } # name, number of lines before; what was being done then is left out
arrives_since() { # name, number of lines before: what the guest writes is what it reads
  same "$(poked_since "$1" "$2" | awk '{ sub(/^0+/, "", $2); sub(/^0+/, "", $4); print $2 == $4 ? "kept" : "lost" }' | xargs)" "kept kept"
}
refused_since() { # name, number of lines before: the guest reads the same, whatever it writes
  same "$(poked_since "$1" "$2" | cut -d' ' -f4 | uniq -c | awk '{ print $1 }')" 2
}
# Of a guest with the word traffic: how many pings it has sent, and how many did not come back.
pings_sent() { guest_log "$1" | awk '/^TRAFFIC/ { sent += $2 } END { print sent + 0 }'; }
pings_lost() { guest_log "$1" | awk '/^TRAFFIC/ { sent += $2; back += $4 } END { print sent - back }'; }
sent_more() { [ "$(pings_sent "$1")" -ge "$2" ]; }
check_pings_go_on() { # name, seconds, how many more, text (default: its pings go on)
  check "$1: ${4:-its pings go on}" within "$2" sent_more "$1" $(($(pings_sent "$1") + $3))
}
held_devices() { guest_log "$1" | grep '^DEVICES ' | tail -n 1; } # what a held guest has now

# What every scenario with a served guest shows. guest name, then pairs: host BDF, BDF expected in the guest.
check_guest_view() {
  local guest=$1 seen='' ids=''
  shift
  local host=() pair
  for pair; do
    host+=("${pair%=*}")
    seen+="${pair#*=}"$'\n'
    ids+="$(cat "$PCI/${pair%=*}/vendor" "$PCI/${pair%=*}/device" | tr '\n' ' ')"$'\n'
  done
  check "$guest: the guest sees exactly ${*#*=}" same "$(guest_devices "$guest")" "${seen%$'\n'}"
  check "$guest: they are the host's devices (vendor and device id)" \
    same "$(guest_ids "$guest" | sed 's/ *$//')" "$(sed 's/ *$//' <<< "${ids%$'\n'}")"
  for pair; do
    check "$guest: BAR sizes of ${pair#*=} equal those of ${pair%=*} on the host" \
      same "$(guest_bar_sizes "$guest" "${pair#*=}")" "$(bar_sizes < "$PCI/${pair%=*}/resource")"
  done
}
check_guest_network() { # guest name
  check "$1: e1000e is bound" guest_says "$1" '^DRIVER [0-9a-f:.]+ e1000e$'
  check "$1: e1000e has 3 MSI-X vectors" same "$(msix_vectors "$1")" 3
  check "$1: 3 of 3 pings come back" guest_says "$1" '^3 packets transmitted, 3 packets received'
}
check_guest_disk() { # guest name, file behind its disk
  check "$1: its disk has the size of the file" same "$(guest_sum "$1" size)" $(($(stat -c %s "$2") / 512))
  check "$1: it reads what dom0 wrote" same "$(guest_sum "$1" first)" "$(disk_sum "$2" 0)"
  check "$1: it reads back what it wrote" same "$(guest_sum "$1" second)" "$(guest_sum "$1" pattern)"
  check "$1: dom0 sees what it wrote" same "$(disk_sum "$2" 1)" "$(guest_sum "$1" pattern)"
}

# --- the daemon ---------------------------------------------------------------------------------------------------

start_daemon() { # further options of `pciback serve`; READY_SECONDS is how long it may take
  "${PCIBACK[@]}" serve --platform xen --slots "$SLOTS" --native "$NATIVE" --json "$@" > "$DAEMON_LOG" 2>&1 &
  DAEMON=$!
  local from
  from=$(cut -d' ' -f1 /proc/uptime)
  within "${READY_SECONDS:-90}" daemon_ready_or_dead
  check "the daemon says that it is ready" logged ready
  logged ready || { cat "$DAEMON_LOG"; give_up "the daemon came up"; }
  note "daemon asked for at ${from}s is ready"
}
start_stand_alone() { # further keys of the rc file; a guest's file needs PCI_LINE then
  echo "{ \"xen\": { \"mode\": \"stand-alone\" }$1 }" > /run/pciback.config.json
  start_daemon --config /run/pciback.config.json
  PCI_LINE=$'e820_host=1\npassthrough="enabled"'
}
nothing_noted() { same "$(ls /run/pciback/stand-alone 2>/dev/null)" ""; } # of changes of a device, in stand-alone mode
daemon_runs() { kill -0 "$DAEMON" 2>/dev/null; }
daemon_ready_or_dead() { logged ready || ! daemon_runs; }
logged_lines() { # msg, then name=regular expression of further fields: the matching lines of the daemon's log
  local lines field
  lines=$(grep -E "\"msg\":\"$1\"" "$DAEMON_LOG")
  shift
  for field; do lines=$(grep -E "\"${field%%=*}\":\"?(${field#*=})\"?[,}]" <<< "$lines"); done
  [ -z "$lines" ] || echo "$lines"
}
logged() { # as logged_lines: is there one? When not, says what there is under this msg
  [ -n "$(logged_lines "$@")" ] && return
  echo "looked for: $*"
  echo "the log has: $(grep -E "\"msg\":\"$1\"" "$DAEMON_LOG" || echo 'no line with this msg')"
  return 1
}
released_whole() { # domain id: what was held for the guest was counted when it was let go, and nothing of it was left
  logged released "guest=$1" && ! grep '"code":"LEAK"' "$DAEMON_LOG"
}
stop_daemon() { # SIGTERM; DAEMON_STATUS is its exit status, or "still running"
  DAEMON_STATUS='still running'
  kill -TERM "$DAEMON"
  within "${1:-30}" daemon_ended && { wait "$DAEMON"; DAEMON_STATUS=$?; }
}
daemon_ended() { ! daemon_runs; }
end_daemon() { # as stop_daemon; it has to end in order, with nothing held
  stop_daemon "$@"
  check "the daemon ends with status 0" same "$DAEMON_STATUS" 0
  check "its ledger says that nothing is mapped or bound" logged stopped mapped=0 bound=0 pirqs=0
}

nodes_gone() { # domain id: no node of its PCI back end is left; else they are shown
  ! xenstore-exists "/local/domain/0/backend/pci/$1" || ! xenstore-ls -f "/local/domain/0/backend/pci/$1"
}

# --- what the hypervisor says, independent of any log -------------------------------------------------------------

hypervisor_report() { # debug key, text that ends its report
  xl dmesg -c > /dev/null
  xl debug-keys "$1"
  within 10 hypervisor_reported "$2" || echo "the hypervisor did not answer key $1" >&2
  cat /run/hypervisor-report
}
hypervisor_reported() {
  xl dmesg > /run/hypervisor-report
  grep -qF "$1" /run/hypervisor-report
}
# What dom0 holds of a guest, and the interrupts of devices that the guest has: "channels=3 grants=3 irqs=3". Two
# channels and two grants are always there: console and xenstore.
held_of_guest() { # domain id
  local channels grants irqs
  channels=$(hypervisor_report e "information for domain $1:" | sed '/information for domain 0:/,/information for/!d' |
    grep -cE "s=3 .*d=$1 ")
  grants=$(hypervisor_report g '] done' | sed -n "/remote d$1 /,/remote d/p" | grep -cE '\[0x[0-9a-f]+\]')
  irqs=$(hypervisor_report i 'IO-APIC interrupt information' | grep -cE " d$1: *[0-9]+\(")
  echo "channels=$channels grants=$grants irqs=$irqs"
}
# What the hypervisor lets a domain use: interrupts, ports and frames, and which functions it has.
permitted() { # domain id
  hypervisor_report q 'Notifying guest 0:0' | sed 's/^(XEN) *//' |
    sed -n "/information for domain $1:/,/information for domain/p" |
    grep -E '^(\[[^]]*\] *)?(Interrupts|I\/O Memory|I\/O Ports) *\{' | sed -E 's/^\[[^]]*\] *//; s/ +/ /g'
}
owner_of() { # BDF: the domain that the hypervisor says has it
  hypervisor_report Q 'PCI devices' | sed -nE "s/.*$1 - ([a-z_A-Z0-9]+|d[0-9]+|NULL) .*/\\1/p" | head -n 1
}
