//! Recognising files by their content, never by their extension.

use super::panic_guard::{self, Place};
use super::tiff_tags;

/// A picture format, recognised by content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[expect(missing_docs, reason = "the names of the formats are their documentation")]
pub enum Format {
    Jpeg,
    Png,
    Gif,
    Webp,
    Bmp,
    Tiff,
    Ico,
    Pnm,
    Tga,
    Qoi,
    // Recognised by name; there is no decoder for them here.
    Avif,
    Heic,
    JpegXl,
    Jpeg2000,
    Photoshop,
    OpenExr,
    RadianceHdr,
    DirectDraw,
    CameraRaw,
}

impl Format {
    /// The lower-case name in the database and in exports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jpeg => "jpeg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::Webp => "webp",
            Self::Bmp => "bmp",
            Self::Tiff => "tiff",
            Self::Ico => "ico",
            Self::Pnm => "pnm",
            Self::Tga => "tga",
            Self::Qoi => "qoi",
            Self::Avif => "avif",
            Self::Heic => "heic",
            Self::JpegXl => "jxl",
            Self::Jpeg2000 => "jpeg2000",
            Self::Photoshop => "psd",
            Self::OpenExr => "exr",
            Self::RadianceHdr => "hdr",
            Self::DirectDraw => "dds",
            Self::CameraRaw => "camera_raw",
        }
    }

    /// The decoder's name for the format; `None` where there is no decoder.
    #[must_use]
    pub(crate) const fn decoder(self) -> Option<image::ImageFormat> {
        Some(match self {
            Self::Jpeg => image::ImageFormat::Jpeg,
            Self::Png => image::ImageFormat::Png,
            Self::Gif => image::ImageFormat::Gif,
            Self::Webp => image::ImageFormat::WebP,
            Self::Bmp => image::ImageFormat::Bmp,
            Self::Tiff => image::ImageFormat::Tiff,
            Self::Ico => image::ImageFormat::Ico,
            Self::Pnm => image::ImageFormat::Pnm,
            Self::Tga => image::ImageFormat::Tga,
            Self::Qoi => image::ImageFormat::Qoi,
            _ => return None,
        })
    }

    /// The format of a file that begins with `head` ([`super::SNIFF_BYTES`] or the whole file).
    #[must_use]
    pub fn sniff(head: &[u8]) -> Option<Self> {
        panic_guard::caught(|| Ok(Self::recognise(head))).ok().flatten()
    }

    /// The same, for callers that catch its panics themselves.
    pub(super) fn recognise(head: &[u8]) -> Option<Self> {
        panic_guard::passing(Place::Sniff);
        let begins = |magic: &[u8]| head.starts_with(magic);
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        Some(match head {
            _ if begins(b"\xff\xd8\xff") => Self::Jpeg,
            _ if begins(b"\x89PNG\r\n\x1a\n") => Self::Png,
            _ if begins(b"GIF87a") || begins(b"GIF89a") => Self::Gif,
            _ if begins(b"RIFF") && at(8, b"WEBP") => Self::Webp,
            _ if begins(b"BM") && is_bitmap(head) => Self::Bmp,
            _ if begins(b"II*\0\x10\0\0\0CR") || begins(b"IIRO") || begins(b"IIRS") || begins(b"MMOR") => {
                Self::CameraRaw
            }
            _ if begins(b"IIU\0") || begins(b"FUJIFILMCCD-RAW") || begins(b"FOVb") || begins(b"\0MRM") => {
                Self::CameraRaw
            }
            _ if begins(b"II*\0") || begins(b"MM\0*") || begins(b"II+\0") || begins(b"MM\0+") => {
                if tiff_tags::is_camera_raw(head) {
                    Self::CameraRaw
                } else {
                    Self::Tiff
                }
            }
            _ if is_icon(head) => Self::Ico,
            [b'P', b'1'..=b'7', ..] if is_portable_map(head) => Self::Pnm,
            _ if begins(b"qoif") => Self::Qoi,
            _ if at(4, b"ftyp") => return media_brand(head),
            _ if begins(b"\xff\x0a") || begins(b"\0\0\0\x0cJXL \r\n\x87\n") => Self::JpegXl,
            _ if begins(b"\0\0\0\x0cjP  \r\n\x87\n") || begins(b"\xff\x4f\xff\x51") => Self::Jpeg2000,
            _ if begins(b"8BPS") => Self::Photoshop,
            _ if begins(b"\x76\x2f\x31\x01") => Self::OpenExr,
            _ if begins(b"#?RADIANCE") || begins(b"#?RGBE") => Self::RadianceHdr,
            _ if begins(b"DDS ") => Self::DirectDraw,
            _ if is_targa(head) => Self::Tga,
            _ => return None,
        })
    }
}

/// "BM" begins many texts; the size of the second header identifies a bitmap.
fn is_bitmap(head: &[u8]) -> bool {
    let Some(size) = little_endian_u32(head, 14) else { return false };
    matches!(size, 12 | 16 | 40 | 52 | 56 | 64 | 108 | 124)
}

/// "P" and a digit begin many texts; a size follows in a picture, or in the newest form lines of names.
fn is_portable_map(head: &[u8]) -> bool {
    let [_, kind, rest @ ..] = head else { return false };
    if *kind == b'7' {
        return rest.first() == Some(&b'\n');
    }
    let width = |text| number(blank(text)?);
    let height =
        |text| number(blank(text)?).and_then(|after| after.first().filter(|byte| byte.is_ascii_whitespace()));
    width(rest).and_then(height).is_some()
}

/// The text after blanks and comments; at least one is required.
fn blank(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        rest = match rest.first()? {
            b'#' => &rest[rest.iter().position(|&byte| byte == b'\n')? + 1..],
            byte if byte.is_ascii_whitespace() => &rest[1..],
            _ => break,
        };
    }
    (rest.len() < text.len()).then_some(rest)
}

/// The text after a whole number.
fn number(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    (digits > 0).then(|| &text[digits..])
}

/// An icon or cursor: a count, and a first entry that lies behind the directory.
fn is_icon(head: &[u8]) -> bool {
    let [0, 0, 1 | 2, 0, low, high, ..] = *head else { return false };
    let count = u32::from(low) | u32::from(high) << 8;
    let reserved = head.get(9);
    let offset = little_endian_u32(head, 18);
    count > 0 && reserved == Some(&0) && offset.is_some_and(|offset| offset >= 6 + 16 * count)
}

/// The ISO base media brands that are still pictures. Others are video, or unknown.
fn media_brand(head: &[u8]) -> Option<Format> {
    let length =
        head.get(..4).map_or(0, |bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
    let end = (length as usize).min(head.len());
    let brands = head.get(8..end)?.chunks_exact(4).enumerate().filter(|(index, _)| *index != 1);
    for (_, brand) in brands {
        match brand {
            b"avif" | b"avis" => return Some(Format::Avif),
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" => return Some(Format::Heic),
            b"crx " => return Some(Format::CameraRaw),
            _ => {}
        }
    }
    matches!(head.get(8..12), Some(b"mif1" | b"msf1")).then_some(Format::Heic)
}

/// Targa has no magic number: all fields of its header must be consistent.
fn is_targa(head: &[u8]) -> bool {
    let [id_length, map_type, image_type, ..] = *head else { return false };
    let Some(&[map_first_low, map_first_high, map_length_low, map_length_high, map_depth]) =
        head.get(3..8).and_then(|bytes| bytes.first_chunk::<5>())
    else {
        return false;
    };
    let Some(&[_, _, _, _, width_low, width_high, height_low, height_high, depth, descriptor]) =
        head.get(8..18).and_then(|bytes| bytes.first_chunk::<10>())
    else {
        return false;
    };
    let mapped = matches!(image_type, 1 | 9);
    let depths: &[u8] = match image_type {
        1 | 9 => &[8],
        2 | 10 => &[15, 16, 24, 32],
        3 | 11 => &[8, 16],
        _ => return false,
    };
    let map = if mapped {
        map_type == 1 && matches!(map_depth, 15 | 16 | 24 | 32) && (map_length_low | map_length_high) != 0
    } else {
        map_type == 0 && [map_first_low, map_first_high, map_length_low, map_length_high, map_depth] == [0; 5]
    };
    let sides = (width_low | width_high) != 0 && (height_low | height_high) != 0;
    // The upper two bits were for interleaving and are zero in every file of this century.
    let alpha_bits = descriptor & 15;
    map && sides
        && depths.contains(&depth)
        && descriptor & 0xc0 == 0
        && matches!(alpha_bits, 0 | 1 | 8)
        && head.len() >= 18 + usize::from(id_length)
}

fn little_endian_u32(bytes: &[u8], offset: usize) -> Option<u32> {
    bytes.get(offset..offset + 4)?.try_into().ok().map(u32::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn still_pictures_are_distinguished_from_video() {
        assert_eq!(Format::sniff(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"), Some(Format::Heic));
        assert_eq!(Format::sniff(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf"), Some(Format::Avif));
        assert_eq!(Format::sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf"), Some(Format::Heic));
        assert_eq!(Format::sniff(b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom"), Some(Format::CameraRaw));
        assert_eq!(Format::sniff(b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom"), None);
        assert_eq!(Format::sniff(b"\0\0\0\x14ftypqt  \0\0\0\0qt  "), None);
    }

    #[test]
    fn ordinary_files_are_no_pictures() {
        let texts: [&[u8]; 12] = [
            b"",
            b"BM is how this letter begins, and it goes on for a while.",
            b"P1.",
            b"P5 is a synthesiser? No: it would be a picture if a size followed",
            b"P1 2024 was a good year",
            b"P3 #",
            b"P7 of the list",
            b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
            b"%PDF-1.7\n",
            b"PK\x03\x04\x14\0\0\0",
            b"\0\0\x01\0\0\0\0\0",
            b"RIFF\0\0\0\0AVI LIST",
        ];
        for (index, text) in texts.into_iter().enumerate() {
            assert_eq!(Format::sniff(text), None, "{index}");
        }
        for picture in ["P6 60 40 255\n", "P1\n#made\n# by hand\n1\t2 ", "P4#c\n8 8\n", "P7\nWIDTH 5\n"] {
            assert_eq!(Format::sniff(picture.as_bytes()), Some(Format::Pnm), "{picture}");
        }
    }
}
