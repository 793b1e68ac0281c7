//! A list for `--known` of a package: a table as `docs/known-sets.md` has it, one record a content that has bytes.
//!
//! Only this file knows the form of the list.

use std::borrow::Cow;
use std::io::Write;

use super::ShareError;
use super::package::{Confirmation, HitLine};
use super::read::PackageReader;
use super::set_facts::{SET_FACT_COLUMNS, SetFacts};
use super::write::Watch;
use crate::case::ContentRow;
use crate::source::digest::hex;
use crate::source::name::guarded;

/// Maximum bytes of the facts of one content. Quoted and with the rest of the row, whose texts are the manifest's, that is less than
/// the 1 MiB allowed for a line of a list.
const LONGEST_SET_FACTS: usize = 256 << 10;

/// Writes the list. Two readers read the package in parallel, because hits follow all contents; both verify it to its
/// end. Returns how many records it has.
///
/// # Errors
/// If the package is faulty, the sink fails, or reading is interrupted.
pub fn write_known_list(
    mut items: PackageReader,
    mut hits: PackageReader,
    watch: &Watch,
    out: &mut dyn Write,
) -> Result<u64, ShareError> {
    items.refuse_other_hashes()?;
    let manifest = items.manifest().clone();
    if *hits.manifest() != manifest {
        return Err(items.fault(super::FaultKind::Altered, "it was replaced while it was read"));
    }
    writeln!(out, "# geometry: {}", manifest.hash_spec.geometry.name()).map_err(ShareError::Sink)?;
    let mut rows = csv::Writer::from_writer(out);
    let sink = |error: csv::Error| ShareError::Sink(error.into());
    let own = ["sha256", "sha1", "md5", "pdq", "quality", "derived_from"];
    let facts = ["package_agency", "package_case", "package_exhibit", "package_contact", "package_signer"];
    rows.write_record(own.iter().chain(&facts).chain(&SET_FACT_COLUMNS)).map_err(sink)?;
    let of_package = [
        manifest.signer.agency.clone(),
        manifest.case.number.clone().unwrap_or_default(),
        manifest.case.exhibit.clone().unwrap_or_default(),
        format!("{} {}", manifest.signer.name, manifest.signer.contact),
        manifest.signer.fingerprint.clone(),
    ];
    let mut records = 0;
    let mut next = hits.next_hit()?;
    while let Some(content) = items.next_item()? {
        watch.row()?;
        let facts_of_sets = set_facts_of(&content, &mut hits, &mut next)?;
        // The digests of no bytes would match every empty file.
        if content.size == 0 {
            continue;
        }
        records += 1;
        let own = own_cells(&content);
        let cells = facts_of_sets.cells();
        let texts = of_package.iter().chain(&cells).map(|text| guarded(text));
        rows.write_record(
            own.iter()
                .map(|cell| Cow::Borrowed(&**cell))
                .chain(texts)
                .map(|cell: Cow<'_, str>| cell.into_owned()),
        )
        .map_err(sink)?;
    }
    rows.flush().map_err(ShareError::Sink)?;
    hits.finish()?;
    items.finish()?;
    Ok(records)
}

/// The facts of a content's hits; `next` is the first hit not consumed yet.
fn set_facts_of(
    content: &ContentRow,
    hits: &mut PackageReader,
    next: &mut Option<([u8; 32], HitLine)>,
) -> Result<SetFacts, ShareError> {
    let mut facts_of_sets = SetFacts::default();
    while let Some((sha256, hit)) = next.take() {
        if sha256 > content.digests.sha256 {
            *next = Some((sha256, hit));
            break;
        }
        // A hit without content is a fault, which the end of the reading reports.
        if sha256 == content.digests.sha256 {
            facts_of_sets.add(&hit.hash_set, hit.confirmation == Confirmation::Unconfirmed, &hit.facts());
            if facts_of_sets.length() > LONGEST_SET_FACTS {
                let content = hex(&sha256);
                return Err(hits.fault(
                    super::FaultKind::TooLongForAList,
                    format!(
                        "the facts in the hits of the content {content} exceed {LONGEST_SET_FACTS} bytes"
                    ),
                ));
            }
        }
        *next = hits.next_hit()?;
    }
    Ok(facts_of_sets)
}

fn own_cells(content: &ContentRow) -> [String; 6] {
    let hash = content.hash.as_ref();
    let of_hash = |cell: &dyn Fn(&crate::case::ContentHash) -> String| hash.map_or_else(String::new, cell);
    [
        hex(&content.digests.sha256),
        hex(&content.digests.sha1),
        hex(&content.digests.md5),
        of_hash(&|hash| hash.hash.hashes[0].to_string()),
        of_hash(&|hash| hash.hash.quality.to_string()),
        of_hash(&|hash| hash.derived_from.name().to_string()),
    ]
}
