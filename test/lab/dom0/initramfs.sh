#!/bin/busybox sh
# SPDX-License-Identifier: MIT
# First process of dom0: the host's own root file system over 9p, read-only, with a tmpfs on top.
B=/bin/busybox
$B mount -t proc proc /proc
$B mount -t sysfs sys /sys
$B mount -t devtmpfs dev /dev
while read -r m _; do $B insmod "/lib/m/$m" || echo "insmod $m failed"; done < /modlist
$B mount -t 9p -o trans=virtio,version=9p2000.L,ro,cache=loose,msize=512000 hostroot /mnt/host || exec $B sh
$B mount -t tmpfs -o size=2g tmpfs /mnt/rw
$B mkdir /mnt/rw/upper /mnt/rw/work
$B mount -t overlay -o lowerdir=/mnt/host,upperdir=/mnt/rw/upper,workdir=/mnt/rw/work overlay /mnt/root || exec $B sh
for d in proc sys dev; do
  $B mkdir -p "/mnt/root/$d"
  $B mount --move "/$d" "/mnt/root/$d"
done
exec $B switch_root /mnt/root /bin/bash -c "
  mount -t tmpfs tmpfs /run && mkdir -p /run/lab &&
  mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000 out /run/lab && exec bash /run/lab/start.sh"
