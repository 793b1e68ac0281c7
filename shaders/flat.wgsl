// Flat range search: every needle against every haystack code, nothing dropped.
// CPU twin: src/matching/flat.rs. Dispatcher: src/gpu/flat.rs. pairs.wgsl goes before it.
//
// An invocation holds four or eight haystack codes in registers and meets a group of needles in workgroup memory, so
// that each load of the haystack is used once per needle of the group. Nearly every pair is far beyond the
// radius: a lower bound of the distance rejects it, and only survivors are measured.

override WORKGROUP: u32 = 256u;
// Needles in workgroup memory.
override NEEDLE_GROUP: u32 = 128u;
// Fours of codes of an invocation: 1 or 2.
override FOURS: u32 = 1u;

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

@group(0) @binding(0) var<uniform> parameters: Parameters;
// Eight planes of plane_stride: component c of element f of plane w is word w of code 4 f + c.
@group(0) @binding(1) var<storage, read> haystack: array<vec4<u32>>;
// needle_count × 8 words.
@group(0) @binding(2) var<storage, read> needles: array<u32>;
@group(0) @binding(3) var<storage, read_write> found: Found;

var<workgroup> wanted: array<Wanted, NEEDLE_GROUP>;

fn word(number: u32, four: u32) -> vec4<u32> {
    return haystack[number * parameters.plane_stride + four];
}

// Two words that are unlike in real pictures go into one union: the places are words 2, 6, 3, 7, 0, 4, 1 and 5.
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

fn load_needle(needle: u32) -> Wanted {
    let at = needle * 8u;
    return Wanted(
        vec4<u32>(needles[at + 2u], needles[at + 6u], needles[at + 3u], needles[at + 7u]),
        vec4<u32>(needles[at], needles[at + 4u], needles[at + 1u], needles[at + 5u]),
    );
}

// The distance of each of four codes from a wanted one.
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

fn measure(needle: u32, index: u32, four: u32) {
    let measured = distances(load(four), wanted[index]);
    for (var component = 0u; component < 4u; component++) {
        let code = four * 4u + component;
        if measured[component] <= parameters.radius && code < parameters.code_end {
            let slot = next_slot(parameters.capacity);
            if slot < parameters.capacity {
                found.hits[slot] = Hit(needle, parameters.code_offset + code, measured[component]);
            }
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn search(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let first_needle = workgroup.y * NEEDLE_GROUP;
    let count = min(NEEDLE_GROUP, parameters.needle_count - first_needle);
    for (var at = invocation; at < count; at += WORKGROUP) {
        wanted[at] = load_needle(first_needle + at);
    }
    workgroupBarrier();

    let four = parameters.first_four + workgroup.x * WORKGROUP * FOURS + invocation;
    if four >= parameters.end_four {
        return;
    }
    let codes = load(four);
    if FOURS == 1u {
        for (var index = 0u; index < count; index++) {
            if any_within(lower_bound(codes, wanted[index]), parameters.radius) {
                measure(first_needle + index, index, four);
            }
        }
        return;
    }
    // Where the second four is beyond the end, the first one stands in for it and is not measured twice.
    let next = four + WORKGROUP;
    let is_there = next < parameters.end_four;
    let other_codes = load(select(four, next, is_there));
    for (var index = 0u; index < count; index++) {
        let bound = lower_bound(codes, wanted[index]);
        let other_bound = lower_bound(other_codes, wanted[index]);
        if any_within(min(bound, other_bound), parameters.radius) {
            measure(first_needle + index, index, four);
            if is_there {
                measure(first_needle + index, index, next);
            }
        }
    }
}
