//! JPEGs whose pixels show one picture and whose low coefficients another: written coefficient by coefficient.

use super::scene;

/// What is clipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trick {
    /// Nothing: the same writer, an ordinary picture.
    None,
    /// Luminance at black, by a pattern of pixels whose mean is below it.
    Luminance,
    /// Red and blue, by a pattern in chroma on dark luminance.
    Chroma,
    /// Red and blue, by chroma that is the same for whole blocks.
    Gamut,
    /// Red and blue, by a faint pattern in chroma on a picture that is dark throughout.
    Grain,
    /// Luminance, so far that decoders do not agree where.
    Beyond,
}

/// A file of `width` by `height` pixels, both multiples of 8.
pub fn jpeg(seed: u64, width: usize, height: usize, trick: Trick, progressive: bool) -> Vec<u8> {
    let (across, down) = (width / 8, height / 8);
    let means = |seed: u64| -> Vec<f64> {
        let picture = scene::render(seed, across as u32, down as u32);
        let luminance =
            |pixel: &image::Rgb<u8>| pixel.0.iter().map(|&part| f64::from(part)).sum::<f64>() / 3.0;
        picture.pixels().map(luminance).collect()
    };
    let (shown, other) = (means(seed), means(seed + 1000));
    let plane = |pixel: &dyn Fn(usize, f64) -> f64| -> Vec<[i32; 64]> {
        (0..across * down).map(|block| coefficients(|checker| pixel(block, checker))).collect()
    };
    let grey = |_: usize, _: f64| 128.0;
    let planes = match trick {
        Trick::None => vec![plane(&|block, checker| shown[block] + checker)],
        Trick::Luminance => {
            let amplitudes: Vec<f64> =
                shown.iter().zip(&other).map(|(shown, other)| amplitude(*shown, *other)).collect();
            vec![plane(&|block, checker| decoy(other[block]) + amplitudes[block] * checker)]
        }
        Trick::Chroma => {
            let pattern = |block: usize, checker: f64| 128.0 + (other[block] - 20.0).max(0.0) * checker;
            vec![plane(&|block, _| 30.0 + shown[block] / 3.0), plane(&pattern), plane(&pattern)]
        }
        Trick::Gamut => {
            let level = |block: usize, _: f64| {
                if (block / 9 + block / across / 7).is_multiple_of(2) { 250.0 } else { 20.0 }
            };
            vec![plane(&|block, _| 30.0 + shown[block] / 3.0), plane(&grey), plane(&level)]
        }
        Trick::Grain => {
            let pattern =
                |block: usize, checker: f64| 128.0 + if other[block] > 110.0 { 54.0 * checker } else { 0.0 };
            vec![plane(&|block, _| 26.0 + shown[block] / 40.0), plane(&pattern), plane(&pattern)]
        }
        Trick::Beyond => vec![plane(&|block, checker| other[block] + 2500.0 * checker)],
    };
    write(&planes, width, height, progressive)
}

/// A file with `inserted` before each of its scans but the first, and before its end.
pub fn with_markers(file: &[u8], inserted: &[u8]) -> Vec<u8> {
    let mut scans = 0;
    let mut made = Vec::new();
    for (index, &byte) in file.iter().enumerate() {
        let marker = if byte == 0xff { file.get(index + 1).copied() } else { None };
        scans += usize::from(marker == Some(0xda));
        if (marker == Some(0xda) && scans > 1) || marker == Some(0xd9) {
            made.extend_from_slice(inserted);
        }
        made.push(byte);
    }
    made
}

/// What the low coefficients show.
fn decoy(other: f64) -> f64 {
    other - 90.0
}

/// How far pixels go up and down from the decoy, so that they show the picture when they are clipped.
fn amplitude(shown: f64, other: f64) -> f64 {
    let cut = |amplitude: f64| {
        f64::midpoint(
            (decoy(other) + amplitude).clamp(0.0, 255.0),
            (decoy(other) - amplitude).clamp(0.0, 255.0),
        )
    };
    let (mut low, mut high) = (0.0, 600.0);
    for _ in 0..30 {
        let middle = f64::midpoint(low, high);
        if cut(middle) < shown / 3.0 + 30.0 { low = middle } else { high = middle }
    }
    low
}

/// The step of every coefficient.
const STEP: f64 = 10.0;

/// Quantised coefficients in the order of the file of a block whose pixels are given by a checkerboard of 1 and −1.
fn coefficients(pixel: impl Fn(f64) -> f64) -> [i32; 64] {
    let (light, dark) = (pixel(1.0) - 128.0, pixel(-1.0) - 128.0);
    let cosine = |u: usize, x: usize| {
        let scale = if u == 0 { 0.125_f64.sqrt() } else { 0.5 };
        scale * ((2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0).cos()
    };
    // Of a checkerboard the transform is a product.
    let of_checkers =
        |u: usize| (0..8).map(|x| if x % 2 == 0 { cosine(u, x) } else { -cosine(u, x) }).sum::<f64>();
    let (mean, half) = (f64::midpoint(light, dark), (light - dark) / 2.0);
    let mut block = [0; 64];
    for (place, (v, u)) in zigzag().into_iter().enumerate() {
        let flat = if (v, u) == (0, 0) { 8.0 * mean } else { 0.0 };
        let value = (flat + half * of_checkers(v) * of_checkers(u)) / STEP;
        block[place] = value.round().clamp(-1000.0, 1000.0) as i32;
    }
    block
}

fn zigzag() -> [(usize, usize); 64] {
    let mut order: Vec<(usize, usize)> = (0..64).map(|index| (index / 8, index % 8)).collect();
    order.sort_by_key(|&(v, u)| (v + u, if (v + u) % 2 == 1 { v } else { u }));
    std::array::from_fn(|index| order[index])
}

/// Bits of entropy-coded data.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    value: u64,
    count: u32,
}

impl Bits {
    fn put(&mut self, value: u64, count: u32) {
        self.value = self.value << count | value;
        self.count += count;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.value >> self.count) as u8;
            self.bytes.push(byte);
            if byte == 0xff {
                self.bytes.push(0);
            }
        }
        self.value &= (1 << self.count) - 1;
    }

    fn put_number(&mut self, number: i32) {
        let size = size(number);
        let bits = if number < 0 { number + (1 << size) - 1 } else { number };
        self.put(bits as u64, size);
    }

    fn end(mut self) -> Vec<u8> {
        if self.count > 0 {
            self.put((1 << (8 - self.count)) - 1, 8 - self.count);
        }
        self.bytes
    }
}

const fn size(number: i32) -> u32 {
    32 - number.unsigned_abs().leading_zeros()
}

/// The symbols of AC codes, all of eight bits.
fn symbols() -> Vec<u8> {
    let coefficients = (0..16).flat_map(|run| (1..=10).map(move |size| run << 4 | size));
    [0x00, 0xf0].into_iter().chain(coefficients).collect()
}

fn put_others(bits: &mut Bits, block: &[i32; 64], symbols: &[u8]) {
    let put = |bits: &mut Bits, symbol: u8| {
        let code = symbols.iter().position(|&other| other == symbol).unwrap();
        bits.put(code as u64, 8);
    };
    let mut zeros = 0;
    for &number in &block[1..] {
        if number == 0 {
            zeros += 1;
            continue;
        }
        while zeros > 15 {
            put(bits, 0xf0);
            zeros -= 16;
        }
        put(bits, zeros << 4 | size(number) as u8);
        bits.put_number(number);
        zeros = 0;
    }
    if zeros > 0 {
        put(bits, 0);
    }
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    [&[0xff, marker], &(content.len() as u16 + 2).to_be_bytes()[..], content].concat()
}

/// A file of planes of one size; three are luminance and chroma.
fn write(planes: &[Vec<[i32; 64]>], width: usize, height: usize, progressive: bool) -> Vec<u8> {
    let symbols = symbols();
    let mut file = vec![0xff, 0xd8];
    file.extend(segment(0xdb, &[&[0][..], &[STEP as u8; 64]].concat()));
    let mut frame = vec![8];
    frame.extend((height as u16).to_be_bytes());
    frame.extend((width as u16).to_be_bytes());
    frame.push(planes.len() as u8);
    (1..=planes.len()).for_each(|id| frame.extend([id as u8, 0x11, 0]));
    file.extend(segment(if progressive { 0xc2 } else { 0xc1 }, &frame));
    let means: Vec<u8> = (0..12).collect();
    file.extend(segment(0xc4, &[&[0, 0, 0, 0, 12][..], &[0; 12], &means].concat()));
    let mut counts = [0; 16];
    counts[7] = symbols.len() as u8;
    file.extend(segment(0xc4, &[&[0x10][..], &counts, &symbols].concat()));
    let mut scan = |indices: &[usize], first: u8, last: u8, bits: Bits| {
        let selectors: Vec<u8> = indices.iter().flat_map(|&index| [index as u8 + 1, 0]).collect();
        file.extend(segment(0xda, &[&[indices.len() as u8][..], &selectors, &[first, last, 0]].concat()));
        file.extend(bits.end());
    };
    let all: Vec<usize> = (0..planes.len()).collect();
    let (mut bits, mut means) = (Bits::default(), vec![0; planes.len()]);
    for block in 0..planes[0].len() {
        for (plane, mean) in planes.iter().zip(&mut means) {
            let difference = plane[block][0] - *mean;
            *mean = plane[block][0];
            bits.put(size(difference).into(), 4);
            bits.put_number(difference);
            if !progressive {
                put_others(&mut bits, &plane[block], &symbols);
            }
        }
    }
    scan(&all, 0, if progressive { 0 } else { 63 }, bits);
    if progressive {
        for (index, plane) in planes.iter().enumerate() {
            let mut bits = Bits::default();
            plane.iter().for_each(|block| put_others(&mut bits, block, &symbols));
            scan(&[index], 1, 63, bits);
        }
    }
    file.extend([0xff, 0xd9]);
    file
}
