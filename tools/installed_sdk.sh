# SPDX-License-Identifier: Apache-2.0
# Sourced by checks that build out of tree: installed_sdk BUILD FOLDER installs the build below
# FOLDER and sets PKG_CONFIG_PATH and $dripline to what was installed.
installed_sdk() {
	local prefix pc
	DESTDIR="$2" meson install -C "$1" --no-rebuild >"$2.log" 2>&1 || {
		cat "$2.log"
		return 1
	}
	pc="$(find "$2" -name dripline-sdk.pc)"
	[ -n "$pc" ] || return 1
	prefix="$2$(sed -n 's/^prefix=//p' "$pc")"
	find "$2" -name '*.pc' -exec sed -i "s#^prefix=.*#prefix=$prefix#" {} +
	export PKG_CONFIG_PATH
	PKG_CONFIG_PATH="$(dirname "$pc")"
	dripline="$prefix/bin/dripline"
}
