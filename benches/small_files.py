#!/usr/bin/env python3
"""Makes many small and distinct JPEG files, as browser caches and phones' thumbnails hold them.

    python3 benches/small_files.py FOLDER [COUNT]        (pip install numpy pillow)

COUNT files (100,000 if not given) of 10 to 40 KB and 400x300 to 640x480 pixels, 500 a folder, the same on every
run: cuts of a few generated scenes at random places, scales and qualities. A folder that was begun is gone on with.
"""

import io
import multiprocessing
import pathlib
import sys

import numpy
from PIL import Image, ImageDraw

SCENES = 12
SCENE_SIDE = 2048
FOLDER_FILES = 500
LEAST, MOST = 10_000, 40_000


def scene(seed):
    """Clouds of falling spectrum, a different one for each colour, with shapes drawn over them."""
    random = numpy.random.default_rng(seed)
    frequency = numpy.hypot(*numpy.meshgrid(*[numpy.fft.fftfreq(SCENE_SIDE)] * 2)) + 1e-4
    shared = random.standard_normal((SCENE_SIDE, SCENE_SIDE))
    planes = []
    for _ in range(3):
        noise = shared + 0.4 * random.standard_normal((SCENE_SIDE, SCENE_SIDE))
        clouds = numpy.fft.ifft2(numpy.fft.fft2(noise) / frequency ** random.uniform(1.2, 1.5)).real
        planes.append(numpy.clip(128 + 55 * clouds / clouds.std(), 0, 255).astype(numpy.uint8))
    picture = Image.fromarray(numpy.dstack(planes))
    draw = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y = random.integers(0, SCENE_SIDE, 2)
        width, height = random.integers(20, 300, 2)
        colour = tuple(int(part) for part in random.integers(0, 256, 3))
        shape = draw.ellipse if random.random() < 0.5 else draw.rectangle
        shape([int(x), int(y), int(x + width), int(y + height)], fill=colour)
    return picture


def encode(picture, quality):
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=quality)
    return out.getvalue()


def cut(scenes, number):
    """The bytes of file `number`."""
    random = numpy.random.default_rng([7, number])
    width = int(random.integers(400, 641))
    height = int(random.integers(300, 481))
    scale = random.uniform(1.0, 2.4)
    across, down = int(width * scale), int(height * scale)
    left = int(random.integers(0, SCENE_SIDE - across))
    top = int(random.integers(0, SCENE_SIDE - down))
    picture = scenes[number % SCENES].resize(
        (width, height), Image.Resampling.BILINEAR, (left, top, left + across, top + down)
    )
    quality = int(random.integers(70, 81))
    content = encode(picture, quality)
    while not LEAST <= len(content) <= MOST and 10 < quality < 96:
        quality += 8 if len(content) < LEAST else -8
        content = encode(picture, quality)
    return content


def fill(job):
    """Writes one folder of files."""
    target, first, count = job
    scenes = fill.scenes = getattr(fill, "scenes", None) or [scene(seed) for seed in range(SCENES)]
    folder = target / f"{first // FOLDER_FILES:04}"
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, min(first + FOLDER_FILES, count)):
        path = folder / f"IMG_{number:06}.jpg"
        if not path.exists():
            path.write_bytes(cut(scenes, number))


def main():
    target = pathlib.Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    jobs = [(target, first, count) for first in range(0, count, FOLDER_FILES)]
    with multiprocessing.Pool() as pool:
        for done, _ in enumerate(pool.imap_unordered(fill, jobs), 1):
            print(f"\r{min(done * FOLDER_FILES, count)} of {count}", end="", file=sys.stderr)
    print(file=sys.stderr)


if __name__ == "__main__":
    main()
