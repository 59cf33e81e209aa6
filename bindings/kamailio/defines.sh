#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Prints the preprocessor definitions that the installed Kamailio was built with,
# from its -v: defines.sh KAMAILIO. The server compares them when it loads a
# module.
set -eu
kamailio=$1

fail() {
    echo "bindings/kamailio: $*" >&2
    exit 1
}

printed=$("$kamailio" -v 2>&1) || fail "\"$kamailio -v\" does not run; give the server: make KAMAILIO=/PATH"
line=$(echo "$printed" | sed -n 's/^version: *//p')
version=$(echo "$line" | sed -n 's/^kamailio \([^ ]*\) (.*/\1/p')
arch=$(echo "$line" | sed -n 's/.*(\([^/]*\)\/.*/\1/p')
os=$(echo "$line" | sed -n 's/.*\/\([^)]*\)).*/\1/p')
flags=$(echo "$printed" | sed -n 's/^flags: *//p' | tr -d ,)
loops=$(echo "$printed" | sed -n 's/.*ADAPTIVE_WAIT_LOOPS *=* *\([0-9]*\).*/\1/p')
compiler=$(echo "$printed" | sed -n 's/^compiled with \([a-z]*\).*/\1/p')
[ -n "$version" ] && [ -n "$arch" ] && [ -n "$os" ] && [ -n "$flags" ] ||
    fail "\"$kamailio -v\" does not print version and flags as Kamailio 5.5 to 6.1 does: $line"
[ "$os" = linux ] || fail "$os is not supported, only linux"

number=$(echo "$version" | sed -n 's/^\([0-9]*\)\.\([0-9]*\)\.\([0-9]*\).*/\1 \2 \3/p')
[ -n "$number" ] || fail "\"$version\" is not a version like 5.6.3"
# shellcheck disable=SC2086
set -- $number
value=$(($1 * 1000000 + $2 * 1000 + $3))
[ $value -ge 5005000 ] || fail "Kamailio $version is too old, 5.5 or newer is needed"

define() { printf '%s\n' "-D$1"; }
define "NAME='\"kamailio\"'"
define "VERSION='\"$version\"'"
define "VERSIONVAL=$value"
define "ARCH='\"$arch\"'"
define "__CPU_$arch"
define "OS=${os}_"
define "OS_QUOTED='\"$os\"'"
define "__OS_$os"
define "COMPILER='\"${compiler:-gcc}\"'"
define "CFG_DIR='\"/etc/kamailio/\"'"
define "SHARE_DIR='\"/usr/share/kamailio/\"'"
define "RUN_DIR='\"/run/kamailio/\"'"
# Those that -v prints.
for flag in $flags; do
    case $flag in
    FAST_LOCK-ADAPTIVE_WAIT) define FAST_LOCK; define ADAPTIVE_WAIT; define "ADAPTIVE_WAIT_LOOPS=${loops:-1024}" ;;
    FAST_LOCK-ADAPTIVE_WAIT-NOSMP) define FAST_LOCK; define ADAPTIVE_WAIT; define "ADAPTIVE_WAIT_LOOPS=${loops:-1024}"; define NOSMP ;;
    FAST_LOCK-BUSY_WAIT) define FAST_LOCK; define BUSY_WAIT ;;
    FAST_LOCK-*) fail "the lock \"$flag\" of \"$kamailio -v\" is not known" ;;
    # Headers define these themselves, and the server compares without them.
    DBG_QM_MALLOC | DBG_F_MALLOC | DBG_TLSF_MALLOC) ;;
    TLS_PTHREAD_MUTEX_SHARED) define KSR_PTHREAD_MUTEX_SHARED ;;
    *[!A-Z0-9_]*) fail "the flag \"$flag\" of \"$kamailio -v\" is not known" ;;
    *) define "$flag" ;;
    esac
done
# Those that -v does not print, the same on every Linux.
for silent in WITH_XAVP USE_CORE_STATS STATISTICS MALLOC_STATS CC_GCC_LIKE_ASM \
    HAVE_GETHOSTBYNAME2 HAVE_UNION_SEMUN HAVE_SCHED_YIELD HAVE_MSG_NOSIGNAL \
    HAVE_MSGHDR_MSG_CONTROL HAVE_ALLOCA_H HAVE_TIMEGM HAVE_SCHED_SETSCHEDULER HAVE_IP_MREQN \
    HAVE_EPOLL HAVE_SIGIO_RT SIGINFO64_WORKARROUND HAVE_SELECT; do
    define $silent
done
