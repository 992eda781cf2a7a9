/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Typed option tables. A component lists its options once; from that table alone the host validates
 *(with file, line, column and "did you mean"), binds the values into the component's config struct,
 *writes the reference and the JSON Schema for editors, redacts secrets and decides what a reload
 *may change. The type of an option is taken from its member by _Generic, so table and struct cannot
 *disagree: a member of an unsupported type does not compile.
 *
 *	struct config {
 *		const char *path;
 *		struct drip_size max_size;
 *	};
 *	static const struct drip_option options[] = {
 *		DRIP_OPTION(struct config, path, .help = "File to read.", .flags =
 *DRIP_OPTION_REQUIRED), DRIP_OPTION(struct config, max_size, .help = "Largest file.", .default_text
 *= "64MiB"),
 *	};
 *
 * The config struct and all it points to belong to the host and live until after `close`.
 */
#ifndef DRIPLINE_OPTION_H
#define DRIPLINE_OPTION_H

#include <dripline/error.h>

#ifdef __cplusplus
extern "C" {
#endif

enum drip_option_type {
	DRIP_OPTION_BOOL = 1, /* bool */
	DRIP_OPTION_INT,      /* int64_t; .min and .max bound it */
	DRIP_OPTION_FLOAT,    /* double; .min and .max bound it */
	DRIP_OPTION_STRING,   /* const char *; NULL where absent and without default */
	DRIP_OPTION_ENUM,     /* struct drip_enum; .values lists the names */
	DRIP_OPTION_DURATION, /* struct drip_duration: "250ms", "5s", "15m", "4h", "7d"; .min and
				 .max in ms */
	DRIP_OPTION_SIZE,     /* struct drip_size: "512", "64KiB", "16MiB", "2GiB"; .min and .max in
				 bytes */
	DRIP_OPTION_SECRET,   /* struct drip_secret: a string that is never printed */
	DRIP_OPTION_STRINGS,  /* struct drip_strings: a list of strings, or one string */
	DRIP_OPTION_PAIRS,    /* struct drip_pairs: a map of string to scalar, in file order */
	DRIP_OPTION_OBJECTS,  /* struct drip_objects: a list of maps bound by .children, or one map
			       */
	DRIP_OPTION_CONNECTION, /* struct drip_connection_ref: name of a connection that offers
				   .interface_name */
	DRIP_OPTION_COLUMNS, /* struct drip_columns: column names, checked against the stage's input
				schema */
};

struct drip_enum {
	int value;
};
struct drip_duration {
	int64_t ms;
};
struct drip_size {
	uint64_t bytes;
};
struct drip_secret {
	const char *value;
};
struct drip_strings {
	const char *const *items;
	size_t count;
};
struct drip_pair {
	const char *key;
	const char *value;
};
struct drip_pairs {
	const struct drip_pair *items;
	size_t count;
};
struct drip_objects {
	const void *items;
	size_t count;
}; /* items: array of the child struct */
struct drip_connection_ref {
	const char *name;
};
struct drip_columns {
	const char *const *items;
	size_t count;
};

enum drip_option_flags {
	DRIP_OPTION_REQUIRED = 1 << 0,
	DRIP_OPTION_RELOADABLE = 1 << 1, /* a reload may change it without a new instance */
	DRIP_OPTION_DEPRECATED = 1 << 2,
	DRIP_OPTION_ADVANCED = 1 << 3,
	DRIP_OPTION_SQL = 1 << 4,  /* text is SQL; editors highlight it */
	DRIP_OPTION_PATH = 1 << 5, /* a file system path; relative ones are resolved against the
				      YAML file's folder */
};

struct drip_enum_value {
	const char *name;
	int value;
	const char *help;
};

/* Arrays of this struct are walked with the struct_size of their first element. */
struct drip_option {
	uint32_t struct_size;
	uint32_t flags; /* enum drip_option_flags */
	enum drip_option_type type;
	uint32_t offset; /* of the member in the config struct */
	const char *name;
	const char *help;         /* one or more sentences */
	const char *default_text; /* text of a scalar, without quotes; NULL: absent (zero, NULL,
				     empty) */
	const char *unit;         /* of INT and FLOAT, as "rows" */
	const char *example;
	double min, max; /* both 0: unbounded; max 0 under a min: no upper bound */
	const struct drip_enum_value *values; /* of ENUM, ended by a NULL name */
	const struct drip_option *children;   /* of OBJECTS */
	uint32_t children_count;
	uint32_t child_size;        /* sizeof one bound child struct */
	const char *interface_name; /* of CONNECTION, as DRIP_SQL_INTERFACE */
};

#define DRIP_OPTION_TYPE_OF(member)                                                                \
	_Generic((member),                                      \
		bool: DRIP_OPTION_BOOL,                         \
		int64_t: DRIP_OPTION_INT,                       \
		double: DRIP_OPTION_FLOAT,                      \
		const char *: DRIP_OPTION_STRING,               \
		struct drip_enum: DRIP_OPTION_ENUM,             \
		struct drip_duration: DRIP_OPTION_DURATION,     \
		struct drip_size: DRIP_OPTION_SIZE,             \
		struct drip_secret: DRIP_OPTION_SECRET,         \
		struct drip_strings: DRIP_OPTION_STRINGS,       \
		struct drip_pairs: DRIP_OPTION_PAIRS,           \
		struct drip_objects: DRIP_OPTION_OBJECTS,       \
		struct drip_connection_ref: DRIP_OPTION_CONNECTION, \
		struct drip_columns: DRIP_OPTION_COLUMNS)

#define DRIP_OPTION(config_type, member, ...)                                                      \
	{                                                                                          \
		.struct_size = sizeof(struct drip_option), .name = #member,                        \
		.type = DRIP_OPTION_TYPE_OF(((config_type *)0)->member),                           \
		.offset = offsetof(config_type, member), __VA_ARGS__                               \
	}

#define DRIP_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Rules between options, declared so that the JSON Schema can carry them too. */
enum drip_rule_kind {
	DRIP_RULE_ONE_OF = 1,   /* exactly one of `options` is given */
	DRIP_RULE_AT_LEAST_ONE, /* one or more of them */
	DRIP_RULE_REQUIRES,     /* where the first is given, so are all others */
	DRIP_RULE_EXCLUDES,     /* at most one of them */
};

#define DRIP_RULE_OPTIONS_MAX 8

struct drip_rule {
	uint32_t struct_size;
	enum drip_rule_kind kind;
	const char *options[DRIP_RULE_OPTIONS_MAX]; /* ended by NULL where fewer */
};

#ifdef __cplusplus
}
#endif

#endif
