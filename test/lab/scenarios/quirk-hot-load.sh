# SPDX-License-Identifier: MIT
# summary: a quirk is loaded, takes effect and is unloaded while a guest goes on; what it is denied is explained; learn
# devices: -device edu,addr=03.0 -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0
# options: native=koffi|ffi-napi
# seconds: 900
. "$OUT/lib.sh"
SLOTS=vpci
NIC=0000:00:04.0
pokes() { guest_log "$1" | tr -d '\r' | grep '^POKE 5 reads [0-9a-f]'; } # what each write of 5 read back as
# Guest, value: the guest wrote 5 after now, and reads that value. A write that was under way does not count.
poke_reads() {
  local from
  from=$(pokes "$1" | wc -l)
  within 90 more_pokes "$1" $((from + 2)) && [ "$(pokes "$1" | tail -n 1)" = "POKE 5 reads $2" ]
}
more_pokes() { [ "$(pokes "$1" | wc -l)" -ge "$2" ]; }
explains() { # range, text that the explanation of the range has
  pciback explain "$NIC" "$1" > /run/explanation || return
  cat /run/explanation >> "$OUT/explain.txt"
  grep -qiE "$2" /run/explanation
}
start_xen
load_pciback_module
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
make_assignable 0000:00:03.0 "$NIC"
PCI_LINE='pci=["00:03.0","00:04.0"]'

note "preset kernel: the driver's writes are denied, and explained"
start_daemon --fields kernel --record "$OUT/record"
guest_config u1 "hold poke=8086:10d3@e8.w=5"
check "xl create u1" xl create /run/u1.cfg
check "u1: the guest goes through its tests" wait_guest u1 240 HOLD
check_guest_network u1
pciback explain "$NIC" --denied | tee "$OUT/denied.txt"
check "0xE8 is in the record of refused writes" grep -qi '0x0*e8' "$OUT/denied.txt"
for range in 0xe8:2 0x104:4 0x110:4; do
  check "$range is explained: no field, dropped" explains "$range" drop
done
pciback explain "$NIC" --map > "$OUT/map.txt"
check "the map has a line for each 16 bytes" test "$(grep -cE '^ *(0x)?[0-9a-f]{2,3} ' "$OUT/map.txt")" -ge 16
check "a write of 5 to 0xE8 changes nothing" poke_reads u1 0000

note "a quirk for 0xE8 is loaded while the guest runs"
cat > /run/e1000e.json <<'EOQ'
{
  "name": "intel/e1000e-control",
  "source": "PCI Express base specification: error reporting enables of device control",
  "match": [{ "vendor": "0x8086", "device": "0x10d3" }],
  "fields": [{ "offset": "0xe8", "width": 16, "name": "device control", "emulated": "0x000f" }]
}
EOQ
check "pciback quirk load" pciback quirk load /run/e1000e.json
check "a write of 5 to 0xE8 is accepted" poke_reads u1 0005
check "the quirk explains the register" explains 0xe8:2 e1000e-control
check "pciback quirk unload" pciback quirk unload intel/e1000e-control
check "a write of 5 to 0xE8 changes nothing again" poke_reads u1 0000
check "the guest was connected all the time" same "$(guest_log u1 | grep -c 'not responding')" 0
logged_lines 'quirk loaded'
logged_lines 'quirk unloaded'

note "pciback quirk learn, from what this guest did"
check "xl destroy u1" xl destroy u1
check "its session was recorded" within 20 test -n "$(ls "$OUT/record")"
stop_daemon
check "learn writes a quirk" pciback quirk learn "$(ls "$OUT"/record/*00-04.0* | head -n 1)" -o /run/learned.json
check "the quirk opens 0xE8, and nothing else" same "$(grep -o '"offset": "[^"]*"' /run/learned.json)" '"offset": "0xe8"'
cp /run/learned.json "$OUT/"
cat > /run/pciback.config.json <<'EOC'
{ "fields": "kernel", "quirks": ["/run/learned.json"] }
EOC
DAEMON_LOG=/run/daemon-2.log
start_daemon --config /run/pciback.config.json
guest_config u2 "hold"
check "xl create u2, with the learned quirk" xl create /run/u2.cfg
check "u2: the guest goes through its tests" wait_guest u2 240 HOLD
check_guest_network u2
pciback explain "$NIC" --denied | tee "$OUT/denied-learned.txt"
check "with the learned quirk 0xE8 is not refused any more" test -z "$(grep -i '0x0*e8' "$OUT/denied-learned.txt")"
check "xl destroy u2" xl destroy u2
stop_daemon

note "preset full: the same writes are the guest's own"
DAEMON_LOG=/run/daemon-3.log
start_daemon --fields full
guest_config u3 "hold poke=8086:10d3@e8.w=5"
check "xl create u3" xl create /run/u3.cfg
check "u3: the guest goes through its tests" wait_guest u3 240 HOLD
check_guest_network u3
check "a write of 5 to 0xE8 reads back" poke_reads u3 0005
check "hardware has not seen it" same "$(setpci -s "$NIC" e8.w)" 0000
for range in 0xe8:2 0x104:4 0x110:4; do
  check "$range has an owner" explains "$range" 'fields/'
done
check "xl destroy u3" xl destroy u3
end_daemon
finish
