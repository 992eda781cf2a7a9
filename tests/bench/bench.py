#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The benchmark of `make bench`: bench.py BUILD OUTPUT.json [--rows N] [--only PART]

Runs whole processes of the release build on real input and takes the wall time from start to exit,
start-up and shut-down included. Each figure stands beside its reference: tests/bench/bare.c on the
same rows of the same server, run before and after every run that is measured. A run's ratio is that
to the mean of the two beside it, and the median of the ratios is what counts, so that a machine
that is slow for a while is slow for both. mariadb.sh gives the server.
"""

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import api
import company

ENV = os.environ
COLUMNS = "id, customer, store, status, amount, currency, remark, created, rating"
ROW = """{seq}, 1000 + {seq} * 7919 % 50000, 1 + {seq} % 120, {seq} % 11 * 10,
    (300 + {seq} * 37 % 2000) / 100, IF({seq} % 10 = 3, 'NZD', 'USD'),
    IF({seq} % 5 = 0, NULL, ELT(1 + {seq} % 4, 'no sugar', 'less ice', 'oat milk please',
    'for the office')), TIMESTAMPADD(MICROSECOND, {seq} * 977, '2026-01-01'), {seq} % 50 / 10"""
TABLE = """CREATE DATABASE bench; CREATE TABLE bench.t (id BIGINT NOT NULL PRIMARY KEY,
    customer BIGINT NOT NULL, store INT NOT NULL, status SMALLINT NOT NULL,
    amount DECIMAL(12,2) NOT NULL, currency CHAR(3) NOT NULL, remark VARCHAR(60) NULL,
    created DATETIME(6) NOT NULL, rating DOUBLE NULL); USE bench"""
GENERATE = """{plugin: generate, rows: %d, columns: [
    {name: id, kind: sequence, key: true}, {name: customer, min: 1000, max: 51000},
    {name: store, type: int32, min: 1, max: 120}, {name: status, type: int16, max: 100},
    {name: amount, kind: decimal, min: 3, max: 23},
    {name: currency, kind: choice, values: {USD: 9, NZD: 1}},
    {name: remark, kind: choice, nulls: 0.2,
     values: {no sugar: 1, less ice: 1, oat milk please: 1, for the office: 1}},
    {name: created, kind: timestamp}, {name: rating, kind: float, max: 5}]}"""
SINKS = {
    "blackhole": "{plugin: blackhole}",
    "append": "{plugin: warehouse, connection: dwh, mode: append}",
    "mirror": "{plugin: warehouse, connection: dwh, mode: mirror}",
    "lake": "{plugin: lake, root: %s/lake}",
}


class Bench:
    def __init__(self, arguments):
        self.build = os.path.abspath(arguments.build)
        self.rows = arguments.rows
        self.dripline = os.path.join(self.build, "core", "dripline")
        self.bare_program = os.path.join(self.build, "tests", "bench", "bare")
        self.folder = tempfile.mkdtemp(prefix="drip-bench.")
        self.results = []
        self.runs = arguments.runs

    def sql(self, text):
        command = ["mariadb", "--no-defaults", "-uroot", "--batch", "--skip-column-names",
                   "--socket=" + ENV["DRIPLINE_TEST_MYSQL_SOCKET"]]
        return subprocess.run(command, input=text, stdout=subprocess.PIPE, check=True,
                              text=True).stdout

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def pipeline(self, name, source, sink):
        """Writes a pipeline with a state folder of its own; the path of the file."""
        os.makedirs(self.path(name, "state"), exist_ok=True)
        path = self.path(name, "pipeline.yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(
                "settings: {state: %s}\n"
                "connections:\n"
                "  shop: {plugin: mysql, host: 127.0.0.1, port: %s, user: %s, password: %s}\n"
                "  dwh: {plugin: duckdb, path: %s}\n"
                "pipeline: %s\nsource: %s\nsinks: [%s]\n"
                % (self.path(name, "state"), ENV["DRIPLINE_TEST_MYSQL_PORT"],
                   ENV["DRIPLINE_TEST_MYSQL_USER"], ENV["DRIPLINE_TEST_MYSQL_PASSWORD"],
                   self.path(name, "warehouse.duckdb"), name, source,
                   sink % self.path(name) if "%s" in sink else sink))
        return path

    def run(self, path, bounded=False):
        """Seconds of one run to its end."""
        state = os.path.join(os.path.dirname(path), "state")
        command = [self.dripline, "run", path, "--state", state] + ([] if bounded else ["--until", "caught-up"])
        start = time.monotonic()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", check=False,
                              timeout=300)
        seconds = time.monotonic() - start
        if done.returncode != 0:
            sys.exit("bench: %s failed with %d:\n%s" % (" ".join(command), done.returncode,
                                                        done.stdout[-2000:]))
        return seconds

    def bare(self, *arguments):
        """Seconds of a reference, as it takes them itself: without the start of the process."""
        out = subprocess.run([self.bare_program, *arguments], stdout=subprocess.PIPE, check=True,
                             text=True).stdout.split()
        return float(out[1])

    def compare(self, name, rows, measure, reference, reference_name):
        """Runs both in turn, the reference first and last, and adds the figure."""
        references, seconds = [reference()], []
        for _ in range(self.runs):
            seconds.append(measure())
            references.append(reference())
        ratio = statistics.median((references[i] + references[i + 1]) / 2 / seconds[i]
                                  for i in range(self.runs))
        self.add(name, rows / statistics.median(seconds), "rows/s",
                 rows / statistics.median(references), reference_name, ratio)

    def add(self, name, value, unit, reference=None, reference_name=None, ratio=None):
        if reference:
            ratio = round(ratio or value / reference, 3)
        self.results.append({
            "name": name, "value": round(value, 1), "unit": unit,
            "reference": round(reference, 1) if reference else None,
            "reference_name": reference_name, "ratio": ratio, "command": "make bench"})
        print("%-34s %14s %-7s %s" % (
            name, format(round(value), ",") if value > 1000 else round(value, 1), unit,
            "%.0f %% of %s (%s)" % (100 * ratio, reference_name, format(round(reference), ","))
            if ratio else ""), flush=True)

    def forget(self, name):
        shutil.rmtree(self.path(name), ignore_errors=True)

    def part_generate(self):
        path = self.pipeline("generate", GENERATE % (self.rows * 2), SINKS["blackhole"])

        def once():
            for name in os.listdir(self.path("generate", "state")):
                if name.startswith("dripline.db"):
                    os.unlink(self.path("generate", "state", name))
            return self.run(path, bounded=True)

        self.compare("generate_to_blackhole", self.rows * 2, once,
                     lambda: self.bare("build", str(self.rows * 2)), "a bare builder loop")

    def part_mysql(self):
        source = "{plugin: mysql, connection: shop, tables: [bench.t]}"
        self.sql(TABLE)
        paths = {name: self.pipeline("stream_" + name, source, sink) for name, sink in
                 SINKS.items()}
        for path in paths.values():
            self.run(path)  # the snapshot of the empty table: the stream begins behind it
            shutil.copytree(os.path.dirname(path), os.path.dirname(path) + ".begin")
        position = self.sql("SHOW MASTER STATUS").split("\t")[:2]
        step = 10000
        self.sql("USE bench;" + "".join(
            "INSERT INTO bench.t SELECT %s FROM seq_%d_to_%d;" % (
                ROW.format(seq="seq"), first, min(first + step - 1, self.rows))
            for first in range(1, self.rows + 1, step)))
        append = self.path("bare.duckdb")

        def bare_append():
            for name in (append, append + ".wal"):
                if os.path.exists(name):
                    os.unlink(name)
            return self.bare("append", append, str(self.rows))

        def bare_binlog():
            return self.bare("binlog", *position)

        def bare_select():
            return self.bare("select")

        references = {"blackhole": (bare_binlog, "a bare binlog read"),
                      "append": (bare_append, "a bare DuckDB appender"),
                      "mirror": (bare_append, "a bare DuckDB appender"),
                      "lake": (bare_binlog, "a bare binlog read")}
        for name, path in paths.items():
            folder = os.path.dirname(path)

            def once():
                shutil.rmtree(folder)
                shutil.copytree(folder + ".begin", folder)
                return self.run(path)

            self.compare(
                "stream_to_" + ("warehouse_" + name if name in ("append", "mirror") else name),
                self.rows, once, *references[name])
        for sink in ("blackhole", "append"):
            path = self.pipeline("snapshot_" + sink, source, SINKS[sink])

            def again():
                self.forget("snapshot_" + sink)
                self.pipeline("snapshot_" + sink, source, SINKS[sink])
                return self.run(path)

            self.compare("snapshot_to_" + ("warehouse" if sink == "append" else sink), self.rows,
                         again, bare_select, "a bare SELECT loop")

    def idle_rss(self, name, source, sink, limit):
        """MiB of a daemon with ten pipelines that have caught up."""
        folder = self.path("daemon_" + name)
        os.makedirs(folder)
        with open(os.path.join(folder, "common.yaml"), "w", encoding="utf-8") as out:
            out.write("settings: {state: %s}\nconnections:\n"
                      "  shop: {plugin: mysql, host: 127.0.0.1, port: %s, user: %s, password: %s}\n"
                      "  dwh: {plugin: duckdb, path: %s}\n" % (
                          self.path("state_" + name), ENV["DRIPLINE_TEST_MYSQL_PORT"],
                          ENV["DRIPLINE_TEST_MYSQL_USER"], ENV["DRIPLINE_TEST_MYSQL_PASSWORD"],
                          self.path(name + ".duckdb")))
        for number in range(10):
            with open(os.path.join(folder, "p%d.yaml" % number), "w", encoding="utf-8") as out:
                out.write("pipeline: p%d\nsource: %s\nsinks: [%s]\n" % (
                    number, source % number if "%" in source else source, sink))
        log = self.path(name + ".log")
        with open(log, "wb") as out:
            daemon = subprocess.Popen([self.dripline, "daemon", folder], stdout=out, stderr=out,
                                      stdin=subprocess.DEVNULL)
        try:
            end = time.monotonic() + 60
            while not self.all_caught_up(self.path("state_" + name)):
                if daemon.poll() is not None or time.monotonic() > end:
                    with open(log, encoding="utf-8", errors="replace") as text:
                        sys.exit("bench: the daemon did not settle:\n" + text.read()[-2000:])
                time.sleep(0.2)
            with open("/proc/%d/status" % daemon.pid, encoding="ascii") as status:
                kib = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        finally:
            if daemon.poll() is None:
                daemon.send_signal(signal.SIGTERM)
                daemon.wait(timeout=60)
        self.add("idle_rss_ten_pipelines_" + name, kib / 1024, "MiB", limit, "the limit")

    def all_caught_up(self, state):
        done = subprocess.run([self.dripline, "status", "--state", state, "--format", "json"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False,
                              text=True)
        if done.returncode != 0:
            return False
        pipelines = json.loads(done.stdout).get("pipelines", [])
        return len(pipelines) == 10 and all(p.get("caught_up") for p in pipelines)

    def part_idle(self):
        self.sql("CREATE DATABASE IF NOT EXISTS idle;" + "".join(
            "CREATE TABLE idle.t%d (id INT PRIMARY KEY); INSERT INTO idle.t%d VALUES (1);" % (n, n)
            for n in range(10)))
        source = "{plugin: mysql, connection: shop, tables: [idle.t%d]}"
        self.idle_rss("blackhole", source, "{plugin: blackhole}", 60)
        self.idle_rss("warehouse", source, "{plugin: warehouse, connection: dwh, mode: mirror}", 60)

    def part_iforest(self):
        done = subprocess.run([os.path.join(self.build, "tests", "bench", "iforest")],
                              stdout=subprocess.PIPE, check=True, text=True)
        figures = json.loads(done.stdout)
        self.add("iforest_100_trees_batch", figures["rows_per_s"], "rows/s", 1e6, "the target")
        self.add("iforest_100_trees_one_row_p99", figures["row_p99_us"], "us", 15, "the target")

    def part_api(self):
        for name, value, unit, target in api.figures(self.build, min(self.runs, 3)):
            self.add(name, value, unit, target, "the target")

    def part_company(self):
        year = company.Company(self.build, self.folder, self.sql, ENV.get("BENCH_SCALE", "1"))
        year.reference()  # counts the rows
        self.runs = min(self.runs, 3)
        self.compare("company_to_star", year.rows, year.star, year.reference,
                     "a bare SELECT loop plus a bare appender")
        print("  %s rows" % format(year.rows, ","), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("output")
    parser.add_argument("--rows", type=int, default=int(ENV.get("BENCH_ROWS", "2000000")))
    parser.add_argument("--runs", type=int, default=int(ENV.get("BENCH_RUNS", "5")))
    parser.add_argument("--only", default=ENV.get("BENCH_ONLY", "generate,mysql,idle,iforest,api,company"))
    bench = Bench(parser.parse_args())
    try:
        for part in parser.parse_args().only.split(","):
            getattr(bench, "part_" + part)()
    finally:
        shutil.rmtree(bench.folder, ignore_errors=True)
    with open(parser.parse_args().output, "w", encoding="utf-8") as out:
        json.dump(bench.results, out, indent=1)
        out.write("\n")


main()
