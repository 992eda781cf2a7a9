#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py INPUT.json OUTPUT.c: the OpenAPI document as the C string `api_openapi`."""
import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    text = json.dumps(json.load(file), separators=(",", ":")) + "\n"
data = ",".join(str(byte) for byte in text.encode() + b"\0")
with open(sys.argv[2], "w", encoding="ascii") as out:
    out.write("#include \"api.h\"\n\nconst char api_openapi[] = {%s};\n" % data)
