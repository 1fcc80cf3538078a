# SPDX-License-Identifier: MIT
# Mounts what a system has, runs the scenario under a time limit, reports its exit status, powers dom0 off.
# /run/lab is the log folder of this run on the host; env.sh in it says what to run.
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root OUT=/run/lab
. "$OUT/env.sh"
mkdir -p /run/lock /run/xen /run/xenstored /dev/shm /dev/pts
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t xenfs xenfs /proc/xen
ln -s /proc/self/fd /dev/fd # bash's <(…) needs it
mkdir -p /var/lib/xen /var/log/xen/console
ip link set lo up 2>/dev/null
: > "$OUT/up"
echo "=== DOM0 UP $(uname -r) $(cut -d' ' -f1 /proc/uptime)s"
timeout -k 10 "$JOB_SECONDS" bash "$OUT/job.sh" 2>&1
rc=$?
[ "$rc" = 124 ] && echo "not ok - the scenario ends within $JOB_SECONDS s" | tee -a "$OUT/checks"
cp -r /var/log/xen "$OUT/log" 2>/dev/null
cp /run/*.log /run/*.cfg "$OUT/" 2>/dev/null
echo "$rc" > "$OUT/status"
sync
echo "=== JOB DONE rc=$rc $(cut -d' ' -f1 /proc/uptime)s"
if [ -n "$KEEP" ]; then
  echo "=== dom0 stays up: this is its shell, 'exit' powers it off"
  setsid bash -i < /dev/hvc0 > /dev/hvc0 2>&1
fi
echo o > /proc/sysrq-trigger
sleep 20
