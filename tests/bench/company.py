# SPDX-License-Identifier: Apache-2.0
"""The company's year at scale 1: from its databases to the finished star schema.

One `dripline run --until caught-up` of the shipped pipelines/feeds, without their second sink, the
lake, which the star does not need, and of the shipped pipelines/jobs, in the order that their
schedules state. The reference is
tests/bench/tables.c: a bare SELECT loop over the same tables, plus a bare appender of their rows.
"""

import os
import shutil
import subprocess
import sys
import time

ENV = os.environ
ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FEEDS = ("salesorder", "salespayment", "salescrm", "opshop", "opproduction", "pubdm")
JOBS = ("calendar_etl", "orders_etl", "payments_etl", "production_etl", "customer_etl",
        "reference_etl")
EQUAL = """SELECT (SELECT count(*) FROM dw.fact_orders) = count(*)
    AND (SELECT sum(net_amount) FROM dw.fact_orders) = sum(net_amount)
    AND (SELECT count(*) FROM dw.dim_customer WHERE is_current AND segment IS NOT NULL) > 0
    AND (SELECT bool_and(passed) FROM dw.quality_results WHERE severity = 'error')
    FROM ods.t_sales_order WHERE is_nzd_test IS NOT TRUE"""


class Company:
    def __init__(self, build, folder, sql, scale):
        self.build, self.folder, self.sql = build, folder, sql
        subprocess.run([os.path.join(build, "tests", "company", "company"), "load", "--socket",
                        ENV["DRIPLINE_TEST_MYSQL_SOCKET"], "--schema",
                        os.path.join(ROOT, "tests", "company", "schema.sql"), "--scale",
                        str(scale)], stdout=subprocess.DEVNULL, check=True)
        self.tables = sql(
            "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables "
            "WHERE table_schema LIKE 'luckyus\\_%' ORDER BY 1").split()
        self.rows = 0
        self.pipelines = os.path.join(folder, "company.yaml")
        with open(self.pipelines, "w", encoding="utf-8") as out:
            out.write("include: [%s]\n" % ", ".join(
                [self.feed(name) for name in FEEDS] +
                [os.path.join(ROOT, "pipelines", "jobs", name + ".yaml") for name in JOBS]))

    def feed(self, name):
        """A copy of a shipped feed that ends before its lake sink."""
        folder = os.path.join(ROOT, "pipelines")
        with open(os.path.join(folder, "feeds", name + ".yaml"), encoding="utf-8") as source:
            text = source.read().replace("../", folder + "/")
        path = os.path.join(self.folder, name + "_feed.yaml")
        with open(path, "w", encoding="utf-8") as out:
            out.write(text[:text.index("  - plugin: lake")])
        return path

    def reference(self):
        """Seconds of reading all rows, plus those of appending them."""
        path = os.path.join(self.folder, "bare.duckdb")
        out = subprocess.run([os.path.join(self.build, "tests", "bench", "tables"), path,
                              *self.tables], stdout=subprocess.PIPE, check=True, text=True)
        rows, select, append = out.stdout.split()
        os.unlink(path)
        self.rows = int(rows)
        return float(select) + float(append)

    def star(self):
        """Seconds of the whole path, from an empty folder to the last job's end."""
        work = os.path.join(self.folder, "company")
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        environment = {
            "COMPANY_MYSQL_HOST": "127.0.0.1", "DRIPLINE_STATE": os.path.join(work, "state"),
            "COMPANY_MYSQL_PORT": ENV["DRIPLINE_TEST_MYSQL_PORT"],
            "COMPANY_MYSQL_USER": ENV["DRIPLINE_TEST_MYSQL_USER"],
            "COMPANY_MYSQL_PASSWORD": ENV["DRIPLINE_TEST_MYSQL_PASSWORD"],
            "COMPANY_WAREHOUSE": os.path.join(work, "warehouse.duckdb"),
            "COMPANY_HASH_KEY": "0123456789abcdef0123456789abcdef"}
        start = time.monotonic()
        done = subprocess.run(
            [os.path.join(self.build, "core", "dripline"), "run", self.pipelines, "--no-progress",
             "--log-level", "warning", "--until", "caught-up"], env={**ENV, **environment},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            errors="replace", check=False, timeout=600)
        seconds = time.monotonic() - start
        if done.returncode != 0:
            sys.exit("bench: the company's pipelines failed with %d:\n%s" % (
                done.returncode, done.stdout[-2000:]))
        equal = subprocess.run(
            [os.path.join(self.build, "tests", "lib", "ducksql"),
             environment["COMPANY_WAREHOUSE"], EQUAL], stdout=subprocess.PIPE, check=True,
            text=True).stdout.strip()
        if equal != "true":
            sys.exit("bench: the star schema does not equal its sources")
        return seconds
