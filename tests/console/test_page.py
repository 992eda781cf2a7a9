#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page of the service console in a headless Chromium, against a real daemon: test_page.py
DRIPLINE CHROMIUM PICTURES. Output is TAP; screenshots go to the folder PICTURES."""
import json
import os
import subprocess
import sys

import support
from browser import HANG_S
from support import Daemon, button, check, free_port, go, pictures, text_of

DRIPLINE, CHROMIUM, PICTURES = sys.argv[1:4]
TOKEN = "0123456789abcdef-console"

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
  guest:
    description: May ask, and sees nothing
    routes: [query]
    grants: []
pipeline: orders
source:
  plugin: generate
  table: orders
  rows: 10
  columns: [{name: id, kind: sequence, key: true}, {name: phone, kind: text, class: restricted}]
sinks:
  - {plugin: warehouse, connection: dwh, schema: main, mode: append, clearance: restricted}
"""

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
    browser.wait("[...document.querySelectorAll('.strip dd')][2].innerText.match(/[1-9]/)", "a rate")
    check("the overview shows a rate", True)
    check("the overview names its pipeline and its state",
          "orders" in text_of(browser) and "running" in text_of(browser), text_of(browser))
    browser.wait("document.querySelector('.chart canvas')", "the chart")
    check("the overview draws a chart", True)


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
    browser.wait("%s.getAttribute('aria-disabled') === 'false'" % button("Resume"))
    browser.evaluate("%s.click()" % button("Resume"))
    browser.wait("document.querySelector('dialog[open]')")
    browser.press("Enter")
    browser.wait("document.querySelector('h1 .badge').innerText === 'running'", "running again")
    check("and resumed", True)
    go(browser, daemon, "pipeline/nightly", "nightly")
    browser.wait("%s.getAttribute('aria-disabled') === 'false'" % button("Run now"))
    browser.evaluate("%s.click()" % button("Run now"))
    browser.wait("document.querySelector('dialog[open]')")
    browser.press("Enter")
    browser.wait("[...document.querySelectorAll('.strip > div')].some((d) => d.innerText.startsWith('Commits') && /[1-9]/.test(d.innerText))", "a run")
    check("a job can be run now, and tells its next run", "Next run" in text_of(browser), text_of(browser))


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
    browser.wait("[...document.querySelectorAll('tbody tr')].some((r) => r.innerText.includes('cheap') && r.innerText.includes('broken'))", "its state")
    check("quality says which rules hold, and of what table",
          browser.evaluate("[...document.querySelectorAll('tbody tr')].some((r) => r.innerText.includes('not_null(id)') && r.innerText.includes('orders')"
                           " && r.innerText.includes('holds'))"), text_of(browser))
    pictures(browser, "quality")
    go(browser, daemon, "catalog", "Catalog")
    browser.wait("document.querySelectorAll('tbody tr').length === 2", "two tables")
    check("the catalog lists tables with their class and personal data",
          "restricted" in text_of(browser) and "phone" in text_of(browser), text_of(browser))
    pictures(browser, "catalog")
    go(browser, daemon, "catalog/dw.fact_order", "dw.fact_order")
    check("a table shows its references", "dw.dim_person" in text_of(browser), text_of(browser))
    check("and its types by the names of the configuration", "int64" in text_of(browser), text_of(browser))
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
    check("all pipelines are drawn", browser.evaluate("document.querySelectorAll('.graph svg').length") == 3)


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


def test_odd_pages(browser, daemon):
    """An address that there is not, and a daemon that answers with what the page does not expect."""
    go(browser, daemon, "nothing", "No such page")
    check("an address that there is not says so", not browser.evaluate("document.querySelectorAll('nav [aria-current]').length"))
    browser.evaluate("window.kept = fetch, window.fetch = (path, options) => (String(path).startsWith('api/v1/models')"
                     " ? Promise.resolve(new Response('{\"a\": 1}')) : kept(path, options))")
    go(browser, daemon, "models", "This page has failed")
    check("a page that fails says so, and the others are there", browser.evaluate("document.querySelectorAll('nav a').length") == 8)
    go(browser, daemon, "catalog", "Catalog")
    browser.evaluate("window.fetch = kept")
    go(browser, daemon, "models", "Models")
    check("and comes back", True)
    go(browser, daemon, "quality", "Quality")
    browser.wait("document.querySelector('main').innerText.includes('250 in all, the newest 100 are listed below')", "the dead letters")
    ids = browser.evaluate("[...document.querySelectorAll('table')].pop().querySelector('tbody').innerText.split('\\n').map((line) => parseInt(line, 10))")
    check("of many dead letters the newest are listed, and all are counted", len(ids) == 100 and ids == sorted(ids, reverse=True), ids[:5])
    browser.evaluate("[...document.querySelectorAll('nav a')].find((a) => a.innerText === 'Catalog').click()")
    browser.wait("document.querySelector('tbody tr th a')")
    browser.evaluate("document.querySelector('tbody tr th a').click()")
    browser.wait("document.activeElement.tagName === 'H1' && document.activeElement.innerText.startsWith('dw.')", "the focus on the table's heading")
    check("the heading of a table has the focus", True)


TEXTS = [("count(99999.4)", "99,999"), ("count(99999.6)", "100 k"), ("count(123456)", "123 k"), ("count(999499)", "999 k"),
         ("count(999950)", "1.00 m"), ("count(1234567890)", "1.23 bn"), ("count(null)", "–"), ("bytes(512)", "512 B"),
         ("bytes(1023.9 * 1024 * 1024)", "1.00 GiB"), ("bytes(1010 * 1024 * 1024)", "1010 MiB"), ("bytes(10 * 1024 * 1024)", "10.0 MiB"),
         ("perSecond(0.01)", "<0.1"), ("perSecond(0)", "0"), ("perSecond(9.97)", "10"), ("duration(0.25)", "250 ms"), ("duration(3725)", "1 h 2 min")]

# Of a daemon that ran before, of the one that runs, and of a pipeline that is new.
JOINED = """import('/app/api.js').then(({ join }) => {
    const told = (times, name) => ({ step_seconds: 10, times, pipelines: [{ name, rows_in_per_second: times, rows_out_per_second: times, lag_seconds: times }] });
    const first = join(null, told([10, 20, 30], 'a'));
    const second = join(first, told([25, 3615], 'constructor'));
    const p = second.pipelines;
    return JSON.stringify([first.times, second.times, p.constructor.in, p.a === undefined, join(first, { step_seconds: 10, times: [], pipelines: [] }).times]); })"""


def test_figures(browser, daemon):
    go(browser, daemon, "", "Overview")
    for call, want in TEXTS:
        is_ = browser.evaluate("import('/app/ui.js').then((ui) => ui.%s)" % call).strip()
        check("%s is %s" % (call, want), is_ == want, is_)
    joined = json.loads(browser.evaluate(JOINED))
    check("what two daemons tell is one history", joined == [[10, 20, 30], [20, 25, 3615], [None, 25, 3615], True, [10, 20, 30]], joined)


def modules(browser):
    browser.evaluate("import('/app/api.js').then((api) => { window.api = api; })")


def test_past(browser, daemon):
    """What was before the page was opened; the daemon has sampled by then, since it does each ten seconds."""
    go(browser, daemon, "", "Overview")
    modules(browser)
    browser.wait("api.live.status.uptime_seconds > 21", "two samples")
    browser.leave()
    go(browser, daemon, "pipeline/orders", "orders")
    modules(browser)
    browser.wait("api.live.past && api.live.past.times.length > 1 && api.live.samples.length > 0", "the history")
    told = json.loads(browser.evaluate("""JSON.stringify({ before: api.live.samples[0].at - api.live.past.times[0],
        rate: api.live.past.pipelines.orders.in[1], count: api.live.past.times.length })"""))
    check("a chart begins before the page was opened", told["before"] > 15 and told["rate"] > 0, told)
    browser.wait("document.querySelectorAll('.chart canvas').length === 2", "rates and lag")
    check("the hour is what is shown first", browser.evaluate("%s.getAttribute('aria-pressed')" % button("Last hour")) == "true")
    browser.evaluate("%s.click()" % button("Last 3 minutes"))
    browser.wait("%s.getAttribute('aria-pressed') === 'true'" % button("Last 3 minutes"))
    check("each second can be seen, too", True)
    browser.wait("api.live.past.times.length > %d && api.live.past.pipelines.orders.in.length === api.live.past.times.length" % told["count"], "one more")
    check("the history goes on while the page is open", True)


def test_return(browser, daemon):
    """After some seconds in which no page was open: the first status, which is taken once a second, is
    not that of when one was."""
    before = daemon.status()["now"]
    go(browser, daemon, "", "Overview")
    modules(browser)
    browser.wait("api.live.samples.length > 1", "the stream")
    first = browser.evaluate("api.live.samples[0].at * 1000 - Date.parse('%s')" % before)
    check("a page begins with what is so now", first > -2000, first)
    browser.leave()


def test_token(browser, folder):
    daemon = Daemon(DRIPLINE, os.path.join(folder, "locked"), ', token: "%s"' % TOKEN)
    try:
        browser.open("http://127.0.0.1:%d/" % daemon.port)
        browser.wait("document.querySelector('.gate input')", "the question for the token")
        browser.evaluate("document.querySelector('.gate input').focus()")
        browser.type("wrong-wrong-wrong")
        browser.press("Enter")
        browser.wait("document.querySelector('.gate .error')", "the refusal")
        check("a wrong token is refused", True)
        check("the question for the token has the focus", browser.evaluate("document.activeElement.type") == "password")
        browser.evaluate("document.querySelector('.gate input').select()")
        browser.type("\u043a\u043b\u044e\u0447-\u043a\u043b\u044e\u0447")
        browser.press("Enter")
        browser.wait("document.querySelector('.gate .error')", "the refusal")
        check("and one that no header can carry", True)
        browser.evaluate("document.querySelector('.gate input').select()")
        browser.type(TOKEN)
        browser.press("Enter")
        browser.wait("document.querySelector('.link.live') && document.querySelector('tbody tr th a')", "the overview")
        check("the token opens the page", True)
        check("and the focus is on its heading", browser.evaluate("document.activeElement.tagName") == "H1")
        check("it is kept for the tab only", browser.evaluate("sessionStorage.getItem('token') !== null && localStorage.getItem('token') === null"))
        daemon.stop()
        browser.wait("document.querySelector('.link.offline')", "that the daemon is gone")
        check("the page says when the daemon is gone", True)
    finally:
        daemon.stop()
        browser.leave()  # it would ask on
        browser.forgive("127.0.0.1:%d/" % daemon.port)  # what it was refused, and could not reach


def enter(browser, sql):
    browser.evaluate("document.querySelector('textarea').select()")
    browser.type(sql)
    browser.evaluate("document.querySelector('main form').requestSubmit()")


def make_key(folder, role):
    return subprocess.run([DRIPLINE, "key", "create", "--name", role, "--role", role, "--state", folder + "/state"],
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=HANG_S, check=True, text=True).stdout.strip()


def test_queries(browser, folder):
    """With the service api, where this build has it."""
    plugins = os.listdir(os.environ["DRIPLINE_PLUGIN_PATH"])
    if not {"drip-api.so", "drip-duckdb.so", "drip-warehouse.so"}.issubset(plugins):
        return
    folder = os.path.join(folder, "queries")
    daemon = Daemon(DRIPLINE, folder, files={"all.yaml": QUERIES % {"dir": folder, "api": free_port()}})
    try:
        key = make_key(folder, "reader")
        go(browser, daemon, "query", "Query")
        browser.evaluate("document.querySelector('textarea').select()")
        browser.type("SELECT id, phone FROM main.orders ORDER BY id")
        browser.evaluate("document.querySelector('input[type=password]').focus()")
        browser.type(key)
        # A new key is known to the API, and the rows are there, before long: asked until then.
        browser.wait("""(() => { const run = [...document.querySelectorAll('button')].find((b) => b.innerText.startsWith('Run ('));
            if (document.querySelectorAll('tbody tr').length === 10) return true; if (run && !run.disabled) run.click(); return false; })()""", "ten rows")
        check("a query shows its rows, masked by role", "***" in text_of(browser), text_of(browser))
        enter(browser, "SELECT\n  nothing FROM main.orders")
        browser.wait("[...document.querySelectorAll('button')].some((b) => b.innerText.startsWith('Show line 2, column 3'))", "the place")
        browser.evaluate("[...document.querySelectorAll('button')].find((b) => b.innerText.startsWith('Show line')).click()")
        check("a mistake is shown in the query", browser.evaluate(
            "(() => { const t = document.activeElement; return t.value.slice(t.selectionStart, t.selectionEnd); })()") == "nothing")
        enter(browser, "SELECT 9007199254740993 AS big, 1.50::DECIMAL(9,2) AS price, '<b>bold</b>, \"x\"' AS html, NULL AS nothing FROM range(1500)")
        browser.wait("document.querySelector('main').innerText.includes('There are more')", "the limit")
        row = browser.evaluate("document.querySelector('tbody tr').innerText")
        check("numbers keep all their digits, and markup is text", "9007199254740993" in row and "1.50" in row and "<b>bold</b>" in row, row)
        check("a page of a long result is shown", browser.evaluate("document.querySelectorAll('tbody tr').length") == 100)
        browser.evaluate("URL.createObjectURL = (blob) => { blob.text().then((t) => { window.saved = t; }); return 'blob:none'; };"
                         "HTMLAnchorElement.prototype.click = () => {}")
        browser.evaluate("%s.click()" % button("Save as CSV"))
        browser.wait("window.saved")
        lines = browser.evaluate("window.saved").split("\r\n")
        check("the result can be saved as CSV", len(lines) == 1002 and lines[0] == "big,price,html,nothing"
              and lines[1] == '9007199254740993,1.50,"<b>bold</b>, ""x""",', lines[:2])
        browser.evaluate("window.saved = ''; %s.click()" % button("Save as JSON"))
        browser.wait("window.saved")
        first = json.loads(browser.evaluate("window.saved"))[0]
        check("and as JSON", first == {"big": "9007199254740993", "price": "1.50", "html": '<b>bold</b>, "x"', "nothing": None}, first)
        pictures(browser, "result")
        enter(browser, "SELECT '=1+1' AS a, '@x' AS b, '-2+3' AS c, '-5' AS d, '+12125550100' AS e, 'a;=1' AS f, -5 AS g, -0.5::DECIMAL(9,2) AS h, '' AS i")
        browser.wait("document.querySelector('tbody tr')?.innerText.includes('=1+1')", "formulas")
        browser.evaluate("window.saved = ''; %s.click()" % button("Save as CSV"))
        browser.wait("window.saved")
        line = browser.evaluate("window.saved").split("\r\n")[1]
        check("what a spreadsheet would take for a formula is a text, and numbers stay",
              line == """"'=1+1","'@x","'-2+3",-5,+12125550100,"a;=1",-5,-0.50,\"\"""", line)
        browser.evaluate("document.querySelector('textarea').select()")
        browser.type("DROP TABLE main.orders")
        browser.evaluate("document.querySelector('main form').requestSubmit()")
        browser.wait("document.querySelector('.error code')", "the refusal")
        check("a refusal is shown with its code", "guard.not_select" in text_of(browser), text_of(browser))
        pictures(browser, "query")
        for args, name, want in ((["key", "revoke", key.split("_")[1]], "a revoked key", "401"), (None, "a role without the table", "403")):
            if args is None:
                other = make_key(folder, "guest")
                browser.evaluate("document.querySelector('input[type=password]').select()")
                browser.type(other)
            else:
                subprocess.run([DRIPLINE, *args, "--state", folder + "/state"], stdout=subprocess.DEVNULL, timeout=HANG_S, check=True)
            # Keys are read again within a second: asked until then.
            browser.evaluate("document.querySelector('textarea').select()")
            browser.type("SELECT count(*) FROM main.orders")
            browser.wait("""(() => { const run = [...document.querySelectorAll('button')].find((b) => b.innerText.startsWith('Run ('));
                const e = document.querySelector('.error code'); if (e && e.innerText.includes('%s')) return true; if (run) run.click(); return false; })()"""
                         % ("api.unauthorized" if want == "401" else "guard.table"), name)
            check("%s is told of, and what to do" % name, "dripline key create" in text_of(browser) or want == "403", text_of(browser))
    finally:
        daemon.stop()
        browser.leave()  # it would ask on
        browser.forgive("127.0.0.1:%d/" % daemon.port)


def begin(folder):
    return Daemon(DRIPLINE, os.path.join(folder, "open"))


def all_tests(browser, daemon, folder):
    test_overview(browser, daemon)
    pictures(browser, "overview")
    test_pipeline(browser, daemon)
    test_pages(browser, daemon)
    test_odd_pages(browser, daemon)
    test_keyboard(browser, daemon)
    test_structure(browser, daemon)
    test_figures(browser, daemon)
    test_past(browser, daemon)
    test_queries(browser, folder)
    test_return(browser, daemon)
    test_token(browser, folder)


if __name__ == "__main__":
    sys.exit(support.run(CHROMIUM, begin, all_tests))
