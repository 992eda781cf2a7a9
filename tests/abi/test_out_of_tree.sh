#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the build into a folder of its own and does there what a plugin author does: `dripline new` for each kind, make, the
# plugin's own test, the conformance suite, validate and run. One plugin is built with meson, too. Prints TAP.
#   usage: test_out_of_tree.sh BUILD_DIR BINDIR LIBDIR PREFIX
set -u
build=$1 bindir=$2 libdir=$3 prefix=$4
work=$(mktemp -d "${TMPDIR:-/tmp}/dripline-new-XXXXXX") || exit 1
trap 'rm -rf "$work"' EXIT
number=0 failed=0

# check NAME COMMAND...: one TAP line, with the output where the command fails.
check()
{
	name=$1
	shift
	number=$((number + 1))
	if "$@" >"$work/log" 2>&1; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		sed 's/^/# /' "$work/log"
		failed=$((failed + 1))
	fi
}

DESTDIR=$work/root check "installs" meson install -C "$build" --no-rebuild --quiet
root=$work/root$prefix
PATH=$root/$bindir:$PATH
PKG_CONFIG_PATH=$root/$libdir/pkgconfig
PKG_CONFIG_SYSROOT_DIR=$work/root
LD_LIBRARY_PATH=$root/$libdir${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
# A sanitized build has a sanitized library: the plugin must be linked alike.
CFLAGS=${DRIPLINE_TEST_CFLAGS:-}
CC=${DRIPLINE_TEST_CC:-cc}
export PATH PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR LD_LIBRARY_PATH CFLAGS CC
cd "$work" || exit 1

for kind in source feed transform sink model connection service; do
	check "$kind: dripline new" dripline new "$kind" "my-$kind"
	check "$kind: make" make -C "my-$kind"
	check "$kind: make check" make -C "my-$kind" check
	check "$kind: conformance" dripline-conformance "$work/my-$kind/drip-my-$kind.so"
	check "$kind: it is listed" dripline plugins --plugin-dir "my-$kind" "$kind/my-$kind"
	check "$kind: validate" dripline validate --plugin-dir "my-$kind" "my-$kind/example.yaml"
	check "$kind: make install" make -C "my-$kind" install DESTDIR= PLUGINDIR="$work/installed"
done
check "all are found where they are installed" sh -c 'DRIPLINE_PLUGIN_PATH=installed dripline plugins | grep -c " my-" | grep -qx 7'
check "transform: meson" sh -c 'meson setup my-transform/build my-transform && meson test -C my-transform/build'
check "a kind that is none is refused" sh -c 'dripline new sauce x; [ $? = 2 ]'
check "a bad name is refused" sh -c 'dripline new source Bad; [ $? = 2 ]'
check "what is there is not overwritten" sh -c 'dripline new source my-source; [ $? = 3 ]'
echo "1..$number"
exit $((failed > 0))
