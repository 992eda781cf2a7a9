/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plan of changes. Events come in cycles of GENERATE_CYCLE, each with the same number of
 * inserts, updates and deletes. What was inserted in cycle c is updated only in the cycles
 * c + 1 ... c + passes and deleted only in c + passes + 1, and which key an event touches is a
 * permutation that can be inverted. So the state of a row at any event is computed, not remembered:
 * a replay may begin anywhere, in constant memory. Where a cycle has nothing older to touch, the
 * event inserts a key of its own instead.
 */
#include "generate.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b != 0) {
		uint32_t t = a % b;

		a = b;
		b = t;
	}
	return a;
}

/* Spreads the three kinds over a cycle in an order drawn from the seed. */
static void plan_cycle(struct generate_changes *c)
{
	uint32_t ranks[3] = {0, 0, 0};

	for (uint32_t i = 0; i < GENERATE_CYCLE; i++) {
		c->kind[i] = i < c->inserts                ? DRIP_OP_INSERT
			     : i < c->inserts + c->updates ? DRIP_OP_UPDATE
							   : DRIP_OP_DELETE;
	}
	for (uint32_t i = GENERATE_CYCLE - 1; i > 0; i--) {
		uint32_t j = (uint32_t)(generate_mix(c->seed + i) % (i + 1));
		uint8_t t = c->kind[i];

		c->kind[i] = c->kind[j];
		c->kind[j] = t;
	}
	for (uint32_t i = 0; i < GENERATE_CYCLE; i++) {
		if (c->kind[i] == DRIP_OP_INSERT) {
			c->insert_slot[ranks[0]] = (uint16_t)i;
			c->rank[i] = (uint16_t)ranks[0]++;
		} else if (c->kind[i] == DRIP_OP_UPDATE) {
			c->update_slot[ranks[1]] = (uint16_t)i;
			c->rank[i] = (uint16_t)ranks[1]++;
		} else {
			c->rank[i] = (uint16_t)ranks[2]++;
		}
	}
}

/* Numbers the events that find nothing to touch, which only the first cycles have. */
static void plan_early(struct generate_changes *c)
{
	c->early = 0;
	for (uint32_t cycle = 0; cycle <= c->passes; cycle++) {
		for (uint32_t i = 0; i < GENERATE_CYCLE; i++) {
			bool early = (c->kind[i] == DRIP_OP_UPDATE &&
				      c->rank[i] / c->inserts >= cycle) ||
				     c->kind[i] == DRIP_OP_DELETE;

			if (early) {
				c->early_rank[cycle][i] = (uint16_t)c->early++;
			}
		}
	}
}

int generate_changes_init(struct generate_changes *c, uint64_t seed, double updates, double deletes,
			  struct drip_error *err)
{
	memset(c, 0, sizeof(*c));
	c->updates = (uint32_t)lround(updates * GENERATE_CYCLE);
	c->deletes = (uint32_t)lround(deletes * GENERATE_CYCLE);
	c->on = c->updates + c->deletes != 0;
	if (!c->on) {
		return 0;
	}
	if (c->updates + c->deletes > GENERATE_CYCLE * 95 / 100 ||
	    c->deletes > GENERATE_CYCLE - c->updates - c->deletes) {
		int rc = drip_error_set(err, -EINVAL, "generate.bad_shares",
					"updates and deletes leave too few inserts");

		drip_error_hint(err, "Leave at least 0.05 to inserts, and delete no more than is "
				     "inserted.");
		drip_error_option(err, "%s", c->deletes > c->updates ? "deletes" : "updates");
		return rc;
	}
	c->inserts = GENERATE_CYCLE - c->updates - c->deletes;
	c->passes = (c->updates + c->inserts - 1) / c->inserts;
	c->seed = generate_mix(seed ^ 0x6368616e676573u);
	c->factor = c->inserts * 618 / 1000 + 1;
	while (gcd(c->factor, c->inserts) != 1) {
		c->factor++;
	}
	for (c->inverse = 1; c->factor * c->inverse % c->inserts != 1 % c->inserts; c->inverse++) {
	}
	plan_cycle(c);
	plan_early(c);
	return 0;
}

static uint32_t shift_of(const struct generate_changes *c, uint64_t cycle)
{
	return (uint32_t)(generate_mix(c->seed ^ (cycle * 0x9e3779b97f4a7c15u)) % c->inserts);
}

static uint32_t permute(const struct generate_changes *c, uint64_t cycle, uint32_t rank)
{
	return (rank * c->factor + shift_of(c, cycle)) % c->inserts;
}

static uint32_t unpermute(const struct generate_changes *c, uint64_t cycle, uint32_t key)
{
	return (key + c->inserts - shift_of(c, cycle)) % c->inserts * c->inverse % c->inserts;
}

/* The last event that wrote key `key` of cycle `cycle` before it is deleted. */
static uint64_t last_written(const struct generate_changes *c, uint64_t cycle, uint32_t key)
{
	for (uint32_t pass = c->passes; pass-- > 0;) {
		uint64_t at = cycle + 1 + pass;
		uint32_t rank = unpermute(c, at, key) + pass * c->inserts;

		if (rank < c->updates) {
			return at * GENERATE_CYCLE + c->update_slot[rank];
		}
	}
	return cycle * GENERATE_CYCLE + c->insert_slot[key];
}

static void set_insert(struct generate_chunk *chunk, int i, uint64_t id, uint64_t event)
{
	chunk->ops[i] = DRIP_OP_INSERT;
	chunk->id[i] = chunk->draw[i] = id;
	chunk->born[i] = chunk->tick[i] = event;
}

void generate_changes_chunk(const struct generate_changes *c, uint64_t event, int rows,
			    struct generate_chunk *chunk)
{
	chunk->rows = rows;
	for (int i = 0; i < rows; i++, event++) {
		uint64_t cycle = event / GENERATE_CYCLE, back, of;
		uint32_t slot = (uint32_t)(event % GENERATE_CYCLE), rank = c->rank[slot], key;

		if (c->kind[slot] == DRIP_OP_INSERT) {
			set_insert(chunk, i, c->early + cycle * c->inserts + rank, event);
			continue;
		}
		back = c->kind[slot] == DRIP_OP_UPDATE ? 1 + rank / c->inserts : 1 + c->passes;
		if (back > cycle) {
			set_insert(chunk, i, c->early_rank[cycle][slot], event);
			continue;
		}
		of = cycle - back;
		key = permute(c, cycle, rank % c->inserts);
		chunk->ops[i] = c->kind[slot];
		chunk->id[i] = c->early + of * c->inserts + key;
		chunk->born[i] = of * GENERATE_CYCLE + c->insert_slot[key];
		chunk->tick[i] = c->kind[slot] == DRIP_OP_UPDATE ? event : last_written(c, of, key);
		chunk->draw[i] =
			chunk->tick[i] == chunk->born[i]
				? chunk->id[i]
				: generate_mix(chunk->id[i] ^ generate_mix(chunk->tick[i]));
	}
}
