// The adapter's peak rate for the main operation of the flat search: population counts, in registers only.

override ROUNDS: u32 = 1024u;

@group(0) @binding(0) var<storage, read_write> sums: array<u32>;

@compute @workgroup_size(256)
fn peak(@builtin(global_invocation_id) global: vec3<u32>) {
    var a = vec4<u32>(global.x, global.x + 1u, global.x + 2u, global.x + 3u);
    var b = a * 2654435761u;
    for (var round = 0u; round < ROUNDS; round++) {
        // Each count depends on the last of its lane, so that none can be left out.
        a += countOneBits(a ^ b);
        b += countOneBits(b ^ vec4<u32>(round));
    }
    let sum = a + b;
    sums[global.x] = sum.x + sum.y + sum.z + sum.w;
}
