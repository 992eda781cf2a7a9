#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A private MariaDB for tests, on loopback, in a folder of its own, with a row binlog. Used three
# ways:
#
#   mariadb.sh run [--OPTION...] -- COMMAND...  a server around one command; its status is returned
#   . mariadb.sh                                the mariadb_* functions, in a bash script
#   mariadb.sh exec|wait|create DIR ...         the steps, for a harness in C (mariadb.h, also remove)
#
# A server is a child that dies with the shell that started it, also when that is killed. The data
# folder is copied from a template that is made once, under $DRIPLINE_TEST_CACHE. For the command:
#   DRIPLINE_TEST_MYSQL_HOST, _PORT, _SOCKET, _USER, _PASSWORD, _DIR  (a user who may replicate)
#   DRIPLINE_EXAMPLE_MYSQL_PORT, _SOCKET, _USER, _PASSWORD            (the same, for example.yaml)
# Over the socket root needs no password.

mariadb_user=dripline
mariadb_password=drip-secret

mariadb_fail() {
	printf 'mariadb.sh: %s\n' "$*" >&2
	return 3
}

mariadb_program() {
	local program
	for program in mariadbd /usr/sbin/mariadbd; do
		if command -v "$program" >/dev/null 2>&1; then
			command -v "$program"
			return 0
		fi
	done
	mariadb_fail "no mariadbd here: make test installs it"
}

# Makes the template where it is missing; prints its path. Small logs: it is copied for each server.
mariadb_template() {
	local cache="${DRIPLINE_TEST_CACHE:-${TMPDIR:-/tmp}/dripline-test-cache-$(id -u)}"
	local template tmp
	mkdir -p "$cache" && chmod 700 "$cache" || return 3
	template="$cache/mariadb-$("$(mariadb_program)" --version | sha256sum | cut -c1-12)-2"
	(
		flock 9
		[ -d "$template" ] && exit 0
		tmp="$(mktemp -d "$cache/new.XXXXXX")"
		cat >"$tmp/extra.sql" <<-SQL
			FLUSH PRIVILEGES;
			CREATE USER '$mariadb_user'@'%' IDENTIFIED BY '$mariadb_password';
			GRANT ALL PRIVILEGES ON *.* TO '$mariadb_user'@'%';
		SQL
		if ! mysql_install_db --no-defaults --datadir="$tmp/data" --user="$(id -un)" \
			--auth-root-authentication-method=normal --skip-test-db --force \
			--innodb-log-file-size=8M --extra-file="$tmp/extra.sql" >"$tmp/log" 2>&1; then
			cat "$tmp/log" >&2
			rm -rf "$tmp"
			exit 3
		fi
		mv "$tmp/data" "$template"
		rm -rf "$tmp"
	) 9>"$cache/lock" || return 3
	printf '%s\n' "$template"
}

# mariadb_create DIR [--OPTION...]: the data folder and my.cnf of a new server.
mariadb_create() {
	local dir="$1" template option
	shift
	template="$(mariadb_template)" || return 3
	rm -rf "$dir/data"
	mkdir -p "$dir" && cp -a "$template" "$dir/data" || return 3
	{
		cat <<-CNF
			[mariadbd]
			user=$(id -un)
			datadir=$dir/data
			socket=$dir/s
			pid-file=$dir/server-pid
			log-error=$dir/log
			tmpdir=$dir
			bind-address=127.0.0.1
			skip-name-resolve
			server-id=1
			log-bin=mysql-bin
			binlog-format=ROW
			character-set-server=utf8mb4
			performance-schema=OFF
			innodb-buffer-pool-size=128M
			innodb-log-file-size=64M
			innodb-flush-log-at-trx-commit=0
			innodb-fast-shutdown=2
			innodb-doublewrite=OFF
			sync-binlog=0
			max-allowed-packet=64M
		CNF
		for option; do
			printf '%s\n' "${option#--}"
		done
	} >"$dir/my.cnf"
	mariadb_pick_port "$dir"
}

# A port below the ephemeral range that nobody listens on; start tries another where it was lost.
mariadb_pick_port() {
	local port
	while :; do
		port=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
		if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			break
		fi
	done
	printf '%s\n' "$port" >"$1/port"
}

# Becomes the server. It dies with the process that started this one.
mariadb_exec() {
	local program
	program="$(mariadb_program)" || exit 3
	exec setpriv --pdeathsig KILL "$program" --defaults-file="$1/my.cnf" --port="$(cat "$1/port")"
}

# mariadb_wait DIR PID: until it answers; fails where it has ended.
mariadb_wait() {
	local dir="$1" pid="$2"
	until mariadb-admin --no-defaults -uroot --socket="$dir/s" ping >/dev/null 2>&1; do
		kill -0 "$pid" 2>/dev/null || return 1
		read -r -t 0.05 <> <(:) || :
	done
}

# mariadb_start DIR: starts what mariadb_create made, and waits for it.
mariadb_start() {
	local dir="$1" try
	for try in 1 2 3 4 5; do
		: >"$dir/log"
		mariadb_exec "$dir" </dev/null >>"$dir/log" 2>&1 &
		echo $! >"$dir/pid"
		mariadb_wait "$dir" $! && return 0
		wait $! || :
		if ! grep -q "Can't start server: Bind on TCP" "$dir/log" || [ -e "$dir/started" ]; then
			break
		fi
		mariadb_pick_port "$dir"
	done
	cat "$dir/log" >&2
	mariadb_fail "could not start the server in $dir (try $try)"
}

# mariadb_stop DIR [SIGNAL]: SIGTERM shuts down in order, SIGKILL is a crash. Waits for its end.
mariadb_stop() {
	local pid
	touch "$1/started" # keep the port from now on
	pid="$(cat "$1/pid" 2>/dev/null)" || return 0
	kill -s "${2:-TERM}" "$pid" 2>/dev/null || :
	wait "$pid" 2>/dev/null || :
	rm -f "$1/pid"
}

# mariadb_sql DIR [CLIENT OPTION...]: the client as root; SQL from standard input or -e.
mariadb_sql() {
	local dir="$1"
	shift
	mariadb --no-defaults -uroot --socket="$dir/s" --default-character-set=utf8mb4 --batch \
		--skip-column-names "$@"
}

# mariadb_export DIR: the environment of tests and examples.
mariadb_export() {
	local prefix
	for prefix in DRIPLINE_TEST_MYSQL DRIPLINE_EXAMPLE_MYSQL; do
		export "${prefix}_HOST=127.0.0.1" "${prefix}_PORT=$(cat "$1/port")" \
			"${prefix}_SOCKET=$1/s" "${prefix}_USER=$mariadb_user" \
			"${prefix}_PASSWORD=$mariadb_password" "${prefix}_DIR=$1"
	done
}

# Removes the folder of a server that has stopped; only one that mariadb_create made.
mariadb_remove() {
	[ -f "$1/my.cnf" ] && rm -rf "$1"
}

mariadb_run() {
	local options=() status=0
	while [ $# -gt 0 ] && [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	mariadb_run_dir="$(mktemp -d "${TMPDIR:-/tmp}/drip-db.XXXXXX")"
	trap 'mariadb_stop "$mariadb_run_dir" KILL; rm -rf "$mariadb_run_dir"' EXIT
	trap 'exit 130' INT TERM HUP
	mariadb_create "$mariadb_run_dir" "${options[@]}" && mariadb_start "$mariadb_run_dir" || exit 3
	mariadb_export "$mariadb_run_dir"
	"$@" || status=$?
	exit $status
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
	case "${1:-}" in
	run | create | exec | wait | remove)
		command="mariadb_$1"
		shift
		"$command" "$@"
		;;
	*)
		echo "usage: mariadb.sh run [--OPTION...] -- COMMAND..." >&2
		exit 2
		;;
	esac
fi
