// Tiles to hashes of all eight orientations, and quality: one workgroup a tile.
// CPU twin: src/pdq/hash.rs (and dct.rs, quality.rs). Dispatcher: src/gpu/hash.rs.
//
// Every number is an integer and every sum is exact, so the order of additions does not matter and the bits
// are the CPU's. Not every WGSL adapter has 64-bit integers: a wide product is summed as a few sums of 11-bit
// limbs that each fit 32 bits, which are combined once at the end.

const SIDE: u32 = 64u;              // rows and columns of a tile
const SAMPLES: u32 = 4096u;
const ROWS: u32 = 16u;              // rows and columns of the coefficients
const COEFFICIENTS: u32 = 256u;
const LIMB: u32 = 11u;
const LIMB_MASK: i32 = 2047;

// Bits rounded off between the two passes, and the divisor of the quality's whole parts (255 in fixed point).
override PASS_SHIFT: u32 = 21u;
override FULL_SCALE: u32 = 16711680u;

struct Parameters {
    tile_count: u32,
    // Workgroups in a row of the two-dimensional dispatch.
    grid_width: u32,
}

struct DihedralHashes {
    // Eight hashes of eight words, in the order of `Orientation::ALL`; bit b is bit b % 32 of word b / 32.
    hashes: array<u32, 64>,
    quality: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
// 16 × 64, row-major, 22 fractional bits.
@group(0) @binding(1) var<storage, read> cosines: array<i32, 1024>;
// tile_count × 64 × 64, row-major, 16 fractional bits.
@group(0) @binding(2) var<storage, read> tiles: array<u32>;
// tile_count.
@group(0) @binding(3) var<storage, read_write> hashes: array<DihedralHashes>;

// The first pass: 16 × 64, row-major.
var<workgroup> half: array<i32, 1024>;
var<workgroup> table: array<i32, 1024>;
// High and low words of the coefficients.
var<workgroup> high: array<i32, 256>;
var<workgroup> low: array<u32, 256>;
var<workgroup> partial_hashes: array<atomic<u32>, 64>;
var<workgroup> gradient: atomic<u32>;

// A 64-bit integer in two's complement.
struct Wide {
    high: i32,
    low: u32,
}

fn plus(a: Wide, b: Wide) -> Wide {
    let sum = a.low + b.low;
    return Wide(a.high + b.high + select(0, 1, sum < a.low), sum);
}

fn negated(a: Wide) -> Wide {
    return Wide(~a.high + select(0, 1, a.low == 0u), ~a.low + 1u);
}

fn less(a: Wide, b: Wide) -> bool {
    return a.high < b.high || (a.high == b.high && a.low < b.low);
}

// value · 2^shift, 0 < shift < 32 or shift > 32.
fn shifted(value: i32, shift: u32) -> Wide {
    if shift > 32u {
        return Wide(value << (shift - 32u), 0u);
    }
    return Wide(value >> (32u - shift), u32(value) << shift);
}

fn widened(value: i32) -> Wide {
    return Wide(value >> 31u, u32(value));
}

// The first pass, rows 4 g … 4 g + 3 of one column: Σ cosine · (sample − first sample), rounded.
// |sample difference| < 2²⁴ and |cosine| ≤ 2²², so with limbs of 11 bits every sum of 64 stays below 2³¹.
fn first_pass(tile: u32, column: u32, group: u32) {
    let first = i32(tiles[tile]);
    var top = vec4<i32>();
    var middle = vec4<i32>();
    var bottom = vec4<i32>();
    for (var row = 0u; row < SIDE; row++) {
        let difference = i32(tiles[tile + row * SIDE + column]) - first;
        let difference_high = difference >> LIMB;
        let difference_low = difference & LIMB_MASK;
        let at = group * 4u * SIDE + row;
        let cosine = vec4<i32>(table[at], table[at + SIDE], table[at + 2u * SIDE], table[at + 3u * SIDE]);
        let cosine_high = cosine >> vec4<u32>(LIMB);
        let cosine_low = cosine & vec4<i32>(LIMB_MASK);
        top += cosine_high * difference_high;
        middle += cosine_high * difference_low + cosine_low * difference_high;
        bottom += cosine_low * difference_low;
    }
    for (var k = 0u; k < 4u; k++) {
        var sum = plus(shifted(top[k], 2u * LIMB), shifted(middle[k], LIMB));
        sum = plus(sum, widened(bottom[k]));
        sum = plus(sum, Wide(0, 1u << (PASS_SHIFT - 1u)));
        // Arithmetic shift; the result fits 32 bits.
        half[(group * 4u + k) * SIDE + column] = i32((u32(sum.high) << (32u - PASS_SHIFT)) | (sum.low >> PASS_SHIFT));
    }
}

// One coefficient: Σ half · cosine, exact. |half| < 2³¹ is three limbs, a cosine two.
fn second_pass(i: u32, j: u32) -> Wide {
    var sum33 = 0;
    var sum22 = 0;
    var sum11 = 0;
    var sum0 = 0;
    for (var k = 0u; k < SIDE; k++) {
        // Neighbouring invocations begin at neighbouring columns: no two read the same bank.
        let x = (k + j) % SIDE;
        let value = half[i * SIDE + x];
        let cosine = table[j * SIDE + x];
        let value2 = value >> (2u * LIMB);
        let value1 = (value >> LIMB) & LIMB_MASK;
        let value0 = value & LIMB_MASK;
        let cosine1 = cosine >> LIMB;
        let cosine0 = cosine & LIMB_MASK;
        sum33 += value2 * cosine1;
        sum22 += value2 * cosine0 + value1 * cosine1;
        sum11 += value1 * cosine0 + value0 * cosine1;
        sum0 += value0 * cosine0;
    }
    var sum = plus(shifted(sum33, 3u * LIMB), shifted(sum22, 2u * LIMB));
    sum = plus(sum, shifted(sum11, LIMB));
    return plus(sum, widened(sum0));
}

fn set_bit(hash: u32, bit: u32) {
    atomicOr(&partial_hashes[hash * 8u + bit / 32u], 1u << (bit % 32u));
}

fn step_between(a: u32, b: u32) -> u32 {
    return (max(a, b) - min(a, b)) * 100u / FULL_SCALE;
}

@compute @workgroup_size(256)
fn hash_tiles(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let number = workgroup.y * parameters.grid_width + workgroup.x;
    // Uniform over the workgroup, so that all or none reach the barriers below.
    if number >= parameters.tile_count {
        return;
    }
    let tile = number * SAMPLES;
    for (var k = 0u; k < 4u; k++) {
        let at = k * COEFFICIENTS + invocation;
        table[at] = cosines[at];
    }
    if invocation < 64u {
        atomicStore(&partial_hashes[invocation], 0u);
    }
    if invocation == 0u {
        atomicStore(&gradient, 0u);
    }
    workgroupBarrier();

    first_pass(tile, invocation % SIDE, invocation / SIDE);
    var steps = 0u;
    for (var k = 0u; k < 16u; k++) {
        let at = k * COEFFICIENTS + invocation;
        let value = tiles[tile + at];
        if at % SIDE + 1u < SIDE {
            steps += step_between(value, tiles[tile + at + 1u]);
        }
        if at + SIDE < SAMPLES {
            steps += step_between(value, tiles[tile + at + SIDE]);
        }
    }
    atomicAdd(&gradient, steps);
    workgroupBarrier();

    let i = invocation / ROWS;
    let j = invocation % ROWS;
    let mine = second_pass(i, j);
    high[invocation] = mine.high;
    low[invocation] = mine.low;
    workgroupBarrier();

    // For each of the four sign patterns (none, even rows, even columns, odd sums), how many of the signed
    // coefficients are lower than mine. A bit is set above the 128th smallest: if at least 128 are lower.
    let negative = vec4<bool>(false, i % 2u == 0u, j % 2u == 0u, (i + j) % 2u == 1u);
    let opposite = negated(mine);
    var smaller = vec4<u32>();
    for (var k = 0u; k < COEFFICIENTS; k++) {
        let other = Wide(high[k], low[k]);
        let other_i = k / ROWS;
        let other_j = k % ROWS;
        let other_negative =
            vec4<bool>(false, other_i % 2u == 0u, other_j % 2u == 0u, (other_i + other_j) % 2u == 1u);
        // other < mine, mine < other, other < −mine, −mine < other: the comparisons for the four combinations
        // of signs.
        let both_plain = vec4<bool>(less(other, mine));
        let both_negative = vec4<bool>(less(mine, other));
        let mine_negative = vec4<bool>(less(other, opposite));
        let other_only = vec4<bool>(less(opposite, other));
        let when_plain = select(both_plain, other_only, other_negative);
        let when_negative = select(mine_negative, both_negative, other_negative);
        smaller += select(vec4<u32>(0u), vec4<u32>(1u), select(when_plain, when_negative, negative));
    }
    let bits = smaller >= vec4<u32>(128u);
    let straight = i * ROWS + j;
    let transposed = j * ROWS + i;
    if bits.x {
        set_bit(0u, straight);
        set_bit(6u, transposed);
    }
    if bits.y {
        set_bit(4u, straight);
        set_bit(3u, transposed);
    }
    if bits.z {
        set_bit(5u, straight);
        set_bit(1u, transposed);
    }
    if bits.w {
        set_bit(2u, straight);
        set_bit(7u, transposed);
    }
    workgroupBarrier();

    if invocation < 64u {
        hashes[number].hashes[invocation] = atomicLoad(&partial_hashes[invocation]);
    }
    if invocation == 0u {
        hashes[number].quality = min(atomicLoad(&gradient) / 90u, 100u);
    }
}
