//! Numbers of bytes, as typed.

use std::str::FromStr;

use crate::source::size::Bytes;

/// The minimum that can hold a picture and its neighbours in flight.
pub const MIN_MEMORY: u64 = 64 << 20;

/// A number of bytes as typed: a whole number with an optional unit (`K`, `M`, `G`, `T`, with or
/// without `B` or `iB`; all are powers of 1024).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySize(pub u64);

impl FromStr for MemorySize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let shift = match unit.trim().to_ascii_lowercase().trim_end_matches("ib").trim_end_matches('b') {
            "" => 0,
            "k" => 10,
            "m" => 20,
            "g" => 30,
            "t" => 40,
            _ => return Err(format!("`{unit}` is not a unit (write a size as 512MiB or 8G)")),
        };
        let number: u64 = number.parse().map_err(|_| "not a size (write it as 512MiB or 8G)".to_string())?;
        let bytes = number.checked_mul(1 << shift).ok_or("more than any machine has")?;
        if bytes < MIN_MEMORY {
            return Err(format!("too small: the minimum is {}", Bytes(MIN_MEMORY)));
        }
        Ok(Self(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        let bytes = |text: &str| MemorySize::from_str(text).map(|size| size.0);
        assert_eq!(bytes("512MiB"), Ok(512 << 20));
        assert_eq!(bytes("512 mb"), Ok(512 << 20));
        assert_eq!(bytes("8G"), Ok(8 << 30));
        assert_eq!(bytes("1t"), Ok(1 << 40));
        assert_eq!(bytes("134217728"), Ok(128 << 20));
        for refused in
            ["", "G", "1.5G", "-1G", "8X", "63MiB", "99999999999999999999", "18446744073709551615T"]
        {
            assert!(bytes(refused).is_err(), "{refused}");
        }
    }
}
