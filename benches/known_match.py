#!/usr/bin/env python3
"""How long `tamis known match` takes for two sets of so many PhotoDNA values: benches/known_match.py [COUNT]

The values are made up, and of no picture. They are like real ones in what the time depends on: sums of the rises and falls of random
smooth surfaces over 6 x 6 cells, brought to one length, so that neighbouring numbers are like each other and most values lie far
apart. One in a hundred of the right side is one of the left with a little noise. Needs numpy, and a release build.
"""
import base64, json, os, resource, subprocess, sys, tempfile, time

import numpy

CELLS, SAMPLES, STEP = 6, 24, 2000


def made_up(count, random):
    values = numpy.empty((count, 144), numpy.uint8)
    y, x = numpy.mgrid[0:SAMPLES + 1, 0:SAMPLES + 1] / SAMPLES
    for start in range(0, count, STEP):
        some = min(STEP, count - start)
        column = lambda numbers: numbers.reshape(some, 1, 1)
        surface = numpy.zeros((some, SAMPLES + 1, SAMPLES + 1), numpy.float32)
        for _ in range(12):
            scale = column(2 ** random.uniform(0, 4, some))
            wave = (column(random.normal(size=some)) * x + column(random.normal(size=some)) * y) * scale
            height = column(random.gamma(1, 1, some)) / scale**0.8
            spot = (x - column(random.uniform(size=some))) ** 2 + (y - column(random.uniform(size=some))) ** 2
            spot = numpy.exp(-spot / (2 * column(random.uniform(0.1, 0.6, some)) ** 2))
            surface += height * spot * numpy.cos(2 * numpy.pi * (wave + column(random.uniform(size=some))))
        across = numpy.diff(surface, axis=2)[:, :SAMPLES, :SAMPLES]
        down = numpy.diff(surface, axis=1)[:, :SAMPLES, :SAMPLES]
        parts = [numpy.maximum(part, 0) for part in (across, -across, down, -down)]
        shape = (some, CELLS, SAMPLES // CELLS, CELLS, SAMPLES // CELLS)
        sums = numpy.stack([part.reshape(shape).sum((2, 4)) for part in parts], -1).reshape(some, 144)
        for _ in range(2):
            sums = numpy.minimum(sums / numpy.linalg.norm(sums, axis=1, keepdims=True), 0.25)
        values[start:start + some] = numpy.minimum(sums * 1020, 255)
    return values


def import_set(tamis, folder, name, values):
    source, target = f"{folder}/{name}.json", f"{folder}/{name}.set"
    records = [{"MediaID": at, "Category": 1, "PhotoDNA": base64.b64encode(value.tobytes()).decode()} for at, value in enumerate(values)]
    with open(source, "w") as out:
        json.dump({"value": records}, out)
    subprocess.run([tamis, "known", "import", source, "--profile", "vic-us", "-o", target, "-q"], check=True)
    return target


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    tamis = os.path.join(os.path.dirname(__file__), "..", "target", "release", "tamis")
    random = numpy.random.default_rng(1)
    left, right = made_up(count, random), made_up(count, random)
    copies = random.choice(count, count // 100, replace=False)
    noise = random.integers(-12, 13, (len(copies), 144))
    right[copies] = numpy.clip(left[copies].astype(int) + noise, 0, 255)
    some, others = left[:3000].astype(int), right[:3000].astype(int)
    squared = (some**2).sum(1)[:, None] + (others**2).sum(1)[None] - 2 * some @ others.T
    print("squared distances of 3,000 x 3,000: 0, 1, 50 and 99 in a hundred:", *numpy.percentile(squared, [0, 1, 50, 99]).astype(int))
    with tempfile.TemporaryDirectory() as folder:
        sets = [import_set(tamis, folder, name, values) for name, values in (("left", left), ("right", right))]
        for options in (["--photodna-distance", "10000"], [], [], ["--photodna-distance", "100000"], ["-j", "1"]):
            command = [tamis, "known", "match", *options, "--progress", "none", "-o", f"{folder}/rows.csv", *sets]
            started, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds = time.monotonic() - started
            processor = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
            print(f"{' '.join(options) or 'defaults'}: {seconds:.1f} s, {processor:.1f} s of processor time, {count * count / seconds / 1e6:.0f} million pairs a second, load {os.getloadavg()[0]:.1f}")
            print("   ", run.stderr.splitlines()[0])


main()
