//! Walking the sources of an ingest: what the case has already is passed over, the rest goes to the readers.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::pass::{Pass, Run, source_error};
use super::profile::{Stage, Stopwatch};
use super::progress::Progress;
use super::reader::{Grouper, Listed};
use super::runner::{Finding, Out};
use super::{CancelToken, EngineError};
use crate::case::{ItemState, ProgressReader, SourceId};
use crate::source::{Entry, EntryKind, FileStamp, Provenance, Tree};

/// A file of a source, as the case will name it.
#[derive(Debug)]
pub(super) struct Item {
    pub source: SourceId,
    pub stamp: FileStamp,
}

/// What the walkers of a run share.
pub(super) struct Walkers<'a> {
    pub run: &'a Run<'a>,
    pub cancel: &'a CancelToken,
    pub roots: &'a [(SourceId, Arc<Path>)],
    pub pass: Pass<'a>,
    pub tree: Tree,
    /// Files that the case knew with another size or time of change.
    pub changed: AtomicU64,
}

/// One walker and where it sends what it finds.
pub(super) struct Walker<'a> {
    shared: &'a Walkers<'a>,
    /// `None` where no source has items yet: then there is nothing to ask.
    done: Option<ProgressReader>,
    grouper: Grouper<Item>,
    out: Out<Item>,
    /// Runs but while the walker waits.
    watch: Option<Stopwatch<'a>>,
    seen: u64,
    failed: Option<EngineError>,
}

impl<'a> Walker<'a> {
    pub fn new(shared: &'a Walkers<'a>, done: Option<ProgressReader>, out: Out<Item>) -> Self {
        let grouper = Grouper::new(shared.run.settings.run.jobs);
        Self { shared, done, grouper, out, watch: None, seen: 0, failed: None }
    }

    /// Lists folders until there are none.
    ///
    /// # Errors
    /// A source cannot be looked at, or the case cannot be read.
    pub fn run(mut self) -> Result<(), EngineError> {
        let shared = self.shared;
        match &shared.pass {
            Pass::Suspects(entries) => {
                for (source, entry) in *entries {
                    self.visit(*source, entry.clone());
                }
            }
            Pass::All { .. } => self.list()?,
        }
        self.wait();
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        let rest = self.grouper.take();
        if !rest.is_empty() {
            // Nobody left to read for: the run has ended for a reason that others tell.
            let _ = self.out.files.send(rest);
        }
        Ok(())
    }

    fn list(&mut self) -> Result<(), EngineError> {
        let shared = self.shared;
        // A folder without files asks no visitor whether to go on.
        while self.failed.is_none()
            && !shared.cancel.is_cancelled()
            && let Some(branch) = shared.tree.next()
        {
            let source = branch.source();
            self.go_on();
            let listed = branch.list(&mut |source, entry| self.visit(source, entry));
            self.wait();
            listed.map_err(|error| source_error(&shared.roots[source].1, error))?;
        }
        Ok(())
    }

    fn go_on(&mut self) {
        self.watch = Some(self.shared.run.progress.profile.start(Stage::Walking));
    }

    fn wait(&mut self) {
        if let Some(Err(error)) = self.done.as_ref().map(ProgressReader::rest) {
            self.failed.get_or_insert(error.into());
        }
        let seen = std::mem::take(&mut self.seen);
        if let Some(watch) = self.watch.take() {
            watch.stop(seen, 0);
        }
    }

    /// Returns whether to go on.
    fn visit(&mut self, source: usize, entry: Entry) -> bool {
        let run = self.shared.run;
        if self.failed.is_some() || self.shared.cancel.is_cancelled() {
            return false;
        }
        self.seen += 1;
        if run.settings.run.exclude.leave_out(&entry.relative) {
            run.progress.exclude(&entry.stamp);
            return true;
        }
        // A suspect was counted by the pass that tried it.
        let counted = matches!(&self.shared.pass, Pass::All { tried } if tried.contains(&(source, &entry.relative[..])));
        let (source, root) = &self.shared.roots[source];
        let source = *source;
        match self.state(source, &entry) {
            Ok(ItemState::Done) => {
                Progress::add(&run.progress.files_skipped, u64::from(!counted));
                return true;
            }
            Ok(ItemState::Changed) => Progress::add(&self.shared.changed, 1),
            Ok(ItemState::ToDo) => {}
            Err(error) => {
                self.failed.get_or_insert(error);
                return false;
            }
        }
        Progress::add(&run.progress.files_found, 1);
        Progress::add(&run.progress.bytes_found, entry.stamp.size.unwrap_or(0));
        let Entry { relative, kind, stamp } = entry;
        let place = Provenance::of_file(Arc::clone(root), relative);
        match kind {
            EntryKind::File => {
                let size = stamp.size.unwrap_or(0);
                let file = Listed { place, size, about: Item { source, stamp } };
                let Some(group) = self.grouper.push(file) else { return true };
                self.wait();
                let sent = self.out.files.send(group).is_ok();
                self.go_on();
                sent
            }
            EntryKind::Failed(failure) => {
                let finding = Finding::failed(place, Item { source, stamp }, failure);
                self.wait();
                let sent = self.out.failed.send(vec![finding]).is_ok();
                self.go_on();
                sent
            }
        }
    }

    fn state(&self, source: SourceId, entry: &Entry) -> Result<ItemState, EngineError> {
        match &self.done {
            Some(done) => Ok(done.state(source, &entry.relative, &entry.stamp)?),
            None => Ok(ItemState::ToDo),
        }
    }
}

impl Walkers<'_> {
    /// Files that the case knew with another size or time of change.
    pub fn changed(&self) -> u64 {
        self.changed.load(Ordering::Relaxed)
    }
}
