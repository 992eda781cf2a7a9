/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the program under test as a child that dies with the test. Needs lib/test.h before it;
 * test_argv[1] is the program, test_argv[2] the folder of plugins. Nothing sleeps: what takes time
 * is waited for, and only a hang meets the deadline. TEST_NOFILE in the environment given limits
 * the descriptors.
 */
#ifndef DRIPLINE_TESTS_LIB_PROGRAM_H
#define DRIPLINE_TESTS_LIB_PROGRAM_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PROGRAM_OUTPUT_MAX 1000000
#define PROGRAM_ARGS_MAX   16
#define PROGRAM_HANG_MS    60000

struct program {
	pid_t pid;
	int fd;                          /* its stdout and stderr */
	char output[PROGRAM_OUTPUT_MAX]; /* what was read so far, ended by NUL */
	size_t length;
	int status; /* exit status, -signal, or -1000 while it runs */
};

static inline void program_child(char *const *argv, const char *const *environment, int fd)
{
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(null, 0);
	dup2(fd, 1);
	dup2(fd, 2);
	unsetenv("DRIPLINE_STATE");
	setenv("DRIPLINE_PLUGIN_PATH", test_argv[2], 1);
	for (size_t i = 0; environment != NULL && environment[i] != NULL; i += 2) {
		setenv(environment[i], environment[i + 1], 1);
	}
	if (getenv("TEST_NOFILE") != NULL) {
		rlim_t files = strtoul(getenv("TEST_NOFILE"), NULL, 10);

		setrlimit(RLIMIT_NOFILE, &(struct rlimit){.rlim_cur = files, .rlim_max = files});
	}
	execv(test_argv[1], argv);
	_exit(127);
}

/* Starts it; `environment` are names and values by turns, ended by NULL, or NULL. */
static inline void program_start(struct program *p, const char *const *environment,
				 const char *const *arguments)
{
	char *argv[PROGRAM_ARGS_MAX + 2] = {test_argv[1]};
	int fds[2];

	for (size_t i = 0; arguments[i] != NULL; i++) {
		REQUIRE(i < PROGRAM_ARGS_MAX);
		argv[i + 1] = (char *)(uintptr_t)arguments[i];
	}
	p->length = 0;
	p->output[0] = '\0';
	p->status = -1000;
	REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
	p->pid = fork();
	REQUIRE(p->pid >= 0);
	if (p->pid == 0) {
		program_child(argv, environment, fds[1]);
	}
	close(fds[1]);
	p->fd = fds[0];
}

static inline int64_t program_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Reads more output; false at its end. */
static inline bool program_read(struct program *p, int64_t deadline_ms)
{
	struct pollfd pfd = {.fd = p->fd, .events = POLLIN};
	int64_t left = deadline_ms - program_now_ms();
	ssize_t n;

	if (left <= 0 || poll(&pfd, 1, (int)left) <= 0) {
		printf("# hung; its output: %s\n", p->output);
		kill(p->pid, SIGKILL);
		REQUIRE(left > 0 && false);
	}
	REQUIRE(p->length + 1 < sizeof(p->output));
	n = read(p->fd, p->output + p->length, sizeof(p->output) - 1 - p->length);
	if (n <= 0) {
		return false;
	}
	p->length += (size_t)n;
	p->output[p->length] = '\0';
	return true;
}

/* Waits until its output holds `text`; false where it ended before. */
static inline bool program_wait_for(struct program *p, const char *text)
{
	int64_t deadline = program_now_ms() + PROGRAM_HANG_MS;

	while (strstr(p->output, text) == NULL) {
		if (!program_read(p, deadline)) {
			return false;
		}
	}
	return true;
}

/* Reads to the end and reaps it. */
static inline int program_wait(struct program *p)
{
	int64_t deadline = program_now_ms() + PROGRAM_HANG_MS;
	int status;

	while (program_read(p, deadline)) {
	}
	close(p->fd);
	REQUIRE(waitpid(p->pid, &status, 0) == p->pid);
	p->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
	return p->status;
}

/* Runs it to its end; returns the exit status. */
static inline int program_run(struct program *p, const char *const *environment,
			      const char *const *arguments)
{
	program_start(p, environment, arguments);
	return program_wait(p);
}

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static inline void write_file(const char *dir, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static inline void write_file(const char *dir, const char *name, const char *fmt, ...)
{
	char path[512];
	FILE *f;
	va_list ap;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	REQUIRE(f != NULL);
	va_start(ap, fmt);
	vfprintf(f, fmt, ap);
	va_end(ap);
	REQUIRE(fclose(f) == 0);
}

#endif
