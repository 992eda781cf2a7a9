#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# A machine that lacks the optional libraries: configures and builds without their plugins, and the
# summary says which and why. pkg-config is replaced by one that knows the required libraries only.
# usage: tools/check_lean.sh BUILD (made anew)
set -u
cd "$(dirname "$0")/.." || exit 1
build="${1:?usage: tools/check_lean.sh BUILD}"
work="$(mktemp -d "${TMPDIR:-/tmp}/drip-lean.XXXXXX")"
trap 'rm -rf "$work"' EXIT
cat >"$work/pkg-config" <<'SH'
#!/bin/sh
for word; do
	case "$word" in
	libmariadb* | mariadb* | mysqlclient* | duckdb* | libzstd* | zlib* | libxxhash* | jansson* | libpcre2* | nettle* | libcurl*) exit 1 ;;
	esac
done
exec /usr/bin/pkg-config "$@"
SH
chmod +x "$work/pkg-config"
rm -rf "$build"
PKG_CONFIG="$work/pkg-config" meson setup "$build" -Dduckdb_dir="$work" -Dconsole_dir="$work" >"$work/log" 2>&1
status=$?
sed -n '/Plugins/,$p' "$work/log"
if [ "$status" -ne 0 ]; then
	tail -n 20 "$work/log"
	exit 1
fi
for plugin in connection/duckdb service/console source/mysql; do
	if ! grep -q "$plugin *: left out: needs" "$work/log"; then
		echo "the summary does not say that $plugin is left out"
		exit 1
	fi
done
ninja -C "$build" && "$build/core/dripline" plugins
