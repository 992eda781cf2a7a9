/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A private MariaDB for a test in C: tests/lib/mariadb.sh does the work. The server is a child that
 * dies with the thread that started it. Functions return 0 or -1 after a message on standard error.
 * Include it in one file of a test and define MARIADB_SH as the path of the script.
 *
 *	struct test_mariadb db;
 *	if (test_mariadb_create(&db, NULL) != 0) ...
 *	... db.port, db.socket, TEST_MARIADB_USER; root without a password over the socket
 *	test_mariadb_destroy(&db);
 */
#ifndef DRIPLINE_TESTS_LIB_MARIADB_H
#define DRIPLINE_TESTS_LIB_MARIADB_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEST_MARIADB_USER     "dripline"
#define TEST_MARIADB_PASSWORD "drip-secret"

struct test_mariadb {
	char dir[64];
	char socket[80];
	int port;
	pid_t pid; /* 0: not running */
};

/* Runs mariadb.sh VERB DIR [ARGUMENT] as a child; with `ret_pid` without waiting for it. */
static int test_mariadb_script(const char *verb, const char *dir, const char *argument,
			       pid_t *ret_pid)
{
	int status;
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid == 0) {
		int null = open("/dev/null", O_RDONLY);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent) {
			_exit(1);
		}
		dup2(null, 0);
		if (ret_pid != NULL) {
			char path[96];

			snprintf(path, sizeof(path), "%s/log", dir);
			int log = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

			dup2(log, 1);
			dup2(log, 2);
		}
		execl("/bin/bash", "bash", MARIADB_SH, verb, dir, argument, (char *)NULL);
		_exit(127);
	}
	if (pid < 0) {
		fprintf(stderr, "could not fork: %s\n", strerror(errno));
		return -1;
	}
	if (ret_pid != NULL) {
		*ret_pid = pid;
		return 0;
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return -1;
		}
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* Ends the server with `sig`: SIGTERM in order, SIGKILL as a crash. Its data stay. */
static inline void test_mariadb_stop(struct test_mariadb *db, int sig)
{
	if (db->pid > 0) {
		kill(db->pid, sig);
		while (waitpid(db->pid, NULL, 0) < 0 && errno == EINTR) {
		}
		db->pid = 0;
	}
}

/* Starts the server, on the same port as before, and waits until it answers. */
static inline int test_mariadb_start(struct test_mariadb *db)
{
	char pid[16];

	if (test_mariadb_script("exec", db->dir, NULL, &db->pid) != 0) {
		return -1;
	}
	snprintf(pid, sizeof(pid), "%d", (int)db->pid);
	if (test_mariadb_script("wait", db->dir, pid, NULL) != 0) {
		fprintf(stderr, "the server did not start, see %s/log\n", db->dir);
		test_mariadb_stop(db, SIGKILL);
		return -1;
	}
	return 0;
}

/* Stops the server and removes its folder. */
static inline void test_mariadb_destroy(struct test_mariadb *db)
{
	test_mariadb_stop(db, SIGKILL);
	if (db->dir[0] != '\0') {
		test_mariadb_script("remove", db->dir, NULL, NULL);
		db->dir[0] = '\0';
	}
}

/* A new running server; `option` (may be NULL) is one more "--name=value" for mariadbd. */
static inline int test_mariadb_create(struct test_mariadb *db, const char *option)
{
	char path[96];
	FILE *f;

	memset(db, 0, sizeof(*db));
	snprintf(db->dir, sizeof(db->dir), "/tmp/drip-db.XXXXXX");
	if (mkdtemp(db->dir) == NULL) {
		perror("mkdtemp");
		db->dir[0] = '\0';
		return -1;
	}
	for (int attempt = 0; attempt < 5; attempt++) { /* another port each time */
		if (test_mariadb_script("create", db->dir, option, NULL) != 0) {
			break;
		}
		snprintf(db->socket, sizeof(db->socket), "%s/s", db->dir);
		snprintf(path, sizeof(path), "%s/port", db->dir);
		f = fopen(path, "re");
		if (f == NULL || fscanf(f, "%d", &db->port) != 1) {
			if (f != NULL) {
				fclose(f);
			}
			break;
		}
		fclose(f);
		if (test_mariadb_start(db) == 0) {
			return 0;
		}
	}
	test_mariadb_destroy(db);
	return -1;
}

#endif
