#!/bin/bash
# SPDX-License-Identifier: MIT
# In the tried Debian again, whose systemd runs now: the two commands, another version over a running one, removal. There is no
# Xen, so that the unit is told to start all the same, on the embedded platform. The last line: "N passed, N failed".
cd /root
. /try/shown.sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive TERM=dumb
quiet='grep -vE "Reading|Building|Need to get|After this|Get:|upgraded,|write log|debconf|^ |following"'
mainpid() { systemctl show --value -p MainPID pciback; }

echo "=== $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release), booted: two commands"
show "apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends /try/pciback_*.deb 2>&1 | $quiet"
show 'systemctl enable --now pciback'; check 'enable --now' $?
show 'systemctl status --no-pager pciback | head -6'; printed 'without Xen it is not started' 'unmet condition|ConditionPathExists=/proc/xen/capabilities (was not met|unmet)'
systemctl disable --now --quiet pciback

mkdir -p /etc/systemd/system/pciback.service.d
printf '[Unit]\nConditionPathExists=\n[Service]\nExecStart=\nExecStart=/usr/bin/pciback serve\n' > /etc/systemd/system/pciback.service.d/try.conf
printf 'platform: embedded\nembedded: { devices: [samples] }\n' > /etc/pciback/pciback.config.yaml
systemctl daemon-reload
echo '=== the same, told to start all the same'
show 'systemctl enable --now pciback'; check 'enable --now' $?
show 'pciback health --wait 60'; check 'health' $?
show 'systemctl status --no-pager pciback | head -8'; printed 'it runs' 'active \(running\)'
timeout 60 bash -c 'until pciback guests | grep -q Connected; do sleep 1; done' # it boots by itself
show 'pciback guests'; printed 'a guest has its devices' '^guest 1 +included, Connected'
show 'systemctl reload pciback'; check 'reload' $?

echo '=== another version, while it runs'
dpkg-deb -R /try/pciback_*.deb /try/next
sed -i 's/^Version: .*/Version: 9.9.9-1/' /try/next/DEBIAN/control
dpkg-deb -Znone -b /try/next /try/next.deb > /dev/null
before=$(mainpid)
show "apt-get -qq -y -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confold install --no-install-recommends /try/next.deb 2>&1 | $quiet"
# A guest of the embedded platform cannot go to another process: what runs goes on, and the installation says so.
printed 'the running one serves on' "serves on: 'systemctl restart pciback'"
[ "$(mainpid)" = "$before" ] && systemctl --quiet is-active pciback; check 'the same process serves' $?
show 'systemctl restart pciback'; check 'restart' $?

echo '=== removal, while it runs'
show "apt-get -qq -y -o Dpkg::Use-Pty=0 remove pciback 2>&1 | $quiet"
show 'journalctl -u pciback --no-pager -o cat | tail -4'; printed 'everything was given back' 'stopped +mapped=0 bound=0 pirqs=0 assigned=0'
! systemctl --quiet is-active pciback; check 'it is stopped' $?
[ ! -e /etc/systemd/system/multi-user.target.wants/pciback.service ]; check 'it is not started at the next boot' $?
show "apt-get -qq -y -o Dpkg::Use-Pty=0 purge pciback 2>&1 | $quiet"
show 'ls -d /etc/pciback /run/pciback /usr/lib/pciback'
[ "$(grep -c 'No such file' /try/output)" = 3 ]; check 'nothing is left' $?
finish
