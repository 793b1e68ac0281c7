//! The cosines of a block's transform.

/// Rows and columns of a block.
pub(super) const BLOCK_SIDE: usize = 8;

/// Fractional bits of [`COSINES`].
pub(super) const COSINE_BITS: u32 = 30;

/// `c_u(x) = ½ · cos((2x + 1) u π / 16)`, and `√⅛` for u = 0, times 2³⁰; a test compares with floating point.
pub(super) const COSINES: [[i64; BLOCK_SIDE]; BLOCK_SIDE] = {
    // ½ cos(k π / 16) for k = 0…8.
    const QUARTER: [i64; 9] = [
        536_870_912,
        526_555_088,
        496_004_047,
        446_391_849,
        379_625_062,
        298_269_498,
        205_451_603,
        104_738_319,
        0,
    ];
    let mut cosines = [[379_625_062; BLOCK_SIDE]; BLOCK_SIDE];
    let mut u = 1;
    while u < BLOCK_SIDE {
        let mut x = 0;
        while x < BLOCK_SIDE {
            let angle = (2 * x + 1) * u % 32;
            cosines[u][x] = match angle {
                0..=8 => QUARTER[angle],
                9..=16 => -QUARTER[16 - angle],
                17..=24 => -QUARTER[angle - 16],
                _ => QUARTER[32 - angle],
            };
            x += 1;
        }
        u += 1;
    }
    cosines
};
