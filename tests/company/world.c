/* SPDX-License-Identifier: Apache-2.0 */
/* The chain: shops, menu, customers and weather, drawn from the seed. */
#include "company.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Invented shops at real corners. */
static const struct company_shop shops[] = {
	{10010001, "US0001", "Broadway & 8th", "755 Broadway", "10003", 40.7306, -73.9926, 1, -420,
	 1.5},
	{10010002, "US0002", "6th Ave & 14th", "520 Avenue of the Americas", "10011", 40.7371,
	 -73.9967, 1, -400, 1.3},
	{10010003, "US0003", "Fulton Street", "102 Fulton Street", "10038", 40.7097, -74.0067, 1,
	 -330, 1.2},
	{10010004, "US0004", "Bryant Park", "49 West 42nd Street", "10036", 40.7543, -73.9829, 1,
	 -310, 1.4},
	{10010005, "US0005", "Columbus Circle", "1880 Broadway", "10023", 40.7693, -73.9825, 1,
	 -240, 1.0},
	{10010006, "US0006", "Hudson Yards", "500 West 33rd Street", "10001", 40.7536, -74.0012, 2,
	 -180, 0.7},
	{10010007, "US0007", "Lexington & 59th", "750 Lexington Avenue", "10022", 40.7626, -73.9680,
	 1, -90, 1.1},
	{10010008, "US0008", "Canal Street", "250 Canal Street", "10013", 40.7184, -74.0003, 1, -30,
	 0.9},
	{10010009, "US0009", "Penn Concourse", "234 West 31st Street", "10001", 40.7497, -73.9917,
	 2, 45, 0.9},
	{10010010, "US0010", "East 86th", "165 East 86th Street", "10028", 40.7797, -73.9551, 1,
	 130, 0.8},
	{10010011, "US0011", "Harlem 125th", "224 West 125th Street", "10027", 40.8094, -73.9484, 1,
	 220, 0.7},
};

#define HOT  1
#define ICED 2
static const struct company_product products[] = {
	{"SPU1001", "Drip Coffee", "Drip", COMPANY_COFFEE, HOT, 0, 345, 5200, 1.0},
	{"SPU1002", "Americano", "Espresso", COMPANY_COFFEE, HOT, 0, 395, 6100, 0.8},
	{"SPU1003", "Iced Americano", "Espresso", COMPANY_COFFEE, ICED, 0, 425, 6900, 1.0},
	{"SPU1004", "Latte", "Latte", COMPANY_COFFEE, HOT, 1, 525, 11800, 1.4},
	{"SPU1005", "Iced Latte", "Latte", COMPANY_COFFEE, ICED, 1, 545, 12300, 1.6},
	{"SPU1006", "Coconut Latte", "Latte", COMPANY_COFFEE, ICED, 2, 595, 14900, 2.2},
	{"SPU1007", "Velvet Latte", "Latte", COMPANY_COFFEE, HOT, 1, 575, 14100, 0.9},
	{"SPU1008", "Brown Sugar Latte", "Latte", COMPANY_COFFEE, ICED, 1, 595, 15200, 0.8},
	{"SPU1009", "Cappuccino", "Espresso", COMPANY_COFFEE, HOT, 1, 525, 11600, 0.7},
	{"SPU1010", "Flat White", "Espresso", COMPANY_COFFEE, HOT, 1, 525, 11900, 0.6},
	{"SPU1011", "Cold Brew", "Cold Brew", COMPANY_COFFEE, ICED, 0, 475, 8800, 1.5},
	{"SPU1012", "Orange Cold Brew", "Cold Brew", COMPANY_COFFEE, ICED, 0, 545, 12600, 0.7},
	{"SPU1013", "Mocha", "Latte", COMPANY_COFFEE, HOT, 1, 595, 15700, 0.5},
	{"SPU1014", "Espresso", "Espresso", COMPANY_COFFEE, HOT, 0, 325, 4300, 0.3},
	{"SPU1015", "Pineapple Cold Brew", "Cold Brew", COMPANY_COFFEE, ICED, 0, 545, 12900, 0.5},
	{"SPU2001", "Matcha Latte", "Matcha", COMPANY_TEA, HOT, 1, 595, 17800, 0.6},
	{"SPU2002", "Iced Matcha Latte", "Matcha", COMPANY_TEA, ICED, 1, 615, 18300, 1.2},
	{"SPU2003", "Jasmine Tea", "Tea", COMPANY_TEA, HOT, 0, 375, 4900, 0.3},
	{"SPU2004", "Jasmine Milk Tea", "Milk Tea", COMPANY_TEA, ICED, 1, 525, 11200, 0.7},
	{"SPU2005", "Oolong Milk Tea", "Milk Tea", COMPANY_TEA, ICED, 1, 525, 11500, 0.5},
	{"SPU3001", "Lemon Refresher", "Refresher", COMPANY_REFRESHER, ICED, 0, 495, 9700, 0.7},
	{"SPU3002", "Grape Refresher", "Refresher", COMPANY_REFRESHER, ICED, 0, 525, 11300, 0.5},
	{"SPU3003", "Coconut Refresher", "Refresher", COMPANY_REFRESHER, ICED, 2, 545, 12800, 0.4},
	{"SPU4001", "Butter Croissant", "Pastry", COMPANY_FOOD, 0, 1, 425, 13500, 1.0},
	{"SPU4002", "Almond Croissant", "Pastry", COMPANY_FOOD, 0, 1, 495, 16800, 0.6},
	{"SPU4003", "Blueberry Muffin", "Pastry", COMPANY_FOOD, 0, 1, 395, 11900, 0.8},
	{"SPU4004", "Chocolate Cookie", "Pastry", COMPANY_FOOD, 0, 1, 345, 9100, 0.7},
	{"SPU4005", "Banana Bread", "Pastry", COMPANY_FOOD, 0, 1, 395, 10700, 0.4},
	{"SPU4006", "Bottled Water", "Bottle", COMPANY_FOOD, 0, 0, 275, 6000, 0.3},
};

double company_uniform(struct company *c)
{
	return gsl_rng_uniform(c->rng);
}

int company_below(struct company *c, int bound)
{
	return (int)gsl_rng_uniform_int(c->rng, (unsigned long)bound);
}

bool company_take(struct company *c, int64_t *left, int64_t of)
{
	if (*left <= 0 || company_uniform(c) * (double)of >= (double)*left) {
		return false;
	}
	(*left)--;
	return true;
}

/* ---- demand ---- */

static double bump(double hour, double at, double width)
{
	double d = (hour - at) / width;

	return exp(-0.5 * d * d);
}

/* 1970-01-01 was a Thursday. */
static int weekday(int64_t wall)
{
	return (int)((wall / COMPANY_DAY + 4) % 7); /* 0: Sunday */
}

static int day_of(const struct company *c, int64_t wall)
{
	int64_t day = (wall - c->from) / COMPANY_DAY;

	return day < 0 ? 0 : day >= c->days ? c->days - 1 : (int)day;
}

double company_celsius(const struct company *c, int64_t wall)
{
	return (double)c->day_celsius[day_of(c, wall)];
}

double company_demand(const struct company *c, int64_t wall)
{
	static const double weekdays[7] = {0.72, 1.04, 1.10, 1.12, 1.10, 1.06, 0.80};
	int64_t second = wall % COMPANY_DAY;
	int day = weekday(wall);
	double hour = (double)second / 3600.0;
	double shape;

	if (second < COMPANY_OPENS || second >= COMPANY_CLOSES) {
		return 0.0;
	}
	if (day == 0 || day == 6) {
		shape = 0.25 + bump(hour, 10.8, 1.9) + 0.6 * bump(hour, 14.5, 2.2);
	} else {
		shape = 0.16 + bump(hour, 9.2, 0.9) + 0.75 * bump(hour, 13.4, 0.9) +
			0.3 * bump(hour, 16.5, 1.5);
	}
	return shape * weekdays[day] * c->day_factor[day_of(c, wall)];
}

/* An autoregressive temperature around the season's, and rain, which keeps people at home. */
static void make_weather(struct company *c)
{
	double off = 0.0;

	for (int d = 0; d < c->days; d++) {
		double year = (double)((c->from / COMPANY_DAY + d) % 365) / 365.25;
		double season = 12.5 - 12.0 * cos(2.0 * M_PI * (year - 0.055));
		bool rain = company_uniform(c) < 0.29;

		off = 0.7 * off + gsl_ran_gaussian(c->rng, 2.8);
		c->day_celsius[d] = (float)(season + off);
		c->day_factor[d] = (1.0 + 0.0012 * d) * (rain ? 0.87 : 1.02) *
				   (season + off < -5.0 ? 0.9 : 1.0) *
				   exp(gsl_ran_gaussian(c->rng, 0.05));
	}
}

/* ---- customers ---- */

static void draw_customer(struct company *c, int64_t i)
{
	struct company_customer *who = &c->customers[i];
	double span = (double)(c->until - c->from);
	double weeks = gsl_ran_exponential(c->rng, 1.0) * gsl_ran_gamma(c->rng, 2.0, 22.0);

	who->id = i + 1;
	/* a third was there before; the others come evenly, in the order of their numbers */
	who->joins =
		c->from + (int64_t)(((double)i / (double)c->customers_count - 0.33) / 0.67 * span);
	who->joins += (int64_t)(company_uniform(c) * COMPANY_DAY);
	if (who->joins >= c->until) {
		who->joins = c->until - 1;
	}
	who->rate = (float)(gsl_ran_gamma(c->rng, 1.1, 0.9) + 0.03);
	who->drops = company_uniform(c) < 0.12
			     ? INT64_MAX
			     : who->joins + (int64_t)((weeks + 0.3) * 7 * COMPANY_DAY);
	who->price_sensitive = (float)gsl_ran_beta(c->rng, 1.6, 2.2);
	who->hour = (float)(company_uniform(c) < 0.6   ? 9.0 + gsl_ran_gaussian(c->rng, 1.0)
			    : company_uniform(c) < 0.6 ? 13.5 + gsl_ran_gaussian(c->rng, 1.2)
						       : 16.5 + gsl_ran_gaussian(c->rng, 1.6));
	who->delivery = (float)gsl_ran_beta(c->rng, 0.5, 4.0);
	who->wallet = (float)gsl_ran_beta(c->rng, 1.2, 1.2);
	who->home = (uint8_t)company_below(c, c->shops_count);
	who->second = (uint8_t)company_below(c, c->shops_count);
	who->taste = (uint8_t)(company_uniform(c) < 0.66  ? COMPANY_COFFEE
			       : company_uniform(c) < 0.6 ? COMPANY_TEA
							  : COMPANY_REFRESHER);
	do {
		who->favorite = (uint8_t)company_below(c, c->products_count);
	} while (c->products[who->favorite].category != who->taste);
}

static int make_customers(struct company *c)
{
	double *rates = malloc((size_t)c->customers_count * sizeof(*rates));

	c->customers = calloc((size_t)c->customers_count, sizeof(*c->customers));
	if (c->customers == NULL || rates == NULL) {
		free(rates);
		return -ENOMEM;
	}
	for (int64_t i = 0; i < c->customers_count; i++) {
		draw_customer(c, i);
		rates[i] = (double)c->customers[i].rate;
	}
	c->by_rate = gsl_ran_discrete_preproc((size_t)c->customers_count, rates);
	free(rates);
	return c->by_rate == NULL ? -ENOMEM : 0;
}

/* ---- the world ---- */

static int64_t scaled(const struct company *c, double count)
{
	int64_t n = (int64_t)llround(count * c->scale);

	return n < 1 ? 1 : n;
}

/* The row counts of the blueprint at scale 1. */
static void count(struct company *c)
{
	struct company_totals *w = &c->wanted;

	w->orders = scaled(c, 466000);
	w->items = scaled(c, 602000);
	w->trades = scaled(c, 518000);
	w->fees = scaled(c, 502000);
	w->productions = scaled(c, 502000);
	w->tests = scaled(c, 21245);
	w->customers = scaled(c, 42000);
	w->refunds = w->fees - w->orders; /* each success and each refund has a fee */
	w->failed = w->trades - w->fees;
	c->left = *w;
}

int company_world_create(struct company *c)
{
	c->rng = gsl_rng_alloc(gsl_rng_taus2);
	c->days = (int)((c->until - c->from) / COMPANY_DAY);
	c->day_factor = calloc((size_t)c->days, sizeof(*c->day_factor));
	c->day_celsius = calloc((size_t)c->days, sizeof(*c->day_celsius));
	if (c->rng == NULL || c->day_factor == NULL || c->day_celsius == NULL) {
		return -ENOMEM;
	}
	gsl_rng_set(c->rng, (unsigned long)c->seed);
	memcpy(c->shops, shops, sizeof(shops));
	c->shops_count = (int)(sizeof(shops) / sizeof(*shops));
	for (int i = 0; i < c->shops_count; i++) {
		c->shops[i].opens = c->from + (int64_t)c->shops[i].open_days * COMPANY_DAY;
	}
	memcpy(c->products, products, sizeof(products));
	c->products_count = (int)(sizeof(products) / sizeof(*products));
	count(c);
	c->customers_count = c->wanted.customers;
	make_weather(c);
	return make_customers(c);
}

void company_world_free(struct company *c)
{
	if (c->by_rate != NULL) {
		gsl_ran_discrete_free(c->by_rate);
	}
	if (c->rng != NULL) {
		gsl_rng_free(c->rng);
	}
	free(c->customers);
	free(c->day_factor);
	free(c->day_celsius);
}
