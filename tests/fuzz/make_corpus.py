"""Makes the seeds of the JPEG fuzz target: small files of every kind that the reader knows.
python3 make_corpus.py FOLDER      needs Pillow, and cjpeg and jpegtran (Debian: libjpeg-turbo-progs)"""
import io, pathlib, subprocess, sys
from PIL import Image

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
picture = Image.new("RGB", (150, 131))
picture.putdata([((x * 5 + y) % 256, (x * y // 7) % 256, (3 * y + (x // 9) * 31) % 256) for y in range(131) for x in range(150)])
SCRIPTS = {
    "spectral": "0,1,2: 0-0, 0, 0; 0: 1-5, 0, 0; 0: 6-63, 0, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0;",
    "approximation": "0,1,2: 0-0, 0, 2; 0: 1-63, 0, 3; 1: 1-63, 0, 1; 2: 1-63, 0, 1; 0: 1-63, 3, 2; 0: 1-63, 2, 1; 0: 1-63, 1, 0;"
    "1: 1-63, 1, 0; 2: 1-63, 1, 0; 0,1,2: 0-0, 2, 1; 0,1,2: 0-0, 1, 0;",
    "by-component": "0: 0-0, 0, 1; 1: 0-0, 0, 0; 2: 0-0, 0, 0; 0: 1-2, 0, 1; 0: 3-63, 0, 2; 0: 3-63, 2, 1; 0: 1-63, 1, 0; 0: 0-0, 1, 0;"
    "1: 1-63, 0, 0; 2: 1-63, 0, 0;",
    "apart": "0; 1; 2;",
}


def save(name, data):
    (folder / f"{name}.jpg").write_bytes(data)


def pillow(name, image=picture, **options):
    out = io.BytesIO()
    image.save(out, "JPEG", **options)
    save(name, out.getvalue())


def cjpeg(name, *options, script=None):
    source = io.BytesIO()
    picture.save(source, "PPM")
    if script:
        (folder / "script").write_text(script)
        options = (*options, "-scans", str(folder / "script"))
    save(name, subprocess.run(["cjpeg", *options], input=source.getvalue(), capture_output=True, check=True).stdout)
    (folder / "script").unlink(missing_ok=True)


for sampling in range(3):
    pillow(f"sampling-{sampling}", quality=60, subsampling=sampling)
    pillow(f"progressive-{sampling}", quality=60, subsampling=sampling, progressive=True)
pillow("grey", picture.convert("L"), quality=50)
pillow("grey-progressive", picture.convert("L"), quality=50, progressive=True)
pillow("optimised", quality=30, optimize=True)
pillow("cmyk", picture.convert("CMYK"), quality=40)
pillow("coarse", quality=2)
cjpeg("restarts", "-quality", "50", "-restart", "1B")
cjpeg("restarts-progressive", "-quality", "50", "-progressive", "-restart", "2B")
cjpeg("rgb", "-quality", "50", "-rgb")
cjpeg("four-one-one", "-quality", "50", "-sample", "4x1")
cjpeg("upright", "-quality", "50", "-sample", "1x2")
for name, script in SCRIPTS.items():
    cjpeg(name, "-quality", "50", script=script)
