/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs `dripline validate` on every file and folder under cases/ and compares all that it prints,
 * and its exit status, with what the case says it must: the lines that begin with "#!" at the end
 * of the file, or the file `expect` of a folder. DRIPLINE_UPDATE=1 writes them anew, to be read
 * before they are kept. Every run stands under a seccomp filter that kills it when it opens a
 * socket, makes a file or changes a folder.
 *
 * Arguments: the program, the folder of the test's plugin, the folder `cases`, the root of the
 * source tree.
 */
#include "lib/test.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_MAX (256 << 10)

struct result {
	char *text;
	int status; /* exit status; 1000 + signal */
};

/* ---- the sandbox ---- */

#define LOAD(field)   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define REFUSE(call)  BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##call, 0, 1), KILL
#define KILL          BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS)
#define ALLOW         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define WRITING_FLAGS (O_CREAT | O_TRUNC | O_APPEND)

/* The runtime of ThreadSanitizer itself calls what the filter refuses. */
#ifdef __SANITIZE_THREAD__
#define SANDBOX false
#else
#define SANDBOX true
#endif

/* Files may not be made, emptied or grown. (The probe of plugins opens /dev/null to write.) */
static void enter_sandbox(void)
{
	static const struct sock_filter code[] = {
		LOAD(nr),
		REFUSE(socket),
		REFUSE(connect),
		REFUSE(bind),
		REFUSE(creat),
		REFUSE(mkdir),
		REFUSE(mkdirat),
		REFUSE(rename),
		REFUSE(renameat),
		REFUSE(renameat2),
		REFUSE(unlink),
		REFUSE(unlinkat),
		REFUSE(truncate),
		REFUSE(ftruncate),
		REFUSE(link),
		REFUSE(symlink),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_openat, 0, 3),
		LOAD(args[2]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WRITING_FLAGS, 0, 1),
		KILL,
		LOAD(nr),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_open, 0, 3),
		LOAD(args[1]),
		BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, WRITING_FLAGS, 0, 1),
		KILL,
		ALLOW,
	};
	const struct sock_fprog program = {.len = sizeof(code) / sizeof(code[0]),
					   .filter = (struct sock_filter *)(uintptr_t)code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) {
		_exit(99);
	}
}

/* ---- running ---- */

static void read_all(int fd, struct result *r)
{
	size_t size = 0;
	ssize_t n;

	r->text = calloc(1, OUTPUT_MAX);
	REQUIRE_NOT_NULL(r->text);
	while (size < OUTPUT_MAX - 1 && (n = read(fd, r->text + size, OUTPUT_MAX - 1 - size)) > 0) {
		size += (size_t)n;
	}
}

/* Runs `dripline COMMAND --plugin-dir ... PATH [more]` in `folder`; stdout only. */
static struct result run(const char *folder, const char *command, const char *path,
			 const char *more, const char *more2)
{
	struct result r = {0};
	int fds[2], status = 0;
	pid_t pid;

	REQUIRE(pipe(fds) == 0);
	pid = fork();
	REQUIRE(pid >= 0);
	if (pid == 0) {
		if (chdir(folder) < 0 || dup2(fds[1], 1) < 0) {
			_exit(98);
		}
		close(fds[0]);
		close(fds[1]);
		if (SANDBOX) {
			enter_sandbox();
		}
		execl(test_argv[1], "dripline", command, "--plugin-dir", test_argv[2], path, more,
		      more2, (char *)NULL);
		_exit(97);
	}
	close(fds[1]);
	read_all(fds[0], &r);
	close(fds[0]);
	REQUIRE(waitpid(pid, &status, 0) == pid);
	r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
	return r;
}

/* ---- what a case expects ---- */

static char *read_text(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, OUTPUT_MAX);

	REQUIRE_NOT_NULL(text);
	if (f != NULL) {
		size_t n = fread(text, 1, OUTPUT_MAX - 1, f);

		text[n] = '\0';
		fclose(f);
	}
	return text;
}

/* The lines that begin with "#! ", without that. */
static char *expected_of(const char *text)
{
	char *out = calloc(1, OUTPUT_MAX);
	size_t used = 0;

	REQUIRE_NOT_NULL(out);
	while (*text != '\0') {
		size_t n = strcspn(text, "\n");

		if (n >= 3 && strncmp(text, "#! ", 3) == 0) {
			used += (size_t)snprintf(out + used, OUTPUT_MAX - used, "%.*s\n",
						 (int)n - 3, text + 3);
		}
		text += n + (text[n] == '\n');
	}
	return out;
}

static void update(const char *path, const char *text, const char *actual)
{
	const char *old = strstr(text, "#! ");
	size_t keep = old != NULL ? (size_t)(old - text) : strlen(text);
	FILE *f = fopen(path, "we");

	REQUIRE_NOT_NULL(f);
	fwrite(text, 1, keep, f);
	while (*actual != '\0') {
		size_t n = strcspn(actual, "\n");

		fprintf(f, "#! %.*s\n", (int)n, actual);
		actual += n + (actual[n] == '\n');
	}
	fclose(f);
}

static void check_case(const char *folder, const char *name)
{
	struct result r = run(folder, "validate", name, NULL, NULL);
	char path[4096], *text, *want, *actual = calloc(1, OUTPUT_MAX + 64);
	struct stat st;

	REQUIRE_NOT_NULL(actual);
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		snprintf(path, sizeof(path), "%s/%s/expect", folder, name);
	}
	text = read_text(path);
	want = expected_of(text);
	snprintf(actual, OUTPUT_MAX + 64, "%sexit %d\n", r.text, r.status);
	if (getenv("DRIPLINE_UPDATE") != NULL) {
		update(path, text, actual);
	} else if (strcmp(want, actual) != 0) {
		printf("# case %s\n", name);
		CHECK_EQ_STR(actual, want);
	}
	free(text);
	free(want);
	free(actual);
	free(r.text);
}

/* ---- tests ---- */

static int is_case(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strcmp(entry->d_name, "files") != 0;
}

TEST(every_case_says_what_it_must)
{
	struct dirent **entries = NULL;
	int count;

	setenv("CONFIG_TEST_PORT", "9000", 1);
	setenv("CONFIG_TEST_SECRET", "hunter2", 1);
	setenv("CONFIG_TEST_YAML", "[a, b]: {", 1);
	setenv("CONFIG_TEST_EMPTY", "", 1);
	unsetenv("CONFIG_TEST_NONE");
	count = scandir(test_argv[3], &entries, is_case, alphasort);
	CHECK(count > 50);
	for (int i = 0; i < count; i++) {
		check_case(test_argv[3], entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}

TEST(json_holds_the_same_findings)
{
	struct result r = run(test_argv[3], "validate", "many_errors.yaml", "--format", "json");

	CHECK_EQ_INT(r.status, 2);
	CHECK_CONTAINS(r.text, "\"code\": \"config.unknown_option\"");
	CHECK_CONTAINS(r.text, "\"file\": \"many_errors.yaml\"");
	CHECK_CONTAINS(r.text, "\"hint\": \"Did you mean \\\"shards\\\"?\"");
	free(r.text);
}

TEST(a_missing_path_is_of_the_environment)
{
	struct result r = run(test_argv[3], "validate", "files/there_is_none.yaml", NULL, NULL);

	CHECK_EQ_INT(r.status, 3);
	CHECK_CONTAINS(r.text, "[config.unreadable_file]");
	free(r.text);
}

TEST(connect_opens_connections)
{
	struct result r = run(test_argv[3], "validate", "offline.yaml", "--connect", NULL);

	/* Its connection opens, and has nothing to offer. */
	CHECK_EQ_INT(r.status, 2);
	CHECK_CONTAINS(r.text, "connection \"dwh\" does not offer drip_sql");
	free(r.text);
}

/* One file through two paths and an include of each has its problems once. */
TEST(a_file_of_two_documents_is_reported_once)
{
	struct result r = run(test_argv[3], "validate", "unknown_key.yaml",
			      "../cases/unknown_key.yaml", "./unknown_key.yaml");

	CHECK_EQ_INT(r.status, 2);
	CHECK_CONTAINS(r.text, "\n1 file, 1 error, 0 warnings\n");
	CHECK(strstr(r.text, "../cases") == NULL);
	free(r.text);
	r = run(test_argv[3], "validate", "dir_main", "dir_main/parts",
		"dir_main/../dir_main/parts");
	CHECK_CONTAINS(r.text, "\n3 files, ");
	CHECK(strstr(r.text, "..") == NULL);
	free(r.text);
}

TEST(secrets_are_never_printed)
{
	struct result r = run(test_argv[3], "validate", "secret.yaml", NULL, NULL);

	CHECK_EQ_INT(r.status, 2);
	CHECK(strstr(r.text, "hunter2") == NULL);
	CHECK(strstr(r.text, "sesame") == NULL);
	free(r.text);
}

/* A file of `size` bytes that some generator makes, validated: no crash, and exit status 2. */
static void check_made(const char *name, const char *text, size_t size, const char *code)
{
	char folder[] = "/tmp/dripline-config-XXXXXX", path[256];
	struct result r;
	FILE *f;

	REQUIRE_NOT_NULL(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	REQUIRE_NOT_NULL(f);
	fwrite(text, 1, size, f);
	fclose(f);
	r = run(folder, "validate", name, NULL, NULL);
	unlink(path);
	rmdir(folder);
	CHECK_EQ_INT(r.status, 2);
	if (code != NULL) {
		CHECK_CONTAINS(r.text, code);
	}
	CHECK_CONTAINS(r.text, "error: ");
	free(r.text);
}

TEST(random_bytes_are_a_clear_error)
{
	uint64_t x = 88172645463325252u;
	char bytes[4096];

	for (int round = 0; round < 8; round++) {
		for (size_t i = 0; i < sizeof(bytes); i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			bytes[i] = (char)x;
		}
		check_made("random.yaml", bytes, sizeof(bytes), NULL);
	}
}

TEST(aliases_do_not_unfold_without_end)
{
	static char text[1 << 16];
	size_t used = (size_t)snprintf(text, sizeof(text), "x-a0: &a0 [z, z, z, z]\n");

	for (int i = 1; i < 40; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 "x-a%d: &a%d [*a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1,
					 i - 1, i - 1, i - 1);
	}
	check_made("laughs.yaml", text, used, "[config.too_large]");
}

TEST(depth_is_bounded)
{
	static char text[1 << 16];
	size_t used = 0;

	memset(text, '[', 65);
	used = 65;
	check_made("deep.yaml", text, used, "[config.too_deep]");
	used = (size_t)snprintf(text, sizeof(text), "x-a0: &a0 [z]\n");
	for (int i = 1; i < 80; i++) {
		used += (size_t)snprintf(text + used, sizeof(text) - used, "x-a%d: &a%d [*a%d]\n",
					 i, i, i - 1);
	}
	check_made("deep_aliases.yaml", text, used, "[config.too_deep]");
}

TEST(size_is_bounded)
{
	size_t size = (16 << 20) + 1;
	char *text = malloc(size);

	REQUIRE_NOT_NULL(text);
	memset(text, '#', size);
	check_made("large.yaml", text, size, "[config.too_large]");
	free(text);
}

TEST(a_million_keys_are_bounded)
{
	size_t room = 12u << 20, used = 0;
	char *text = malloc(room);

	REQUIRE_NOT_NULL(text);
	for (int i = 0; i < 600000; i++) {
		used += (size_t)snprintf(text + used, room - used, "x-%d: 1\n", i);
	}
	check_made("keys.yaml", text, used, "[config.too_large]");
	free(text);
}

/* The examples of all plugins that need no server: valid, offline, nothing written. */
TEST(examples_of_plugins_validate)
{
	char pattern[4096], line[4096];
	FILE *p;

	snprintf(pattern, sizeof(pattern), "ls -d %s/plugins/*/*/example.yaml", test_argv[4]);
	p = popen(pattern, "r");
	REQUIRE_NOT_NULL(p);
	while (fgets(line, sizeof(line), p) != NULL) {
		char *text;
		struct result r;

		line[strcspn(line, "\n")] = '\0';
		text = read_text(line);
		if (strstr(text, "x-needs") == NULL) {
			r = run("/", "validate", line, NULL, NULL);
			if (r.status != 0) {
				printf("# %s\n", line);
				CHECK_EQ_STR(r.text, "");
				CHECK_EQ_INT(r.status, 0);
			}
			free(r.text);
		}
		free(text);
	}
	pclose(p);
}

TEST_MAIN()
