/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the tables of schema.sql, in the order of its columns: lines for LOAD DATA or tuples. */
#include "company.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const company_tables[COMPANY_TABLES] = {
	[COMPANY_ORDER] = "luckyus_salesorder.t_sales_order_m_YYYYMM",
	[COMPANY_ITEM] = "luckyus_salesorder.t_sales_order_item_m_YYYYMM",
	[COMPANY_TRADE] = "luckyus_salespayment.t_sales_trade_m_YYYYMM",
	[COMPANY_FEE] = "luckyus_salespayment.t_sales_trade_fee_m_YYYYMM",
	[COMPANY_PRODUCTION] = "luckyus_opproduction.t_production_m_YYYYMM",
	[COMPANY_USER] = "luckyus_salescrm.t_user",
	[COMPANY_SHOP] = "luckyus_opshop.t_shop_info",
	[COMPANY_FORMULA] = "luckyus_opproduction.t_production_formula",
	[COMPANY_PRODUCT] = "luckyus_pubdm.t_product",
};

static const char zone[] = "America/New_York";

/* ---- text ---- */

static void put(struct company_text *t, const char *bytes, size_t size)
{
	if (t->allocated - t->size < size) {
		size_t allocated = t->allocated == 0 ? 65536 : t->allocated;
		char *data;

		while (allocated - t->size < size) {
			allocated *= 2;
		}
		data = realloc(t->data, allocated);
		if (data == NULL) {
			t->failed = true;
			return;
		}
		t->data = data;
		t->allocated = allocated;
	}
	memcpy(t->data + t->size, bytes, size);
	t->size += size;
}

static void begin_row(struct company_text *t)
{
	if (t->sql) {
		put(t, t->rows > 0 ? ",(" : "(", t->rows > 0 ? 2 : 1);
	}
}

/* What ends a value; the last one of a row is taken back by end_row. */
static void end_value(struct company_text *t)
{
	put(t, t->sql ? "," : "\t", 1);
}

static void end_row(struct company_text *t)
{
	if (!t->failed) {
		t->data[t->size - 1] = t->sql ? ')' : '\n';
		t->rows++;
	}
}

static void put_null(struct company_text *t)
{
	put(t, t->sql ? "NULL" : "\\N", t->sql ? 4 : 2);
	end_value(t);
}

/* No text of the company holds a quote, a backslash or a tab. NULL is accepted. */
static void put_text(struct company_text *t, const char *text)
{
	if (text == NULL) {
		put_null(t);
		return;
	}
	if (t->sql) {
		put(t, "'", 1);
	}
	put(t, text, strlen(text));
	if (t->sql) {
		put(t, "'", 1);
	}
	end_value(t);
}

static void put_int(struct company_text *t, int64_t v)
{
	char buf[24];
	char *p = buf + sizeof(buf);
	uint64_t rest = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (v < 0) {
		*--p = '-';
	}
	put(t, p, (size_t)(buf + sizeof(buf) - p));
	end_value(t);
}

/* Of `digits` decimals. */
static void put_decimal(struct company_text *t, int64_t v, int digits)
{
	static const int64_t powers[] = {1, 10, 100, 1000, 10000};
	char buf[64];

	snprintf(buf, sizeof(buf), "%" PRId64 ".%0*" PRId64, v / powers[digits], digits,
		 v % powers[digits]);
	put(t, buf, strlen(buf));
	end_value(t);
}

static void put_time_ms(struct company_text *t, int64_t wall_ms, bool with_ms)
{
	time_t seconds = (time_t)(wall_ms / 1000);
	char buf[48];
	struct tm tm;
	size_t n;

	if (wall_ms == 0) {
		put_text(t, "0000-00-00 00:00:00");
		return;
	}
	gmtime_r(&seconds, &tm);
	n = strftime(buf, sizeof(buf), "%Y-%m-%d %H:%M:%S", &tm);
	if (with_ms) {
		snprintf(buf + n, sizeof(buf) - n, ".%03d", (int)(wall_ms % 1000));
	}
	put_text(t, buf);
}

static void put_time(struct company_text *t, int64_t wall)
{
	put_time_ms(t, wall * 1000, false);
}

/* Not known before it has come. */
static void put_time_by(struct company_text *t, int64_t wall, int64_t now_ms)
{
	put_time(t, wall * 1000 <= now_ms ? wall : 0);
}

static void put_date(struct company_text *t, int64_t wall)
{
	time_t seconds = (time_t)wall;
	char buf[32];
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(buf, sizeof(buf), "%Y-%m-%d", &tm);
	put_text(t, buf);
}

static void put_hex(struct company_text *t, const char *prefix, uint64_t v)
{
	char buf[48];

	snprintf(buf, sizeof(buf), "%s%016" PRIx64, prefix, v);
	put_text(t, buf);
}

void company_text_free(struct company_text *text)
{
	free(text->data);
	*text = (struct company_text){.sql = text->sql};
}

void company_month(int64_t wall, char buf[8])
{
	time_t seconds = (time_t)wall;
	struct tm tm;

	gmtime_r(&seconds, &tm);
	strftime(buf, 8, "%Y%m", &tm);
}

void company_user_no(const struct company_customer *who, char buf[24])
{
	snprintf(buf, 24, "U%010" PRId64, who->id * 7919 % 9999999967);
}

static void put_user(struct company_text *t, const struct company_customer *who)
{
	char buf[24];

	if (who == NULL) {
		put_null(t);
		return;
	}
	company_user_no(who, buf);
	put_text(t, buf);
}

/* ---- rows of an order ---- */

int company_status(const struct company_order *o)
{
	return o->cancelled ? COMPANY_CANCELLED : COMPANY_COMPLETED;
}

static const char *currency(const struct company_order *o)
{
	return o->test ? "NZD" : "USD";
}

void company_row_order(const struct company_order *o, int status, int64_t modified,
		       struct company_text *out)
{
	char no[40];

	begin_row(out);
	put_int(out, o->order_id);
	snprintf(no, sizeof(no), "US%018" PRId64, o->order_id % 1000000000000000000);
	put_text(out, no);
	put_user(out, o->customer);
	put_int(out, o->shop->dept_id);
	put_int(out, o->channel);
	put_text(out, o->source);
	put_int(out, status);
	put_text(out, currency(o));
	put_decimal(out, o->gross, 2);
	if (o->discount > 0) {
		put_decimal(out, o->discount, 2);
	} else {
		put_null(out);
	}
	put_decimal(out, o->net, 2);
	if (o->discount > 0) {
		put_hex(out, "CP", (uint64_t)o->order_id * 31);
	} else {
		put_null(out);
	}
	put_text(out, zone);
	put_time(out, o->created);
	put_time_by(out, o->paid, modified);
	put_time_by(out, o->cancelled ? 0 : o->finished, modified);
	put_time_ms(out, modified, true);
	end_row(out);
}

void company_row_item(const struct company_order *o, const struct company_item *item,
		      struct company_text *out)
{
	begin_row(out);
	put_int(out, item->item_id);
	put_int(out, o->order_id);
	put_text(out, item->product->spu_code);
	put_text(out, item->product->name);
	put_int(out, item->quantity);
	put_decimal(out, item->unit_price, 2);
	put_decimal(out, (int64_t)item->quantity * item->unit_price, 2);
	put_text(out, item->options);
	put_time_ms(out, o->created * 1000 + 137, true);
	end_row(out);
}

void company_row_production(const struct company_order *o, const struct company_item *item,
			    int status, int64_t modified, struct company_text *out)
{
	char barista[24];

	begin_row(out);
	put_int(out, item->production_id);
	put_int(out, o->order_id);
	put_int(out, item->item_id);
	put_int(out, o->shop->dept_id);
	put_text(out, item->product->spu_code);
	if (status == 1) {
		put_null(out);
	} else {
		snprintf(barista, sizeof(barista), "E%05d",
			 (int)(o->shop->dept_id % 1000) * 10 + item->barista);
		put_text(out, barista);
	}
	put_int(out, status);
	put_text(out, zone);
	put_time_ms(out, item->start_ms <= modified ? item->start_ms : 0, true);
	put_time_ms(out, item->end_ms <= modified ? item->end_ms : 0, true);
	put_time_ms(out, modified, true);
	end_row(out);
}

static void trade_no(int64_t trade, char buf[40])
{
	snprintf(buf, 40, "TP%016" PRId64, trade);
}

/* An order by a guest whose card is stolen comes from an address far away. */
static void put_address(struct company_text *t, const struct company_order *o)
{
	bool far = o->fraud == COMPANY_STOLEN_CARD || o->fraud == COMPANY_CARD_TESTING;
	uint64_t a = o->address;
	char buf[48];

	snprintf(buf, sizeof(buf), "%s.%u.%u", far ? "203.0" : "100.64", (unsigned)(a >> 8 & 255),
		 (unsigned)(a & 255));
	put_text(t, buf);
}

int64_t company_row_trade(struct company *c, const struct company_order *o,
			  enum company_trade_type type, int status, int64_t created,
			  struct company_text *out)
{
	int64_t trade = c->next_trade++;
	bool card = strcmp(o->method, "GIFT_CARD") != 0;
	uint64_t token = o->fraud == COMPANY_CARD_TESTING ? o->card + (uint64_t)trade : o->card;
	char no[40], last4[8];

	begin_row(out);
	put_int(out, trade);
	trade_no(trade, no);
	put_text(out, no);
	put_int(out, o->order_id);
	put_user(out, o->customer);
	put_int(out, type);
	put_text(out, o->method);
	put_decimal(out, type == COMPANY_REFUND ? o->refund : o->net, 2);
	put_text(out, currency(o));
	put_int(out, status);
	if (card) {
		put_hex(out, "tok_", token);
		snprintf(last4, sizeof(last4), "%04u", (unsigned)(token % 10000));
		put_text(out, last4);
	} else {
		put_null(out);
		put_null(out);
	}
	put_hex(out, "dev_", o->device);
	put_address(out, o);
	put_time(out, created);
	put_time(out, status == 20 ? created + 2 : 0);
	put_time_ms(out, status == 10 ? created * 1000 : created * 1000 + 2000, true);
	end_row(out);
	if (c->fraud != NULL && o->fraud != COMPANY_HONEST &&
	    (o->fraud == COMPANY_REFUND_ABUSE) == (type == COMPANY_REFUND)) {
		static const char *const kinds[] = {"", "card_testing", "stolen_card",
						    "refund_abuse"};

		fprintf(c->fraud, "%s,%s,%" PRId64 "\n", no, kinds[o->fraud], o->order_id);
	}
	return trade;
}

void company_row_fee(struct company *c, const struct company_order *o, enum company_trade_type type,
		     int64_t trade, int64_t created, struct company_text *out)
{
	bool back = type == COMPANY_REFUND && o->disputed != 0;
	char no[40];

	begin_row(out);
	put_int(out, c->next_fee++);
	trade_no(trade, no);
	put_text(out, no);
	put_text(out, back ? "CHARGEBACK" : trade % 4 == 0 ? "INTERCHANGE" : "PROCESSING");
	/* in ten-thousandths: 2.9 % of the cents and 10 cents */
	put_decimal(out,
		    back                     ? 150000
		    : type == COMPANY_REFUND ? 1000
					     : (int64_t)o->net * 29 / 10 + 1000,
		    4);
	put_text(out, currency(o));
	put_time(out, created);
	put_time_ms(out, created * 1000 + 500, true);
	end_row(out);
}

void company_rows_order(struct company *c, const struct company_order *o, struct company_text *out)
{
	int64_t end = o->cancelled ? o->refunded : o->finished;
	int64_t trade;

	company_row_order(o, company_status(o), end * 1000 + 211, &out[COMPANY_ORDER]);
	for (int i = 0; i < o->items_count; i++) {
		const struct company_item *item = &o->items[i];

		company_row_item(o, item, &out[COMPANY_ITEM]);
		if (item->produced) {
			company_row_production(o, item, 3, item->end_ms, &out[COMPANY_PRODUCTION]);
		}
	}
	for (int i = o->failed; i > 0; i--) {
		company_row_trade(c, o, COMPANY_PAYMENT, 30, o->paid - 22 * (int64_t)i,
				  &out[COMPANY_TRADE]);
	}
	trade = company_row_trade(c, o, COMPANY_PAYMENT, 20, o->paid, &out[COMPANY_TRADE]);
	company_row_fee(c, o, COMPANY_PAYMENT, trade, o->paid, &out[COMPANY_FEE]);
	if (o->refunded != 0) {
		trade = company_row_trade(c, o, COMPANY_REFUND, 20, o->refunded,
					  &out[COMPANY_TRADE]);
		company_row_fee(c, o, COMPANY_REFUND, trade, o->refunded, &out[COMPANY_FEE]);
	}
}

/* ---- customers ---- */

static void put_phone(struct company_text *t, int64_t id)
{
	static const int areas[] = {212, 646, 917, 347, 718, 929};
	int area = areas[id % 6], local = (int)(id * 48271 % 10000),
	    middle = 200 + (int)(id * 31 % 799);
	char buf[40];

	if (id % 23 == 0) {
		put_null(t);
		return;
	}
	snprintf(buf, sizeof(buf),
		 id % 5 == 0   ? "(%d) %d-%04d"
		 : id % 5 == 1 ? "+1 %d %d %04d"
		 : id % 5 == 2 ? "%d-%d-%04d"
			       : "%d%d%04d",
		 area, middle, local);
	put_text(t, buf);
}

/* Names are made of syllables: nobody's. */
static void put_name_and_mail(struct company_text *t, int64_t id)
{
	static const char *const first[] = {"Ana", "Bo", "Cy",  "Dee", "Eli", "Fay", "Gus", "Hal",
					    "Ida", "Jo", "Kai", "Lou", "Mia", "Ned", "Oz",  "Pia"};
	static const char *const last[] = {"bell", "croft", "dale",  "ford", "gate", "hill",
					   "land", "mere",  "stone", "ton",  "well", "wood"};
	const char *a = first[id % 16], *b = last[id / 16 % 12];
	char buf[96];

	if (id % 11 == 0) {
		put_null(t);
	} else {
		snprintf(buf, sizeof(buf), "%s.%s%" PRId64 "@%s.example", a, b, id,
			 id % 3 == 0 ? "Mail" : "post");
		put_text(t, buf);
	}
	snprintf(buf, sizeof(buf), "%s%s", a, b);
	put_text(t, id % 7 == 0 ? NULL : buf);
}

void company_row_customer(struct company *c, const struct company_customer *who,
			  struct company_text *out)
{
	int64_t id = who->id, login = who->drops < c->until ? who->drops : c->until - id % 86400;

	begin_row(out);
	put_int(out, id);
	put_user(out, who);
	put_phone(out, id);
	put_name_and_mail(out, id);
	put_int(out, id % 3);
	if (id % 4 == 0) {
		put_text(out, "0000-00-00");
	} else {
		put_date(out, (id * 7349 % 16000) * COMPANY_DAY);
	}
	put_int(out, id % 211 == 0 ? 2 : 1);
	put_int(out, 1 + (who->rate > 1.0f) + (who->rate > 2.5f));
	put_text(out, id % 5 == 0 ? "KIOSK" : id % 2 == 0 ? "APP_IOS" : "APP_ANDROID");
	put_time(out, who->joins);
	put_time(out, id % 13 == 0 ? 0 : login < who->joins ? who->joins : login);
	put_text(out, "New York");
	put_int(out, c->shops[who->home].dept_id);
	put_int(out, id % 6 != 0);
	put_time_ms(out, (login < who->joins ? who->joins : login) * 1000 + 77, true);
	end_row(out);
}

/* ---- shops, products, formulas ---- */

static void row_shop(const struct company *c, const struct company_shop *s,
		     struct company_text *out)
{
	char place[32];

	begin_row(out);
	put_int(out, s->dept_id);
	put_text(out, s->no);
	put_text(out, s->name);
	put_text(out, s->address);
	put_text(out, "New York");
	put_text(out, "NY");
	put_text(out, s->zip);
	snprintf(place, sizeof(place), "%.7f", s->latitude);
	put_text(out, place);
	snprintf(place, sizeof(place), "%.7f", s->longitude);
	put_text(out, place);
	put_int(out, s->type);
	put_int(out, 2);
	put_text(out, zone);
	put_date(out, s->opens);
	put_text(out, "0000-00-00");
	put_time_ms(out, c->from * 1000 + s->dept_id % 1000, true);
	end_row(out);
}

static void row_product(const struct company *c, const struct company_product *p,
			struct company_text *out)
{
	static const char *const categories[] = {"Coffee", "Tea", "Refresher", "Food"};

	begin_row(&out[COMPANY_PRODUCT]);
	put_text(&out[COMPANY_PRODUCT], p->spu_code);
	put_text(&out[COMPANY_PRODUCT], p->name);
	put_text(&out[COMPANY_PRODUCT], categories[p->category]);
	put_text(&out[COMPANY_PRODUCT], p->subcategory);
	put_int(&out[COMPANY_PRODUCT], p->temperature);
	put_int(&out[COMPANY_PRODUCT], p->milk);
	put_decimal(&out[COMPANY_PRODUCT], p->price, 2);
	put_int(&out[COMPANY_PRODUCT], 1);
	put_date(&out[COMPANY_PRODUCT], c->from - 200 * COMPANY_DAY);
	put_time_ms(&out[COMPANY_PRODUCT], c->from * 1000 + p->price, true);
	end_row(&out[COMPANY_PRODUCT]);
	begin_row(&out[COMPANY_FORMULA]);
	put_text(&out[COMPANY_FORMULA], p->spu_code);
	put_decimal(&out[COMPANY_FORMULA], p->cost, 4);
	put_time_ms(&out[COMPANY_FORMULA], c->from * 1000 + p->price, true);
	end_row(&out[COMPANY_FORMULA]);
}

void company_rows_fixed(const struct company *c, struct company_text *out)
{
	for (int i = 0; i < c->shops_count; i++) {
		row_shop(c, &c->shops[i], &out[COMPANY_SHOP]);
	}
	for (int i = 0; i < c->products_count; i++) {
		row_product(c, &c->products[i], out);
	}
}
