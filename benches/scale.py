#!/usr/bin/env python3
"""What the end of a triage costs as a case grows: stacks, priorities, summary; and report, exports and link.

    benches/scale.py target/release/tamis [ITEMS...] > docs/benchmarks/raw/DATE-MACHINE-scale.txt
    benches/scale.py --plot docs/benchmarks/raw/DATE-MACHINE-scale.txt docs/benchmarks/scale.svg

A case of so many items is made by SQL: a third single pictures, the others in stacks of 2 to 10 whose hashes are up to 12 bits from their first,
each twentieth item a copy. A tenth of the contents is in a list of digests. Then `tamis match` runs three times: all is new, nothing
is, a hundredth is. Wall time and processor time (of all threads) of each phase. For the scan, small JPEGs are made and scanned.
"""

import json
import os
import pathlib
import random
import sqlite3
import subprocess
import sys
import tempfile
import time

SIZES = [10_000, 31_623, 100_000, 316_228, 1_000_000]
PHASES = ["reading", "stacking", "priorities", "summary"]


def processor_seconds(process):
    """Processor time of a process so far, 0 once it is gone."""
    try:
        fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def run(command):
    """Wall and processor seconds of a command that must succeed."""
    started, before = time.monotonic(), os.times()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after = os.times()
    processor = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - started, processor


def make_case(tamis, folder, items, first=1, source=1):
    """Adds so many items to a case, which is created if it does not exist; returns the SHA-256s of a tenth of their contents."""
    case = folder / "case"
    if not case.exists():
        (folder / "seized").mkdir()
        subprocess.run([tamis, "scan", folder / "seized", "--case", case, "--quiet"], check=True, stdout=subprocess.DEVNULL)
    numbers = random.Random(first)
    database = sqlite3.connect(case / "case.sqlite")
    known, content, digest = [], first, b""
    left = 0
    hash = 0
    for item in range(first, first + items):
        if item % 20 != 0 or not digest:
            if left == 0:
                hash, left = numbers.getrandbits(256), 1 if numbers.random() < 0.33 else numbers.randint(2, 10)
                own = hash
            else:
                own = hash
                for _ in range(numbers.randint(1, 12)):
                    own ^= 1 << numbers.randrange(256)
            left -= 1
            digest = numbers.randbytes(32)
            hashes = own.to_bytes(32, "big") + numbers.randbytes(224)
            database.execute(
                "INSERT INTO content (id, sha256, sha1, md5, size, outcome, format, width, height)"
                " VALUES (?, ?, ?, ?, 40000, 'hashed', 'jpeg', 640, 480)",
                (content, digest, digest[:20], digest[:16]),
            )
            database.execute(
                "INSERT INTO fingerprint (content, spec, view, hashes, quality, derived_from, unstable_bits)"
                " VALUES (?, 'pdq', 'picture', ?, 90, 'pixels', 0)",
                (content, hashes),
            )
            database.execute("INSERT INTO match_state (content, list) VALUES (?, 0)", (content,))
            if content % 10 == 0:
                known.append(digest.hex())
            content += 1
        path = f"DCIM/{item // 1000:04d}/IMG_{item:08d}.jpg"
        database.execute(
            "INSERT INTO item (source, step, name, size, modified, sha256) VALUES (?, ?, ?, 40000, 1600000000000000000, ?)",
            (source, path.encode(), path, digest),
        )
    database.commit()
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return known, content


def match(tamis, folder, jobs):
    """Runs `tamis match`; returns for each phase (wall, processor) seconds."""
    command = [tamis, "match", "--known", folder / "known.csv", "--case", folder / "case", "--progress", "json", "--format", "json", "-j", jobs]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    marks = {"start": (time.monotonic(), 0.0)}
    for line in process.stderr:
        try:
            told = json.loads(line)
        except ValueError:
            continue
        now = (time.monotonic(), processor_seconds(process))
        name = {"pictures to stack": "reading", "priorities": "priorities"}.get(told.get("phase"))
        if name is None:
            name = "stacking" if "items_done" in told else "matching"
        marks[name] = now
    # The last phase ends with the process, whose processor time is known once it was waited for.
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, status
    marks["summary"] = (time.monotonic(), usage.ru_utime + usage.ru_stime)
    order = ["start", "matching"] + PHASES
    took = {}
    for before, phase in zip(order, order[1:]):
        took[phase] = tuple(now - then for now, then in zip(marks[phase], marks[before]))
    return took, usage.ru_maxrss / 1024


def scan(tamis, jobs):
    """Wall and processor seconds a file of a scan of small JPEGs."""
    from PIL import Image

    count = 4000
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "seized").mkdir()
        numbers = random.Random(1)
        for number in range(count):
            small = Image.frombytes("RGB", (16, 12), numbers.randbytes(16 * 12 * 3))
            small.resize((640, 480), Image.BICUBIC).save(folder / "seized" / f"{number}.jpg", quality=85)
        wall, processor = run([tamis, "scan", folder / "seized", "--case", folder / "case", "--quiet", "-j", jobs])
        print(f"scan of {count} JPEGs of 640 x 480: wall {wall:.2f} s, processor {processor:.2f} s")
        print(f"scan a million\t{wall / count * 1e6:.1f}\t{processor / count * 1e6:.1f}")
    return wall / count, processor / count


def measure(tamis, sizes):
    jobs = str(len(os.sched_getaffinity(0)))
    print(f"# {time.strftime('%Y-%m-%d')}, {jobs} processors, load {os.getloadavg()[0]:.1f}; {' '.join(sys.argv)}")
    scan(tamis, jobs)
    print("items\twhat\twall\tprocessor")
    for items in sizes:
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            known, content = make_case(tamis, folder, items)
            (folder / "known.csv").write_text("sha256\n" + "\n".join(known) + "\n")
            for state in ["new", "nothing new", "a hundredth new"]:
                if state == "a hundredth new":
                    make_case(tamis, folder, items // 100, max(items + 1, content))
                took, memory = match(tamis, folder, jobs)
                for phase in ["matching"] + PHASES:
                    wall, processor = took[phase]
                    print(f"{items}\t{state}: {phase}\t{wall:.2f}\t{processor:.2f}", flush=True)
                print(f"{items}\t{state}: memory, MiB\t{memory:.0f}\t")
            case, out = folder / "case", folder / "out"
            commands = {f"export {what}": ["export", what, "--case", case, "-o", out] for what in ["items", "hits", "priorities", "stacks", "vics"]}
            commands["report"] = ["report", "--case", case, "--output", folder / "report.html"]
            (folder / "other").mkdir()
            make_case(tamis, folder / "other", items // 10)
            commands["link"] = ["link", case, folder / "other" / "case", "-o", folder / "rows.csv"]
            for name, command in commands.items():
                wall, processor = run([tamis, *command, "--quiet"])
                print(f"{items}\t{name}\t{wall:.2f}\t{processor:.2f}", flush=True)


def plot(raw, svg):
    """Processor time of each phase against items, both axes by powers of ten, with a tenth of the scan."""
    rows = [line.rstrip("\n").split("\t") for line in open(raw)]
    a_million = next(float(row[2]) for row in rows if row[0] == "scan a million")
    points = {}
    for row in rows:
        if len(row) == 4 and row[0].isdigit() and row[1].startswith("new: ") and row[1][5:] in PHASES:
            points.setdefault(row[1][5:], []).append((int(row[0]), float(row[3])))
    points["a tenth of the scan"] = [(items, a_million * items / 1e6 / 10) for items in (10_000, 1_000_000)]
    import math

    width, height, left, bottom = 640, 420, 70, 50
    x = lambda items: left + (math.log10(items) - 4) / 2 * (width - left - 150)
    y = lambda seconds: height - bottom - (math.log10(max(seconds, 0.01)) + 2) / 4.5 * (height - bottom - 20)
    colours = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#7f7f7f"]
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
           f'<rect width="{width}" height="{height}" fill="white"/>']
    for power in range(4, 7):
        out.append(f'<line x1="{x(10**power):.0f}" y1="20" x2="{x(10**power):.0f}" y2="{height - bottom}" stroke="#ddd"/>')
        out.append(f'<text x="{x(10**power):.0f}" y="{height - bottom + 18}" text-anchor="middle">{10**power:,}</text>')
    for power in range(-2, 3):
        out.append(f'<line x1="{left}" y1="{y(10**power):.0f}" x2="{width - 150}" y2="{y(10**power):.0f}" stroke="#ddd"/>')
        out.append(f'<text x="{left - 8}" y="{y(10**power) + 4:.0f}" text-anchor="end">{10**power:g} s</text>')
    out.append(f'<text x="{(left + width - 150) / 2:.0f}" y="{height - 8}" text-anchor="middle">items of the case</text>')
    ends = []
    for (name, line), colour in zip(points.items(), colours):
        dash = ' stroke-dasharray="6 4"' if name.startswith("a tenth") else ""
        path = " ".join(f"{x(items):.1f},{y(seconds):.1f}" for items, seconds in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        ends.append([y(line[-1][1]), name, colour])
    ends.sort()
    for before, after in zip(ends, ends[1:]):
        after[0] = max(after[0], before[0] + 14)
    out += [f'<text x="{width - 145}" y="{place + 4:.0f}" fill="{colour}">{name}</text>' for place, name, colour in ends]
    pathlib.Path(svg).write_text("\n".join(out + ["</svg>", ""]))


if __name__ == "__main__":
    if sys.argv[1] == "--plot":
        plot(*sys.argv[2:])
    else:
        measure(sys.argv[1], [int(size) for size in sys.argv[2:]] or SIZES)
