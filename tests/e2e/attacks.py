#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The API under attack: SQL that would get around the guard, requests that can be read in two ways,
slow clients, greedy ones. Every answer is held against the OpenAPI document, and every status of
every path that the document names is provoked, but 500.

attacks.py, with DRIPLINE, DUCKSQL and DRIPLINE_PLUGIN_PATH in the environment. Prints TAP.
"""

import concurrent.futures
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import jsonschema

import api
from api import check, raw, wait_for

CONFIG = api.CONFIG.replace("rate: 50", "rate: 200").replace("commit:", "schedule: {{cron: \"0 0 1 1 *\"}}\ncommit:").replace(
    "  dba: {{", """  stuck:
    routes: [dashboard, churn, fraud]
    grants: [{{tables: "*", filter: "(SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 8) = 0"}}]
  dba: {{""")
# What only the guard keeps from whoever asks, and what an answer must never hold.
SECRETS = ("sesame", "+1212555", "root:", "drip_role_analyst__named\":")
NOT_SELECT = """COPY dw.fact_orders TO '{dir}/x.csv'|COPY (SELECT 1) TO '{dir}/x.csv'|ATTACH '{dir}/x.db'|DETACH w|USE w|LOAD httpfs
INSTALL httpfs|EXPORT DATABASE '{dir}/x'|CHECKPOINT|VACUUM|BEGIN|COMMIT|SET enable_external_access = true|PRAGMA database_list
CALL pragma_version()|PREPARE a AS SELECT 1|EXECUTE a|EXPLAIN SELECT 1|EXPLAIN ANALYZE SELECT * FROM dw.secret
CREATE TEMP TABLE q AS SELECT 1|CREATE MACRO f() AS 1|CREATE OR REPLACE VIEW dw.fact_orders AS SELECT 1|TRUNCATE dw.fact_orders
INSERT INTO dw.fact_orders VALUES (1)|UPDATE dw.fact_orders SET net_amount = 0|DELETE FROM dw.fact_orders|SELECT 1; SELECT 2
SHOW TABLES|DESCRIBE dw.dim_customer|SUMMARIZE dw.secret|FROM (SHOW ALL TABLES)|FROM (DESCRIBE dw.secret)|SELECT 1; COMMIT; DELETE FROM dw.secret
MERGE INTO dw.fact_orders USING dw.secret ON true WHEN MATCHED THEN DELETE|PIVOT dw.dim_customer ON segment USING count(*)
SELECT 1) AS q; DROP TABLE dw.fact_orders; --|SELECT 1) AS q LIMIT 1) --|SELECT * FROM dw.dim_customer AT (VERSION => 1)"""
FUNCTIONS = """FROM read_csv('/etc/passwd')|FROM read_csv_auto('/etc/passwd')|FROM read_text('/etc/passwd')|FROM read_blob('/etc/passwd')
FROM read_parquet('{dir}/*')|FROM read_json('/etc/passwd')|FROM glob('/etc/*')|FROM sniff_csv('/etc/passwd')|FROM query('FROM dw.secret')
FROM query_table('dw.secret')|FROM query_table(['dw.secret'])|FROM duckdb_tables()|FROM duckdb_settings()|FROM duckdb_secrets()
FROM pragma_table_info('dw.secret')|FROM json_execute_serialized_sql('{}')|FROM seq_scan('dw.secret')|FROM sqlite_scan('/etc/passwd', 'x')
FROM test_all_types()|FROM sql_auto_complete('SEL')|SELECT getenv('HOME')|SELECT current_setting('threads')|SELECT pg_sleep(10)
SELECT version()|SELECT main.getenv('HOME')|SELECT system.main.getenv('HOME')|SELECT nextval('s')|SELECT write_log('x')
SELECT list_transform([1], lambda x: getenv('HOME'))|SELECT [getenv(x) FOR x IN ['HOME']]|SELECT bar(1, 0, 10, 1000000000)
SELECT COLUMNS(c -> getenv('HOME') IS NOT NULL) FROM dw.dim_customer|SELECT * REPLACE (getenv('HOME') AS phone) FROM dw.dim_customer
SELECT error(concat('x', phone)) FROM dw.dim_customer|SELECT repeat('x', 10000000000)|SELECT lpad('x', 2000000000, 'y')
SELECT format('{{:2000000000}}', 1)|SELECT printf('%2000000000d', 1)|SELECT list_resize([1], 10000000000)|SELECT unnest(range(1000000000))
SELECT bitstring('1', 2000000000)|SELECT current_database()|SELECT 1::w.dw.mytype|SELECT 'dw.secret'::regclass
SELECT first(1 ORDER BY getenv('HOME'))|SELECT max(order_key) FILTER (WHERE getenv('HOME') = 'x') FROM dw.fact_orders"""
TABLES = """FROM information_schema.tables|FROM pg_catalog.pg_tables|FROM sqlite_master|FROM duckdb_columns|FROM system.main.duckdb_tables
FROM '/etc/passwd'|FROM "/etc/passwd"|FROM w.dw.dim_customer|FROM "W".DW.dim_customer|FROM drip_role_clerk.dw.fact_orders|TABLE dw.secret
SELECT (SELECT word FROM dw.secret)|SELECT 1 FROM dw.fact_orders UNION ALL SELECT word FROM dw.secret|VALUES ((SELECT word FROM dw.secret))|SELECT list_aggregate(['a'], 'getenv')
WITH secret AS (SELECT 1) SELECT * FROM dw.secret|WITH secret AS (SELECT * FROM secret) SELECT * FROM secret
WITH a AS MATERIALIZED (FROM dw.secret) SELECT 1|WITH RECURSIVE a AS (SELECT 'x' UNION ALL SELECT word FROM dw.secret) FROM a
WITH "dw.secret" AS (SELECT 1) FROM "dw.secret"|SELECT 1 FROM dw.fact_orders ORDER BY (SELECT word FROM dw.secret)
SELECT 1 FROM dw.fact_orders LIMIT (SELECT 1 FROM dw.secret)|SELECT max(order_key ORDER BY (SELECT word FROM dw.secret)) FROM dw.fact_orders
SELECT 1 FROM dw.fact_orders WHERE order_key IN (FROM dw.secret)|SELECT ARRAY(SELECT word FROM dw.secret)|FROM dw./**/secret
FROM "dw"."SECRET"|FROM dw.fact_orders, LATERAL (FROM dw.secret)|FROM dw.fact_orders POSITIONAL JOIN dw.secret|FROM range((SELECT 1 FROM dw.secret))
SELECT sum(net_amount) OVER (ROWS BETWEEN (SELECT 1 FROM dw.secret) PRECEDING AND CURRENT ROW) FROM dw.fact_orders
SELECT now() AT TIME ZONE (SELECT word FROM dw.secret)|SELECT list_transform([1], x -> (SELECT word FROM dw.secret))"""
MASKED = """SELECT phone FROM dw.dim_customer|SELECT dim_customer FROM dw.dim_customer|SELECT COLUMNS('.*') FROM dw.dim_customer
SELECT phone FROM dw.dim_customer WHERE phone LIKE '+1212%' OR true|SELECT to_json(dim_customer) FROM dw.dim_customer
SELECT max(phone), list(phone) FROM dw.dim_customer|SELECT phone FROM dw.dim_customer a JOIN dw.dim_customer b USING (user_no, phone)
SELECT phone::INTEGER FROM dw.dim_customer|SELECT strptime(phone, '%d') FROM dw.dim_customer|FROM dw.dim_customer TABLESAMPLE 10%
SELECT rowid FROM dw.dim_customer|SELECT w.dw.dim_customer.phone FROM dw.dim_customer"""
GREEDY = """SELECT list(range) FROM range(1000000000)|SELECT length(string_agg('xxxxxxxxxxxxxxxxxxx', '')) FROM range(100000000)"""
ENDLESS = """SELECT sum(range) FROM range(100000000000)|WITH RECURSIVE a AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM a) SELECT count(*) FROM a"""


class Client(api.Client):
    """Holds each answer of a documented route against the document."""
    document, seen = None, set()

    def ask(self, method, path, body=None, headers=None, key=None):
        status, answer = super().ask(method, path, body, headers, key)
        route = re.sub("^/ml/churn/.*", "/ml/churn/{user_no}", re.sub("^/ml/fraud/.*", "/ml/fraud/{trade_no}", path.split("?")[0]))
        operation = (self.document or {}).get("paths", {}).get(route, {}).get(method.lower())
        if operation is not None:
            self.seen.add((method.lower(), route, str(status)))
            said = operation["responses"].get(str(status))
            if said is None:
                check(False, "%s %s answers %d, which the document does not name" % (method, route, status), answer)
            else:
                self.hold(said, answer)
        return status, answer

    def hold(self, said, answer):
        said = self.document["components"]["responses"][said["$ref"].split("/")[-1]] if "$ref" in said else said
        schema = dict(next(iter(said["content"].values()))["schema"], components=self.document["components"])
        try:
            jsonschema.validate(answer, schema)
        except jsonschema.ValidationError as error:
            check(False, "an answer is as the document says", str(error).split("\n", maxsplit=1)[0])


def listed(text, folder):
    return [sql.replace("{dir}", folder) for line in text.splitlines() for sql in line.split("|")]


def test_sql(d, bob):
    leaks, wrong = [], []
    for text, codes in ((NOT_SELECT, None), (FUNCTIONS, ("guard.function", "guard.type")), (TABLES, ("guard.table", "guard.syntax")),
                        (MASKED, None), (GREEDY, ("guard.out_of_memory", "guard.timeout")), (ENDLESS, ("guard.timeout",))):
        for sql in listed(text, d.folder):
            status, a = bob.query(sql)
            if any(secret in str(a) for secret in SECRETS):
                leaks.append((sql, a))
            if (status == 200 and text is not MASKED) or status >= 505 or status == 500 or (codes and a.get("code") not in codes):
                wrong.append((sql, status, a))
    check(not leaks, "no answer holds what the role may not see", leaks)
    check(not wrong, "what would get around the guard is refused", wrong)
    status, a = bob.query("SELECT count(*) FROM dw.fact_orders")
    check(status == 200 and a["rows"] == [[100]], "the warehouse is as it was", a)
    check(not [name for name in os.listdir(d.folder) if name.startswith("x")], "no file was written", os.listdir(d.folder))
    for what, sql in (("parentheses", "SELECT " + "(" * 20000 + "1" + ")" * 20000), ("operators", "SELECT 1" + "+1" * 20000),
                      ("subqueries", "SELECT " + "(SELECT " * 5000 + "1" + ")" * 5000), ("cases", "SELECT " + "CASE WHEN " * 4000)):
        status, a = bob.query(sql)
        check(status in (200, 403, 422) and bob.query("SELECT 1")[0] == 200, "thousands of " + what, a)
    status, a = bob.query("SELECT 'ａ' AS \"ünï\", '\u202e' AS rtl, '\U0001f600' AS s")
    check(status == 200 and a["rows"] == [["ａ", "\u202e", "\U0001f600"]], "text of other scripts", a)


def test_heads(d, bob):
    """Requests that a proxy in front would read otherwise, and such as end early."""
    key = b"Authorization: Bearer " + bob.key.encode() + b"\r\n"
    post = b"POST /query HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + key
    body = b'{"sql":"SELECT 1"}'
    chunks = b"\r\n12\r\n" + body + b"\r\n0\r\n\r\n"
    get = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n"
    for what, data, want in (
            ("two lengths", post + b"Content-Length: 18\r\nContent-Length: 4\r\n\r\n" + body, b"400"),
            ("a length and chunks", post + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n" + chunks + get + b"\r\n", b"400"),
            ("a coding that is not chunked", post + b"Transfer-Encoding: gzip, chunked\r\n" + chunks, b"400"),
            ("two codings", post + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n" + chunks, b"400"),
            ("a name with a space", post + b"Content-Length : 18\r\n\r\n" + body, b"400"),
            ("a negative length", post + b"Content-Length: -1\r\n\r\n", b"400"),
            ("a signed length", post + b"Content-Length: +18\r\n\r\n" + body, b"400"),
            ("a length of 23 digits", post + b"Content-Length: 99999999999999999999999\r\n\r\n", b"413"),
            ("a chunk of 17 digits", post + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n", b"413"),
            ("chunks that are too large", post + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" +
             (b"8000\r\n" + b"x" * 32768 + b"\r\n") * 5 + b"0\r\n\r\n", b"413"),
            ("chunks", post + b"Connection: close\r\nTransfer-Encoding: chunked\r\n" + chunks, b"200"),
            ("a key among the trailers", post.replace(key, b"") + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n12\r\n" + body +
             b"\r\n0\r\n" + key + b"\r\n", b"401"),
            ("two keys", get.replace(b"/openapi.json", b"/ml/churn/U1") + b"Authorization: Bearer x\r\n" + key + b"\r\n", b"400"),
            ("two hosts", get + b"Host: y\r\n\r\n", b"400"), ("no host", b"GET /openapi.json HTTP/1.1\r\n\r\n", b"400"),
            ("5,000 headers", get + b"X-Y: z\r\n" * 5000 + b"\r\n", b"431"), ("a header of 100 KB", get + b"X: " + b"y" * 100000 + b"\r\n\r\n", b"431"),
            ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"505"), ("another's content type", post.replace(b"json", b"jsonp") +
                                                                      b"Connection: close\r\nContent-Length: 18\r\n\r\n" + body, b"415")):
        got = raw(d.port, data)
        check(got.startswith(b"HTTP/1.1 " + want) and b" 200 OK" not in got[12:], "a request with " + what, got[:200])
    check(b'"code":"http.bad_head"' in raw(d.port, get + b"Host: y\r\n\r\n"), "and is told why")
    for path, want in (("/../../etc/passwd", 404), ("/%2e%2e/%2e%2e/etc/passwd", 404), ("//query", 404), ("/query%00", 404), ("/QUERY", 404),
                       ("/openapi.json/../query", 404), ("/ml/churn/U1%00x", 400), ("/ml/churn/U1%2fx", 400), ("/ml/churn/", 400),
                       ("/ml/churn/%F0%9F%98%80", 400), ("/analytics/dashboard?days=2%00x", 400), ("/analytics/dashboard?days=-1", 400),
                       ("/analytics/dashboard?days=99999999999999999999", 400), ("/analytics/dashboard?days=2e1", 400)):
        status, a = bob.ask("GET", path)
        check(status == want and "passwd" not in str(a), "GET " + path, (status, a))
    status, a = api.Client(d.port).ask("GET", "/ml/churn/U1?access_token=" + bob.key)
    check(status == 401, "a key in the URL is none", a)


def closed_by_server(port, client_port):
    """Whether no connection is left, as the kernel sees it: one that is full cannot say so itself."""
    ends = {"%04X" % port, "%04X" % client_port}
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table][1:]
    return not any({r[1].split(":")[1], r[2].split(":")[1]} == ends and r[3] == "01" and r[1].endswith("%04X" % port) for r in rows)


def test_slow(d, bob):
    s = socket.create_connection(("127.0.0.1", d.port))
    s.settimeout(0.05)  # paces the sender: a byte, then a look whether the server has had enough
    sent = 0
    try:
        for byte in b"POST /query HTTP/1.1\r\nHost: x\r\n" + b"X" * 100000:
            s.send(bytes([byte]))
            sent += 1
            try:
                if not s.recv(1):
                    break
            except socket.timeout:
                pass
    except OSError:
        pass
    s.close()
    check(sent < 1000, "a head that trickles is cut off", sent)
    body = b'{"sql":"SELECT \'%s\' AS s FROM range(10000)"}' % (b"x" * 700)
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", d.port))
    mine = s.getsockname()[1]
    s.sendall(b"POST /query HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + bob.key.encode() +
              b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
    head = s.recv(12)
    check(head == b"HTTP/1.1 200", "an answer of 7 MB begins", head)
    check(wait_for("the end of a reader that does not read", lambda: closed_by_server(d.port, mine)), "who does not take it is cut off")
    s.close()
    status, a = bob.query("SELECT 1")
    check(status == 200, "others are answered", a)


def test_statuses(d, clients):
    """What is left of the document's statuses."""
    bob, dba, stuck, nobody = clients
    posts, gets = ("/query", "/ml/fraud"), ("/ml/churn/U1", "/ml/fraud/TP1", "/analytics/dashboard")
    status, a = bob.ask("POST", "/ml/fraud", {"amount": 1})
    check(status == 503 and a["code"] == "api.no_model", "no model yet", a)
    d.cli("trigger", "train")
    check(wait_for("a model", lambda: bob.ask("POST", "/ml/fraud", {"amount": 1})[0] == 200), "a model")
    for path in posts + gets + ("/openapi.json",):
        method = "POST" if path in posts else "GET"
        bob.ask(method, path, None, {"Transfer-Encoding": "gzip"})
        bob.ask(method, path, b"x" * 200000, {"Content-Type": "application/json"})
        bob.ask(method, path, {"sql": "SELECT 1 AS x"} if method == "POST" else None)
        if path != "/openapi.json":
            nobody.ask(method, path, {} if method == "POST" else None)
            dba.ask(method, path, {} if method == "POST" else None)
    for path in posts:
        bob.ask("POST", path, b"{", {"Content-Type": "application/json"})
        bob.ask("POST", path, b"{}", {"Content-Type": "text/plain"})
    bob.ask("POST", "/ml/fraud", {"colour": 1})
    bob.query("SELEC")
    bob.query("FROM dw.secret")
    bob.ask("GET", "/ml/churn/none")
    bob.ask("GET", "/ml/churn/%20")
    bob.ask("GET", "/ml/fraud/none")
    bob.ask("GET", "/ml/fraud/%20")
    bob.ask("GET", "/analytics/dashboard?days=0")
    for path in gets:
        status, a = stuck.ask("GET", path)
        check(status == 504 and a["code"] == "guard.timeout", "a slow view ends in time: " + path, (status, a))
    bob.query(listed(ENDLESS, "")[0])


def test_crowd(d):
    """More than wait at once are told so; more than a key may ask, too."""
    crowd = Client(d.port, d.key("analyst", "crowd"))
    asks = (("POST", "/query", {"sql": listed(ENDLESS, "")[0]}), ("GET", "/ml/churn/U1", None), ("GET", "/ml/fraud/TP1", None),
            ("GET", "/analytics/dashboard", None))
    with concurrent.futures.ThreadPoolExecutor(60) as pool:
        first = [pool.submit(crowd.ask, *asks[0]) for _ in range(50)]
        rest = [pool.submit(crowd.ask, *asks[i % 4]) for i in range(40)]
        codes = {answer.get("code") for _, answer in (f.result() for f in first + rest)}
    check("http.busy" in codes, "a crowd is told that it is one", codes)
    greedy = Client(d.port, d.key("analyst", "greedy"))
    for method, path, body in asks + (("POST", "/ml/fraud", {"amount": 1}),):
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda i: greedy.ask("POST", "/ml/fraud", {"amount": 1}), range(500)))
        check(wait_for("429 of " + path, lambda: greedy.ask(method, path, {"sql": "SELECT 1"} if path == "/query" else body)[0] == 429 or
                       any(greedy.ask("POST", "/ml/fraud", {"amount": 1})[0] == 0 for _ in range(50))), "too many requests: " + path)


def test_escalation(d):
    """A name that is privileged in one role is not in another, and no header makes a role."""
    clerk = Client(d.port, d.key("clerk", "alice"))
    status, a = clerk.query("SELECT phone FROM dw.dim_customer")
    check(status == 403, "alice as a clerk is a clerk", a)
    for headers in ({"X-Role": "analyst"}, {"X-Forwarded-User": "alice"}, {"Role": "dba"}, {"X-Original-URL": "/openapi.json"}):
        status, a = clerk.ask("POST", "/query", {"sql": "SELECT phone FROM dw.dim_customer"}, headers)
        check(status == 403, "a header makes no role: %s" % headers, a)
    status, a = clerk.ask("POST", "/query", {"sql": "SELECT 1", "role": "analyst"})
    check(status == 400, "nor does a member of the body", a)
    d.cli("key", "create", "--role", "analyst__named", "--name", "x", status=2)


def main():
    folder = tempfile.mkdtemp(prefix="drip-attacks.")
    subprocess.run([api.DUCKSQL, "--execute", folder + "/w.db", api.SQL], check=True)
    d = api.Daemon(folder, config=CONFIG)
    Client.document = api.Client(d.port).ask("GET", "/openapi.json")[1]
    bob, dba, stuck = (Client(d.port, d.key(*who)) for who in (("analyst", "bob"), ("dba", "dan"), ("stuck", "sam")))
    test_statuses(d, (bob, dba, stuck, Client(d.port, "drip_00000000_" + "A" * 43)))
    test_sql(d, bob)
    test_heads(d, bob)
    test_slow(d, bob)
    test_escalation(d)
    test_crowd(d)
    named = {(method, path, status) for path, item in Client.document["paths"].items() for method, operation in item.items()
             for status in operation["responses"] if status != "500"}
    check(named <= Client.seen, "every status of every path was provoked", sorted(named - Client.seen))
    check("records are as they were written" in d.cli("audit", "verify"), "the audit holds")
    check(not any(secret in d.text() for secret in ("sesame", bob.key)), "no secret in the log")
    d.stop()
    print("1..%d" % api.number)
    if api.failures == 0:
        shutil.rmtree(folder)
    else:
        print("# kept " + folder)
    return 1 if api.failures else 0


if __name__ == "__main__":
    sys.exit(main())
