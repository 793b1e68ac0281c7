"""JPEGs made to part the hash from coefficients and the hash from pixels, and a search for more.

    python3 benches/evasion.py make FOLDER [COUNT]          evasive files, and known.csv with their pictures' hashes
    python3 benches/evasion.py search FOLDER MINUTES [SEED] changes files at random, keeps what parts the hashes most

`search` asks `target/release/examples/parted_hashes` (PARTED_HASHES names another). Needs numpy, pillow and pdqhash.
The files are written coefficient by coefficient, so that they can hold what no encoder makes of pixels. Nothing is
shown of real people: the pictures are noise of several octaves.
"""

import io
import os
import random
import subprocess
import sys
import time

import numpy as np
import pdqhash
from PIL import Image

Image.MAX_IMAGE_PIXELS = None

ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8 if (i // 8 + i % 8) % 2 else i % 8)))
COSINES = np.array(
    [[(0.125**0.5 if u == 0 else 0.5) * np.cos((2 * x + 1) * u * np.pi / 16) for x in range(8)] for u in range(8)]
)

# ---- A writer of coefficients -------------------------------------------------------------------------------


class Bits:
    def __init__(self):
        self.out, self.value, self.count = bytearray(), 0, 0

    def put(self, value, count):
        self.value = self.value << count | value
        self.count += count
        while self.count >= 8:
            byte = self.value >> (self.count - 8) & 255
            self.out.append(byte)
            if byte == 255:
                self.out.append(0)
            self.count -= 8
        self.value &= (1 << self.count) - 1

    def end(self):
        if self.count:
            self.put((1 << (8 - self.count)) - 1, 8 - self.count)
        return bytes(self.out)


def segment(marker, content):
    return bytes([255, marker]) + (len(content) + 2).to_bytes(2, "big") + content


# Every symbol there is with eight or nine bits: no table need be made for a file.
DC = segment(0xC4, bytes([0x00]) + bytes([0, 0, 0, 12] + [0] * 12) + bytes(range(12)))
AC_SYMBOLS = [run << 4 | size for size in range(11) for run in range(16) if size or run in (0, 15)]
AC_SYMBOLS += [run << 4 for run in range(1, 15)]
AC = segment(0xC4, bytes([0x10]) + bytes([0] * 7 + [len(AC_SYMBOLS)] + [0] * 8) + bytes(AC_SYMBOLS))
AC_CODES = {symbol: code for code, symbol in enumerate(AC_SYMBOLS)}


def put_value(bits, value, size):
    bits.put(value if value >= 0 else value + (1 << size) - 1, size)


def size_of(value):
    return abs(int(value)).bit_length()


def write(planes, steps, width, height, factors, progressive=False, markers=b"", ids=(1, 2, 3)):
    """A file of planes of quantised coefficients [rows, columns, 64] in the order of the file."""
    out = b"\xff\xd8" + markers
    tables = list(dict.fromkeys(tuple(table) for table in steps))
    for number, table in enumerate(tables):
        if max(table) > 255:
            out += segment(0xDB, bytes([16 | number]) + b"".join(int(q).to_bytes(2, "big") for q in table))
        else:
            out += segment(0xDB, bytes([number]) + bytes(int(q) for q in table))
    components = b"".join(
        bytes([ids[i], factors[i][0] << 4 | factors[i][1], tables.index(tuple(steps[i]))]) for i in range(len(planes))
    )
    head = bytes([8]) + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes([len(planes)]) + components
    out += segment(0xC2 if progressive else 0xC1, head) + DC + AC
    most = (max(f[0] for f in factors), max(f[1] for f in factors))
    units = (-(-width // (8 * most[0])), -(-height // (8 * most[1])))
    alone = len(planes) == 1

    def scan(indices, first, last, before, left, body):
        selectors = b"".join(bytes([ids[i], 0]) for i in indices)
        return segment(0xDA, bytes([len(indices)]) + selectors + bytes([first, last, before << 4 | left])) + body

    def dc_scan(left, whole):
        bits, means = Bits(), [0] * len(planes)
        rows, columns = (-(-height // 8), -(-width // 8)) if alone else units[::-1]
        for y in range(rows):
            for x in range(columns):
                for i, plane in enumerate(planes):
                    across, down = (1, 1) if alone else factors[i]
                    for v in range(down):
                        for u in range(across):
                            block = plane[y * down + v, x * across + u]
                            mean = int(block[0]) >> left
                            difference, means[i] = mean - means[i], mean
                            size = size_of(difference)
                            bits.put(size, 4)
                            put_value(bits, difference, size)
                            if whole:
                                ac_block(bits, block, 1, 63, 0)
        return bits.end()

    def ac_block(bits, block, first, last, left):
        run = 0
        values = [int(c) for c in block[first : last + 1]]
        values = [(abs(c) >> left) * (1 if c > 0 else -1) for c in values]
        while values and values[-1] == 0:
            values.pop()
        for value in values:
            if value == 0:
                run += 1
                continue
            while run > 15:
                bits.put(AC_CODES[0xF0], 8)
                run -= 16
            size = size_of(value)
            bits.put(AC_CODES[run << 4 | size], 8)
            put_value(bits, value, size)
            run = 0
        if len(values) < last - first + 1:
            bits.put(AC_CODES[0], 8)

    if not progressive:
        return out + scan(range(len(planes)), 0, 63, 0, 0, dc_scan(0, True)) + b"\xff\xd9"
    out += scan(range(len(planes)), 0, 0, 0, 0, dc_scan(0, False))
    for i, plane in enumerate(planes):
        bits = Bits()
        rows = -(-(-(-height * factors[i][1] // most[1])) // 8)
        columns = -(-(-(-width * factors[i][0] // most[0])) // 8)
        for block in plane[:rows, :columns].reshape(-1, 64):
            ac_block(bits, block, 1, 63, 0)
        out += scan([i], 1, 63, 0, 0, bits.end())
    return out + b"\xff\xd9"


# ---- Pictures and what is done to them ----------------------------------------------------------------------


def octaves(rng, width, height, contrast):
    """Noise of several octaves between 0 and 255, mean 128."""
    total = np.zeros((height, width))
    for octave in range(1, 6):
        side = 2 ** (octave + 1)
        small = Image.fromarray(rng.normal(size=(side, side)).astype(np.float32), "F")
        total += np.asarray(small.resize((width, height), Image.BICUBIC)) / octave
    total = total / total.std() * contrast
    return np.clip(128 + total, 4, 251)


def blocks_of(plane):
    rows, columns = plane.shape[0] // 8, plane.shape[1] // 8
    return plane.reshape(rows, 8, columns, 8).transpose(0, 2, 1, 3)


def transform(plane):
    """Coefficients of a plane [rows, columns, 8, 8], unquantised."""
    return np.einsum("vy,rcyx,ux->rcvu", COSINES, blocks_of(plane) - 128.0, COSINES)


def quantised(coefficients, table):
    table = np.array(table)[np.argsort(ZIGZAG)].reshape(8, 8)
    limit = np.full(64, 1023)
    limit[0] = 1023
    values = np.clip(np.round(coefficients / table), -1023, 1023).astype(int)
    return values.reshape(*values.shape[:2], 64)[:, :, ZIGZAG]


def pixels_hash(data):
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    bits, quality = pdqhash.compute(pixels)
    return bits.astype(bool), quality


def padded(width, height, unit):
    return -(-width // unit) * unit, -(-height // unit) * unit


def means_of_clipped(means, amplitude):
    """What a block's mean becomes when ±amplitude is added to half of its pixels each and cut off."""
    return (np.clip(means + amplitude, 0, 255) + np.clip(means - amplitude, 0, 255)) / 2


def evasive(rng, width, height, colour, progressive, trick):
    """A file whose pixels show a picture and whose low coefficients show another one."""
    wide, high = padded(width, height, 16)
    picture = octaves(rng, wide, high, 25)
    checks = (np.indices((high, wide)).sum(0) % 2 * 2 - 1).astype(float)
    table = [10] * 64
    if trick == "luminance":
        # Means below black: what is cut off at black brings them back, by as much as the amplitude asks.
        other = np.clip(octaves(rng, wide, high, 40) - 60, 1, 254)
        target = picture * 0.45 + 40
        low, up = np.zeros_like(other), np.full_like(other, 900.0)
        for _ in range(25):
            middle = (low + up) / 2
            over = means_of_clipped(other, middle) < target
            low, up = np.where(over, middle, low), np.where(over, up, middle)
        planes = [other + checks * low]
    elif trick == "waves":
        # Nothing is cut off: slopes inside of blocks that add up under the filter's windows.
        n = 64
        phase = (np.arange(wide) + 0.5) * n / wide % 1 - 0.5
        slope = np.where(phase < 0, 1, -1) * ((np.arange(wide) % 8) - 3.5) / 3.5
        planes = [picture + slope[None, :] * (octaves(rng, wide, high, 40) - 128)]
    else:
        planes = [np.clip(picture * 0.5 + 20, 0, 255)]
    factors, steps = [(1, 1)], [table]
    if colour:
        factors, steps = [(2, 2), (1, 1), (1, 1)], [table, [10] * 64, [10] * 64]
        half = (wide // 2, high // 2)
        for _ in range(2):
            chroma = np.full((half[1], half[0]), 128.0)
            if trick == "chroma":
                shape = octaves(rng, *half, 60)
                chroma = 128 + checks[: half[1], : half[0]] * np.abs(shape - 128) * 2
            elif trick == "gamut":
                chroma = octaves(rng, *half, 90)
            planes.append(chroma)
    coefficients = [quantised(transform(p), t) for p, t in zip(planes, steps)]
    return write(coefficients, steps, width, height, factors, progressive)


SIZES = [(200, 260), (640, 480), (768, 1024), (1000, 1300), (1400, 1400), (2304, 2400)]
TRICKS = [("luminance", False), ("waves", False), ("luminance", True), ("chroma", True), ("gamut", True)]


def make(folder, count):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "known.csv"), "w") as known:
        known.write("pdq,quality,name\n")
        for number in range(count):
            rng = np.random.default_rng(number)
            trick, colour = TRICKS[number % len(TRICKS)]
            width, height = SIZES[number // 2 % len(SIZES)]
            progressive = number // (2 * len(SIZES)) % 2 == 1
            data = evasive(rng, width, height, colour, progressive, trick)
            kind = "progressive" if progressive else "sequential"
            name = f"{number:03}-{trick}-{'colour' if colour else 'grey'}-{kind}-{width}x{height}"
            with open(os.path.join(folder, name + ".jpg"), "wb") as file:
                file.write(data)
            bits, quality = pixels_hash(data)
            known.write(f"{int(''.join('01'[int(b)] for b in bits), 2):064x},{quality},{name}\n")
            print(name, quality, flush=True)


# ---- The search ---------------------------------------------------------------------------------------------


class Oracle:
    def __init__(self, folder):
        program = os.environ.get("PARTED_HASHES", "target/release/examples/parted_hashes")
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.path = os.path.join(folder, "asked.jpg")

    def ask(self, data):
        with open(self.path, "wb") as file:
            file.write(data)
        self.process.stdin.write(self.path + "\n")
        self.process.stdin.flush()
        distance, pixels, quality, ours, reason = self.process.stdout.readline().rstrip("\n").split(",", 4)
        return distance, pixels, quality, ours, reason


def start(rng):
    """A random file as its parts, to be changed and written again."""
    colour = rng.random() < 0.6
    width, height = SIZES[rng.integers(len(SIZES) - 1)]
    width, height = int(width * rng.uniform(0.5, 1)), int(height * rng.uniform(0.5, 1))
    wide, high = padded(width, height, 16)
    table = [int(x) for x in np.clip(rng.integers(1, 40) * (1 + np.arange(64) / 16), 1, 255)]
    planes = [quantised(transform(octaves(rng, wide, high, rng.uniform(10, 45))), table)]
    factors, steps = [(1, 1)], [table]
    if colour:
        factors = [[(1, 1)], [(2, 2)], [(2, 1)]][rng.integers(3)] + [(1, 1)] * 2
        steps = [table] * 3
        size = wide // factors[0][0], high // factors[0][1]
        size = padded(*size, 8)
        planes += [quantised(transform(octaves(rng, *size, rng.uniform(2, 50))), table) for _ in range(2)]
    return {
        "planes": planes,
        "steps": steps,
        "factors": factors,
        "size": (width, height),
        "progressive": bool(rng.random() < 0.4),
    }


def changed(file, rng):
    """One change: coefficients of a region, of one frequency or several, scaled, flipped or shifted; a table; a mode."""
    file = dict(file, planes=[p.copy() for p in file["planes"]])
    choice = rng.integers(10)
    plane = file["planes"][rng.integers(len(file["planes"]))]
    rows, columns = plane.shape[:2]
    if rng.random() < 0.4:
        y, x = slice(0, rows), slice(0, columns)
    else:
        a, b = sorted(rng.integers(0, rows + 1, 2))
        c, d = sorted(rng.integers(0, columns + 1, 2))
        y, x = slice(a, b + 1), slice(c, d + 1)
    region = plane[y, x]
    which = rng.integers(1, 64, rng.integers(1, 6))
    if choice < 3:
        region[:, :, which] += rng.integers(-60, 61, region.shape[:2] + (1,)) * rng.integers(0, 2)
    elif choice == 3:
        region[:, :, which] += int(rng.integers(-200, 201))
    elif choice == 4:
        region[:, :, 0] += int(rng.integers(-100, 101))
    elif choice == 5:
        region[:, :, which] = region[:, :, which] * int(rng.integers(-4, 5))
    elif choice == 6:
        region[:, :, 1:] = region[:, :, 1:] * int(rng.integers(2, 5))
    elif choice == 7:
        sign = np.sign(np.sin(np.arange(region.shape[1]) * rng.uniform(0.05, 3)))[None, :, None]
        region[:, :, which] += (sign * rng.integers(1, 120)).astype(int)
    elif choice == 8:
        table = list(file["steps"][0])
        for k in rng.integers(0, 64, 4):
            table[k] = int(rng.integers(1, 255))
        file["steps"] = [table] * len(file["planes"])
    else:
        file["progressive"] = not file["progressive"]
    for each in file["planes"]:
        np.clip(each, -1000, 1000, out=each)
    return file


def search(folder, minutes, seed):
    os.makedirs(folder, exist_ok=True)
    rng, oracle = np.random.default_rng(seed), Oracle(folder)
    until, tried, worst = time.time() + 60 * minutes, 0, []
    to_pixels, reference_worst, histogram = 0, 0, {}
    while time.time() < until:
        file, best, stale = start(rng), -1, 0
        while stale < 25 and time.time() < until:
            candidate = changed(file, rng)
            data = write(
                candidate["planes"], candidate["steps"], *candidate["size"], candidate["factors"], candidate["progressive"]
            )
            distance, pixels, quality, _, reason = oracle.ask(data)
            tried += 1
            stale += 1
            if pixels and tried % 20 == 0:
                bits, _ = pixels_hash(data)
                apart = (int(pixels, 16) ^ int("".join("01"[int(b)] for b in bits), 2)).bit_count()
                if int(quality) >= 50 and apart > reference_worst:
                    reference_worst = apart
                    print(f"pixels against the reference: {apart}", flush=True)
            if not distance:
                to_pixels += 1
                histogram[reason] = histogram.get(reason, 0) + 1
                continue
            if int(quality) < 50:
                continue
            if int(distance) >= best:
                stale = 0 if int(distance) > best else stale
                file, best = candidate, int(distance)
                kind = ("progressive" if file["progressive"] else "sequential", len(file["planes"]), *file["size"])
                if best > 8:
                    with open(os.path.join(folder, f"worst-{best:03}-{seed}-{tried}.jpg"), "wb") as kept:
                        kept.write(data)
        worst.append((best, *kind) if best >= 0 else (best,))
        print(f"{tried} tried; climb ended at {worst[-1]}", flush=True)
    print(f"seed {seed}: {tried} files, {to_pixels} to pixels {histogram}, reference {reference_worst}")
    print("climbs:", sorted((each[0] for each in worst), reverse=True))


def main():
    command, folder = sys.argv[1:3]
    if command == "make":
        make(folder, int(sys.argv[3]) if len(sys.argv) > 3 else 30)
    elif command == "search":
        search(folder, float(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
