/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The company in a box: a chain of eleven coffee shops, its customers with habits of their own, and
 * the rows that they leave in the source databases of schema.sql. Everything follows from the seed:
 * the same options give the same rows. Times are wall-clock seconds of America/New_York, counted
 * from 1970-01-01 as if they were UTC; shops are closed when the clock is changed. Single thread.
 */
#ifndef COMPANY_H
#define COMPANY_H

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define COMPANY_SHOPS_MAX    16
#define COMPANY_PRODUCTS_MAX 48
#define COMPANY_ITEMS_MAX    8
#define COMPANY_DAY          86400
#define COMPANY_OPENS        (6 * 3600 + 1800) /* shops, in seconds of the day */
#define COMPANY_CLOSES       (21 * 3600)
#define COMPANY_SLOT         900 /* seconds for which demand is constant */

struct company_shop {
	int64_t dept_id;
	const char *no, *name, *address, *zip;
	double latitude, longitude;
	int type;
	int open_days; /* before (negative) or after the first day of history */
	double weight; /* share of the demand once the shop is known */
	int64_t opens; /* wall time */
};

enum company_category { COMPANY_COFFEE, COMPANY_TEA, COMPANY_REFRESHER, COMPANY_FOOD };

struct company_product {
	const char *spu_code, *name, *subcategory;
	enum company_category category;
	int temperature, milk; /* as in t_product */
	int price, cost;       /* cents, hundredths of a cent */
	double weight;
};

/* What nobody can see in the databases but models should find out. */
struct company_customer {
	int64_t id;
	int64_t joins, drops; /* wall time; drops: INT64_MAX where the habit lasts */
	float rate;           /* orders a week while the habit lasts */
	float price_sensitive;
	float hour; /* preferred hour of the day */
	float delivery;
	float wallet;                          /* share of orders paid by phone */
	uint8_t home, second, favorite, taste; /* shops, product, category */
	uint32_t orders;
};

enum company_fraud {
	COMPANY_HONEST,
	COMPANY_CARD_TESTING,
	COMPANY_STOLEN_CARD,
	COMPANY_REFUND_ABUSE
};

struct company_item {
	int64_t item_id;
	const struct company_product *product;
	int quantity, unit_price; /* cents */
	const char *options;      /* JSON or NULL */
	bool produced;
	int64_t production_id;
	int64_t start_ms, end_ms; /* wall, milliseconds */
	int barista;
};

/* One order with all that follows from it. Amounts are cents. */
struct company_order {
	int64_t order_id, created, paid, finished, refunded;
	const struct company_shop *shop;
	struct company_customer *customer; /* NULL: a guest */
	int channel;
	const char *source, *method;
	bool test, cancelled;
	enum company_fraud fraud;
	int gross, discount, net, refund; /* refund 0: none */
	int failed;                       /* attempts at paying that failed */
	int64_t disputed;                 /* seconds from the payment to its chargeback; 0: none */
	uint64_t card, device, address;
	int items_count;
	struct company_item items[COMPANY_ITEMS_MAX];
};

struct company_totals {
	int64_t orders, items, trades, fees, productions, tests, failed, refunds, customers;
};

struct company {
	uint64_t seed;
	double scale;
	int64_t from, until; /* wall time of midnights */
	gsl_rng *rng;
	struct company_shop shops[COMPANY_SHOPS_MAX];
	int shops_count;
	struct company_product products[COMPANY_PRODUCTS_MAX];
	int products_count;
	struct company_customer *customers;
	int64_t customers_count;
	gsl_ran_discrete_t *by_rate; /* customers */
	double *day_factor;          /* of season, weather and growth */
	float *day_celsius;
	int days;
	struct company_totals wanted, left; /* exact counts of the scale, and what is still due */
	int64_t next_order, next_item, next_trade, next_fee, next_production;
	FILE *fraud; /* truth: trade_no,kind,pays; NULL: not written */
};

/* ---- world.c ---- */

/* Shops, products, customers and weather of `days` days from `from`. 0 or -ENOMEM. */
int company_world_create(struct company *c);
void company_world_free(struct company *c);
/* Relative demand at a wall time: by hour, weekday, weather, season; 0 while shops are closed. */
double company_demand(const struct company *c, int64_t wall);
double company_celsius(const struct company *c, int64_t wall);
double company_uniform(struct company *c);
int company_below(struct company *c, int bound);
/* Takes one of `*left` chances spread evenly over `*of` draws: exact in the end. */
bool company_take(struct company *c, int64_t *left, int64_t of);

/* ---- order.c ---- */

/* The next order, created at `wall`. `of`: orders still to come, this one included; it keeps the
 * counts of c->left exact. 0: no bound, as in live mode. */
void company_order_draw(struct company *c, int64_t wall, int64_t of, struct company_order *ret);

/* ---- rows.c: rows as lines of LOAD DATA, or as tuples of an INSERT ---- */

enum company_table {
	COMPANY_ORDER,
	COMPANY_ITEM,
	COMPANY_TRADE,
	COMPANY_FEE,
	COMPANY_PRODUCTION,
	COMPANY_USER,
	COMPANY_SHOP,
	COMPANY_FORMULA,
	COMPANY_PRODUCT,
	COMPANY_TABLES,
};

struct company_text {
	char *data;
	size_t size, allocated;
	int64_t rows;
	bool sql;    /* tuples instead of lines */
	bool failed; /* no memory: nothing more is appended */
};

extern const char *const company_tables[COMPANY_TABLES]; /* with _YYYYMM where monthly */

enum company_trade_type { COMPANY_PAYMENT = 1, COMPANY_REFUND = 2 };

/* A row each. `status` is that of the table, `modified` the wall time in milliseconds; times that
 * lie behind it are not known yet. */
void company_row_order(const struct company_order *o, int status, int64_t modified,
		       struct company_text *out);
void company_row_item(const struct company_order *o, const struct company_item *item,
		      struct company_text *out);
void company_row_production(const struct company_order *o, const struct company_item *item,
			    int status, int64_t modified, struct company_text *out);
/* Returns the number of the trade (trade_id). */
int64_t company_row_trade(struct company *c, const struct company_order *o,
			  enum company_trade_type type, int status, int64_t created,
			  struct company_text *out);
void company_row_fee(struct company *c, const struct company_order *o, enum company_trade_type type,
		     int64_t trade, int64_t created, struct company_text *out);
/* All rows of an order that is over, refund and all; one text a table. */
void company_rows_order(struct company *c, const struct company_order *o, struct company_text *out);
void company_row_customer(struct company *c, const struct company_customer *who,
			  struct company_text *out);
/* Shops, products and formulas. */
void company_rows_fixed(const struct company *c, struct company_text *out);
/* COMPANY_CANCELLED or COMPANY_COMPLETED. */
int company_status(const struct company_order *o);

void company_user_no(const struct company_customer *who, char buf[24]);
void company_month(int64_t wall, char buf[8]); /* "YYYYMM" */
void company_text_free(struct company_text *text);

#define COMPANY_NEW       10
#define COMPANY_PAID      20
#define COMPANY_MAKING    30
#define COMPANY_CANCELLED 80
#define COMPANY_COMPLETED 90

/* ---- load.c, live.c: through the client library; 0, or 1 with a message on stderr ---- */

struct st_mysql;

/* Makes the databases of the file `schema`, with a table a month, and loads all history. */
int company_load(struct company *c, struct st_mysql *db, const char *schema);
/* Writes orders at `rate` a second, each through all its states, until `orders` are begun (0: until
 * SIGINT or SIGTERM) and all of them have ended. Goes on behind what is in the database. */
int company_live(struct company *c, struct st_mysql *db, double rate, int64_t orders);

#endif
