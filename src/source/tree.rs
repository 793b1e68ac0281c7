//! Listing sources with several threads: every name once, in no order, links not followed.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::folder::{self, Folder, Found, Look};
use super::walk::{Entry, MAX_OPEN, entry, push_name, unlistable};

/// Folders that wait to be listed, at most; beyond them a walker goes down at once instead of remembering.
const MAX_WAITING: usize = 4096;
/// From paths of so many bytes on a walker goes down at once, from handle to handle, as far as [`MAX_OPEN`] lets it: a folder that
/// waits is opened by its path, of which the system takes so much at a time (`super::folder`).
const LONG: usize = 1024;
/// Names of one folder that are sorted and looked at together.
const CHUNK: usize = 1024;

/// The sources of a run, while walkers list them. Each walker takes folders with [`Tree::next`] until there
/// are none, and lists them.
///
/// What is held is bounded by constants, not by what the sources hold: folders waiting, and a chunk of names
/// for each folder that a walker has open. Only the branches more than `MAX_OPEN` folders below a place where
/// `MAX_WAITING` others waited come on top.
#[derive(Debug)]
pub struct Tree {
    state: Mutex<State>,
    changed: Condvar,
    max_waiting: usize,
    failed_before: HashSet<(usize, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Branch>,
    /// Branches that walkers have in hand, and that may bring more.
    taken: usize,
    stopped: bool,
    /// Of the folders that failed before: those that were listed to their end.
    read_again: Vec<(usize, Vec<u8>)>,
}

/// A source, or a folder somewhere in it.
#[derive(Debug)]
struct Branch {
    source: usize,
    path: PathBuf,
    /// Its raw bytes below the source; empty for the source itself.
    relative: Vec<u8>,
}

/// A branch in the hands of a walker.
#[derive(Debug)]
pub struct Taken<'a> {
    tree: &'a Tree,
    branch: Branch,
}

impl Tree {
    /// `sources` are folders or single files; entries name them by their place in it.
    #[must_use]
    pub fn new(sources: &[PathBuf]) -> Self {
        Self::with_limit(sources, MAX_WAITING)
    }

    fn with_limit(sources: &[PathBuf], max_waiting: usize) -> Self {
        let branch =
            |(source, path): (usize, &PathBuf)| Branch { source, path: path.clone(), relative: Vec::new() };
        // The last that waits is taken first.
        let waiting = sources.iter().enumerate().rev().map(branch).collect();
        let state = State { waiting, ..State::default() };
        Self { state: Mutex::new(state), changed: Condvar::new(), max_waiting, failed_before: HashSet::new() }
    }

    /// Notes which of these folders, as the place of their source in the list and their raw bytes below it, are listed to their end
    /// this time.
    #[must_use]
    pub fn noting(mut self, failed_before: HashSet<(usize, Vec<u8>)>) -> Self {
        self.failed_before = failed_before;
        self
    }

    /// Of the folders that [`Tree::noting`] named: those that were listed to their end.
    #[must_use]
    pub fn read_again(&self) -> Vec<(usize, Vec<u8>)> {
        self.lock().read_again.clone()
    }

    /// The next folder to list. Waits while others may still find some; `None` when all is listed, or a visitor
    /// has ended the walk.
    #[must_use]
    pub fn next(&self) -> Option<Taken<'_>> {
        let mut state = self.lock();
        loop {
            if state.stopped {
                return None;
            }
            // The last found first: down before sideways, which keeps few waiting.
            if let Some(branch) = state.waiting.pop() {
                state.taken += 1;
                return Some(Taken { tree: self, branch });
            }
            if state.taken == 0 {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends the walk for all walkers.
    fn stop(&self) {
        self.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Lets a folder wait for any walker; gives it back where the walker is to list it itself. Deeper ones than [`MAX_OPEN`] wait after
    /// all: open files are scarcer than memory.
    fn leave(&self, branch: Branch, open: usize) -> Option<Branch> {
        let mut state = self.lock();
        let go_down = state.waiting.len() >= self.max_waiting || branch.path.as_os_str().len() >= LONG;
        if go_down && open < MAX_OPEN {
            return Some(branch);
        }
        state.waiting.push(branch);
        drop(state);
        self.changed.notify_one();
        None
    }

    /// Returns whether to go on.
    fn list(
        &self,
        branch: &Branch,
        opened: io::Result<Folder>,
        open: usize,
        visit: &mut dyn FnMut(usize, Entry) -> bool,
    ) -> bool {
        let failed = |error: &io::Error| unlistable(&branch.path, &branch.relative, error);
        let mut listing = match opened {
            Ok(listing) => listing,
            Err(error) => return visit(branch.source, failed(&error)),
        };
        let mut whole = true;
        loop {
            let mut chunk = Vec::new();
            let mut ended = true;
            while chunk.len() < CHUNK
                && let Some(child) = listing.next()
            {
                ended = false;
                match child {
                    Ok(child) => chunk.push(child),
                    Err(error) => {
                        whole = false;
                        if !visit(branch.source, failed(&error)) {
                            return false;
                        }
                    }
                }
            }
            if ended {
                break;
            }
            sort_by_place(&mut chunk);
            for child in chunk {
                if !self.look_at(branch, &listing, &child, open, visit) {
                    return false;
                }
            }
        }
        if whole && !self.failed_before.is_empty() {
            let folder = (branch.source, branch.relative.clone());
            if self.failed_before.contains(&folder) {
                self.lock().read_again.push(folder);
            }
        }
        true
    }

    fn look_at(
        &self,
        parent: &Branch,
        folder: &Folder,
        child: &Found,
        open: usize,
        visit: &mut dyn FnMut(usize, Entry) -> bool,
    ) -> bool {
        let path = parent.path.join(&child.name);
        let mut relative = Vec::with_capacity(parent.relative.len() + 1 + child.name.len());
        relative.extend_from_slice(&parent.relative);
        push_name(&mut relative, &child.name);
        let looked = (!child.is_folder).then(|| folder.look(child));
        match looked.filter(|looked| !looked.as_ref().is_ok_and(Look::is_folder)) {
            Some(looked) => visit(parent.source, entry(path, relative, looked)),
            None => {
                let branch = Branch { source: parent.source, path, relative };
                self.leave(branch, open)
                    .is_none_or(|branch| self.list(&branch, folder.enter(child), open + 1, visit))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    /// The place of its source in the list.
    #[must_use]
    pub const fn source(&self) -> usize {
        self.branch.source
    }

    /// Lists the branch: `visit` sees the place of the source in the list, and each entry that is no folder. It
    /// returns whether to go on; `false` ends the walk for all walkers.
    ///
    /// # Errors
    /// The branch is a source and cannot be looked at. All else is an entry with an outcome.
    pub fn list(self, visit: &mut dyn FnMut(usize, Entry) -> bool) -> io::Result<()> {
        let Branch { source, path, relative } = &self.branch;
        let file = if relative.is_empty() {
            match folder::look(path) {
                Ok(looked) if looked.is_folder() => None,
                Ok(looked) => Some(entry(path.clone(), Vec::new(), Ok(looked))),
                Err(error) => {
                    self.tree.stop();
                    return Err(error);
                }
            }
        } else {
            None
        };
        let go_on = match file {
            Some(file) => visit(*source, file),
            None => self.tree.list(&self.branch, Folder::open(path), 1, visit),
        };
        if !go_on {
            self.tree.stop();
        }
        Ok(())
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let mut state = self.tree.lock();
        state.taken -= 1;
        let ended = state.taken == 0 && state.waiting.is_empty();
        drop(state);
        if ended {
            self.tree.changed.notify_all();
        }
    }
}

/// The order of the numbers of the files' entries on the disk is near that of the files themselves, while a
/// listing may come in the order of a hash: on a spinning disk that is the difference between a sweep and seeks.
#[cfg(unix)]
fn sort_by_place(chunk: &mut [Found]) {
    chunk.sort_unstable_by_key(|found| found.place);
}

#[cfg(not(unix))]
fn sort_by_place(_chunk: &mut [Found]) {}

#[cfg(test)]
mod tests {
    use super::super::walk::{EntryKind, walk};
    use super::*;
    use crate::outcome::Outcome;
    use std::fs;
    use std::path::Path;
    use std::thread;

    /// 2,000 files in one folder, chains of folders, an empty one, and folders beside folders.
    fn forest(folder: &Path) {
        for number in 0..2000 {
            fs::create_dir_all(folder.join("flat")).unwrap();
            fs::write(folder.join(format!("flat/{number}")), b"").unwrap();
        }
        for number in 0..60 {
            let path = folder.join(format!("wide/{number}/{}", "deep/".repeat(number)));
            fs::create_dir_all(&path).unwrap();
            fs::write(path.join("leaf"), b"x").unwrap();
        }
        fs::create_dir(folder.join("empty")).unwrap();
        #[cfg(unix)]
        folder::dig(folder, 250, 20, "bottom", b"x");
        #[cfg(unix)]
        folder::dig(folder, 14, 300, "bottom", b"x");
    }

    fn listed(tree: &Tree, walkers: usize) -> Vec<(usize, Entry)> {
        let entries = Mutex::new(Vec::new());
        thread::scope(|scope| {
            for _ in 0..walkers {
                scope.spawn(|| {
                    while let Some(branch) = tree.next() {
                        let mut visit = |source, entry| {
                            entries.lock().unwrap().push((source, entry));
                            true
                        };
                        branch.list(&mut visit).unwrap();
                    }
                });
            }
        });
        let mut entries = entries.into_inner().unwrap();
        entries.sort_by(|(a, x), (b, y)| (a, &x.path).cmp(&(b, &y.path)));
        entries
    }

    /// The walk in order is the oracle, also where walkers must go down because nothing may wait.
    #[test]
    fn walkers_list_what_the_walk_in_order_lists() {
        let folder = tempfile::tempdir().unwrap();
        forest(folder.path());
        let file = folder.path().join("flat/7");
        let sources = [folder.path().to_path_buf(), file.clone()];
        let mut expected = Vec::new();
        for (number, source) in sources.iter().enumerate() {
            walk(source, &mut |entry| {
                expected.push((number, entry));
                true
            })
            .unwrap();
        }
        expected.sort_by(|(a, x), (b, y)| (a, &x.path).cmp(&(b, &y.path)));
        assert_eq!(expected.len(), if cfg!(unix) { 2063 } else { 2061 });
        for (walkers, max_waiting) in [(1, MAX_WAITING), (4, MAX_WAITING), (1, 0), (3, 0), (3, 2)] {
            let tree = Tree::with_limit(&sources, max_waiting);
            assert!(listed(&tree, walkers) == expected, "{walkers} walkers, {max_waiting} may wait");
        }
    }

    #[test]
    fn a_walk_ends_for_all_when_one_is_told_to() {
        let folder = tempfile::tempdir().unwrap();
        forest(folder.path());
        let tree = Tree::new(&[folder.path().to_path_buf()]);
        let mut seen = 0;
        while let Some(branch) = tree.next() {
            let mut visit = |_, _| {
                seen += 1;
                seen < 3
            };
            branch.list(&mut visit).unwrap();
        }
        assert_eq!(seen, 3);
        assert!(tree.next().is_none());
    }

    #[test]
    fn a_source_that_is_gone_is_an_error_and_a_folder_that_is_gone_an_entry() {
        let folder = tempfile::tempdir().unwrap();
        let tree = Tree::new(&[folder.path().join("gone")]);
        assert!(tree.next().unwrap().list(&mut |_, _| true).is_err());

        let gone = Branch { source: 0, path: folder.path().join("gone"), relative: b"gone".to_vec() };
        let tree = Tree::new(&[]);
        assert!(tree.leave(gone, 1).is_none());
        let entries = listed(&tree, 1);
        let EntryKind::Failed(failure) = &entries[0].1.kind else { panic!("{entries:?}") };
        assert_eq!((entries.len(), failure.outcome), (1, Outcome::Unreadable));
    }
}
