/* SPDX-License-Identifier: Apache-2.0 */
/* company: makes the company in a box on a MariaDB, and writes on. See usage. */
#include "company.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <mysql.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char usage[] =
	"usage: company load|live [OPTION...]\n"
	"  --socket PATH   of the server (root, no password), or:\n"
	"  --host H --port N --user U --password P\n"
	"  --schema FILE   load: tests/company/schema.sql\n"
	"  --scale S       load: 1 is the row counts of the blueprint (0.05)\n"
	"  --seed N        load: the same seed, the same company (1)\n"
	"  --until DATE    load: the day after the last day of history (today in New York)\n"
	"  --days N        load: length of history (365)\n"
	"  --truth DIR     customers.csv and fraud.csv: what only tests may read\n"
	"  --rate R        live: orders a second (10)\n"
	"  --orders N      live: ends after N orders (0: at SIGINT or SIGTERM)\n";

struct options {
	const char *socket, *host, *user, *password, *schema, *truth, *until;
	unsigned port;
	double scale, rate;
	uint64_t seed;
	int64_t orders;
	int days;
};

static int number(const char *name, const char *text, double min, double max, double *ret)
{
	char *end;

	errno = 0;
	*ret = strtod(text, &end);
	if (errno != 0 || end == text || *end != '\0' || !(*ret >= min && *ret <= max)) {
		fprintf(stderr, "company: --%s takes a number from %g to %g, not \"%s\"\n", name,
			min, max, text);
		return 2;
	}
	return 0;
}

enum {
	SOCKET = 1,
	HOST,
	USER,
	PASSWORD,
	SCHEMA,
	TRUTH,
	UNTIL,
	PORT,
	SCALE,
	RATE,
	SEED,
	ORDERS,
	DAYS
};

static const struct option longs[] = {
	{"socket", 1, NULL, SOCKET},     {"host", 1, NULL, HOST},     {"user", 1, NULL, USER},
	{"password", 1, NULL, PASSWORD}, {"schema", 1, NULL, SCHEMA}, {"truth", 1, NULL, TRUTH},
	{"until", 1, NULL, UNTIL},       {"port", 1, NULL, PORT},     {"scale", 1, NULL, SCALE},
	{"rate", 1, NULL, RATE},         {"seed", 1, NULL, SEED},     {"orders", 1, NULL, ORDERS},
	{"days", 1, NULL, DAYS},         {NULL, 0, NULL, 0},
};

static int parse_numbers(int option, struct options *o)
{
	double n = 0.0;
	int status = 0;

	switch (option) {
	case PORT:
		status = number("port", optarg, 1, 65535, &n);
		o->port = (unsigned)n;
		break;
	case SCALE:
		status = number("scale", optarg, 0.0001, 100, &o->scale);
		break;
	case RATE:
		status = number("rate", optarg, 0.01, 100000, &o->rate);
		break;
	case SEED:
		status = number("seed", optarg, 0, 4294967295.0, &n);
		o->seed = (uint64_t)n;
		break;
	case ORDERS:
		status = number("orders", optarg, 0, 1e12, &n);
		o->orders = (int64_t)n;
		break;
	case DAYS:
		status = number("days", optarg, 1, 3650, &n);
		o->days = (int)n;
		break;
	default:
		fputs(usage, stderr);
		status = 2;
	}
	return status;
}

static int parse(int argc, char **argv, struct options *o)
{
	const char **texts[] = {
		[SOCKET] = &o->socket,     [HOST] = &o->host,     [USER] = &o->user,
		[PASSWORD] = &o->password, [SCHEMA] = &o->schema, [TRUTH] = &o->truth,
		[UNTIL] = &o->until};
	int option, status = 0;

	while (status == 0 && (option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (option >= SOCKET && option <= UNTIL) {
			*texts[option] = optarg;
		} else {
			status = parse_numbers(option, o);
		}
	}
	return status;
}

/* Midnight of a date, or of today. */
static int midnight(const char *text, int64_t *ret)
{
	struct tm tm = {0};
	time_t now = time(NULL);
	const char *end;

	if (text == NULL) {
		localtime_r(&now, &tm);
	} else {
		end = strptime(text, "%Y-%m-%d", &tm);
		if (end == NULL || *end != '\0') {
			fprintf(stderr, "company: --until takes a date as 2026-02-14, not \"%s\"\n",
				text);
			return 2;
		}
	}
	tm.tm_sec = tm.tm_min = tm.tm_hour = 0;
	*ret = (int64_t)timegm(&tm);
	return 0;
}

static FILE *open_truth(const char *folder, const char *name, const char *mode, const char *head)
{
	char path[4096];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, mode);
	if (f == NULL) {
		fprintf(stderr, "company: could not write %s: %s\n", path, strerror(errno));
	} else if (*mode == 'w') {
		fputs(head, f);
	}
	return f;
}

static int close_truth(FILE *f)
{
	if (f != NULL && (ferror(f) | fclose(f)) != 0) {
		fprintf(stderr, "company: could not write the truth: %s\n", strerror(errno));
		return 1;
	}
	return 0;
}

/* When the habit of each customer ends, though nobody says so. */
static int write_customers(const struct company *c, const char *folder)
{
	FILE *f = open_truth(folder, "customers.csv", "we",
			     "user_no,orders_a_week,price_sensitivity,drops_on,orders\n");

	if (f == NULL) {
		return 1;
	}
	for (int64_t i = 0; i < c->customers_count; i++) {
		const struct company_customer *who = &c->customers[i];
		time_t drops = (time_t)(who->drops == INT64_MAX ? 253370764800 : who->drops);
		char no[24], day[16];
		struct tm tm;

		company_user_no(who, no);
		gmtime_r(&drops, &tm);
		strftime(day, sizeof(day), "%Y-%m-%d", &tm);
		fprintf(f, "%s,%.3f,%.3f,%s,%u\n", no, (double)who->rate,
			(double)who->price_sensitive, day, who->orders);
	}
	return close_truth(f);
}

static MYSQL *connect_to(const struct options *o)
{
	MYSQL *db = mysql_init(NULL);
	unsigned yes = 1;

	if (db == NULL) {
		fputs("company: could not connect: out of memory\n", stderr);
		return NULL;
	}
	mysql_options(db, MYSQL_OPT_LOCAL_INFILE, &yes);
	mysql_options(db, MYSQL_SET_CHARSET_NAME, "utf8mb4");
	if (mysql_real_connect(db, o->socket != NULL ? NULL : o->host,
			       o->socket != NULL ? "root" : o->user, o->password, NULL, o->port,
			       o->socket, 0) == NULL) {
		fprintf(stderr, "company: could not connect: %s\n", mysql_error(db));
		mysql_close(db);
		return NULL;
	}
	return db;
}

/* What load was told is kept beside the databases, so that live writes about the same company. */
static int remember(const struct company *c, MYSQL *db)
{
	char sql[320];

	snprintf(sql, sizeof(sql),
		 "CREATE TABLE company.made AS SELECT %" PRIu64 " AS seed, %.17g AS scale, %" PRId64
		 " AS starts, %" PRId64 " AS ends",
		 c->seed, c->scale, c->from, c->until);
	if (mysql_query(db, "CREATE DATABASE company") != 0 || mysql_query(db, sql) != 0) {
		fprintf(stderr, "company: could not write company.made: %s\n", mysql_error(db));
		return 1;
	}
	return 0;
}

static int recall(struct company *c, MYSQL *db)
{
	MYSQL_RES *result;
	MYSQL_ROW row;

	if (mysql_query(db, "SELECT seed, scale, starts, ends FROM company.made") != 0 ||
	    (result = mysql_store_result(db)) == NULL) {
		fprintf(stderr,
			"company: could not read company.made: %s; run company load first\n",
			mysql_error(db));
		return 1;
	}
	row = mysql_fetch_row(result);
	if (row != NULL) {
		c->seed = strtoull(row[0], NULL, 10);
		c->scale = strtod(row[1], NULL);
		c->from = strtoll(row[2], NULL, 10);
		c->until = strtoll(row[3], NULL, 10);
	}
	mysql_free_result(result);
	return row == NULL;
}

static int load(struct company *c, MYSQL *db, const struct options *o)
{
	int status = midnight(o->until, &c->until);

	c->from = c->until - (int64_t)o->days * COMPANY_DAY;
	if (status == 0 && company_world_create(c) != 0) {
		fputs("company: could not go on: out of memory\n", stderr);
		status = 1;
	}
	c->next_order = 7100000000000000001;
	c->next_item = c->next_order + 100000000000000;
	c->next_trade = 1;
	c->next_fee = 1;
	c->next_production = 1;
	if (status == 0) {
		status = company_load(c, db, o->schema);
	}
	if (status == 0) {
		status = remember(c, db);
	}
	if (status == 0 && o->truth != NULL) {
		status = write_customers(c, o->truth);
	}
	if (status == 0) {
		printf("%" PRId64 " orders, %" PRId64 " items, %" PRId64 " trades, %" PRId64
		       " fees, %" PRId64 " productions, %" PRId64 " customers\n",
		       c->wanted.orders, c->wanted.items, c->next_trade - 1, c->next_fee - 1,
		       c->next_production - 1, c->customers_count);
	}
	return status;
}

static int live(struct company *c, MYSQL *db, const struct options *o)
{
	if (recall(c, db) != 0) {
		return 1;
	}
	if (company_world_create(c) != 0) {
		fputs("company: could not go on: out of memory\n", stderr);
		return 1;
	}
	gsl_rng_set(c->rng, (unsigned long)time(NULL));
	return company_live(c, db, o->rate, o->orders);
}

int main(int argc, char **argv)
{
	struct options o = {.scale = 0.05, .seed = 1, .rate = 10, .days = 365, .host = "127.0.0.1"};
	struct company c = {0};
	const char *command = argc > 1 ? argv[1] : "";
	bool is_load = strcmp(command, "load") == 0;
	int status = 2;
	MYSQL *db;

	setenv("TZ", "America/New_York", 1);
	tzset();
	optind = 2;
	if ((!is_load && strcmp(command, "live") != 0) || parse(argc, argv, &o) != 0 ||
	    optind != argc || (is_load && o.schema == NULL)) {
		fputs(usage, stderr);
		return 2;
	}
	c.seed = o.seed;
	c.scale = o.scale;
	db = connect_to(&o);
	if (db == NULL) {
		return 3;
	}
	if (o.truth != NULL) {
		c.fraud = open_truth(o.truth, "fraud.csv", is_load ? "we" : "ae",
				     "trade_no,kind,order_id\n");
	}
	if (o.truth == NULL || c.fraud != NULL) {
		status = is_load ? load(&c, db, &o) : live(&c, db, &o);
	}
	if (close_truth(c.fraud) != 0) {
		status = 1;
	}
	company_world_free(&c);
	mysql_close(db);
	mysql_library_end();
	return status;
}
