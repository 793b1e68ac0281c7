//! Imports fixtures: the sources of make.py, and a folder that may hold nothing but a set.

use std::fs;
use std::path::{Path, PathBuf};

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};
use tamis::known::profile::Profile;
use tamis::known::{ImportControl, ImportOptions, Imported, SetFile, import};
use tamis::pdq::Geometry;
use tempfile::TempDir;

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/known").join(name)
}

/// The bytes of make.py's digests.
pub fn made_up(number: u32) -> String {
    format!("tamis fixture {number}")
}

pub fn md5(number: u32) -> [u8; 16] {
    Md5::digest(made_up(number)).into()
}

pub fn sha1(number: u32) -> [u8; 20] {
    Sha1::digest(made_up(number)).into()
}

pub fn sha256(number: u32) -> [u8; 32] {
    Sha256::digest(made_up(number)).into()
}

pub fn pdq(number: u32) -> [u8; 32] {
    Sha256::digest(format!("pdq {number}")).into()
}

pub fn options(profile: &str) -> ImportOptions {
    ImportOptions {
        profile: Profile::built_in(profile).unwrap(),
        name: None,
        version: None,
        format: None,
        columns: None,
        list: None,
        skip_bad_records: false,
        geometry: Geometry::Full,
    }
}

/// A folder for sets, which must hold nothing but what is expected.
pub struct Sets(pub TempDir);

impl Sets {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self) -> PathBuf {
        self.0.path().join("out.set")
    }

    /// Imports, and checks that there is a set or nothing.
    pub fn import(&self, inputs: &[PathBuf], options: &ImportOptions) -> Result<Imported, String> {
        let _ = fs::remove_file(self.path());
        let imported = import(inputs, &self.path(), options, &ImportControl::default());
        let left: Vec<_> =
            fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, if imported.is_ok() { vec!["out.set"] } else { Vec::new() });
        imported.map_err(|error| error.to_string())
    }

    pub fn set(&self, names: &[&str], options: &ImportOptions) -> SetFile {
        let inputs: Vec<PathBuf> = names.iter().map(|name| fixture(name)).collect();
        self.import(&inputs, options).unwrap();
        let set = SetFile::open(&self.path()).unwrap();
        set.verify(&ImportControl::default()).unwrap();
        set
    }
}
