//! The summary at the end of a run: what was found, in counts that add up. [`super::text`] formats it as
//! text.

use std::time::Duration;

use serde::Serialize;

use crate::case::{CaseError, CaseIdentity, CaseReader, RuleCount, SetCounts};
use crate::engine::profile::{Limit, ProfileReport};
use crate::outcome::Outcome;
use crate::source::name::{escape, escape_path};

/// What one run did, for its throughput.
#[derive(Clone, Debug, PartialEq)]
pub struct RunFigures {
    /// Wall time of the command, including hash sets and summary.
    pub took: Duration,
    /// Files that this run finished.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Pictures that this run decoded and hashed.
    pub pictures: u64,
    /// Contents of earlier runs that this run matched against hash sets, counted once for each set.
    pub matched: u64,
    /// Candidates of this run that were verified from pixels and are hits.
    pub confirmed: u64,
    /// Candidates of this run that were verified from pixels and are not hits.
    pub refuted: u64,
    /// Candidates of this run that could not be verified.
    pub unverified: u64,
    /// Where its time went.
    pub profile: ProfileReport,
    /// Whether to report all of that, not only the bottleneck.
    pub profile_stages: bool,
    /// Notices about the run: a lost GPU, changed files.
    pub notices: Vec<String>,
}

/// A case in figures. Serialises as the JSON form of the summary.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The case's folder, escaped.
    pub case: String,
    /// The case's identity, escaped.
    pub identity: CaseIdentity,
    /// "full" or "te512".
    pub geometry: &'static str,
    /// "auto" or "pixels".
    pub decode: &'static str,
    /// The sources, escaped.
    pub sources: Vec<String>,
    /// Sources whose last run was stopped before their end.
    pub incomplete_sources: Vec<String>,
    /// Items that were discovered: the sum of `outcomes` and `unfinished`.
    pub discovered: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Items of an interrupted run that are not finished.
    pub unfinished: u64,
    /// Items by outcome.
    pub outcomes: Vec<OutcomeCount>,
    /// Hash sets and their hits.
    pub hash_sets: Vec<SetCounts>,
    /// Items with a hit in any set.
    pub items_with_hits: u64,
    /// Pictures with a hash and without a hit, copies included: what no set knows.
    pub pictures_without_hits: u64,
    /// Perceptual hits that are not confirmed from pixels, by reason.
    pub unconfirmed: Vec<UnconfirmedCount>,
    /// Perceptual hits by distance, those that are confirmed from pixels.
    pub distances: Vec<DistanceCount>,
    /// Items by the rule of priority that decided them, in review order.
    pub priorities: Vec<RuleCount>,
    /// This run.
    pub run: RunSummary,
}

/// Items of one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct OutcomeCount {
    /// The outcome.
    pub outcome: Outcome,
    /// Items.
    pub items: u64,
}

/// Perceptual hits that are not confirmed for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnconfirmedCount {
    /// "digest_hit", "verify_off", "source_gone", "over_limit" or "decoder_failed".
    pub because: String,
    /// Hits.
    pub hits: u64,
}

/// Perceptual hits of one distance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DistanceCount {
    /// Differing bits of 256.
    pub distance: u32,
    /// Hits.
    pub hits: u64,
}

/// [`RunFigures`] as reported.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// Wall time.
    pub seconds: f64,
    /// Files that this run finished.
    pub files: u64,
    /// Bytes of these files.
    pub bytes: u64,
    /// Pictures that this run hashed.
    pub pictures: u64,
    /// Contents of earlier runs that this run matched against hash sets, counted once for each set.
    pub matched: u64,
    /// Candidates of this run that were verified from pixels and are hits.
    pub confirmed: u64,
    /// Candidates of this run that were verified from pixels and are not hits.
    pub refuted: u64,
    /// Candidates of this run that could not be verified.
    pub unverified: u64,
    /// The bottleneck.
    pub limited_by: Option<Limit>,
    /// Where the time went, if requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<ProfileReport>,
    /// Notices.
    pub notices: Vec<String>,
}

/// Sums a case up.
///
/// # Errors
/// If the case cannot be read, or is read in a [snapshot](CaseReader::snapshot) already.
pub fn summary(case: &CaseReader, run: RunFigures) -> Result<Summary, CaseError> {
    let _snapshot = case.snapshot()?;
    let (spec, counts) = (case.spec()?, case.item_counts()?);
    let (outcomes, hits) = (case.outcome_counts()?, case.hit_counts()?);
    let unconfirmed = case.unconfirmed_counts()?.into_iter();
    let distances = case.distance_counts()?.into_iter();
    Ok(Summary {
        case: escape_path(case.folder()),
        identity: escaped(case.identity()?),
        geometry: spec.geometry.name(),
        decode: spec.decode.name(),
        sources: case.sources()?,
        incomplete_sources: case.incomplete_sources()?,
        discovered: counts.items,
        bytes: counts.bytes,
        unfinished: counts.unfinished,
        hash_sets: case.set_counts()?,
        items_with_hits: hits.items,
        pictures_without_hits: outcomes.pictures_without_hits(&hits)?,
        outcomes: outcomes
            .by_outcome
            .into_iter()
            .map(|(outcome, items)| OutcomeCount { outcome, items })
            .collect(),
        unconfirmed: unconfirmed.map(|(because, hits)| UnconfirmedCount { because, hits }).collect(),
        distances: distances.map(|(distance, hits)| DistanceCount { distance, hits }).collect(),
        priorities: case.rule_counts()?,
        run: RunSummary {
            seconds: run.took.as_secs_f64(),
            files: run.files,
            bytes: run.bytes,
            pictures: run.pictures,
            matched: run.matched,
            confirmed: run.confirmed,
            refuted: run.refuted,
            unverified: run.unverified,
            limited_by: run.profile.limited_by,
            profile: run.profile_stages.then_some(run.profile),
            notices: run.notices,
        },
    })
}

/// The texts as shown.
pub(super) fn escaped(identity: CaseIdentity) -> CaseIdentity {
    let escaped = |text: Option<String>| text.map(|text| escape(text.as_bytes()));
    CaseIdentity {
        case_number: escaped(identity.case_number),
        exhibit: escaped(identity.exhibit),
        examiner: escaped(identity.examiner),
    }
}
