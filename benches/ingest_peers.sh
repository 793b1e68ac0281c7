#!/usr/bin/env bash
# What limits taking files in: many small files against public tools, and memory on large ones.
#   benches/ingest_peers.sh FOLDER [ROUNDS]
# Needs GNU time, `pip install numpy pillow`, and for one peer `cargo install czkawka_cli` (on the PATH, or CZKAWKA=its
# path; without it that peer is left out, which the output reports). FOLDER gets 100,000 small JPEGs (2.2 GB) and forty of
# 100 megapixels (0.5 GB) once; SMALL= and LARGE= name folders that are there already. TAMIS= names a built program.
# ROUNDS=0 leaves the small files out. One round is one run of each program, one after the other; figures of a round are compared with each other only.
set -euo pipefail
folder=${1:?usage: benches/ingest_peers.sh FOLDER [ROUNDS]}
rounds=${2:-3}
here=$(cd "$(dirname "$0")" && pwd)
if [ -z "${TAMIS:-}" ]; then
  (cd "$here/.." && cargo build --release --locked --quiet)
  TAMIS=$here/../target/release/tamis
fi
czkawka=${CZKAWKA:-$(command -v czkawka_cli || true)}
mkdir -p "$folder"
small=${SMALL:-$folder/small}
large=${LARGE:-$folder/large}
[ -e "$small" ] || python3 "$here/small_files.py" "$small"
[ -e "$large" ] || python3 "$here/large_files.py" "$large"

echo "machine: $(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2-), $(nproc) processors, $(awk '/MemTotal/ {printf "%.0f", $2 / 1048576}' /proc/meminfo) GiB, Linux $(uname -r)"
echo "date: $(date -u +%FT%TZ)   command: ${SMALL:+SMALL=$SMALL }${LARGE:+LARGE=$LARGE }benches/ingest_peers.sh $*"
echo "tamis: $("$TAMIS" --version) of $(git -C "$here" rev-parse --short HEAD); $(sha256sum --version | head -1)${czkawka:+; $("$czkawka" --version | head -1)}"
echo "load at the start: $(cut -d' ' -f1-3 /proc/loadavg)"

# Runs a command; prints NAME, wall, user and system seconds, and KiB maximum, after the load before it.
timed() {
  local name=$1
  shift
  local load wall user system most
  load=$(cut -d' ' -f1 /proc/loadavg)
  command time -o "$folder/time" -f '%e %U %S %M' "$@" >"$folder/out" 2>"$folder/err" || echo "  ($name ended with $?)"
  read -r wall user system most < <(tail -n 1 "$folder/time")
  printf '%-30s %8s s wall %8s s user %7s s system %9s KiB maximum   load before %s\n' "$name" "$wall" "$user" "$system" "$most" "$load"
  echo "$name $wall $user $system" >>"$folder/walls"
}

: >"$folder/walls"
find "$small" -type f -print0 | sort -z >"$folder/files"
echo "small files: $(tr -cd '\0' <"$folder/files" | wc -c), $(du -sb --apparent-size "$small" | cut -f1) bytes with folders"
# Everything into the cache once.
xargs -0 cat <"$folder/files" >/dev/null
for round in $(seq "$rounds"); do
  echo "round $round"
  rm -rf "$folder/case"
  timed tamis-scan "$TAMIS" scan "$small" --case "$folder/case" --progress none --backend cpu
  grep -E 'This run|limited by|Limited by' "$folder/out" "$folder/err" -h || true
  timed sha256sum-one-process xargs -0 -n 1000 sha256sum -- <"$folder/files"
  timed sha256sum-two-processes xargs -0 -n 1000 -P 2 sha256sum -- <"$folder/files"
  if [ -n "$czkawka" ]; then
    # All files of at least a byte, no differing bit allowed, nothing kept between rounds: nearly all of it is reading,
    # decoding and hashing. It computes no digests.
    timed czkawka-image "$czkawka" image -d "$small" -m 1 -s 0 -H -T "$(nproc)" -f "$folder/czkawka.txt"
    grep -m1 -i 'found' "$folder/czkawka.txt" || true
  else
    echo "czkawka_cli is not there: left out"
  fi
done
python3 - "$folder/walls" <<'PYTHON'
import collections, statistics, sys

walls, busy = collections.defaultdict(list), collections.defaultdict(list)
for line in open(sys.argv[1]):
    name, wall, user, system = line.split()
    walls[name].append(float(wall))
    busy[name].append(float(user) + float(system))
for name in walls:
    print(f"{name:30} median {statistics.median(walls[name]):8.2f} s wall, {statistics.median(busy[name]):8.2f} s of processors")
for what, seconds in ("wall", walls), ("processor time", busy):
    for name in seconds.keys() - {"tamis-scan"}:
        ratios = [theirs / ours for theirs, ours in zip(seconds[name], seconds["tamis-scan"])]
        print(f"{name} / tamis-scan, {what} by rounds: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")
PYTHON

echo "large files: $(find "$large" -type f | wc -l), $(du -sb --apparent-size "$large" | cut -f1) bytes"
outcomes() { python3 -c '
import json, sys
summary = json.load(open(sys.argv[1]))
print("  outcomes:", ", ".join("%s %d" % (count["outcome"], count["items"]) for count in summary["outcomes"] if count["items"]))
' "$1"; }
rm -rf "$folder"/large-case-*
timed large-scan-512MiB "$TAMIS" scan "$large" --case "$folder/large-case-scan" --max-memory 512MiB --progress none --format json
outcomes "$folder/out"

# A set that knows two of the four pictures by their hashes from pixels.
"$TAMIS" hash --decode pixels --quiet "$large/PANORAMA_000.jpg" "$large/PANORAMA_001.jpg" | cut -d, -f1,2 >"$folder/known.csv"
for memory in 512MiB 256MiB; do
  timed "large-triage-$memory" "$TAMIS" triage "$large" --known "$folder/known.csv" --case "$folder/large-case-$memory" --max-memory "$memory" --progress none --format json
  outcomes "$folder/out"
  echo "  verifications of hits (count, confirmation, reason):"
  "$TAMIS" export --case "$folder/large-case-$memory" hits --format jsonl |
    python3 -c '
import collections, json, sys
counts = collections.Counter()
for line in sys.stdin:
    row = json.loads(line)
    counts[row["confirmation"], row.get("unconfirmed_reason"), row["derived_from"]] += 1
for key, count in sorted(counts.items(), key=str):
    print("   ", count, *key)
'
  timed "large-scan-pixels-$memory" "$TAMIS" scan "$large" --case "$folder/large-case-pixels-$memory" --decode pixels --max-memory "$memory" --progress none --format json
  outcomes "$folder/out"
done
echo "load at the end: $(cut -d' ' -f1-3 /proc/loadavg)"
