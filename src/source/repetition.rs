//! Whether a file is one byte repeated, seen while it is read.

/// Watches the bytes of a file, as they come, for a second value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repetition {
    first: Option<u8>,
    varied: bool,
}

impl Repetition {
    /// The next bytes of the file. As a rule the first few end the search, and nothing is read after them.
    pub fn update(&mut self, block: &[u8]) {
        let Some(&byte) = block.first() else { return };
        if self.varied {
            return;
        }
        let first = *self.first.get_or_insert(byte);
        self.varied = block.iter().any(|&byte| byte != first);
    }

    /// Whether all bytes so far are one, or none came.
    #[must_use]
    pub const fn is_trivial(self) -> bool {
        !self.varied
    }
}
