#!/bin/sh
# SPDX-License-Identifier: MIT OR Apache-2.0
#
# Downloads the headers of exactly the installed Kamailio, which Debian has in the
# source package only: headers.sh VERSION DIRECTORY
#
# The package sources of the machine are not changed.
set -eu
version=$1 directory=$2

fail() {
    echo "bindings/kamailio: $*" >&2
    echo "bindings/kamailio: or give the tree it was built from: make KAMAILIO_SRC=/PATH" >&2
    exit 1
}

[ -e "$directory/src/core/sr_module.h" ] && exit 0

for tool in dpkg-query apt-get dpkg-source tar; do
    command -v $tool >/dev/null ||
        fail "$tool is missing, which downloads the headers of Kamailio $version (packages apt, dpkg-dev)"
done
package=$(dpkg-query -W -f '${source:Version}' kamailio 2>/dev/null) ||
    fail "Kamailio $version is not from a Debian package: its headers cannot be downloaded"
case $package in
*"$version"*) ;;
*) fail "kamailio -v says $version, but the package is $package" ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/parts" "$work/lists/partial"
# The archives of the machine, for source packages.
for list in /etc/apt/sources.list.d/*.sources; do
    [ -e "$list" ] && sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/parts/$(basename "$list")"
done
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
    [ -e "$list" ] && sed -n 's/^deb \(.*\)/deb-src \1/p' "$list" >"$work/parts/$(basename "$list" .list).list"
done
apt() {
    apt-get -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/parts" \
        -o Dir::State::lists="$work/lists" -o APT::Sandbox::User=root -q "$@"
}
# Other archives of the machine may have no source packages at all.
apt update >"$work/log" 2>&1 || true
(cd "$work" && apt source --download-only "kamailio=$package") >>"$work/log" 2>&1 || {
    tail -n 5 "$work/log" >&2
    fail "the source package kamailio $package cannot be downloaded"
}
# The directory appears complete or not at all: the next call trusts it.
mkdir "$work/tree"
tar -xf "$work"/kamailio_*.orig.tar.* -C "$work/tree" --strip-components=1 --wildcards \
    '*/src/core/*.h' '*/src/lib/*.h' '*/src/modules/*/*.h'
mkdir -p "$(dirname "$directory")"
rm -rf "$directory"
mv "$work/tree" "$directory"
