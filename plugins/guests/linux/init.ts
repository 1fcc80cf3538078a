// SPDX-License-Identifier: MIT

/** The first process of a guest that devices are tried in. What it shall do lies in /job, from the overlay. */
export const init = `#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/sbin:/usr/sbin
echo "=== guest up $(uname -r) $(cut -d' ' -f1 /proc/uptime)"
load_modules() { while read -r m; do insmod "/lib/m/$m" || echo "module $m: not loaded"; done < /modlist; }
. /job
echo "=== guest done $(cut -d' ' -f1 /proc/uptime)"
poweroff -f
`;
