#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Prints the few lines of a log that say why something failed: tools/causes.py LOG [LINES]

A section "failures:" of a tool that has chosen them already; else failed checks and "not ok" of TAP,
errors of compilers, reports of sanitizers with the start of their stacks; else how the log ends.
"""

import re
import sys

WIDTH = 240  # characters of a line
FRAMES = 6  # of a stack, and lines of what a program that hung has printed
CAUSE = re.compile(
    r"^not ok|^Bail out|error:|\bERROR\b|runtime error|SUMMARY: |WARNING: ThreadSanitizer"
    r"|^# hung|FAILED|FAIL\b|Assertion|Traceback|^\w*(Error|Exception): |^base64 "
)
FRAME = re.compile(r"^\s*#(\d+) (0x)?\w")
SUM = re.compile(r"^(# )?\d+ passed, \d+ failed\b")
CHECK = re.compile(r"^# \S+:\d+: ")


def section(lines):
    """What a last "failures:" holds, without the sum that follows it; None where there is none."""
    if "failures:" not in lines:
        return None
    start = len(lines) - lines[::-1].index("failures:")
    return [text for text in lines[start:] if not SUM.match(text)]


def frame(text):
    """True for one of the first frames of a stack, without those of the fuzzer."""
    found = FRAME.match(text)
    return found and int(found.group(1)) < FRAMES and " fuzzer::" not in text


def causes(lines, limit):
    """At most `limit` of `lines`, in their order."""
    lines = [text.rstrip("\n") for text in lines]
    shown = section(lines)
    if shown is None:
        shown = []
        stack = False
        follow = 0
        for text in lines:
            if CHECK.match(text) or CAUSE.search(text) or follow > 0:
                shown.append(text)
                stack = "Sanitizer" in text or "runtime error" in text
                follow = FRAMES if text.startswith("# hung") else follow - 1
            elif stack and frame(text):
                shown.append(text)
        shown = list(dict.fromkeys(shown))
    if not shown:
        shown = [text for text in lines if text and not re.match(r"^ok\b|^\d+\.\.", text)][-limit:]
    if len(shown) > limit:
        shown = shown[: limit - 1] + ["... and %d lines more" % (len(shown) - limit + 1)]
    return [text[:WIDTH] for text in shown]


def main():
    limit = int(sys.argv[2]) if len(sys.argv) > 2 else 20
    with open(sys.argv[1], encoding="utf-8", errors="replace") as log:
        print("\n".join(causes(log.readlines(), limit)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
