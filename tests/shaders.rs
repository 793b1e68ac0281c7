//! Every shader is valid, and its structures lie as `gpu::layout` mirrors them. Needs no GPU.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and reports what it skips"
)]

use std::collections::BTreeMap;
use std::fs;
use std::mem::{offset_of, size_of};
use std::path::Path;

use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{Module, TypeInner};
use tamis::gpu::layout::{
    BandItem, BandParameters, FlatHit, FlatParameters, GpuDihedralHashes, HashParameters, ReachParameters,
    SortParameters,
};

/// The shaders as they are compiled: `pairs` goes before those that need it.
fn shaders() -> BTreeMap<String, String> {
    let mut shaders = shaders_in("shaders");
    let pairs = shaders.remove("pairs").unwrap();
    for name in ["flat", "banded_join"] {
        shaders.get_mut(name).unwrap().insert_str(0, &pairs);
    }
    shaders
}

fn shaders_in(folder: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let shaders = files.filter(|path| path.extension().is_some_and(|extension| extension == "wgsl"));
    shaders
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().into(), fs::read_to_string(&path).unwrap()))
        .collect()
}

fn parse(name: &str, source: &str) -> Result<Module, String> {
    let module = naga::front::wgsl::parse_str(source)
        .map_err(|error| format!("{name}: {}", error.emit_to_string(source)))?;
    // No capability beyond what every adapter has.
    let mut validator = Validator::new(ValidationFlags::all(), Capabilities::empty());
    validator.validate(&module).map_err(|error| format!("{name}: {}", error.emit_to_string(source)))?;
    Ok(module)
}

/// Offsets and size of a structure, as the shader has them.
fn layout(module: &Module, structure: &str) -> (Vec<(String, u32)>, u32) {
    let structure_type = module.types.iter().find(|(_, kind)| kind.name.as_deref() == Some(structure));
    let Some((_, naga::Type { inner: TypeInner::Struct { members, span }, .. })) = structure_type else {
        panic!("no structure {structure}");
    };
    (members.iter().map(|member| (member.name.clone().unwrap(), member.offset)).collect(), *span)
}

macro_rules! mirror {
    ($structure:ty, $($field:ident),+) => {
        (
            vec![$((stringify!($field).to_string(), offset_of!($structure, $field) as u32)),+],
            size_of::<$structure>() as u32,
        )
    };
}

#[test]
fn every_shader_is_valid_and_has_its_entry_points() {
    let entries = |(name, source): (String, String)| {
        let module = parse(&name, &source).unwrap();
        let entries: Vec<String> = module.entry_points.iter().map(|entry| entry.name.clone()).collect();
        format!("{name}: {}", entries.join(", "))
    };
    let shaders: Vec<String> = shaders().into_iter().map(entries).collect();
    let expected = [
        "banded_join: match_neighbours",
        "flat: search",
        "hash: hash_tiles",
        "reach: reach",
        "sort: count, place",
    ];
    assert_eq!(shaders, expected);
    let benches: Vec<String> = shaders_in("benches").into_iter().map(entries).collect();
    assert_eq!(benches.len(), 1);
    assert!(benches[0].starts_with("popcount_peak: "), "{}", benches[0]);
}

/// The twin that must fail: a shader that adds a float to an integer.
#[test]
fn an_invalid_shader_is_refused() {
    let source = shaders()["hash"].replace("var steps = 0u;", "var steps = 0.5;");
    assert!(parse("hash", &source).is_err());
}

#[test]
fn structures_lie_as_they_are_mirrored() {
    let shaders = shaders();
    let hash = parse("hash", &shaders["hash"]).unwrap();
    assert_eq!(layout(&hash, "Parameters"), mirror!(HashParameters, tile_count, grid_width));
    assert_eq!(layout(&hash, "DihedralHashes"), mirror!(GpuDihedralHashes, hashes, quality));
    let flat = parse("flat", &shaders["flat"]).unwrap();
    assert_eq!(layout(&flat, "Hit"), mirror!(FlatHit, query, haystack, distance));
    // The count before the hits, which `gpu::flat` reads apart.
    let fields = [("count", 0), ("hits", 4)].map(|(name, offset)| (name.to_string(), offset));
    assert_eq!(layout(&flat, "HitBuffer").0, fields);
    let parameters = mirror!(
        FlatParameters,
        query_count,
        first_four,
        end_four,
        hash_end,
        plane_stride,
        radius,
        capacity,
        hash_offset
    );
    assert_eq!(layout(&flat, "Parameters"), parameters);
    let sort = parse("sort", &shaders["sort"]).unwrap();
    assert_eq!(
        layout(&sort, "Parameters"),
        mirror!(SortParameters, hash_count, grid_width, start, width, words)
    );
    let reach = parse("reach", &shaders["reach"]).unwrap();
    let reach_parameters = mirror!(ReachParameters, value_count, grid_width, neighbour_count, itself);
    assert_eq!(layout(&reach, "Parameters"), reach_parameters);
    let bands = parse("banded_join", &shaders["banded_join"]).unwrap();
    assert_eq!(layout(&bands, "Hit"), mirror!(FlatHit, query, haystack, distance));
    assert_eq!(layout(&bands, "HitBuffer").0, fields);
    let item = mirror!(BandItem, value, left_start, left_count, right_start, right_end);
    assert_eq!(layout(&bands, "Item"), item);
    let band_parameters = mirror!(
        BandParameters,
        left_count,
        right_count,
        item_count,
        grid_width,
        neighbour_count,
        radius,
        capacity,
        band,
        itself,
        places,
        bands
    );
    assert_eq!(layout(&bands, "Parameters"), band_parameters);
    // The twin that must fail: one more field, which moves those after it.
    let longer = shaders["flat"].replace("    radius: u32,", "    surplus: u32,\n    radius: u32,");
    assert_ne!(layout(&parse("flat", &longer).unwrap(), "Parameters"), parameters);
}

/// Buffers are bound by their place in a list: the dispatchers' and the shaders' order is the same.
#[test]
fn bindings_are_in_the_order_of_the_dispatchers() {
    let shaders = shaders();
    let bindings = |shader: &str, source: &str| -> Vec<(u32, u32, String)> {
        let module = parse(shader, source).unwrap();
        let mut bindings: Vec<_> = module
            .global_variables
            .iter()
            .filter_map(|(_, variable)| {
                let binding = variable.binding?;
                Some((binding.group, binding.binding, variable.name.clone().unwrap()))
            })
            .collect();
        bindings.sort();
        bindings
    };
    let expected = |names: &[&str]| -> Vec<(u32, u32, String)> {
        (0..).zip(names).map(|(binding, name)| (0, binding, name.to_string())).collect()
    };
    assert_eq!(bindings("hash", &shaders["hash"]), expected(&["parameters", "cosines", "tiles", "hashes"]));
    let flat = expected(&["parameters", "haystack", "queries", "hit_buffer"]);
    assert_eq!(bindings("flat", &shaders["flat"]), flat);
    let sort = expected(&["parameters", "hashes", "values", "placed", "numbers"]);
    assert_eq!(bindings("sort", &shaders["sort"]), sort);
    let reach = expected(&["parameters", "left_offsets", "right_offsets", "differences", "reaches"]);
    assert_eq!(bindings("reach", &shaders["reach"]), reach);
    let bands = expected(&[
        "parameters",
        "left",
        "right",
        "left_numbers",
        "right_numbers",
        "offsets",
        "differences",
        "items",
        "hit_buffer",
    ]);
    assert_eq!(bindings("banded_join", &shaders["banded_join"]), bands);
    // The twin that must fail: two buffers swapped.
    let swapped = shaders["flat"].replace("@binding(1)", "@binding(9)").replace("@binding(2)", "@binding(1)");
    assert_ne!(bindings("flat", &swapped.replace("@binding(9)", "@binding(2)")), flat);
}

/// The numbers that enter through `override` are those that the shaders name.
#[test]
fn overrides_are_named_in_the_shaders() {
    let shaders = shaders();
    let names = |shader: &str| -> Vec<String> {
        let module = parse(shader, &shaders[shader]).unwrap();
        // An array's length that is computed from one is an override without a name.
        module.overrides.iter().filter_map(|(_, value)| value.name.clone()).collect()
    };
    assert_eq!(names("hash"), ["PASS_SHIFT", "FULL_SCALE"]);
    assert_eq!(names("flat"), ["BOUND", "WORKGROUP", "QUERY_GROUP", "FOURS"]);
    assert_eq!(names("sort"), ["WORKGROUP"]);
    assert_eq!(names("reach"), ["WORKGROUP"]);
    assert_eq!(names("banded_join"), ["BOUND", "WORKGROUP", "LEFT"]);
}
