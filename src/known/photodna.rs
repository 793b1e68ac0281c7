//! PhotoDNA values: reading their two spellings, and the published rule by which two are compared.
//!
//! Values are never computed here. The rule is of use where both sides have values, as two hash sets do; items of a
//! seizure have none. [`super::photodna_search`] applies it to whole sets.

use super::record::{PHOTODNA_BYTES, PhotoDna, Spelling};

/// The squared distance up to which two values are a match by default: what IPED ships (`maxSimilarityDistance` of its
/// `PhotoDNALookupConfig.txt`). The rule leaves the threshold to its user.
pub const DEFAULT_SQUARED_DISTANCE: u32 = 40_000;
/// The largest squared distance that there is.
pub const MAX_SQUARED_DISTANCE: u32 = PHOTODNA_BYTES as u32 * 255 * 255;

/// The square of the Euclidean distance of two values: of their 144 numbers, the sum of the squared differences.
/// M. Steinebach, "Efficient Hash Lookup for PhotoDNA" (Electronic Imaging 2024, doi 10.2352/EI.2024.36.4.MWSF-340)
/// describes the rule; IPED's `PhotoDnaItem.sqDistance` computes the same.
#[must_use]
pub fn squared_distance(left: &PhotoDna, right: &PhotoDna) -> u32 {
    // Differences of 16 bits first: compilers have one instruction that multiplies those and adds in 32 bits, and at most
    // 144 · 255² fits well.
    let differences: [i16; PHOTODNA_BYTES] =
        std::array::from_fn(|at| i16::from(left.bytes[at]) - i16::from(right.bytes[at]));
    let squares = differences.iter().map(|&difference| i32::from(difference) * i32::from(difference));
    squares.sum::<i32>().unsigned_abs()
}

/// Reads a value in base64 (192 characters) or hex (288 digits); `None` where it is neither.
#[must_use]
pub fn parse(text: &str) -> Option<PhotoDna> {
    let text = text.trim().as_bytes();
    let mut bytes = [0; PHOTODNA_BYTES];
    let spelling = match text.len() {
        192 => {
            for (three, four) in bytes.chunks_exact_mut(3).zip(text.chunks_exact(4)) {
                let mut word = 0;
                for &letter in four {
                    word = word << 6 | u32::from(sextet(letter)?);
                }
                three.copy_from_slice(&word.to_be_bytes()[1..]);
            }
            Spelling::Base64
        }
        288 => {
            for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
                let high = char::from(pair[0]).to_digit(16)?;
                let low = char::from(pair[1]).to_digit(16)?;
                *byte = (high << 4 | low) as u8;
            }
            Spelling::Hex
        }
        _ => return None,
    };
    Some(PhotoDna { bytes, spelling })
}

/// The six bits of a letter of base64 (RFC 4648). 144 bytes need no padding.
const fn sextet(letter: u8) -> Option<u8> {
    match letter {
        b'A'..=b'Z' => Some(letter - b'A'),
        b'a'..=b'z' => Some(letter - b'a' + 26),
        b'0'..=b'9' => Some(letter - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: impl Fn(usize) -> u8) -> PhotoDna {
        PhotoDna { bytes: std::array::from_fn(bytes), spelling: Spelling::Hex }
    }

    #[test]
    fn the_distance_is_that_of_the_rule() {
        let zero = value(|_| 0);
        assert_eq!(squared_distance(&zero, &zero), 0);
        assert_eq!(squared_distance(&zero, &value(|_| 255)), MAX_SQUARED_DISTANCE);
        assert_eq!(MAX_SQUARED_DISTANCE, 144 * 255 * 255);
        // 3² + 4² of two numbers, in either order.
        let other = value(|index| [3, 4].get(index).copied().unwrap_or(0));
        assert_eq!(squared_distance(&zero, &other), 25);
        assert_eq!(squared_distance(&other, &zero), 25);
    }

    #[test]
    fn both_spellings_give_the_same_bytes() {
        // Python: base64.b64encode(bytes(range(144)))
        let base64 = concat!(
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v",
            "MDEyMzQ1Njc4OTo7PD0+P0BBQkNERUZHSElKS0xNTk9QUVJTVFVWV1hZWltcXV5f",
            "YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn+AgYKDhIWGh4iJiouMjY6P"
        );
        let expected: [u8; PHOTODNA_BYTES] = std::array::from_fn(|index| index as u8);
        let hex: String = expected.iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(parse(base64), Some(PhotoDna { bytes: expected, spelling: Spelling::Base64 }));
        assert_eq!(parse(&hex), Some(PhotoDna { bytes: expected, spelling: Spelling::Hex }));
        assert_eq!(parse(&base64.replace('+', "-")), None);
        assert_eq!(parse(&hex[2..]), None);
        assert_eq!(parse(""), None);
    }
}
