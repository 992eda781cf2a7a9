/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, with what `dripline help` prints. */
#include "cli/commands.h"

#include <stdio.h>
#include <string.h>

#define STATE_HELP                                                                                 \
	"  --state DIR          state directory of the daemon (default: DRIPLINE_STATE, then "     \
	"./.dripline)\n"
#define PLUGIN_HELP                                                                                \
	"  --plugin-dir DIR     look for plugins here first; may be given more than once\n"

const struct drip_command drip_commands[] = {
	{.name = "run",
	 .run = drip_cmd_run,
	 .usage = "dripline run FILE [options]",
	 .summary = "run the pipeline of one file in the foreground",
	 .help = "Validates the file, then runs its pipelines until they end or a signal comes.\n"
		 "SIGINT and SIGTERM drain: what was read is committed, then the program ends. A\n"
		 "second signal ends it at once; nothing is lost, the next run goes on at the "
		 "last\n"
		 "checkpoint. Scheduled pipelines run once, now.\n\n"
		 "  --until caught-up    end once the source has nothing more and all is "
		 "committed\n"
		 "  --state DIR          state directory (default: settings.state of the "
		 "file)\n" PLUGIN_HELP "  --log-level LEVEL    error, warning, info or debug\n"
		 "  --log-format FORMAT  logfmt or json\n"
		 "  --no-progress        no progress display, only the log and the summary\n"
		 "  --quarantine-break   until it has caught up, what breaks a feed's contract "
		 "becomes dead "
		 "letters,\n"
		 "                       whatever on_contract_break says\n"},
	{.name = "daemon",
	 .run = drip_cmd_daemon,
	 .usage = "dripline daemon DIR [options]",
	 .summary = "run all pipelines of a folder, with a control socket",
	 .help = "SIGHUP reloads: the new files are validated first, and a broken configuration\n"
		 "leaves the old one running. SIGTERM drains and ends. Under systemd the program\n"
		 "tells when it is ready, and answers the watchdog.\n\n"
		 "  --state DIR          state directory (default: settings.state of the "
		 "files)\n" PLUGIN_HELP "  --log-level LEVEL    error, warning, info or debug\n"
		 "  --log-format FORMAT  logfmt or json\n"},
	{.name = "validate",
	 .run = drip_cmd_validate,
	 .usage = "dripline validate PATH... [options]",
	 .summary = "check configuration files without running anything",
	 .help = "Prints every problem as file:line:column: error: ... [code], all in one pass.\n"
		 "Opens no socket and writes nothing. With --connect it asks the live systems, "
		 "and\n"
		 "the state directory where the pipelines stand, but leaves nothing behind.\n\n"
		 "  --connect            check the live systems too\n"
		 "  --state DIR          state directory (default: settings.state of the "
		 "configuration)\n"
		 "  --format FORMAT      text or json\n" PLUGIN_HELP},
	{.name = "plan",
	 .run = drip_cmd_plan,
	 .usage = "dripline plan PATH... [options]",
	 .summary = "show what a pipeline would do",
	 .help = "Prints the stages, the tables and their schemas at each edge, what would be\n"
		 "created, the delivery guarantee of each sink, and lineage.\n\n"
		 "  --connect            ask the live systems for their tables\n"
		 "  --state DIR          state directory (default: settings.state of the "
		 "configuration)\n"
		 "  --format FORMAT      text or json\n" PLUGIN_HELP},
	{.name = "ddl",
	 .run = drip_cmd_ddl,
	 .usage = "dripline ddl PATH... [options]",
	 .summary = "print the SQL that makes the declared tables",
	 .help = "PATHs are those of validate. Schemas, the surrogate key's function, tables with "
		 "their\ncomments and, for Redshift, distribution and sort keys. Running it again "
		 "changes\nnothing.\n\n"
		 "  --dialect NAME       duckdb (default) or redshift\n" PLUGIN_HELP},
	{.name = "schema",
	 .run = drip_cmd_schema,
	 .usage = "dripline schema [options]",
	 .summary = "print a JSON Schema of configuration files, for editors",
	 .help = "Holds the options of every plugin that is found.\n\n" PLUGIN_HELP},
	{.name = "plugins",
	 .run = drip_cmd_plugins,
	 .usage = "dripline plugins [NAME] [options]",
	 .summary = "list plugins, or show the options of one",
	 .help = "NAME is a component (\"mysql\"), a component of a kind (\"source/mysql\") or a "
		 "plugin.\nPlugins that cannot be used are listed with the reason.\n\n"
		 "  --format FORMAT      text or json\n" PLUGIN_HELP},
	{.name = "new",
	 .run = drip_cmd_new,
	 .usage = "dripline new KIND NAME [options]",
	 .summary = "write the folder of a new plugin",
	 .help = "KIND is source, feed, transform, sink, model, connection or service. The folder\n"
		 "holds a plugin that builds, passes its test and the conformance suite, and "
		 "runs.\n\n"
		 "  --dir DIR            where to make the folder (default: .)\n"
		 "  --templates DIR      take the templates from here\n"},
	{.name = "docs",
	 .run = drip_cmd_docs,
	 .usage = "dripline docs [DIR] [options]",
	 .summary = "write the reference from the code",
	 .help = "DIR is a source tree (default: .): the option tables of the plugins' READMEs "
		 "and\n"
		 "docs/reference are written anew.\n\n"
		 "  --check              write nothing; name what is stale and exit with 1\n"
		 "  --plugin-dir DIR     take the plugins of these folders only\n"},
	{.name = "status",
	 .run = drip_cmd_status,
	 .usage = "dripline status [PIPELINE] [options]",
	 .summary = "show the pipelines of the running daemon",
	 .help = STATE_HELP "  --format FORMAT      text or json\n"},
	{.name = "top",
	 .run = drip_cmd_top,
	 .usage = "dripline top [options]",
	 .summary = "show rates, lag, queues and memory live",
	 .help = "Keys: q ends.\n\n" STATE_HELP
		 "  --interval SECONDS   time between two screens (default 1)\n"
		 "  --once               one screen, then end; so it is where stdout is no "
		 "terminal\n"},
	{.name = "tap",
	 .run = drip_cmd_tap,
	 .usage = "dripline tap PIPELINE[.STAGE] [options]",
	 .summary = "print rows that pass a stage, as JSON lines",
	 .help = "Without a stage: the rows that go to the sinks. Values of confidential and\n"
		 "restricted columns are replaced by \"***\". Rows are left out where the terminal "
		 "is\n"
		 "slower than the pipeline; the pipeline does not wait.\n\n" STATE_HELP
		 "  --limit N            end after N rows\n"
		 "  --reveal             print confidential and restricted columns too\n"},
	{.name = "pause",
	 .run = drip_cmd_pause,
	 .usage = "dripline pause PIPELINE [options]",
	 .summary = "stop a pipeline at its next commit, until it is resumed",
	 .help = "Waits until all that was read is committed: then nothing is written for the "
		 "pipeline, and its files can be copied.\n\n" STATE_HELP
		 "  --timeout N          seconds to wait, 60 unless told; the pause stays asked "
		 "for\n"},
	{.name = "resume",
	 .run = drip_cmd_resume,
	 .usage = "dripline resume PIPELINE [options]",
	 .summary = "go on with a paused or failed pipeline",
	 .help = STATE_HELP "  --quarantine-break   what breaks a feed's contract and was written "
			    "until now becomes dead\n"
			    "                       letters, whatever on_contract_break says\n"},
	{.name = "trigger",
	 .run = drip_cmd_trigger,
	 .usage = "dripline trigger PIPELINE [options]",
	 .summary = "begin a run now, of a pipeline that waits for its schedule or has ended",
	 .help = "The schedule stays as it is. A run that is under way is not "
		 "doubled.\n\n" STATE_HELP},
	{.name = "reload",
	 .run = drip_cmd_reload,
	 .usage = "dripline reload [options]",
	 .summary = "make the running daemon read its configuration anew",
	 .help = "Waits for the outcome. Where the new files have errors the old configuration "
		 "runs on,\nand the exit status is 2.\n\n" STATE_HELP},
	{.name = "checkpoint",
	 .run = drip_cmd_checkpoint,
	 .usage = "dripline checkpoint show [PIPELINE] | reset PIPELINE [options]",
	 .summary = "show or forget where a pipeline stands in its source",
	 .help = "Works with and without a running daemon. `reset` makes the next run begin anew, "
		 "and\nis refused while the pipeline runs. All sinks then get everything again: a "
		 "mirror is\nbrought up to date, a table that is appended to holds the rows twice "
		 "unless it is\nemptied first.\n\n" STATE_HELP
		 "  --format FORMAT      text or json\n"
		 "  --yes                do not ask before a reset\n"},
	{.name = "lineage",
	 .run = drip_cmd_lineage,
	 .usage = "dripline lineage TABLE[.COLUMN] [options]",
	 .summary = "show where a table or column comes from and where it goes",
	 .help = STATE_HELP "  --format FORMAT      text, dot or openlineage\n"},
	{.name = "dlq",
	 .run = drip_cmd_dlq,
	 .usage = "dripline dlq list [PIPELINE] | show ID | replay ID... | drop ID... [options]",
	 .summary = "list, show, replay or drop dead letters",
	 .help = "`replay` puts rows back before the stage that rejected them; it needs a running\n"
		 "daemon, whether or not the pipeline runs just then: one that waits or has\n"
		 "finished gets a run that reads nothing. The others work without a daemon too.\n"
		 "Instead of IDs, `replay` and `drop` take --pipeline.\n\n" STATE_HELP
		 "  --pipeline NAME      all dead letters of this pipeline\n"
		 "  --stage ID           and of this stage\n"
		 "  --limit N            list at most N (default 100)\n"
		 "  --reveal             show rows with values of confidential and restricted "
		 "columns\n"
		 "  --format FORMAT      text or json\n"
		 "  --yes                do not ask before dropping\n"},
	{.name = "quality",
	 .run = drip_cmd_quality,
	 .usage = "dripline quality [PIPELINE] [options]",
	 .summary = "show what the quality rules of pipelines found",
	 .help = "One line a rule and table: rows that were checked and that broke it on the last "
		 "day\n(UTC) on which there were any, and when it was last broken. `broken`: by "
		 "rows "
		 "of the\nlast run. Works with and without a running daemon. Results are kept as\n"
		 "`settings.retention` says.\n\n" STATE_HELP
		 "  --days N             the last N days, one line each, newest first\n"
		 "  --limit N            list at most N (default 10000)\n"
		 "  --format FORMAT      text or json\n"},
	{.name = "key",
	 .run = drip_cmd_key,
	 .usage = "dripline key create --role ROLE --name NAME | list | revoke ID [options]",
	 .summary = "make, list and revoke keys of the API",
	 .help = "`create` prints the key once, to standard output; the store keeps a hash of it.\n"
		 "A running daemon takes no revoked key after a second at most. NAME says who has\n"
		 "the key: people whom a role names see what it sees masked.\n\n" STATE_HELP
		 "  --expires DURATION   how long the key is good, as 90d (default: for ever)\n"
		 "  --format FORMAT      of the list: text or json\n"},
	{.name = "keyring",
	 .run = drip_cmd_keyring,
	 .usage = "dripline keyring new FILE | rotate FILE",
	 .summary = "make or rotate the keys that encrypt columns",
	 .help = "`new` makes a file of one key, which this user alone may read; `rotate` adds a "
		 "newer\n"
		 "key. The newest encrypts, all decrypt: keep old ones as long as there are "
		 "values\n"
		 "under them. Keys are never printed.\n"},
	{.name = "audit",
	 .run = drip_cmd_audit,
	 .usage = "dripline audit list | verify [options]",
	 .summary = "list the audit, or check that nothing of it was changed",
	 .help = "`verify` checks the chain of hashes and prints its head. Note the head "
		 "somewhere\n"
		 "else, and give it back with --head: then a chain that was written anew from "
		 "some\n"
		 "record on, or cut at its end, is found out too. Exit status 1: it is "
		 "broken.\n\n" STATE_HELP "  --head ID:HASH       a head noted earlier\n"
		 "  --limit N            list at most N (default 100)\n"
		 "  --format FORMAT      of the list: text or json\n"},
	{.name = "policy",
	 .run = drip_cmd_policy,
	 .usage = "dripline policy show|compile|plan|check|apply PATH... [options]",
	 .summary = "print what the roles of the policy may see, or make it so in a warehouse",
	 .help = "`show` prints for each role the columns that it sees, and which of them "
		 "masked.\n"
		 "`compile` prints SQL: for DuckDB the views of each role, as the guard makes "
		 "them\n"
		 "by itself; for Redshift roles, column grants, masking policies and row filters.\n"
		 "`apply` makes the views in the DuckDB database of a connection, in schemas\n"
		 "dripline_role_ROLE__SCHEMA, and drops what is no longer in the policy, in one\n"
		 "transaction. `plan` prints what it would do. `check` does too, and exits with 1\n"
		 "where there is something to do.\n\n"
		 "  --connection NAME    of plan, check and apply\n"
		 "  --state DIR          of apply: whose audit records the change\n"
		 "  --dialect NAME       of compile: duckdb (default) or redshift\n"
		 "  --database NAME      of compile: what the warehouse is attached as "
		 "(default warehouse)\n"
		 "  --role NAME          this role only\n" PLUGIN_HELP},
	{.name = "model",
	 .run = drip_cmd_model,
	 .usage = "dripline model list | show NAME[@V] | promote NAME@V STAGE | approve NAME@V | "
		  "refuse NAME@V | archive NAME@V | delete NAME@V | export NAME[@V] [options]",
	 .summary = "show and promote the versions of models",
	 .help = "Stages are none, staging, production and archived. A version that was measured\n"
		 "worse than the one in production, on the same rows, is not promoted there; with\n"
		 "--force it is, once somebody else approves it. Works without a daemon too; a\n"
		 "daemon scores with the new version at once.\n\n" STATE_HELP
		 "  --comment TEXT       why, for the history\n"
		 "  --force              promote over the gates, with an approval\n"
		 "  --output FILE        export: where the artifact is written\n"
		 "  --format FORMAT      text or json\n"
		 "  --yes                do not ask before deleting\n"},
	{.name = NULL},
};

const struct drip_command *drip_command_find(const char *name)
{
	for (const struct drip_command *c = drip_commands; c->name != NULL; c++) {
		if (strcmp(c->name, name) == 0) {
			return c;
		}
	}
	return NULL;
}

void drip_command_print_help(const struct drip_command *command)
{
	printf("usage: %s\n\n%s\n", command->usage, command->summary);
	if (command->help != NULL) {
		printf("\n%s", command->help);
	}
}

bool drip_command_wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			return true;
		}
	}
	return false;
}
