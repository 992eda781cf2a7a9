# SPDX-License-Identifier: Apache-2.0
# Bash functions over shop.sql: makes the shop in a server of mariadb.sh, writes to it, and compares
# it with what a pipeline made of it, row by row. Source mariadb.sh before; set DUCKSQL to the helper
# of that name. Rows are compared as text, NULL as NULL, ordered by key.

shop_lib="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
shop_shards=(t_sales_order_m_20260{1..6})
shop_tables=("${shop_shards[@]}" t_sales_order_item t_counter)

# shop_create DIR ORDERS: six shards of ORDERS rows each, and the items.
shop_create() {
	{ echo "SET @orders = $2;" && cat "$shop_lib/shop.sql"; } | mariadb_sql "$1"
}

# shop_writer_start DIR [TRANSACTIONS [PAUSE_SECONDS]]: a writer in the background.
shop_writer_start() {
	mariadb_sql "$1" -e "UPDATE shop_control.writer SET stop = FALSE" || return
	mariadb_sql "$1" -e "CALL shop_control.write_on(${2:-0}, ${3:-0.005})" </dev/null &
	shop_writer_pid=$!
}

# shop_writer_stop DIR: lets the writer finish its transaction, and waits for it.
shop_writer_stop() {
	mariadb_sql "$1" -e "UPDATE shop_control.writer SET stop = TRUE"
	wait "$shop_writer_pid"
}

shop_columns() {
	case "$1" in
	t_counter) echo "id, value" ;;
	t_sales_order_item) echo "id, order_id, product_id, sku, quantity, unit_price, options" ;;
	*) echo "id, order_no, customer_id, store_id, channel, order_status, currency_code," \
		"gross_amount, discount_amount, net_amount, ${SHOP_PHONE:-phone}, remark, rating," \
		"create_time, update_time" ;;
	esac
}

# shop_source_rows DIR TABLE [CONDITION]
shop_source_rows() {
	mariadb_sql "$1" --raw --quick -e "SELECT $(shop_columns "$2") FROM luckyus_salesorder.$2
		WHERE ${3:-TRUE} ORDER BY id"
}

# shop_duck_rows FILE TABLE FROM: FROM is what to read in the FROM clause.
shop_duck_rows() {
	local columns
	columns="$(SHOP_PHONE=phone shop_columns "$2" | sed \
		-e "s/create_time/left(strftime(create_time, '%Y-%m-%d %H:%M:%S.%f'), 23)/" \
		-e "s/update_time/strftime(update_time, '%Y-%m-%d %H:%M:%S.%f')/" \
		-e "s/rating/printf('%.10g', rating)/")"
	"$DUCKSQL" "$1" "SELECT $columns FROM $3 ORDER BY id"
}

# shop_compare DIR TABLE FILE FROM: 0 where source and copy are equal; otherwise some differences.
shop_compare() {
	local source copy
	source="$(mktemp "$1/source.XXXXXX")"
	copy="$(mktemp "$1/copy.XXXXXX")"
	shop_source_rows "$1" "$2" >"$source" && shop_duck_rows "$3" "$2" "$4" >"$copy" || return 1
	if ! cmp -s "$source" "$copy"; then
		printf '# %s: source has %d rows, copy %d\n' "$2" "$(wc -l <"$source")" "$(wc -l <"$copy")"
		diff "$source" "$copy" | head -n 10 | sed 's/^/# /'
		return 1
	fi
	rm -f "$source" "$copy"
}
