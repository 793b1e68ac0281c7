//! How hashes and tiles of an examination are sent: as bytes.

pub(super) mod hashes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::pdq::{DihedralHashes, PdqHash};

    /// Eight hashes of 32 bytes, each in the order of its text, and the quality.
    pub fn serialize<S: Serializer>(hashes: &DihedralHashes, serializer: S) -> Result<S::Ok, S::Error> {
        (hashes.hashes.map(|hash| hash.to_bytes()), hashes.quality).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<DihedralHashes>, D::Error> {
        let (hashes, quality) = <([[u8; 32]; 8], u8)>::deserialize(deserializer)?;
        if quality > 100 {
            return Err(de::Error::custom("a quality over 100"));
        }
        Ok(Box::new(DihedralHashes { hashes: hashes.map(PdqHash::from_bytes), quality }))
    }
}

pub(super) mod tile {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use crate::pdq::{TILE_FRACTION_BITS, TILE_SIDE, Tile};

    /// The samples, row by row.
    pub fn serialize<S: Serializer>(tile: &Tile, serializer: S) -> Result<S::Ok, S::Error> {
        tile.0[..].serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<Tile>, D::Error> {
        let samples: Box<[u32]> = Box::deserialize(deserializer)?;
        let samples: Box<[u32; TILE_SIDE * TILE_SIDE]> =
            samples.try_into().map_err(|_| de::Error::custom("not as many samples as a tile has"))?;
        if samples.iter().any(|&sample| sample > 255 << TILE_FRACTION_BITS) {
            return Err(de::Error::custom("a sample brighter than white"));
        }
        Ok(Box::new(Tile(*samples)))
    }
}
