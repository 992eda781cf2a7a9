#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""embed.py OUTPUT DEPFILE WEB NPM: writes the page's files below the folder WEB, and those of its
libraries below NPM, as the C table of assets.h, gzip'ed, each with an ETag of its content. The same
files give the same bytes."""
import gzip
import hashlib
import os
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
LIBRARIES = {
    "lib/preact.js": ["htm/preact/standalone.module.js"],
    "lib/uplot.js": ["uplot/dist/uPlot.iife.min.js"],
    "lib/uplot.css": ["uplot/dist/uPlot.min.css"],
    "lib/dagre.js": ["@dagrejs/dagre/dist/dagre.min.js"],
    "licenses.txt": ["htm/LICENSE", "uplot/LICENSE", "@dagrejs/dagre/LICENSE", "@dagrejs/graphlib/LICENSE"],
}


def find(web, npm):
    """{url: [path, ...]}: what each file is made of."""
    files = {name: [os.path.join(npm, path) for path in paths] for name, paths in LIBRARIES.items()}
    for folder, _, names in os.walk(web):
        for name in names:
            path = os.path.join(folder, name)
            if os.path.splitext(name)[1] in TYPES:
                files[os.path.relpath(path, web)] = [path]
    return dict(sorted(files.items()))


def pack(paths):
    data = b""
    for path in paths:
        with open(path, "rb") as file:
            data += file.read()
    return gzip.compress(data, 9, mtime=0)


def main(output, depfile, web, npm):
    files = find(web, npm)
    arrays = []
    entries = []
    for i, (name, paths) in enumerate(files.items()):
        packed = pack(paths)
        etag = hashlib.sha256(packed).hexdigest()[:24]
        arrays.append("static const unsigned char data_%d[] = {%s};\n" % (i, ",".join(map(str, packed))))
        entries.append('\t{"/%s", "%s", "\\"%s\\"", data_%d, sizeof(data_%d)},\n'
                       % ("" if name == "index.html" else name, TYPES[os.path.splitext(name)[1]], etag, i, i))
    with open(output, "w", encoding="utf-8") as out:
        out.write('#include "assets.h"\n\n')
        out.writelines(arrays)
        out.write("\nconst struct asset assets[] = {\n")
        out.writelines(entries)
        out.write("};\nconst size_t assets_count = sizeof(assets) / sizeof(assets[0]);\n")
    with open(depfile, "w", encoding="utf-8") as out:
        inputs = [path.replace(" ", "\\ ") for paths in files.values() for path in paths]
        out.write("%s: %s\n" % (output, " ".join(inputs)))


if __name__ == "__main__":
    main(*sys.argv[1:])
