#!/bin/sh
# Writes tests/data/case-3: a case of schema 3 as SQL, and its exports, by the program that wrote such cases.
#
#     make_case_3.sh TAMIS        # built from commit 5cc21da
#
# The sources are copied to /seizure, so that the paths in the case are nobody's.
set -eu
data=$(cd "$(dirname "$0")" && pwd)
cp -r "$data/seizure" /seizure
work=$(mktemp -d)
"$1" triage /seizure --known "$data/known.csv" --case "$work/CASE" --case-number 17 --quiet > "$work/summary"
"$1" stack --case "$work/CASE" --quiet > "$work/summary"
for kind in items hits priorities stacks; do
    "$1" export "$kind" --case "$work/CASE" --output "$data/case-3/$kind.csv" --quiet
done
python3 - "$work/CASE/case.sqlite" > "$data/case-3/case.sql" <<'PYTHON'
import sqlite3, sys
text = "\n".join(sqlite3.connect(sys.argv[1]).iterdump())
versions = "PRAGMA application_id = 1413565769;\nPRAGMA user_version = 3;\nCOMMIT;"
print("-- A case of schema 3: tests/data/make_case_3.sh.")
print(text.replace("COMMIT;", versions))
PYTHON
rm -r "$work"
