"""Codes of the seeds of the JPEG fuzz target, as the reference gives them for pixels that Pillow decodes (libjpeg-turbo):
python3 make_jpeg.py > jpeg.csv      needs: pip install pdqhash numpy pillow"""
import pathlib

import numpy
import pdqhash
from PIL import Image

print("file,pdq,quality")
for path in sorted((pathlib.Path(__file__).parent.parent / "fuzz/corpus/jpeg").glob("*.jpg")):
    bits, quality = pdqhash.compute(numpy.asarray(Image.open(path).convert("RGB")))
    print(f"{path.name},{int(''.join(map(str, bits)), 2):064x},{quality}")
