#!/usr/bin/env python3
"""Import rate, memory, opening and look-ups of set files, on made-up records in the shape of NIST's and Project VIC's releases.

    benches/known_import.py [RECORDS] [FOLDER] [TAMIS]

Makes RECORDS (10,000,000) records of VICS 2.0 JSON in FOLDER (a temporary one), as the NSRL's releases in that form have them:
MediaID, Category, MD5, SHA1, MediaSize, DateUpdated, IsPrecategorized; every eighth has a series, three flags and a PDQ hash. Imports
them on one core (taskset), with the wall clock, the processor's time and the largest resident memory; then opens and asks the set. Needs
about 5 GB for ten million records, and removes what it made. Results: docs/benchmarks/known-sets.md."""

import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time


def make(path, count):
    draw = random.Random(1)
    with open(path, "w", buffering=1 << 20) as file:
        file.write('{"@odata.context":"http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#Media","value":[')
        for number in range(count):
            file.write("," if number else "")
            file.write('{"MediaID":%d,"Category":%d,"MD5":"%032X","SHA1":"%040X","MediaSize":%d,"DateUpdated":"2023-06-07T02:31:49.8300Z",'
                       '"IsPrecategorized":"True"' % (number, number % 6, draw.getrandbits(128), draw.getrandbits(160), draw.randrange(1, 1 << 24)))
            if number % 8 == 0:
                file.write(',"Series":"Series %d","VictimIdentified":"true","OffenderIdentified":"false","IsDistributed":"true",'
                           '"AlternativeHashes":[{"HashName":"PDQ","HashValue":"%064x"}]' % (number % 5000, draw.getrandbits(256)))
            file.write("}")
        file.write("]}")


def timed(command):
    """(seconds, processor seconds, peak MiB, output) of a command on one core."""
    started = time.time()
    done = subprocess.run(["taskset", "-c", "0", "/usr/bin/time", "-f", "@%U %S %M"] + command, capture_output=True, text=True, check=True)
    seconds = time.time() - started
    user, system, peak = re.search(r"@([\d.]+) ([\d.]+) (\d+)", done.stderr).groups()
    return seconds, float(user) + float(system), int(peak) / 1024, done.stdout


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    tamis = sys.argv[3] if len(sys.argv) > 3 else "target/release/tamis"
    folder = tempfile.mkdtemp(dir=sys.argv[2] if len(sys.argv) > 2 else None)
    try:
        source, target = os.path.join(folder, "made.json"), os.path.join(folder, "made.set")
        make(source, count)
        size = os.path.getsize(source)
        print(f"{count} records, {size / 1e6:.0f} MB of JSON, {size / count:.0f} bytes each")
        for _ in range(2):
            seconds, processor, peak, _ = timed([tamis, "known", "import", source, "--profile", "vic-us", "-o", target, "--quiet"])
            print(f"import: {seconds:.1f} s, {size / 1e6 / seconds:.0f} MB/s; processor {processor:.1f} s, {size / 1e6 / processor:.0f} MB/s; "
                  f"{count / seconds:.0f} records/s; peak {peak:.0f} MiB; set {os.path.getsize(target) / 1e6:.0f} MB")
        opened = [timed([tamis, "known", "show", target])[0] * 1000 for _ in range(11)]
        print(f"known show, the whole process: median {statistics.median(opened):.0f} ms, worst {max(opened):.0f} ms of 11")
        nothing = [timed([tamis, "--version"])[0] * 1000 for _ in range(11)]
        print(f"tamis --version, for comparison: median {statistics.median(nothing):.0f} ms")
        digest = "%032X" % random.Random(1).getrandbits(128)
        found = [timed([tamis, "known", "show", target, "--digest", digest])[0] * 1000 for _ in range(11)]
        print(f"known show --digest, the whole process: median {statistics.median(found):.0f} ms")
        seconds, processor, peak, _ = timed([tamis, "known", "verify", target, "--quiet"])
        print(f"verify: {seconds:.1f} s, {os.path.getsize(target) / 1e6 / seconds:.0f} MB/s, peak {peak:.0f} MiB (mapped pages count)")
        subprocess.run(["cargo", "bench", "--locked", "--bench", "known_set", "--", target], check=True)
    finally:
        shutil.rmtree(folder)


main()
