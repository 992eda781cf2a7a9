/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probing: a plugin is loaded in a forked child first, so that one that crashes, exits or hangs
 * while it is loaded costs a line in the list and not the program. The child answers through a
 * pipe: one byte, '+' and the names, or '-' and a struct drip_error (same program, same layout).
 *
 * Fork without exec: called before threads are started, or where they hold none of the locks that
 * dlopen takes.
 */
#include "plugin/private.h"

#include "base/cleanup.h"
#include "base/str.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ANSWER_MAX 65536 /* bytes */

/* ---- loading ---- */

/* A plugin of a later ABI major has an entry function of another name. */
static int missing_entry(void *handle, const char *path, struct drip_error *err)
{
	char name[] = "drip_plugin_entry_v0";

	for (char major = '0'; major <= '9'; major++) {
		name[sizeof(name) - 2] = major;
		if (dlsym(handle, name) != NULL) {
			drip_error_set(err, -ENOEXEC, "plugin.abi_mismatch",
				       "%s: the plugin was built for ABI %c and has only %s, this "
				       "is Dripline " DRIP_SDK_VERSION " with ABI %d.%d",
				       path, major, name, DRIP_ABI_MAJOR, DRIP_ABI_MINOR);
			drip_error_hint(err,
					"Build the plugin again with the SDK of this Dripline.");
			return -ENOEXEC;
		}
	}
	drip_error_set(err, -ENOEXEC, "plugin.missing_entry", "%s: it has no function %s", path,
		       DRIP_ENTRY_SYMBOL);
	drip_error_hint(err, "It is not a Dripline plugin, or DRIP_PLUGIN(...) is missing in it.");
	return -ENOEXEC;
}

int drip_plugin_load(const char *path, const struct drip_plugin **ret, struct drip_error *err)
{
	const struct drip_plugin *(*entry)(void);
	const struct drip_plugin *plugin;
	void *symbol;
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
	int rc;

	if (handle == NULL) {
		const char *why = dlerror();

		drip_error_set(err, -ENOEXEC, "plugin.load_failed", "%s: cannot load it: %s", path,
			       why != NULL ? why : "unknown error");
		drip_error_hint(err, "Install the library that it names, or build the plugin "
				     "again.");
		return -ENOEXEC;
	}
	symbol = dlsym(handle, DRIP_ENTRY_SYMBOL);
	if (symbol == NULL) {
		return missing_entry(handle, path, err);
	}
	memcpy(&entry, &symbol, sizeof(entry));
	plugin = entry();
	if (plugin == NULL) {
		return drip_error_set(err, -EINVAL, "plugin.invalid_descriptor",
				      "%s: its entry function returned NULL", path);
	}
	rc = drip_plugin_check(path, plugin, err);
	if (rc == 0) {
		*ret = plugin;
	}
	return rc;
}

/* ---- the child ---- */

static bool write_all(int fd, const void *data, size_t size)
{
	const char *at = (const char *)data;

	while (size > 0) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return false;
		}
		at += n;
		size -= (size_t)n;
	}
	return true;
}

static void answer(int fd, const struct drip_plugin *plugin)
{
	drip_autostr text = DRIP_STR_INIT;

	drip_str_appendf(&text, "+%s\n", plugin->name);
	for (uint32_t i = 0; i < plugin->components_count; i++) {
		drip_str_appendf(&text, "%s/%s\n", drip_kind_name(plugin->components[i]->kind),
				 plugin->components[i]->name);
	}
	write_all(fd, drip_str_text(&text), text.length);
}

static void __attribute__((noreturn)) run_child(const char *path, int fd)
{
	const struct rlimit no_core = {0, 0};
	struct drip_error err = DRIP_ERROR_INIT;
	const struct drip_plugin *plugin;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &no_core);
	for (int signo = 1; signo < 32; signo++) {
		if (signo != SIGKILL && signo != SIGSTOP) {
			signal(signo, SIG_DFL);
		}
	}
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	if (drip_plugin_load(path, &plugin, &err) == 0) {
		answer(fd, plugin);
	} else {
		write_all(fd, "-", 1);
		write_all(fd, &err, sizeof(err));
	}
	_exit(0);
}

/* ---- the parent ---- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Reads until the child closes the pipe. -ETIMEDOUT, -E2BIG, or the count of bytes. */
static ssize_t read_answer(int fd, char *buf, size_t size, int timeout_ms)
{
	int64_t deadline = now_ms() + timeout_ms;
	size_t used = 0;

	for (;;) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		int64_t left = deadline - now_ms();
		int ready = poll(&p, 1, left > 0 ? (int)left : 0);
		ssize_t n;

		if (ready < 0 && errno == EINTR) {
			continue;
		}
		if (ready <= 0) {
			return ready < 0 ? -errno : -ETIMEDOUT;
		}
		n = read(fd, buf + used, size - used);
		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			return n < 0 ? -errno : (ssize_t)used;
		}
		used += (size_t)n;
		if (used == size) {
			return -E2BIG;
		}
	}
}

static int died(const char *path, int status, struct drip_error *err)
{
	if (WIFSIGNALED(status)) {
		const char *name = sigabbrev_np(WTERMSIG(status));

		drip_error_set(err, -ENOEXEC, "plugin.crashed",
			       "%s: it died of SIG%s while it was loaded", path,
			       name != NULL ? name : "?");
	} else {
		drip_error_set(err, -ENOEXEC, "plugin.exited",
			       "%s: it ended the process with status %d while it was loaded", path,
			       WEXITSTATUS(status));
	}
	drip_error_hint(err, "A plugin must do nothing while it is loaded; report this to its "
			     "author.");
	return -ENOEXEC;
}

static int read_result(const char *path, const char *buf, ssize_t size, int status,
		       struct drip_probe_result *ret, struct drip_error *err)
{
	if (size > 0 && buf[0] == '+' &&
	    drip_probe_result_parse(buf + 1, (size_t)size - 1, ret) == 0) {
		return 0;
	}
	if (size == 1 + (ssize_t)sizeof(*err) && buf[0] == '-') {
		struct drip_error refusal;

		memcpy(&refusal, buf + 1, sizeof(refusal));
		if (err != NULL) {
			*err = refusal;
		}
		return refusal.rc < 0 ? refusal.rc : -ENOEXEC;
	}
	return died(path, status, err);
}

/* Reaps the child; kills it first where it did not end by itself. */
static int reap(pid_t child, bool end)
{
	int status = 0;

	if (end) {
		kill(child, SIGKILL);
	}
	while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
	}
	return status;
}

int drip_probe(const char *path, int timeout_ms, struct drip_probe_result *ret,
	       struct drip_error *err)
{
	drip_autofree char *buf = (char *)malloc(ANSWER_MAX);
	drip_autoclose int reader = -1;
	int fds[2];
	pid_t child;
	ssize_t size;
	int status;

	if (buf == NULL) {
		return drip_error_nomem(err, ANSWER_MAX);
	}
	if (pipe2(fds, O_CLOEXEC) < 0) {
		return drip_error_set_retryable(err, -errno, "plugin.probe_failed",
						"%s: could not make a pipe to probe it", path);
	}
	reader = fds[0];
	child = fork();
	if (child == 0) {
		close(fds[0]);
		run_child(path, fds[1]);
	}
	close(fds[1]);
	if (child < 0) {
		return drip_error_set_retryable(err, -EAGAIN, "plugin.probe_failed",
						"%s: could not start a process to probe it", path);
	}
	size = read_answer(reader, buf, ANSWER_MAX, timeout_ms);
	status = reap(child, size < 0);
	if (size == -ETIMEDOUT) {
		drip_error_set(err, -ENOEXEC, "plugin.hung",
			       "%s: it was not loaded within %d ms and was killed", path,
			       timeout_ms);
		drip_error_hint(err, "A plugin must do nothing while it is loaded; report this to "
				     "its author.");
		return -ENOEXEC;
	}
	return read_result(path, buf, size, status, ret, err);
}
