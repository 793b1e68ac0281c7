// One band of a banded join: buckets of the left side against all neighbouring buckets of the right one, nothing dropped.
// CPU twin: src/matching/banded.rs. Dispatcher: src/gpu/bands.rs.
//
// A workgroup takes up to LEFT codes of one bucket and a run of the codes of its neighbours. The neighbours' ranges are laid end to end by
// a prefix sum, WORKGROUP of them at a time, so that small buckets fill the invocations together and large ones are shared out.
// Each invocation holds one right code and meets the left ones in workgroup memory.

override WORKGROUP: u32 = 64u;
// Left codes in workgroup memory.
override LEFT: u32 = 32u;
// Which lower bound is computed: 0 none, 1 two unions of two words, 2 four unions of two words; see flat.wgsl.
override BOUND: u32 = 1u;

struct Parameters {
    // Codes of each side.
    left_count: u32,
    right_count: u32,
    // Items of this dispatch, and workgroups in a row of it.
    item_count: u32,
    grid_width: u32,
    neighbour_count: u32,
    // Largest distance of a pair.
    radius: u32,
    // Hits that `found` holds; more are counted and not stored.
    capacity: u32,
    // This band's index: a pair that an earlier band holds was found there.
    band: u32,
    // 1 where both sides are the same: each pair once, no code with itself.
    itself: u32,
    // The words of a code in the order in which the bound looks at them.
    words: array<vec4<u32>, 2>,
    // Lowest bit, bits, threshold of every band.
    bands: array<vec4<u32>, 32>,
}

// Up to LEFT left codes of one value against a run of its neighbours' codes.
struct Item {
    value: u32,
    left_start: u32,
    left_count: u32,
    // In the neighbours' codes laid end to end.
    right_start: u32,
    right_end: u32,
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
// Nine planes of each side's count, in the order of the band: eight words, and the code's number.
@group(0) @binding(1) var<storage, read> left: array<u32>;
@group(0) @binding(2) var<storage, read> right: array<u32>;
// Where each value of the right side begins, and behind the last where it ends.
@group(0) @binding(3) var<storage, read> offsets: array<u32>;
// What a value's neighbours differ by.
@group(0) @binding(4) var<storage, read> differences: array<u32>;
@group(0) @binding(5) var<storage, read> items: array<Item>;
@group(0) @binding(6) var<storage, read_write> found: Found;

var<workgroup> wanted: array<array<u32, 8>, LEFT>;
// Of the neighbours in hand: where each begins, and the codes of all up to it and with it.
var<workgroup> begins: array<u32, WORKGROUP>;
var<workgroup> sums: array<u32, WORKGROUP>;

// Whether a band's bits of two codes are within its threshold of each other.
fn holds(band: vec4<u32>, index: u32, at: u32) -> bool {
    let word = band.x / 32u;
    let shift = band.x % 32u;
    var bits = (wanted[index][word] ^ right[word * parameters.right_count + at]) >> shift;
    if shift + band.y > 32u {
        bits |= (wanted[index][word + 1u] ^ right[(word + 1u) * parameters.right_count + at]) << (32u - shift);
    }
    return countOneBits(bits & ((1u << band.y) - 1u)) <= band.z;
}

fn measure(index: u32, left_at: u32, right_at: u32) {
    if parameters.itself == 1u && left_at >= right_at {
        return;
    }
    var distance = 0u;
    for (var word = 0u; word < 8u; word++) {
        distance += countOneBits(wanted[index][word] ^ right[word * parameters.right_count + right_at]);
    }
    if distance > parameters.radius {
        return;
    }
    for (var band = 0u; band < parameters.band; band++) {
        if holds(parameters.bands[band], index, right_at) {
            return;
        }
    }
    let slot = atomicAdd(&found.count, 1u);
    if slot < parameters.capacity {
        let one = left[8u * parameters.left_count + left_at];
        let other = right[8u * parameters.right_count + right_at];
        found.hits[slot] = Hit(one, other, distance);
    }
}

fn load(place: u32, at: u32) -> u32 {
    return right[parameters.words[place / 4u][place % 4u] * parameters.right_count + at];
}

// One right code against the item's left ones.
fn meet(item: Item, at: u32) {
    var words: array<u32, 8>;
    if BOUND > 0u {
        for (var place = 0u; place < 4u; place++) {
            words[place] = load(place, at);
        }
    }
    if BOUND == 2u {
        for (var place = 4u; place < 8u; place++) {
            words[place] = load(place, at);
        }
    }
    let order = parameters.words;
    for (var index = 0u; index < item.left_count; index++) {
        var bound = 0u;
        if BOUND > 0u {
            bound = countOneBits((words[0] ^ wanted[index][order[0].x]) | (words[1] ^ wanted[index][order[0].y]))
                + countOneBits((words[2] ^ wanted[index][order[0].z]) | (words[3] ^ wanted[index][order[0].w]));
        }
        if BOUND == 2u {
            bound += countOneBits((words[4] ^ wanted[index][order[1].x]) | (words[5] ^ wanted[index][order[1].y]))
                + countOneBits((words[6] ^ wanted[index][order[1].z]) | (words[7] ^ wanted[index][order[1].w]));
        }
        if bound <= parameters.radius {
            measure(index, item.left_start + index, at);
        }
    }
}

@compute @workgroup_size(WORKGROUP)
fn meet_neighbours(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    // A workgroup beyond the last does the last one's loads and meets nothing, so that all come to every barrier.
    let number = workgroup.y * parameters.grid_width + workgroup.x;
    var item = items[min(number, parameters.item_count - 1u)];
    if number >= parameters.item_count {
        item.right_end = 0u;
    }
    for (var at = invocation; at < item.left_count * 8u; at += WORKGROUP) {
        wanted[at / 8u][at % 8u] = left[at % 8u * parameters.left_count + item.left_start + at / 8u];
    }
    // Codes of the neighbours before those in hand.
    var before = 0u;
    for (var first = 0u; first < parameters.neighbour_count; first += WORKGROUP) {
        workgroupBarrier();
        var size = 0u;
        if first + invocation < parameters.neighbour_count {
            let value = item.value ^ differences[first + invocation];
            // In a join with itself the bucket with the smaller value meets the other.
            if parameters.itself == 0u || value >= item.value {
                begins[invocation] = offsets[value];
                size = offsets[value + 1u] - offsets[value];
            }
        }
        sums[invocation] = size;
        workgroupBarrier();
        for (var reach = 1u; reach < WORKGROUP; reach *= 2u) {
            var sum = sums[invocation];
            if invocation >= reach {
                sum += sums[invocation - reach];
            }
            workgroupBarrier();
            sums[invocation] = sum;
            workgroupBarrier();
        }
        let total = sums[WORKGROUP - 1u];
        let start = max(item.right_start, before) - before;
        let end = min(max(item.right_end, before) - before, total);
        for (var at = start + invocation; at < end; at += WORKGROUP) {
            // The first neighbour whose sum is beyond.
            var low = 0u;
            var high = WORKGROUP - 1u;
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
            meet(item, begins[low] + at - earlier);
        }
        before += total;
    }
}
