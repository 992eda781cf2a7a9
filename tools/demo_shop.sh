# SPDX-License-Identifier: Apache-2.0
# The first part of tools/demo.sh, which sources this: one pipeline from snapshot through live changes.

# What the summary says of it: table, rows at the source, rows in the warehouse, verdict.
shop_verdicts="$DRIPLINE_DEMO_DIR/shop.tsv"

shop_checkpoint() { "$dripline" checkpoint show demo --state "$DRIPLINE_DEMO_DIR/state"; }

shop_run_live() {
	local live before
	before="$(shop_checkpoint)"
	shop_writer_start "$server" "$live_transactions" 0.002
	background=("$shop_writer_pid")
	setpriv --pdeathsig KILL "$dripline" run pipelines/demo.yaml &
	live=$!
	background+=("$live")
	wait "$shop_writer_pid"
	while kill -0 "$live" && [ "$(shop_checkpoint)" = "$before" ]; do
		read -r -t 0.05 <> <(:) || : # not before it has taken some of them
	done
	echo "the writer is done; stopping the pipeline in the middle of its work (SIGTERM)"
	kill -TERM "$live"
	wait "$live"
	background=()
	echo "and going on from its checkpoint"
	"$dripline" run pipelines/demo.yaml --until caught-up
}

shop_compare_table() {
	local table="$1" condition="currency_code <> 'NZD'" verdict=equal rows
	if [ "$table" = t_sales_order_item ]; then
		condition=TRUE
	fi
	SHOP_PHONE="CONCAT(LEFT(phone, 2), REPEAT('*', CHAR_LENGTH(phone) - 6), RIGHT(phone, 4))" \
		shop_source_rows "$server" "$table" "$condition" >"$server/source.tsv"
	shop_duck_rows "$DRIPLINE_DEMO_DIR/warehouse.duckdb" "$table" "luckyus_salesorder.$table" \
		>"$server/warehouse.tsv"
	if ! cmp -s "$server/source.tsv" "$server/warehouse.tsv"; then
		verdict=DIFFERENT
		diff "$server/source.tsv" "$server/warehouse.tsv" | head -n 6 || :
	fi
	rows="$(wc -l <"$server/source.tsv")"
	printf '%-24s %9d %9d  %.16s %.16s %s\n' "$table" "$rows" "$(wc -l <"$server/warehouse.tsv")" \
		"$(sha256sum <"$server/source.tsv")" "$(sha256sum <"$server/warehouse.tsv")" "$verdict"
	printf '%s\t%d\t%d\t%s\n' "$table" "$rows" "$(wc -l <"$server/warehouse.tsv")" "$verdict" >>"$shop_verdicts"
}

shop_part() {
	local table
	step "A private MariaDB with $((orders_of_a_shard * 6)) orders in six monthly shards"
	start_server
	fill $((orders_of_a_shard * 6 * 137 / 100)) shop_create "$server" "$orders_of_a_shard"
	export DRIPLINE_DEMO_PORT="$(cat "$server/port")" DRIPLINE_DEMO_USER="$mariadb_user" \
		DRIPLINE_DEMO_PASSWORD="$mariadb_password"

	step "Snapshot: dripline run pipelines/demo.yaml --until caught-up"
	"$dripline" validate pipelines/demo.yaml
	"$dripline" run pipelines/demo.yaml --until caught-up

	step "Live: a writer inserts, updates and deletes in $live_transactions transactions while it runs"
	shop_run_live

	step "Source and warehouse, row by row (orders without the NZD test orders)"
	printf '%-24s %9s %9s  %-16s %-16s\n' table source warehouse 'sha256 source' 'sha256 warehouse'
	for table in "${shop_shards[@]}" t_sales_order_item; do
		shop_compare_table "$table"
	done

	step "The lake: every change, test orders too, as Parquet in ${DRIPLINE_DEMO_DIR#"$PWD/"}/lake"
	find "$DRIPLINE_DEMO_DIR/lake" -name '*.parquet' -printf '%p %k\n' | awk '
		{ sub(/[^\/]*$/, "", $1); files[$1]++; kib[$1] += $2 }
		END { for (d in files) printf "%-70s %4d files %8d KiB\n", d, files[d], kib[d] }' |
		sed "s#$PWD/##" | sort
	echo "where the warehouse column t_sales_order_m_202601.phone comes from:"
	"$dripline" lineage luckyus_salesorder.t_sales_order_m_202601.phone --state "$DRIPLINE_DEMO_DIR/state"
}
