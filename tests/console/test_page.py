#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of the service console in a headless Chromium, against a real daemon: test_page.py
DRIPLINE CHROMIUM PICTURES. Output is TAP; screenshots go to the folder PICTURES."""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request

from browser import HANG_S, Browser

DRIPLINE, CHROMIUM, PICTURES = sys.argv[1:4]
TOKEN = "0123456789abcdef-console"

COMMON = """
settings: {state: %(dir)s/state}
services:
  console: {plugin: console, listen: "127.0.0.1:0"%(options)s}
tables:
  dw.dim_person:
    description: People who order
    grain: One row per person
    columns:
      - {name: person_key, type: int64, key: true, description: Surrogate key}
      - {name: phone, type: utf8, class: restricted, pii: phone, description: For the messages}
  dw.fact_order:
    description: Orders
    columns:
      - {name: id, type: int64, key: true}
      - {name: person_key, type: int64, references: dim_person.person_key}
"""

ORDERS = """
include: [common.yaml]
pipeline: orders
commit: {interval: 100ms}
source:
  plugin: generate
  table: orders
  rows: 0
  rate: 5000
  columns:
    - {name: id, kind: sequence, key: true}
    - {name: amount, kind: decimal, type: "decimal(10,2)", min: 1, max: 40}
    - {name: phone, kind: text, class: restricted}
transforms:
  - id: checks
    plugin: quality
    rules:
      - {rule: not_null, columns: [id], action: warn}
      - {rule: range, columns: [amount], max: 39, action: warn, name: cheap}
sinks:
  - {id: hole, plugin: blackhole}
"""

NIGHTLY = """
include: [common.yaml]
pipeline: nightly
schedule: {cron: "0 4 1 1 *"}
source: {plugin: generate, table: days, rows: 10, columns: [{name: day, kind: sequence, key: true}]}
sinks:
  - {plugin: blackhole}
"""

QUERIES = """
settings: {state: %(dir)s/state}
connections:
  dwh: {plugin: duckdb, path: ":memory:"}
services:
  api: {plugin: api, listen: "127.0.0.1:%(api)d", warehouse: dwh}
  console: {plugin: console, listen: "127.0.0.1:0", api: "http://127.0.0.1:%(api)d"}
tables:
  main.orders:
    columns:
      - {name: id, type: int64, key: true}
      - {name: phone, type: utf8, class: restricted, pii: phone}
roles:
  reader:
    description: Sees orders, phone numbers masked
    routes: [query]
    grants: [{tables: main.orders, masked: restricted}]
pipeline: orders
source:
  plugin: generate
  table: orders
  rows: 10
  columns: [{name: id, kind: sequence, key: true}, {name: phone, kind: text, class: restricted}]
sinks:
  - {plugin: warehouse, connection: dwh, schema: main, mode: append, clearance: restricted}
"""

tests = 0
failures = 0


def check(name, good, why=""):
    global tests, failures
    tests += 1
    failures += not good
    print("%sok %d - %s" % ("" if good else "not ", tests, name), flush=True)
    if not good:
        for line in str(why).splitlines()[:12]:
            print("# " + line[:300], flush=True)


class Daemon:
    def __init__(self, folder, options="", files=None):
        self.folder = folder
        os.makedirs(os.path.join(folder, "conf"))
        for name, text in (files or {"common.yaml": COMMON % {"dir": folder, "options": options},
                                     "orders.yaml": ORDERS, "nightly.yaml": NIGHTLY}).items():
            with open(os.path.join(folder, "conf", name), "w", encoding="utf-8") as file:
                file.write(text)
        self.start()

    def start(self):
        self.log = []
        self.port = 0
        self.told = threading.Event()
        self.process = subprocess.Popen([DRIPLINE, "daemon", os.path.join(self.folder, "conf")], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.reader = threading.Thread(target=self.read_log)
        self.reader.start()
        self.told.wait(HANG_S)
        if self.port == 0:
            raise RuntimeError("the daemon did not start:\n" + "".join(self.log))

    def read_log(self):
        """It says in its log where it listens."""
        for line in self.process.stderr:
            self.log = self.log[-99:] + [line]
            if "listening at" in line and "stage=console" in line and self.port == 0:
                self.port = int(line.split("port ")[1].split('"')[0])
                self.told.set()
        self.told.set()

    def status(self):
        with urllib.request.urlopen("http://127.0.0.1:%d/api/v1/status" % self.port, timeout=HANG_S) as answer:
            return json.load(answer)

    def state(self, name):
        return next(p["state"] for p in self.status()["pipelines"] if p["name"] == name)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(HANG_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.reader.join()


def text_of(browser, selector="main"):
    return browser.evaluate("document.querySelector(%s).innerText" % json.dumps(selector))


def test_overview(browser, daemon):
    browser.open("http://127.0.0.1:%d/" % daemon.port)
    browser.wait("document.querySelector('.link.live')", "the stream")
    browser.wait("document.querySelector('h1').innerText === 'Overview'")
    rows = "Number([...document.querySelectorAll('tbody tr')].find((r) => r.innerText.includes('orders'))" \
           ".querySelectorAll('td')[6].innerText.replace(/[^0-9]/g, ''))"
    browser.wait("%s > 0" % rows, "rows of the pipeline")
    before = browser.evaluate(rows)
    browser.wait("%s !== %s" % (rows, before), "live numbers")
    check("the overview shows live numbers", True)
    browser.wait("[...document.querySelectorAll('.strip dd')][1].innerText.match(/[1-9]/)", "a rate")
    check("the overview shows a rate", True)
    check("the overview names its pipeline and its state",
          "orders" in text_of(browser) and "running" in text_of(browser), text_of(browser))
    browser.wait("document.querySelector('.chart canvas')", "the chart")
    check("the overview draws a chart", True)


def go(browser, daemon, route, heading):
    browser.open("http://127.0.0.1:%d/#/%s" % (daemon.port, route))
    browser.wait("document.querySelector('h1').innerText.startsWith(%s) && document.title.endsWith('Dripline')" % json.dumps(heading))


def button(label):
    return "[...document.querySelectorAll('button')].find((b) => b.innerText === %s)" % json.dumps(label)


def test_pipeline(browser, daemon):
    go(browser, daemon, "pipeline/orders", "orders")
    browser.wait("document.querySelectorAll('.graph svg .box').length === 3", "three stages")
    check("the pipeline's graph is drawn", browser.evaluate("document.querySelectorAll('.graph svg path.edge').length") == 2)
    browser.wait("[...document.querySelectorAll('.graph text.minor')].some((t) => /[1-9][0-9,]* rows.s/.test(t.textContent))")
    check("the graph shows live rates", True)
    pictures(browser, "pipeline")
    browser.evaluate("%s.focus()" % button("Pause"))
    browser.press("Enter")
    browser.wait("document.querySelector('dialog[open]')", "the question")
    browser.press("Escape")
    browser.wait("!document.querySelector('dialog')")
    check("Escape leaves the question, and the focus is back", browser.evaluate("document.activeElement.innerText") == "Pause")
    check("nothing was paused", daemon.state("orders") == "running")
    browser.press("Enter")
    browser.wait("document.querySelector('dialog[open]')")
    browser.evaluate("[...document.querySelectorAll('dialog button')][0].click()")
    browser.wait("document.querySelector('h1 .badge').innerText === 'paused'", "paused")
    check("a pipeline can be paused", daemon.state("orders") == "paused")
    browser.wait("[...document.querySelectorAll('[aria-live=polite]')].some((e) => e.innerText.includes('orders is paused'))")
    check("the change is said to a screen reader", True)
    browser.wait("!%s.disabled" % button("Resume"))
    browser.evaluate("%s.click()" % button("Resume"))
    browser.wait("document.querySelector('dialog[open]')")
    browser.press("Enter")
    browser.wait("document.querySelector('h1 .badge').innerText === 'running'", "running again")
    check("and resumed", True)


def test_pages(browser, daemon):
    go(browser, daemon, "lineage", "Lineage")
    browser.wait("document.querySelector('tbody tr th a')", "a dataset")
    check("lineage lists datasets", "orders" in text_of(browser), text_of(browser))
    browser.evaluate("[...document.querySelectorAll('tbody tr th a')].find((a) => a.innerText.includes('orders')).click()")
    browser.wait("document.querySelectorAll('.graph svg .box').length >= 2", "the graph of tables")
    check("lineage of a table is drawn", browser.evaluate("document.querySelectorAll('.graph svg path.edge').length") >= 1)
    pictures(browser, "lineage")
    browser.evaluate("%s.click()" % button("Show columns"))
    browser.wait("[...document.querySelectorAll('.graph text.name')].some((t) => t.textContent === 'phone')", "the graph of columns")
    check("and of its columns, with their classes", "restricted" in text_of(browser))
    go(browser, daemon, "runs", "Runs and log")
    browser.wait("document.querySelector('tbody tr')", "a run")
    browser.wait("document.querySelector('ol.log li')", "a line of the log")
    check("runs and log lines are listed", "orders" in text_of(browser) and "listening at" in text_of(browser), text_of(browser))
    pictures(browser, "runs")
    go(browser, daemon, "quality", "Quality")
    browser.wait("document.querySelector('main').innerText.includes('cheap')", "the rule that is broken")
    check("quality counts violations", True)
    pictures(browser, "quality")
    go(browser, daemon, "catalog", "Catalog")
    browser.wait("document.querySelectorAll('tbody tr').length === 2", "two tables")
    check("the catalog lists tables with their class and personal data",
          "restricted" in text_of(browser) and "phone" in text_of(browser), text_of(browser))
    pictures(browser, "catalog")
    go(browser, daemon, "catalog/dw.fact_order", "dw.fact_order")
    check("a table shows its references", "dw.dim_person" in text_of(browser), text_of(browser))
    go(browser, daemon, "models", "Models")
    browser.wait("document.querySelector('main').innerText.includes('No model')")
    check("models say that there is none", True)
    go(browser, daemon, "query", "Query")
    browser.evaluate("document.querySelector('textarea').focus()")
    browser.type("SELECT 1")
    browser.evaluate("document.querySelector('main form').requestSubmit()")
    browser.wait("document.querySelector('.note-box')", "why there are no queries")
    check("queries say that no API is configured", "No API" in text_of(browser), text_of(browser))
    browser.forgive("api/v1/query")
    go(browser, daemon, "pipeline", "Pipelines")
    check("all pipelines are drawn", browser.evaluate("document.querySelectorAll('.graph svg').length") == 2)


def test_keyboard(browser, daemon):
    """All by keys: skip link, navigation, rows of a table; no trap on the way round."""
    browser.open("about:blank")
    browser.open("http://127.0.0.1:%d/" % daemon.port)
    browser.wait("document.querySelector('tbody tr th a')", "the table")
    browser.press("Tab")
    check("the first key stop is the skip link", browser.evaluate("document.activeElement.className") == "skip")
    check("which is seen then", browser.evaluate("document.activeElement.getBoundingClientRect().left") >= 0)
    browser.press("Enter")
    check("it leads to the content", browser.evaluate("document.activeElement.tagName") == "H1")
    stops = []
    for _ in range(60):
        browser.press("Tab")
        stops.append(browser.evaluate("document.activeElement.tagName + ' ' + document.activeElement.innerText.trim().slice(0, 20)"))
        if stops[-1].startswith("BODY") or stops.count(stops[-1]) > 1:
            break
    check("rows of a table are one stop", sum("orders" in s or "nightly" in s for s in stops) == 1, stops)
    browser.evaluate("document.querySelector('tbody tr th a').focus()")
    first = browser.evaluate("document.activeElement.innerText")
    browser.press("ArrowDown")
    second = browser.evaluate("document.activeElement.innerText")
    check("arrow keys go from row to row", {first, second} == {"orders", "nightly"}, (first, second))
    outline = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    check("the focus is seen", outline != "none", outline)
    browser.press("Enter")
    browser.wait("document.querySelector('h1').innerText.startsWith(%s)" % json.dumps(second))
    browser.wait("document.activeElement.tagName === 'H1'", "the focus on the heading")
    check("Enter opens the row, and the focus is on its heading", True)
    check("the title names the page", second in browser.evaluate("document.title"))


NAMELESS = """[...document.querySelectorAll('a[href], button, input, select, textarea, [role=img], dialog')].filter((e) =>
    !(e.innerText || e.getAttribute('aria-label') || (e.labels && e.labels.length) || '').toString().trim()).length"""


def test_structure(browser, daemon):
    for route, heading in (("", "Overview"), ("pipeline/orders", "orders"), ("lineage", "Lineage"), ("quality", "Quality"),
                           ("runs", "Runs and log"), ("catalog", "Catalog"), ("query", "Query")):
        go(browser, daemon, route, heading)
        browser.wait("!document.querySelector('main').innerText.includes('Loading')")
        browser.size(360, 740)
        browser.wait("innerWidth === 360")
        wide = browser.evaluate("document.documentElement.scrollWidth")
        if not route or route == "pipeline/orders":
            pictures(browser, (route.split("/")[0] or "overview") + "-360")
        browser.size(1280, 900)
        one = browser.evaluate("['main', 'header nav[aria-label]', 'h1'].every((s) => document.querySelectorAll(s).length === 1)")
        named = browser.evaluate(NAMELESS)
        tables = browser.evaluate("[...document.querySelectorAll('table:not(.u-legend)')].every((t) => t.caption && t.querySelector('th[scope=col]'))")
        check("%s fits 360 pixels, has landmarks, and names for all that can be used" % heading,
              wide <= 360 and one and named == 0 and tables, (wide, one, named, tables))


def test_token(browser, folder):
    daemon = Daemon(os.path.join(folder, "locked"), ', token: "%s"' % TOKEN)
    try:
        browser.open("http://127.0.0.1:%d/" % daemon.port)
        browser.wait("document.querySelector('.gate input')", "the question for the token")
        browser.evaluate("document.querySelector('.gate input').focus()")
        browser.type("wrong-wrong-wrong")
        browser.press("Enter")
        browser.wait("document.querySelector('.gate .error')", "the refusal")
        check("a wrong token is refused", True)
        browser.evaluate("document.querySelector('.gate input').select()")
        browser.type(TOKEN)
        browser.press("Enter")
        browser.wait("document.querySelector('.link.live') && document.querySelector('tbody tr th a')", "the overview")
        check("the token opens the page", True)
        check("it is kept for the tab only", browser.evaluate("sessionStorage.getItem('token') !== null && localStorage.getItem('token') === null"))
        daemon.stop()
        browser.wait("document.querySelector('.link.offline')", "that the daemon is gone")
        check("the page says when the daemon is gone", True)
    finally:
        daemon.stop()
        browser.leave()  # it would ask on
        browser.forgive("127.0.0.1:%d/" % daemon.port)  # what it was refused, and could not reach


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_queries(browser, folder):
    """With the service api, where this build has it."""
    plugins = os.listdir(os.environ["DRIPLINE_PLUGIN_PATH"])
    if not {"drip-api.so", "drip-duckdb.so", "drip-warehouse.so"}.issubset(plugins):
        return
    folder = os.path.join(folder, "queries")
    daemon = Daemon(folder, files={"all.yaml": QUERIES % {"dir": folder, "api": free_port()}})
    try:
        key = subprocess.run([DRIPLINE, "key", "create", "--name", "test", "--role", "reader", "--state", folder + "/state"],
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=HANG_S, check=True, text=True).stdout.strip()
        go(browser, daemon, "query", "Query")
        browser.evaluate("document.querySelector('textarea').select()")
        browser.type("SELECT id, phone FROM main.orders ORDER BY id")
        browser.evaluate("document.querySelector('input[type=password]').focus()")
        browser.type(key)
        # A new key is known to the API, and the rows are there, before long: asked until then.
        browser.wait("""(() => { const run = [...document.querySelectorAll('button')].find((b) => b.innerText.startsWith('Run ('));
            if (document.querySelectorAll('tbody tr').length === 10) return true; if (run && !run.disabled) run.click(); return false; })()""", "ten rows")
        check("a query shows its rows, masked by role", "***" in text_of(browser), text_of(browser))
        browser.evaluate("document.querySelector('textarea').select()")
        browser.type("DROP TABLE main.orders")
        browser.evaluate("document.querySelector('main form').requestSubmit()")
        browser.wait("document.querySelector('.error code')", "the refusal")
        check("a refusal is shown with its code", "guard.not_select" in text_of(browser), text_of(browser))
        pictures(browser, "query")
    finally:
        daemon.stop()
        browser.leave()  # it would ask on
        browser.forgive("127.0.0.1:%d/" % daemon.port)


def pictures(browser, name):
    for scheme in ("light", "dark"):
        browser.colours(scheme)
        browser.wait("document.documentElement.dataset.theme === '%s'" % scheme)
        browser.screenshot(os.path.join(PICTURES, "%s-%s.png" % (name, scheme)))
    browser.colours("light")


def main():
    os.makedirs(PICTURES, exist_ok=True)
    folder = tempfile.mkdtemp(prefix="drip-console.")
    daemon = browser = None
    try:
        daemon = Daemon(os.path.join(folder, "open"))
        browser = Browser(CHROMIUM)
        browser.size(1280, 900)
        test_overview(browser, daemon)
        pictures(browser, "overview")
        test_pipeline(browser, daemon)
        test_pages(browser, daemon)
        test_keyboard(browser, daemon)
        test_structure(browser, daemon)
        test_queries(browser, folder)
        test_token(browser, folder)
        check("the browser has nothing to complain of", not browser.complaints(), "\n".join(browser.complaints()))
    except (TimeoutError, RuntimeError, EOFError) as error:
        check("the test goes to its end", False, "%s\n%s" % ("\n".join(browser.complaints() if browser else []), error))
        if daemon is not None:
            print("# " + "# ".join(daemon.log[-15:]))
    finally:
        if browser is not None:
            browser.close()
        if daemon is not None:
            daemon.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print("1..%d" % tests)
    return failures != 0


if __name__ == "__main__":
    sys.exit(main())
