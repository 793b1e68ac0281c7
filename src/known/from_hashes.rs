//! A hash set that is made of hashes in memory.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::builder::{Builder, Record};
use super::{HashSet, KnownError};
use crate::pdq::{Geometry, PdqHash};
use crate::source::name::escape;

impl HashSet {
    /// A hash set of PDQ hashes, one per record, in their order. Null hashes are set aside, as in a file; [`HashSet::counts`] counts them.
    ///
    /// Its identity is that of a list with these hashes, one per line. Its path is empty.
    ///
    /// ```
    /// use tamis::{HashSet, PdqHash};
    ///
    /// let hash: PdqHash = "68b90be99403471e81f94a7f07b3cb33cbc0cc8fc0e3884edb5220c3bb808508".parse()?;
    /// let set = HashSet::from_hashes("mine", [hash, PdqHash::default()])?;
    /// assert_eq!((set.hashes().len(), set.counts().null_hashes), (1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// If there are more than 2³² hashes.
    pub fn from_hashes(name: &str, hashes: impl IntoIterator<Item = PdqHash>) -> Result<Self, KnownError> {
        let mut builder = Builder::new(0);
        let mut sha256 = Sha256::new();
        for hash in hashes {
            sha256.update(format!("{hash}\n"));
            builder
                .push(&Record { hash: Some(hash), ..Record::default() })
                .map_err(|_| KnownError::TooMany { name: name.to_string() })?;
        }
        let file_sha256 = sha256.finalize().into();
        Ok(Self::of_list(PathBuf::new(), escape(name.as_bytes()), file_sha256, Geometry::default(), builder))
    }

    /// The hashes that take part in matching, without their records: for [`join`](crate::matching::Join) and
    /// [`range_search`](crate::matching::range_search). Number `n` here belongs to [`HashSet::hashes`]`()[n]`.
    #[must_use]
    pub fn pdq_hashes(&self) -> Vec<PdqHash> {
        self.hashes.iter().map(|known| known.hash).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::{ListKind, ReadOptions};

    #[test]
    fn a_set_from_hashes_is_that_of_a_file_with_these_lines() {
        let hashes = [PdqHash([1, 2, 3, 4]), PdqHash::default(), PdqHash([5, 6, 7, 8])];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.txt");
        std::fs::write(&path, hashes.map(|hash| format!("{hash}\n")).concat()).unwrap();
        let options = ReadOptions { list: Some(ListKind::Pdq), ..ReadOptions::default() };
        let read = HashSet::read(&path, &options).unwrap();
        let made = HashSet::from_hashes("mine", hashes).unwrap();
        assert_eq!(made.file_sha256(), read.file_sha256());
        assert_eq!(made.hashes(), read.hashes());
        assert_eq!(made.counts(), read.counts());
        assert_eq!((made.name(), made.geometry()), (read.name(), read.geometry()));
        assert_eq!(made.pdq_hashes(), [hashes[0], hashes[2]]);
        assert!(made.details(2).unwrap().columns.is_empty());
        // The twin that must differ: other hashes, another identity.
        let other = HashSet::from_hashes("mine", [hashes[0]]).unwrap();
        assert_ne!(other.file_sha256(), made.file_sha256());
    }

    #[test]
    fn a_set_of_nothing_holds_nothing() {
        let set = HashSet::from_hashes("nothing", []).unwrap();
        assert_eq!((set.hashes().len(), set.counts().records), (0, 0));
    }
}
