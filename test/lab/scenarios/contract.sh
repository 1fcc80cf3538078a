# SPDX-License-Identifier: MIT
# summary: the contract suite of the native calls and of the xen platform, with each FFI loader, on a real dom0
# devices: -device edu,addr=03.0 -netdev user,id=n0 -device e1000e,netdev=n0,addr=04.0
# options:
. "$OUT/lib.sh"
start_xen
load_pciback_module
echo 0 > /sys/bus/xen-backend/drivers_autoprobe
make_assignable 0000:00:03.0 0000:00:04.0
for native in koffi ffi-napi; do
  # The machine has ECAM and its firmware says so: a page that is not mapped is a defect here.
  check_program "contract with $native" "$NODE" "$PROJECT/dist/test/kit/xen-contract-main.js" --native $native \
    --config-pages required
done
finish
