// How many hashes of the right side all neighbours of each value of the left side have: what the CPU needs to know to cut a band's work
// into items.
// CPU twin: BandedJoin in src/matching/banded_join.rs, which sums as it goes. Dispatcher: src/gpu/banded_join.rs.

override WORKGROUP: u32 = 256u;

struct Parameters {
    value_count: u32,
    // Workgroups in a row of the dispatch.
    grid_width: u32,
    neighbour_count: u32,
    // 1 where both sides are the same: the bucket with the smaller value meets the other.
    itself: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
// Where each value of a side begins, and behind the last where it ends.
@group(0) @binding(1) var<storage, read> left_offsets: array<u32>;
@group(0) @binding(2) var<storage, read> right_offsets: array<u32>;
// What a value's neighbours differ by.
@group(0) @binding(3) var<storage, read> differences: array<u32>;
// value_count; 0 where the left side has no hash.
@group(0) @binding(4) var<storage, read_write> reaches: array<u32>;

@compute @workgroup_size(WORKGROUP)
fn reach(
    @builtin(workgroup_id) workgroup: vec3<u32>,
    @builtin(local_invocation_index) invocation: u32,
) {
    let value = (workgroup.y * parameters.grid_width + workgroup.x) * WORKGROUP + invocation;
    if value >= parameters.value_count {
        return;
    }
    var sum = 0u;
    let is_empty = left_offsets[value] == left_offsets[value + 1u];
    let neighbours = select(parameters.neighbour_count, 0u, is_empty);
    for (var index = 0u; index < neighbours; index++) {
        let other = value ^ differences[index];
        if parameters.itself == 0u || other >= value {
            sum += right_offsets[other + 1u] - right_offsets[other];
        }
    }
    reaches[value] = sum;
}
