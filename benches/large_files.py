#!/usr/bin/env python3
"""Makes large baseline JPEG files, as medium-format cameras and stitched panoramas give them.

    python3 benches/large_files.py FOLDER [COUNT]        (pip install numpy pillow)

COUNT files (40 if not given) of 11584x8688 pixels (100.6 megapixels), 4:2:0, the same on every run. Every file has
bytes of its own (a comment says its number), so that no digest makes one a copy of another; the pictures are four.
"""

import io
import pathlib
import sys

import numpy
from PIL import Image

from small_files import SCENES, scene

SIDE = 2896
ACROSS, DOWN = 4, 3
PICTURES = 4
START_OF_IMAGE = b"\xff\xd8"


def picture(scenes, number):
    """A baseline JPEG of the scenes in an order of its own."""
    order = numpy.random.default_rng([11, number]).permutation(SCENES)
    canvas = Image.new("RGB", (ACROSS * SIDE, DOWN * SIDE))
    for place, index in enumerate(order[: ACROSS * DOWN]):
        enlarged = scenes[index].resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        canvas.paste(enlarged, (place % ACROSS * SIDE, place // ACROSS * SIDE))
    out = io.BytesIO()
    canvas.save(out, "JPEG", quality=88, subsampling="4:2:0", optimize=False, progressive=False)
    return out.getvalue()


def commented(content, text):
    """The same picture with a comment segment behind its start."""
    assert content.startswith(START_OF_IMAGE)
    comment = b"\xff\xfe" + (len(text) + 2).to_bytes(2, "big") + text
    return START_OF_IMAGE + comment + content[2:]


def main():
    target = pathlib.Path(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 40
    target.mkdir(parents=True, exist_ok=True)
    scenes = [scene(seed) for seed in range(SCENES)]
    for kind in range(min(PICTURES, count)):
        content = picture(scenes, kind)
        for number in range(kind, count, PICTURES):
            path = target / f"PANORAMA_{number:03}.jpg"
            path.write_bytes(commented(content, b"file %d" % number))


if __name__ == "__main__":
    main()
