//! Textured scenes rendered in code, in place of photographs, which cannot be shipped.
//!
//! A scene is a sky, hills of fractal noise, and a few discs and fences, all in integer arithmetic,
//! so that a seed gives the same pixels on every machine. The same seed at another size shows the
//! same scene, as a resized photograph would.

use image::{Rgb, RgbImage};

/// A deterministic stream of numbers (SplitMix64).
pub struct Stream(pub u64);

impl Stream {
    /// The next 64 bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// A number in `low..high`.
    pub fn range(&mut self, low: i64, high: i64) -> i64 {
        low + (self.next() % (high - low) as u64) as i64
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The scene's own units: positions are 0…65535 on both axes whatever the picture's size.
const UNIT: i64 = 1 << 16;

/// Value noise in 0…255 at a position, on a lattice of `1 << bits` units.
fn noise(seed: u64, x: i64, y: i64, bits: u32) -> i64 {
    let (cell_x, cell_y) = (x >> bits, y >> bits);
    let (part_x, part_y) = (x & ((1 << bits) - 1), y & ((1 << bits) - 1));
    let corner = |dx: i64, dy: i64| {
        let key = seed ^ (((cell_x + dx) as u64) << 32) ^ ((cell_y + dy) as u64 & 0xffff_ffff);
        (mix(key) & 255) as i64
    };
    let along = |a: i64, b: i64, part: i64| a + (((b - a) * part) >> bits);
    along(along(corner(0, 0), corner(1, 0), part_x), along(corner(0, 1), corner(1, 1), part_x), part_y)
}

struct Disc {
    x: i64,
    y: i64,
    radius: i64,
    colour: [i64; 3],
}

/// Renders scene `seed` at `width`×`height` pixels.
pub fn render(seed: u64, width: u32, height: u32) -> RgbImage {
    let mut stream = Stream(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x0074_616d_6973);
    let mut colour = || [stream.range(20, 236), stream.range(20, 236), stream.range(20, 236)];
    let (sky, ground) = (colour(), colour());
    let palette = [colour(), colour(), colour(), colour(), colour(), colour()];
    let horizon = stream.range(UNIT / 4, UNIT * 3 / 4);
    let slope = stream.range(-UNIT / 3, UNIT / 3);
    let fence = stream.range(UNIT / 24, UNIT / 9);
    let discs: Vec<Disc> = palette
        .iter()
        .map(|&colour| Disc {
            x: stream.range(0, UNIT),
            y: stream.range(0, UNIT),
            radius: stream.range(UNIT / 20, UNIT / 5),
            colour,
        })
        .collect();
    RgbImage::from_fn(width, height, |column, row| {
        let x = i64::from(column) * UNIT / i64::from(width);
        let y = i64::from(row) * UNIT / i64::from(height);
        let relief = noise(seed, x, y, 13) + noise(seed + 1, x, y, 11) / 2;
        let edge = horizon + slope * (x - UNIT / 2) / UNIT + relief * 60 - 11_000;
        let mut base = if y < edge { sky } else { ground };
        let light = if y < edge { y * 70 / UNIT } else { -((y - edge) * 60 / UNIT) };
        if y > edge && (x + y / 3) % fence < fence / 5 {
            base = palette[0];
        }
        for disc in &discs {
            let (dx, dy) = (x - disc.x, y - disc.y);
            if dx * dx + dy * dy < disc.radius * disc.radius {
                base = disc.colour;
            }
        }
        let grain =
            (noise(seed + 2, x, y, 9) - 128) / 6 + (noise(seed + 3, x, y, 7) - 128) / 12 + relief / 6 - 30;
        Rgb(base.map(|channel| (channel + light + grain).clamp(0, 255) as u8))
    })
}
