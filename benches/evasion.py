"""JPEGs made to part the hash from coefficients and the hash from pixels, and a search for more.

    python3 benches/evasion.py make FOLDER [COUNT]              evasive files, and known.csv with their pictures' hashes
    python3 benches/evasion.py search FOLDER MINUTES [SEED]     changes files at random, keeps what parts the hashes most
    python3 benches/evasion.py structure FOLDER MINUTES [SEED]  changes bytes and segments of ordinary small files

`search` and `structure` ask `target/release/examples/parted_hashes` (PARTED_HASHES names another). Needs numpy, pillow
and pdqhash. The files are written coefficient by coefficient, so that they can hold what no encoder makes of pixels.
Nothing is shown of real people: the pictures are noise of several octaves. What each kind of file does is said at its
function, what came of it in `docs/accuracy.md`.
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


def huffman(kind, lengths):
    """A segment that defines a table of (symbol, length), and for each symbol its first code and length."""
    lengths = sorted(lengths, key=lambda pair: pair[1])
    counts = bytes(sum(length == n for _, length in lengths) for n in range(1, 17))
    codes, code, before = {}, 0, 0
    for symbol, length in lengths:
        code, before = code << (length - before), length
        codes.setdefault(symbol, (code, length))
        code += 1
    return segment(0xC4, bytes([kind]) + counts + bytes(symbol for symbol, _ in lengths)), codes


AC_SYMBOLS = [run << 4 | size for size in range(11) for run in range(16) if size or run in (0, 15)]
# Every symbol there is with eight bits: no table need be made for a file.
USUAL = huffman(0x00, [(size, 4) for size in range(12)]), huffman(0x10, [(symbol, 8) for symbol in AC_SYMBOLS])
# A block without coefficients takes two bits.
SHORT = (
    huffman(0x00, [(size, 5 if size else 1) for size in range(12)]),
    huffman(0x10, [(symbol, 9 if symbol else 1) for symbol in AC_SYMBOLS]),
)
# Symbols with their coefficients take an even number of bits, and every code means one: two walks that are an odd
# number of bits apart never become one.
EVEN = USUAL[0], huffman(0x10, [(symbol, 8 - symbol % 2) for symbol in AC_SYMBOLS] + [(0x12, 8)] * 13 + [(0x11, 9)])


def put_value(bits, value, size):
    bits.put(value if value >= 0 else value + (1 << size) - 1, size)


def size_of(value):
    return abs(int(value)).bit_length()


def put_band(bits, values, codes):
    """The coefficients of a block from the second on, or some of them."""
    run, count = 0, len(values)
    values = [int(value) for value in values]
    while values and values[-1] == 0:
        values.pop()
    for value in values:
        if value == 0:
            run += 1
            continue
        while run > 15:
            bits.put(*codes[0xF0])
            run -= 16
        size = size_of(value)
        bits.put(*codes[run << 4 | size])
        put_value(bits, value, size)
        run = 0
    if len(values) < count:
        bits.put(*codes[0])


def write(
    planes,
    steps,
    width,
    height,
    factors,
    progressive=False,
    markers=b"",
    ids=(1, 2, 3),
    tables=USUAL,
    interval=0,
    low=0,
    faulty=None,
    behind=b"",
    tail=b"",
):
    """A file of planes of quantised coefficients [rows, columns, 64] in the order of the file.

    Of a progressive file, `interval` is the blocks between restarts of the scans behind the means, `low` the bits of
    means that come behind the first band, and `faulty` a component with bits in its band that mean nothing. `behind`
    stands behind every scan, `tail` behind the end.
    """
    (dc_table, dc_codes), (ac_table, ac_codes) = tables
    out = b"\xff\xd8" + markers
    quantisers = list(dict.fromkeys(tuple(table) for table in steps))
    for number, table in enumerate(quantisers):
        if max(table) > 255:
            out += segment(0xDB, bytes([16 | number]) + b"".join(int(q).to_bytes(2, "big") for q in table))
        else:
            out += segment(0xDB, bytes([number]) + bytes(int(q) for q in table))
    components = b"".join(
        bytes([ids[i], factors[i][0] << 4 | factors[i][1], quantisers.index(tuple(steps[i]))])
        for i in range(len(planes))
    )
    head = bytes([8]) + height.to_bytes(2, "big") + width.to_bytes(2, "big") + bytes([len(planes)]) + components
    out += segment(0xC2 if progressive else 0xC1, head) + dc_table + ac_table
    most = (max(f[0] for f in factors), max(f[1] for f in factors))
    units = (-(-width // (8 * most[0])), -(-height // (8 * most[1])))
    alone = len(planes) == 1
    all_of_them = range(len(planes))

    def scan(indices, first, last, before, left, body):
        selectors = b"".join(bytes([ids[i], 0]) for i in indices)
        limits = bytes([first, last, before << 4 | left])
        return segment(0xDA, bytes([len(indices)]) + selectors + limits) + body + behind

    def blocks_in_units():
        rows, columns = (-(-height // 8), -(-width // 8)) if alone else units[::-1]
        for y in range(rows):
            for x in range(columns):
                for i, plane in enumerate(planes):
                    across, down = (1, 1) if alone else factors[i]
                    for v in range(down):
                        for u in range(across):
                            yield i, plane[y * down + v, x * across + u]

    def dc_scan(left, whole=False):
        bits, means = Bits(), [0] * len(planes)
        for i, block in blocks_in_units():
            mean = int(block[0]) >> left
            difference, means[i] = mean - means[i], mean
            size = size_of(difference)
            bits.put(*dc_codes[size])
            put_value(bits, difference, size)
            if whole:
                put_band(bits, block[1:], ac_codes)
        return bits.end()

    def dc_refinement(left):
        bits = Bits()
        for _, block in blocks_in_units():
            bits.put(int(block[0]) >> left & 1, 1)
        return bits.end()

    def ac_scan(i):
        rows = -(-(-(-height * factors[i][1] // most[1])) // 8)
        columns = -(-(-(-width * factors[i][0] // most[0])) // 8)
        body, bits = b"", Bits()
        for number, block in enumerate(planes[i][:rows, :columns].reshape(-1, 64)):
            if interval and number and number % interval == 0:
                body += bits.end() + bytes([0xFF, 0xD0 + (number // interval - 1) % 8])
                bits = Bits()
            put_band(bits, block[1:], ac_codes)
        body = bytearray(body + bits.end())
        if i == faulty:
            # No code begins like that; and there no sample is taken.
            at = len(body) * 3 // 64
            body[at : at + 6] = b"\xfe" * 6
        return scan([i], 1, 63, 0, 0, bytes(body))

    if not progressive:
        return out + scan(all_of_them, 0, 63, 0, 0, dc_scan(0, True)) + b"\xff\xd9" + tail
    out += scan(all_of_them, 0, 0, 0, low, dc_scan(low))
    if interval:
        out += segment(0xDD, interval.to_bytes(2, "big"))
    # What is faulty comes first.
    order = sorted(all_of_them, key=lambda i: i != faulty)
    out += ac_scan(order[0])
    if interval and low:
        out += segment(0xDD, b"\0\0")
    for left in reversed(range(low)):
        out += scan(all_of_them, 0, 0, left + 1, left, dc_refinement(left))
    if interval and low:
        out += segment(0xDD, interval.to_bytes(2, "big"))
    return out + b"".join(ac_scan(i) for i in order[1:]) + b"\xff\xd9" + tail


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
    values = np.clip(np.round(coefficients / table), -1023, 1023).astype(int)
    return values.reshape(*values.shape[:2], 64)[:, :, ZIGZAG]


def pixels_hash(data):
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    bits, quality = pdqhash.compute(pixels)
    return bits.astype(bool), quality


def number_of(bits):
    return int("".join("01"[int(bit)] for bit in bits), 2)


def padded(width, height, unit):
    return -(-width // unit) * unit, -(-height // unit) * unit


def means_of_clipped(means, amplitude):
    """What a block's mean becomes when ±amplitude is added to half of its pixels each and cut off."""
    return (np.clip(means + amplitude, 0, 255) + np.clip(means - amplitude, 0, 255)) / 2


def evasive(rng, width, height, colour, progressive, trick):
    """A file whose pixels show a picture and whose low coefficients show another one."""
    planes, steps, factors = two_pictures(rng, width, height, colour, trick)
    return write(planes, steps, width, height, factors, progressive)


def two_pictures(rng, width, height, colour, trick, same=0):
    """Planes, steps and factors of such a file. The first `same` columns of blocks show the same."""
    wide, high = padded(width, height, 16)
    picture = octaves(rng, wide, high, 25)
    checks = (np.indices((high, wide)).sum(0) % 2 * 2 - 1).astype(float)
    table = [10] * 64
    if trick == "luminance":
        # Means below black: what is cut off at black brings them back, by as much as the amplitude asks.
        other = np.clip(octaves(rng, wide, high, 40) - 60, 1, 254)
        target = picture * 0.45 + 40
        other[:, : 8 * same] = target[:, : 8 * same]
        least, most = np.zeros_like(other), np.full_like(other, 900.0)
        for _ in range(25):
            middle = (least + most) / 2
            over = means_of_clipped(other, middle) < target
            least, most = np.where(over, middle, least), np.where(over, most, middle)
        least[:, : 8 * same] = 0
        planes = [other + checks * least]
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
    return [quantised(transform(p), t) for p, t in zip(planes, steps)], steps, factors


# ---- A picture's hash, and errors that turn it ---------------------------------------------------------------

# Rows of the hash's transform: 16 frequencies of a tile's side of 64 samples.
TILE_COSINES = np.array(
    [[32**-0.5 * np.cos(np.pi / 128 * (i + 1) * (2 * j + 1)) for j in range(64)] for i in range(16)]
)


def filter_of(length):
    """Weights [64, length] of the hash's filter for the pixels of a side."""
    width = -(-length // 128)
    half = (width + 2) // 2
    weights = np.zeros((64, length))

    def window(at):
        return slice(max(at + half - width, 0), min(at + half, length))

    for cell in range(64):
        outer = window((2 * cell + 1) * length // 128)
        for at in range(outer.start, outer.stop):
            inner = window(at)
            weights[cell, inner] += 1 / (outer.stop - outer.start) / (inner.stop - inner.start)
    return weights


def block_weights(length):
    """The same [8, 64, blocks] for the coefficients of blocks."""
    pixels = np.zeros((64, -(-length // 8) * 8))
    pixels[:, :length] = filter_of(length)
    return np.einsum("cbx,ux->ucb", pixels.reshape(64, -1, 8), COSINES)


def low(tile):
    return TILE_COSINES @ tile @ TILE_COSINES.T


def tile_of(low_ones):
    return TILE_COSINES.T @ low_ones @ TILE_COSINES


def halves(rng):
    """As many +1 as -1, for the 256 coefficients of the hash."""
    return rng.permutation(np.repeat([1.0, -1.0], 128)).reshape(16, 16)


def some(rng, signs, count):
    """`count` of the coefficients, half of them above and half below: turning them leaves the median where it is."""
    chosen = np.zeros(256)
    for sign in (1, -1):
        chosen[rng.permutation(np.flatnonzero(signs == sign))[: count // 2]] = 1
    return chosen.reshape(16, 16)


def faint(rng, contrast, texture):
    """A tile whose coefficients all lie `contrast` from their median, and the side that each is on. The hash does not see
    the texture, its quality does."""
    signs = halves(rng)
    return signs, tile_of(signs * contrast) + (np.indices((64, 64)).sum(0) % 2 * 2 - 1) * texture


def enlarged(tile, blocks):
    """A tile's samples as so many blocks."""
    place = ((np.arange(blocks) + 0.5) * 64 / blocks).astype(int)
    return tile[np.ix_(place, place)]


def flat_blocks(levels, step):
    """Blocks of one level each."""
    plane = np.zeros((*levels.shape, 64), int)
    plane[:, :, 0] = np.round((levels - 128) * 8 / step)
    return plane


def settled(wanted, least, most, rng):
    """Whole numbers near `wanted` with its low frequencies."""
    goal, aim, best = low(wanted), wanted.copy(), (np.inf, None)
    for _ in range(300):
        whole = np.clip(np.round(aim), least, most)
        missed = goal - low(whole)
        best = min(best, (np.abs(missed).max(), whole), key=lambda pair: pair[0])
        aim += tile_of(missed) * 0.7 + rng.normal(size=aim.shape) * 0.02
    return best[1]


def nearest_pushed(tile, count, margin):
    """Coefficients of a tile whose `count` nearest to the median are pushed to `margin` from it, and how much each has to
    move to come to the other side."""
    values = low(tile)
    ordered = np.sort(values.ravel())
    median = (ordered[127] + ordered[128]) / 2
    nearest = np.zeros(256, bool)
    nearest[np.argsort(np.abs(values - median).ravel())[:count]] = True
    nearest = nearest.reshape(16, 16)
    side = np.where(values > median, 1.0, -1.0)
    pushed = np.where(nearest, median + side * margin, values)
    # As many turn down as turn up.
    above, below = nearest & (side > 0), nearest & (side < 0)
    surplus = int(above.sum()) - int(below.sum())
    nearest.ravel()[np.flatnonzero(above if surplus > 0 else below)[: abs(surplus)]] = False
    return pushed, np.where(nearest, -side * margin * 1.25, 0)


# ---- Kinds of evasive files ---------------------------------------------------------------------------------

SIZES = [(200, 260), (640, 480), (768, 1024), (1000, 1300), (1400, 1400), (2304, 2400)]
FIRST_TRICKS = [("luminance", False), ("waves", False), ("luminance", True), ("chroma", True), ("gamut", True)]


def ties(rng):
    """Small, grey: levels that lie half-way between two whole numbers, which decoders round up. Each block chooses."""
    signs, tile = faint(rng, 1, 6)
    error = tile_of(-signs * some(rng, signs, 128) * 1.6)
    levels = settled(150 + tile, 129, 250, rng)
    halfway = settled(0.5 + error, 0, 1, rng)
    return write([flat_blocks(levels + halfway / 2, 1)], [[1] * 64], 512, 512, [(1, 1)])


def smooth(rng):
    """Chroma of half the resolution in stripes: repeated samples make red, green and blue whose luminance is as it was,
    smooth ones do not."""
    side = int(rng.choice([896, 1400, 2304]))
    units = -(-side // 16)
    _, tile = faint(rng, 5, 5)
    error = enlarged(tile_of(halves(rng)), units)
    on = rng.random(error.shape) < error / error.std() * 0.3 + 0.5
    stripes = np.where(np.arange(8)[:, None] % 2, 127.0, -37.0) + np.zeros(8)
    chroma = [np.kron(on, stripe) + 128 for stripe in (np.full((8, 8), -119.0), stripes)]
    table = [2] * 64
    planes = [flat_blocks(134 + enlarged(tile, 2 * units), 2)] + [quantised(transform(c), table) for c in chroma]
    return write(planes, [table] * 3, side, side, [(2, 2), (1, 1), (1, 1)])


def blue(rng):
    """Small: blue driven beyond black and white by block, just as much as turns some of the coefficients, which lie all as
    far from their median. The root of the mean square of the difference stays under a quarter of that."""
    side = int(rng.choice([512, 896]))
    signs, tile = faint(rng, 8, 7)
    levels = np.round(128 + enlarged(tile, side // 8))
    error = enlarged(tile_of(-signs * some(rng, signs, 96) * 8 * 1.3), side // 8)
    chroma = np.where(error > 0, -(error / 0.114 + levels), 255 - levels - error / 0.114) / 1.772
    planes = [flat_blocks(levels, 4), flat_blocks(np.clip(chroma, -128, 127) + 128, 4)]
    return write(planes + [planes[1] * 0], [[4] * 64] * 3, side, side, [(1, 1)] * 3)


def tinge(rng):
    """Small: a picture with a tinge of at most seven levels of chroma in blocks, of which luminance knows by the rounding
    of red, green and blue alone. The 40 coefficients nearest to the median are first pushed away from it a little."""
    side = 512
    pixels = octaves(rng, side, side, 30)
    table, weights = [1] * 64, filter_of(side)
    wide = np.linalg.pinv(weights)
    tile = weights @ pixels @ weights.T
    pushed, turned = nearest_pushed(tile, 40, 1.5)
    pixels += wide @ tile_of(pushed - low(tile)) @ wide.T
    by_block = weights.reshape(64, -1, 8).sum(2)
    wanted = np.linalg.pinv(by_block) @ tile_of(turned) @ np.linalg.pinv(by_block).T
    chroma = np.arange(-7, 8)
    errors = (
        0.299 * np.floor(0.5 + 1.402 * chroma)[None, :]
        + 0.587 * np.floor(0.5 - 0.344136 * chroma[:, None] - 0.714136 * chroma[None, :])
        + 0.114 * np.floor(0.5 + 1.772 * chroma)[:, None]
    )
    nearest = np.abs(errors.ravel()[None, None] - wanted[:, :, None]).argmin(2)
    planes = [quantised(transform(pixels), table)]
    planes += [flat_blocks(128.0 + chroma[index], 1) for index in (nearest // 15, nearest % 15)]
    return write(planes, [table] * 3, side, side, [(1, 1)] * 3)


def few(rng):
    """Large: an ordinary picture whose coefficients nearest to the median are pushed away from it a little, and brought to
    its other side by frequencies of the blocks that are not read. The difference is small, and all of it is there. Of a
    progressive file nothing compares it."""
    side = int(rng.choice([1000, 1280, 1400, 2304]))
    weights = block_weights(side)
    kept = [(0, 0), (0, 1), (1, 0), (2, 0), (1, 1), (0, 2)]
    kept = kept[: 6 if side < 1300 else 3 if side < 2200 else 1]
    frequency = 3 if side < 1300 else 2 if side < 2200 else 1
    table = [2] + [1] * 63
    blocks = transform(octaves(rng, -(-side // 8) * 8, -(-side // 8) * 8, 30))

    def tile(those):
        return 128 + sum(weights[v] @ blocks[:, :, v, u] @ weights[u].T for v, u in those)

    means, others = np.linalg.pinv(weights[0]), np.linalg.pinv(weights[frequency])
    read = tile(kept)
    progressive = bool(rng.random() < 0.3)
    pushed, turned = nearest_pushed(read, *((160, 16) if progressive else (60, 4)))
    blocks[:, :, 0, 0] += means @ tile_of(pushed - low(read)) @ means.T
    missing = tile(kept) + tile_of(turned) - tile(np.ndindex(8, 8))
    blocks[:, :, 0, frequency] += means @ (missing / 2) @ others.T
    blocks[:, :, frequency, 0] += others @ (missing / 2) @ means.T
    return write([quantised(blocks, table)], [table], side, side, [(1, 1)], progressive)


def reader_samples(blocks):
    """What the reader of coefficients made of blocks [n, 8, 8] on 2026-11-29: half-transformed samples within 16 bits."""
    weights = np.round(COSINES * 8192).astype(int)
    within = (-32768, 32767)
    half = np.clip((np.einsum("nvu,vy->nyu", np.clip(blocks, *within), weights) + 128) >> 8, *within)
    return np.clip((np.einsum("nyu,ux->nyx", half, weights) + (128 << 18) + (1 << 17)) >> 18, 0, 255)


def beyond(rng):
    """Large: blocks so far beyond black and white that where they are cut off decides what they show."""
    blocks = np.zeros((60000, 8, 8), int)
    numbers = np.arange(len(blocks))
    for _ in range(3):
        blocks[numbers, rng.integers(0, 8, len(blocks)), rng.integers(0, 8, len(blocks))] = (
            rng.integers(-90, 91, len(blocks)) * rng.integers(0, 2, len(blocks)) * 255
        )
    blocks[:, 0, 0] = 0
    exact = np.clip(np.einsum("vy,nvu,ux->nyx", COSINES, blocks, COSINES) + 128, 0, 255).mean((1, 2))
    fair = np.abs(reader_samples(blocks).mean((1, 2)) - 128) < 0.8
    extremes = [blocks[np.where(fair, sign * exact, -np.inf).argmax()] for sign in (1, -1)]
    side = 2304
    _, tile = faint(rng, 14, 6)
    tile = enlarged(tile, side // 8)
    error = enlarged(tile_of(halves(rng)), side // 8)
    error = error / error.std() * 0.35
    tricked = rng.random(error.shape) < np.abs(error)
    table = [8] + [255] * 63
    plane = flat_blocks(np.where(tricked, 128, 128 + np.round(tile * 1.5)), 8)
    for sign, block in zip((1, -1), extremes):
        plane[tricked & (error * sign > 0), 1:] = np.round(block.ravel()[ZIGZAG] / np.array(table))[1:]
    return write([plane], [table], side, side, [(1, 1)])


def grain(rng):
    """Small, progressive: chroma in chequers on dark luminance, which is cut off at black. Their mean is none, and their
    energy is an ordinary picture's."""
    side = int(rng.choice([256, 512, 896]))
    blocks = side // 8
    _, tile = faint(rng, 6, 7)
    error = enlarged(tile_of(halves(rng)), blocks)
    on = rng.random(error.shape) < error / error.std() * 0.3 + 0.5
    checks = (np.indices((8, 8)).sum(0) % 2 * 2 - 1) * 50.0
    chroma = quantised(transform(np.kron(on, checks) + 128), [4] * 64)
    planes = [flat_blocks(25 + enlarged(tile, blocks), 4), chroma, chroma]
    return write(planes, [[4] * 64] * 3, side, side, [(1, 1)] * 3, True)


def hidden(rng):
    """Large, progressive: the second picture is in a scan that is not read, and whose samples reveal nothing, because
    restarts cut them short and walks from different bits never meet."""
    side = int(rng.choice([1000, 1400, 2304]))
    planes, steps, factors = two_pictures(rng, side, side, False, "luminance")
    planes[0][0, 0, 1:] = 0
    return write(planes, steps, side, side, factors, True, tables=EVEN, interval=1)


def fault(rng):
    """Progressive: a scan of chroma in which the pixel decoder gives up, and behind it most of luminance."""
    side = int(rng.choice([128, 256, 1000]))
    table, wide = [2] * 64, -(-side // 8) * 8
    planes = [quantised(transform(octaves(rng, wide, wide, 30)), table)]
    for _ in range(2):
        noise = quantised(transform(128 + rng.normal(size=(wide, wide)) * 6), table)
        noise[:, :, 0] = 0
        planes.append(noise)
    return write(planes, [table] * 3, side, side, [(1, 1)] * 3, True, low=8, faulty=1)


def stray(rng):
    """Progressive: a marker without a meaning behind the first scan, which the pixel decoder takes for the end."""
    side = int(rng.choice([96, 160]))
    table = [4] * 64
    plane = quantised(transform(octaves(rng, side, side, 40)), table)
    return write([plane], [table], side, side, [(1, 1)], True, low=6, behind=b"\xff\x01")


def last_rows(rng):
    """Tiny: the last rows of blocks take a few bytes, and a marker follows them: the decoder leaves them black."""
    width, height = [(64, 64), (72, 64), (100, 80)][rng.integers(3)]
    table, rows = [4] * 64, 2
    wide, high = padded(width, height, 8)
    plane = quantised(transform(octaves(rng, wide, high, 40)), table)
    plane[-rows:, :, 0] = plane[-rows - 1, -1, 0]
    plane[-rows:, :, 1:] = 0
    return write([plane], [table], width, height, [(1, 1)], tables=SHORT, behind=b"\xff\x01")


def unseen(rng):
    """Large: another picture in all but a strip, and bytes behind the end for which all spots lie in the strip."""
    side, strip = 1000, int(rng.choice([32, 16, 10]))
    planes, steps, _ = two_pictures(rng, side, side, False, "luminance", (strip + 1) * side // 64 // 8 + 1)
    factors = [(4, 2), (1, 1), (1, 1)]
    units = -(-side // 32), -(-side // 16)
    padding = np.zeros((units[1] * 2, units[0] * 4, 64), int)
    padding[: planes[0].shape[0], : planes[0].shape[1]] = planes[0][: padding.shape[0], : padding.shape[1]]
    planes = [padding] + [np.zeros((units[1], units[0], 64), int)] * 2
    clean = np.zeros((64, 64), bool)
    clean[:, :strip] = True
    data = write(planes, steps * 3, side, side, factors)
    return data + tail_for(data, clean, max(8, min(64, units[0] * units[1] // 400)))


def mixed(state):
    """SplitMix64 of numbers: the next states, and what they give."""
    word = np.uint64
    state = state + word(0x9E3779B97F4A7C15)
    value = (state ^ (state >> word(30))) * word(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> word(27))) * word(0x94D049BB133111EB)
    return state, value ^ (value >> word(31))


def tail_for(data, clean, count):
    """Bytes behind the end for which all of `count` spots (as of 2026-11-29) are `clean` samples of the tile."""
    scan = data.rindex(b"\xff\xda")
    scan += 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")
    tail = bytearray(len(data) // 200 + 600)
    whole = data[scan:] + tail
    step = max(len(whole) // 256, 8)
    places = [place for place in range(0, len(whole), step) if len(whole) - place >= 8]
    key = np.array([len(whole)], np.uint64)
    with np.errstate(over="ignore"):
        for place in places[:-1]:
            key = mixed(key ^ np.frombuffer(whole[place : place + 8], "<u8"))[1]
        for first in range(0, 1 << 28, 1 << 20):
            words = np.arange(first, first + (1 << 20), dtype=np.uint64)
            state = mixed(words ^ key)[1]
            for number in range(count):
                state, row = mixed(state)
                state, column = mixed(state)
                row = (np.uint64(number * 64) + row % np.uint64(64)) // np.uint64(count)
                kept = clean[row.astype(int), (column % np.uint64(64)).astype(int)]
                words, state = words[kept], state[kept]
            if len(words):
                place = places[-1] - (len(data) - scan)
                tail[place : place + 8] = int(words[0]).to_bytes(8, "little")
                break
    return bytes(tail)


def first_trick(number):
    """A file of the first attack: the tricks in all sizes, sequential and progressive."""

    def make_it(rng):
        trick, colour = FIRST_TRICKS[number % len(FIRST_TRICKS)]
        width, height = SIZES[rng.integers(len(SIZES))]
        return evasive(rng, width, height, colour, bool(rng.integers(2)), trick)

    make_it.__name__ = FIRST_TRICKS[number % len(FIRST_TRICKS)][0]
    return make_it


DIRECTED = [ties, smooth, blue, tinge, few, beyond, grain, hidden, fault, stray, last_rows, unseen]
KINDS = [kind for number, each in enumerate(DIRECTED) for kind in (each, first_trick(number))]


def make(folder, count):
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "known.csv"), "w") as known:
        known.write("pdq,quality,name\n")
        for number in range(count):
            kind = KINDS[number % len(KINDS)]
            data = kind(np.random.default_rng(number))
            name = f"{number:03}-{kind.__name__}"
            with open(os.path.join(folder, name + ".jpg"), "wb") as file:
                file.write(data)
            try:
                bits, quality = pixels_hash(data)
            except OSError:
                # The reference refuses it.
                continue
            known.write(f"{number_of(bits):064x},{quality},{name}\n")
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
    wide, high = padded(width, height, 32)
    table = [int(x) for x in np.clip(rng.integers(1, 40) * (1 + np.arange(64) / 16), 1, 255)]
    planes = [quantised(transform(octaves(rng, wide, high, rng.uniform(10, 45))), table)]
    factors, steps = [(1, 1)], [table]
    if colour:
        factors = [[(1, 1)], [(2, 2)], [(2, 1)], [(1, 2)], [(4, 1)], [(4, 2)]][rng.integers(6)] + [(1, 1)] * 2
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
        "extras": {},
    }


def written(file):
    return write(file["planes"], file["steps"], *file["size"], file["factors"], file["progressive"], **file["extras"])


def changed(file, rng):
    """One change: coefficients of a region, of one frequency or several, scaled, flipped or shifted; a table; a mode; what
    is stored next to the coefficients."""
    file = dict(file, planes=[p.copy() for p in file["planes"]], extras=dict(file["extras"]))
    choice = rng.integers(15)
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
    elif choice == 9:
        file["progressive"] = not file["progressive"]
    elif choice == 10:
        # Levels half-way between whole ones.
        old = file["steps"][0][0]
        for each in file["planes"]:
            each[:, :, 0] = np.round(each[:, :, 0] * old / 4)
        file["steps"] = [[4] + list(file["steps"][0][1:])] * len(file["planes"])
        region[:, :, 0] |= 1
        region[:, :, 1:] *= rng.integers(0, 2)
    elif choice == 11:
        file["extras"]["tail"] = rng.bytes(int(rng.integers(8, 4000)))
    elif choice == 12:
        file["extras"].update(interval=int(rng.choice([0, 1, 2, 7])), tables=[USUAL, EVEN][rng.integers(2)])
    elif choice == 13:
        file["extras"].update(low=int(rng.integers(0, 9)), faulty=[None, 0, 1, 2][rng.integers(len(file["planes"]) + 1)])
    else:
        file["extras"]["behind"] = [b"", b"\xff\x01", b"\xff\xff", segment(0xDF, b"no")][rng.integers(4)]
    for each in file["planes"]:
        np.clip(each, -1000, 1000, out=each)
    return file


class Told:
    """Counts what came of the files of each kind."""

    def __init__(self):
        self.kinds, self.reasons = {}, {}

    def note(self, kind, distance, quality, reason):
        """The distance that counts, or -1."""
        tried, passed, far, farthest = self.kinds.get(kind, (0, 0, 0, -1))
        if not distance:
            # The pixel decoder's own reasons are many.
            reason = "no pixels either" if reason.startswith("no pixels") else reason
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        counts = int(distance) if distance and int(quality) >= 50 else -1
        entry = tried + 1, passed + (counts >= 0), far + (counts > 8), max(farthest, counts)
        self.kinds[kind] = entry
        return counts

    def tell(self):
        print("kind: files, read from coefficients, more than 8 bits apart, farthest")
        for kind, entry in sorted(self.kinds.items(), key=lambda pair: -pair[1][3]):
            print(f"{kind}: {', '.join(map(str, entry))}")
        print("to pixels:", dict(sorted(self.reasons.items(), key=lambda pair: -pair[1])), flush=True)


def search(folder, minutes, seed):
    os.makedirs(folder, exist_ok=True)
    rng, oracle, told = np.random.default_rng(seed), Oracle(folder), Told()
    until, tried, worst, reference_worst = time.time() + 60 * minutes, 0, [], 0

    def ask(kind, data):
        nonlocal tried, reference_worst
        distance, pixels, quality, _, reason = oracle.ask(data)
        tried += 1
        counts = told.note(kind, distance, quality, reason)
        if counts > 8:
            with open(os.path.join(folder, f"worst-{counts:03}-{seed}-{tried}.jpg"), "wb") as kept:
                kept.write(data)
        if pixels and tried % 20 == 0 and int(quality) >= 50:
            try:
                apart = (int(pixels, 16) ^ number_of(pixels_hash(data)[0])).bit_count()
            except OSError:
                return counts
            if apart > reference_worst:
                reference_worst = apart
                print(f"pixels against the reference: {apart}", flush=True)
        return counts

    while time.time() < until:
        if rng.random() < 0.3:
            kind = DIRECTED[rng.integers(len(DIRECTED))]
            print(f"{tried} tried; {kind.__name__}: {ask(kind.__name__, kind(rng))}", flush=True)
            continue
        file, best, stale = start(rng), -1, 0
        while stale < 25 and time.time() < until:
            candidate = changed(file, rng)
            kind = ("progressive" if candidate["progressive"] else "sequential") + f" of {len(candidate['planes'])}"
            distance = ask(kind, written(candidate))
            stale += 1
            if distance >= 0 and distance >= best:
                stale = 0 if distance > best else stale
                file, best = candidate, distance
                beside = {name: value for name, value in file["extras"].items() if name not in ("tail", "tables")}
                how = (kind, *file["size"], beside)
        worst.append((best, *how) if best >= 0 else (best,))
        print(f"{tried} tried; climb ended at {worst[-1]}", flush=True)
    told.tell()
    print(f"seed {seed}: {tried} files, reference {reference_worst}")
    print("climbs:", sorted((each[0] for each in worst), reverse=True))


# ---- The structure ------------------------------------------------------------------------------------------


def ordinary(rng):
    """Small files as an encoder writes them, of every mode."""
    for width, height in ((96, 128), (70, 300), (200, 131)):
        for colour, sampling in ((True, 0), (True, 1), (True, 2), (False, 0)):
            for progressive in (False, True):
                for restarts in (0, 3):
                    planes = [octaves(rng, width, height, 45).astype(np.uint8) for _ in range(3 if colour else 1)]
                    picture = Image.fromarray(np.stack(planes, 2) if colour else planes[0])
                    options = {"subsampling": sampling} if colour else {}
                    buffer, quality = io.BytesIO(), int(rng.integers(50, 95))
                    picture.save(
                        buffer, "JPEG", quality=quality, progressive=progressive, restart_marker_blocks=restarts, **options
                    )
                    yield f"{'progressive' if progressive else 'sequential'} of {len(planes)}", buffer.getvalue()


def segments_of(data):
    """A whole file's segments behind its beginning, scans with their data."""
    segments, at = [], 2
    while data[at + 1] != 0xD9:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] == 0xDA:
            while data[end] != 0xFF or data[end + 1] == 0 or 0xD0 <= data[end + 1] <= 0xD7:
                end += 1
        segments.append(data[at:end])
        at = end
    return segments + [b"\xff\xd9"]


IDS = [b"RGB", b"rgb", b"\0\1\2", b"\3\2\1", b"\1\1\1", b"YCc"]
FACTORS = [0x11, 0x21, 0x22, 0x12, 0x41, 0x14, 0x31, 0x00]
MARKERS = [0xD0, 0xD1, 0xD2, 0xD7, 0x01, 0xD8, 0xD9, 0xFF, 0xC4, 0xFE, 0xDC, 0x02]


def disturbed(data, chance):
    """A file with one change of its structure, or up to three."""
    parts = segments_of(data)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        if len(parts) < 2:
            break
        place = chance.randrange(len(parts) - 1)
        part, choice = bytearray(parts[place]), chance.randrange(12)
        scans = [number for number, each in enumerate(parts) if each[1:2] == b"\xda" and len(each) > 16]
        frames = [number for number, each in enumerate(parts) if each[1] in (0xC0, 0xC1, 0xC2) and len(each) > 12]
        if choice == 0 and len(part) > 2:
            at = chance.randrange(2, min(len(part), 200))
            part[at] = chance.choice((0, 1, 2, 255, chance.randrange(256), part[at] ^ 1 << chance.randrange(8)))
            parts[place] = bytes(part)
        elif choice == 1:
            other = chance.randrange(len(parts) - 1)
            parts[place], parts[other] = parts[other], parts[place]
        elif choice == 2:
            parts.insert(chance.randrange(len(parts)), parts[place])
        elif choice == 3:
            del parts[place]
        elif choice in (4, 5) and scans:
            number = chance.choice(scans)
            part = bytearray(parts[number])
            at, length = chance.randrange(14, len(part)), chance.randrange(1, 40)
            parts[number] = bytes(
                chance.choice(
                    (
                        part[:at] + bytes([chance.randrange(256)]) + part[at + 1 :],
                        part[:at] + bytes([0xFF, chance.choice(MARKERS)]) + part[at:],
                        part[:at] + part[at + length :],
                        part[:at],
                        part[:at] + b"\xff\0" + part[at:],
                        part[:at] + chance.randbytes(length) + part[at:],
                    )
                )
            )
        elif choice == 6:
            adobe = segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([chance.randrange(4)]))
            parts.insert(chance.randrange(len(parts)), adobe)
        elif choice == 7:
            inserted = (
                segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
                segment(0xDD, chance.choice((0, 1, 3, 5, 60)).to_bytes(2, "big")),
                segment(0xDC, chance.randrange(1, 400).to_bytes(2, "big")),
                segment(0xDF, b"no"),
                segment(0xCC, b"no"),
                segment(0xFE, b"\xff\xd9\xff\xda"),
                segment(0xE1, b"Exif\0\0" + data[:500]),
                bytes([0xFF, chance.choice(MARKERS[:8])]),
                b"ab\0c",
            )
            parts.insert(chance.randrange(len(parts)), chance.choice(inserted))
        elif choice == 8 and frames:
            ids, frame = chance.choice(IDS), bytearray(parts[frames[0]])
            named = {}
            for at, name in zip(range(10, len(frame), 3), ids):
                named[frame[at]], frame[at] = name, name
            parts[frames[0]] = bytes(frame)
            for number in scans:
                part = bytearray(parts[number])
                for at in range(5, 5 + 2 * part[4], 2):
                    part[at] = named.get(part[at], part[at])
                parts[number] = bytes(part)
        elif choice == 9 and frames:
            frame = bytearray(parts[frames[0]])
            at = chance.randrange(5, len(frame))
            frame[at] = chance.choice((*FACTORS, frame[at] ^ 1, frame[at] ^ 16))
            parts[frames[0]] = bytes(frame)
        elif choice == 10:
            parts.append(chance.choice((data, b"\xff\xd9", chance.randbytes(300))))
        elif choice == 11:
            whole = b"".join(parts)
            parts = [whole[: chance.randrange(len(whole) // 2, len(whole))], b"\xff\xd9"]
    return data[:2] + b"".join(parts)


def structure(folder, minutes, seed):
    os.makedirs(folder, exist_ok=True)
    chance, oracle, told = random.Random(seed), Oracle(folder), Told()
    files = list(ordinary(np.random.default_rng(seed)))
    until, tried = time.time() + 60 * minutes, 0
    while time.time() < until:
        kind, data = chance.choice(files)
        data = disturbed(data, chance)
        distance, pixels, quality, ours, reason = oracle.ask(data)
        tried += 1
        counts = told.note(kind, distance, quality, reason)
        if counts > 8:
            try:
                reference = number_of(pixels_hash(data)[0])
                apart = [(int(hash, 16) ^ reference).bit_count() for hash in (pixels, ours)]
            except OSError:
                apart = "none"
            print(f"{tried} tried; {kind}: {counts}, from the reference: {apart}", flush=True)
            with open(os.path.join(folder, f"structure-{counts:03}-{seed}-{tried}.jpg"), "wb") as kept:
                kept.write(data)
    told.tell()
    print(f"seed {seed}: {tried} files")


def main():
    command, folder = sys.argv[1:3]
    if command == "make":
        make(folder, int(sys.argv[3]) if len(sys.argv) > 3 else 30)
    elif command == "search":
        search(folder, float(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    elif command == "structure":
        structure(folder, float(sys.argv[3]), int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
