/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the source `file`. One thread but for interrupt. */
#ifndef DRIPLINE_SOURCE_FILE_H
#define DRIPLINE_SOURCE_FILE_H

#include <dripline/dripline.h>

#define FILE_PATH_LIMIT 900     /* bytes of a path, so that it fits a position */
#define FILE_LIST_MAX   1000000 /* files of one pattern */
#define FILE_BATCH_MAX  1048576 /* rows of one batch */

enum file_format { FILE_AUTO, FILE_CSV, FILE_JSON, FILE_PARQUET };

struct file_config {
	const char *path, *database, *name, *classification, *delimiter, *null_text;
	struct drip_enum format;
	struct drip_pairs columns;
	struct drip_strings keys;
	bool header, hive;
	int64_t batch_rows;
};

/* Names of the last two columns that the statement of a file yields. */
#define FILE_BAD_COLUMN                                                                            \
	"__drip_bad"                 /* number of the first column that does not fit; null: none   \
				      */
#define FILE_RAW_COLUMN "__drip_raw" /* where it is not null: what the file says */

/* list.c: (gives) regular files that match, sorted by their bytes; free with file_list_free. */
int file_list(const char *pattern, char ***ret, size_t *ret_count,
	      struct drip_error *err) DRIP_MUST_CHECK;
void file_list_free(char **list, size_t count);
/* FILE_AUTO told by the ending of the path; FILE_AUTO where it tells nothing. */
enum file_format file_format_of(const struct file_config *config, const char *path);

/* statement.c */
/* (gives) what `columns` declares, without a table name; NULL where it declares nothing. */
int file_declared(const struct file_config *config, struct drip_schema **ret,
		  struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) SQL that yields no rows but the columns of a file as DuckDB finds them. */
int file_sniff_text(const struct file_config *config, const char *path, char **ret,
		    struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) SQL that yields the rows of a file, in order, in the types of `schema`. */
int file_read_text(const struct file_config *config, const struct drip_sql_dialect *dialect,
		   const char *path, const struct drip_schema *schema, char **ret,
		   struct drip_error *err) DRIP_MUST_CHECK;
/* (gives) the schema that rows are emitted with. */
int file_schema(const struct file_config *config, const struct drip_schema *columns,
		struct drip_schema **ret, struct drip_error *err) DRIP_MUST_CHECK;

#endif
