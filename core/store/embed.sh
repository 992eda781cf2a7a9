#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# embed.sh OUTPUT FILE...: writes the migrations as C, in the order of their numbers.
set -eu
out=$1
shift
{
	printf '#include "store/internal.h"\n\n'
	printf 'const struct drip_store_migration drip_store_migrations[] = {\n'
	for file in "$@"; do
		number=$(basename "$file" | sed 's/^0*\([0-9]*\)_.*/\1/')
		printf '\t{%s,\n' "$number"
		sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/^/\t "/' -e 's/$/\\n"/' "$file"
		printf '\t},\n'
	done
	printf '\t{0, NULL},\n};\n'
} > "$out"
