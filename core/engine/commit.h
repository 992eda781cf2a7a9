/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commit protocol of one run of a pipeline, as a state machine apart from threads and I/O.
 *
 * Three kinds of actors ask it what to do next, and tell it what has happened: the source (with the
 * transforms, on its thread), each sink, and the store. Whoever calls it holds the run's lock; it
 * never blocks, reads no clock and allocates only for positions.
 *
 * Rules that it keeps:
 * - An epoch falls due by time, rows or bytes, and is cut only where every partition stands at a
 *   boundary. DRIP_COMMIT_EPOCHS_MAX epochs at most are cut and not yet durable; when that many
 *   are, the open epoch grows.
 *   Before the first checkpoint of a pipeline it is one.
 * - A checkpoint of epoch n is stored after every sink has committed n, and after n - 1 is stored.
 * - The source is acknowledged only what a stored checkpoint holds.
 * - Recovery: the source starts at the checkpoint. An exactly-once sink may be ahead of it, by
 *   epochs that it committed and the store did not: what it holds is not sent to it again, and the
 *   epoch is cut exactly where it stands, so that flushes of transforms fall on the same place. A
 *   sink that is behind the checkpoint has lost what it acknowledged: engine.sink_behind.
 * - A sink's stored position never goes back: while it is ahead, it is given its own position.
 * - Dead letters are put back in groups with growing numbers, each alone in an epoch, where all
 *   before is durable. The number goes to the sinks as the position of a partition of the engine's
 *   own, which no source sees: a sink that holds a group is not given it again.
 *
 * A failure of any actor ends the run: a new one begins at the last checkpoint.
 */
#ifndef DRIPLINE_ENGINE_COMMIT_H
#define DRIPLINE_ENGINE_COMMIT_H

#include <dripline/dripline.h>

#define DRIP_COMMIT_EPOCHS_MAX     4
#define DRIP_COMMIT_SINKS_MAX      64
#define DRIP_COMMIT_PARTITIONS_MAX 4096
#define DRIP_COMMIT_IDLE_FACTOR    5 /* an epoch without rows falls due after so many intervals */
#define DRIP_COMMIT_LETTERS        "dripline.dlq" /* the partition of groups of dead letters */

struct drip_commit;

struct drip_commit_options {
	uint32_t sinks;
	int64_t interval_us, rows;
	uint64_t bytes;
	uint64_t epoch;    /* number of the last checkpoint, 0: none */
	uint64_t replayed; /* the last group of dead letters in it, 0: none */
	const struct drip_position *from;
	size_t from_count;
	bool replay; /* the source resumes at positions; otherwise every run begins anew, and what
			sinks hold says nothing */
	bool until_caught_up;
};

/* What the source's thread shall do next. */
enum drip_commit_turn {
	DRIP_TURN_READ = 1,    /* poll */
	DRIP_TURN_CUT,         /* flush the transforms, then drip_commit_cut */
	DRIP_TURN_ACKNOWLEDGE, /* drip_commit_durable, tell the source, drip_commit_acknowledged */
	DRIP_TURN_WAIT,        /* nothing until another actor has done something */
	DRIP_TURN_END,         /* leave: all is committed, or the run has failed */
};

enum drip_commit_outcome {
	DRIP_OUTCOME_NONE = 0, /* runs */
	DRIP_OUTCOME_FINISHED, /* the source ended or has caught up, all is durable */
	DRIP_OUTCOME_STOPPED,  /* as asked, all is durable */
	DRIP_OUTCOME_FAILED,   /* what is not durable will be read again */
};

/* What a sink shall do for an epoch. */
struct drip_commit_plan {
	bool skip; /* it holds all of it already: count it as committed */
	bool last;
	struct drip_position *positions; /* (gives) malloc'd */
	size_t positions_count;
};

int drip_commit_create(const struct drip_commit_options *options, struct drip_commit **ret,
		       struct drip_error *err) DRIP_MUST_CHECK;
void drip_commit_destroy(struct drip_commit *c); /* NULL is accepted */

/* ---- recovery, before the first batch ---- */

/*
 * What an exactly-once sink holds: of the source, and as the last group of dead letters. `name` is
 * for errors. -EUCLEAN with engine.sink_behind where it is behind the checkpoint. A sink without
 * any position is new: it gets what comes from here on.
 */
int drip_commit_recover(struct drip_commit *c, uint32_t sink, const char *name,
			const struct drip_position *positions, size_t count, uint64_t replayed,
			struct drip_error *err) DRIP_MUST_CHECK;
/* The last groups of dead letters that every sink holds, and that some sink holds. */
void drip_commit_groups(const struct drip_commit *c, uint64_t *ret_all, uint64_t *ret_some);
/* The position of a group, and the group of a position: 0 where it is not one of letters. */
struct drip_position drip_commit_group_position(uint64_t group);
uint64_t drip_commit_position_group(const struct drip_position *position);
/* (gives) malloc'd: where sinks are ahead of the checkpoint; ascending within a partition, no
 * doubles. */
int drip_commit_cuts(const struct drip_commit *c, struct drip_position **ret, size_t *ret_count,
		     struct drip_error *err) DRIP_MUST_CHECK;

/* ---- the source ---- */

/* `polling`: no op of the source is under way, so it can be told of checkpoints. */
enum drip_commit_turn drip_commit_turn(const struct drip_commit *c, int64_t now_us, bool polling);
/* How long from now until an epoch falls due by time; -1: it does not. */
int64_t drip_commit_due_in(const struct drip_commit *c, int64_t now_us);
/* True where a batch may come now; false while pausing, stopping, or before a cut that must be
 * made first. */
bool drip_commit_accepts(const struct drip_commit *c);
/*
 * A batch of the source is about to go downstream. *ret_held has the bit of each sink that holds it
 * already. -EPROTO with engine.position_order where the position goes back, or with
 * engine.cut_missed where the batch begins before and ends behind what a sink holds. The position
 * may be empty (order_size 0): a source without positions.
 */
int drip_commit_batch_begin(struct drip_commit *c, const struct drip_position *position,
			    int64_t rows, uint64_t *ret_held,
			    struct drip_error *err) DRIP_MUST_CHECK;
/* It has gone. `commit_time_us`: of the source, 0 unknown. */
void drip_commit_batch_end(struct drip_commit *c, const struct drip_position *position,
			   bool boundary, int64_t rows, uint64_t bytes, int64_t commit_time_us,
			   int64_t now_us);
/* Sinks that hold what a flush puts out now: those that hold the last batch of the open epoch. */
uint64_t drip_commit_held(const struct drip_commit *c);
/* Asks for a cut at the next boundary, also of an epoch without rows. */
void drip_commit_hurry(struct drip_commit *c);
/*
 * Whether a group of dead letters may be put back now: all that came before is durable. Where it
 * may not, room is made: no batch is accepted beyond the next boundary until it may.
 */
bool drip_commit_may_replay(struct drip_commit *c);
/* Nothing is to be put back any more. */
void drip_commit_no_replay(struct drip_commit *c);
/* The number for a group that has none yet. */
uint64_t drip_commit_next_group(const struct drip_commit *c);
/* The group is about to go downstream: drip_commit_may_replay said so, and it is larger than the
 * one before. The epoch is cut after it. */
int drip_commit_replay(struct drip_commit *c, uint64_t group, uint64_t *ret_held,
		       struct drip_error *err) DRIP_MUST_CHECK;
/* Cuts the epoch: each sink shall commit it, in order. `data` comes back with it. */
int drip_commit_cut(struct drip_commit *c, void *data, uint64_t *ret_epoch,
		    struct drip_error *err) DRIP_MUST_CHECK;
void drip_commit_caught_up(struct drip_commit *c);
void drip_commit_end(struct drip_commit *c); /* the source has ended */
/* (borrowed) until the next call: the last stored checkpoint. */
void drip_commit_durable(const struct drip_commit *c, const struct drip_position **ret,
			 size_t *ret_count, uint64_t *ret_epoch);
/* The source knows of the checkpoint `epoch`. */
void drip_commit_acknowledged(struct drip_commit *c, uint64_t epoch);

/* ---- a sink ---- */

/* What to do at the end of `epoch`; `wrote`: it was given batches since the last one. */
int drip_commit_plan(const struct drip_commit *c, uint32_t sink, uint64_t epoch, bool wrote,
		     struct drip_commit_plan *ret, struct drip_error *err) DRIP_MUST_CHECK;
void drip_commit_sink_done(struct drip_commit *c, uint32_t sink, uint64_t epoch);

/* ---- the store ---- */

struct drip_commit_checkpoint {
	uint64_t epoch;
	const struct drip_position *positions; /* (borrowed) until stored or destroyed */
	size_t positions_count;
	uint64_t replayed;      /* the last group of dead letters */
	int64_t commit_time_us; /* of the source, of the last row in it; 0 unknown */
	void *data;
};

/* True with the checkpoint to store now; one at a time. */
bool drip_commit_store_next(struct drip_commit *c, struct drip_commit_checkpoint *ret);
void drip_commit_stored(struct drip_commit *c, uint64_t epoch);

/* ---- control ---- */

void drip_commit_pause(struct drip_commit *c);
void drip_commit_resume(struct drip_commit *c);
bool drip_commit_paused(const struct drip_commit *c); /* asked for, and all is durable */
/* Drains: no more is read beyond the next boundary, then a last epoch is committed. */
void drip_commit_stop(struct drip_commit *c);
/*
 * The source cannot reach the next boundary while it drains: what it read of an open transaction is
 * dropped. Epochs in flight still become durable; sinks must then be told to abort what is open.
 */
void drip_commit_give_up(struct drip_commit *c);
bool drip_commit_gave_up(const struct drip_commit *c);
bool drip_commit_draining(const struct drip_commit *c);
void drip_commit_fail(struct drip_commit *c);
enum drip_commit_outcome drip_commit_outcome(const struct drip_commit *c);
/* The data of an epoch in flight, or NULL. */
void *drip_commit_data(const struct drip_commit *c, uint64_t epoch);
/* Data of epochs that are cut and not stored, oldest first, for state lookups and to free them. */
size_t drip_commit_in_flight(const struct drip_commit *c, void *ret[DRIP_COMMIT_EPOCHS_MAX]);

#endif
