#!/usr/bin/env bash
# The main job on 1,000 rendered photographs of 3 to 12 megapixels, against 10⁶ known hashes that hold every tenth of them;
# turn by turn with Pillow and pdqhash on every eleventh picture, all processors. Needs GNU time and `pip install pdqhash numpy pillow`.
#   benches/triage.sh FOLDER [ROUNDS]     FOLDER gets the photographs (800 MB) once, and a case a round
set -euo pipefail
folder=${1:?usage: benches/triage.sh FOLDER [ROUNDS]}
rounds=${2:-5}
cd "$(dirname "$0")/.."
cargo build --release --locked --quiet
tamis=target/release/tamis
mkdir -p "$folder"
if [ ! -e "$folder/known.csv" ]; then
  cargo run --release --locked --quiet --example render_photos -- "$folder/photos" 1000
  "$tamis" hash --quiet "$folder"/photos/*/IMG_???8.jpg | cut -d, -f1,2 | python3 -c '
import random, sys
known = sys.stdin.read().split()
stream = random.Random(5)
print("\n".join(known + ["%064x,100" % stream.getrandbits(256) for _ in range(1_000_000 - len(known))]))
' >"$folder/known.csv"
fi

cat >"$folder/peer.py" <<'PYTHON'
import glob, multiprocessing, sys, time

def hash(path):
    import numpy, pdqhash
    from PIL import Image
    return pdqhash.compute(numpy.asarray(Image.open(path).convert("RGB")))

if __name__ == "__main__":
    paths = sorted(glob.glob(sys.argv[1] + "/photos/*/*.jpg"))[::11]
    with multiprocessing.Pool() as pool:
        pool.map(hash, paths[:4])
        started = time.perf_counter()
        pool.map(hash, paths, chunksize=1)
        seconds = time.perf_counter() - started
    print(f"Pillow + pdqhash: {len(paths)} pictures in {seconds:.1f} s: {len(paths) / seconds:.2f} pictures/s")
PYTHON

for round in $(seq "$rounds"); do
  rm -rf "$folder/case-$round"
  echo "round $round"
  command time -f '%e s wall, %U s user, %S s system, %M KiB maximum' \
    "$tamis" triage "$folder/photos" --known "$folder/known.csv" --case "$folder/case-$round" --max-memory 1GiB --progress none -v 2>&1 |
    grep -E 'items have|This run|most memory|wall|^backend'
  python3 "$folder/peer.py" "$folder"
done
