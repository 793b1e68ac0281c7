//! The one loop that touches every byte of a picture.

/// Adds `weights[r] · rows[r][k]` to `sums[k]` for every byte `k` of every row `r`. Rows are as long as
/// `sums` and tightly packed; weights are below 2¹⁵. Four rows are taken at a time, so that the sums are
/// loaded and stored once for four bytes.
pub(super) fn accumulate(sums: &mut [u32], rows: &[u8], weights: &[u16]) {
    let length = sums.len();
    let mut rows = rows.chunks_exact(length);
    let mut weights = weights.chunks(4);
    for group in &mut weights {
        let mut next = || rows.next().unwrap_or_default();
        match *group {
            [a, b, c, d] => add_four(sums, [next(), next(), next(), next()], [a, b, c, d].map(u32::from)),
            _ => {
                for &weight in group {
                    let row = next();
                    for (sum, &byte) in sums.iter_mut().zip(row) {
                        *sum += u32::from(byte) * u32::from(weight);
                    }
                }
            }
        }
    }
}

fn add_four(sums: &mut [u32], rows: [&[u8]; 4], weights: [u32; 4]) {
    let [a, b, c, d] = rows;
    for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *sum += u32::from(a) * (weights[0] & 0x7fff)
            + u32::from(b) * (weights[1] & 0x7fff)
            + u32::from(c) * (weights[2] & 0x7fff)
            + u32::from(d) * (weights[3] & 0x7fff);
    }
}
