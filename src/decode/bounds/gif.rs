//! `gif` 0.14.2: the canvas in four bytes per pixel; a first frame smaller than the canvas in four further bytes per
//! pixel; the frame's indices; and the file's metadata, which grows as it is read.

use super::header::{Header, TABLES, corrupt};
use crate::outcome::Failure;

const SCREEN: usize = 13;
const EXTENSION: u8 = 0x21;
const IMAGE: u8 = 0x2c;
/// A buffer that grows by doubling holds twice its content, plus the previous half while it is copied.
const GROWING: u64 = 3;

pub(super) fn header(bytes: &[u8]) -> Result<Header, Failure> {
    let screen =
        bytes.get(..SCREEN).ok_or_else(|| corrupt("a GIF without a screen descriptor: truncated"))?;
    let (width, height) = (u16_at(screen, 6), u16_at(screen, 8));
    let canvas = u64::from(width) * u64::from(height) * 4;
    let frame = first_frame(bytes, screen).map_or(0, |frame| {
        let pixels = u64::from(frame.width) * u64::from(frame.height);
        let spans = frame.left == 0
            && frame.width == width
            && u32::from(frame.top) + u32::from(frame.height) <= u32::from(height);
        pixels * if spans { 1 } else { 5 }
    });
    let said = GROWING * bytes.len() as u64;
    Ok(Header::sized(u32::from(width), u32::from(height), canvas + frame + said + TABLES))
}

struct Frame {
    left: u16,
    top: u16,
    width: u16,
    height: u16,
}

/// The position of the first frame, as the decoder finds it.
fn first_frame(bytes: &[u8], screen: &[u8]) -> Option<Frame> {
    let mut at = SCREEN + palette(screen[10]);
    loop {
        match *bytes.get(at)? {
            IMAGE => {
                let place = bytes.get(at + 1..at + 9)?;
                let [left, top, width, height] = [0, 2, 4, 6].map(|offset| u16_at(place, offset));
                return Some(Frame { left, top, width, height });
            }
            EXTENSION => {
                at += 2;
                loop {
                    let length = usize::from(*bytes.get(at)?);
                    at += 1 + length;
                    if length == 0 {
                        break;
                    }
                }
            }
            // What the decoder refuses or skips byte by byte.
            0 => at += 1,
            _ => return None,
        }
    }
}

/// Bytes of the palette declared by these flags.
const fn palette(flags: u8) -> usize {
    if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) }
}

const fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}
