#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who uses the console without a mouse or without seeing it, and what it is shown that nobody chose:
axe-core over every page in both colours, a walk by keys through every page, names and errors with
markup in them, three hundred pipelines, a daemon that goes and comes back. test_access.py DRIPLINE
CHROMIUM PICTURES AXE. Output is TAP."""
import json
import os
import signal
import sys

import support
from support import Daemon, button, check, free_port, go, pictures

DRIPLINE, CHROMIUM, PICTURES, AXE = sys.argv[1:5]
MARKUP = "<img src=x onerror=pwned()>"
LONG = "a_pipeline_whose_name_is_as_long_as_a_name_may_be_0123456789abcd"

COMMON = """
settings: {state: %(dir)s/state}
services:
  console: {plugin: console, listen: "127.0.0.1:%(port)d"}
connections:
  db: {plugin: duckdb, path: ":memory:"}
tables:
  dw.dim_person:
    description: "People %(markup)s"
    columns:
      - {name: person_key, type: int64, key: true, description: Surrogate key}
      - {name: phone, type: utf8, class: restricted, pii: phone, description: "%(markup)s"}
models:
  odd:
    plugin: isolation-forest
    description: "Rows that are unlike others %(markup)s"
    features: [x, y]
    label: is_odd
"""

TRAIN = """
include: [common.yaml]
pipeline: train
commit: {rows: 1000000}
source:
  plugin: generate
  table: points
  rows: 2000
  columns:
    - {name: at, kind: timestamp, key: true}
    - {name: x, kind: float, min: 0, max: 1}
    - {name: y, kind: float, min: 0, max: 1}
    - {name: is_odd, kind: int, type: int32, min: 0, max: 1}
sinks:
  - {plugin: train, model: odd, time: at, promote: true}
"""

FAILING = """
include: [common.yaml]
pipeline: failing
source: {plugin: query, connection: db, sql: "SELECT error('%(markup)s') AS x"}
sinks:
  - {plugin: blackhole}
"""

ODD_NAMES = """
include: [common.yaml]
pipeline: %(long)s
source:
  plugin: generate
  table: "%(markup)s"
  rows: 0
  rate: 100
  columns:
    - {name: id, kind: sequence, key: true}
    - {name: "%(markup)s", kind: text}
transforms:
  - id: checks
    plugin: quality
    rules:
      - {rule: not_null, columns: [id], action: warn}
      - {rule: range, columns: [id], max: 10, action: warn, name: small}
sinks:
  - {id: hole, plugin: blackhole}
"""

MANY = """
include: [common.yaml]
pipeline: pipeline_%(n)03d
source: {plugin: generate, rows: 10, columns: [{name: id, kind: sequence, key: true}]}
sinks:
  - {plugin: blackhole}
"""

PAGES = [("", "Overview"), ("pipeline", "Pipelines"), ("pipeline/failing", "failing"), ("pipeline/" + LONG, LONG), ("lineage", "Lineage"),
         ("lineage/points", "points"), ("lineage/model.odd/x", "model.odd.x"), ("runs", "Runs and log"), ("quality", "Quality"), ("catalog", "Catalog"),
         ("catalog/dw.dim_person", "dw.dim_person"), ("models", "Models"), ("models/odd", "odd"), ("query", "Query")]


def settle(browser, daemon, route, heading):
    go(browser, daemon, route, heading)
    browser.wait("!document.querySelector('main').innerText.includes('Loading') && !document.querySelector('main').innerText.includes('Waiting for')")


# ---- axe-core

RUN = """axe.run(document, {resultTypes: ['violations']}).then((r) => JSON.stringify(r.violations
    .filter((v) => ['serious', 'critical'].includes(v.impact))
    .map((v) => v.id + ': ' + v.nodes.slice(0, 3).map((n) => n.target.join(' ') + ' ' + n.html.slice(0, 120)).join(' | '))))"""


def axe(browser, name):
    with open(AXE, encoding="utf-8") as file:
        browser.evaluate("window.axe ? 0 : (() => { %s\n; return 0; })()" % file.read())
    found = []
    for scheme in ("light", "dark"):
        browser.colours(scheme)
        browser.wait("document.documentElement.dataset.theme === '%s'" % scheme)
        browser.wait("document.getAnimations().every((a) => a.playState === 'finished')")
        found += ["%s: %s" % (scheme, v) for v in json.loads(browser.evaluate(RUN))]
    browser.colours("light")
    check("axe-core finds nothing serious on %s, light and dark" % name, not found, "\n".join(found))


def test_axe(browser, daemon):
    for route, heading in PAGES:
        settle(browser, daemon, route, heading)
        axe(browser, heading)
        pictures(browser, "access-" + (route.replace("/", "-")[:40] or "overview"))
    settle(browser, daemon, "pipeline/" + LONG, LONG)
    browser.evaluate("%s.click()" % button("Pause"))
    browser.wait("document.querySelector('dialog[open]')")
    axe(browser, "the question before a pause")
    browser.press("Escape")
    browser.wait("!document.querySelector('dialog')")


# ---- keys alone

STOP = """(() => { const e = document.activeElement; if (!e || e === document.body) return null;
    const box = e.getBoundingClientRect(), style = getComputedStyle(e);
    const shape = e.querySelector ? e.querySelector(':scope > .box') : null;
    window.stops = window.stops || []; const last = window.stops[window.stops.length - 1];
    const again = window.stops.includes(e);
    if (!again) window.stops.push(e);
    return { what: e.tagName + ' ' + (e.getAttribute('aria-label') || e.innerText || e.labels && e.labels[0] && e.labels[0].innerText || '').trim().slice(0, 40),
        again, ordered: !last || again || Boolean(last.compareDocumentPosition(e) & Node.DOCUMENT_POSITION_FOLLOWING),
        seen: box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
        ring: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2 || Boolean(shape && parseFloat(getComputedStyle(shape).strokeWidth) >= 3),
        named: Boolean((e.getAttribute('aria-label') || e.innerText || (e.labels && e.labels.length) || '').toString().trim()) }; })()"""


def walk(browser, daemon, route, heading):
    browser.leave()
    settle(browser, daemon, route, heading)
    browser.evaluate("document.activeElement.blur(), window.stops = []")
    wrong = []
    for count in range(400):
        browser.press("Tab")
        stop = browser.evaluate(STOP)
        if stop is None or stop["again"]:
            break
        wrong += ["%s: %s" % (stop["what"], flaw) for flaw in ("ordered", "seen", "ring", "named") if not stop[flaw]]
    else:
        wrong.append("the keys do not come to an end")
    if count < 11:  # skip link, eight pages, colours, licences
        wrong.append("only %d stops" % count)
    browser.evaluate("window.stops[window.stops.length - 1].focus()")
    browser.press("Tab", modifiers=8)
    if not browser.evaluate("document.activeElement === window.stops[window.stops.length - 2]"):
        wrong.append("Shift+Tab does not go back")
    check("%s can be walked by keys: in order, seen, with a ring and a name, no trap" % heading, not wrong, "\n".join(wrong))


def test_keys(browser, daemon):
    for route, heading in PAGES:
        walk(browser, daemon, route, heading)
    settle(browser, daemon, "pipeline/" + LONG, LONG)
    browser.evaluate("%s.focus()" % button("Pause"))
    browser.press("Enter")
    browser.wait("document.querySelector('dialog[open]')")
    inside = []
    for _ in range(5):
        browser.press("Tab")
        inside.append(browser.evaluate("document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"))
    check("keys stay in a question while it is open", all(inside), inside)
    browser.press("Escape")
    browser.wait("!document.querySelector('dialog')")
    check("Escape closes it", browser.evaluate("document.activeElement.innerText") == "Pause")


FOUND = """({ main: document.querySelectorAll('main').length, nav: document.querySelectorAll('nav[aria-label=Pages]').length,
    header: document.querySelectorAll('header').length, h1: document.querySelectorAll('h1').length,
    current: document.querySelectorAll('nav [aria-current=page]').length,
    live: document.querySelectorAll('[role=status], [aria-live], [role=alert]').length, lang: document.documentElement.lang,
    skipped: [...document.querySelectorAll('h1, h2, h3')].some((h, i, all) => i > 0 && h.tagName[1] - all[i - 1].tagName[1] > 1),
    markup: Boolean(window.owned) || document.querySelectorAll('main img, main script').length > 0 })"""

WIDE = """[...document.querySelectorAll('main *')].filter((e) => !e.closest('.scroll, .graph, .chart') && e.getBoundingClientRect().right > 361)
    .map((e) => e.tagName + '.' + e.className).slice(0, 5).concat(document.documentElement.scrollWidth > 360 ? [document.documentElement.scrollWidth] : [])"""

SHOWN = "document.querySelector('main').innerText.includes('<img src=x') || " \
        "[...document.querySelectorAll('main svg text')].some((t) => t.textContent.includes('<img'))"


def test_pages(browser, daemon):
    browser.call("Page.addScriptToEvaluateOnNewDocument", source="window.pwned = () => { window.owned = true; };")
    shown = 0
    for route, heading in PAGES:
        browser.leave()
        settle(browser, daemon, route, heading)
        found = browser.evaluate(FOUND)
        check("%s has its landmarks, headings in order and a live region" % heading,
              [found[k] for k in ("main", "nav", "header", "h1", "current")] == [1] * 5 and found["live"] > 0 and found["lang"] == "en"
              and not found["skipped"], found)
        check("markup in names and errors stays text on %s" % heading, not found["markup"])
        shown += browser.evaluate(SHOWN)
        browser.size(360, 740, mobile=False)
        browser.wait("innerWidth === 360")
        wide = browser.evaluate(WIDE)
        check("%s fits 360 pixels" % heading, not wide, wide)
        pictures(browser, "narrow-" + (route.replace("/", "-")[:40] or "overview"))
        browser.size(1280, 900)
    check("markup was shown, on five pages at least", shown >= 5, shown)


def test_away_and_back(browser, daemon):
    settle(browser, daemon, "", "Overview")
    browser.wait("document.querySelector('.link.live')")
    daemon.stop()
    browser.wait("document.querySelector('main [role=alert]') && document.querySelector('.link.offline')", "the word that it is gone")
    check("the page says that its figures are old", "does not answer since" in support.text_of(browser), support.text_of(browser))
    pictures(browser, "offline")
    daemon.start()
    browser.wait("document.querySelector('.link.live') && !document.querySelector('main').innerText.includes('does not answer')", "the stream again")
    check("it goes on by itself when the daemon is back", True)
    browser.forgive("127.0.0.1:%d/" % daemon.port)


def test_standstill(browser, daemon):
    """A daemon that stands still keeps its connections, and says nothing."""
    settle(browser, daemon, "", "Overview")
    browser.wait("document.querySelector('.link.live')")
    os.kill(daemon.process.pid, signal.SIGSTOP)
    try:
        browser.wait("document.querySelector('.link.offline') && document.querySelector('main [role=alert]')", "the word that nothing comes")
    finally:
        os.kill(daemon.process.pid, signal.SIGCONT)
    check("a daemon that says nothing is not shown as live", True)
    browser.wait("document.querySelector('.link.live')", "the stream again")
    check("and is, when it goes on", True)


def test_no_storage(browser, daemon):
    """A browser may keep nothing for pages."""
    script = browser.call("Page.addScriptToEvaluateOnNewDocument", source="""for (const name of ['sessionStorage', 'localStorage'])
        Object.defineProperty(window, name, { get() { throw new DOMException('no', 'SecurityError'); } });""")["identifier"]
    browser.leave()
    settle(browser, daemon, "query", "Query")
    browser.evaluate("%s.click()" % button("Dark colours"))
    browser.wait("document.documentElement.dataset.theme === 'dark'")
    browser.evaluate("[...document.querySelectorAll('nav a')][0].click()")
    browser.wait("document.querySelector('tbody tr th a')")
    check("the page works where the browser keeps nothing", True)
    browser.call("Page.removeScriptToEvaluateOnNewDocument", identifier=script)


def test_left_pages(browser, daemon):
    """A page that the browser keeps for its button Back holds no connection: it has six for a server."""
    browser.leave()
    browser.events = []
    settle(browser, daemon, "", "Overview")
    browser.wait("document.querySelector('.link.live')")
    browser.evaluate("dispatchEvent(new PageTransitionEvent('pagehide', {persisted: true}))")
    browser.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    streams = {e["params"]["requestId"] for e in browser.events
               if e["method"] == "Network.requestWillBeSent" and e["params"]["request"]["url"].endswith("/events")}
    ended = {e["params"]["requestId"] for e in browser.events if e["method"] in ("Network.loadingFailed", "Network.loadingFinished")}
    check("a page that is left ends its stream", len(streams) == 1 and streams <= ended, (streams, ended))
    browser.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    browser.wait("document.querySelector('.link.live')", "the stream again")
    check("and begins anew when it is shown again", True)


def test_many(browser, folder):
    folder = os.path.join(folder, "many")
    files = {"common.yaml": COMMON % {"dir": folder, "port": 0, "markup": ""}}
    files.update({"p%03d.yaml" % n: MANY % {"n": n} for n in range(300)})
    daemon = Daemon(DRIPLINE, folder, files=files)
    try:
        settle(browser, daemon, "", "Overview")
        browser.wait("document.querySelectorAll('tbody th[scope=row]').length === 100 && document.querySelector('main').innerText.includes('1 to 100 of 300')",
                     "the first hundred of three")
        check("three hundred pipelines are listed, a hundred at once", True)
        browser.wait("[...document.querySelectorAll('tbody tr')].filter((r) => r.querySelector('th[scope=row]')).every((r) => r.innerText.includes('finished'))", "their end")
        pictures(browser, "many")
        browser.evaluate("document.querySelector('input[type=search]').focus()")
        browser.type("_042")
        browser.wait("document.querySelectorAll('tbody th[scope=row]').length === 1", "the one")
        check("one is found by its name", "pipeline_042" in support.text_of(browser, "tbody"))
        settle(browser, daemon, "pipeline", "Pipelines")
        browser.wait("document.querySelectorAll('.graph svg').length === 24 && document.querySelectorAll('ul.names li').length === 276", "graphs and names")
        check("the first are drawn, the others named", True)
        axe(browser, "three hundred pipelines")
    finally:
        daemon.stop()
        browser.leave()
        browser.forgive("127.0.0.1:%d/" % daemon.port)


def begin(folder):
    values = {"dir": folder, "port": free_port(), "markup": MARKUP, "long": LONG}
    return Daemon(DRIPLINE, os.path.join(folder, "one"), files={
        "common.yaml": COMMON % values, "train.yaml": TRAIN, "failing.yaml": FAILING % values, "odd.yaml": ODD_NAMES % values})


def all_tests(browser, daemon, folder):
    settle(browser, daemon, "models", "Models")
    browser.wait("document.querySelector('main').innerText.includes('version 1')", "the trained model")
    settle(browser, daemon, "", "Overview")
    browser.wait("document.querySelector('main .error') && document.querySelector('main').innerText.includes('1 in trouble')", "the failure")
    check("what failed stands on top, with its error", MARKUP in support.text_of(browser, "main .error"), support.text_of(browser))
    test_axe(browser, daemon)
    test_keys(browser, daemon)
    test_pages(browser, daemon)
    test_away_and_back(browser, daemon)
    test_standstill(browser, daemon)
    test_left_pages(browser, daemon)
    test_many(browser, folder)
    test_no_storage(browser, daemon)


if __name__ == "__main__":
    sys.exit(support.run(CHROMIUM, begin, all_tests))
