#!/usr/bin/env python3
"""Two builds of the program on the same work, turn by turn: is one slower?

    python3 benches/before_after.py OLD NEW PHOTOS SMALL [--pairs 15] [--only NAME]
                     (PHOTOS: benches/fetch_photos.sh; SMALL: a folder of benches/small_files.py)

Each row is a command that both builds know. A pair is one run of each, the first of them by turns; what counts is the processor time
of the child, which on a busy machine is steadier than the clock's. One pair that is not counted warms the caches. Printed are the
medians, the median of the pairs' ratios (new : old), and the 95 % interval of their geometric mean (Student's t of the logarithms).
"""

import argparse
import math
import os
import pathlib
import platform
import random
import resource
import shutil
import statistics
import subprocess
import tempfile

PARSER = argparse.ArgumentParser()
PARSER.add_argument("old")
PARSER.add_argument("new")
PARSER.add_argument("photos")
PARSER.add_argument("small")
PARSER.add_argument("--pairs", type=int, default=15)
PARSER.add_argument("--only")
OPTIONS = PARSER.parse_args()
# Two-sided 95 % of Student's t, by degrees of freedom.
T95 = {4: 2.776, 9: 2.262, 14: 2.145, 19: 2.093, 24: 2.064, 29: 2.045}


def hashes(path, count, seed):
    """A list of random hashes, one in a hundred a neighbour of one of the first."""
    made = random.Random(seed)
    lines = []
    for number in range(count):
        hash = made.getrandbits(256)
        if number % 100 == 0:
            hash = random.Random(number).getrandbits(256)
            for bit in made.sample(range(256), made.randrange(40)):
                hash ^= 1 << bit
        lines.append(f"{hash:064x}\n")
    path.write_text("".join(lines))


def rows(folder):
    left, right = folder / "left.txt", folder / "right.txt"
    hashes(left, 100_000, 1)
    hashes(right, 100_000, 2)
    million = [folder / f"million-{side}.txt" for side in (1, 2)]
    if not OPTIONS.only or OPTIONS.only in "join, 1e6 x 1e6":
        for side, path in enumerate(million, start=3):
            hashes(path, 1_000_000, side)
    case, cpu = folder / "case", ["--backend", "cpu", "--quiet"]
    hashed = ["hash", "--jobs", "1", "--format", "csv", *cpu, "-o", os.devnull]
    return {
        "JPEG, photographs": [*hashed, OPTIONS.photos],
        "JPEG, small": [*hashed, OPTIONS.small],
        "ingest, photographs": ["scan", OPTIONS.photos, "--case", str(case), *cpu],
        "ingest, small": ["scan", OPTIONS.small, "--case", str(case), *cpu],
        "triage, photographs": ["triage", OPTIONS.photos, "--known", str(right), "--list", "pdq", "--case", str(case), *cpu],
        "join, 1e6 x 1e6": ["join", *map(str, million), "--jobs", "2", *cpu, "-o", os.devnull],
        "join, flat, 1e5 x 1e5": ["join", str(left), str(right), "--join", "flat", "--jobs", "2", *cpu, "-o", os.devnull],
        "join, banded, 1e5 x 1e5": ["join", str(left), str(right), "--join", "banded", "--jobs", "2", *cpu, "-o", os.devnull],
    }


def seconds(program, arguments, folder):
    shutil.rmtree(folder / "case", ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([program, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def main():
    model = [line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")]
    print(f"machine: {model[0]}, {len(model)} processors, {platform.system()} {platform.release()}; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name, arguments in rows(folder).items():
            if OPTIONS.only and OPTIONS.only not in name:
                continue
            pairs = []
            for number in range(OPTIONS.pairs + 1):
                order = [OPTIONS.old, OPTIONS.new] if number % 2 == 0 else [OPTIONS.new, OPTIONS.old]
                taken = {program: seconds(program, arguments, folder) for program in order}
                pairs.append((taken[OPTIONS.old], taken[OPTIONS.new]))
            pairs = pairs[1:]
            ratios = sorted(new / old for old, new in pairs)
            logarithms = [math.log(ratio) for ratio in ratios]
            half = T95.get(len(pairs) - 1, 2.1) * statistics.stdev(logarithms) / math.sqrt(len(pairs))
            mean = statistics.fmean(logarithms)
            old, new = (statistics.median(column) for column in zip(*pairs))
            low, high = math.exp(mean - half), math.exp(mean + half)
            print(f"{name}: old {old:.3f} s, new {new:.3f} s, new : old {statistics.median(ratios):.3f}, 95 % {low:.3f} to {high:.3f}")
            print("  " + " ".join(f"{ratio:.3f}" for ratio in ratios), flush=True)


main()
