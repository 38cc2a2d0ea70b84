#!/bin/bash
# A machine of its own for a test: systemd as process 1 in namespaces of its own, on a copy of
# this machine's files of which nothing is kept. The Python packages of PROJECT are those that
# `pip install` would put into /opt/abaca. boot.sh FOLDER CGROUP PROJECT: runs until it is killed.
set -euo pipefail

enter() { # in a control group of its own, which becomes the root of them all
    echo $$ >"$cgroup/cgroup.procs"
    exec unshare --fork --kill-child --pid --mount --net --uts --ipc --cgroup \
        --propagation private "$0" "$folder" "$cgroup" "$project" inside
}

file_systems() {
    mount -t tmpfs tmpfs "$folder"
    mkdir "$folder"/{changes,work,root}
    mount -t overlay overlay "$root" \
        -o "lowerdir=/,upperdir=$folder/changes,workdir=$folder/work"
    mount -t proc proc "$root/proc"
    # Most of what is set there is the whole machine's.
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount --bind "$root/proc/sys/net" "$root/proc/sys/net"
    mount -o remount,bind,rw "$root/proc/sys/net"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs -o mode=755 tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    mkdir -p "$root$project" # which may be in a folder that is empty now
    mount --bind "$project" "$root$project"
    mount -o remount,bind,ro "$root$project"
}

packages() {
    local installed
    installed=$(echo "$project"/.venv/lib/python3*/site-packages)
    mkdir -p "$root/opt/abaca/${installed#"$project/.venv/"}"
    mount -t overlay overlay "$root/opt/abaca/${installed#"$project/.venv/"}" \
        -o "lowerdir=$project/src:$installed"
}

devices() {
    local name number
    mount -t tmpfs -o mode=755 tmpfs "$root/dev"
    mkdir "$root"/dev/{pts,shm}
    mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
    mount -t tmpfs tmpfs "$root/dev/shm"
    ln -s pts/ptmx "$root/dev/ptmx"
    ln -s /proc/self/fd "$root/dev/fd"
    for name in null zero full random urandom tty fuse loop-control; do
        cp -a "/dev/$name" "$root/dev/$name"
    done
    for number in {0..255}; do
        mknod -m 660 "$root/dev/loop$number" b 7 "$number"
    done
}

boot() {
    # No service of this machine's, and nothing that is for the kernel.
    find "$root/etc/systemd/system" -path '*.wants/*' -delete
    ln -sf /dev/null "$root/etc/systemd/system/systemd-sysctl.service"
    ln -sf /dev/null "$root/etc/systemd/system/systemd-modules-load.service"
    ln -sf /dev/null "$root/etc/systemd/system/systemd-remount-fs.service"
    ip link set lo up
    cd "$root"
    mkdir .before
    pivot_root . .before
    umount -l /.before
    export container=test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
    exec /lib/systemd/systemd --system --unit=multi-user.target --log-target=console
}

folder=$1 cgroup=$2 project=$3 root=$1/root
if [ "${4:-}" != inside ]; then
    enter
fi
file_systems
packages
devices
boot
