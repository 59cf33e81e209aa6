#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Loads the module into the server and makes one call through it, with the
# embedded relay: check.sh KAMAILIO MODULE.so MODULES
set -eu
kamailio=$1 module=$2 modules=$3

work=$(mktemp -d)
server='' callee=''
clean_up() {
    [ -z "$server" ] || kill -TERM "$server" 2>/dev/null || true
    [ -z "$callee" ] || kill -TERM "$callee" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

fail() {
    [ ! -e "$work/server.log" ] || tail -n 30 "$work/server.log" >&2
    echo "check: $*" >&2
    exit 1
}

command -v sipp >/dev/null || fail "sipp is missing (package sip-tester)"

cat >"$work/kamailio.cfg" <<END
#!KAMAILIO
debug=2
log_stderror=yes
children=2
disable_tcp=yes
auto_aliases=no
dns=no
rev_dns=no
use_dns_cache=off
listen=udp:127.0.0.1:15070
mpath="$modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "$module"
modparam("mediaproxy", "relay", "embedded")
modparam("mediaproxy", "proxy_ports", "36000-36099")
modparam("mediaproxy", "sip_asymmetrics", "")
modparam("mediaproxy", "rtp_asymmetrics", "")
request_route {
    if (client_nat_test("private_contact,source_address,private_via"))
        fix_contact();
    if (loose_route()) {
        if (method == "BYE")
            end_media_session();
        t_relay();
        exit;
    }
    record_route();
    use_media_proxy();
    t_on_reply("1");
    \$du = "sip:127.0.0.1:15080";
    t_relay();
}
onreply_route[1] {
    use_media_proxy();
}
END

# The module exports what Kamailio looks up, and nothing else.
exported=$(nm -D --defined-only "$module" | awk '{ print $3 }' | sort | tr '\n' ' ')
[ "$exported" = "exports mod_register module_flags module_interface_ver module_version " ] ||
    fail "exported symbols: $exported"
"$kamailio" -c -f "$work/kamailio.cfg" >"$work/server.log" 2>&1 || fail "the module does not load"
rm "$work/server.log"

"$kamailio" -DD -E -f "$work/kamailio.cfg" >"$work/server.log" 2>&1 &
server=$!
sipp -sn uas -i 127.0.0.1 -p 15080 -m 1 -nostdin -timeout 20s -trace_msg \
    -message_file "$work/callee.log" </dev/null >/dev/null 2>&1 &
callee=$!
for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.2
    kill -0 $server 2>/dev/null || fail "the server ended"
    ! grep -q ':3ACE' /proc/net/udp || break
done
sipp -sn uac 127.0.0.1:15070 -i 127.0.0.1 -p 15090 -m 1 -d 100 -nostdin -timeout 15s \
    -timeout_error -trace_msg -message_file "$work/caller.log" </dev/null >"$work/caller.out" 2>&1 ||
    fail "the call failed"
grep -q '^m=audio 360[0-9][0-9] ' "$work/callee.log" || fail "the offer is not rewritten"
grep -q '^m=audio 360[0-9][0-9] ' "$work/caller.log" || fail "the answer is not rewritten"

kill -TERM $server
wait $server || fail "the server ended with $?"
server=''
echo "check: ok"
