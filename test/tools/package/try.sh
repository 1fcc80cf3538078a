#!/bin/bash
# SPDX-License-Identifier: MIT
# Inside of a bare Debian, as root: installs /try/pciback_*.deb, looks at it, removes it. Each command is shown with what it
# printed. The last line: "N passed, N failed".
cd /root
. /try/shown.sh

files() { # every file that is no one's runtime state
  find / -xdev \( -path /proc -o -path /sys -o -path /dev -o -path /try -o -path /tmp -o -path /run -o -path /var/cache -o -path /var/lib/apt \
    -o -path /var/lib/dpkg -o -path /var/log \) -prune -o -print | sort
}

apt-get -qq update
files > /try/before

echo "=== $(sed -n 's/^PRETTY_NAME=//p' /etc/os-release): installation"
show 'apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends /try/pciback_*.deb | grep -vE "^(Selecting|Preparing|Unpacking|Setting up (lib|node-)|\(Reading)"'
dpkg -s pciback > /dev/null 2>&1; check 'installed' $?
show 'dpkg-query -W -f "\${Package} \${Version}, installed \${Installed-Size} KiB\n" pciback'
show 'ls -l /try/*.deb'
echo '=== the program'
show 'pciback --version'; check 'version' $?
show 'pciback doctor'; printed 'doctor' 'included guest: a sample device was scanned'
show 'cd /tmp && echo "export default { platform: \"embedded\" }" > /tmp/pciback.config.ts && pciback doctor | head -3'; printed 'an rc file in TypeScript' 'pciback.config.ts: valid'
show 'pciback doctor --platform xen | grep -A3 foreign'
rm -f /tmp/pciback.config.ts
show 'dpkg -L pciback | grep -vE "/dist/|/node_modules/|/docs/" | xargs ls -ld | cut -d" " -f1,5-'

echo '=== memory of an idle pciback serve'
cat > /try/idle.yaml << 'END'
platform: embedded
embedded: { devices: [samples] }
control: /run/try.sock
END
# As the unit starts it.
env $(sed -n 's/^Environment=//p' /usr/lib/systemd/system/pciback.service) pciback serve --config /try/idle.yaml > /try/serve.log 2>&1 &
daemon=$!
for ((i = 0; i < 300; i++)); do grep -q 'included guest is up' /try/serve.log && break; sleep 0.2; done
sleep 10
grep -E '^(Rss|Pss|Pss_Anon|Pss_File):' /proc/$daemon/smaps_rollup | sed 's/^/    /'
show 'pciback status --control /run/try.sock | head -5'; check 'status' $?
kill $daemon; wait $daemon; check 'serve ends with status 0' $?
tail -1 /try/serve.log | sed 's/^/    /'

echo '=== manual, completion, unit: with what a dom0 has beside'
apt-get -qq -y -o Dpkg::Use-Pty=0 install --no-install-recommends man-db groff-base bash-completion systemd zsh fish > /try/apt.log 2>&1 || tail -3 /try/apt.log
export MANWIDTH=80 MAN_KEEP_FORMATTING=
show 'man pciback | head -60'; printed 'man' 'pciback <command> \[options\]'
show 'man pciback.config | head -50'; printed 'man' 'platform \(string'
show 'man --warnings pciback 2>&1 >/dev/null; man --warnings pciback.config 2>&1 >/dev/null'
[ ! -s /try/output ]; check 'man says something about the pages' $?
completed() { # shell's words: what bash completes them to
  bash -c '. /usr/share/bash-completion/bash_completion; _comp_load pciback 2> /dev/null || _completion_loader pciback
    COMP_LINE="$1" COMP_POINT=${#1} COMP_TYPE=9; _pciback; echo "$1<TAB>  ${COMPREPLY[*]}"' complete "$1" | tee /try/output | sed 's/^/    /'
}
completed 'pciback do'; printed 'completion' 'doctor'
completed 'pciback serve --pl'; printed 'completion' '--platform'
completed 'pciback serve --platform '; printed 'completion' 'embedded xen vfio-user'
completed 'pciback quirk l'; printed 'completion' 'load list learn'
zsh -n /usr/share/zsh/vendor-completions/_pciback; check 'zsh reads its completion' $?
show "fish -c 'complete -C \"pciback serve --fields \"'"; printed 'fish' 'kernel'
show 'systemd-analyze verify /usr/lib/systemd/system/pciback.service'; check 'systemd-analyze verify' $?

echo '=== removal'
show 'systemctl enable pciback'
show 'apt-get -qq -y -o Dpkg::Use-Pty=0 remove pciback | grep -v Reading'; check 'removal' $?
files > /try/after
comm -13 /try/before /try/after > /try/new
show 'grep -i pciback /try/new'
[ "$(grep -i pciback /try/new | tr '\n' ' ')" = '/etc/pciback /etc/pciback/pciback.config.yaml ' ]; check 'only the rc file is left' $?
show 'apt-get -qq -y -o Dpkg::Use-Pty=0 purge pciback | grep -v Reading'; check 'purge' $?
files > /try/after
show 'comm -13 /try/before /try/after | grep -i pciback'
[ ! -s /try/output ]; check 'nothing is left after a purge' $?

finish
