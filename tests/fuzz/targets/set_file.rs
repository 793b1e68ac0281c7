//! Any bytes as a set file: it is refused, or everything in it can be asked for without a panic.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use tamis::known::{ImportControl, SetFile};

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("tamis-fuzz-set-{}", std::process::id()));
    fs::write(&path, bytes).unwrap();
    let Ok(set) = SetFile::open(&path) else { return };
    let _ = set.verify(&ImportControl::default());
    let _ = (set.find_md5(&[0; 16]), set.find_sha1(&[255; 20]), set.find_sha256(&[127; 32]));
    let _ = set.hashes();
    let _ = set.photodna();
    for record in [0, 1, u32::MAX] {
        let _ = set.record(record);
    }
});
