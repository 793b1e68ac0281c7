//! Digests of millions of records, found in microseconds.

/// Sorted (digest, record) pairs: 4 bytes per record in addition to the digest.
#[derive(Debug)]
pub(super) struct DigestIndex<const N: usize> {
    sorted: Vec<([u8; N], u32)>,
}

impl<const N: usize> DigestIndex<N> {
    pub fn new(mut pairs: Vec<([u8; N], u32)>) -> Self {
        pairs.sort_unstable();
        pairs.shrink_to_fit();
        Self { sorted: pairs }
    }

    /// Records with this digest, in record order.
    pub fn find(&self, digest: &[u8; N]) -> impl Iterator<Item = u32> + '_ {
        let first = self.sorted.partition_point(|(other, _)| other < digest);
        let digest = *digest;
        self.sorted[first..].iter().take_while(move |(other, _)| *other == digest).map(|(_, record)| *record)
    }
}
