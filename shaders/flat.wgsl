// Flat range search: every needle against every haystack code, nothing dropped.
// CPU twin: src/matching/flat.rs. Dispatcher: src/gpu/flat.rs.
//
// An invocation holds four haystack codes in registers and meets a group of needles in workgroup memory, so
// that each load of the haystack is used once per needle of the group. Nearly every pair is far beyond the
// radius: a lower bound of the distance rejects it, and only survivors are measured.

// Needles in workgroup memory.
override NEEDLE_GROUP: u32 = 128u;
// Which lower bound is computed: 0 none, 1 two unions of two words, 2 four unions of two words. A union of
// words has at most as many bits as the words together, and takes one population count instead of two.
override BOUND: u32 = 1u;

struct Parameters {
    // Needles of this dispatch.
    needle_count: u32,
    // Fours of codes of this dispatch: first and one beyond the last.
    first_four: u32,
    end_four: u32,
    // One beyond the last code that is not filling.
    code_end: u32,
    // Fours in a plane.
    plane_stride: u32,
    // Largest distance of a hit.
    radius: u32,
    // Hits that `found` holds; more are counted and not stored.
    capacity: u32,
    // Index of the first code of this buffer in the whole haystack.
    code_offset: u32,
}

struct Hit {
    needle: u32,
    haystack: u32,
    distance: u32,
}

struct Found {
    count: atomic<u32>,
    hits: array<Hit>,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
// Eight planes of plane_stride: component c of element f of plane w is word w of code 4 f + c.
@group(0) @binding(1) var<storage, read> haystack: array<vec4<u32>>;
// needle_count × 8 words.
@group(0) @binding(2) var<storage, read> needles: array<u32>;
@group(0) @binding(3) var<storage, read_write> found: Found;

var<workgroup> wanted: array<array<u32, 8>, NEEDLE_GROUP>;

fn load(word: u32, four: u32) -> vec4<u32> {
    return haystack[word * parameters.plane_stride + four];
}

fn measure(needle: u32, index: u32, four: u32) {
    var distance = vec4<u32>();
    for (var word = 0u; word < 8u; word++) {
        distance += countOneBits(load(word, four) ^ vec4<u32>(wanted[index][word]));
    }
    for (var component = 0u; component < 4u; component++) {
        let code = four * 4u + component;
        if distance[component] <= parameters.radius && code < parameters.code_end {
            let slot = atomicAdd(&found.count, 1u);
            if slot < parameters.capacity {
                found.hits[slot] = Hit(needle, parameters.code_offset + code, distance[component]);
            }
        }
    }
}

@compute @workgroup_size(256)
fn search(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(global_invocation_id) global: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let first_needle = workgroup.y * NEEDLE_GROUP;
    let count = min(NEEDLE_GROUP, parameters.needle_count - first_needle);
    for (var at = invocation; at < count * 8u; at += 256u) {
        wanted[at / 8u][at % 8u] = needles[first_needle * 8u + at];
    }
    workgroupBarrier();

    let four = parameters.first_four + global.x;
    if four >= parameters.end_four {
        return;
    }
    let h2 = load(2u, four);
    let h3 = load(3u, four);
    let h6 = load(6u, four);
    let h7 = load(7u, four);
    var h0 = vec4<u32>();
    var h1 = vec4<u32>();
    var h4 = vec4<u32>();
    var h5 = vec4<u32>();
    if BOUND == 2u {
        h0 = load(0u, four);
        h1 = load(1u, four);
        h4 = load(4u, four);
        h5 = load(5u, four);
    }
    for (var index = 0u; index < count; index++) {
        var bound = vec4<u32>();
        if BOUND > 0u {
            bound = countOneBits((h2 ^ vec4<u32>(wanted[index][2])) | (h6 ^ vec4<u32>(wanted[index][6])))
                + countOneBits((h3 ^ vec4<u32>(wanted[index][3])) | (h7 ^ vec4<u32>(wanted[index][7])));
        }
        if BOUND == 2u {
            bound += countOneBits((h0 ^ vec4<u32>(wanted[index][0])) | (h4 ^ vec4<u32>(wanted[index][4])))
                + countOneBits((h1 ^ vec4<u32>(wanted[index][1])) | (h5 ^ vec4<u32>(wanted[index][5])));
        }
        let least = min(min(bound.x, bound.y), min(bound.z, bound.w));
        if least <= parameters.radius {
            measure(first_needle + index, index, four);
        }
    }
}
