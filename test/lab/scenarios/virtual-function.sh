# SPDX-License-Identifier: MIT
# summary: a virtual function with MSI-X in stand-alone mode: an NVMe disk that a guest reads and writes through it
# devices: -device pcie-root-port,id=rp0,chassis=1,slot=1,addr=04.0,hotplug=off -device nvme-subsys,id=ss0 -device nvme,id=nv0,serial=lab,subsys=ss0,bus=rp0,sriov_max_vfs=1,sriov_vq_flexible=3,sriov_vi_flexible=3 -device nvme-ns,drive=d0,bus=nv0
# disks: d0=64
# options: slots=vpci|passthrough native=koffi|ffi-napi
# seconds: 1800
. "$OUT/lib.sh"
READY_SECONDS=900 VCPUS=2 DISK=$OUT/d0.img
PF=$(basename "$(grep -lx 0x010802 "$PCI"/*/class | xargs dirname)")
# One admin command without data, or (opcode 0x06) 32 bytes of the controller's list of secondary controllers.
nvme_admin() { # opcode, command dwords 10 and 11
  perl -e '
    my ($opcode, $dword10, $dword11) = map { oct } @ARGV;
    my ($data, $bytes) = ("\0" x 4096, $opcode == 6 ? 4096 : 0);
    my ($path) = glob "/dev/nvme?";
    open my $controller, "+<", $path or die "$path: $!\n";
    my $command = pack "CCSLLLQPLLL6LL", $opcode, 0, 0, 0, 0, 0, 0, $data, 0, $bytes, $dword10, $dword11, 0, 0, 0, 0, 0, 0;
    my $status = ioctl $controller, 0xc0484e41, $command;
    die "command $opcode $dword10 $dword11: " . (defined $status ? "status $status" : $!) . "\n" unless defined $status && $status == 0;
    printf "id=%d online=%d queues=%d vectors=%d\n", unpack "x32 S x2 C x5 SS", $data if $bytes;
  ' "$@"
}
# Of NVMe's virtualization management (opcode 0x1c): controller << 16 | kind << 8 | action; kind 0: queues, 1: vectors.
leave_resources() { # the primary controller has none of those that can be given away, from its next reset on
  nvme_admin 0x1c 0x00001 0 && nvme_admin 0x1c 0x00101 0 && echo 1 > "$PCI/$PF/reset"
}
assign_resources() { # 3 queues and 3 vectors to the secondary controller
  nvme_admin 0x1c 0x10008 3 && nvme_admin 0x1c 0x10108 3
}
bring_online() { # the secondary controller has them, and works
  nvme_admin 0x1c 0x10007 0 && assign_resources && nvme_admin 0x1c 0x10009 0
}
secondary() { nvme_admin 0x06 0x15 0; }
start_xen
modprobe_finds_modules
modprobe nvme || give_up "nvme is loaded"
within 60 leave_resources || give_up "dom0's driver has the physical function, whose controller leaves its resources"
# Before the function is there: the hypervisor remembers the size of the MSI-X table that it finds then.
within 60 assign_resources || give_up "the secondary controller has queues and vectors"
echo 0 > "$PCI/$PF/sriov_drivers_autoprobe"
echo 1 > "$PCI/$PF/sriov_numvfs" || give_up "a virtual function is there"
VF=$(basename "$(readlink "$PCI/$PF/virtfn0")")
within 60 bring_online || give_up "the secondary controller is online"
secondary
note "$PF has $VF"
remember "$VF"
start_stand_alone
check "the function is seized" pciback seize "$VF"

# A guest that boots with the device, reads and writes.
dd if=/dev/urandom of="$DISK" bs=1M count=1 conv=notrunc,fsync status=none
guest_config u1 "hold tests=disk modules=nvme"
check "xl create -p u1" xl create -p /run/u1.cfg
id=$(xl domid u1)
permitted "$id" > /run/permitted-none
pciback attach u1 "$VF" || give_up "u1: attach of the virtual function"
check "xl unpause u1" xl unpause u1
check "u1: the guest goes through its tests" wait_guest u1 300 HOLD
case $SLOTS in
  vpci) VDEV=0000:00:00.1 ;; # the function's number stays
  passthrough) VDEV=$VF ;;
esac
check_guest_view u1 "$VF=$VDEV"
check "u1: nvme is bound" guest_says u1 "^DRIVER $VDEV nvme$"
check "u1: it has an MSI-X vector for each processor and one for the controller" same "$(msix_vectors u1)" $((VCPUS + 1))
guest_interrupts u1 nvme
for queue in nvme0q0 'nvme0q[12]'; do
  check "u1: interrupts of $queue were counted" test "$(guest_interrupts u1 "$queue" | awk '{ sum += $2 + $3 } END { print sum + 0 }')" -gt 0
done
check_guest_disk u1 "$DISK"
check "u1: no request went without an answer" same "$(guest_log u1 | grep -c 'not responding')" 0
check "the hypervisor: the device is the guest's" same "$(owner_of "$VF")" "d$id"
check "the hypervisor: so are as many interrupts" same "$(held_of_guest "$id")" "channels=3 grants=3 irqs=$((VCPUS + 1))"
check "the hypervisor lets it use more than before" test "$(permitted "$id")" != "$(cat /run/permitted-none)"
note "detach"
check "u1: detach" pciback detach u1
check "u1: it has no device" within 120 guest_says u1 '^DEVICES none'
check "u1: the hypervisor lets it use what it could before" same "$(permitted "$id")" "$(cat /run/permitted-none)"
check "the function is released" pciback release "$VF"
check_host_has "after the release" "$VF"
check "xl destroy u1" xl destroy u1

end_daemon 120
check "nothing is noted as changed" nothing_noted
check_host_has "at the end" "$VF"
rm -f "$DISK"
finish
