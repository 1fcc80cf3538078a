#!/bin/sh
# SPDX-License-Identifier: MIT
# boot.sh ROOT: in namespaces of its own (mounts, processes, cgroups), starts the systemd that is installed below ROOT.
set -e
root=$1
mount --make-rprivate /
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm"
ln -s /proc/self/fd "$root/dev/fd"
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mkdir "$root/run/lock"
exec chroot "$root" /usr/bin/env -i container=try PATH=/usr/sbin:/usr/bin:/sbin:/bin /usr/lib/systemd/systemd --system
