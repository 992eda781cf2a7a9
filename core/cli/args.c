/* SPDX-License-Identifier: Apache-2.0 */
/* Options of commands. */
#include "cli/args.h"

#include "cli/commands.h"

#include <dripline/suggest.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	int argc, at;
	char **argv;
	const struct drip_arg *args;
};

static int complain(const struct reader *r, const char *what, const char *detail)
{
	fprintf(stderr, "dripline %s: %s%s\n", r->argv[0], what, detail);
	fprintf(stderr, "  hint: See `dripline help %s`.\n", r->argv[0]);
	return DRIP_EXIT_INVALID;
}

static int unknown(const struct reader *r, const char *text, size_t size)
{
	char name[DRIP_SUGGEST_NAME_MAX + 1];
	struct drip_suggestion s = {.wrong = name};

	snprintf(name, sizeof(name), "%.*s", (int)size, text);
	for (const struct drip_arg *a = r->args; a->name != NULL; a++) {
		drip_suggestion_offer(&s, a->name);
	}
	fprintf(stderr, "dripline %s: unknown option --%s\n", r->argv[0], name);
	if (s.best != NULL) {
		fprintf(stderr, "  hint: Did you mean --%s?\n", s.best);
	} else {
		fprintf(stderr, "  hint: See `dripline help %s`.\n", r->argv[0]);
	}
	return DRIP_EXIT_INVALID;
}

static int bad_choice(const struct reader *r, const struct drip_arg *a, const char *value)
{
	fprintf(stderr, "dripline %s: --%s cannot be \"%s\"\n  hint: Allowed:", r->argv[0], a->name,
		value);
	for (const char *const *c = a->choices; *c != NULL; c++) {
		fprintf(stderr, " %s", *c);
	}
	fprintf(stderr, ".\n");
	return DRIP_EXIT_INVALID;
}

static int set_text(const struct reader *r, const struct drip_arg *a, const char *value)
{
	bool found = a->choices == NULL;

	for (const char *const *c = a->choices; c != NULL && *c != NULL; c++) {
		found = found || strcmp(*c, value) == 0;
	}
	if (!found) {
		return bad_choice(r, a, value);
	}
	*a->text = value;
	return DRIP_EXIT_OK;
}

static int set_value(const struct reader *r, const struct drip_arg *a, const char *value)
{
	char *end;

	if (a->text != NULL) {
		return set_text(r, a, value);
	}
	if (a->list != NULL) {
		if (a->list->count == DRIP_ARG_LIST_MAX) {
			return complain(r, "too often given: --", a->name);
		}
		a->list->items[a->list->count++] = value;
		return DRIP_EXIT_OK;
	}
	errno = 0;
	*a->number = strtoll(value, &end, 10);
	if (errno != 0 || end == value || *end != '\0' || *a->number < 0) {
		return complain(r, "a whole number is needed for --", a->name);
	}
	return DRIP_EXIT_OK;
}

/* `inline_value` is what stands behind "=", or NULL. */
static int take(struct reader *r, const struct drip_arg *a, const char *inline_value)
{
	if (a->flag != NULL) {
		if (inline_value != NULL) {
			return complain(r, "no value is taken by --", a->name);
		}
		*a->flag = true;
		return DRIP_EXIT_OK;
	}
	if (inline_value == NULL) {
		if (r->at + 1 >= r->argc) {
			return complain(r, "a value is needed for --", a->name);
		}
		inline_value = r->argv[++r->at];
	}
	return set_value(r, a, inline_value);
}

static int parse_long(struct reader *r, const char *text)
{
	size_t size = strcspn(text, "=");

	for (const struct drip_arg *a = r->args; a->name != NULL; a++) {
		if (strlen(a->name) == size && memcmp(a->name, text, size) == 0) {
			return take(r, a, text[size] == '=' ? text + size + 1 : NULL);
		}
	}
	return unknown(r, text, size);
}

static int parse_short(struct reader *r, const char *text)
{
	for (const struct drip_arg *a = r->args; a->name != NULL; a++) {
		if (a->letter == text[1] && a->letter != '\0') {
			return take(r, a, text[2] != '\0' ? text + 2 : NULL);
		}
	}
	return complain(r, "unknown option ", text);
}

int drip_args_parse(int argc, char **argv, const struct drip_arg *args, const char **operands,
		    size_t operands_min, size_t operands_max, size_t *ret_operands)
{
	struct reader r = {.argc = argc, .argv = argv, .args = args};
	size_t count = 0;
	bool ended = false;

	for (r.at = 1; r.at < argc; r.at++) {
		const char *text = argv[r.at];
		int status = DRIP_EXIT_OK;

		if (!ended && strcmp(text, "--") == 0) {
			ended = true;
		} else if (!ended && strncmp(text, "--", 2) == 0) {
			status = parse_long(&r, text + 2);
		} else if (!ended && text[0] == '-' && text[1] != '\0') {
			status = parse_short(&r, text);
		} else if (count == operands_max) {
			return complain(&r, "one argument too many: ", text);
		} else {
			operands[count++] = text;
		}
		if (status != DRIP_EXIT_OK) {
			return status;
		}
	}
	if (count < operands_min) {
		return complain(&r, "an argument is missing", "");
	}
	*ret_operands = count;
	return DRIP_EXIT_OK;
}
