// Flat range search: every query against every haystack hash, nothing dropped.
// CPU twin: src/matching/flat.rs. Dispatcher: src/gpu/flat.rs. pairs.wgsl goes before it.
//
// An invocation holds four or eight haystack hashes in registers and compares them with a group of queries in
// workgroup memory, so that each load of the haystack is used once per query of the group. Nearly every pair is far
// beyond the radius: a lower bound of the distance rejects it, and only survivors are measured.

override WORKGROUP: u32 = 256u;
// Queries in workgroup memory.
override QUERY_GROUP: u32 = 128u;
// Fours of hashes per invocation: 1 or 2.
override FOURS: u32 = 1u;

struct Parameters {
    // Queries of this dispatch.
    query_count: u32,
    // Fours of hashes of this dispatch: first and one beyond the last.
    first_four: u32,
    end_four: u32,
    // One beyond the last hash that is not padding.
    hash_end: u32,
    // Fours in a plane.
    plane_stride: u32,
    // Largest distance of a hit.
    radius: u32,
    // Hits that `hit_buffer` holds; more are counted and not stored.
    capacity: u32,
    // Index of the first hash of this buffer in the whole haystack.
    hash_offset: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
// Eight planes of plane_stride: component c of element f of plane w is word w of hash 4 f + c.
@group(0) @binding(1) var<storage, read> haystack: array<vec4<u32>>;
// query_count × 8 words.
@group(0) @binding(2) var<storage, read> queries: array<u32>;
@group(0) @binding(3) var<storage, read_write> hit_buffer: HitBuffer;

var<workgroup> wanted: array<Wanted, QUERY_GROUP>;

fn word(number: u32, four: u32) -> vec4<u32> {
    return haystack[number * parameters.plane_stride + four];
}

// Words that correlate little in real pictures go into one union: the places are words 2, 6, 3, 7, 0, 4, 1
// and 5.
fn load(four: u32) -> Four {
    return Four(array<vec4<u32>, 8>(
        word(2u, four),
        word(6u, four),
        word(3u, four),
        word(7u, four),
        word(0u, four),
        word(4u, four),
        word(1u, four),
        word(5u, four),
    ));
}

fn load_query(query: u32) -> Wanted {
    let at = query * 8u;
    return Wanted(
        vec4<u32>(queries[at + 2u], queries[at + 6u], queries[at + 3u], queries[at + 7u]),
        vec4<u32>(queries[at], queries[at + 4u], queries[at + 1u], queries[at + 5u]),
    );
}

// The distance of each of four hashes from a query hash.
fn distances(four: Four, wanted: Wanted) -> vec4<u32> {
    return countOneBits(four.words[0] ^ vec4<u32>(wanted.first.x))
        + countOneBits(four.words[1] ^ vec4<u32>(wanted.first.y))
        + countOneBits(four.words[2] ^ vec4<u32>(wanted.first.z))
        + countOneBits(four.words[3] ^ vec4<u32>(wanted.first.w))
        + countOneBits(four.words[4] ^ vec4<u32>(wanted.second.x))
        + countOneBits(four.words[5] ^ vec4<u32>(wanted.second.y))
        + countOneBits(four.words[6] ^ vec4<u32>(wanted.second.z))
        + countOneBits(four.words[7] ^ vec4<u32>(wanted.second.w));
}

fn measure(query: u32, index: u32, four: u32) {
    let measured = distances(load(four), wanted[index]);
    for (var component = 0u; component < 4u; component++) {
        let hash = four * 4u + component;
        if measured[component] <= parameters.radius && hash < parameters.hash_end {
            let slot = next_slot(parameters.capacity);
            if slot < parameters.capacity {
                hit_buffer.hits[slot] = Hit(query, parameters.hash_offset + hash, measured[component]);
            }
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn search(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let first_query = workgroup.y * QUERY_GROUP;
    let count = min(QUERY_GROUP, parameters.query_count - first_query);
    for (var at = invocation; at < count; at += WORKGROUP) {
        wanted[at] = load_query(first_query + at);
    }
    workgroupBarrier();

    let four = parameters.first_four + workgroup.x * WORKGROUP * FOURS + invocation;
    if four >= parameters.end_four {
        return;
    }
    let hashes = load(four);
    if FOURS == 1u {
        for (var index = 0u; index < count; index++) {
            if any_within(lower_bound(hashes, wanted[index]), parameters.radius) {
                measure(first_query + index, index, four);
            }
        }
        return;
    }
    // If the second four is beyond the end, the first one replaces it and is not measured twice.
    let next = four + WORKGROUP;
    let is_there = next < parameters.end_four;
    let other_hashes = load(select(four, next, is_there));
    for (var index = 0u; index < count; index++) {
        let bound = lower_bound(hashes, wanted[index]);
        let other_bound = lower_bound(other_hashes, wanted[index]);
        if any_within(min(bound, other_bound), parameters.radius) {
            measure(first_query + index, index, four);
            if is_there {
                measure(first_query + index, index, next);
            }
        }
    }
}
