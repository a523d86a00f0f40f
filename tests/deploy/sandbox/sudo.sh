#!/bin/sh
# Stands in for sudo. We are root; what counts is that the caller's variables do not come along, as
# with Debian's sudoers. Where packages come from does, since this machine has no network.
for word; do
    case $word in
    -u) user=$2; shift 2; break ;;
    -*) echo "sudo here does not know $word" >&2; exit 64 ;;
    *) break ;;
    esac
done
set -- env -i PATH=/usr/local/shims:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
    LANG=C.UTF-8 PIP_NO_INDEX="${PIP_NO_INDEX-}" PIP_FIND_LINKS="${PIP_FIND_LINKS-}" "$@"
exec ${user:+setpriv --reuid "$user" --regid "$user" --init-groups} "$@"
