/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ducksql FILE SQL: runs one query on a DuckDB database (":memory:" for none) and prints its rows
 * as text, columns apart by tabs, NULL as NULL. For the tests, the demo and the benchmark: Debian
 * has no DuckDB shell. With --execute SQL is run as it stands. One thread.
 */
#include <duckdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int run(duckdb_connection connection, const char *sql)
{
	duckdb_result result;
	int rc = 0;

	if (duckdb_query(connection, sql, &result) != DuckDBSuccess) {
		fprintf(stderr, "ducksql: %s\n", duckdb_result_error(&result));
		rc = 1;
	}
	duckdb_destroy_result(&result);
	return rc;
}

static int open_and_run(const char *file, const char *sql)
{
	duckdb_config config = NULL;
	duckdb_database database = NULL;
	duckdb_connection connection = NULL;
	char *message = NULL;
	int rc = 1;

	if (duckdb_create_config(&config) != DuckDBSuccess ||
	    duckdb_set_config(config, "autoinstall_known_extensions", "false") != DuckDBSuccess ||
	    duckdb_set_config(config, "autoload_known_extensions", "false") != DuckDBSuccess) {
		fprintf(stderr, "ducksql: could not make a configuration\n");
	} else if (duckdb_open_ext(file, &database, config, &message) != DuckDBSuccess) {
		fprintf(stderr, "ducksql: could not open %s: %s\n", file, message);
		duckdb_free(message);
	} else if (duckdb_connect(database, &connection) != DuckDBSuccess) {
		fprintf(stderr, "ducksql: could not connect to %s\n", file);
	} else {
		rc = run(connection, sql);
	}
	duckdb_disconnect(&connection);
	duckdb_close(&database);
	duckdb_destroy_config(&config);
	return rc;
}

/*
 * DuckDB opens /dev/stdout by name and truncates it, which empties a log that others write to: it
 * gets a pipe, and a child (pid in *ret_pid) carries on what comes. 0 or -1.
 */
static int pump_stdout(pid_t *ret_pid)
{
	char buf[65536];
	ssize_t size;
	int fds[2];

	if (pipe(fds) != 0) {
		return -1;
	}
	*ret_pid = fork();
	if (*ret_pid == 0) {
		close(fds[1]);
		while ((size = read(fds[0], buf, sizeof(buf))) > 0) {
			for (ssize_t done = 0, n; done < size; done += n) {
				n = write(STDOUT_FILENO, buf + done, (size_t)(size - done));
				if (n <= 0) {
					_exit(1);
				}
			}
		}
		_exit(0);
	}
	close(fds[0]);
	int rc = *ret_pid < 0 || dup2(fds[1], STDOUT_FILENO) < 0 ? -1 : 0;

	close(fds[1]);
	return rc;
}

int main(int argc, char **argv)
{
	static const char before
		[] = "COPY (",
	  after[] = ") TO '/dev/stdout' (FORMAT csv, DELIMITER '\t', HEADER false, NULLSTR 'NULL', "
		    "QUOTE '', ESCAPE '')";
	bool execute = argc == 4 && strcmp(argv[1], "--execute") == 0;

	if (argc != 3 && !execute) {
		fprintf(stderr, "usage: ducksql [--execute] FILE SQL\n");
		return 2;
	}
	if (execute) {
		return open_and_run(argv[2], argv[3]);
	}
	size_t size = sizeof(before) + strlen(argv[2]) + sizeof(after);
	char *sql = malloc(size);
	pid_t pid;
	int status = 1;

	if (sql == NULL || pump_stdout(&pid) != 0) {
		free(sql);
		return 1;
	}
	snprintf(sql, size, "%s%s%s", before, argv[2], after);
	int rc = open_and_run(argv[1], sql);

	free(sql);
	close(STDOUT_FILENO);
	waitpid(pid, &status, 0);
	return rc != 0 || status != 0;
}
