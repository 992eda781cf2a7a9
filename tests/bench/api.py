#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""POST /ml/fraud at 2,000 requests/s over kept connections, the daemon on one processor: api.py BUILD [RATE SECONDS].

Prints what tests/bench/load measured, as JSON. The model is an isolation forest of 100 trees.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
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

def main():
    build = os.path.abspath(sys.argv[1])
    rate, seconds = (sys.argv[2:] + ["2000", "10"][len(sys.argv) - 2:])[:2]
    dripline = build + "/core/dripline"
    env = dict(os.environ, DRIPLINE_PLUGIN_PATH=build + "/plugins")
    folder = tempfile.mkdtemp(prefix="drip-bench-api.")
    os.makedirs(folder + "/conf")
    with open(folder + "/conf/a.yaml", "w", encoding="utf-8") as out:
        out.write(CONFIG.format(dir=folder))
    with open(folder + "/log", "w", encoding="utf-8") as log:
        daemon = subprocess.Popen(["taskset", "-c", "0", dripline, "daemon", folder + "/conf"], env=env, stderr=log, stdout=log)
    found = None
    while found is None and daemon.poll() is None:
        with open(folder + "/log", encoding="utf-8") as log:
            found = re.search(r"listening at .*port (\d+)", log.read())
        time.sleep(0.02)
    key = subprocess.run([dripline, "key", "create", "--role", "engineer", "--name", "bench", "--state", folder + "/state"],
                         env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True).stdout.strip()
    time.sleep(3)  # until the service has the key, and the model is trained
    done = subprocess.run(["taskset", "-c", "1", build + "/tests/bench/load", found.group(1), key, rate, seconds],
                          stdout=subprocess.PIPE, text=True, check=False)
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(60)
    shutil.rmtree(folder)
    print(json.dumps(dict(json.loads(done.stdout), rate=float(rate))))

    return done.returncode

sys.exit(main())
