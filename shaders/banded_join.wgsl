// One band of a banded join: buckets of the left side against all neighbouring buckets of the right one, nothing dropped.
// CPU twin: src/matching/banded_join.rs. Dispatcher: src/gpu/banded_join.rs. pairs.wgsl goes before it.
//
// A workgroup takes up to LEFT hashes of one bucket and a run of the hashes of its neighbours. The neighbours' ranges are laid end to end by
// a prefix sum, WORKGROUP of them at a time, so that small buckets are combined and large ones are distributed. Each invocation holds four
// right hashes and compares them with the left ones in workgroup memory.

override WORKGROUP: u32 = 64u;
// Left hashes in workgroup memory.
override LEFT: u32 = 32u;
// Neighbours that an invocation handles at a time.
const EACH: u32 = 4u;

struct Parameters {
    // Hashes of each side.
    left_count: u32,
    right_count: u32,
    // Items of this dispatch, and workgroups in a row of it.
    item_count: u32,
    grid_width: u32,
    neighbour_count: u32,
    // Largest distance of a pair.
    radius: u32,
    // Hits that `hit_buffer` holds; more are counted and not stored.
    capacity: u32,
    // This band's index: a pair that an earlier band covers was found there.
    band: u32,
    // 1 if both sides are the same: each pair once, no hash with itself.
    itself: u32,
    // The place of each word of a hash.
    places: array<vec4<u32>, 2>,
    // Lowest bit, bits, threshold of every band.
    bands: array<vec4<u32>, 32>,
}

// Up to LEFT left hashes of one value against a run of its neighbours' hashes.
struct Item {
    value: u32,
    left_start: u32,
    left_count: u32,
    // A range in the neighbours' hashes laid end to end.
    right_start: u32,
    right_end: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
// Sorted by the band, two planes for each side: the words in places 0 to 3 and in places 4 to 7.
@group(0) @binding(1) var<storage, read> left: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read> right: array<vec4<u32>>;
// The hashes' numbers.
@group(0) @binding(3) var<storage, read> left_numbers: array<u32>;
@group(0) @binding(4) var<storage, read> right_numbers: array<u32>;
// Where each value of the right side begins, followed by the end of the last.
@group(0) @binding(5) var<storage, read> offsets: array<u32>;
// The differences between a value and its neighbours.
@group(0) @binding(6) var<storage, read> differences: array<u32>;
@group(0) @binding(7) var<storage, read> items: array<Item>;
@group(0) @binding(8) var<storage, read_write> hit_buffer: HitBuffer;

var<workgroup> wanted: array<Wanted, LEFT>;
// For the current neighbours: the start of each, and the inclusive prefix sum of their hashes.
var<workgroup> begins: array<u32, WORKGROUP * EACH>;
var<workgroup> sums: array<u32, WORKGROUP * EACH>;
// The inclusive prefix sum over invocations.
var<workgroup> totals: array<u32, WORKGROUP>;

fn left_word(word: u32, at: u32) -> u32 {
    let place = parameters.places[word / 4u][word % 4u];
    return left[place / 4u * parameters.left_count + at][place % 4u];
}

fn right_word(word: u32, at: u32) -> u32 {
    let place = parameters.places[word / 4u][word % 4u];
    return right[place / 4u * parameters.right_count + at][place % 4u];
}

fn load_left(at: u32) -> Wanted {
    return Wanted(left[at], left[parameters.left_count + at]);
}

fn load_right(at: vec4<u32>) -> Four {
    let a = right[at.x];
    let b = right[at.y];
    let c = right[at.z];
    let d = right[at.w];
    var four = Four(array<vec4<u32>, 8>(
        vec4<u32>(a.x, b.x, c.x, d.x),
        vec4<u32>(a.y, b.y, c.y, d.y),
        vec4<u32>(a.z, b.z, c.z, d.z),
        vec4<u32>(a.w, b.w, c.w, d.w),
        vec4<u32>(),
        vec4<u32>(),
        vec4<u32>(),
        vec4<u32>(),
    ));
    if BOUND == 1u {
        return four;
    }
    let second = at + vec4<u32>(parameters.right_count);
    let e = right[second.x];
    let f = right[second.y];
    let g = right[second.z];
    let h = right[second.w];
    four.words[4] = vec4<u32>(e.x, f.x, g.x, h.x);
    four.words[5] = vec4<u32>(e.y, f.y, g.y, h.y);
    four.words[6] = vec4<u32>(e.z, f.z, g.z, h.z);
    four.words[7] = vec4<u32>(e.w, f.w, g.w, h.w);
    return four;
}

fn distance(left_at: u32, right_at: u32) -> u32 {
    let first = countOneBits(left[left_at] ^ right[right_at]);
    let second = countOneBits(left[parameters.left_count + left_at] ^ right[parameters.right_count + right_at]);
    let sum = first + second;
    return sum.x + sum.y + sum.z + sum.w;
}

// Whether a band's bits of two hashes are within its threshold of each other.
fn holds(band: vec4<u32>, left_at: u32, right_at: u32) -> bool {
    let word = band.x / 32u;
    let shift = band.x % 32u;
    var bits = (left_word(word, left_at) ^ right_word(word, right_at)) >> shift;
    if shift + band.y > 32u {
        bits |= (left_word(word + 1u, left_at) ^ right_word(word + 1u, right_at)) << (32u - shift);
    }
    return countOneBits(bits & ((1u << band.y) - 1u)) <= band.z;
}

// Stores a pair if it is within the radius, unless an earlier band has it.
fn measure(left_at: u32, right_at: u32) {
    let distance = distance(left_at, right_at);
    if distance > parameters.radius {
        return;
    }
    if parameters.itself == 1u && left_at >= right_at {
        return;
    }
    for (var band = 0u; band < parameters.band; band++) {
        if holds(parameters.bands[band], left_at, right_at) {
            return;
        }
    }
    let slot = next_slot(parameters.capacity);
    if slot < parameters.capacity {
        hit_buffer.hits[slot] = Hit(left_numbers[left_at], right_numbers[right_at], distance);
    }
}

// Compares four right hashes, of which the first `present` are valid, with the item's left ones.
fn compare(item: Item, at: vec4<u32>, present: u32) {
    let hashes = load_right(at);
    for (var index = 0u; index < item.left_count; index++) {
        if any_within(lower_bound(hashes, wanted[index]), parameters.radius) {
            for (var component = 0u; component < present; component++) {
                measure(item.left_start + index, at[component]);
            }
        }
    }
}

// The position of a hash of the current neighbours.
fn place_of(at: u32) -> u32 {
    // The first neighbour whose sum exceeds it.
    var low = 0u;
    var high = WORKGROUP * EACH - 1u;
    while low < high {
        let middle = (low + high) / 2u;
        if sums[middle] > at {
            high = middle;
        } else {
            low = middle + 1u;
        }
    }
    var earlier = 0u;
    if low > 0u {
        earlier = sums[low - 1u];
    }
    return begins[low] + at - earlier;
}

@compute @workgroup_size(WORKGROUP)
fn match_neighbours(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    // A workgroup beyond the last repeats its loads and compares nothing, so that all reach every barrier.
    let number = workgroup.y * parameters.grid_width + workgroup.x;
    var item = items[min(number, parameters.item_count - 1u)];
    if number >= parameters.item_count {
        item.right_end = 0u;
    }
    for (var index = invocation; index < item.left_count; index += WORKGROUP) {
        wanted[index] = load_left(item.left_start + index);
    }
    // Hashes of the neighbours before the current ones.
    var before = 0u;
    for (var first = 0u; first < parameters.neighbour_count; first += WORKGROUP * EACH) {
        workgroupBarrier();
        var sum = 0u;
        for (var index = invocation * EACH; index < (invocation + 1u) * EACH; index++) {
            if first + index < parameters.neighbour_count {
                let value = item.value ^ differences[first + index];
                // In a self-join the bucket with the smaller value is compared with the other.
                if parameters.itself == 0u || value >= item.value {
                    begins[index] = offsets[value];
                    sum += offsets[value + 1u] - offsets[value];
                }
            }
            sums[index] = sum;
        }
        totals[invocation] = sum;
        workgroupBarrier();
        for (var reach = 1u; reach < WORKGROUP; reach *= 2u) {
            var more = 0u;
            if invocation >= reach {
                more = totals[invocation - reach];
            }
            workgroupBarrier();
            totals[invocation] += more;
            workgroupBarrier();
        }
        for (var index = invocation * EACH; index < (invocation + 1u) * EACH; index++) {
            sums[index] += totals[invocation] - sum;
        }
        workgroupBarrier();
        let total = totals[WORKGROUP - 1u];
        let start = max(item.right_start, before) - before;
        let end = min(max(item.right_end, before) - before, total);
        for (var at = start + invocation; at < end; at += 4u * WORKGROUP) {
            let present = min(4u, (end - at + WORKGROUP - 1u) / WORKGROUP);
            // Missing ones repeat the first.
            var places = vec4<u32>(place_of(at));
            for (var component = 1u; component < present; component++) {
                places[component] = place_of(at + component * WORKGROUP);
            }
            compare(item, places, present);
        }
        before += total;
    }
}
