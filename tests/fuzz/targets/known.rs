//! Any bytes: an import ends with a set or a reason, whatever format they are taken for, and never panics; a set that it
//! made is sound.
#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use tamis::known::profile::Profile;
use tamis::known::{ImportControl, ImportFormat, ImportOptions, SetFile, import};
use tamis::pdq::Geometry;

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let folder = std::env::temp_dir().join(format!("tamis-fuzz-{}", std::process::id()));
    let (source, set) = (folder.join("source"), folder.join("set"));
    let _ = fs::create_dir(&folder);
    fs::write(&source, bytes).unwrap();
    let options = ImportOptions {
        profile: Profile::built_in("known").unwrap(),
        name: None,
        version: None,
        // The last choices leave it to the content.
        format: ImportFormat::ALL.get(usize::from(choice >> 1 & 7)).copied(),
        columns: None,
        list: None,
        skip_bad_records: choice & 1 == 0,
        geometry: Geometry::Full,
    };
    if import(&[source], &set, &options, &ImportControl::default()).is_ok() {
        SetFile::open(&set).unwrap().verify(&ImportControl::default()).unwrap();
        fs::remove_file(&set).unwrap();
    }
});
