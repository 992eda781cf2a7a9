# SPDX-License-Identifier: Apache-2.0
# The SQL that the policy is compiled to: DuckDB takes it and masks by it; Redshift's has what it must.
# usage: test_policy.sh DRIPLINE DUCKSQL ROOT
set -eu
dripline=$1 ducksql=$2 root=$3
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
fail() { echo "$*"; exit 1; }

cat >"$dir/p.yaml" <<'Y'
tables:
  dw.people:
    columns:
      - {name: id, type: int64}
      - {name: phone, type: utf8, nullable: true, class: restricted, pii: phone}
      - {name: email, type: utf8, nullable: true, class: restricted, pii: email}
      - {name: born, type: date, nullable: true, class: confidential, pii: birthdate}
      - {name: first, type: utf8, nullable: true, class: confidential, pii: name}
      - {name: salary, type: "decimal(12,2)", nullable: true, class: restricted}
roles:
  clerk:
    description: Clerks
    named: [alice]
    grants: [{tables: dw.people, masked: restricted, filter: id < 10}]
  guest:
    grants: [{tables: "dw.*", clearance: public}]
  reader:
    grants: [{tables: "dw.*"}]
Y
"$dripline" policy compile "$dir/p.yaml" --role clerk --database memory >"$dir/duckdb.sql"
"$dripline" ddl "$dir/p.yaml" >"$dir/ddl.sql"
echo "INSERT INTO dw.people VALUES (1, '+12125550199', 'ann@example.com', '1990-05-06', 'Ann', 12.5), (2, '123', '@', NULL, NULL, NULL), (11, NULL, NULL, NULL, NULL, NULL);" >"$dir/rows.sql"
got=$("$ducksql" --execute ":memory:" "$(cat "$dir/ddl.sql" "$dir/rows.sql" "$dir/duckdb.sql")
COPY (FROM drip_role_clerk.dw.people ORDER BY id) TO '$dir/masked.csv';
COPY (FROM drip_role_clerk__named.dw.people ORDER BY id) TO '$dir/named.csv';" 2>&1) || fail "$got"
printf '%s\n' id,phone,email,born,first,salary '1,***0199,a***@example.com,1990-01-01,A***,' '2,***,***,,,' >"$dir/want.csv"
cmp "$dir/want.csv" "$dir/masked.csv" || fail "$(cat "$dir/masked.csv")"
grep -q '^1,+12125550199,ann@example.com,1990-05-06,Ann,12.50$' "$dir/named.csv" || fail "$(cat "$dir/named.csv")"

"$dripline" policy compile "$dir/p.yaml" --dialect redshift >"$dir/redshift.sql"
has() { grep -qF -- "$1" "$dir/redshift.sql" || fail "missing: $1"; }
has 'CREATE ROLE clerk;'
has 'GRANT USAGE ON SCHEMA dw TO ROLE clerk;'
has 'GRANT SELECT ("id", "phone", "email", "born", "first", "salary") ON dw.people TO ROLE clerk;'
has 'GRANT SELECT ("id") ON dw.people TO ROLE reader;'
has 'CREATE MASKING POLICY IF NOT EXISTS dripline_phone_varchar_65535 WITH (value VARCHAR(65535)) USING (CAST('
has 'ATTACH MASKING POLICY dripline_phone_varchar_65535 ON dw.people ("phone") TO ROLE clerk PRIORITY 10;'
has 'ATTACH MASKING POLICY dripline_show_varchar_65535 ON dw.people ("phone") TO "alice" PRIORITY 100;'
has 'CREATE RLS POLICY dripline_rows_clerk_dw_people WITH ("id" BIGINT) USING (id < 10);'
has 'CREATE RLS POLICY dripline_rows_reader_dw_people USING (1 = 1);'
! grep -q '^GRANT SELECT.*TO ROLE guest' "$dir/redshift.sql" || fail "guest sees something"

"$dripline" policy show "$dir/p.yaml" --role clerk >"$dir/show"
grep -qF '  dw.people (rows filtered): id, phone*, email*, born*, first*, salary*' "$dir/show" || fail "$(cat "$dir/show")"
status=0
"$dripline" policy show "$dir/p.yaml" --role nobody 2>"$dir/err" || status=$?
[ "$status" = 2 ] && grep -q 'policy.unknown_role' "$dir/err"
status=0
"$dripline" policy compile "$root/tests/config/cases/roles_bad.yaml" >"$dir/out" 2>"$dir/err" || status=$?
[ "$status" = 2 ] && [ ! -s "$dir/out" ]

# The whole of Redshift's DDL: what changes in it is looked at.
"$dripline" policy compile "$root/tests/config/policy.yaml" --dialect redshift >"$dir/got"
diff -u "$root/tests/config/policy.redshift.expect" "$dir/got" || fail "Redshift's DDL has changed"

# In a warehouse: planned, applied, found in order; what is changed by hand or gone from the policy is put right; and
# nothing is changed where a column is missing or a view cannot be made.
mkdir "$dir/w"
cp "$root/tests/config/policy.yaml" "$dir/w/p.yaml"
cd "$dir/w"
policy() { # STATUS VERB PATTERN...: runs it, and looks for each pattern in what it prints
	want=$1 verb=$2 status=0
	shift 2
	"$dripline" policy "$verb" p.yaml --connection dwh $more >out 2>&1 || status=$?
	[ "$status" = "$want" ] || fail "policy $verb: $status, not $want: $(cat out)"
	for pattern; do
		grep -qF -- "$pattern" out || fail "policy $verb: no \"$pattern\" in $(cat out)"
	done
}
sql() { "$ducksql" --execute w.db "$1" || fail "$1"; }
more= all="5 views to make, 0 to replace, 0 to drop, 0 unchanged" none="0 views to make, 0 to replace, 0 to drop, 5 unchanged"
sql "CREATE SCHEMA dw; CREATE TABLE dw.people AS SELECT 1::BIGINT AS id, '+12125550199' AS phone, 'Ann' AS first, 'x' AS extra;
INSERT INTO dw.people VALUES (11, '+12125550111', 'Bob', 'y')"
policy 0 plan "$all" 'dw.people.extra is not declared, and no role sees it' 'dw.later is not there yet'
policy 1 check "$all"
policy 0 apply "$all" done
policy 0 apply "$none"
policy 0 check "$none"
sql "COPY (FROM dripline_role_clerk__dw.people) TO 'clerk.csv'; COPY (FROM dripline_role_clerk__named__dw.people) TO 'named.csv';
COPY (FROM dripline_role_reader__dw.people ORDER BY ALL) TO 'reader.csv'"
[ "$(tr '\n' ' ' <clerk.csv)" = "id,phone,first 1,***0199,A*** " ] || fail "$(cat clerk.csv)"
[ "$(tr '\n' ' ' <named.csv)" = "id,phone,first 1,+12125550199,Ann " ] || fail "$(cat named.csv)"
[ "$(tr '\n' ' ' <reader.csv)" = "id 1 11 " ] || fail "$(cat reader.csv)"
sql "CREATE OR REPLACE VIEW dripline_role_reader__dw.people AS FROM dw.people; CREATE VIEW dripline_role_reader__dw.mine AS FROM dw.people;
CREATE SCHEMA dripline_role_gone__dw; CREATE VIEW dripline_role_gone__dw.x AS SELECT 1"
more="--role clerk"
policy 0 check "0 views to make, 0 to replace, 0 to drop, 2 unchanged"
more=
policy 1 check 'replace  dripline_role_reader__dw.people' 'drop     dripline_role_reader__dw.mine' 'drop     dripline_role_gone__dw.x'
policy 0 apply done
policy 0 check "$none"
sql "COPY (SELECT count(*) AS n FROM duckdb_schemas() WHERE schema_name = 'dripline_role_gone__dw') TO 'gone.csv'"
[ "$(tail -n 1 gone.csv)" = 0 ] || fail "an empty schema is left"
cp p.yaml before.yaml
sed 's/name: first, type/name: frist, type/' before.yaml >p.yaml
policy 2 apply policy.unknown_column 'has no column "frist"'
sed 's/ AND first/ AND fisrt/' before.yaml >p.yaml
policy 2 apply fisrt
sed '/^  reader:/,/^    grants/d' before.yaml >p.yaml
policy 0 plan 'drop     dripline_role_reader__dw.people' "0 to replace, 1 to drop, 4 unchanged"
cp before.yaml p.yaml
policy 0 check "$none"
more="--role nobody_else"
policy 2 plan policy.unknown_role
more="--connection nope"
policy 2 plan outside.no_connection
more=
sed 's/plugin: duckdb, path: w.db/plugin: mysql, host: 127.0.0.1, port: 1, user: x, password: y/' before.yaml >p.yaml
policy 2 plan policy.no_dialect
! "$dripline" policy apply before.yaml 2>/dev/null || fail "no connection was given"
! "$dripline" policy show before.yaml --connection dwh 2>/dev/null || fail "show takes no connection"
cd "$root"

# A key ring is made for its owner alone, is never overwritten, and grows by a key a rotation.
"$dripline" keyring new "$dir/ring" >"$dir/out"
[ "$(stat -c %a "$dir/ring")" = 600 ] && [ "$(wc -l <"$dir/ring")" = 1 ] || fail "ring"
! "$dripline" keyring new "$dir/ring" 2>/dev/null || fail "ring overwritten"
cp "$dir/ring" "$dir/before"
"$dripline" keyring rotate "$dir/ring" >>"$dir/out"
[ "$(stat -c %a "$dir/ring")" = 600 ] && [ "$(cut -d' ' -f1 "$dir/ring" | tr '\n' ' ')" = "1 2 " ] || fail "rotation"
head -1 "$dir/ring" | cmp - "$dir/before" || fail "the old key is gone"
! grep -qF "$(cut -d' ' -f2 "$dir/before")" "$dir/out" || fail "a key was printed"
echo "x" >"$dir/bad"
! "$dripline" keyring rotate "$dir/bad" 2>/dev/null || fail "a file that is no ring was rotated"

# Values are encrypted anew under a newer key, and what lacks its key says which: no key and no value is in a log or store.
mkdir "$dir/seal"
cd "$dir/seal"
"$dripline" keyring new pii.ring >out
echo '0123456789abcdef0123456789abcdef' >join.key
chmod 600 join.key
printf 'id,phone\n1,212-555-0100\n2,+1 (212) 555-0100\n' >people.csv
pipeline() { # NAME INPUT COLUMNS TRANSFORMS CLEARANCE: from a file to NAME/people.jsonl
	printf 'pipeline: %s\nsource: {plugin: file, path: %s, name: people, columns: {%s}}\ntransforms:\n%s\nsinks: [{plugin: file, path: "%s/{table}.jsonl", clearance: %s}]\n' \
		"$1" "$2" "$3" "$4" "$1" "$5" >"$1.yaml"
	"$dripline" run "$1.yaml" --state "$1.state" >>log 2>&1
}
crypt() { echo "  - {plugin: mask, keyring: $1, columns: [{name: sealed, method: $2, context: phone}]}"; }
sealed="id: int64, hash: utf8, sealed: utf8"
pipeline first people.csv "id: int64, phone: utf8" '  - {plugin: derive, columns: {hash: phone, sealed: phone}}
  - {plugin: mask, key_file: join.key, columns: [{name: hash, normalise: phone}, {name: phone, method: "null"}]}
'"$(crypt pii.ring encrypt)" confidential || fail "$(cat log)"
[ "$(grep -o '"hash":"[^"]*"' first/people.jsonl | sort -u | wc -l)" = 1 ] || fail "one number, two hashes"
[ "$(grep -c '"sealed":"v1\.1\.' first/people.jsonl)" = 2 ] || fail "$(cat first/people.jsonl)"
"$dripline" keyring rotate pii.ring >>out
pipeline anew first/people.jsonl "$sealed" "$(crypt pii.ring decrypt)
$(crypt pii.ring encrypt)" confidential || fail "$(cat log)"
[ "$(grep -c '"sealed":"v1\.2\.' anew/people.jsonl)" = 2 ] || fail "$(cat anew/people.jsonl)"
sed 1d pii.ring >newer.ring
chmod 600 newer.ring
! pipeline lost first/people.jsonl "$sealed" "$(crypt newer.ring decrypt)" restricted || fail "decrypted without its key"
grep -q 'the ring has no key 1 \[mask.cannot_decrypt\]' log || fail "$(cat log)"
pipeline back anew/people.jsonl "$sealed" "$(crypt newer.ring decrypt)" restricted || fail "$(cat log)"
grep -q '"sealed":"212-555-0100"' back/people.jsonl || fail "$(cat back/people.jsonl)"
! pipeline leak anew/people.jsonl "$sealed" "$(crypt newer.ring decrypt)" confidential || fail "a sink took clear values"
for secret in $(cut -d' ' -f2 pii.ring) "$(cat join.key)" 555-0100; do
	! grep -rqF -- "$secret" log out ./*.state || fail "a secret in log or store"
done
cd "$root"
