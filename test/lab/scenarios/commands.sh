# SPDX-License-Identifier: MIT
# summary: what an operator asks a running daemon and switches in it: each attribute in three ways, and every screen
# devices: -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0 -netdev user,id=n1 -device e1000,netdev=n1,addr=07.0
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 1500
. "$OUT/lib.sh"
export COLUMNS=80
NIC=0000:00:04.0 LINE=0000:00:07.0
# A register of the first that no field describes, and that it lets anybody write.
POKE=poke=8086:10d3@f8.w=5
CONTROL=/run/pciback/control.sock
HANDLERS="$NIC:off:not acking:0
$LINE:off:not acking:0"

# --- three ways to an attribute: the command, the control socket as any client has it, and the kernel's own text
cat > /run/ask.mjs << 'END'
import { connect } from 'node:net';
const [path, op, name, text] = process.argv.slice(2);
const socket = connect(path, () => socket.write(`${JSON.stringify({ id: 1, op, args: { name, text } })}\n`));
let said = '';
socket.setEncoding('utf8').on('data', (part) => {
  said += part;
  if (!said.endsWith('\n')) return;
  const { ok, result, error } = JSON.parse(said);
  process.stdout.write(ok ? (result.text ?? '') : `${error.code}\n`);
  process.exit(ok ? 0 : 1);
});
END
textOf='process.stdout.write(JSON.parse(require("fs").readFileSync(0, "utf8")).text)'
set_by() { # way, attribute, text
  case $1 in
    command) pciback attribute "$2" "$3" ;;
    socket) "$NODE" /run/ask.mjs "$CONTROL" attribute-write "$2" "$3" ;;
    sysfs) same "$(pciback attribute "$2" "$3" --sysfs 2>&1)" '' ;;
  esac
}
text_by() { # way, attribute
  case $1 in
    command) pciback attribute "$2" --json | "$NODE" -e "$textOf" ;;
    socket) "$NODE" /run/ask.mjs "$CONTROL" attribute-read "$2" ;;
    sysfs) pciback attribute "$2" --sysfs ;;
  esac
}
refused_by() { # way, attribute, text: no way to set it, and why
  local said
  said=$(set_by "$@" 2>&1) && return 1
  grep -E 'LINE_HANDLER|ENOENT|EOPNOTSUPP' <<< "$said" || { echo "$said"; return 1; }
}
set_and_read() { # attribute, way, text, attribute that shows it, what it reads then: each is a start of the engine, which takes its time here
  check "$1 is set by $2: $3" set_by "$2" "$1" "$3"
  check "$4 reads so by $2" same "$(text_by "$2" "$4")" "$5"
}
pokes() { poked "$1" | wc -l; }

start_xen
load_pciback_module
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
make_assignable "$NIC" "$LINE"
start_daemon
PCI_LINE='pci=["00:04.0","00:07.0"]'
guest_config u1 "hold modules=e1000e,e1000 tests=none $POKE"
check "xl create u1" xl create /run/u1.cfg
id=$(xl domid u1)
check "u1: the guest comes up" wait_guest u1 240 HOLD
check "u1: what it writes where no field is is refused" within 60 refused_since u1 0

for way in command socket sysfs; do
  note "by $way"
  set_and_read new_slot $way '0000:7f:00.*' slots "$(printf '0000:7f:00.%d\n' 0 1 2 3 4 5 6 7)"
  set_and_read remove_slot $way '0000:7f:*.*' slots ''
  # Of a device that a guest has: in force from its next request on.
  set_and_read permissive $way "$NIC" permissive "$NIC"
  check "u1: what it writes arrives" within 60 arrives_since u1 "$(pokes u1)"
  [ $way != command ] || shows "who is permissive, and who says so" pciback attribute permissive
  check "permissive is taken back" pciback attribute permissive "$NIC" --off
  check "u1: what it writes is refused again" within 60 refused_since u1 "$(pokes u1)"
  set_and_read allow_interrupt_control $way "$NIC" allow_interrupt_control "$NIC"
  check "allow_interrupt_control is taken back" pciback attribute allow_interrupt_control "$NIC" --off
  # A register is opened, and the guest's next write goes through.
  check "quirks is set by $way: f8:2:ffff" set_by $way quirks "$NIC-f8:2:ffff"
  text_by $way quirks > /run/quirks
  check "quirks reads so by $way" grep -P '^\t\t000000f8:2:0000ffff$' /run/quirks
  check "u1: what it writes there arrives" within 60 arrives_since u1 "$(pokes u1)"
  check "the quirk is unloaded" pciback quirk unload "text/$NIC-00f8:2:0000ffff"
  check "u1: what it writes is refused again" within 60 refused_since u1 "$(pokes u1)"
  # The kernel's module holds the device, so no handler is to be had on its line, and every way says so.
  check "irq_handlers reads so by $way" same "$(text_by $way irq_handlers)" "$HANDLERS"
  check "irq_handler_state is refused by $way" refused_by $way irq_handler_state "$LINE"
done
check "permissive of a device that is not seized is refused" same "$(set_by socket permissive 0000:7f:00.0)" DEVICE_NOT_SEIZED

# --- every screen, on 80 columns
for words in devices guests status "watch --count 3" "config --effective" "irq list" "explain 00:04.0 --denied" attribute \
  "attribute slots" "attribute quirks" "attribute allow_interrupt_control" "quirk list" plugins "doctor --platform xen"; do
  # shellcheck disable=SC2086 # as many words as there are
  shows "pciback $words" pciback $words
  check "it fits 80 columns" narrow
  [ "$words" != devices ] || check "it has both devices" printed "$NIC"
  [ "$words" != guests ] || check "it has the guest" printed "u1"
done
check "the metrics count the guest's refused writes" \
  sh -c "$(printf '%q ' "${PCIBACK[@]}") metrics | grep -qE '^pciback_.*denied.* [1-9]'"

check "no request of it went without an answer" same "$(guest_log u1 | grep -c 'not responding')" 0
check "xl destroy u1" xl destroy u1
check "the log says that the guest was released, and of no leak" within 30 released_whole "$id"
end_daemon
finish
