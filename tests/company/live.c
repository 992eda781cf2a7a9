/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live mode: orders that go through their states while others begin, late ones, corrected ones,
 * people who come and go. A transaction a step. The waits of minutes are cut to fractions of a
 * second; the times in the rows are those of the writing.
 */
#include "company.h"

#include <inttypes.h>
#include <mysql.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define UNDER_WAY_MAX 4096 /* orders; further ones wait */
#define NEW_MAX       4096 /* customers who joined while this ran; then old ones come back */

struct step {
	int64_t due_ns;
	int next; /* the step that is due */
	int64_t trade;
	struct company_order order;
};

struct live {
	struct company *c;
	MYSQL *db;
	struct company_text row;
	struct company_customer *joined;
	int64_t joined_count, next_customer, begun;
	struct step *under_way;
	int under_way_count;
	char month[8]; /* whose shards are there */
	bool broken;
};

static volatile sig_atomic_t stopping;

static void on_signal(int signal)
{
	(void)signal;
	stopping = 1;
}

static int64_t clock_ns(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Wall time of New York in milliseconds; main sets TZ. */
static int64_t now_ms(void)
{
	int64_t ns = clock_ns(CLOCK_REALTIME);
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;

	localtime_r(&seconds, &tm);
	return (seconds + tm.tm_gmtoff) * 1000 + ns / 1000000 % 1000;
}

/* ---- statements ---- */

static void run(struct live *l, const char *sql)
{
	if (!l->broken && mysql_query(l->db, sql) != 0) {
		fprintf(stderr, "company: could not write: %s\n", mysql_error(l->db));
		l->broken = true;
	}
}

static void table_of(const struct company_order *o, enum company_table table, char *buf,
		     size_t size)
{
	const char *name = company_tables[table], *shard = strstr(name, "YYYYMM");
	char month[8];

	company_month(o->created, month);
	snprintf(buf, size, "%.*s%s", (int)(shard != NULL ? shard - name : (int)strlen(name)), name,
		 shard != NULL ? month : "");
}

/* Inserts the tuples of l->row, and empties it. */
static void insert(struct live *l, const struct company_order *o, enum company_table table)
{
	char name[96];
	char *sql;

	if (l->row.rows > 0 && !l->row.failed) {
		table_of(o, table, name, sizeof(name));
		sql = malloc(l->row.size + sizeof(name) + 32);
		if (sql == NULL) {
			l->broken = true;
		} else {
			int head = snprintf(sql, sizeof(name) + 32, "INSERT INTO %s VALUES ", name);

			memcpy(sql + head, l->row.data, l->row.size);
			sql[(size_t)head + l->row.size] = '\0';
			run(l, sql);
			free(sql);
		}
	}
	l->broken |= l->row.failed;
	l->row.size = 0;
	l->row.rows = 0;
}

/* Replaces a row that is there: an UPDATE of the columns that a step changes. */
static void update(struct live *l, const struct company_order *o, enum company_table table,
		   const char *set, int64_t id, const char *key)
{
	char name[96], sql[512];

	table_of(o, table, name, sizeof(name));
	snprintf(sql, sizeof(sql), "UPDATE %s SET %s WHERE %s = %" PRId64, name, set, key, id);
	run(l, sql);
}

static const char *as_time(int64_t ms, char buf[48])
{
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	size_t n;

	gmtime_r(&seconds, &tm);
	n = strftime(buf, 40, "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(buf + n, 48 - n, ".%03d", (int)(ms % 1000));
	return buf;
}

static void set_order(struct live *l, const struct company_order *o, int status, const char *column,
		      int64_t ms)
{
	char set[256], time[48];

	as_time(ms, time);
	snprintf(set, sizeof(set), "order_status = %d, %s = '%.19s', modify_time = '%s'", status,
		 column, time, time);
	update(l, o, COMPANY_ORDER, set, o->order_id, "order_id");
}

/* ---- the life of an order ---- */

static void step_create(struct live *l, struct step *s, int64_t ms)
{
	struct company_order *o = &s->order;

	company_row_order(o, COMPANY_NEW, ms, &l->row);
	insert(l, o, COMPANY_ORDER);
	for (int i = 0; i < o->items_count; i++) {
		company_row_item(o, &o->items[i], &l->row);
	}
	insert(l, o, COMPANY_ITEM);
}

/* Of somebody new the order is there before the customer. */
static void write_customer(struct live *l, const struct company_order *o)
{
	if (o->customer >= l->joined && o->customer < l->joined + NEW_MAX) {
		company_row_customer(l->c, o->customer, &l->row);
		insert(l, o, COMPANY_USER);
	}
}

static void step_try(struct live *l, struct step *s, int64_t ms)
{
	for (int i = 0; i < s->order.failed; i++) {
		company_row_trade(l->c, &s->order, COMPANY_PAYMENT, 30, ms / 1000 - 1, &l->row);
	}
	s->trade = company_row_trade(l->c, &s->order, COMPANY_PAYMENT, 10, ms / 1000, &l->row);
	insert(l, &s->order, COMPANY_TRADE);
	write_customer(l, &s->order);
}

static void step_pay(struct live *l, struct step *s, int64_t ms)
{
	char set[160], time[48];

	as_time(ms, time);
	snprintf(set, sizeof(set), "trade_status = 20, pay_time = '%.19s', modify_time = '%s'",
		 time, time);
	update(l, &s->order, COMPANY_TRADE, set, s->trade, "trade_id");
	company_row_fee(l->c, &s->order, COMPANY_PAYMENT, s->trade, ms / 1000, &l->row);
	insert(l, &s->order, COMPANY_FEE);
	set_order(l, &s->order, COMPANY_PAID, "pay_time", ms);
}

/* Queued; the times of the items become those of the writing. */
static void step_queue(struct live *l, struct step *s, int64_t ms)
{
	struct company_order *o = &s->order;

	for (int i = 0; i < o->items_count; i++) {
		o->items[i].start_ms = o->items[i].end_ms = INT64_MAX;
		if (o->items[i].produced) {
			company_row_production(o, &o->items[i], 1, ms, &l->row);
		}
	}
	insert(l, o, COMPANY_PRODUCTION);
}

static void set_productions(struct live *l, const struct company_order *o, int status,
			    const char *column, int64_t ms)
{
	char set[256], time[48];

	as_time(ms, time);
	for (int i = 0; i < o->items_count; i++) {
		if (o->items[i].produced) {
			snprintf(set, sizeof(set),
				 "production_status = %d, barista_no = 'E%05d', %s = '%s', "
				 "modify_time = '%s'",
				 status, (int)(o->shop->dept_id % 1000) * 10 + o->items[i].barista,
				 column, time, time);
			update(l, o, COMPANY_PRODUCTION, set, o->items[i].production_id,
			       "production_id");
		}
	}
}

static void step_start(struct live *l, struct step *s, int64_t ms)
{
	set_productions(l, &s->order, 2, "start_time", ms);
	if (!s->order.cancelled) {
		set_order(l, &s->order, COMPANY_MAKING, "pay_time", s->order.paid * 1000);
	}
}

static void step_finish(struct live *l, struct step *s, int64_t ms)
{
	set_productions(l, &s->order, 3, "end_time", ms);
	if (s->order.cancelled) {
		set_order(l, &s->order, COMPANY_CANCELLED, "pay_time", s->order.paid * 1000);
	} else {
		set_order(l, &s->order, COMPANY_COMPLETED, "finish_time", ms);
	}
}

static void step_refund(struct live *l, struct step *s, int64_t ms)
{
	int64_t trade;

	trade = company_row_trade(l->c, &s->order, COMPANY_REFUND, 20, ms / 1000, &l->row);
	insert(l, &s->order, COMPANY_TRADE);
	company_row_fee(l->c, &s->order, COMPANY_REFUND, trade, ms / 1000, &l->row);
	insert(l, &s->order, COMPANY_FEE);
}

typedef void step_function(struct live *l, struct step *s, int64_t ms);

static step_function *const steps[] = {step_create, step_try,    step_pay,   step_queue,
				       step_start,  step_finish, step_refund};

#define STEPS ((int)(sizeof(steps) / sizeof(*steps)))

/* True once the order is over. */
static bool advance(struct live *l, struct step *s)
{
	int64_t ms = now_ms();

	if (s->next == 2) {
		s->order.paid = ms / 1000;
	}
	run(l, "BEGIN");
	steps[s->next](l, s, ms);
	run(l, "COMMIT");
	s->next++;
	s->due_ns = clock_ns(CLOCK_MONOTONIC) +
		    (stopping ? 0 : (int64_t)(gsl_ran_exponential(l->c->rng, 0.15) * 1e9));
	return s->next == STEPS || (s->next == STEPS - 1 && s->order.refunded == 0);
}

/* ---- what else happens ---- */

/* A guest who becomes a customer. */
static void join(struct live *l, struct company_order *o)
{
	struct company_customer *who;

	if (o->customer != NULL || o->fraud != COMPANY_HONEST || l->joined_count == NEW_MAX) {
		return;
	}
	who = &l->joined[l->joined_count++];
	*who = l->c->customers[company_below(l->c, (int)l->c->customers_count)];
	who->id = l->next_customer++;
	who->joins = o->created;
	who->drops = INT64_MAX;
	o->customer = who;
}

static void correct(struct live *l)
{
	struct company *c = l->c;
	struct company_customer *who = &c->customers[company_below(c, (int)c->customers_count)];
	const struct company_product *p = &c->products[company_below(c, c->products_count)];
	char sql[320], time[48];

	as_time(now_ms(), time);
	switch (l->begun % 40) {
	case 0: /* twice in one transaction */
		run(l, "BEGIN");
		snprintf(sql, sizeof(sql),
			 "UPDATE luckyus_salescrm.t_user SET phone = '+1 917 555 %04d', "
			 "modify_time = '%s' "
			 "WHERE id = %" PRId64,
			 company_below(c, 10000), time, who->id);
		run(l, sql);
		snprintf(sql, sizeof(sql),
			 "UPDATE luckyus_salescrm.t_user SET user_level = 1 + user_level %% 3, "
			 "last_login_time = '%.19s' WHERE id = %" PRId64,
			 time, who->id);
		run(l, sql);
		run(l, "COMMIT");
		break;
	case 13:
		snprintf(sql, sizeof(sql),
			 "UPDATE luckyus_pubdm.t_product SET base_price = base_price + 0.10, "
			 "modify_time = '%s' WHERE spu_code = '%s'",
			 time, p->spu_code);
		run(l, sql);
		break;
	case 26: /* leaves; every other one comes back at once */
		snprintf(sql, sizeof(sql),
			 "DELETE FROM luckyus_salescrm.t_user WHERE id = %" PRId64, who->id);
		run(l, sql);
		if (l->begun % 80 == 26) {
			company_row_customer(c, who, &l->row);
			insert(l, &(struct company_order){.created = c->from}, COMPANY_USER);
		}
		break;
	default:
		break;
	}
}

/* The shard of a month is made when its first order comes, as the services do. */
static void make_shards(struct live *l, int64_t wall)
{
	char month[8], last[8], sql[320];

	company_month(wall, month);
	company_month(l->c->until - 1, last);
	if (strcmp(month, l->month) == 0 || strcmp(month, last) == 0) {
		return;
	}
	memcpy(l->month, month, sizeof(l->month));
	for (int t = 0; t < COMPANY_TABLES; t++) {
		const char *name = company_tables[t], *shard = strstr(name, "YYYYMM");

		if (shard != NULL) {
			snprintf(sql, sizeof(sql), "CREATE TABLE IF NOT EXISTS %.*s%s LIKE %.*s%s",
				 (int)(shard - name), name, month, (int)(shard - name), name, last);
			run(l, sql);
		}
	}
}

static void begin(struct live *l)
{
	struct step *s = &l->under_way[l->under_way_count++];
	int64_t wall = now_ms() / 1000;

	l->begun++;
	*s = (struct step){.due_ns = clock_ns(CLOCK_MONOTONIC)};
	/* one in a hundred comes late: from a kiosk that was offline for up to three days */
	company_order_draw(
		l->c, l->begun % 100 == 50 ? wall - company_below(l->c, 3 * COMPANY_DAY) : wall, 0,
		&s->order);
	make_shards(l, s->order.created);
	if (l->begun % 3 == 0) {
		join(l, &s->order);
	}
	correct(l);
}

/* ---- the loop ---- */

static int64_t number(struct live *l, const char *sql)
{
	MYSQL_RES *result;
	MYSQL_ROW row;
	int64_t n = 0;

	run(l, sql);
	result = l->broken ? NULL : mysql_store_result(l->db);
	row = result != NULL ? mysql_fetch_row(result) : NULL;
	if (row != NULL && row[0] != NULL) {
		n = strtoll(row[0], NULL, 10);
	}
	mysql_free_result(result);
	return n;
}

/* The greatest of a monthly table's numbers, over all its shards. */
static int64_t greatest(struct live *l, enum company_table table, const char *column)
{
	const char *name = company_tables[table], *dot = strchr(name, '.');
	const char *shard = strstr(name, "YYYYMM");
	char sql[1024];

	snprintf(sql, sizeof(sql),
		 "SELECT GROUP_CONCAT('SELECT MAX(%s) AS n FROM ', table_schema, '.', table_name "
		 "SEPARATOR ' UNION ALL ') INTO @company FROM information_schema.tables WHERE "
		 "table_schema = '%.*s' AND table_name REGEXP '^%.*s[0-9]{6}$'",
		 column, (int)(dot - name), name, (int)(shard - dot - 1), dot + 1);
	run(l, "SET SESSION group_concat_max_len = 65536");
	run(l, sql);
	run(l, "SET @company = CONCAT('SELECT MAX(n) FROM (', @company, ') all_shards')");
	run(l, "PREPARE company FROM @company");
	return number(l, "EXECUTE company");
}

static int go_on(struct live *l)
{
	struct company *c = l->c;

	c->next_order = greatest(l, COMPANY_ORDER, "order_id") + 1;
	c->next_item = greatest(l, COMPANY_ITEM, "item_id") + 1;
	c->next_trade = greatest(l, COMPANY_TRADE, "trade_id") + 1;
	c->next_fee = greatest(l, COMPANY_FEE, "fee_id") + 1;
	c->next_production = greatest(l, COMPANY_PRODUCTION, "production_id") + 1;
	l->next_customer = number(l, "SELECT MAX(id) FROM luckyus_salescrm.t_user") + 1;
	for (int64_t i = 0; i < c->customers_count; i++) {
		c->customers[i].orders = 1;
	}
	run(l, "SET SESSION sql_mode = 'STRICT_ALL_TABLES'");
	return l->broken ? 1 : 0;
}

static void wait_until(int64_t due_ns)
{
	struct timespec until = {.tv_sec = due_ns / 1000000000, .tv_nsec = due_ns % 1000000000};

	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

/* Does all that is due; returns when the next thing is. */
static int64_t advance_all(struct live *l, int64_t now)
{
	int64_t next = INT64_MAX;

	for (int i = 0; i < l->under_way_count;) {
		struct step *s = &l->under_way[i];

		if (s->due_ns <= now && advance(l, s)) {
			l->under_way[i] = l->under_way[--l->under_way_count];
			continue;
		}
		next = s->due_ns < next ? s->due_ns : next;
		i++;
	}
	return next;
}

static void write_on(struct live *l, double rate, int64_t orders)
{
	int64_t pause = (int64_t)(1e9 / rate), due = clock_ns(CLOCK_MONOTONIC);

	while (!l->broken) {
		int64_t now = clock_ns(CLOCK_MONOTONIC), next;
		bool more = !stopping && (orders == 0 || l->begun < orders);

		while (more && due <= now && l->under_way_count < UNDER_WAY_MAX) {
			begin(l);
			due += pause;
			more = !stopping && (orders == 0 || l->begun < orders);
		}
		next = advance_all(l, now);
		if (!more && l->under_way_count == 0) {
			break;
		}
		wait_until(more && due < next ? due : next);
	}
}

int company_live(struct company *c, struct st_mysql *db, double rate, int64_t orders)
{
	struct live l = {.c = c, .db = db, .row = {.sql = true}};
	struct sigaction action = {.sa_handler = on_signal};
	int status = 1;

	l.joined = calloc(NEW_MAX, sizeof(*l.joined));
	l.under_way = calloc(UNDER_WAY_MAX, sizeof(*l.under_way));
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	if (l.joined == NULL || l.under_way == NULL) {
		fputs("company: could not go on: out of memory\n", stderr);
	} else if (go_on(&l) == 0) {
		write_on(&l, rate, orders);
		printf("%" PRId64 " orders\n", l.begun);
		status = l.broken ? 1 : 0;
	}
	free(l.joined);
	free(l.under_way);
	company_text_free(&l.row);
	return status;
}
