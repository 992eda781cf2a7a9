#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What tools/demo.sh asks of the company's daemon and its API.

usage: demo_company.py capture FOLDER FEED...      until the snapshots are in the warehouse
       demo_company.py jobs FOLDER PIPELINE...     runs each once, in this order
       demo_company.py scored FOLDER               until every payment has its row in ml.fraud_scores
       demo_company.py mark FOLDER FEED...         notes the time and the rows captured so far, before the writer begins
       demo_company.py live FOLDER PID FEED...     until the writer PID has ended and all of it was captured
       demo_company.py summary FOLDER              checks everything; ends with 1 where something is not as it must be

FOLDER is the demo's, build/demo/company. The daemon is the one of DRIPLINE_STATE.
"""
import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from decimal import Decimal

DRIPLINE = os.environ["DRIPLINE"]
STREAM_TARGET = 15 * 60  # section 1 of the blueprint: 15 minutes for streams, 4 hours for batches
BATCH_TARGET = 4 * 3600
WIDTH = 30
TERMINAL = sys.stdout.isatty()


def fail(text, folder=None):
    print(f"demo: {text}", file=sys.stderr)
    if folder is not None:
        with open(f"{folder}/daemon.log", encoding="utf-8") as log:
            bad = [line for line in log if "level=warning" in line or "level=error" in line]
        sys.stderr.writelines(bad[-5:])
    sys.exit(1)


def near(path):
    """As short as it can be said."""
    short = os.path.relpath(path)
    return os.path.realpath(path) if short.startswith("../") else short


# ---- progress ----


def bar(done, total, text):
    """One line that is drawn again and again; nothing where no terminal is."""
    if TERMINAL:
        full = WIDTH * min(done, total) // max(total, 1)
        print(f"\r\033[K  [{'#' * full}{'.' * (WIDTH - full)}] {text}"[:110], end="", flush=True)


def line(text):
    print(f"\r\033[K{text}" if TERMINAL else text, flush=True)


# ---- the daemon ----


def dripline(*arguments):
    done = subprocess.run([DRIPLINE, *arguments], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def pipelines(folder):
    """Name -> what `status` says; waits for a daemon that is just starting."""
    for _ in range(150):
        text = dripline("status", "--format", "json")
        if text:
            return {p["name"]: p for p in json.loads(text)["pipelines"]}
        time.sleep(0.2)
    return fail("the daemon does not answer", folder)


def check_failed(folder, state):
    for name, p in state.items():
        if p["state"] == "failed":
            fail(f"pipeline {name} has failed: {p.get('last_error', {}).get('message', '')}", folder)


def capture(folder, feeds):
    with open(f"{folder}/rows", encoding="utf-8") as rows:
        total = sum(int(n) for n in re.findall(r"(\d+) ", rows.read()))
    begun, told, spoke = time.monotonic(), set(), time.monotonic()
    while len(told) < len(feeds):
        state = pipelines(folder)
        check_failed(folder, {name: state[name] for name in feeds})
        done = sum(state[name]["rows_in"] for name in feeds)
        for name in feeds:
            if state[name]["caught_up"] and name not in told:
                told.add(name)
                line(f"  {name:18} {state[name]['rows_in']:>9,} rows after {time.monotonic() - begun:.1f} s")
        bar(done, total, f"{done:,} of about {total:,} rows")
        if not TERMINAL and time.monotonic() - spoke > 5:
            spoke = time.monotonic()
            line(f"  {done:,} of about {total:,} rows")
        time.sleep(0.2)
    line(f"  {sum(state[name]['rows_in'] for name in feeds):,} rows in {time.monotonic() - begun:.1f} s")


def run_job(folder, name):
    before = pipelines(folder)[name]["commits"]
    dripline("trigger", name)
    while True:
        p = pipelines(folder)[name]
        check_failed(folder, {name: p})
        if p["commits"] > before and p["state"] == "waiting":
            return
        time.sleep(0.1)


def jobs(folder, names):
    for number, name in enumerate(names):
        begun = time.monotonic()
        bar(number, len(names), f"{number + 1} of {len(names)}: {name}")
        run_job(folder, name)
        line(f"  {number + 1}/{len(names)} {name:16} {time.monotonic() - begun:6.1f} s")


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


UNSCORED = """SELECT count(*) FROM ods.t_sales_trade t WHERE NOT is_nzd_test AND NOT EXISTS
    (SELECT 1 FROM ml.fraud_scores s WHERE s.change >= t._sequence AND s.trade_no = t.trade_no)"""


def scored(folder):
    """Seconds that it took."""
    begun, left, most = time.monotonic(), 1, 1
    while left:
        check_failed(folder, pipelines(folder))
        status, text = call(folder, "data_engineer", "POST", "/query", {"sql": UNSCORED})
        if status == 200:
            left = json.loads(text)["rows"][0][0]
            most = max(most, left)
            bar(most - left, most, f"{left:,} payments without features and score")
        time.sleep(0.2 if left else 0)
    return time.monotonic() - begun


def mark(folder, feeds):
    state = pipelines(folder)
    with open(f"{folder}/captured", "w", encoding="utf-8") as out:
        out.write(f"{time.time()}\n{sum(state[name]['rows_in'] for name in feeds)}\n")


def live(folder, pid, feeds):
    """While orders come in, the longest lag of each feed, for the summary."""
    lags = {name: 0.0 for name in feeds}
    with open(f"{folder}/captured", encoding="utf-8") as captured:
        begun, first = float(captured.readline()), int(captured.readline())
    settled = 0
    while settled < 2:
        writing = alive(pid)
        state = pipelines(folder)
        check_failed(folder, state)
        for name in feeds:
            lags[name] = max(lags[name], state[name]["lag_seconds"] or 0)
        rows = sum(state[name]["rows_in"] for name in feeds) - first
        quiet = all(state[n]["caught_up"] and state[n]["lag_seconds"] == 0 and not state[n]["rows_in_flight"]
                    for n in feeds)
        settled = settled + 1 if quiet and not writing else 0
        bar(WIDTH if settled else 0, WIDTH, f"{rows:,} changes, longest lag {max(lags.values()):.1f} s")
        time.sleep(0.3)
    line(f"  {rows:,} changes in {time.time() - begun:.1f} s, longest lag {max(lags.values()):.1f} s")
    wait = scored(folder)
    line(f"  all payments scored {wait:.1f} s later")
    with open(f"{folder}/lags.json", "w", encoding="utf-8") as out:
        json.dump({"feeds": lags, "scored": wait}, out)


# ---- the API ----


def call(folder, role, method, path, body=None):
    """(status, text) of what the role gets."""
    with open(f"{folder}/{role}.key", encoding="utf-8") as key:
        headers = {"Authorization": f"Bearer {key.read().strip()}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"http://127.0.0.1:{os.environ['COMPANY_API_PORT']}{path}", method=method,
                                     headers=headers, data=json.dumps(body).encode() if body is not None else None)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode().strip()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode().strip()


def query(folder, sql, role="data_engineer"):
    """Its rows; numbers with a point as text, so that cents stay cents."""
    status, text = call(folder, role, "POST", "/query", {"sql": sql})
    if status != 200:
        fail(f"the API refused a query: {text}: {sql}")
    return json.loads(text, parse_float=str)["rows"]


# ---- the summary ----

bad_lines = 0


def head(text, *columns):
    print(f"\n\033[1m{text}\033[0m" if TERMINAL else f"\n{text}", *columns, flush=True)


def verdict(good, right="equal", wrong="DIFFERENT"):
    global bad_lines
    bad_lines += not good
    return right if good else wrong


def number(text):
    value = Decimal(str(text))
    return f"{value:,.2f}" if "." in str(text) else f"{int(value):,}"


def shop_summary(folder):
    rows = [l.rstrip("\n").split("\t") for l in open(f"{folder}/../shop.tsv", encoding="utf-8")]
    source, there = sum(int(r[1]) for r in rows), sum(int(r[2]) for r in rows)
    lake = os.path.realpath(f"{folder}/../lake")
    files = sum(name.endswith(".parquet") for _, _, names in os.walk(lake) for name in names)
    head("The shop: one pipeline, by snapshot and through live changes")
    print(f"  {source:,} rows of {len(rows)} tables at the source, {there:,} in the warehouse, row by row:",
          verdict(all(r[3] == "equal" for r in rows) and source == there))
    print(f"  warehouse {near(folder + '/../warehouse.duckdb')}, lake {near(lake)}: "
          f"{files} Parquet files")


FACTS = (
    ("fact_orders", ("rows", "gross amount", "net amount"), "count(*), sum(gross_amount), sum(net_amount)"),
    ("fact_order_items", ("rows", "quantity", "amount"), "count(*), sum(quantity), sum(item_amount)"),
    ("fact_payments", ("rows", "amount"), "count(*), sum(payment_amount)"),
    ("fact_productions", ("rows", "orders"), "count(*), count(DISTINCT order_key)"),
)


def facts_summary(folder):
    source = {}
    with open(f"{folder}/source.tsv", encoding="utf-8") as sums:
        for row in sums:
            name, *values = row.rstrip("\n").split("\t")
            source[name] = values
    head(f"The company: facts against sums at the source{'source':>20}{'warehouse':>18}")
    for name, names, sql in FACTS:
        cast = ", ".join(f"CAST({e} AS VARCHAR)" for e in re.findall(r"\w+\((?:DISTINCT )?[\w*]+\)", sql))
        there = query(folder, f"SELECT {cast} FROM dw.{name}")[0]
        for what, a, b in zip(names, source[name], there):
            print(f"  {name:18} {what:22}{number(a):>21}{number(b):>18}  {verdict(Decimal(a) == Decimal(b))}")
    test = query(folder, """SELECT (SELECT count(*) FROM ods.t_sales_order WHERE is_nzd_test),
        (SELECT count(*) FROM ods.t_sales_trade WHERE is_nzd_test),
        (SELECT count(*) FROM dw.fact_orders f JOIN ods.t_sales_order o ON o.order_id = f.order_id WHERE o.is_nzd_test),
        (SELECT count(*) FROM dw.fact_payments f JOIN ods.t_sales_trade t ON t.trade_no = f.trade_no
         WHERE t.is_nzd_test)""")[0]
    for what, at_source, marked, kept in (("orders", source["nzd"][0], test[0], test[2]),
                                          ("payments", source["nzd"][1], test[1], test[3])):
        print(f"  test {what} in NZD: {int(at_source):,} at the source, {marked:,} marked in ods, {kept} in facts:",
              verdict(int(at_source) == marked and kept == 0, "excluded", "NOT EXCLUDED"))
    passed, failed = query(folder, """SELECT count(*) FILTER (passed), count(*) FILTER (NOT passed)
        FROM dw.quality_results WHERE severity = 'error'""")[0]
    print(f"  checks of the jobs: {passed} passed, {failed} failed:", verdict(failed == 0, "good", "BAD"))


# What a fact is made of, and when its source committed that; the blueprint's schedules of section 5.
AGES = (
    ("fact_orders", "ods.t_sales_order", "order_id", "every 15 minutes", 15 * 60),
    ("fact_payments", "ods.t_sales_trade", "trade_no", "every 15 minutes", 15 * 60),
    ("fact_productions", "ods.t_production", "production_id", "hourly", 3600),
)


def freshness_summary(folder):
    with open(f"{folder}/lags.json", encoding="utf-8") as lags, open(f"{folder}/captured", encoding="utf-8") as at:
        lags, begun = json.load(lags), float(at.readline())
    head("Freshness, while orders came in                    longest     target")
    for name, lag in lags["feeds"].items():
        print(f"  {name:18} source to warehouse     {lag:>10.1f} s     15 min  "
              f"{verdict(lag < STREAM_TARGET, 'fresh', 'STALE')}")
    lag = lags["feeds"]["salespayment_feed"] + lags["scored"]
    print(f"  fraud_scores       payment to score        {lag:>10.1f} s        5 s  {'fresh' if lag < 5 else 'late'}")
    for fact, table, key, schedule, target in AGES:
        age = query(folder, f"""SELECT max(epoch(f.etl_loaded_at) - epoch(s._commit_time)) FROM dw.{fact} f
            JOIN {table} s ON s.{key} = f.{key} WHERE epoch(s._commit_time) >= {begun}""")[0][0]
        age = float(age) if age is not None else float("inf")
        print(f"  {fact:18} commit to fact          {age:>10.1f} s  {target // 60:>5} min  "
              f"{verdict(age < target, 'fresh', 'STALE')} (on demand here; else {schedule})")
    age = query(folder, "SELECT epoch(now()) - epoch(max(etl_loaded_at)) FROM dw.dim_customer")[0][0]
    print(f"  {'dim_customer':18} since its last run      {float(age):>10.1f} s       4 h  "
          f"{verdict(float(age) < BATCH_TARGET, 'fresh', 'STALE')} (on demand here; else daily)")


def models_summary():
    head("Models, on the newest part, which they did not learn from       AUC   PR-AUC  precision")
    for model in ("fraud", "churn"):
        shown = json.loads(dripline("model", "show", model, "--format", "json") or "{}")
        version = next((v for v in shown.get("versions", []) if v["stage"] == "Production"), None)
        if version is None:
            print(f"  {model}: {verdict(False, wrong='NO VERSION IN PRODUCTION')}")
            continue
        held = version["metrics"]["hold_out"]
        rows = [(f"{model} v{version['version']} ({version['component']})", held)]
        rows += [(f"  baseline {b['name']}", b["hold_out"]) for b in version["metrics"].get("baselines", [])]
        for name, m in rows:
            auc, pr, precision = (m.get(k) for k in ("auc", "pr_auc", "precision_at_k"))
            print(f"  {name:54}", *("      -" if v is None else f"{float(v):7.3f}" for v in (auc, pr, precision)),
                  f" at {held['k']}" if m is held else "")
        best = max((b["hold_out"]["auc"] or 0 for b in version["metrics"].get("baselines", [])), default=0)
        print(f"    {held['rows']:,} rows, {held['positives']:,} of them positive:",
              "nothing to measure with at this scale" if held["auc"] is None
              else "as good as its best baseline, or better" if held["auc"] >= best
              else f"{best - held['auc']:.3f} of AUC below its best baseline")


QUESTION = ("SELECT user_no, phone_hash, segment FROM dw.dim_customer "
            "WHERE is_current AND phone_hash IS NOT NULL ORDER BY user_no LIMIT 1")


def roles_summary(folder):
    head("One question, by role")
    print(f"  {QUESTION}")
    seen = {role: query(folder, QUESTION, role)[0] for role in ("analyst", "data_engineer")}
    for role, row in seen.items():
        print(f"  {role:14} {row[0]}  {row[1]}  {row[2]}")
    masked = seen["analyst"][1].startswith("***") and not seen["data_engineer"][1].startswith("***")
    print("  masked for the one, not for the other:", verdict(masked, "good", "BAD"))
    status, text = call(folder, "analyst", "POST", "/query", {"sql": "SELECT * FROM read_csv('/etc/passwd')"})
    print(f"  a query of a file: {json.loads(text).get('detail', '')} ({status}):",
          verdict(status == 403, "refused", "LET THROUGH"))
    most, unusual, trade, score = query(folder, """SELECT count(*), count(*) FILTER (fraud_anomaly),
        max_by(trade_no, fraud_score), max(fraud_score) FROM ml.fraud_scores WHERE fraud_score IS NOT NULL""")[0]
    print(f"  scored as they arrived: {most:,} payments, {unusual} of them unusual; the most, {trade}, with {score}:",
          verdict(most > 0, "good", "BAD"))
    score = call(folder, "data_engineer", "POST", "/ml/fraud", {
        "amount": 480.0, "amount_ratio": 60, "local_hour": 4, "failed": 0, "refund": 0, "device_payments_1h": 9})
    print(f"  POST /ml/fraud  {score[1]}", verdict(score[0] == 200, "", f"FAILED ({score[0]})"))
    user = query(folder, "SELECT user_no FROM dw.dim_customer WHERE is_current AND churn_risk_score IS NOT NULL LIMIT 1")
    if user:
        churn = call(folder, "analyst", "GET", f"/ml/churn/{user[0][0]}")
        print(f"  GET /ml/churn/{user[0][0]}  {churn[1]}", verdict(churn[0] == 200, "", f"FAILED ({churn[0]})"))
    audit = dripline("audit", "verify")
    print("  audit:", audit.splitlines()[0] if audit else verdict(False, wrong="BROKEN"))


# ---- lineage ----


def edges_from(column):
    """Edges downstream of a column, as (from, to, how), without the names of systems."""
    text, down, found = dripline("lineage", column) or "", False, []
    for row in text.splitlines():
        down = down or row.startswith("goes to")
        match = re.match(r"\s+(\S+ )?(\S+) -> (\S+ )?(\S+)\s+\((\w+), (pipeline \w+), (stage \w+)", row)
        if down and match and match[5] != "influence":
            found.append((match[2], match[4], f"{match[5]}, {match[6]}, {match[7]}"))
    return found


def path(edges, first, last):
    """The shortest way, as edges; empty where there is none."""
    came, todo = {first: None}, [first]
    while todo and last not in came:
        at = todo.pop(0)
        for edge in edges:
            if edge[0] == at and edge[1] not in came:
                came[edge[1]] = edge
                todo.append(edge[1])
    way = []
    while came.get(last) is not None:
        way.insert(0, came[last])
        last = came[last][0]
    return way


def lineage_summary():
    column = "luckyus_salespayment.t_sales_trade_m_" + time.strftime("%Y%m") + ".trade_amount"
    edges = edges_from(column)
    for title, last, end in ((f"Lineage: from {column} to a feature of the model", "model.fraud.amount", None),
                             ("and to a field of the API", "ml.fraud_scores.fraud_score",
                              "GET /ml/fraud/{trade_no}: risk_score")):
        way = path(edges, column, last)
        head(title)
        for _, to, how in way:
            print(f"  -> {to}  ({how})")
        if not way or end:
            print(f"  -> {end}" if way else "  no way there is known")
    print(f"  all {len({e[1] for e in edges})} columns that it reaches: dripline lineage {column}")


def where_summary(folder):
    state = near(os.environ["DRIPLINE_STATE"])
    head("Where it is")
    print(f"  console    http://127.0.0.1:{os.environ['COMPANY_CONSOLE_PORT']}/")
    print(f"  API        http://127.0.0.1:{os.environ['COMPANY_API_PORT']}/openapi.json")
    print(f"  warehouse  {near(os.environ['COMPANY_WAREHOUSE'])}, "
          f"lake {near(os.environ['COMPANY_LAKE'])}, state {state}")
    if os.environ.get("KEEP") != "1":
        print("  (the daemon ends now; make demo KEEP=1 leaves it running)")
        print(f"  still to ask: {near(DRIPLINE)} model list --state {state}")
        return
    for role in ("analyst", "data_engineer"):
        with open(f"{folder}/{role}.key", encoding="utf-8") as key:
            print(f"  key        {role}: {key.read().strip()}  (for the console's page Query)")
    print(f"  to try     {near(DRIPLINE)} status --state {state}")
    print(f"             curl -H \"Authorization: Bearer $(cat {near(folder)}/analyst.key)\" "
          f"http://127.0.0.1:{os.environ['COMPANY_API_PORT']}/analytics/dashboard")


def console_answers():
    try:
        page = urllib.request.Request(f"http://127.0.0.1:{os.environ['COMPANY_CONSOLE_PORT']}/",
                                      headers={"Accept-Encoding": "gzip"})
        with urllib.request.urlopen(page, timeout=20) as answer:
            return answer.status == 200
    except OSError:
        return False


def summary(folder):
    shop_summary(folder)
    facts_summary(folder)
    freshness_summary(folder)
    models_summary()
    roles_summary(folder)
    lineage_summary()
    where_summary(folder)
    if not console_answers():
        print("  the console does not answer:", verdict(False, wrong="BAD"))
    head("All of it is as it must be" if bad_lines == 0 else f"{bad_lines} lines are NOT as they must be")
    return 1 if bad_lines else 0


def main():
    command, folder, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
    if command == "capture":
        capture(folder, rest)
    elif command == "jobs":
        jobs(folder, rest)
    elif command == "scored":
        line(f"  features of all payments after {scored(folder):.1f} s")
    elif command == "mark":
        mark(folder, rest)
    elif command == "live":
        live(folder, int(rest[0]), rest[1:])
    else:
        sys.exit(summary(folder))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
