//! Evidence that is read again: found by its provenance, believed by its digest.

use super::medium::Medium;
use super::provenance::Provenance;
use super::read::SourceFile;
use super::sha256_of;

/// What is at a place now, opened, with the size that it had when it was found.
#[derive(Debug)]
pub struct Reopened {
    medium: Box<dyn Medium>,
    size: u64,
}

/// Opens what a provenance leads to; `None` where nothing of this size is there any more. As the walk saw it: a link that took a file's place
/// is not followed.
#[must_use]
pub fn reopen(place: &Provenance, size: u64) -> Option<Reopened> {
    let file = SourceFile::at(place).ok()?;
    (file.len() == size).then(|| Reopened { medium: Box::new(file), size })
}

impl Reopened {
    /// The room that [`Reopened::read`] wants: one byte more than there should be, which would show that it grew.
    #[must_use]
    pub fn room(&self) -> Option<usize> {
        usize::try_from(self.size).ok()?.checked_add(1)
    }

    /// Reads all of it into the beginning of `buffer`; returns whether these are the bytes that have this SHA-256.
    #[must_use]
    pub fn read(&self, buffer: &mut [u8], sha256: &[u8; 32]) -> bool {
        let Ok(filled) = self.medium.fill_at(0, buffer) else { return false };
        filled as u64 == self.size && sha256_of(&buffer[..filled]) == *sha256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn bytes_that_are_there_come_back_and_others_do_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"0123456789").unwrap();
        let place = Provenance::of_file(folder.path().into(), "a");
        let (mut buffer, sha256) = ([0; 11], sha256_of(b"0123456789"));
        assert!(reopen(&place, 10).unwrap().read(&mut buffer, &sha256));
        assert_eq!(&buffer[..10], b"0123456789");
        assert!(reopen(&place, 9).is_none(), "another size");
        assert!(!reopen(&place, 10).unwrap().read(&mut buffer, &[0; 32]), "another digest");
        let opened = reopen(&place, 10).unwrap();
        fs::write(folder.path().join("a"), b"0123456789+").unwrap();
        assert!(!opened.read(&mut buffer, &sha256), "it grew");
        assert!(reopen(&Provenance::of_file(folder.path().into(), "b"), 10).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_link_that_took_the_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), b"x").unwrap();
        std::os::unix::fs::symlink("a", folder.path().join("b")).unwrap();
        assert!(reopen(&Provenance::of_file(folder.path().into(), "b"), 1).is_none());
    }
}
