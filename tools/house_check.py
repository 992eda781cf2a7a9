#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The house rules that a machine can check: tools/house_check.py [BUILD]

Reads what git tracks; with a BUILD folder also the plugins that were built. Prints one "ok" or
"not ok" line a rule with the findings before it, and ends with the sum. Exits 1 on any finding.
"""

import glob
import os
import re
import subprocess
import sys

FUNCTION_LISTED, FUNCTION_MAX, FILE_MAX = 60, 100, 800
LAYERS = ["base", "config", "plugin", "engine", "store", "serve", "cli"]
BANNED = re.compile(
    r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|sscanf|alloca|system"
    r"|localtime|gmtime)\s*\("
)
CODE = re.compile(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*")
CALL = re.compile(r"\b(drip_error_set|drip_error_set_retryable|drip_findings_add)\s*\(")
PLUGIN_FILES = ["meson.build", "README.md", "example.yaml"]
UNTESTED = "tools/untested_codes.tsv"
CODES = "docs/reference/error_codes.tsv"

results = []


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def tracked(*patterns):
    out = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        stdout=subprocess.PIPE, check=True, text=True,
    ).stdout
    return sorted(path for path in out.split("\0") if path and os.path.isfile(path))


def strip(text):
    """C without comments; string contents blanked; the lines stay where they are."""
    def blank(match):
        token = match.group(0)
        if token[0] == "/":
            return re.sub(r"[^\n]", " ", token)
        return token[0] + " " * (len(token) - 2) + token[-1]
    return re.sub(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", blank, text,
                  flags=re.S)


def rule(name, findings):
    for finding in findings:
        print("# " + finding)
    results.append(not findings)
    print("%s %d - %s" % ("not ok" if findings else "ok", len(results), name), flush=True)


def check_banned(sources):
    for path in sources:
        for number, line in enumerate(strip(read(path)).split("\n"), 1):
            for match in BANNED.finditer(line):
                yield "%s:%d: %s is banned" % (path, number, match.group(1))


def functions(text):
    """(name, first line, lines) of each function: the brace stands alone at the margin."""
    lines = strip(text).split("\n")
    start = None
    for number, line in enumerate(lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            head = " ".join(lines[max(0, start - 6):start - 1])
            names = re.findall(r"(\w+)\s*\(", head)
            yield (names[-1] if names else "?", start, number - start - 1)
            start = None


def check_size(sources):
    long = 0
    for path in sources:
        text = read(path)
        count = text.count("\n")
        if count > FILE_MAX:
            yield "%s: %d lines, %d at most" % (path, count, FILE_MAX)
        for name, line, length in functions(text):
            if length > FUNCTION_MAX:
                yield "%s:%d: %s has %d lines, %d at most" % (path, line, name, length,
                                                              FUNCTION_MAX)
            elif length > FUNCTION_LISTED:
                long += 1
                print("# (listed) %s:%d: %s has %d lines" % (path, line, name, length))
    print("# %d functions over %d lines" % (long, FUNCTION_LISTED))


def check_layers(sources):
    for path in sources:
        parts = path.split("/")
        for target in re.findall(r'^#\s*include\s+"([^"]+)"', read(path), re.M):
            layer = target.split("/")[0]
            if "/" not in target or layer not in LAYERS:
                continue
            if parts[0] in ("sdk", "plugins"):
                yield "%s: %s must not include the core's %s" % (path, parts[0], target)
            elif parts[0] == "core" and LAYERS.index(layer) > LAYERS.index(parts[1]):
                yield "%s: %s must not include %s" % (path, parts[1], target)


def check_spdx(files):
    for path in files:
        if "SPDX-License-Identifier: Apache-2.0" not in "\n".join(read(path).split("\n")[:3]):
            yield "%s: no SPDX line at its top" % path


def machine_words():
    """What must not leave the machine of an author: its registries and folders."""
    words = ["/" + "work/", "/" + "root/", "registry." + "npmjs", "deb." + "debian.org",
             "snapshot." + "debian"]
    for command in (["npm", "config", "get", "registry"],):
        try:
            out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 stdin=subprocess.DEVNULL, timeout=30, check=False, text=True).stdout
        except (OSError, subprocess.TimeoutExpired):
            continue
        words += re.findall(r"https?://([^/\s:]+)", out)
    return words


def check_machine(files):
    words = machine_words()
    for path in files:
        text = read(path)
        for word in words:
            if word in text:
                yield "%s: names %s, which is of one machine" % (path, word)


def check_unfinished(sources):
    for path in sources:
        for number, line in enumerate(read(path).split("\n"), 1):
            if re.search(r"\b(TO[D]O|FIX[M]E|XX[X])\b", line):
                yield "%s:%d: unfinished: %s" % (path, number, line.strip()[:80])


def codes_used(sources):
    """Codes given to the error functions, with a place; and all literals that look like one."""
    used, literals = {}, set()
    for path in sources:
        text = read(path)
        literals.update(CODE.findall(" ".join(re.findall(r'"([^"\n]*)"', text))))
        blanked = strip(text)
        for match in CALL.finditer(blanked):
            end = blanked.find(";", match.end())
            quoted = re.findall(r'"((?:\\.|[^"\\\n])*)"', text[match.end():end])
            if quoted and CODE.fullmatch(quoted[0]):
                line = text.count("\n", 0, match.start()) + 1
                used.setdefault(quoted[0], "%s:%d" % (path, line))
    return used, literals


def check_codes(sources, listed):
    product = [path for path in sources if not is_test(path)]
    used, literals = codes_used(product)
    for code in sorted(set(used) - set(listed)):
        yield "%s: %s is not in %s" % (used[code], code, CODES)
    for code in listed:
        if code not in literals:
            yield "%s: nothing uses %s" % (CODES, code)
    if listed != sorted(set(listed)):
        yield "%s: not sorted, or one code twice" % CODES


def is_test(path):
    return path.startswith(("tests/", "sdk/test/")) or os.path.basename(path).startswith("test_")


def check_codes_tested(listed):
    text = "\n".join(read(path) for path in tracked() if is_test(path))
    excused = {line.split("\t")[0] for line in read(UNTESTED).splitlines()
               if line and not line.startswith("#")}
    for code in listed:
        tested = re.search(r"(?<![\w.])" + re.escape(code) + r"(?![\w.])", text)
        if not tested and code not in excused:
            yield "no test names %s" % code
        elif tested and code in excused:
            yield "%s: %s has a test" % (UNTESTED, code)
    for code in sorted(excused - set(listed)):
        yield "%s: %s is no code" % (UNTESTED, code)


def check_plugins():
    for meson in tracked("plugins/*/*/meson.build"):
        folder = os.path.dirname(meson)
        name = os.path.basename(folder)
        for wanted in PLUGIN_FILES + ["test_%s.c" % name.replace("-", "_")]:
            if not os.path.exists(os.path.join(folder, wanted)):
                yield "%s: has no %s" % (folder, wanted)
        if not glob.glob(os.path.join(folder, "*.c")):
            yield "%s: has no source" % folder


def check_exports(build):
    built = glob.glob(os.path.join(build, "plugins", "**", "drip-*.so"), recursive=True)
    if not built:
        yield "%s: no plugin was built" % build
    for path in sorted(built):
        out = subprocess.run(["nm", "-D", "--defined-only", path], stdout=subprocess.PIPE,
                             check=True, text=True).stdout
        names = sorted(line.split()[-1].split("@")[0] for line in out.splitlines() if line)
        if names != ["drip_plugin_entry_v1"]:
            yield "%s: exports %s" % (path, ", ".join(names) or "nothing")


def check_format(sources):
    try:
        done = subprocess.run(["clang-format", "--dry-run", *sources], stderr=subprocess.PIPE,
                              check=False, text=True)
    except OSError:
        print("# clang-format is not installed: make check installs it")
        return
    seen = set()
    for line in done.stderr.splitlines():
        match = re.match(r"([^:]+):(\d+):\d+: (?:warning|error)", line)
        if match and match.group(1) not in seen:
            seen.add(match.group(1))
            yield "%s:%s: not as clang-format would have it" % match.groups()


def main():
    os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
    sources = tracked("*.c", "*.h")
    scripts = tracked("*.sh", "*.py", "*meson.build", "Makefile", ".ci/*", "pipelines/*.yaml")
    listed = []
    if os.path.exists(CODES):
        listed = [line.split("\t")[0] for line in read(CODES).splitlines()
                  if line and not line.startswith("#")]
    rule("no banned function", list(check_banned(sources)))
    rule("functions and files are short", list(check_size(sources)))
    rule("lower folders do not include higher ones", list(check_layers(sources)))
    rule("each file names its licence", list(check_spdx(sources + scripts)))
    rule("nothing of one machine", list(check_machine(tracked())))
    rule("nothing unfinished", list(check_unfinished(sources + scripts)))
    rule("error codes are listed", list(check_codes(sources, listed)))
    rule("each error code has a test", list(check_codes_tested(listed)))
    rule("plugin folders are complete", list(check_plugins()))
    rule("formatted by clang-format", list(check_format(sources)))
    if len(sys.argv) > 1:
        rule("a plugin exports one function", list(check_exports(sys.argv[1])))
    print("%d passed, %d failed" % (sum(results), len(results) - sum(results)))
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
