/* SPDX-License-Identifier: Apache-2.0 */
/* One order: who, where, what, how it is paid, what goes wrong. */
#include "company.h"

#include <math.h>
#include <string.h>

#define CUSTOMER_TRIES 200

static double hour_of(int64_t wall)
{
	return (double)(wall % COMPANY_DAY) / 3600.0;
}

/* Fixed for ever by what it is made of, but looks like chance. (splitmix64's finaliser) */
static uint64_t mixed(uint64_t v)
{
	v += 0x9e3779b97f4a7c15u;
	v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9u;
	v = (v ^ (v >> 27)) * 0x94d049bb133111ebu;
	return v ^ (v >> 31);
}

static struct company_customer *draw_customer(struct company *c, int64_t wall)
{
	double hour = hour_of(wall);

	if (company_uniform(c) < 0.06) {
		return NULL;
	}
	for (int i = 0; i < CUSTOMER_TRIES; i++) {
		struct company_customer *who = &c->customers[gsl_ran_discrete(c->rng, c->by_rate)];
		double off = (hour - (double)who->hour) / 1.8;

		if (who->joins <= wall && wall < who->drops &&
		    company_uniform(c) < 0.12 + 0.88 * exp(-0.5 * off * off)) {
			return who;
		}
	}
	return NULL;
}

static const struct company_shop *draw_shop(struct company *c, const struct company_order *o)
{
	double total = 0.0, at;
	double open[COMPANY_SHOPS_MAX];

	if (o->customer != NULL && company_uniform(c) < 0.85) {
		int which = company_uniform(c) < 0.8 ? o->customer->home : o->customer->second;

		if (c->shops[which].opens <= o->created) {
			return &c->shops[which];
		}
	}
	for (int i = 0; i < c->shops_count; i++) {
		double days = (double)(o->created - c->shops[i].opens) / COMPANY_DAY;

		open[i] = days < 0 ? 0.0 : c->shops[i].weight * (1.0 - 0.6 * exp(-days / 60.0));
		total += open[i];
	}
	at = company_uniform(c) * total;
	for (int i = 0; i < c->shops_count - 1; i++) {
		at -= open[i];
		if (at < 0.0) {
			return &c->shops[i];
		}
	}
	return &c->shops[0];
}

/* A drink by taste and weather, or something to eat. */
static const struct company_product *draw_product(struct company *c, const struct company_order *o,
						  bool food)
{
	double weight[COMPANY_PRODUCTS_MAX], total = 0.0, at;
	double warm = 1.0 / (1.0 + exp(-(company_celsius(c, o->created) - 12.0) / 5.0));

	if (!food && o->customer != NULL && company_uniform(c) < 0.45) {
		return &c->products[o->customer->favorite];
	}
	for (int i = 0; i < c->products_count; i++) {
		const struct company_product *p = &c->products[i];

		weight[i] = (p->category == COMPANY_FOOD) == food ? p->weight : 0.0;
		if (p->temperature != 0) {
			weight[i] *= p->temperature == 2 ? 0.4 + 1.2 * warm : 1.6 - 1.2 * warm;
		}
		if (o->customer != NULL &&
		    p->category == (enum company_category)o->customer->taste) {
			weight[i] *= 2.5;
		}
		total += weight[i];
	}
	at = company_uniform(c) * total;
	for (int i = 0; i < c->products_count; i++) {
		at -= weight[i];
		if (at < 0.0) {
			return &c->products[i];
		}
	}
	return &c->products[food ? c->products_count - 1 : 0];
}

static void draw_options(struct company *c, struct company_item *item)
{
	bool large = company_uniform(c) < 0.38;
	bool oat = item->product->milk == 1 && company_uniform(c) < 0.27;

	item->unit_price = item->product->price;
	if (item->product->category == COMPANY_FOOD) {
		item->options = NULL;
		return;
	}
	item->unit_price += (large ? 80 : 0) + (oat ? 70 : 0);
	item->options = large && oat ? "{\"size\":\"L\",\"milk\":\"oat\"}"
			: large      ? "{\"size\":\"L\"}"
			: oat        ? "{\"size\":\"M\",\"milk\":\"oat\"}"
				     : "{\"size\":\"M\"}";
}

/* Food, and what is cancelled in time, is not made; the counts of the scale say how many there are.
 */
static bool draw_produced(struct company *c, const struct company_order *o, bool bounded)
{
	int64_t unmade = c->left.items - c->left.productions;
	bool made;

	if (!bounded) {
		return o->cancelled ? false : company_uniform(c) < 0.835;
	}
	if (o->cancelled && unmade > 0) {
		made = false;
	} else {
		made = !company_take(c, &unmade, c->left.items);
	}
	c->left.items--;
	c->left.productions -= made;
	return made;
}

/* How long it takes depends on the drink and on how busy the shop is. */
static void draw_times(struct company *c, struct company_order *o, struct company_item *item)
{
	double busy = company_demand(c, o->created);
	double queue = 25.0 + gsl_ran_exponential(c->rng, 40.0 + 160.0 * busy);
	double make = 28.0 + 9.0 * (item->product->milk != 0) + 6.0 * item->quantity +
		      12.0 * (item->product->temperature == 1) + gsl_ran_gamma(c->rng, 2.0, 9.0);

	item->start_ms = o->paid * 1000 + (int64_t)(queue * 1000.0);
	item->end_ms = item->start_ms + (int64_t)(make * 1000.0);
	item->barista = company_below(c, 9);
	if (item->end_ms / 1000 + 5 > o->finished) {
		o->finished = item->end_ms / 1000 + 5;
	}
}

static void draw_items(struct company *c, struct company_order *o, int64_t of)
{
	int64_t extra = of > 0 ? c->left.items - of : 0;

	o->items_count = 1;
	for (int i = 0; i < 3; i++) {
		if (of > 0 ? company_take(c, &extra, of * 3 - i) : company_uniform(c) < 0.097) {
			o->items_count++;
		}
	}
	for (int i = 0; i < o->items_count; i++) {
		struct company_item *item = &o->items[i];

		item->item_id = c->next_item++;
		item->produced = draw_produced(c, o, of > 0);
		item->product = draw_product(c, o, !item->produced && !o->cancelled);
		item->quantity = o->fraud == COMPANY_STOLEN_CARD ? 3 + company_below(c, 6)
				 : company_uniform(c) < 0.05     ? 2
								 : 1;
		draw_options(c, item);
		o->gross += item->quantity * item->unit_price;
		if (item->produced) {
			item->production_id = c->next_production++;
			draw_times(c, o, item);
		}
	}
}

/* Who minds the price buys with coupons; the first order is cheap for everybody. */
static void draw_discount(struct company *c, struct company_order *o)
{
	double minds =
		o->customer == NULL ? 0.0 : 0.08 + 0.75 * (double)o->customer->price_sensitive;

	if (o->customer != NULL && o->customer->orders == 0) {
		o->discount = o->gross - 199;
	} else if (o->fraud == COMPANY_HONEST && company_uniform(c) < minds) {
		o->discount = o->gross * (2 + company_below(c, 4)) / 10;
	}
	if (o->discount < 0) {
		o->discount = 0;
	}
	o->net = o->gross - o->discount;
}

static void draw_fraud(struct company *c, struct company_order *o, int64_t of)
{
	double hour = hour_of(o->created), p = company_uniform(c);
	double late = hour >= 19.0 || hour < 7.5 ? 4.0 : 0.6;

	if (o->test) {
		return;
	}
	if (p < 0.0009) {
		o->fraud = COMPANY_CARD_TESTING;
		o->customer = NULL;
		o->failed = 4 + company_below(c, 6);
		if (of > 0 && o->failed > c->left.failed) {
			o->failed = (int)c->left.failed;
		}
		c->left.failed -= o->failed;
	} else if (p < 0.0009 + 0.0013 * late) {
		o->fraud = COMPANY_STOLEN_CARD;
		o->customer = NULL;
		o->channel = 2;
	}
}

static void draw_payment(struct company *c, struct company_order *o, int64_t of)
{
	uint64_t who = o->customer == NULL
			       ? (uint64_t)gsl_rng_get(c->rng) << 20 ^ (uint64_t)o->order_id
			       : (uint64_t)o->customer->id;
	bool wallet = o->customer != NULL && company_uniform(c) < (double)o->customer->wallet;

	o->card = mixed(who * 4 + (o->customer != NULL && company_uniform(c) < 0.15));
	o->device = mixed(who * 4 + 2);
	o->address = mixed(who * 4 + 3);
	o->method = wallet             ? (o->device % 10 < 7 ? "APPLE_PAY" : "GOOGLE_PAY")
		    : o->card % 10 < 6 ? "CREDIT_CARD"
		    : o->card % 10 < 9 ? "DEBIT_CARD"
				       : "GIFT_CARD";
	if (o->fraud != COMPANY_HONEST) {
		o->method = "CREDIT_CARD";
	} else if (of > 0 ? company_take(c, &c->left.failed, of) : company_uniform(c) < 0.034) {
		o->failed = 1;
	}
	o->paid = o->created + 4 + company_below(c, 50) + 22 * (int64_t)o->failed;
	o->finished = o->paid + 90;
}

/* When the holder of a stolen card takes the money back through the bank: weeks later, so not all
 * of history's frauds are known at its end. */
static int64_t draw_dispute(struct company *c, const struct company_order *o)
{
	int64_t after = (2 + company_below(c, 24)) * (int64_t)COMPANY_DAY + company_below(c, 50000);

	if (o->fraud != COMPANY_STOLEN_CARD && o->fraud != COMPANY_CARD_TESTING) {
		return 0;
	}
	return company_uniform(c) < 0.9 && o->created + after < c->until ? after : 0;
}

/* Drawn before the items: what is cancelled is not made. */
static bool draw_refund(struct company *c, struct company_order *o, int64_t of)
{
	bool abuser = o->customer != NULL && o->customer->id % 97 == 0;
	bool refund = of > 0 ? company_take(c, &c->left.refunds, of) : company_uniform(c) < 0.077;

	o->disputed = draw_dispute(c, o);
	if (!refund && (o->disputed != 0 || (abuser && company_uniform(c) < 0.4)) &&
	    (of == 0 || c->left.refunds > 0)) {
		refund = true;
		c->left.refunds -= of > 0;
	}
	if (!refund) {
		o->disputed = 0;
	} else if (abuser) {
		o->fraud = COMPANY_REFUND_ABUSE;
	}
	o->cancelled = refund && !abuser && o->disputed == 0 && company_uniform(c) < 0.4;
	return refund;
}

static void draw_source(struct company *c, struct company_order *o)
{
	static const char *const couriers[] = {"DOORDASH", "UBEREATS", "GRUBHUB", "APP"};

	if (o->channel == 0) {
		double p = o->customer == NULL ? 0.5 : (double)o->customer->delivery;

		o->channel = company_uniform(c) < p ? 2 : 1;
	}
	o->source = o->channel == 2       ? couriers[company_below(c, 4)]
		    : o->customer == NULL ? "KIOSK"
					  : "APP";
}

void company_order_draw(struct company *c, int64_t wall, int64_t of, struct company_order *ret)
{
	struct company_order *o = ret;
	bool refund;

	memset(o, 0, sizeof(*o));
	o->order_id = c->next_order++;
	o->created = wall;
	o->test = of > 0 ? company_take(c, &c->left.tests, of) : company_uniform(c) < 0.03;
	o->customer = draw_customer(c, wall);
	draw_fraud(c, o, of);
	draw_source(c, o);
	o->shop = draw_shop(c, o);
	refund = draw_refund(c, o, of);
	draw_payment(c, o, of);
	draw_items(c, o, of);
	draw_discount(c, o);
	if (refund) {
		o->refund = o->cancelled || o->disputed != 0 || o->items_count == 1
				    ? o->net
				    : o->net / o->items_count;
		o->refunded = o->disputed != 0 ? o->paid + o->disputed
			      : o->cancelled
				      ? o->paid + 20 + company_below(c, 200)
				      : o->finished + 600 + company_below(c, 2 * COMPANY_DAY);
	}
	if (o->customer != NULL) {
		o->customer->orders++;
	}
}
