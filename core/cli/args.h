/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads the options of a command: "--name value", "--name=value", "-n value", flags, and anything
 * else as an operand, in any order; "--" ends the options. Unknown options get a "did you mean".
 */
#ifndef DRIPLINE_CLI_ARGS_H
#define DRIPLINE_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exactly one of flag, text, list and number is not NULL. */
struct drip_arg {
	const char *name;           /* without dashes */
	char letter;                /* 0: none */
	bool *flag;                 /* set to true */
	const char **text;          /* (borrowed) from argv */
	struct drip_arg_list *list; /* each use appends */
	int64_t *number;            /* not negative */
	const char *const *choices; /* of text: allowed words, ended by NULL; NULL: any */
};

#define DRIP_ARG_LIST_MAX 64

struct drip_arg_list {
	const char *items[DRIP_ARG_LIST_MAX];
	size_t count;
};

/*
 * `args` is ended by a NULL name. Operands go to `operands` (borrowed from argv), `operands_max` of
 * them at most; `operands_min` are needed. Prints what is wrong to stderr and returns
 * DRIP_EXIT_INVALID; DRIP_EXIT_OK otherwise.
 */
int drip_args_parse(int argc, char **argv, const struct drip_arg *args, const char **operands,
		    size_t operands_min, size_t operands_max, size_t *ret_operands);

#endif
