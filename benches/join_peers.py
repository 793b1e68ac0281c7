#!/usr/bin/env python3
"""The join against faiss in one run on one core, on random hashes and on hashes with the correlations of real pictures.

    cargo build --release
    pip install numpy faiss-cpu
    taskset -c 1 python3 benches/join_peers.py [--real ../shared/data/real-codes.txt] [--size 1000000]
    python3 benches/join_peers.py --growth --jobs 2 --largest 10000000

Tamis joins all hashes with all. faiss would take half an hour for that, so it searches with the first of the left hashes only, and its time is
scaled; its index is built before the clock starts. What it finds is compared with Tamis' rows, pair by pair.
Hashes of "real" correlations are signs of Gaussians whose correlation is that of the bits of the given list (r = sin(pi/2 phi)). One hash in a
hundred of the left side is a neighbour of one of the right, 0 to 39 flips away.
"""

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time

import numpy

TAMIS = os.path.join(os.path.dirname(__file__), "..", "target", "release", "tamis")
PARSER = argparse.ArgumentParser()
PARSER.add_argument("--real", default=os.path.join(os.path.dirname(__file__), "..", "..", "shared", "data", "real-codes.txt"))
PARSER.add_argument("--size", type=int, default=1_000_000)
PARSER.add_argument("--queries", type=int, default=1000)
PARSER.add_argument("--rounds", type=int, default=3)
PARSER.add_argument("--jobs", type=int, default=1)
PARSER.add_argument("--growth", action="store_true")
PARSER.add_argument("--largest", type=int, default=1_000_000)
OPTIONS = PARSER.parse_args()


def random_hashes(count, random):
    return random.integers(0, 256, (count, 32), dtype=numpy.uint8)


def read_hashes(path):
    text = open(path, "rb").read().split()
    return numpy.frombuffer(bytes.fromhex(b"".join(text).decode()), dtype=numpy.uint8).reshape(-1, 32)


def correlated_hashes(count, random, real):
    bits = numpy.unpackbits(real, axis=1).astype(numpy.float64)
    correlation = numpy.sin(numpy.pi / 2 * numpy.corrcoef(bits.T))
    values, vectors = numpy.linalg.eigh(correlation)
    root = (vectors * numpy.sqrt(values.clip(0))).astype(numpy.float32)
    root /= numpy.sqrt((root**2).sum(axis=1, keepdims=True))
    hashes = numpy.empty((count, 32), dtype=numpy.uint8)
    for start in range(0, count, 50_000):
        part = random.standard_normal((min(50_000, count - start), 256), dtype=numpy.float32) @ root.T
        hashes[start : start + len(part)] = numpy.packbits(part > 0, axis=1)
    return hashes


def plant(left, right, random):
    """Every hundredth hash of the left side becomes a neighbour of one of the right."""
    for number in range(0, len(left), 100):
        bits = numpy.unpackbits(right[random.integers(0, len(right))])
        bits[random.integers(0, 256, random.integers(0, 40))] ^= 1
        left[number] = numpy.packbits(bits)
    return left


def write(hashes, path):
    with open(path, "wb") as out:
        for start in range(0, len(hashes), 100_000):
            text = hashes[start : start + 100_000].tobytes().hex()
            out.write("\n".join(text[at : at + 64] for at in range(0, len(text), 64)).encode() + b"\n")


def tamis(folder, left, right, radius, *more):
    """Seconds of the join itself as the program reports them, its plan, its rows' file, and its peak memory."""
    rows = os.path.join(folder, "rows.csv")
    command = [TAMIS, "join", left, right, "--distance", str(radius), "-j", str(OPTIONS.jobs), "-v", "--output", rows, *more]
    child = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    told = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(told)
    return float(re.search(r"in ([0-9.]+) s$", told, re.M)[1]), re.search(r"joined (.*)", told)[1], rows, usage.ru_maxrss / 1024


def rows_of(path, most):
    found = set()
    with open(path) as rows:
        next(rows)
        for row in rows:
            left, right, distance, _ = row.split(",")
            if int(left) >= most:
                break
            found.add((int(left), int(right), int(distance)))
    return found


def faiss_indices(right):
    import faiss

    faiss.omp_set_num_threads(1)
    flat = faiss.IndexBinaryFlat(256)
    flat.add(right)
    hashes = faiss.IndexBinaryMultiHash(256, 16, 16)
    hashes.nflip = 1
    hashes.add(right)
    return [("faiss IndexBinaryFlat", flat), ("faiss IndexBinaryMultiHash, 16 x 16 bits, 1 flip", hashes)]


def faiss_seconds(index, queries, radius):
    started = time.perf_counter()
    # faiss leaves the radius itself out.
    limits, distances, found = index.range_search(queries, radius + 1)
    seconds = time.perf_counter() - started
    owners = numpy.repeat(numpy.arange(len(queries)), numpy.diff(limits.astype(numpy.int64)))
    return seconds, set(zip(owners.tolist(), found.tolist(), distances.astype(int).tolist()))


def compare(name, left, right, radius, folder):
    lists = [os.path.join(folder, side) for side in ("left", "right")]
    for hashes, path in zip((left, right), lists):
        write(hashes, path)
    queries = left[: OPTIONS.queries]
    indices = faiss_indices(right)
    peers = {}
    ours = []
    for _ in range(OPTIONS.rounds):
        seconds, plan, rows, memory = tamis(folder, *lists, radius)
        ours.append(seconds)
        for peer, index in indices:
            took, found = faiss_seconds(index, queries, radius)
            peers.setdefault(peer, []).append(took * len(left) / len(queries))
            if found != rows_of(rows, len(queries)):
                sys.exit(f"{peer} found other pairs")
    middle = sorted(ours)[len(ours) // 2]
    pairs = sum(1 for _ in open(rows)) - 1
    result = {
        "hashes": name, "left": len(left), "right": len(right), "radius": radius, "plan": plan, "pairs": pairs,
        "tamis_seconds": ours, "tamis_mebibytes": round(memory),
        "peers": {peer: {"seconds_scaled": [round(value, 1) for value in took],
                         "ratio_of_medians": round(sorted(took)[len(took) // 2] / middle, 1)} for peer, took in peers.items()},
    }
    print(json.dumps(result), flush=True)


def growth(folder, random):
    size = 1000
    while size <= OPTIONS.largest:
        for step in (1, 3):
            count = size * step
            if count > OPTIONS.largest:
                break
            right = random_hashes(count, random)
            left = plant(random_hashes(count, random), right, random)
            lists = [os.path.join(folder, side) for side in ("left", "right")]
            for hashes, path in zip((left, right), lists):
                write(hashes, path)
            methods = ["auto", "flat", "banded"] if count <= 300_000 else ["auto"]
            for method in methods:
                seconds, plan, _, memory = tamis(folder, *lists, 31, "--join", method)
                print(json.dumps({"size": count, "join": method, "jobs": OPTIONS.jobs, "seconds": seconds, "plan": plan,
                                  "mebibytes": round(memory)}), flush=True)
        size *= 10


def main():
    random = numpy.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        if OPTIONS.growth:
            return growth(folder, random)
        right = random_hashes(OPTIONS.size, random)
        compare("random", plant(random_hashes(OPTIONS.size, random), right, random), right, 31, folder)
        if not os.path.exists(OPTIONS.real):
            return print(f"no {OPTIONS.real}: correlations of real hashes are left out")
        real = read_hashes(OPTIONS.real)
        right = correlated_hashes(OPTIONS.size, random, real)
        left = plant(correlated_hashes(OPTIONS.size, random, real), right, random)
        compare("correlated as real ones", left, right, 31, folder)
        compare("real", real, real, 31, folder)


main()
