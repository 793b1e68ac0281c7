// Shared by both searches and prepended to flat.wgsl and banded_join.wgsl: the lower bound of a distance, and the storage of hits.
// CPU twin: src/matching/popcount.rs. Dispatchers: src/gpu/flat.rs, src/gpu/banded_join.rs.
//
// Hashes are held in fours, a hash a component, so that each fetched query word is used four times. The words of a hash are in eight
// *places*; each search decides which word is in which place.

// Which lower bound is computed, cheapest first; see src/gpu/bound.rs. A union of words has at most as many bits as the words
// together, and takes one population count instead of one a word.
//   0: none.
//   1: two unions of two words. 2: two unions of three. 3: two unions of four.
//   4: unions of three, three and two words. 5: four unions of two.
//   6: twice the bits that are set in at least two of five words, whose single count costs nine more logical operations.
override BOUND: u32 = 1u;

// Places of four hashes: component c of words[p] is what hash c has in place p.
struct Four {
    words: array<vec4<u32>, 8>,
}

// Places 0 to 3 and 4 to 7 of a query hash.
struct Wanted {
    first: vec4<u32>,
    second: vec4<u32>,
}

struct Hit {
    query: u32,
    haystack: u32,
    distance: u32,
}

struct HitBuffer {
    count: atomic<u32>,
    hits: array<Hit>,
}

// A lower bound of the distance of each of four hashes from a query hash.
fn lower_bound(four: Four, wanted: Wanted) -> vec4<u32> {
    let d0 = four.words[0] ^ vec4<u32>(wanted.first.x);
    let d1 = four.words[1] ^ vec4<u32>(wanted.first.y);
    let d2 = four.words[2] ^ vec4<u32>(wanted.first.z);
    let d3 = four.words[3] ^ vec4<u32>(wanted.first.w);
    let d4 = four.words[4] ^ vec4<u32>(wanted.second.x);
    let d5 = four.words[5] ^ vec4<u32>(wanted.second.y);
    let d6 = four.words[6] ^ vec4<u32>(wanted.second.z);
    let d7 = four.words[7] ^ vec4<u32>(wanted.second.w);
    if BOUND == 1u {
        return countOneBits(d0 | d1) + countOneBits(d2 | d3);
    } else if BOUND == 2u {
        return countOneBits(d0 | d1 | d4) + countOneBits(d2 | d3 | d5);
    } else if BOUND == 3u {
        return countOneBits(d0 | d1 | d4 | d6) + countOneBits(d2 | d3 | d5 | d7);
    } else if BOUND == 4u {
        return countOneBits(d0 | d1 | d4) + countOneBits(d2 | d3 | d5) + countOneBits(d6 | d7);
    } else if BOUND == 5u {
        return countOneBits(d0 | d1) + countOneBits(d2 | d3) + countOneBits(d4 | d5) + countOneBits(d6 | d7);
    } else if BOUND == 6u {
        // A full adder of three words, and whether its sum and the other two carry.
        let carry = (d0 & d1) | (d2 & (d0 ^ d1));
        let sum = d0 ^ d1 ^ d2;
        return countOneBits(carry | (sum & d3) | (d4 & (sum | d3))) * 2u;
    }
    return vec4<u32>();
}

// The slot of the next hit. After the last slot only the fact that there are more is recorded, so that the
// count cannot wrap to zero.
fn next_slot(capacity: u32) -> u32 {
    if atomicLoad(&hit_buffer.count) > capacity {
        return capacity;
    }
    return atomicAdd(&hit_buffer.count, 1u);
}

// Whether any of four numbers is at most `limit`.
fn any_within(four: vec4<u32>, limit: u32) -> bool {
    return min(min(four.x, four.y), min(four.z, four.w)) <= limit;
}
