# SPDX-License-Identifier: Apache-2.0
"""What the browser tests of the console share: a daemon, pages, screenshots, TAP."""
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

REFUSING = """
include: [common.yaml]
pipeline: refusing
source: {plugin: generate, table: refused, rows: 250, columns: [{name: id, kind: sequence, key: true}]}
transforms:
  - id: none
    plugin: quality
    rules: [{rule: range, columns: [id], max: -1, action: dead-letter}]
    on_error: dead-letter
sinks:
  - {plugin: blackhole}
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


def finish():
    """The plan; and what the process ends with."""
    print("1..%d" % tests)
    return failures != 0


class Daemon:
    def __init__(self, dripline, folder, options="", files=None):
        self.dripline = dripline
        self.folder = folder
        os.makedirs(os.path.join(folder, "conf"))
        for name, text in (files or {"common.yaml": COMMON % {"dir": folder, "options": options},
                                     "orders.yaml": ORDERS, "nightly.yaml": NIGHTLY, "refusing.yaml": REFUSING}).items():
            with open(os.path.join(folder, "conf", name), "w", encoding="utf-8") as file:
                file.write(text)
        self.start()

    def start(self):
        self.log = []
        self.port = 0
        self.told = threading.Event()
        self.process = subprocess.Popen([self.dripline, "daemon", os.path.join(self.folder, "conf")], stdin=subprocess.DEVNULL,
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


def go(browser, daemon, route, heading):
    browser.open("http://127.0.0.1:%d/#/%s" % (daemon.port, route))
    browser.wait("document.querySelector('h1').innerText.startsWith(%s) && document.title.endsWith('Dripline')" % json.dumps(heading))


def button(label):
    return "[...document.querySelectorAll('button')].find((b) => b.innerText === %s)" % json.dumps(label)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def pictures(browser, name):
    """In both colours; the folder is the test's last argument."""
    for scheme in ("light", "dark"):
        browser.colours(scheme)
        browser.wait("document.documentElement.dataset.theme === '%s'" % scheme)
        browser.screenshot(os.path.join(sys.argv[3], "%s-%s.png" % (name, scheme)))
    browser.colours("light")


def run(chromium, begin, tests):
    """All of a test program: begin(FOLDER) gives its daemon, tests(BROWSER, DAEMON, FOLDER) checks. What the
    process ends with; nothing is left behind."""
    os.makedirs(sys.argv[3], exist_ok=True)
    folder = tempfile.mkdtemp(prefix="drip-console.")
    daemon = browser = None
    try:
        daemon = begin(folder)
        browser = Browser(chromium)
        browser.size(1280, 900)
        tests(browser, daemon, folder)
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
    return finish()
