/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to the loop thread, reloads that are refused, and the client against a daemon that lies. */
#include "lib/test.h"

#include "cli/client.h"
#include "lib/temp.h"
#include "serve/app.h"
#include "serve/control.h"
#include "serve/methods.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>

/* As much of a program as jobs need. */
static void init_app(struct drip_app *app)
{
	memset(app, 0, sizeof(*app));
	app->jobs_tail = &app->jobs;
	REQUIRE(uv_loop_init(&app->loop) == 0);
	REQUIRE(uv_async_init(&app->loop, &app->wake, NULL) == 0);
	pthread_mutex_init(&app->jobs_lock, NULL);
	pthread_condattr_t attributes;

	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&app->jobs_done, &attributes);
	pthread_condattr_destroy(&attributes);
}

static void finish_app(struct drip_app *app)
{
	uv_close((uv_handle_t *)&app->wake, NULL);
	uv_run(&app->loop, UV_RUN_DEFAULT);
	CHECK_EQ_INT(uv_loop_close(&app->loop), 0);
	pthread_cond_destroy(&app->jobs_done);
	pthread_mutex_destroy(&app->jobs_lock);
}

static int never(struct drip_app *app, struct drip_app_job *job, struct drip_error *err)
{
	CHECK(false);
	return 0;
}

TEST(calls_end_where_the_loop_does_not_answer)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_app_job *job = drip_app_job_new();
	static struct drip_app app;

	init_app(&app);
	REQUIRE(job != NULL);
	job->run = never;
	CHECK_EQ_INT(drip_app_call(&app, job, 1, &err), -ETIMEDOUT);
	CHECK_EQ_STR(err.code, "control.timeout");
	CHECK(app.jobs == job); /* it may run yet, so the queue holds it */
	app.jobs = NULL;
	app.jobs_tail = &app.jobs;
	drip_app_job_unref(&app, job);
	app.closing = true;
	CHECK_EQ_INT(drip_app_call(&app, job, 1, &err), -ESHUTDOWN);
	CHECK_EQ_STR(err.code, "control.shutting_down");
	drip_app_job_unref(&app, job);
	finish_app(&app);
}

static int undone;

static void count_undone(struct drip_app *app, struct drip_app_job *job)
{
	undone++;
}

/* (gives) a job whose caller has left; the queue's reference is the test's as well. */
static struct drip_app_job *late_job(struct drip_app *app)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_app_job *job = drip_app_job_new();

	REQUIRE(job != NULL);
	job->run = never;
	job->undo = count_undone;
	CHECK_EQ_INT(drip_app_call(app, job, 1, &err), -ETIMEDOUT);
	app->jobs = NULL;
	app->jobs_tail = &app->jobs;
	return job;
}

/* A hold that comes after its caller's time is let go; one that was refused then is not, since
 * what would be let go is another caller's. */
TEST(what_comes_too_late_is_undone)
{
	struct drip_error refused = DRIP_ERROR_INIT;
	static struct drip_app app;
	struct drip_app_job *job;

	init_app(&app);
	job = late_job(&app);
	drip_app_job_finish(&app, job, NULL);
	CHECK_EQ_INT(undone, 1);
	drip_app_job_unref(&app, job);
	job = late_job(&app);
	refused.rc = -EBUSY;
	drip_app_job_finish(&app, job, &refused);
	CHECK_EQ_INT(undone, 1);
	drip_app_job_unref(&app, job);
	job = drip_app_job_new();
	REQUIRE(job != NULL);
	job->undo = count_undone;
	job->refs++;
	drip_app_job_finish(&app, job, NULL); /* while its caller waits */
	CHECK_EQ_INT(undone, 1);
	drip_app_job_unref(&app, job);
	finish_app(&app);
}

TEST(reloads_are_refused)
{
	struct drip_error err = DRIP_ERROR_INIT;
	static struct drip_app app;

	init_app(&app);
	CHECK_EQ_INT(drip_app_reload(&app, NULL, NULL, &err), -ENOTSUP);
	CHECK_EQ_STR(err.code, "reload.not_a_daemon");
	app.options.reloads = true;
	app.reload = (struct drip_app_reload *)&app; /* one is under way */
	CHECK_EQ_INT(drip_app_reload(&app, NULL, NULL, &err), -EALREADY);
	CHECK_EQ_STR(err.code, "reload.busy");
	finish_app(&app);
}

/* ---- the client ---- */

static int listen_in(const char *dir)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	REQUIRE(fd >= 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", dir, DRIP_CONTROL_SOCKET);
	REQUIRE(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
	REQUIRE(listen(fd, 1) == 0);
	return fd;
}

static const char *script; /* what the false daemon sends; NULL: for ever the same */

static void *false_daemon(void *data)
{
	static char piece[65536];
	int listener = *(int *)data, fd = accept(listener, NULL, NULL);
	ssize_t n = read(fd, piece, sizeof(piece));

	memset(piece, 'x', sizeof(piece));
	if (script != NULL) {
		n = send(fd, script, strlen(script), MSG_NOSIGNAL);
	}
	while (script == NULL && n > 0) {
		n = send(fd, piece, sizeof(piece), MSG_NOSIGNAL);
	}
	close(fd);
	close(listener);
	return NULL;
}

static void check_answer(const char *text, int rc, const char *code)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_json_tree *tree = NULL;
	const struct drip_json_node *result = NULL;
	struct drip_client *client = NULL;
	const char *dir = temp_dir();
	int listener = listen_in(dir);
	pthread_t thread;

	script = text;
	REQUIRE(pthread_create(&thread, NULL, false_daemon, &listener) == 0);
	REQUIRE_OK(drip_client_open(dir, &client, &err), &err);
	CHECK_EQ_INT(drip_client_call(client, "status", "{}", &tree, &result, &err), rc);
	CHECK_EQ_STR(err.code, code);
	drip_client_close(client);
	drip_json_tree_destroy(tree);
	pthread_join(thread, NULL);
}

TEST(a_client_survives_what_it_is_sent)
{
	check_answer("", -ECONNRESET, "control.lost");
	check_answer("{\"id\":1,\"resu", -ECONNRESET, "control.lost");
	check_answer("nonsense\n", -EINVAL, "json.syntax");
	check_answer("{\"id\":1,\"error\":{\"code\":\"a.b\",\"message\":\"m\",\"errno\":2}}\n", -2,
		     "a.b");
	check_answer("{\"id\":1,\"error\":7}\n", -EIO, "control.failed");
	check_answer(NULL, -E2BIG, "control.answer_too_large");
}

TEST(a_client_says_why_it_cannot_connect)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_client *client = NULL;
	char name[400];

	CHECK(drip_client_open("/nonexistent", &client, &err) < 0);
	CHECK_EQ_STR(err.code, "control.no_daemon");
	memset(name, 'n', sizeof(name));
	name[0] = '/';
	name[sizeof(name) - 1] = '\0';
	CHECK(drip_client_open(name, &client, &err) < 0);
	CHECK_EQ_STR(err.code, "control.no_socket");
}

/* ---- lineage that is too large to show ---- */

static struct drip_lineage_record flow(const char *in, const char *in_col, const char *out,
				       const char *out_col)
{
	return (struct drip_lineage_record){.pipeline = "p",
					    .stage = out,
					    .input_namespace = "n",
					    .input_dataset = in,
					    .input_column = in_col,
					    .output_namespace = "n",
					    .output_dataset = out,
					    .output_column = out_col,
					    .kind = DRIP_LINEAGE_IDENTITY};
}

static int name_dataset(const struct drip_store_dataset *d, void *data)
{
	char *text = data;
	size_t n = strlen(text);

	snprintf(text + n, 512 - n, "%s %lld %d %s%s;", d->name, (long long)d->columns,
		 d->classification, d->written ? "w" : "", d->read ? "r" : "");
	return 0;
}

TEST(datasets_of_the_lineage_are_listed)
{
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_store *store = NULL;
	const struct drip_durable *d;
	struct drip_lineage_record r[] = {
		flow("shop.a", "x", "dwh.b", "y"),
		flow("shop.a", "z", "dwh.b", "z"),
		flow("dwh.b", "y", "lake.c", "y"),
	};
	char text[512] = "";

	REQUIRE_OK(drip_store_open(temp_dir(), DRIP_STORE_WRITE, &store, &err), &err);
	d = drip_store_durable(store);
	r[0].classification = DRIP_CLASS_RESTRICTED;
	CHECK_EQ_INT(drip_store_visit_datasets(store, name_dataset, text, &err), 0);
	CHECK_EQ_STR(text, "");
	CHECK_EQ_INT(d->lineage_put(d->self, r, 3, &err), 0);
	CHECK_EQ_INT(drip_store_visit_datasets(store, name_dataset, text, &err), 0);
	CHECK_EQ_STR(text, "dwh.b 2 3 wr;lake.c 1 0 w;shop.a 2 -1 r;");
	drip_store_close(store);
}

TEST(lineage_is_bounded)
{
	enum { COUNT = 100001 };
	struct drip_error err = DRIP_ERROR_INIT;
	struct drip_lineage_record *records = calloc(COUNT, sizeof(*records));
	char(*names)[16] = calloc(COUNT, sizeof(*names));
	struct drip_store *store = NULL;
	struct drip_str out = DRIP_STR_INIT;
	const struct drip_durable *d;

	REQUIRE(records != NULL && names != NULL);
	for (int i = 0; i < COUNT; i++) {
		snprintf(names[i], sizeof(names[i]), "c%d", i);
		records[i] = (struct drip_lineage_record){.pipeline = "p",
							  .stage = "s",
							  .input_namespace = "",
							  .input_dataset = "t",
							  .input_column = names[i],
							  .output_namespace = "",
							  .output_dataset = "u",
							  .output_column = "all",
							  .kind = DRIP_LINEAGE_TRANSFORMATION};
	}
	REQUIRE_OK(drip_store_open(temp_dir(), DRIP_STORE_WRITE, &store, &err), &err);
	d = drip_store_durable(store);
	REQUIRE_OK(d->lineage_put(d->self, records, COUNT, &err), &err);
	CHECK_EQ_INT(drip_lineage_render(store, "ns", "u", NULL, "text", &out, &err), -E2BIG);
	CHECK_EQ_STR(err.code, "lineage.too_large");
	CHECK_OK(drip_lineage_render(store, "ns", "t", "c7", "text", &out, &err), &err);
	CHECK_CONTAINS(drip_str_text(&out), "t.c7 -> u.all");
	drip_str_finish(&out);
	drip_store_close(store);
	free(records);
	free(names);
}

TEST_MAIN()
