//! Detects, while a file is read, whether it is one byte repeated.

/// Watches the bytes of a file for a second value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repetition {
    first: Option<u8>,
    varied: bool,
}

impl Repetition {
    /// The next bytes of the file. Usually the first few end the search, and later ones are not examined.
    pub fn update(&mut self, block: &[u8]) {
        let Some(&byte) = block.first() else { return };
        if self.varied {
            return;
        }
        let first = *self.first.get_or_insert(byte);
        self.varied = block.iter().any(|&byte| byte != first);
    }

    /// Whether all bytes so far are equal, or there were none.
    #[must_use]
    pub const fn is_trivial(self) -> bool {
        !self.varied
    }
}
