#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Counts the test cases of a meson run: tools/count_tests.py TESTLOG.json STATUS

A test's output counts by its "ok"/"not ok" lines (TAP), else by a last "N passed, N failed" line,
else as one case. A test that fails without naming a case is one failed case. Ends with why each test
failed, after "failures:", and with the sum; exits 1 where anything failed or STATUS, meson's own,
was not 0.
"""

import json
import re
import sys

from causes import causes

CAUSES = 12  # lines of a test
SUM = re.compile(r"^(\d+) passed, (\d+) failed\b")


def cases(test):
    """(passed, failed) of one entry of meson's log."""
    lines = ((test.get("stdout") or "") + "\n" + (test.get("stderr") or "")).splitlines()
    passed = sum(1 for line in lines if re.match(r"^ok\b(?!.*# SKIP)", line))
    failed = sum(1 for line in lines if re.match(r"^not ok\b", line))
    if passed + failed == 0:
        for line in reversed(lines):
            match = SUM.match(line)
            if match:
                passed, failed = int(match.group(1)), int(match.group(2))
                break
    result = test["result"]
    if result in ("OK", "EXPECTEDFAIL"):
        return (passed or (0 if failed else 1), failed)
    if result == "SKIP":
        return (0, 0)
    return (passed, failed or 1)


def failures(test):
    """What a test that failed says of it."""
    lines = ((test.get("stdout") or "") + "\n" + (test.get("stderr") or "")).splitlines()
    shown = causes(lines, CAUSES)
    done = [text for text in lines if re.match(r"^(not )?ok\b", text)]
    if done and not any(text.startswith("not ok") for text in done):
        shown.insert(0, "it ended after: " + done[-1])
    return shown


def main():
    passed = failed = skipped = 0
    broken = []
    try:
        with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
            for line in log:
                test = json.loads(line)
                good, bad = cases(test)
                passed += good
                failed += bad
                skipped += test["result"] == "SKIP"
                if bad:
                    how = "status %s, %.0f s" % (test.get("returncode"), test["duration"])
                    broken.append("%s: %d failed (%s, %s)" % (test["name"], bad, test["result"], how))
                    broken += ["    " + text for text in failures(test)]
    except OSError as error:
        broken.append("no test log: %s" % error)
    if int(sys.argv[2]) != 0 and failed == 0:
        broken.append("the test run ended with status %s" % sys.argv[2])
        failed += 1
    if passed + failed == 0:
        broken.append("no test ran")
        failed = 1
    if skipped:
        print("%d test programs skipped" % skipped)
    if broken:
        print("\n".join(["failures:"] + broken))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


sys.exit(main())
