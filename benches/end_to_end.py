#!/usr/bin/env python3
"""A whole case at size: so many small files, rendered here, through triage, exports, report and a second set.

    end_to_end.py TAMIS FOLDER FILES [FILES ...]

Files are PGM pictures of 64 × 48 pixels, smooth and all different: a third stand alone, the others are in stacks of 2 to 10
near-duplicates; each twentieth is a copy of the one before. They stay in FOLDER for the next call. A list has the digest of
each fiftieth and the PDQ hash of each hundredth picture; a second list has others. Prints for each size and phase: wall
seconds, processor seconds, maximum resident memory in MiB; and what the program reports of its own phases.
"""

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy

WIDTH, HEIGHT, GRID = 64, 48, 9
PER_FOLDER = 1000


def pictures(count, seed=1):
    """Yields samples of `count` pictures, rendered a thousand at a time."""
    random = numpy.random.default_rng(seed)
    # Bilinear interpolation of a grid, as two matrices.
    def rows(size):
        at = numpy.linspace(0, GRID - 1.001, size)
        low = at.astype(int)
        weights = numpy.zeros((size, GRID))
        weights[numpy.arange(size), low] = 1 - (at - low)
        weights[numpy.arange(size), low + 1] = at - low
        return weights
    down, across = rows(HEIGHT), rows(WIDTH)
    left, grid = 0, None
    while count > 0:
        batch = min(count, 1000)
        grids = numpy.empty((batch, GRID, GRID))
        for index in range(batch):
            if left == 0:
                grid = random.uniform(0, 255, (GRID, GRID))
                left = 1 if random.random() < 0.33 else int(random.integers(2, 11))
                grids[index] = grid
            else:
                grids[index] = grid + random.normal(0, 2, (GRID, GRID))
            left -= 1
        samples = numpy.clip(down @ grids @ across.T, 0, 255).astype(numpy.uint8)
        yield from samples
        count -= batch


def render(folder, count):
    """Writes the pictures; returns the SHA-256 of each fiftieth and of others."""
    head = b"P5 %d %d 255\n" % (WIDTH, HEIGHT)
    known, others, bytes_before = [], [], b""
    for number, samples in enumerate(pictures(count)):
        if number % PER_FOLDER == 0:
            place = folder / f"DCIM/{number // PER_FOLDER:04d}"
            place.mkdir(parents=True)
        picture = bytes_before if number % 20 == 19 else head + samples.tobytes()
        (place / f"IMG_{number:07d}.pgm").write_bytes(picture)
        if number % 50 == 0:
            known.append(hashlib.sha256(picture).hexdigest())
        elif number % 50 == 25:
            others.append(hashlib.sha256(picture).hexdigest())
        bytes_before = picture
    return known, others


def rendered(place, count):
    """The digests of pictures that an earlier call rendered, or of new ones."""
    kept = place / "rendered.json"
    if not kept.exists():
        shutil.rmtree(place, ignore_errors=True)
        started = time.monotonic()
        digests = render(place / "seized", count)
        kept.write_text(json.dumps(digests))
        print(f"# {count} files rendered in {time.monotonic() - started:.0f} s", flush=True)
    shutil.rmtree(place / "case", ignore_errors=True)
    return json.loads(kept.read_text())


def timed(what, count, command, **more):
    """Runs a command; prints what it took."""
    started = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], **more)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - started
    if status != 0:
        sys.exit(f"{what}: status {status}")
    processor = usage.ru_utime + usage.ru_stime
    print(f"{count}\t{what}\t{wall:.2f}\t{processor:.2f}\t{usage.ru_maxrss / 1024:.0f}", flush=True)


def main():
    tamis, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    print("files\twhat\twall s\tprocessor s\tmemory MiB")
    for count in map(int, sys.argv[3:]):
        place = folder / str(count)
        known, others = rendered(place, count)
        case, quiet = place / "case", {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        # PDQ hashes of pictures for the list come from a first folder, so that the triage is of a new case.
        hashes = subprocess.run(
            [tamis, "hash", "--quiet", place / "seized/DCIM/0000"], check=True, capture_output=True, text=True
        ).stdout.splitlines()
        first = [line.split(",")[0] for line in hashes[::10]]
        lists = place / "known.csv", place / "second.csv"
        for name, digests, pdq in [(lists[0], known, first), (lists[1], others, [])]:
            rows = ["sha256,pdq,series"] + [f"{digest},,S" for digest in digests] + [f",{code},T" for code in pdq]
            name.write_text("\n".join(rows) + "\n")
        limit = ["--max-memory", "512MiB"]
        summary = place / "summary.json"
        timed("triage", count, [tamis, "triage", place / "seized", "--known", lists[0], "--case", case, "--quiet", "--format", "json", "-o", summary, *limit], **quiet)
        run = json.loads(summary.read_text())["run"]
        print(f"# the run alone: {run['seconds']:.2f} s; limited by {run['limited_by']}", flush=True)
        for kind in ["items", "hits", "priorities", "stacks", "vics"]:
            timed(f"export {kind}", count, [tamis, "export", kind, "--case", case, "-o", place / kind, "--quiet"], **quiet)
        timed("report", count, [tamis, "report", "--case", case, "-o", place / "report.html", "--quiet"], **quiet)
        timed("match of a second set", count, [tamis, "match", "--known", lists[1], "--case", case, "--quiet", *limit], **quiet)
        timed("triage again", count, [tamis, "triage", place / "seized", "--known", lists[0], "--case", case, "--quiet", *limit], **quiet)
        size = sum(file.stat().st_size for file in case.iterdir())
        print(f"# case: {size / (1 << 20):.0f} MiB", flush=True)
        shutil.rmtree(case)


main()
