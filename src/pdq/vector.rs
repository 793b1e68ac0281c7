//! The loop over every byte of a picture, in vector instructions.

#![allow(unsafe_code, reason = "vector instructions chosen at run time; listed in CONTRIBUTING")]

/// Adds `weights[r] · rows[r][k]` to `sums[k]` for every byte `k` of every row `r`. Rows are as long as
/// `sums` and tightly packed; weights are below 2¹⁵.
///
/// The loop is plain Rust, compiled for several instruction sets; whole numbers make the result the same
/// on all.
pub(super) fn accumulate(sums: &mut [u32], rows: &[u8], weights: &[u16]) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512bw") && is_x86_feature_detected!("avx512f") {
            // SAFETY: the features were just seen.
            return unsafe { accumulate_avx512(sums, rows, weights) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the feature was just seen.
            return unsafe { accumulate_avx2(sums, rows, weights) };
        }
    }
    accumulate_rows(sums, rows, weights);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw")]
fn accumulate_avx512(sums: &mut [u32], rows: &[u8], weights: &[u16]) {
    accumulate_rows(sums, rows, weights);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn accumulate_avx2(sums: &mut [u32], rows: &[u8], weights: &[u16]) {
    accumulate_rows(sums, rows, weights);
}

/// Eight rows are taken at a time, so that the sums, which do not fit the nearest cache where rows are long, are loaded and stored
/// once for eight bytes.
#[inline(always)]
fn accumulate_rows(sums: &mut [u32], rows: &[u8], weights: &[u16]) {
    let length = sums.len();
    let mut rows = rows.chunks_exact(length);
    for group in weights.chunks(8) {
        let mut next = || rows.next().unwrap_or_default();
        match *group {
            [a, b, c, d, e, f, g, h] => {
                let first = [next(), next(), next(), next()];
                let last = [next(), next(), next(), next()];
                add_eight(sums, first, last, [a, b, c, d], [e, f, g, h]);
            }
            _ => {
                let mut rest = group;
                if let Some((&high, left)) = group.split_first_chunk() {
                    add_four(sums, [next(), next(), next(), next()], high);
                    rest = left;
                }
                for &weight in rest {
                    for (sum, &byte) in sums.iter_mut().zip(next()) {
                        *sum += u32::from(byte) * u32::from(weight);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn add_four(sums: &mut [u32], rows: [&[u8]; 4], weights: [u16; 4]) {
    let [a, b, c, d] = rows;
    for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
        *sum += four([a, b, c, d], weights);
    }
}

#[inline(always)]
fn add_eight(sums: &mut [u32], first: [&[u8]; 4], last: [&[u8]; 4], high: [u16; 4], low: [u16; 4]) {
    let ([a, b, c, d], [e, f, g, h]) = (first, last);
    let first = a.iter().zip(b).zip(c).zip(d);
    let last = e.iter().zip(f).zip(g).zip(h);
    for ((sum, (((&a, &b), &c), &d)), (((&e, &f), &g), &h)) in sums.iter_mut().zip(first).zip(last) {
        *sum += four([a, b, c, d], high) + four([e, f, g, h], low);
    }
}

#[inline(always)]
fn four(bytes: [u8; 4], weights: [u16; 4]) -> u32 {
    // The mask tells the compiler that 16-bit multiply-adds are enough.
    let product = |index: usize| u32::from(bytes[index]) * (u32::from(weights[index]) & 0x7fff);
    product(0) + product(1) + product(2) + product(3)
}
