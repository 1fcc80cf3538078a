# SPDX-License-Identifier: MIT
# summary: the same quirk file has the same verdicts, bit by bit, at the embedded ring, at a socket and under Xen
# devices: -device edu,addr=03.0 -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0
# options: native=koffi|ffi-napi
# seconds: 600
. "$OUT/lib.sh"
SLOTS=vpci
NIC=0000:00:04.0
recorded() { [ -n "$(ls "$OUT/record" 2>/dev/null)" ]; }
verdicts() { "$NODE" "$PROJECT/dist/test/kit/verdicts-main.js" "$@"; }
start_xen
load_pciback_module
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
# The other two doors serve a dump of this device, as it was before anybody had it.
lspci -xxxx -vv -nn -s "$NIC" > "$OUT/nic.txt"
check "the device has a dump" grep -q '^1f0:' "$OUT/nic.txt"
verdicts --print-quirk > "$OUT/quirk.json"
make_assignable "$NIC"
PCI_LINE='pci=["00:04.0"]'
cat > /run/pciback.config.json << EOC
{ "quirks": ["$OUT/quirk.json"] }
EOC
start_daemon --config /run/pciback.config.json --record "$OUT/record"
# No driver: nobody else writes to the device meanwhile.
guest_config u1 "tests=verdicts modules=none"
check "xl create u1" xl create /run/u1.cfg
check "u1: the guest writes everything" wait_guest u1 400
check "u1: to the end" guest_says u1 '^VERDICTS done'
check "its session was recorded" within 60 recorded
stop_daemon
check_program "verdicts" verdicts --dump "$OUT/nic.txt" --quirk "$OUT/quirk.json" \
  --recording "$(ls "$OUT"/record/*00-04.0* | head -n 1)" --out "$OUT"
check "the table is there" test -s "$OUT/verdicts.md"
finish
