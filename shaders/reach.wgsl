// The number of right hashes in all neighbours of each value of the left side: the CPU needs it to cut a band's work into items.
// CPU twin: BandedJoin in src/matching/banded_join.rs, which sums as it goes. Dispatcher: src/gpu/banded_join.rs.

override WORKGROUP: u32 = 256u;

struct Parameters {
    value_count: u32,
    // Workgroups in a row of the dispatch.
    grid_width: u32,
    neighbour_count: u32,
    // 1 if both sides are the same: the bucket with the smaller value is compared with the other.
    itself: u32,
}

@group(0) @binding(0) var<uniform> parameters: Parameters;
// Where each value of a side begins, followed by the end of the last.
@group(0) @binding(1) var<storage, read> left_offsets: array<u32>;
@group(0) @binding(2) var<storage, read> right_offsets: array<u32>;
// The differences between a value and its neighbours.
@group(0) @binding(3) var<storage, read> differences: array<u32>;
// value_count; 0 if the left side has no hash.
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
