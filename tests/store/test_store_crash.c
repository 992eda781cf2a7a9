/* SPDX-License-Identifier: Apache-2.0 */
/* The store under SIGKILL in the middle of commits, and on a full disk. */
#include "lib/test.h"

#include "lib/temp.h"
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define KILLS       40
#define STATE_BYTES 20000

/* Commits epochs from `epoch` on for ever; tells each one that returned through `fd`. State and
 * position carry the epoch, so a torn commit shows. */
static void commit_for_ever(const char *dir, uint64_t epoch, int fd)
{
	static char value[STATE_BYTES];
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store;
	const struct drip_durable *d;

	if (drip_store_open(dir, DRIP_STORE_WRITE, &store, &err) < 0) {
		fprintf(stderr, "# %s: %s\n", err.code, err.message);
		_exit(1);
	}
	d = drip_store_durable(store);
	for (;; epoch++) {
		struct drip_position p = {.struct_size = sizeof(p), .order_size = sizeof(epoch)};
		struct drip_state_entry s = {
			.stage = "s", .key = "k", .value = value, .size = sizeof(value)};
		struct drip_checkpoint c = {.epoch = epoch,
					    .positions = &p,
					    .positions_count = 1,
					    .states = &s,
					    .states_count = 1};

		memcpy(p.order, &epoch, sizeof(epoch));
		for (size_t i = 0; i + sizeof(epoch) <= sizeof(value); i += sizeof(epoch)) {
			memcpy(value + i, &epoch, sizeof(epoch));
		}
		if (d->checkpoint_commit(d->self, "p", &c, &err) < 0 ||
		    write(fd, &epoch, sizeof(epoch)) != (ssize_t)sizeof(epoch)) {
			fprintf(stderr, "# %s: %s\n", err.code, err.message);
			_exit(1);
		}
	}
}

/* The epoch that the store holds, after checking that all its parts are of that epoch. */
static uint64_t check_whole(const char *dir)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;
	const struct drip_durable *d;
	struct drip_position *positions = NULL;
	size_t count = 0, size = 0;
	uint64_t epoch = 0, part;
	void *value = NULL;

	REQUIRE(drip_store_open(dir, DRIP_STORE_WRITE, &store, &err) == 0);
	d = drip_store_durable(store);
	REQUIRE(d->checkpoint_load(d->self, "p", &positions, &count, &epoch, &err) == 0);
	if (epoch != 0) {
		REQUIRE(count == 1);
		memcpy(&part, positions[0].order, sizeof(part));
		CHECK_EQ_INT((int64_t)part, (int64_t)epoch);
		REQUIRE(d->state_get(d->self, "p", "s", "k", &value, &size, &err) == 0);
		REQUIRE(size == STATE_BYTES);
		for (size_t i = 0; i + sizeof(part) <= size; i += sizeof(part)) {
			memcpy(&part, (char *)value + i, sizeof(part));
			REQUIRE(part == epoch);
		}
	}
	free(value);
	free(positions);
	drip_store_close(store);
	return epoch;
}

TEST(killed_in_the_middle_of_commits)
{
	const char *dir = temp_dir();
	uint64_t last = 0;

	srandom(7);
	for (int i = 0; i < KILLS; i++) {
		uint64_t told = last, held;
		long reads = random() % 40;
		int fds[2], status;
		pid_t pid;

		REQUIRE(pipe(fds) == 0);
		pid = fork();
		REQUIRE(pid >= 0);
		if (pid == 0) {
			close(fds[0]);
			commit_for_ever(dir, last + 1, fds[1]);
		}
		close(fds[1]);
		/* Waits for some commits; the kill then lands wherever the next one is. */
		while (reads-- > 0 && read(fds[0], &told, sizeof(told)) == (ssize_t)sizeof(told)) {
		}
		for (volatile long spin = random() % 300000; spin > 0; spin--) {
		}
		kill(pid, SIGKILL);
		REQUIRE(waitpid(pid, &status, 0) == pid);
		CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		while (read(fds[0], &told, sizeof(told)) == (ssize_t)sizeof(told)) {
		}
		close(fds[0]);
		held = check_whole(dir);
		CHECK(held == told || held == told + 1); /* one may be durable and not yet told */
		last = held;
	}
	CHECK(last > 0);
}

/* A limit on the size of files stands for the full disk: writes fail in the same place. */
TEST(full_disk_is_an_error_and_loses_nothing)
{
	const char *dir = temp_dir();
	int fds[2], status;
	uint64_t told = 0, held;
	pid_t pid;

	held = check_whole(dir);
	CHECK_EQ_INT((int64_t)held, 0);
	REQUIRE(pipe(fds) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};

		close(fds[0]);
		signal(SIGXFSZ, SIG_IGN);
		if (setrlimit(RLIMIT_FSIZE, &limit) < 0 ||
		    freopen("/dev/null", "w", stderr) == NULL) {
			_exit(2);
		}
		commit_for_ever(dir, 1, fds[1]); /* ends with 1 at the first failure */
	}
	close(fds[1]);
	while (read(fds[0], &told, sizeof(told)) == (ssize_t)sizeof(told)) {
	}
	close(fds[0]);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	held = check_whole(dir);
	CHECK(told > 0);
	CHECK_EQ_INT((int64_t)held, (int64_t)told);
}

TEST(error_of_a_full_disk_is_retryable_and_goes_away)
{
	const char *dir = temp_dir();
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;
	static char value[4 << 20];
	struct drip_state_entry s = {
		.stage = "s", .key = "k", .value = value, .size = sizeof(value)};
	struct drip_checkpoint c = {.epoch = 1, .states = &s, .states_count = 1};
	struct rlimit limit, old;
	const struct drip_durable *d;

	REQUIRE(drip_store_open(dir, DRIP_STORE_WRITE, &store, &err) == 0);
	d = drip_store_durable(store);
	signal(SIGXFSZ, SIG_IGN);
	REQUIRE(getrlimit(RLIMIT_FSIZE, &old) == 0);
	limit = old;
	limit.rlim_cur = 1 << 20;
	REQUIRE(setrlimit(RLIMIT_FSIZE, &limit) == 0);
	CHECK(d->checkpoint_commit(d->self, "p", &c, &err) < 0);
	REQUIRE(setrlimit(RLIMIT_FSIZE, &old) == 0);
	CHECK(err.retryable);
	CHECK(strcmp(err.code, "store.full") == 0 || strcmp(err.code, "store.io") == 0);
	CHECK_EQ_INT(d->checkpoint_commit(d->self, "p", &c, &err), 0);
	drip_store_close(store);
}

TEST_MAIN()
