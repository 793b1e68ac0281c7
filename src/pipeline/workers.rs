//! The workers of an ingest: digests first, then decoding of what no other file had.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use crossbeam_channel::{Receiver, Sender};

use super::CancelToken;
use super::examine::Examiner;
use super::finish::{Finding, FoundContent};
use super::in_hand::Named;
use super::profile::{Profile, Queue};
use super::reader::{Content, Listed, ReadFile, ReadGroup};
use super::walkers::Item;
use crate::case::{ItemRecord, PlaceState, Within};
use crate::source::trivial::is_trivial;
use crate::source::{Digests, Step};

/// What the workers of a run share.
pub(super) struct Workers<'a> {
    pub examiner: &'a Examiner<'a>,
    /// SHA-256 of contents that are in the case, or in the hands of a worker.
    pub seen: Mutex<HashSet<[u8; 32]>>,
    pub cancel: &'a CancelToken,
    pub profile: &'a Profile,
}

impl Workers<'_> {
    /// One worker. What is queued when the run is cancelled is left for the next one.
    pub fn run(&self, groups: &Receiver<ReadGroup<'_, Item>>, findings: &Sender<Vec<Finding>>) {
        for group in groups {
            self.profile.saw(Queue::ToDecode, groups.len(), groups.capacity());
            // The permit is held as long as the bytes.
            let ReadGroup { bytes, files, permit: _permit } = group;
            let mut found = Vec::with_capacity(files.len());
            for file in files {
                if self.cancel.is_cancelled() {
                    break;
                }
                found.extend(self.examine(file, &bytes));
            }
            if !found.is_empty() && findings.send(found).is_err() {
                return;
            }
        }
    }

    /// `None` where the run ended before the file did.
    fn examine(&self, file: ReadFile<Item>, bytes: &[u8]) -> Option<Finding> {
        let Listed { path, size, about } = file.listed;
        let (result, content) = match file.content {
            Err(failure) => (Err(failure), None),
            Ok(Content::Held(range)) => {
                let bytes = &bytes[range];
                let digests = self.examiner.digest(bytes);
                let content = self.is_first(&digests).then(|| {
                    let named = Named { path: &path, size, sha256: Some(&digests.sha256) };
                    let (facts, picture) = self.examiner.picture(bytes, named);
                    let (size, trivial) = (bytes.len() as u64, is_trivial(bytes));
                    FoundContent { digests, size, facts, picture, trivial }
                });
                (Ok(digests), content)
            }
            Ok(Content::Stream(head, blocks)) => match blocks.digest(self.profile)? {
                Err(failure) => (Err(failure), None),
                Ok((digests, trivial)) => {
                    let content = self.is_first(&digests).then(|| {
                        let named = Named { path: &path, size, sha256: Some(&digests.sha256) };
                        let (facts, failure) = self.examiner.unheld(head, named);
                        FoundContent { digests, size, facts, picture: Err(failure), trivial }
                    });
                    (Ok(digests), content)
                }
            },
            // Digests are wanted of every file of an ingest, so that readers give no bare heads.
            Ok(Content::Head(head)) => {
                let named = Named { path: &path, size, sha256: None };
                (Err(self.examiner.unheld(head, named).1), None)
            }
        };
        let Item { source, relative, stamp } = about;
        let (within, step) = (Within::Source(source), Step::name(relative).to_bytes());
        Some(Finding { item: ItemRecord { within, step, state: PlaceState::Live, stamp, result }, content })
    }

    fn is_first(&self, digests: &Digests) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(digests.sha256)
    }
}
