#!/usr/bin/env python3
"""Writes known.csv for the sample seizure: hashes from the reference implementation, not from Tamis.

usage: make_known.py FOLDER > tests/data/known.csv     (FOLDER as written by the example render_seizure)
needs: pip install pdqhash pillow numpy
"""
import csv
import hashlib
import sys
from pathlib import Path

import numpy
import pdqhash
from PIL import Image

folder = Path(sys.argv[1])
facts = [
    # name, category, series, victim identified
    ("series-a/001.jpg", "1", "Series A", "yes"),
    ("series-a/002.jpg", "1", "Series A", "yes"),
    ("series-b/001.jpg", "1", "Series B", "no"),
    ("series-b/002.jpg", "1", "Series B", "no"),
    ("series-c/001.jpg", "2", "Series C", "no"),
    ("series-c/002.jpg", "2", "Series C", "no"),
]
writer = csv.writer(sys.stdout, lineterminator="\n")
writer.writerow(["pdq", "quality", "md5", "sha1", "sha256", "name", "category", "series", "victim_identified"])
for number, columns in enumerate(facts, start=1):
    path = folder / "known" / f"{number}.jpg"
    bits, quality = pdqhash.compute(numpy.asarray(Image.open(path).convert("RGB")))
    data = path.read_bytes()
    digests = [hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256")]
    # The reference's vector holds bit 255 first, as the text does.
    text = f"{int(''.join(map(str, bits)), 2):064x}"
    writer.writerow([text, quality, *digests, *columns])
notes = (folder / "seizure/laptop/notes.txt").read_bytes()
writer.writerow(["", "", hashlib.md5(notes).hexdigest(), "", "", "letter.txt", "0", "", ""])
