//! A holder of contents, a case or another agency's package, in the form in which holders are compared.

use std::collections::HashMap;

use super::ShareError;
use super::package::Confirmation;
use super::read::PackageReader;
use super::set_facts::SetFacts;
use crate::case::{CaseReader, ContentRow, HashSpec, KnownFacts};
use crate::decode::DerivedFrom;
use crate::pdq::PdqHash;

/// The contents of a case or a package. Memory: some 40 bytes per content, and 270 more per picture that is compared; comparing takes
/// more than that again.
#[derive(Debug)]
pub struct Holder {
    /// Its name in rows: the path as given, escaped.
    pub label: String,
    /// Whose it is.
    pub title: String,
    pub(super) spec: HashSpec,
    /// In ascending order, each once.
    pub(super) contents: Vec<[u8; 32]>,
    /// The pictures that are compared.
    pub(super) pictures: Vec<Picture>,
    pub(super) hashes: Vec<[PdqHash; 8]>,
    set_facts: HashMap<u32, SetFacts>,
    paths: Paths,
    pub(super) aside: Aside,
}

/// A picture that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    /// Index of its content.
    pub content: u32,
    /// Whether its hash is from JPEG coefficients.
    pub from_coefficients: bool,
}

/// What is not compared by hash, or not at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Aside {
    /// Pictures of a low quality.
    pub low_quality: u64,
    /// Pictures with a hash that is all zero.
    pub null_hashes: u64,
    /// Empty contents, which connect nobody.
    pub empty: u64,
}

/// Where the paths of contents are.
#[derive(Debug)]
enum Paths {
    /// In a case, queried when needed.
    Case(Box<CaseReader>),
    /// The first path of each content that has one.
    Known(HashMap<u32, String>),
}

impl Holder {
    /// Pictures whose hashes are compared.
    #[must_use]
    pub const fn pictures(&self) -> u64 {
        self.pictures.len() as u64
    }

    /// Reads a case, as it is now.
    ///
    /// # Errors
    /// If the case cannot be read, or has more contents than can be compared.
    pub fn of_case(case: CaseReader, label: &str, min_quality: u8) -> Result<Self, ShareError> {
        case.hold_still()?;
        let number =
            case.identity()?.case_number.map(|number| crate::source::name::escape(number.as_bytes()));
        let title = number.map_or_else(|| "a case".into(), |number| format!("case {number}"));
        let mut holder = Self::new(label, title, case.spec()?, Paths::Known(HashMap::new()));
        case.for_each_content(|content| holder.add(&content, min_quality))?;
        case.for_each_content_hit(|hit| {
            holder.add_facts(&hit.sha256, &hit.hash_set, hit.confirmation == "unconfirmed", &hit.facts);
            Ok::<(), ShareError>(())
        })?;
        holder.paths = Paths::Case(Box::new(case));
        Ok(holder)
    }

    /// Reads a package to its end, and verifies it.
    ///
    /// # Errors
    /// If the package is faulty, or has more contents than can be compared.
    pub fn of_package(mut package: PackageReader, label: &str, min_quality: u8) -> Result<Self, ShareError> {
        package.refuse_other_hashes()?;
        let manifest = package.manifest();
        let (title, spec) = (manifest.title(), manifest.hash_spec.clone());
        let mut holder = Self::new(label, title, spec, Paths::Known(HashMap::new()));
        while let Some(content) = package.next_item()? {
            holder.add(&content, min_quality)?;
        }
        while let Some((sha256, hit)) = package.next_hit()? {
            holder.add_facts(
                &sha256,
                &hit.hash_set,
                hit.confirmation == Confirmation::Unconfirmed,
                &hit.facts(),
            );
        }
        let mut names = HashMap::new();
        while let Some((sha256, name)) = package.next_name()? {
            if let Some(content) = holder.find(&sha256) {
                names.entry(content).or_insert(name);
            }
        }
        package.finish()?;
        holder.paths = Paths::Known(names);
        Ok(holder)
    }

    fn new(label: &str, title: String, spec: HashSpec, paths: Paths) -> Self {
        let (contents, pictures, hashes) = Default::default();
        let (set_facts, aside) = Default::default();
        Self { label: label.into(), title, spec, contents, pictures, hashes, set_facts, paths, aside }
    }

    fn add(&mut self, content: &ContentRow, min_quality: u8) -> Result<(), ShareError> {
        if content.size == 0 {
            self.aside.empty += 1;
            return Ok(());
        }
        let index = u32::try_from(self.contents.len())
            .map_err(|_| ShareError::TooManyContents { label: self.label.clone() })?;
        self.contents.push(content.digests.sha256);
        let Some(hash) = &content.hash else { return Ok(()) };
        if hash.hash.hashes[0].is_zero() {
            self.aside.null_hashes += 1;
        } else if hash.hash.quality < min_quality {
            self.aside.low_quality += 1;
        } else {
            let from_coefficients = hash.derived_from == DerivedFrom::Coefficients;
            self.pictures.push(Picture { content: index, from_coefficients });
            self.hashes.push(hash.hash.hashes);
        }
        Ok(())
    }

    fn add_facts(&mut self, sha256: &[u8; 32], set: &str, unconfirmed: bool, facts: &KnownFacts) {
        if let Some(content) = self.find(sha256) {
            self.set_facts.entry(content).or_default().add(set, unconfirmed, facts);
        }
    }

    /// The index of a content.
    pub(super) fn find(&self, sha256: &[u8; 32]) -> Option<u32> {
        self.contents.binary_search(sha256).ok().map(|index| index as u32)
    }

    /// What hash sets record about a content, as cells.
    pub(super) fn set_facts(&self, content: u32) -> [String; 4] {
        self.set_facts.get(&content).map(SetFacts::cells).unwrap_or_default()
    }

    /// Whether a known record of a content states that the victim is identified.
    pub(super) fn is_solved(&self, content: u32) -> bool {
        self.set_facts.get(&content).is_some_and(SetFacts::is_solved)
    }

    /// The first path of the content, if known.
    pub(super) fn path(&self, content: u32) -> Result<Option<String>, ShareError> {
        match &self.paths {
            Paths::Case(case) => Ok(case.first_path(&self.contents[content as usize])?),
            Paths::Known(names) => Ok(names.get(&content).cloned()),
        }
    }
}
