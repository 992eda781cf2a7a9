#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The JSON Schema against an independent validator: it is a schema itself, what validates passes, what does not fails.

Arguments: the program, the folder of the test's plugin, the root of the source tree.
"""

import glob
import json
import os
import subprocess
import sys

try:
    import jsonschema
    import yaml
except ImportError as e:
    print("1..0 # SKIP %s" % e)
    sys.exit(77)

program, plugin_dir, root = sys.argv[1:4]
schema = json.loads(subprocess.run([program, "schema", "--plugin-dir", plugin_dir], check=True,
                                   stdout=subprocess.PIPE).stdout)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)

# Cases that the schema must refuse: what one file, without running anything, shows to be wrong.
REFUSED = """unknown_option unknown_key missing_option missing_plugin wrong_types ranges unknown_value one_of
at_least_one requires unknown_component bad_names not_maps missing_parts missing_pipeline schedule_missing engine_keys
many_errors not_a_map""".split()
number = failed = 0


def check(name, good, detail=""):
    global number, failed
    number += 1
    failed += not good
    if detail and not good:
        print("# " + detail)
    print("%sok %d - %s" % ("" if good else "not ", number, name))


class Loader(yaml.SafeLoader):
    """As Dripline and editors read YAML: a date is a text."""


Loader.yaml_implicit_resolvers = {first: [(tag, regexp) for tag, regexp in resolvers if not tag.endswith(":timestamp")]
                                  for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def errors(path):
    with open(path, encoding="utf-8") as f:
        return ["%s: %s" % (e.json_path, e.message[:200]) for e in validator.iter_errors(yaml.load(f, Loader))]


cases = os.path.join(root, "tests/config/cases")
for name in REFUSED:
    path = os.path.join(cases, name + ".yaml")
    check("refuses " + name, bool(errors(path)))
check("refuses a quoted number", any(validator.iter_errors(
    {"pipeline": "p", "source": {"plugin": "rows", "shards": "5"}, "sinks": [{"plugin": "store", "table": "t"}]})))
for path in ["good", "good_everything", "contract", "masked", "input_order", "only_connections"]:
    path = os.path.join(cases, path + ".yaml")
    found = errors(path)
    check("takes " + os.path.basename(path), not found, "; ".join(found[:3]))
for path in sorted(glob.glob(os.path.join(root, "plugins/*/*/example.yaml")) + glob.glob(os.path.join(root, "pipelines/**/*.yaml"), recursive=True)):
    found = errors(path)
    if any(".plugin: " in e and "is not one of" in e for e in found):
        check("takes %s # SKIP it needs a plugin that is not built" % os.path.relpath(path, root), True)
        continue
    check("takes " + os.path.relpath(path, root), not found, "; ".join(found[:3]))
print("1..%d" % number)
sys.exit(1 if failed else 0)
