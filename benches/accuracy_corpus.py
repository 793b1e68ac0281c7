"""The corpus of accuracy.py: varied JPEGs, and a manifest of what each is. Run it as `accuracy.py corpus FOLDER`.

Photographs, wallpapers, textures and clip art come from Debian packages, cut, scaled and encoded anew, and the
packages' own JPEGs as they are; screenshots, pages, charts, shapes, noise and nearly blank pictures are drawn here.
Every file is decided by its number in the plan, so that the same packages and encoders give the same bytes.
"""

import collections
import csv
import functools
import hashlib
import io
import math
import multiprocessing
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile

import numpy as np
from PIL import Image, ImageCms, ImageDraw, ImageFont, ImageOps

Image.MAX_IMAGE_PIXELS = None

# ---- Where pictures come from -------------------------------------------------------------------------------

# The first five hold photographs; the wallpapers also drawings. gnome-backgrounds is left out: it holds no JPEG.
PACKAGES = """plasma-workspace-wallpapers mate-backgrounds lomiri-wallpapers-16.04 lomiri-wallpapers-20.04 tuxpaint-data
    colobot-common-textures extremetuxracer-data pokerth-data freeciv-data libjpeg-turbo-progs libjpeg62-turbo
""".split()

# What a file of the packages shows: the first rule that its path matches. Which wallpapers came out of a camera
# and which were drawn was decided by eye, since the criteria for photographs are the strictest.
RULES = [
    (kind, re.compile(rule))
    for kind, rule in (
        (
            "photograph",
            r"mate/nature/.*jpg|tuxpaint/(templates/.*jpe?g|starters/skyline)|wallpapers/(Autumn|BytheWater"
            r"|ColdRipple|ColorfulCups|DarkestHour|EveningGlow|FallenLeaf|Grey|Kite|OneStandsOut|Path|summer_1am)/"
            r"|backgrounds/(Bridge|Dragonfly|Picture_|Wine|aitz|free_|friends|greentock|life|picos|seeding|sunset|Kleiber)",
        ),
        ("artwork", r"plasma-.*contents/(images|screenshot.jpg)|mate/(abstract|desktop)/|lomiri-.*/backgrounds/"),
        ("screenshot", r"tuxpaint-data/.*/html/.*jpg"),
        ("texture", r"colobot/textures/[^/]+png|etr/(terrains|env)/.*png"),
        (
            "clip art",
            r"pokerth/.*/(cards|table)/.*png|freeciv/.*png|tuxpaint/starters/.*png|colobot/.*png|etr/(players|objects)/.*png",
        ),
    )
]

# Files to make for each kind in each band of the short side. Originals of the packages come on top.
BANDS = [(64, 330), (330, 600), (600, 900), (900, 1300), (1300, 2200), (2200, 3200)]
PLAN = {
    "photograph": (60, 110, 110, 110, 100, 40),
    "artwork": (12, 24, 24, 24, 20, 10),
    "screenshot": (20, 44, 44, 40, 28, 12),
    "text": (20, 40, 40, 36, 28, 12),
    "chart": (20, 40, 40, 36, 28, 12),
    "clip art": (30, 56, 56, 48, 32, 12),
    "texture": (30, 56, 56, 48, 32, 12),
    "blank": (8, 14, 14, 14, 10, 6),
}
GIANTS = {"photograph": 3, "screenshot": 1, "text": 1, "texture": 1}  # of 40 MP, mosaics where they are photographs

# Scan scripts in cjpeg's language, one for three components, one for grey.
SCANS = {
    "spectral selection": (
        "0,1,2: 0-0,0,0; 0: 1-2,0,0; 1: 1-63,0,0; 2: 1-63,0,0; 0: 3-9,0,0; 0: 10-63,0,0;",
        "0: 0-0,0,0; 0: 1-2,0,0; 0: 3-9,0,0; 0: 10-63,0,0;",
    ),
    "DC by component": (
        "0: 0-0,0,0; 2: 0-0,0,1; 1: 0-0,0,0; 0: 1-63,0,1; 2: 0-0,1,0; 1: 1-63,0,0; 2: 1-63,0,0; 0: 1-63,1,0;",
        "0: 0-0,0,1; 0: 1-63,0,1; 0: 1-63,1,0; 0: 0-0,1,0;",
    ),
    "early approximation": (
        "0,1,2: 0-0,0,3; 0: 1-63,0,3; 1: 1-63,0,2; 2: 1-63,0,2; 0,1,2: 0-0,3,2; 0: 1-63,3,2; 0,1,2: 0-0,2,1;"
        "0: 1-63,2,1; 1: 1-63,2,1; 2: 1-63,2,1; 0: 1-63,1,0; 1: 1-63,1,0; 2: 1-63,1,0; 0,1,2: 0-0,1,0;",
        "0: 0-0,0,3; 0: 1-63,0,3; 0: 0-0,3,2; 0: 1-63,3,2; 0: 0-0,2,1; 0: 1-63,2,1; 0: 1-63,1,0; 0: 0-0,1,0;",
    ),
    "chroma first": (
        "1,2: 0-0,0,0; 1: 1-63,0,0; 2: 1-63,0,0; 0: 0-0,0,1; 0: 6-63,0,2; 0: 1-5,0,0;"
        "0: 6-63,2,1; 0: 6-63,1,0; 0: 0-0,1,0;",
        "0: 0-0,0,1; 0: 6-63,0,2; 0: 1-5,0,0; 0: 6-63,2,1; 0: 6-63,1,0; 0: 0-0,1,0;",
    ),
    "baseline, one component a scan": ("0; 1; 2;", "0;"),
    "baseline, luma apart": ("0; 1,2;", "0;"),
    "baseline, chroma apart": ("1,2; 0;", "0;"),
}

# (encoding, weight). `cjpeg` ones are libjpeg-turbo's own program; the others are named by what writes them.
ENCODINGS = [
    ("Pillow", 14),
    ("Pillow, optimised tables", 8),
    ("Pillow, restarts", 5),
    ("Pillow, EXIF and ICC", 6),
    ("Pillow progressive", 12),
    ("mozjpeg progressive", 12),
    ("cjpeg", 6),
    ("cjpeg, restarts", 6),
    ("cjpeg progressive, restarts", 4),
    ("cjpeg RGB", 4),
    ("cjpeg RGB progressive", 2),
    ("cjpeg arithmetic", 1),
    *((f"cjpeg {name}", 5) for name in SCANS if not name.startswith("baseline")),
    *((f"jpegtran {name}", 3) for name in SCANS if name.startswith("baseline")),
]
SAMPLINGS = [("4:2:0", 40), ("4:4:4", 22), ("4:2:2", 16), ("4:1:1", 8), ("4:4:0", 4), ("grey", 10)]
FACTORS = {"4:4:4": "1x1", "4:2:2": "2x1", "4:2:0": "2x2", "4:1:1": "4x1", "4:4:0": "1x2"}


def fetch(cache):
    """Unpacks the packages in `cache`; gives its pictures by kind, each content once."""
    cache.mkdir(parents=True, exist_ok=True)
    for package in PACKAGES:
        if not (cache / package).is_dir():
            subprocess.run(["apt-get", "download", "-q", package], cwd=cache, check=True)
            [archive] = cache.glob(f"{package}_*.deb")
            subprocess.run(["dpkg-deb", "-x", archive, cache / (package + ".part")], check=True)
            (cache / (package + ".part")).rename(cache / package)
            archive.unlink()
    sources, seen = collections.defaultdict(list), set()
    for path in sorted(p for p in cache.rglob("*") if p.suffix in (".jpg", ".jpeg", ".png")):
        name = path.relative_to(cache).as_posix()
        kind = next((kind for kind, rule in RULES if rule.search(name)), None)
        if kind is None or path.is_symlink() or (path.suffix == ".png" and path.stat().st_size < 8000):
            continue
        digest = hashlib.sha256(path.read_bytes()).digest()
        if digest not in seen:
            seen.add(digest)
            with Image.open(path) as picture:
                if min(picture.size) >= 64:
                    sources[kind].append((name, picture.size))
    return dict(sources)


# ---- Pictures that are drawn --------------------------------------------------------------------------------

SYLLABLES = "ka lo mi ter san vo re pli dun es tra ni co bel gar on ty mur sa fe qui lan".split()
font = functools.cache(ImageFont.load_default)  # Pillow's own face: the same on every machine


def words(dice, count):
    """Words of no language."""
    return " ".join("".join(dice.choices(SYLLABLES, k=dice.randint(1, 4))) for _ in range(count))


def colour(dice, low=0, high=255):
    """Any colour whose three levels lie between the bounds."""
    return tuple(dice.randint(low, high) for _ in range(3))


def paragraph(draw, dice, box, size, ink):
    """Fills the box with lines of text, the last of each paragraph short."""
    x, y, right, bottom = box
    per_line = max(2, int((right - x) / size / 2.4))
    while y + size < bottom:
        ends = dice.random() < 0.15
        line = words(dice, max(1, per_line // 2 if ends else per_line))
        draw.text((x, y), line[: max(3, int((right - x) / size * 2))], ink, font(size))
        y += size * (2.2 if ends else 1.35)


def draw_text(dice, width, height):
    """A page in one to three columns, black on white or light on dark."""
    paper, ink = dice.choice([((255,) * 3, (0,) * 3), ((250, 247, 238), (40, 36, 30)), ((24, 26, 32), (214, 216, 220))])
    picture = Image.new("RGB", (width, height), paper)
    draw = ImageDraw.Draw(picture)
    size = max(8, int(min(width, height) / dice.uniform(18, 70)))
    margin, columns = int(width * dice.uniform(0.04, 0.13)), dice.choice([1, 1, 2, 3])
    top = margin
    if dice.random() < 0.6:
        draw.text((margin, top), words(dice, 4).title(), ink, font(size * 2))
        top += size * 3
    step = (width - 2 * margin) / columns
    for column in range(columns):
        left = margin + column * step
        bottom = (height - margin) * (dice.uniform(0.4, 1) if column == columns - 1 else 1)
        paragraph(draw, dice, (left, top, left + step - size, bottom), size, ink)
    return picture


def draw_screenshot(dice, width, height):
    """A window with a title bar, a side bar and a list, tiles, a page or a dialogue box."""
    dark = dice.random() < 0.35
    back, panel, ink = ((30, 31, 34), (43, 45, 48), (220,) * 3) if dark else ((255,) * 3, (240, 241, 243), (30,) * 3)
    accent = colour(dice, 40, 220)
    picture = Image.new("RGB", (width, height), back)
    draw = ImageDraw.Draw(picture)
    unit = max(8, int(min(width, height) / dice.uniform(22, 60)))
    bar, side = unit * 3, int(width * dice.uniform(0.12, 0.3))
    draw.rectangle((0, 0, width, bar), fill=dice.choice([accent, panel]))
    draw.text((unit, unit), words(dice, 3), ink, font(unit))
    draw.rectangle((0, bar, side, height), fill=panel)
    for row, y in enumerate(range(bar + unit, height - unit, unit * 2)):
        if row == 2:
            draw.rectangle((0, y - unit // 2, side, y + unit * 1.5), fill=accent)
        draw.rectangle((unit // 2, y, unit * 1.4, y + unit), fill=colour(dice))
        draw.text((unit * 2, y), words(dice, 2)[: side // unit], ink, font(unit))
    left, form = side + unit, dice.choice(["list", "tiles", "page", "dialogue"])
    if form == "list":
        for row, y in enumerate(range(bar + unit, height, unit * 2)):
            if row % 2:
                draw.rectangle((side, y - unit // 2, width, y + unit * 1.5), fill=panel)
            for x in range(left, width, max(unit * 9, (width - side) // 5)):
                draw.text((x, y), words(dice, 1)[:12], ink, font(unit))
    elif form == "tiles":
        tile = unit * dice.randint(5, 10)
        for y in range(bar + unit, height, tile + unit * 2):
            for x in range(left, width, tile + unit):
                ramp = Image.linear_gradient("L").resize((tile, tile)).rotate(90 * dice.randrange(4))
                picture.paste(ImageOps.colorize(ramp, colour(dice), colour(dice)), (x, y))
                draw.text((x, y + tile), words(dice, 1)[:8], ink, font(unit))
    else:
        paragraph(draw, dice, (left, bar + unit, width - unit, height), unit, ink)
    if form == "dialogue":
        x, y, right, bottom = width // 4, height // 3, width * 3 // 4, height * 2 // 3
        draw.rounded_rectangle((x, y, right, bottom), unit, fill=panel, outline=ink)
        draw.text((x + unit, y + unit), words(dice, 5)[: (right - x) // unit], ink, font(unit))
        draw.rounded_rectangle(
            (right - unit * 7, bottom - unit * 3, right - unit, bottom - unit), unit // 2, fill=accent
        )
    return picture


def draw_chart(dice, width, height):
    """A chart with title, grid and axis, or a pie."""
    picture = Image.new("RGB", (width, height), dice.choice([(255,) * 3, (234, 234, 242), (20, 20, 28)]))
    draw = ImageDraw.Draw(picture)
    ink, grid = ((220,) * 3, (60,) * 3) if picture.getpixel((0, 0))[0] < 99 else ((30,) * 3, (205,) * 3)
    unit = max(8, min(width, height) // 28)
    x0, y0, x1, y1 = unit * 4, unit * 3, width - unit * 2, height - unit * 4
    line = max(1, unit // 8)
    draw.text((width // 3, unit), words(dice, 3).title(), ink, font(int(unit * 1.4)))
    form, count = dice.choice(["bars", "lines", "points", "pie", "heat"]), dice.randint(3, 14)
    if form != "pie":
        for tick in range(7):
            y = y0 + (y1 - y0) * tick / 6
            draw.line((x0, y, x1, y), grid, line)
            draw.text((unit, y - unit / 2), str(60 - 10 * tick), ink, font(unit))
        draw.line((x0, y0, x0, y1, x1, y1), ink, line)
    step = (x1 - x0) / count
    if form == "bars":
        for bar in range(count):
            draw.rectangle(
                (x0 + step * (bar + 0.15), y1 - (y1 - y0) * dice.random(), x0 + step * (bar + 0.85), y1), colour(dice)
            )
    elif form == "lines":
        for _ in range(dice.randint(1, 5)):
            level, ink_line, points = dice.random(), colour(dice), []
            for x in range(61):
                level = min(1, max(0, level + dice.gauss(0, 0.06)))
                points.append((x0 + (x1 - x0) * x / 60, y1 - (y1 - y0) * level))
            draw.line(points, ink_line, line * 2)
    elif form == "points":
        for _ in range(dice.randint(40, 400)):
            x, y = x0 + (x1 - x0) * dice.random(), y1 - (y1 - y0) * min(1, abs(dice.gauss(0.4, 0.2)))
            draw.ellipse(
                (x - unit / 4, y - unit / 4, x + unit / 4, y + unit / 4), dice.choice([(214, 39, 40), (31, 119, 180)])
            )
    elif form == "pie":
        radius, angle = min(x1 - x0, y1 - y0) / 2, 0
        for part in range(count):
            end = 360 if part == count - 1 else angle + (360 - angle) * dice.uniform(0.1, 0.5)
            draw.pieslice((width / 2 - radius, y0, width / 2 + radius, y0 + 2 * radius), angle, end, colour(dice), ink)
            angle = end
    else:
        for row in range(count):
            for column in range(count):
                y, x = y0 + (y1 - y0) * row / count, x0 + step * column
                draw.rectangle((x, y, x + step, y + (y1 - y0) / count), colour(dice))
    return picture


def draw_clip_art(dice, width, height):
    """Flat shapes, half of them symmetric.

    Symmetry makes coefficients of the hash nothing but rounding, whose bits even two exact decoders set differently:
    how many such pictures there are decides the highest percentiles over all kinds. Here they are 2 % of the corpus.
    """
    picture = Image.new("RGB", (width, height), dice.choice([(255,) * 3, colour(dice)]))
    draw, form = ImageDraw.Draw(picture), dice.choice(["shapes"] * 5 + ["mirror", "rings", "board", "star", "flag"])
    if form in ("shapes", "mirror"):
        for _ in range(dice.randint(2, 14)):
            x, y, size = dice.randrange(width), dice.randrange(height), dice.uniform(0.06, 0.4) * min(width, height)
            corners = [
                (x + size * math.cos(a), y + size * math.sin(a)) for a in sorted(dice.uniform(0, 7) for _ in range(5))
            ]
            shape = dice.choice(["disc", "box", "polygon"])
            if shape == "disc":
                draw.ellipse((x - size, y - size, x + size, y + size), colour(dice))
            elif shape == "box":
                draw.rectangle((x - size, y - size / 2, x + size, y + size / 2), colour(dice))
            else:
                draw.polygon(corners, colour(dice), (0, 0, 0))
        if form == "mirror":
            half = picture.crop((0, 0, (width + 1) // 2, height))
            picture.paste(ImageOps.mirror(half), (width // 2, 0))
    elif form == "rings":
        for radius in range(dice.randint(3, 9), 0, -1):
            size = radius / 10 * min(width, height)
            draw.ellipse((width / 2 - size, height / 2 - size, width / 2 + size, height / 2 + size), colour(dice))
    elif form == "board":
        count, ink = dice.randint(2, 12), colour(dice)
        for row in range(count):
            for column in range(row % 2, count, 2):
                x, y = width * column / count, height * row / count
                draw.rectangle((x, y, x + width / count - 1, y + height / count - 1), ink)
    elif form == "star":
        points, inner = dice.randint(3, 12), dice.uniform(0.2, 0.8)
        radius = min(width, height) * 0.45
        spokes = [(radius * (inner if k % 2 else 1), math.pi * (k / points - 0.5)) for k in range(2 * points)]
        draw.polygon([(width / 2 + r * math.cos(a), height / 2 + r * math.sin(a)) for r, a in spokes], colour(dice))
    else:
        across, count = dice.random() < 0.5, dice.randint(2, 7)
        for k in range(count):
            low, high = k / count, (k + 1) / count
            draw.rectangle(
                (0, low * height, width, high * height) if across else (low * width, 0, high * width, height),
                colour(dice),
            )
    return picture


def noise(dice, width, height, cells):
    """Coloured noise of so many cells a side, smoothly enlarged."""
    grain = np.random.default_rng(dice.getrandbits(32)).integers(0, 256, (cells, cells, 3), dtype=np.uint8)
    return Image.fromarray(grain).resize((width, height), Image.Resampling.BICUBIC)


def draw_texture(dice, width, height):
    """Noise of several octaves, or a wave: what no package has."""
    if dice.random() < 0.3:
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        wave = np.sin(x / dice.uniform(3, width / 3)) + np.sin((y + x * dice.random()) / dice.uniform(3, height / 3))
        return ImageOps.colorize(Image.fromarray(((wave + 2) * 63).astype(np.uint8)), colour(dice), colour(dice))
    picture = noise(dice, width, height, dice.randint(2, 6))
    for cells in (12, 40, 130, 400)[: dice.randint(1, 4)]:
        picture = Image.blend(picture, noise(dice, width, height, cells), dice.uniform(0.15, 0.5))
    return picture


def draw_blank(dice, width, height):
    """One colour, and at most a speck, a line, a faint ramp, grain or two words."""
    base = dice.choice([(255,) * 3, (0,) * 3, (128,) * 3, colour(dice)])
    picture, form = (
        Image.new("RGB", (width, height), base),
        dice.choice(["plain", "speck", "line", "ramp", "grain", "caption"]),
    )
    draw = ImageDraw.Draw(picture)
    ink = tuple(255 - level for level in base)
    if form == "speck":
        x, y, size = dice.randrange(width), dice.randrange(height), dice.randint(1, 6)
        draw.ellipse((x, y, x + size, y + size), ink)
    elif form == "line":
        draw.line((0, dice.randrange(height), width, dice.randrange(height)), ink, dice.randint(1, 4))
    elif form == "ramp":
        ramp = Image.linear_gradient("L").resize((width, height))
        picture = ImageOps.colorize(ramp, base, tuple(min(255, level + dice.randint(4, 50)) for level in base))
    elif form == "grain":
        picture = Image.blend(picture, noise(dice, width, height, min(width, height)), 0.03)
    elif form == "caption":
        draw.text((width // 3, height // 2), words(dice, 2), ink, font(max(8, height // 30)))
    return picture


DRAWN = {
    "screenshot": draw_screenshot,
    "text": draw_text,
    "chart": draw_chart,
    "clip art": draw_clip_art,
    "texture": draw_texture,
    "blank": draw_blank,
}


# ---- One file of the corpus ---------------------------------------------------------------------------------


def opaque(path, dice):
    """The picture as RGB, with its metadata; what was transparent lies on white or on a colour."""
    with Image.open(path) as picture:
        info = {key: picture.info[key] for key in ("exif", "icc_profile") if key in picture.info}
        if picture.has_transparency_data:
            ground = Image.new("RGBA", picture.size, dice.choice([(255,) * 3, colour(dice)]))
            picture = Image.alpha_composite(ground, picture.convert("RGBA"))
        return picture.convert("RGB"), info


def from_package(job, dice, cache, sources):
    """A random part of the job's picture at the job's size, with its metadata."""
    width, height = job["size"]
    if job["source"] == "mosaic":
        picture, across, down = Image.new("RGB", (width, height)), -(-width // 2), -(-height // 2)
        for place in ((0, 0), (across, 0), (0, down), (across, down)):
            part, info = opaque(cache / dice.choice(sources)[0], dice)
            picture.paste(ImageOps.fit(part, (across, down)), place)
        return picture, info
    picture, info = opaque(cache / job["source"], dice)
    if job["kind"] == "texture" and dice.random() < 0.4:  # repeated, as games show them
        tiled = Image.new("RGB", (width, height))
        for y in range(0, height, picture.height):
            for x in range(0, width, picture.width):
                tiled.paste(picture, (x, y))
        return tiled, info
    if job["kind"] in ("photograph", "artwork"):
        share = dice.uniform(0.75, 1)
        part_width, part_height = int(picture.width * share), int(picture.height * share)
        x, y = dice.randint(0, picture.width - part_width), dice.randint(0, picture.height - part_height)
        picture = picture.crop((x, y, x + part_width, y + part_height))
    return ImageOps.fit(picture, (width, height), Image.Resampling.LANCZOS), info


def srgb():
    """A profile of sRGB, dated 2000-01-01 and not now, so that the corpus is the same tomorrow."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = bytes.fromhex("07d0 0001 0001 0000 0000 0000")
    return bytes(profile)


def encode(picture, info, path, job, dice, cache):
    """Writes `picture` as the job specifies."""
    encoding, quality, sampling = job["encoding"], job["quality"], job["sampling"]
    grey = sampling == "grey"
    if encoding.startswith(("Pillow", "mozjpeg")):
        options = {"quality": quality, "progressive": "progressive" in encoding, "optimize": "optimised" in encoding}
        if not grey:
            options["subsampling"] = sampling
        if "restarts" in encoding:
            options[dice.choice(["restart_marker_blocks", "restart_marker_rows"])] = dice.randint(1, 9)
        if "EXIF" in encoding:
            exif = Image.Exif()
            exif[0x0112] = dice.randint(1, 8)  # an orientation, which the hash must not follow
            options["exif"] = info.get("exif") or exif.tobytes()
            options["icc_profile"] = info.get("icc_profile") or srgb()
        out = io.BytesIO()
        (picture.convert("L") if grey else picture).save(out, "JPEG", **options)
        data = out.getvalue()
        if encoding.startswith("mozjpeg"):
            import mozjpeg_lossless_optimization

            data = mozjpeg_lossless_optimization.optimize(data)
    else:
        flags = ["-quality", str(quality)]
        if grey:
            flags.append("-grayscale")
        elif "RGB" in encoding:
            flags.append("-rgb")
        else:
            flags += ["-sample", FACTORS[sampling]]
        flags += ["-progressive"] * ("progressive" in encoding) + ["-arithmetic"] * ("arithmetic" in encoding)
        if "restarts" in encoding:
            flags += ["-restart", dice.choice(["1", "3", "1B", "17B"])]
        tool, _, script = encoding.partition(" ")
        with tempfile.NamedTemporaryFile("w", suffix=".scans") as scans:
            scans.write(SCANS[script][grey] if script in SCANS else "")
            scans.flush()
            if script in SCANS and tool == "cjpeg":
                flags += ["-scans", scans.name]
            out = io.BytesIO()
            picture.save(out, "PPM")
            data = turbo(cache, "cjpeg", flags, out.getvalue())
            if tool == "jpegtran":
                data = turbo(cache, "jpegtran", ["-copy", "all", "-scans", scans.name], data)
    if job["trailing"]:
        data += dice.randbytes(dice.randint(1, 4000))
    part = path.with_suffix(".part")
    part.write_bytes(data)
    part.rename(path)


def turbo(cache, tool, flags, data):
    """Runs a program of libjpeg-turbo out of its unpacked package, with the library that belongs to it."""
    [library] = (cache / "libjpeg62-turbo").rglob("libjpeg.so.62")
    environment = os.environ | {"LD_LIBRARY_PATH": str(library.parent)}
    command = [cache / "libjpeg-turbo-progs/usr/bin" / tool, *flags]
    return subprocess.run(command, input=data, env=environment, capture_output=True, check=True).stdout


def jobs(sources):
    """Every file of the corpus and what decides it, in an order of which each beginning is a varied corpus."""
    plan = [(kind, band, False) for kind, counts in PLAN.items() for band, n in zip(BANDS, counts) for _ in range(n)]
    plan += [(kind, (5000, 5200), True) for kind, count in GIANTS.items() for _ in range(count)]
    made = []
    for number, (kind, (low, high), giant) in enumerate(plan):
        dice = random.Random(f"tamis accuracy {number}")
        short = dice.randrange(low, high)
        long = (
            8000
            if giant
            else max(short + 1, int(short * dice.choice([1.0, 1.25, 4 / 3, 1.5, 16 / 9, dice.uniform(1, 2.5)])))
        )
        encoding = dice.choices(*zip(*ENCODINGS))[0]
        # Pillow writes three samplings and grey; RGB is stored whole.
        fitting = [(s, w) for s, w in SAMPLINGS if "RGB" not in encoding or s == "4:4:4"]
        if encoding.startswith(("Pillow", "mozjpeg")):
            fitting = [(s, w) for s, w in fitting if s not in ("4:1:1", "4:4:0")]
        # Screenshots of the packages are too few and too small to be cut; the rest are two in five drawn here.
        if kind in DRAWN and (kind == "screenshot" or kind not in sources or dice.random() < 0.4):
            source = "drawn"
        else:
            enough = [name for name, size in sources[kind] if min(size) >= 0.7 * short]
            source = "mosaic" if giant else dice.choice(enough or [name for name, _ in sources[kind]])
        made.append(
            {
                "name": f"{kind.replace(' ', '-')}-{number:04}.jpg",
                "kind": kind,
                "number": number,
                "source": source,
                "size": (short, long) if dice.random() < 0.3 else (long, short),
                "encoding": encoding,
                "sampling": dice.choices(*zip(*fitting))[0],
                "quality": dice.randint(20, 98),
                "trailing": dice.random() < 0.03,
            }
        )
    for kind, found in sorted(sources.items()):
        for number, (name, _) in enumerate(n for n in found if not n[0].endswith(".png")):
            made.append(
                {
                    "name": f"{kind.replace(' ', '-')}-original-{number:03}.jpg",
                    "kind": kind,
                    "source": name,
                    "encoding": "original",
                }
            )
    random.Random("tamis accuracy order").shuffle(made)
    return made


def make(job, folder, sources):
    """Makes the job's file unless it is there, and gives its row of the manifest."""
    cache, path = folder / "cache", folder / "pictures" / job["name"]
    if not path.exists():
        if job["encoding"] == "original":
            shutil.copyfile(cache / job["source"], path)
        else:
            dice = random.Random(f"tamis accuracy picture {job['number']}")
            if job["source"] == "drawn":
                picture, info = DRAWN[job["kind"]](dice, *job["size"]), {}
            else:
                picture, info = from_package(job, dice, cache, sources[job["kind"]])
            encode(picture, info, path, job, dice, cache)
    facts = inspect(path.read_bytes())
    return {
        "path": f"pictures/{job['name']}",
        "kind": job["kind"],
        **facts,
        "encoding": job["encoding"],
        "quality": job.get("quality", facts["quality"]),
        "source": job["source"],
    }


# The first row of the luminance table that the standard suggests and encoders scale by their quality setting.
SUGGESTED = (16, 11, 12, 14, 12, 10, 16, 14)  # in zigzag order, as files hold it


def inspect(data):
    """What the file's own markers state, so that the manifest records what was written, not what was meant."""
    facts = {
        "width": 0,
        "height": 0,
        "quality": 0,
        "sampling": "",
        "process": "",
        "scans": 0,
        "restart": 0,
        "tables": "standard",
        "icc": 0,
        "exif": 0,
        "trailing": 0,
        "bytes": len(data),
    }
    at = 2
    while at < len(data):
        at = data.find(b"\xff", at)
        if at < 0:
            break
        marker, body = data[at + 1], data[at + 4 : at + 2 + int.from_bytes(data[at + 2 : at + 4])]
        if marker in (0x00, 0x01, 0xFF) or 0xD0 <= marker <= 0xD8:  # stuffing, fill, restarts: no length follows
            at += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            facts["trailing"] = len(data) - at - 2
            break
        at += 4 + len(body)
        if marker in (0xC0, 0xC1, 0xC2, 0xC9, 0xCA):
            facts["process"] = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive"}.get(marker, "arithmetic")
            facts["height"], facts["width"] = int.from_bytes(body[1:3]), int.from_bytes(body[3:5])
            factors = [divmod(body[7 + 3 * k], 16) for k in range(body[5])]
            ratio = (factors[0][0] // factors[-1][0], factors[0][1] // factors[-1][1])
            names = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (4, 1): "4:1:1", (1, 2): "4:4:0"}
            facts["sampling"] = "grey" if body[5] == 1 else names.get(ratio, f"{ratio}")
            if body[5] == 3 and bytes(body[6::3]) == b"RGB":
                facts["sampling"] = "RGB"
        elif marker == 0xDB and body[0] & 15 == 0:
            wide = 1 + (body[0] >> 4)
            steps = [int.from_bytes(body[1 + k * wide : 1 + (k + 1) * wide]) for k in range(8)]
            scale = sum(step / base for step, base in zip(steps, SUGGESTED)) / 8 * 100
            facts["quality"] = round((200 - scale) / 2 if scale <= 100 else 5000 / scale)
        elif marker == 0xC4 and body[:1] == b"\0" and body[1:10] != b"\0\1\5\1\1\1\1\1\1":
            facts["tables"] = "optimised"
        elif marker == 0xDD:
            facts["restart"] = int.from_bytes(body[:2])
        elif marker == 0xDA:
            facts["scans"] += 1
        elif marker == 0xE1 and body.startswith(b"Exif"):
            facts["exif"] = 1
        elif marker == 0xE2 and body.startswith(b"ICC_PROFILE"):
            facts["icc"] = 1
    return facts


def make_corpus(folder, small, processes):
    """Makes the corpus, or what is missing of it, and writes its manifest."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    sources = fetch(folder / "cache")
    wanted, rows = jobs(sources)[:small], []
    with multiprocessing.Pool(processes) as pool:
        for row in pool.imap_unordered(functools.partial(make, folder=folder, sources=sources), wanted):
            rows.append(row)
            if len(rows) % 50 == 0 or len(rows) == len(wanted):
                print(f"{len(rows)} of {len(wanted)} files", file=sys.stderr)
    rows.sort(key=lambda row: row["path"])
    with open(folder / "manifest.csv", "w", newline="") as file:
        out = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)
