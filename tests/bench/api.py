#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The part `api` of `make bench`, alone as api.py BUILD: POST /ml/fraud at 2,000 requests/s over kept connections, the daemon
on one processor and tests/bench/load on another, with an isolation forest of 100 trees; and the guard's check of a query.
"""

import http.client
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

RATE, SECONDS = 2000, 10
CONFIG = """settings: {{state: {dir}/state, log: {{level: info}}}}
connections: {{dwh: {{plugin: duckdb, path: ":memory:"}}}}
models: {{fraud: {{plugin: isolation-forest, features: [amount, hour, method]}}}}
services: {{api: {{plugin: api, listen: "127.0.0.1:0", warehouse: dwh, rate: 100000}}}}
roles: {{engineer: {{routes: [fraud], grants: []}}}}
pipeline: train
source: {{plugin: generate, rows: 5000, columns: [{{name: id, kind: sequence, key: true}}, {{name: amount, kind: float, max: 40}},
  {{name: hour, type: int32, max: 23}}, {{name: method, kind: choice, values: {{card: 9, cash: 1}}}}]}}
commit: {{interval: 1h}}
sinks: [{{plugin: train, model: fraud, promote: true}}]
"""


def wait_for_line(daemon, pattern):
    """Blocks on what the daemon says until it says this."""
    for line in daemon.stderr:
        found = re.search(pattern, line)
        if found:
            return found
    sys.exit("the daemon ended")


def wait_for_model(port, key):
    """Until a payment is scored: the model is trained, and the service has it."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    end = time.monotonic() + 60
    status = 0
    while status != 200 and time.monotonic() < end:
        client.request("POST", "/ml/fraud", '{"amount": 9}',
                       {"Content-Type": "application/json", "Authorization": "Bearer " + key})
        answer = client.getresponse()
        answer.read()
        status = answer.status
    client.close()
    if status != 200:
        sys.exit("no model after 60 s: status %d" % status)


def pinned(core):
    """To a processor of its own, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    return ["taskset", "-c", str(cores[core])] if len(cores) > 1 else []


def measure(build, rate, seconds):
    """What tests/bench/load measured, of a daemon with the model in production."""
    dripline = build + "/core/dripline"
    env = dict(os.environ, DRIPLINE_PLUGIN_PATH=build + "/plugins")
    folder = tempfile.mkdtemp(prefix="drip-bench-api.")
    os.makedirs(folder + "/conf")
    with open(folder + "/conf/a.yaml", "w", encoding="utf-8") as out:
        out.write(CONFIG.format(dir=folder))
    daemon = subprocess.Popen([*pinned(0), dripline, "daemon", folder + "/conf"], env=env,
                              stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    try:
        port = wait_for_line(daemon, r"listening at .*port (\d+)").group(1)
        threading.Thread(target=daemon.stderr.read, daemon=True).start()  # so that it is never held up
        key = subprocess.run([dripline, "key", "create", "--role", "engineer", "--name", "bench", "--state", folder + "/state"],
                             env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip()
        wait_for_model(int(port), key)
        done = subprocess.run([*pinned(1), build + "/tests/bench/load", port, key, str(rate), str(seconds)],
                              stdout=subprocess.PIPE, text=True, check=False)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
        shutil.rmtree(folder)
    if done.returncode != 0:
        sys.exit("bench: load failed with %d: %s" % (done.returncode, done.stdout))
    return json.loads(done.stdout)


def measure_guard(build, count=3000):
    """Microseconds of a check, the median and the 99th percentile: of the guard's own test."""
    done = subprocess.run([build + "/plugins/test_duckdb_guard", build + "/plugins/drip-duckdb.so"], stdout=subprocess.PIPE,
                          env=dict(os.environ, GUARD_BENCH=str(count)), check=True, text=True)
    return [float(text) for text in re.search(r"guard check: median (\S+) us, p99 (\S+) us", done.stdout).groups()]


def figures(build, runs=3):
    """(name, value, unit, target) of each figure."""
    scores = [measure(build, RATE, SECONDS) for _ in range(runs)]
    guard = [measure_guard(build) for _ in range(runs)]
    return [("api_fraud_2000_per_s_p99", statistics.median(s["p99_ms"] for s in scores) * 1000, "us", 2000),
            ("api_fraud_2000_per_s_p50", statistics.median(s["p50_ms"] for s in scores) * 1000, "us", None),
            ("guard_check_median", statistics.median(g[0] for g in guard), "us", 300),
            ("guard_check_p99", statistics.median(g[1] for g in guard), "us", None)]


if __name__ == "__main__":
    print(json.dumps(figures(os.path.abspath(sys.argv[1]), 1), indent=1))
