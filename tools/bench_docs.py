#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the figures of docs/benchmarks.md: bench_docs.py [--check] BENCH.json PAGE.md

The table stands between "<!-- figures -->" and "<!-- /figures -->"; no figure there is written by
hand. With --check nothing is written, and the status is 1 where the page would change.
"""

import json
import sys


def number(value):
    if value is None:
        return ""
    return format(round(value), ",") if value >= 1000 else ("%.1f" % value)


def table(figures):
    lines = ["| figure | value | unit | reference | of it | command |", "|---|---:|---|---|---:|---|"]
    for f in figures:
        reference = ""
        if f["reference"] is not None:
            reference = "%s: %s" % (f["reference_name"], number(f["reference"]))
        lines.append("| %s | %s | %s | %s | %s | `%s` |" % (
            f["name"], number(f["value"]), f["unit"], reference,
            "" if f["ratio"] is None else "%d %%" % round(100 * f["ratio"]), f["command"]))
    return "\n".join(lines)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--check"]
    with open(arguments[0], encoding="utf-8") as source:
        figures = json.load(source)
    with open(arguments[1], encoding="utf-8") as page:
        old = page.read()
    head, rest = old.split("<!-- figures -->\n", 1)
    tail = rest.split("<!-- /figures -->", 1)[1]
    new = head + "<!-- figures -->\n" + table(figures) + "\n<!-- /figures -->" + tail
    if new == old:
        return 0
    if "--check" in sys.argv:
        print("%s is not what %s says: run tools/bench_docs.py" % (arguments[1], arguments[0]))
        return 1
    with open(arguments[1], "w", encoding="utf-8") as page:
        page.write(new)
    return 0


sys.exit(main())
