#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The API against a running daemon: roles, keys, audit, limits, TLS, and answers held against the OpenAPI document.

api.py, with DRIPLINE, DUCKSQL and DRIPLINE_PLUGIN_PATH in the environment. Prints TAP.
"""

import concurrent.futures
import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time

import jsonschema

DRIPLINE, DUCKSQL = os.environ["DRIPLINE"], os.environ["DUCKSQL"]
SQL = """CREATE SCHEMA dw;
CREATE TABLE dw.fact_orders AS SELECT x AS order_key, x % 3 AS store_key, x % 2 AS channel_key, x % 7 AS customer_key,
  (1 + x)::DECIMAL(12,2) AS net_amount, false AS is_nzd_test, TIMESTAMPTZ '2026-01-01' + to_hours(x::INT) AS ordered_at,
  'unknown' AS not_declared FROM range(100) t(x);
CREATE TABLE dw.dim_store AS SELECT x AS store_key, 'Store ' || x AS store_name FROM range(3) t(x);
CREATE TABLE dw.dim_channel AS SELECT x AS channel_key, 'Channel ' || x AS channel_name FROM range(2) t(x);
CREATE TABLE dw.dim_customer AS SELECT x AS customer_key, 'U' || x AS user_no, '+1212555' || (1000 + x) AS phone,
  (x * 10)::DECIMAL(5,2) AS churn_risk_score, 'Growth' AS segment, DATE '2026-01-02' AS last_order_date,
  x::INT AS total_orders, true AS is_current FROM range(7) t(x);
CREATE SCHEMA ml;
CREATE TABLE ml.fraud_scores AS SELECT 'TP1' AS trade_no, 0.75 AS fraud_score, true AS fraud_anomaly, 2::BIGINT AS fraud_version,
  TIMESTAMPTZ '2026-01-01 12:00:00+00' AS tried_at UNION ALL SELECT 'TP2', NULL, NULL, NULL, NULL;
CREATE TABLE dw.secret AS SELECT 'sesame' AS word;"""
CONFIG = """settings: {{state: {dir}/state}}
connections:
  dwh: {{plugin: duckdb, path: {dir}/w.db, external_access: false}}
models:
  fraud: {{plugin: isolation-forest, features: [amount, hour, method]}}
services:
  api: {{plugin: api, listen: "127.0.0.1:0", warehouse: dwh, request_timeout: 1s, query_timeout: 300ms, rate: 50{tls}}}
tables:
  dw.fact_orders:
    columns:
      - {{name: order_key, type: int64, key: true}}
      - {{name: store_key, type: int64}}
      - {{name: channel_key, type: int64}}
      - {{name: customer_key, type: int64}}
      - {{name: net_amount, type: "decimal(12,2)"}}
      - {{name: is_nzd_test, type: bool}}
      - {{name: ordered_at, type: timestamp_utc}}
  dw.dim_store: {{columns: [{{name: store_key, type: int64}}, {{name: store_name, type: utf8}}]}}
  dw.dim_channel: {{columns: [{{name: channel_key, type: int64}}, {{name: channel_name, type: utf8}}]}}
  dw.dim_customer:
    columns:
      - {{name: customer_key, type: int64}}
      - {{name: user_no, type: utf8}}
      - {{name: phone, type: utf8, class: restricted, pii: phone}}
      - {{name: churn_risk_score, type: "decimal(5,2)"}}
      - {{name: segment, type: utf8, class: public}}
      - {{name: last_order_date, type: date}}
      - {{name: total_orders, type: int32}}
      - {{name: is_current, type: bool}}
  ml.fraud_scores:
    columns:
      - {{name: trade_no, type: utf8}}
      - {{name: fraud_score, type: float64}}
      - {{name: fraud_anomaly, type: bool}}
      - {{name: fraud_version, type: int64}}
      - {{name: tried_at, type: timestamp_utc}}
roles:
  analyst:
    routes: [query, dashboard, churn, fraud]
    named: [alice]
    grants: [{{tables: ["dw.*", "ml.*"], masked: restricted}}]
  clerk:
    routes: [query, dashboard]
    grants: [{{tables: [dw.fact_orders, dw.dim_store]}}]
  dba: {{routes: [], grants: []}}
pipeline: train
source:
  plugin: generate
  rows: 2000
  columns:
    - {{name: id, kind: sequence, key: true}}
    - {{name: amount, kind: float, max: 40}}
    - {{name: hour, type: int32, max: 23}}
    - {{name: method, kind: choice, values: {{card: 9, cash: 1}}}}
commit: {{interval: 1h}}
sinks: [{{plugin: train, model: fraud, promote: true}}]
"""
failures = 0
number = 0


def check(ok, what, got=""):
    global failures, number
    number += 1
    if not ok:
        failures += 1
        print("# got: %s" % (got,))
    print("%s %d - %s" % ("ok" if ok else "not ok", number, what), flush=True)


class Daemon:
    def __init__(self, folder, tls="", config=CONFIG):
        self.folder = folder
        os.makedirs(folder + "/conf", exist_ok=True)
        with open(folder + "/conf/a.yaml", "w", encoding="utf-8") as out:
            out.write(config.format(dir=folder, tls=tls))
        self.lines, self.more = [], threading.Condition()
        self.process = subprocess.Popen([DRIPLINE, "daemon", folder + "/conf"], stderr=subprocess.STDOUT,
                                        stdout=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        with self.more:
            self.more.wait_for(lambda: self.listening() or "" in self.lines, 60)
        if not self.listening():
            print(self.text())
            sys.exit(1)
        self.port = int(self.listening().group(1))

    def read(self):
        for line in self.process.stdout:
            with self.more:
                self.lines.append(line)
                self.more.notify_all()
        with self.more:
            self.lines.append("")  # the end: whoever waits for a line looks again
            self.more.notify_all()

    def listening(self):
        return re.search(r"listening at .*port (\d+)", self.text())

    def text(self):
        return "".join(self.lines)

    def cli(self, *words, status=0):
        done = subprocess.run([DRIPLINE, *words, "--state", self.folder + "/state"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != status:
            print("# %s: %s" % (" ".join(words), done.stderr))
            sys.exit(1)
        return done.stdout

    def key(self, role, name="bob", *more):
        return self.cli("key", "create", "--role", role, "--name", name, *more).strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(60) == 0, "the daemon ends well", self.process.returncode)


class Client:
    def __init__(self, port, key=None):
        self.port, self.key = port, key

    def ask(self, method, path, body=None, headers=None, key=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        h = {"Content-Type": "application/json"} if body is not None else {}
        if key or self.key:
            h["Authorization"] = "Bearer " + (key or self.key)
        h.update(headers or {})
        c.request(method, path, json.dumps(body) if isinstance(body, (dict, list)) else body, h)
        r = c.getresponse()
        text = r.read()
        self.headers = r.headers
        c.close()
        return r.status, (json.loads(text) if text else None)

    def query(self, sql, **more):
        return self.ask("POST", "/query", dict({"sql": sql}, **more))


def wait_for(what, test):
    """Asks until it is so: each question waits for its answer, so that this is no idle loop."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if test():
            return True
    print("# waited in vain: " + what)
    return False


def holds(document, schema, answer):
    resolver = {"$ref": "#/components/schemas/" + schema, "components": document["components"]}
    try:
        jsonschema.validate(answer, resolver)
        return True
    except jsonschema.ValidationError as error:
        print("# " + str(error).split("\n", maxsplit=1)[0])
        return False


def raw(port, data, wait=True):
    """What the server sends until it closes."""
    s = socket.create_connection(("127.0.0.1", port))
    got = b""
    try:
        s.sendall(data)
        while wait:
            more = s.recv(65536)
            if not more:
                break
            got += more
    except OSError:
        pass
    s.close()
    return got


def test_answers(d, clients):
    alice, bob, clerk, dba = clients
    status, document = Client(d.port).ask("GET", "/openapi.json")
    check(status == 200 and document["openapi"] == "3.1.0", "the OpenAPI document needs no key")
    status, a = bob.query("SELECT user_no, phone FROM dw.dim_customer ORDER BY 1 LIMIT 1")
    check(status == 200 and a["rows"] == [["U0", "***1000"]] and holds(document, "QueryResult", a), "a masked query", a)
    check("Server" not in bob.headers and bob.headers["Cache-Control"] == "no-store", "headers", bob.headers)
    status, a = alice.query("SELECT phone FROM dw.dim_customer ORDER BY 1 LIMIT 1")
    check(status == 200 and a["rows"] == [["+12125551000"]], "a named person sees the value", a)
    status, a = bob.query("SELECT * FROM dw.fact_orders", limit=3)
    check(status == 200 and a["row_count"] == 3 and a["truncated"] and "not_declared" not in str(a["columns"]),
          "limits; an undeclared column is not there", a)
    status, a = bob.ask("GET", "/ml/churn/U3")
    check(status == 200 and a["churn_risk_score"] == 30 and holds(document, "Churn", a), "churn", a)
    status, a = bob.ask("GET", "/ml/churn/U99")
    check(status == 404 and a["code"] == "api.no_customer" and holds(document, "Problem", a), "no such customer", a)
    status, a = bob.ask("GET", "/ml/churn/x'%20OR%201=1")
    check(status == 400 and a["code"] == "api.bad_user_no", "no customer's number", a)
    status, a = bob.ask("GET", "/ml/churn/x'OR'1'='1")
    check(status == 404, "SQL in a customer's number is a value", a)
    status, a = bob.ask("GET", "/ml/fraud/TP1")
    check(status == 200 and a["risk_score"] == 0.75 and a["is_fraud"] and a["version"] == 2 and holds(document, "PaymentRisk", a),
          "the risk of a payment as it came", a)
    status, a = bob.ask("GET", "/ml/fraud/TP2")
    check(status == 200 and a["risk_score"] is None and holds(document, "PaymentRisk", a), "one that no version scored", a)
    status, a = bob.ask("GET", "/ml/fraud/TP9")
    check(status == 404 and a["code"] == "api.no_payment", "no such payment", a)
    status, a = bob.ask("GET", "/ml/fraud/")
    check(status == 400 and a["code"] == "api.bad_trade_no", "no payment's number", a)
    check(clerk.ask("GET", "/ml/fraud/TP1")[0] == 403 and bob.ask("POST", "/ml/fraud/TP1", {})[0] == 405, "by whom, and how")
    status, a = bob.ask("GET", "/analytics/dashboard?days=2")
    check(status == 200 and a["totals"][0]["orders"] == 49 and holds(document, "Dashboard", a), "dashboard", a)
    status, a = clerk.ask("GET", "/analytics/dashboard")
    check(status == 200 and a["revenue_by_channel"] is None and len(a["revenue_by_store"]) == 3 and
          holds(document, "Dashboard", a), "what a role may not see is null", a)
    status, a = bob.ask("GET", "/analytics/dashboard?days=0")
    check(status == 400 and a["code"] == "api.bad_days", "bad days", a)
    waits = Client(d.port, d.key("analyst", "walter"))  # with a rate of its own
    check(wait_for("a model", lambda: waits.ask("POST", "/ml/fraud", {"amount": 9})[0] == 200), "a model is trained and taken")
    status, a = bob.ask("POST", "/ml/fraud", {"amount": 9, "method": "card", "hour": None})
    check(status == 200 and 0 < a["risk_score"] < 0.6 and not a["is_fraud"] and a["version"] == 1 and
          holds(document, "FraudScore", a), "an ordinary payment", a)
    status, a = bob.ask("POST", "/ml/fraud", {"amount": 1e6, "method": "stolen", "hour": -5})
    check(status == 200 and a["is_fraud"], "an odd payment", a)
    for body in ({}, {"amount": "x"}, {"colour": 1}, {"method": 3}, {"amount": [1]}):
        status, a = bob.ask("POST", "/ml/fraud", body)
        check(status == 422 and a["code"] == "api.bad_feature" and holds(document, "Problem", a), "features %s" % body, a)
    check(clerk.ask("POST", "/ml/fraud", {"amount": 1})[0] == 403 and dba.query("SELECT 1")[0] == 403,
          "roles may call their routes only")


def fields_of(document, path):
    """The names of the fields that a route answers, those of sections too, as the document has them."""
    reference = document["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    names = set()
    for name, schema in document["components"]["schemas"][reference.rsplit("/", 1)[1]]["properties"].items():
        rows = schema["items"]["properties"] if "items" in schema else {name: schema}
        names |= set(rows)
    return names


def test_lineage(d, bob):
    """What the lineage says of a route's fields is what the document and the answers have, class by class."""
    document = Client(d.port).ask("GET", "/openapi.json")[1]
    asked = {"/ml/churn/{user_no}": "/ml/churn/U3", "/ml/fraud/{trade_no}": "/ml/fraud/TP1",
             "/analytics/dashboard": "/analytics/dashboard?days=2"}
    check(asked.keys() == {p for p, methods in document["paths"].items() if "get" in methods} - {"/openapi.json"},
          "each route that reads tables has lineage", document["paths"].keys())
    for path, url in asked.items():
        facts = json.loads(d.cli("lineage", "GET " + path, "--format", "json"))
        edges = [e for e in facts if e["to"]["name"] == "GET " + path]
        traced = {e["to"]["column"] for e in edges}
        answer = bob.ask("GET", url)[1]
        answered = {name for key, value in answer.items() for name in (value[0] if isinstance(value, list) else [key])}
        echoed = {"days"} & answered  # of the question, read from nowhere
        check(traced == answered - echoed and traced == fields_of(document, path) - echoed, "lineage, document and answer of " + path,
              (traced, answered, fields_of(document, path)))
        classes = {e["to"]["column"]: e["class"] for e in edges}
        check(all(c == ("public" if name in ("segment", "orders") else "internal") for name, c in classes.items()),
              "with the classes that are declared", classes)


def test_bad_input(d, bob, clerk):
    for body in (b"{", b"[]", b"\xff\xfe", b'{"sql": 1}', b'{"sql": "SELECT 1", "sql": "SELECT 2"}', b'{"sql":"SELECT 1","x":1}',
                 b'{"sql": "SELECT 1", "limit": -1}', b'{"sql": "SELECT 1", "limit": 1e400}', b"[" * 5000, b"", b"null"):
        status, a = bob.ask("POST", "/query", body, {"Content-Type": "application/json"})
        check(status == 400 and a["code"] == "api.bad_json", "malformed body %r" % body[:30], a)
        status, a = bob.ask("POST", "/ml/fraud", body, {"Content-Type": "application/json"})
        check(status in (400, 422), "malformed features %r" % body[:30], a)
    bob = Client(d.port, d.key("analyst", "bob"))  # with a rate of its own
    for sql, code in (("SELECT * FROM dw.secret", "guard.table"), ("SELECT 1; DROP TABLE dw.fact_orders", "guard.not_select"),
                      ("FROM read_text('/etc/passwd')", "guard.function"), ("SET search_path='dw'", "guard.not_select"),
                      ("FROM drip_role_analyst__named.dw.dim_customer", "guard.table"),
                      ("FROM \"drip_role_analyst__named\".\"dw.dim_customer\"", "guard.table"),
                      ("WITH a AS (FROM dw.secret) FROM a", "guard.table"),
                      ("FROM dw.fact_orders o, LATERAL (SELECT * FROM dw.secret)", "guard.table"),
                      ("SELECT not_declared FROM dw.fact_orders", None), ("SELECT '\0'", "guard.bad_text"),
                      ("x" * 70000, "guard.too_long"), ("SELECT 1 FROM w.dw.secret", "guard.table")):
        status, a = bob.query(sql)
        check(status in (403, 413, 422) and (code is None or a["code"] == code) and "sesame" not in str(a),
              "refused: %r" % sql[:50], a)
    status, a = clerk.query("SELECT phone FROM dw.dim_customer")
    check(status == 403 and a["code"] == "guard.table", "a view of another role", a)
    status, a = bob.query("SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range % 7 = 8")
    check(status == 504 and a["code"] == "guard.timeout", "out of time", a)
    for method, path, want in (("HEAD", "/query", 405), ("OPTIONS", "/query", 405), ("PUT", "/query", 405), ("GET", "/query", 405),
                               ("POST", "/analytics/dashboard", 405), ("GET", "/nothing", 404), ("TRACE", "/", 405),
                               ("GET", "/" + "a" * 2000, 414)):
        status, a = bob.ask(method, path, b"{}" if method == "POST" else None)
        check(status == want and "Access-Control-Allow-Origin" not in bob.headers, "%s %s" % (method, path[:20]), (status, a))
    status, a = bob.ask("POST", "/query", b"x" * 200000, {"Content-Type": "application/json"})
    check(status == 413 and a["code"] == "http.body_too_large", "an oversize body", a)
    status, a = bob.ask("POST", "/query", b"{}", {"Content-Type": "text/plain"})
    check(status == 415, "another content type", a)
    for garbage in (b"\0" * 100, b"GET\r\n\r\n", b"POST /query HTTP/9.9\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                    b"A" * 100000, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\x01\x02garbage\r\n\r\n" * 3):
        got = raw(d.port, garbage)
        check(b" 200 " not in got, "garbage %r" % garbage[:20], got[:80])
    got = raw(d.port, b"POST /query HTTP/1.1\r\nHost: x\r\nContent-Le")
    check(b"200" not in got, "a request that never ends is ended")
    got = raw(d.port, b"POST /query HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    check(b"200" not in got, "a body that never comes is ended")


def test_keys(d, bob):
    good = bob.key
    for key in ("x", "drip_00000000_" + "A" * 43, good[:-1] + ("A" if good[-1] != "A" else "B"), good + "x", good.lower(), "", "é" * 8):
        status, a = Client(d.port).ask("GET", "/ml/churn/U1", None, {"Authorization": ("Bearer " + key).encode("utf-8")})
        check(status == 401 and a["code"] == "api.unauthorized", "a wrong key", a)
    check(Client(d.port).ask("GET", "/ml/churn/U1")[0] == 401, "no key")
    short = Client(d.port, d.key("analyst", "carol", "--expires", "300ms"))
    check(wait_for("expiry", lambda: short.ask("GET", "/ml/churn/U1")[0] == 401), "a key expires")
    fresh = Client(d.port, d.key("analyst", "dave"))
    check(fresh.ask("GET", "/ml/churn/U1")[0] == 200, "a new key is taken at once")
    begun = time.monotonic()
    d.cli("key", "revoke", fresh.key.split("_")[1])
    check(wait_for("revocation", lambda: fresh.ask("GET", "/ml/churn/U1")[0] == 401), "a revoked key is refused")
    print("# revoked after %.2f s, the command included" % (time.monotonic() - begun))
    d.cli("key", "create", "--role", "nobody", "--name", "x", status=2)
    check(fresh.key not in d.text() and fresh.key not in open(d.folder + "/state/dripline.db", "rb").read().decode("latin-1"),
          "no key in log or store")
    greedy = Client(d.port, d.key("analyst", "erin"))
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda i: Client(d.port, greedy.key).ask("POST", "/ml/fraud", {"amount": 1})[0], range(400)))
    check(429 in seen and set(seen) == {200, 429}, "too many requests", set(seen))


def test_audit(d):
    lines = [json.loads(line) for line in d.cli("audit", "list", "--format", "json", "--limit", "1000").splitlines()]
    queries = [r for r in lines if r["action"] == "POST /query"]
    check(any("SELECT user_no, phone" in r["target"] and '"decision":"allowed"' in r["detail"] and '"rows":1' in r["detail"]
              for r in queries), "an allowed query is recorded")
    check(any("dw.secret" in r["target"] and "guard.table" in r["detail"] and "(bob)" in r["actor"] for r in queries),
          "a refused one too")
    check(any(r["action"] == "GET /ml/churn" and r["target"] == "U3" for r in lines), "a read of one customer is recorded")
    check(wait_for("tallies", lambda: "POST /ml/fraud" in d.cli("audit", "list")), "scores are counted")
    check(wait_for("unknown keys", lambda: "key refused" in d.cli("audit", "list")), "unknown keys are counted")
    check("records are as they were written" in d.cli("audit", "verify"), "the chain holds")
    head = re.search(r"head (\S+)", d.cli("audit", "verify")).group(1)
    check("head" in d.cli("audit", "verify", "--head", head), "and holds the noted head")


def make_certificate(folder, name):
    done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                           folder + "/k.pem", "-out", folder + "/c.pem", "-days", "2", "-subj", "/CN=" + name],
                          stderr=subprocess.DEVNULL, check=False)
    check(done.returncode == 0, "a certificate")


def served_certificate(port):
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port)) as s, context.wrap_socket(s) as t:
        return ssl.DER_cert_to_PEM_cert(t.getpeercert(True))


def test_new_certificate(d, folder):
    """A reload takes a new certificate, and refuses one that cannot be served: the old one stays."""
    def ports():
        return re.findall(r"listening at .*port (\d+)", d.text())
    with open(folder + "/c.pem", encoding="ascii") as file:
        older = file.read()
    make_certificate(folder, "newer")
    d.cli("reload")
    check(wait_for("the new certificate", lambda: len(ports()) == 2), "a reload starts with the new certificate")
    with open(folder + "/c.pem", encoding="ascii") as file:
        newer = file.read()
    check(served_certificate(int(ports()[-1])) == newer, "and serves it")
    for what, name in (("a certificate of another key", "c.pem"), ("what is no key", "k.pem")):
        with open(folder + "/" + name, encoding="ascii") as file:
            good = file.read()
        with open(folder + "/" + name, "w", encoding="ascii") as file:
            file.write(older if name == "c.pem" else "no key")
        d.cli("reload", status=2)
        check("http.bad_certificate" in d.text() and served_certificate(int(ports()[-1])) == newer, "a reload refuses " + what)
        with open(folder + "/" + name, "w", encoding="ascii") as file:
            file.write(good)


def test_tls(folder):
    make_certificate(folder, "localhost")
    d = Daemon(folder, ", tls_certificate: \"${file:%s/c.pem}\", tls_key: \"${file:%s/k.pem}\"" % (folder, folder))
    context = ssl.create_default_context(cafile=folder + "/c.pem")
    context.check_hostname = False
    c = http.client.HTTPSConnection("127.0.0.1", d.port, context=context)
    c.request("GET", "/openapi.json")
    check(c.getresponse().status == 200, "TLS")
    c.close()
    old = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    old.set_ciphers("DEFAULT:@SECLEVEL=0")
    old.minimum_version = ssl.TLSVersion.TLSv1
    old.maximum_version = ssl.TLSVersion.TLSv1_1
    try:
        with socket.create_connection(("127.0.0.1", d.port)) as s, old.wrap_socket(s) as t:
            check(False, "TLS 1.1 is refused", t.version())
    except (ssl.SSLError, OSError):
        check(True, "TLS 1.1 is refused")
    check(b"200 OK" not in raw(d.port, b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"), "no plain text where there is TLS")
    test_new_certificate(d, folder)
    d.stop()


def main():
    folder = tempfile.mkdtemp(prefix="drip-api.")
    os.makedirs(folder + "/tls")
    for name in ("/w.db", "/tls/w.db"):
        subprocess.run([DUCKSQL, "--execute", folder + name, SQL], check=True)
    d = Daemon(folder)
    clients = [Client(d.port, d.key(role, name)) for role, name in
               (("analyst", "alice"), ("analyst", "bob"), ("clerk", "clara"), ("dba", "dan"))]
    test_answers(d, clients)
    test_lineage(d, clients[1])
    test_bad_input(d, clients[1], clients[2])
    test_keys(d, clients[1])
    test_audit(d)
    d.stop()
    test_tls(folder + "/tls")
    print("1..%d" % number)
    if failures == 0:
        shutil.rmtree(folder)
    else:
        print("# kept " + folder)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
