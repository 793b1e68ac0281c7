#!/usr/bin/env python3
"""Writes golden.csv: hashes of generated pictures as the reference implementation gives them.

    pip install pdqhash numpy && python3 tests/golden/make_golden.py > tests/golden/golden.csv

The pictures are those of tests/support/waves.rs, in whole numbers. For each size the first seed is taken whose
picture has a clear gap at the median and no gradient near a whole number, so that the reference's own
single-precision rounding decides nothing. Gap and margin come from the definition in double precision, here.
"""
import sys

import numpy
import pdqhash

SIZES = [(5, 5), (63, 64), (64, 64), (65, 65), (128, 128), (129, 129), (128, 129), (600, 5), (5, 600), (513, 400),
         (1024, 768), (4000, 3000)]
MASK = (1 << 64) - 1


class Stream:
    """SplitMix64."""

    def __init__(self, state):
        self.state = state

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        value = self.state
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & MASK
        return value ^ (value >> 31)

    def range(self, low, high):
        return low + self.next() % (high - low)


def picture(seed, width, height):
    stream = Stream(seed)
    waves = []
    for _ in range(12):
        across, down = stream.range(-12, 13), stream.range(-12, 13)
        phase = [stream.range(0, 1024) for _ in range(3)]
        waves.append((across, down, phase, stream.range(1, 9)))
    total = sum(wave[3] for wave in waves)
    x = numpy.arange(width, dtype=numpy.int64)[None, :]
    y = numpy.arange(height, dtype=numpy.int64)[:, None]
    pixels = numpy.empty((height, width, 3), dtype=numpy.uint8)
    for channel in range(3):
        sums = numpy.zeros((height, width), dtype=numpy.int64)
        for across, down, phase, weight in waves:
            position = (across * x * 1024 // width + down * y * 1024 // height + phase[channel]) % 1024
            sums += weight * numpy.minimum(position, 1023 - position)
        stretched = (sums // total - 256) * 3
        # Division towards zero, as in Rust.
        halved = numpy.where(stretched < 0, -(-stretched // 2), stretched // 2)
        pixels[:, :, channel] = numpy.clip(halved + 128, 0, 255)
    return pixels


def running_mean(values):
    n = values.shape[0]
    w = -(-n // 128)
    h = (w + 2) // 2
    sums = numpy.concatenate([numpy.zeros((1,) + values.shape[1:]), numpy.cumsum(values, axis=0)])
    first = numpy.maximum(numpy.arange(n) + h - w, 0)
    end = numpy.minimum(numpy.arange(n) + h, n)
    return (sums[end] - sums[first]) / (end - first).reshape((n,) + (1,) * (values.ndim - 1))


def clearance(pixels):
    """Gap at the median, and the smallest distance of a gradient from a whole number."""
    luminance = pixels @ numpy.array([0.299, 0.587, 0.114])
    height, width = luminance.shape
    filtered = running_mean(running_mean(luminance.T)).T
    filtered = running_mean(running_mean(filtered))
    samples = lambda n: (2 * numpy.arange(64) + 1) * n // 128
    tile = filtered[samples(height)][:, samples(width)]
    i, j = numpy.arange(16)[:, None], numpy.arange(64)[None, :]
    d = numpy.sqrt(2 / 64) * numpy.cos(numpy.pi / 128 * (i + 1) * (2 * j + 1))
    order = numpy.sort((d @ tile @ d.T).ravel())
    steps = numpy.concatenate([numpy.abs(numpy.diff(tile, axis=axis)).ravel() for axis in (0, 1)]) * 100 / 255
    steps = steps[steps > 0.5]
    return order[128] - order[127], numpy.abs(steps - numpy.round(steps)).min(initial=1)


# Under 5 pixels the reference gives zeros and quality 0, which is not a hash of a picture: ours give the outcome
# "too small" and none (tests/pdq.rs), so there is no row of 4x100.
for width, height in [(4, 100), (100, 4)]:
    bits, quality = pdqhash.compute(picture(1, width, height))
    assert not bits.any() and quality == 0, f"{width}x{height} has a hash: {bits} {quality}"

print("width,height,seed,pdq,quality")
for width, height in SIZES:
    for seed in range(1, 100_000):
        pixels = picture(seed, width, height)
        gap, margin = clearance(pixels)
        if gap > 0.2 and margin > 1e-4:
            break
    else:
        sys.exit(f"no picture of {width}x{height} has a clear gap")
    bits, quality = pdqhash.compute(pixels)
    code = "".join("%x" % int("".join(map(str, bits[k:k + 4])), 2) for k in range(0, 256, 4))
    print(f"{width},{height},{seed},{code},{quality}", flush=True)
