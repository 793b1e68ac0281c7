// Hashes in the order of a band's value: a counting sort by atomics. `count` counts the hashes of each value; the CPU turns
// the counts into the start of each value; `place` moves the hashes there. Hashes of one value are in any order.
// CPU twin: SortedSide in src/matching/banded_join.rs. Dispatcher: src/gpu/banded_join.rs.

override WORKGROUP: u32 = 256u;

struct Parameters {
    hash_count: u32,
    // Workgroups in a row of the dispatch.
    grid_width: u32,
    // The band's lowest bit and its bits.
    start: u32,
    width: u32,
    // The word of a hash in each place.
    words: array<vec4<u32>, 2>,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
// hash_count × 8 words.
@group(0) @binding(1) var<storage, read> hashes: array<u32>;
// 0, then for each value: `count` counts its hashes, `place` advances its start to the start of the next
// value.
@group(0) @binding(2) var<storage, read_write> values: array<atomic<u32>>;
// Two planes of hash_count: the words in places 0 to 3 and in places 4 to 7.
@group(0) @binding(3) var<storage, read_write> placed: array<vec4<u32>>;
// The hashes' numbers.
@group(0) @binding(4) var<storage, read_write> numbers: array<u32>;

fn index_of(workgroup: vec3<u32>, invocation: u32) -> u32 {
    return (workgroup.y * parameters.grid_width + workgroup.x) * WORKGROUP + invocation;
}

fn words_of(hash: u32, words: vec4<u32>) -> vec4<u32> {
    let first = hash * 8u;
    return vec4<u32>(hashes[first + words.x], hashes[first + words.y], hashes[first + words.z], hashes[first + words.w]);
}

// The band's bits of a hash.
fn value_of(hash: u32) -> u32 {
    let word = parameters.start / 32u;
    let shift = parameters.start % 32u;
    var bits = hashes[hash * 8u + word] >> shift;
    if shift + parameters.width > 32u {
        bits |= hashes[hash * 8u + word + 1u] << (32u - shift);
    }
    return bits & ((1u << parameters.width) - 1u);
}

@compute @workgroup_size(WORKGROUP)
fn count(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let hash = index_of(workgroup, invocation);
    if hash < parameters.hash_count {
        atomicAdd(&values[value_of(hash) + 1u], 1u);
    }
}

@compute @workgroup_size(WORKGROUP)
fn place(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let hash = index_of(workgroup, invocation);
    if hash >= parameters.hash_count {
        return;
    }
    let at = atomicAdd(&values[value_of(hash) + 1u], 1u);
    placed[at] = words_of(hash, parameters.words[0]);
    placed[parameters.hash_count + at] = words_of(hash, parameters.words[1]);
    numbers[at] = hash;
}
