# SPDX-License-Identifier: Apache-2.0
# The second part of tools/demo.sh, which sources this: the company's databases, and the daemon over pipelines/ as an
# operator runs it. demo_company.py talks to the daemon and to its API.

company_daemon=
company_stopping=0

free_port() {
	mariadb_pick_port "$work" && cat "$work/port"
}

company_environment() {
	export COMPANY_MYSQL_HOST=127.0.0.1 COMPANY_MYSQL_PORT="$(cat "$server/port")" COMPANY_MYSQL_USER="$mariadb_user" \
		COMPANY_MYSQL_PASSWORD="$mariadb_password" COMPANY_WAREHOUSE="$work/warehouse.duckdb" \
		COMPANY_LAKE="$work/lake" COMPANY_HASH_KEY="$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')" \
		COMPANY_API_PORT="$(free_port)" COMPANY_CONSOLE_PORT="$(free_port)" COMPANY_ADMIN_PORT="$(free_port)" \
		DRIPLINE_STATE="$work/state" DRIPLINE="$dripline"
}

company_load() {
	"$company" load --socket "$server/s" --schema tests/company/schema.sql --scale "$scale" --truth "$work/truth" \
		>"$work/rows"
}

company_start() {
	"$dripline" key create --role analyst --name ana >"$work/analyst.key" 2>"$work/log"
	"$dripline" key create --role data_engineer --name eli >"$work/data_engineer.key" 2>"$work/log"
	# A session of its own: Ctrl-C is for this script, which ends the daemon in order.
	setsid setpriv --pdeathsig KILL "$dripline" daemon pipelines/ >"$work/daemon.log" 2>&1 &
	company_daemon=$!
	background=("$company_daemon")
}

# company_shards DATABASE TABLE: SQL of all monthly shards of a table.
company_shards() {
	mariadb_sql "$server" -e "SET SESSION group_concat_max_len = 65536;
		SELECT CONCAT('(', GROUP_CONCAT('SELECT * FROM $1.', table_name SEPARATOR ' UNION ALL '), ')')
		FROM information_schema.tables WHERE table_schema = '$1' AND table_name REGEXP '^$2_m_[0-9]{6}\$'"
}

# The sums at the source: table, rows, then the sums that the facts must have.
company_sums() {
	local orders items trades made
	orders="$(company_shards luckyus_salesorder t_sales_order)"
	items="$(company_shards luckyus_salesorder t_sales_order_item)"
	trades="$(company_shards luckyus_salespayment t_sales_trade)"
	made="$(company_shards luckyus_opproduction t_production)"
	mariadb_sql "$server" -e "
		SELECT 'fact_orders', COUNT(*), SUM(gross_amount), SUM(net_amount) FROM $orders o WHERE currency_code <> 'NZD';
		SELECT 'fact_order_items', COUNT(*), SUM(quantity), SUM(item_amount) FROM $items i JOIN $orders o USING (order_id)
			WHERE currency_code <> 'NZD';
		SELECT 'fact_payments', COUNT(*), SUM(trade_amount) FROM $trades t WHERE currency_code <> 'NZD';
		SELECT 'fact_productions', COUNT(*), COUNT(DISTINCT p.order_id) FROM $made p JOIN $orders o
			ON o.order_id = CAST(p.order_id AS UNSIGNED) WHERE production_status <> 4 AND currency_code <> 'NZD';
		SELECT 'nzd', COUNT(*), (SELECT COUNT(*) FROM $trades t WHERE currency_code = 'NZD') FROM $orders o
			WHERE currency_code = 'NZD'" >"$work/source.tsv"
}

company_part() {
	local feeds=(salesorder_feed salespayment_feed salescrm_feed opshop_feed opproduction_feed pubdm_feed)
	step "The company's databases, at scale $scale of the blueprint's row counts"
	start_server --default-time-zone=+00:00
	fill "$(awk -v scale="$scale" 'BEGIN { printf "%d", 2633000 * scale }')" company_load
	cat "$work/rows"
	company_environment

	step "dripline daemon pipelines/: snapshots of six databases into the schema ods"
	"$dripline" validate pipelines/ >"$work/log" || { cat "$work/log" && exit 2; }
	tail -n 1 "$work/log" # the notes are for who writes pipelines
	company_start
	tools/demo_company.py capture "$work" "${feeds[@]}"

	step "Jobs: the star schema"
	tools/demo_company.py jobs "$work" calendar_etl orders_etl payments_etl production_etl customer_etl reference_etl

	step "Models: trained, measured on the newest part against their baselines, scored"
	tools/demo_company.py scored "$work"
	tools/demo_company.py jobs "$work" fraud_train churn_features churn_train churn_scores churn_etl

	step "The shops take orders: through all of it again"
	tools/demo_company.py mark "$work" "${feeds[@]}"
	"$company" live --socket "$server/s" --rate 50 --orders "${DRIPLINE_DEMO_LIVE:-200}" --truth "$work/truth" >"$work/live" &
	background+=($!)
	tools/demo_company.py live "$work" $! "${feeds[@]}"
	background=("$company_daemon")
	cat "$work/live"
	tools/demo_company.py jobs "$work" orders_etl payments_etl production_etl customer_etl
	company_sums
}

company_keep() {
	printf '\nIt runs on, with two orders a second. Ctrl-C ends it.\n'
	trap 'company_stopping=1' INT TERM HUP
	"$company" live --socket "$server/s" --rate 2 --truth "$work/truth" >"$work/live" 2>&1 &
	background=("$!" "$company_daemon")
	while [ "$company_stopping" = 0 ] && kill -0 "$company_daemon" 2>/dev/null; do
		wait "$company_daemon" || :
	done
	trap 'exit 130' INT TERM HUP
	printf '\nstopping the orders, the daemon and the server\n'
}

# In order: what was read is committed, then the daemon ends.
company_stop() {
	local status=0
	kill -TERM "${background[@]}" 2>/dev/null || :
	wait "$company_daemon" || status=$?
	wait "${background[@]}" 2>/dev/null || :
	background=()
	if [ "$status" -ne 0 ]; then
		echo "demo: the daemon ended with status $status" >&2
		tail -n 5 "$work/daemon.log" >&2
		return 1
	fi
}
