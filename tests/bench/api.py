#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""POST /ml/fraud at 2,000 requests/s over kept connections, the daemon on one processor: api.py BUILD [RATE SECONDS].

Prints what tests/bench/load measured, as JSON. The model is an isolation forest of 100 trees.
"""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

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


def main():
    build = os.path.abspath(sys.argv[1])
    rate, seconds = (sys.argv[2:] + ["2000", "10"][len(sys.argv) - 2:])[:2]
    dripline = build + "/core/dripline"
    env = dict(os.environ, DRIPLINE_PLUGIN_PATH=build + "/plugins")
    folder = tempfile.mkdtemp(prefix="drip-bench-api.")
    os.makedirs(folder + "/conf")
    with open(folder + "/conf/a.yaml", "w", encoding="utf-8") as out:
        out.write(CONFIG.format(dir=folder))
    daemon = subprocess.Popen(["taskset", "-c", "0", dripline, "daemon", folder + "/conf"], env=env,
                              stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    found = wait_for_line(daemon, r"listening at .*port (\d+)")
    threading.Thread(target=daemon.stderr.read, daemon=True).start()  # so that it is never held up
    key = subprocess.run([dripline, "key", "create", "--role", "engineer", "--name", "bench", "--state", folder + "/state"],
                         env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip()
    wait_for_model(int(found.group(1)), key)
    done = subprocess.run(["taskset", "-c", "1", build + "/tests/bench/load", found.group(1), key, rate, seconds],
                          stdout=subprocess.PIPE, text=True, check=False)
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(60)
    shutil.rmtree(folder)
    print(json.dumps(dict(json.loads(done.stdout), rate=float(rate))))
    return done.returncode


sys.exit(main())
