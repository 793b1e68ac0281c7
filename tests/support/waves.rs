//! Pictures from whole numbers alone: sums of triangle waves. `tests/golden/make_golden.py` draws the same.

use super::scene::Stream;

/// One wave: periods over the width and the height, and a weight.
struct Wave {
    across: i64,
    down: i64,
    phase: [i64; 3],
    weight: i64,
}

/// Twelve waves of a seed. Nothing in them is symmetric.
pub struct Waves(Vec<Wave>);

impl Waves {
    pub fn new(seed: u64) -> Self {
        let mut stream = Stream(seed);
        let wave = |stream: &mut Stream| Wave {
            across: stream.range(-12, 13),
            down: stream.range(-12, 13),
            phase: std::array::from_fn(|_| stream.range(0, 1024)),
            weight: stream.range(1, 9),
        };
        Self((0..12).map(|_| wave(&mut stream)).collect())
    }

    /// Red, green and blue of a pixel.
    pub fn pixel(&self, x: u32, y: u32, width: u32, height: u32) -> [u8; 3] {
        let total: i64 = self.0.iter().map(|wave| wave.weight).sum();
        std::array::from_fn(|channel| {
            let sum: i64 = self
                .0
                .iter()
                .map(|wave| {
                    let across = (wave.across * i64::from(x) * 1024).div_euclid(i64::from(width));
                    let down = (wave.down * i64::from(y) * 1024).div_euclid(i64::from(height));
                    let position = (across + down + wave.phase[channel]).rem_euclid(1024);
                    wave.weight * position.min(1023 - position)
                })
                .sum();
            // 0…511 stretched round the middle, so that there is contrast, and clamped.
            ((sum / total - 256) * 3 / 2 + 128).clamp(0, 255) as u8
        })
    }

    /// The whole picture, three bytes a pixel.
    pub fn rgb(&self, width: u32, height: u32) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(width as usize * height as usize * 3);
        for y in 0..height {
            for x in 0..width {
                bytes.extend(self.pixel(x, y, width, height));
            }
        }
        bytes
    }
}
