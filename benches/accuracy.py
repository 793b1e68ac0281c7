#!/usr/bin/env python3
"""How far hashes from JPEG coefficients lie from the reference's hashes from pixels.

    accuracy.py corpus FOLDER            about 1,850 varied JPEGs in FOLDER/pictures, told in FOLDER/manifest.csv
    accuracy.py reference FOLDER         pdqhash over the same files, fully decoded: FOLDER/reference.csv
    tamis hash --format csv --decode auto FOLDER/pictures > HASHES.csv
    accuracy.py report FOLDER --hashes HASHES.csv

`corpus` needs a Debian 12 whose archive holds the packages named in accuracy_corpus.py (nothing is installed: they are
unpacked in FOLDER/cache, 280 MB of downloads) and, from PyPI, pillow, numpy and mozjpeg-lossless-optimization;
`reference` needs pillow, numpy and pdqhash; `report` nothing but Python 3.11. On two cores the first takes about three
minutes and 0.5 GB, the second five. Both go on where they were stopped.
"""

import argparse
import collections
import csv
import functools
import math
import multiprocessing
import sys
from pathlib import Path

BANDS = [
    ("under 330", 330),
    ("330–600", 600),
    ("600–900", 900),
    ("900–1300", 1300),
    ("1300–2200", 2200),
    ("over 2200", math.inf),
]
EVIDENCE = 50  # PDQ quality from which a hash is evidence; the reference calls lower ones meaningless
DELTA = 8  # bits by which a search with coefficient hashes is widened before pixels confirm


# ---- The reference ------------------------------------------------------------------------------------------


def reference_row(name, folder):
    """The reference's hash of the file, from RGB as libjpeg-turbo decodes it, not turned by EXIF.

    `moves` is how many bits of it change when each sample is moved by −1, 0 or 1 at random: where that is much, as
    in symmetric pictures, the reference's own hash depends on rounding, and no other decoder can be held to it.
    """
    import numpy
    import pdqhash
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with Image.open(folder / name) as picture:
        # Handed to libjpeg in one piece: its arithmetic decoder cannot wait for more.
        picture.decodermaxblock = (folder / name).stat().st_size
        pixels = numpy.array(picture.convert("RGB"))
    bits, quality = pdqhash.compute(pixels)
    grain = numpy.random.default_rng(list(name.encode())).integers(-1, 2, pixels.shape, dtype=numpy.int8)
    moved, _ = pdqhash.compute(numpy.clip(numpy.add(pixels, grain, dtype=numpy.int16), 0, 255).astype(numpy.uint8))
    return {
        "path": name,
        "width": pixels.shape[1],
        "height": pixels.shape[0],
        "pdq": numpy.packbits(bits.astype(bool)).tobytes().hex(),
        "quality": quality,
        "moves": int((bits != moved).sum()),
    }


def reference(folder, processes):
    """Adds to reference.csv the files of the manifest that it lacks."""
    path, fields = folder / "reference.csv", ["path", "width", "height", "pdq", "quality", "moves"]

    def write(rows):
        with open(path.with_suffix(".part"), "w", newline="") as file:
            out = csv.DictWriter(file, fields, lineterminator="\n")
            out.writeheader()
            out.writerows(sorted(rows, key=lambda row: row["path"]))
        path.with_suffix(".part").replace(path)

    # A run that was killed may have left half a row: such a row is made again.
    rows = [row for row in read(path) if row.get("moves")] if path.exists() else []
    write(rows)
    done = {row["path"] for row in rows}
    wanted = [row["path"] for row in read(folder / "manifest.csv") if row["path"] not in done]
    with open(path, "a", newline="") as file, multiprocessing.Pool(processes) as pool:
        out = csv.DictWriter(file, fields, lineterminator="\n")
        for count, row in enumerate(pool.imap_unordered(functools.partial(reference_row, folder=folder), wanted), 1):
            rows.append(row)
            out.writerow(row)
            file.flush()
            if count % 50 == 0 or count == len(wanted):
                print(f"{count} of {len(wanted)} files", file=sys.stderr)
    write(rows)


# ---- Joining ------------------------------------------------------------------------------------------------


def read(path):
    """The rows of a CSV file, as dictionaries."""
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def name_of(path):
    """File names of the corpus are unique, so that the join works however a program spells the folder."""
    return path.replace("\\", "/").rpartition("/")[2]


def band_of(width, height):
    """The name of the band that the short side falls in."""
    return next(name for name, end in BANDS if min(width, height) < end)


def join(folder, hashes_path):
    """One dictionary per file of the manifest: what it is, the reference's result, Tamis's result."""
    truth = {name_of(row["path"]): row for row in read(folder / "reference.csv")}
    hashes = {name_of(row["path"]): row for row in read(hashes_path)}
    files, gaps = [], collections.Counter()
    for row in read(folder / "manifest.csv"):
        name = name_of(row["path"])
        ours, theirs = hashes.get(name), truth.get(name)
        if ours is None or theirs is None:
            gaps["not in HASHES.csv" if ours is None else "not in reference.csv"] += 1
        elif not ours["pdq"]:
            gaps[f"no hash: {ours['outcome']} {ours['reason']}".strip()] += 1
        else:
            size = int(theirs["width"]), int(theirs["height"])
            if (int(ours["width"]), int(ours["height"])) != size:
                gaps["counted, but with another size than the reference's"] += 1
            files.append(
                {
                    "name": name,
                    "kind": row["kind"],
                    "band": band_of(*size),
                    "size": size,
                    "setting": int(row["quality"]),
                    "encoding": row["encoding"],
                    "sampling": row["sampling"],
                    "process": row["process"],
                    "source": row["source"],
                    "path": ours["derived_from"],
                    "reason": ours["reason"],
                    "unstable": int(ours.get("unstable_bits") or 0),
                    "pdq_quality": int(theirs["quality"]),
                    "moves": int(theirs["moves"]),
                    "quality_off": abs(int(ours["quality"]) - int(theirs["quality"])),
                    "distance": (int(ours["pdq"], 16) ^ int(theirs["pdq"], 16)).bit_count(),
                }
            )
    return files, gaps


# ---- Figures ------------------------------------------------------------------------------------------------


def percentile(values, share):
    """Nearest rank: the smallest value that at least `share` of them do not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def spread(files, of="distance"):
    """`mean / 99 % / max (n)`."""
    values = [file[of] for file in files]
    if not values:
        return ""
    return f"{sum(values) / len(values):.2f} / {percentile(values, 0.99)} / {max(values)} ({len(values)})"


def share(files):
    """The share that pixels decided."""
    pixels = sum(file["path"] == "pixels" for file in files)
    return f"{100 * pixels / len(files):.1f} % ({pixels} of {len(files)})" if files else ""


def binomial_at_most(k, n, p):
    """P(X ≤ k), summed in logarithms so that nothing underflows at n of thousands."""
    if p <= 0 or p >= 1:
        return 1.0 if p <= 0 or k >= n else 0.0
    terms = (
        math.lgamma(n + 1) - math.lgamma(i + 1) - math.lgamma(n - i + 1) + i * math.log(p) + (n - i) * math.log1p(-p)
        for i in range(k + 1)
    )
    return min(1.0, math.fsum(map(math.exp, terms)))


def upper_bound(k, n, doubt=0.05):
    """Clopper and Pearson's one-sided upper bound of a rate after k of n; for k = 0 the rule of three, about 3 / n."""
    if k >= n:
        return 1.0
    low, high = k / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if binomial_at_most(k, n, middle) > doubt else (low, middle)
    return high


# ---- The report ---------------------------------------------------------------------------------------------


def table(title, files, rows, columns, cell):
    """A Markdown table of `cell` over two keys (functions of a file), with totals; empty rows are left out."""
    if not files:
        return
    order = [name for name, _ in BANDS]
    names = sorted({columns(file) for file in files}, key=lambda c: (order.index(c) if c in order else 99, c))
    heading(title, "", *names, "all")
    for row in [*sorted({rows(file) for file in files}), None]:
        here = [file for file in files if row is None or rows(file) == row]
        cells = [cell([file for file in here if columns(file) == name]) for name in names]
        print(f"| {'**all**' if row is None else row} | {' | '.join(cells)} | {cell(here)} |")


def bucket(value, edges):
    """`value` among ranges that begin at the ascending `edges`, worded so that words sort as numbers do."""
    low = max(edge for edge in edges if edge <= value)
    after = [edge for edge in edges if edge > value]
    if after and after[0] == low + 1:
        return f"{low:02}"
    return f"{low:02}–{after[0] - 1:02}" if after else f"{low:02} and more"


def heading(title, *columns):
    print(f"\n### {title}\n\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")


def mean(values):
    return sum(values) / len(values)


def percent_99(values):
    return percentile(values, 0.99)


def criteria(evidence):
    """The criteria, and further figures that help to interpret them: (what, files, figure, limit)."""
    coefficient = [f for f in evidence if f["path"] == "coefficients"]
    photos = [f for f in evidence if f["kind"] == "photograph"]
    photo_coefficient = [f for f in photos if f["path"] == "coefficients"]
    photos_50 = [f for f in photos if f["setting"] >= 50]
    pdq_80 = [f for f in coefficient if f["pdq_quality"] >= 80]
    jpeg_80 = [f for f in coefficient if f["setting"] >= 80]
    steady = [f for f in evidence if f["moves"] <= DELTA]

    def line(what, files, figure, limit, of="distance"):
        return what, len(files), figure([f[of] for f in files]) if files else math.nan, limit

    # "Quality" may be read as PDQ's measure or as the JPEG's setting: both are shown. All lines ask PDQ's for ≥ 50.
    criteria = [
        line("photographs: mean", photos, mean, 1),
        line("photographs: maximum", photos, max, 6),
        line("photographs, JPEG setting ≥ 50: mean", photos_50, mean, 1),
        line("photographs, JPEG setting ≥ 50: maximum", photos_50, max, 6),
        line("all kinds: 99 %", evidence, percent_99, 6),
        line("all kinds, from coefficients, PDQ quality ≥ 80: maximum", pdq_80, max, 10),
        line("all kinds, from coefficients, JPEG setting ≥ 80: maximum", jpeg_80, max, 10),
        line("all kinds: difference of PDQ quality, maximum", evidence, max, 2, "quality_off"),
    ]
    # The 5 % are for hashes that are unstable; below 330 pixels of short side all go to pixels by design.
    large = [f | {"percent": 100 * (f["path"] == "pixels")} for f in photos if min(f["size"]) >= 330]
    criteria.append(line("photographs of 330 pixels and more: % decided by pixels", large, mean, 5, "percent"))
    further = [
        line("photographs, from coefficients: mean", photo_coefficient, mean, 1),
        line("photographs, from coefficients: maximum", photo_coefficient, max, 6),
        line("all kinds, from coefficients: 99 %", coefficient, percent_99, 6),
        line("steady: 99 %", steady, percent_99, 6),
        line("steady, from coefficients: maximum", [f for f in steady if f["path"] == "coefficients"], max, 10),
        line("steady, from pixels: maximum", [f for f in steady if f["path"] == "pixels"], max, 2),
    ]
    return criteria, further


def report(folder, hashes_path, worst):
    """Prints the whole comparison in Markdown."""
    files, gaps = join(folder, hashes_path)
    evidence = [f for f in files if f["pdq_quality"] >= EVIDENCE]
    coefficient = [f for f in evidence if f["path"] == "coefficients"]
    pixels = [f for f in evidence if f["path"] == "pixels"]
    drawn, sources = sum(f["source"] == "drawn" for f in files), {f["source"] for f in files} - {"drawn", "mosaic"}
    print(f"{len(files)} files have both hashes: {drawn} drawn, the rest made of {len(sources)} pictures of packages.")
    print(f"{len(evidence)} of them have PDQ quality ≥ {EVIDENCE}:", end=" ")
    print(f"{len(coefficient)} hashes from coefficients, {len(pixels)} from pixels.")
    for what, count in sorted(gaps.items()):
        print(f"* {count} × {what}")
    print("\nDistances are bits between Tamis's hash and `pdqhash`'s on decoded RGB. Cells of the larger tables are")
    print(f"mean / 99 % / maximum (files), at PDQ quality ≥ {EVIDENCE} unless they say otherwise. *Steady*: the")
    print(f"reference's own hash moves by at most {DELTA} bits when each sample moves by −1, 0 or 1 at random.")
    for title, lines in zip(("Criteria", "Beside the criteria"), criteria(evidence), strict=True):
        heading(title, "distance", "files", "measured", "at most", "")
        for what, count, got, limit in lines:
            result = "no file" if not count else "PASS" if got <= limit else "FAIL"
            print(f"| {what} | {count} | {f'{got:.2f}'.removesuffix('.00')} | {limit} | {result} |")
    heading("Hashes more than δ off", "from coefficients", "files", f"over {DELTA} bits", "rate", "upper bound, 95 %")
    for what, some in (
        ("all kinds", coefficient),
        ("photographs", [f for f in coefficient if f["kind"] == "photograph"]),
        ("the rest", [f for f in coefficient if f["kind"] != "photograph"]),
    ):
        far, count = sum(f["distance"] > DELTA for f in some), len(some)
        if some:
            print(f"| {what} | {count} | {far} | {100 * far / count:.2f} % | {100 * upper_bound(far, count):.2f} % |")
    print(
        "\nThe bound is Clopper and Pearson's, one-sided; it takes files as independent, while several share a source."
    )

    def by(key, edges=None):
        """The file's value under `key`, as words."""
        return (lambda file: file[key]) if edges is None else (lambda file: bucket(file[key], edges))

    off, noise, unstable = functools.partial(spread, of="quality_off"), (0, 1, 3, 5, 9, 17), (0, 1, 2, 4, 8, 12, 16, 24)
    photographs = [file for file in files if file["kind"] == "photograph"]
    for title, some, rows, columns, cell in (
        ("Hashes from coefficients: by kind and short side", coefficient, by("kind"), by("band"), spread),
        ("Hashes from pixels: by kind and short side", pixels, by("kind"), by("band"), spread),
        ("All files whatever their PDQ quality: by kind and path", files, by("kind"), by("path"), spread),
        ("Coefficients: by the JPEG's quality setting", coefficient, by("setting", (0, 50, 80)), by("band"), spread),
        ("Coefficients: by PDQ quality", coefficient, by("pdq_quality", (50, 80)), by("band"), spread),
        ("Coefficients: by encoding", coefficient, by("encoding"), by("process"), spread),
        ("Coefficients: by sampling", coefficient, by("sampling"), by("process"), spread),
        ("Coefficients: by unstable bits", coefficient, by("unstable", unstable), by("band"), spread),
        (
            "Coefficients: by bits that noise moves in the reference",
            coefficient,
            by("moves", noise),
            by("band"),
            spread,
        ),
        ("Pixels: by bits that noise moves in the reference", pixels, by("moves", noise), by("band"), spread),
        ("Difference of PDQ quality, all files: by kind and path", files, by("kind"), by("path"), off),
        ("Share that pixels decided, all files: by kind and short side", files, by("kind"), by("band"), share),
        ("Share that pixels decided, photographs: by encoding", photographs, by("encoding"), by("process"), share),
    ):
        table(title, some, rows, columns, cell)
    heading("Why pixels", "reason", "files")
    for reason, count in collections.Counter(f["reason"] or "not said" for f in files if f["path"] == "pixels").items():
        print(f"| {reason} | {count} |")
    if worst:
        heading(
            "Farthest off", *"file distance path unstable moves PDQ\xa0quality(off) size setting how source".split(" ")
        )
    for f in sorted(evidence, key=lambda f: (-f["distance"], f["name"]))[:worst]:
        quality, size = f"{f['pdq_quality']} ({f['quality_off']})", "{}×{}".format(*f["size"])
        how, source = f"{f['encoding']}, {f['sampling']}", "/".join(f["source"].split("/")[-4:])
        cells = f["name"], f["distance"], f["path"], f["unstable"], f["moves"], quality, size, f["setting"], how, source
        print(f"| {' | '.join(map(str, cells))} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    # As an option of the program: it comes before the command's name.
    parser.add_argument("--processes", type=int, default=2, help="how many work at once (2)")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("corpus", "make the pictures"),
        ("reference", "hash them with pdqhash"),
        ("report", "compare, in Markdown"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("folder", type=Path)
        if name == "corpus":
            command.add_argument("--small", type=int, metavar="N", help="only the first N files of the shuffled plan")
        if name == "report":
            command.add_argument("--hashes", type=Path, required=True, metavar="HASHES.csv")
            command.add_argument(
                "--worst", type=int, default=0, metavar="N", help="also list the N files that are farthest off"
            )
    options = parser.parse_args()
    if options.command == "corpus":
        import accuracy_corpus

        accuracy_corpus.make_corpus(options.folder, options.small, options.processes)
    elif options.command == "reference":
        reference(options.folder, options.processes)
    else:
        report(options.folder, options.hashes, options.worst)


if __name__ == "__main__":
    main()
