//! Lists sources with several threads: every name once, in no order, without following links.

use std::collections::{BinaryHeap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::folder::{self, Folder, ListedName, NameStatus};
use super::walk::{Entry, MAX_OPEN, entry, is_too_deep, push_name, too_deep, unlistable};

/// Maximum number of folders that wait to be listed, and of bytes in their paths; beyond that a walker
/// descends at once.
const MAX_WAITING: usize = 4096;
const MAX_WAITING_BYTES: usize = 32 << 20;
/// From paths of this many bytes on a walker descends at once, from handle to handle, as far as [`MAX_OPEN`] allows: a waiting
/// folder is opened by its path, of which the system accepts this much at a time (`super::folder`).
const LONG: usize = 1024;
/// Names of one folder that are sorted and processed together.
const CHUNK: usize = 1024;
/// Bytes for names of folders that a walker lists later because it has the maximum number open; and the
/// number of names that always fit.
const LATER_BYTES: usize = 8 << 20;
const ALWAYS_LATER: usize = 16;
/// Memory of a name in addition to its bytes.
const NAME_BYTES: usize = 48;

/// The sources of a run, while walkers list them. Each walker takes folders with [`Tree::next`] until there
/// are none left, and lists them.
///
/// Memory is bounded by constants, not by the sources: folders waiting; for each walker a chunk of names for each folder
/// that it has open; and below those names of folders that it lists later.
#[derive(Debug)]
pub struct Tree {
    state: Mutex<State>,
    changed: Condvar,
    max_waiting: usize,
    later_bytes: usize,
    failed_before: HashSet<(usize, Vec<u8>)>,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Branch>,
    /// Bytes of their paths.
    waiting_bytes: usize,
    /// Branches that walkers are listing, which may add more.
    taken: usize,
    stopped: bool,
    /// Folders that failed before and were now listed completely.
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

impl Branch {
    /// A folder in this one.
    fn child(&self, name: &OsStr) -> Self {
        let mut relative = Vec::with_capacity(self.relative.len() + 1 + name.len());
        relative.extend_from_slice(&self.relative);
        push_name(&mut relative, name);
        Self { source: self.source, path: self.path.join(name), relative }
    }

    fn bytes(&self) -> usize {
        self.path.as_os_str().len() + self.relative.len()
    }
}

/// Names of sub-folders after a given name, in byte order: as many as fit.
#[derive(Debug)]
struct Later {
    names: BinaryHeap<OsString>,
    bytes: usize,
    room: usize,
    behind: Option<OsString>,
    /// The first name after them that did not fit.
    left_out: Option<OsString>,
}

impl Later {
    fn new(room: usize, behind: Option<OsString>) -> Self {
        Self { names: BinaryHeap::new(), bytes: 0, room, behind, left_out: None }
    }

    fn is_wanted(&self, name: &OsStr) -> bool {
        self.behind.as_ref().is_none_or(|behind| name > behind.as_os_str())
    }

    fn add(&mut self, name: OsString) {
        // A shorter one may fit, and would hide the one left out before it.
        if self.left_out.as_ref().is_some_and(|first| name >= *first) {
            return;
        }
        self.bytes += name.len() + NAME_BYTES;
        self.names.push(name);
        while self.bytes > self.room
            && self.names.len() > ALWAYS_LATER
            && let Some(last) = self.names.pop()
        {
            self.bytes -= last.len() + NAME_BYTES;
            self.left_out = Some(last);
        }
    }

    /// Turns them into a level of folders that are listed one by one; `None` if empty. `above` is the length
    /// of the raw name of the parent folder.
    fn level(self, above: usize) -> Option<Level> {
        let last = self.names.peek()?.clone();
        let mut names = self.names.into_sorted_vec();
        names.reverse();
        Some(Level { names, bytes: self.bytes, more: self.left_out.is_some().then_some(last), above })
    }
}

/// Sub-folders that are listed one by one, with their parent closed.
#[derive(Debug)]
struct Level {
    /// In reverse order.
    names: Vec<OsString>,
    /// The memory they took at first.
    bytes: usize,
    /// The last of them, if there are more after it: for those the folder is listed again.
    more: Option<OsString>,
    above: usize,
}

/// A branch that a walker is listing.
#[derive(Debug)]
pub struct Taken<'a> {
    tree: &'a Tree,
    branch: Branch,
}

impl Tree {
    /// `sources` are folders or single files; entries refer to them by index.
    #[must_use]
    pub fn new(sources: &[PathBuf]) -> Self {
        Self::with_limits(sources, MAX_WAITING, LATER_BYTES)
    }

    fn with_limits(sources: &[PathBuf], max_waiting: usize, later_bytes: usize) -> Self {
        let branch =
            |(source, path): (usize, &PathBuf)| Branch { source, path: path.clone(), relative: Vec::new() };
        // The last waiting one is taken first.
        let waiting: Vec<Branch> = sources.iter().enumerate().rev().map(branch).collect();
        let waiting_bytes = waiting.iter().map(Branch::bytes).sum();
        let state = Mutex::new(State { waiting, waiting_bytes, ..State::default() });
        let failed_before = HashSet::new();
        Self { state, changed: Condvar::new(), max_waiting, later_bytes, failed_before }
    }

    /// Records which of these folders, given by source index and raw bytes below it, are listed completely this time.
    #[must_use]
    pub fn noting(mut self, failed_before: HashSet<(usize, Vec<u8>)>) -> Self {
        self.failed_before = failed_before;
        self
    }

    /// Those of the folders given to [`Tree::noting`] that were listed completely.
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
            // The last found first: depth before breadth keeps few waiting.
            if let Some(branch) = state.waiting.pop() {
                state.taken += 1;
                state.waiting_bytes -= branch.bytes();
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

    /// Queues a folder for any walker; returns it if the walker must list it itself.
    fn leave(&self, branch: Branch, open: usize) -> Option<Branch> {
        // By handles it is reached at once, regardless of its path's length.
        let is_nearer = branch.path.as_os_str().len() >= LONG && open < MAX_OPEN;
        let bytes = branch.bytes();
        let mut state = self.lock();
        if is_nearer
            || state.waiting.len() >= self.max_waiting
            || state.waiting_bytes + bytes > MAX_WAITING_BYTES
        {
            return Some(branch);
        }
        state.waiting.push(branch);
        state.waiting_bytes += bytes;
        drop(state);
        self.changed.notify_one();
        None
    }

    /// Lists a folder and those below it that are not left to other walkers. Returns whether to continue.
    fn list(
        &self,
        branch: &Branch,
        opened: io::Result<Folder>,
        open: usize,
        visit: &mut dyn FnMut(usize, Entry) -> bool,
    ) -> bool {
        let mut later = Later::new(self.later_bytes / 2, None);
        // The folder is closed once it is listed.
        self.list_folder(branch, opened, open, &mut later, visit) && self.list_later(branch, later, visit)
    }

    /// Lists the deferred sub-folders of a folder, and all below them that are not left to other walkers, with one folder open at a time. A
    /// loop, because folders may be nested deeper than a thread's stack allows.
    fn list_later(&self, parent: &Branch, later: Later, visit: &mut dyn FnMut(usize, Entry) -> bool) -> bool {
        let Some(first) = later.level(parent.relative.len()) else { return true };
        let Branch { source, path, relative } = parent;
        let mut at = Branch { source: *source, path: path.clone(), relative: relative.clone() };
        let mut held = first.bytes;
        let mut levels = vec![first];
        while let Some(level) = levels.last_mut() {
            if let Some(name) = level.names.pop() {
                if self.leave(at.child(&name), MAX_OPEN).is_none() {
                    continue;
                }
                let above = at.relative.len();
                at.path.push(&name);
                push_name(&mut at.relative, &name);
                // Half of the rest, so that there is room for those below.
                let mut later = Later::new(self.later_bytes.saturating_sub(held) / 2, None);
                if !self.list_folder(&at, Folder::open(&at.path), MAX_OPEN, &mut later, visit) {
                    return false;
                }
                if let Some(level) = later.level(above) {
                    held += level.bytes;
                    levels.push(level);
                    continue;
                }
                at.path.pop();
                at.relative.truncate(above);
            } else if let Some(last) = level.more.take() {
                let (room, above) = (level.bytes, level.above);
                let mut later = Later::new(room, Some(last));
                if !self.list_again(&at, &mut later, visit) {
                    return false;
                }
                held -= level.bytes;
                level.bytes = 0;
                if let Some(again) = later.level(above) {
                    held += again.bytes;
                    *level = again;
                }
            } else {
                let above = level.above;
                held -= level.bytes;
                levels.pop();
                if !levels.is_empty() {
                    at.path.pop();
                    at.relative.truncate(above);
                }
            }
        }
        true
    }

    /// Lists a folder again, for the sub-folders that did not fit. Returns whether to continue.
    fn list_again(
        &self,
        branch: &Branch,
        later: &mut Later,
        visit: &mut dyn FnMut(usize, Entry) -> bool,
    ) -> bool {
        let mut failed = |error: &io::Error| {
            // It was listed completely before, but not now.
            let folder = (branch.source, &branch.relative);
            self.lock().read_again.retain(|(source, relative)| (*source, relative) != folder);
            visit(branch.source, unlistable(&branch.relative, error))
        };
        let mut listing = match Folder::open(&branch.path) {
            Ok(listing) => listing,
            Err(error) => return failed(&error),
        };
        while let Some(child) = listing.next() {
            match child {
                Ok(child) if later.is_wanted(&child.name) => {
                    let is_folder =
                        child.is_folder || listing.look(&child).as_ref().is_ok_and(NameStatus::is_folder);
                    if is_folder && !is_too_deep(&branch.child(&child.name).relative) {
                        later.add(child.name);
                    }
                }
                Ok(_) => {}
                Err(error) => {
                    if !failed(&error) {
                        return false;
                    }
                }
            }
        }
        true
    }

    /// Lists one folder: entries are visited, and sub-folders are left to other walkers or entered; with the maximum number open, all are
    /// deferred to `later`. Returns whether to continue.
    fn list_folder(
        &self,
        branch: &Branch,
        opened: io::Result<Folder>,
        open: usize,
        later: &mut Later,
        visit: &mut dyn FnMut(usize, Entry) -> bool,
    ) -> bool {
        let failed = |error: &io::Error| unlistable(&branch.relative, error);
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
                if !self.status_at((branch, &listing, open), child, later, visit) {
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

    fn status_at(
        &self,
        (parent, folder, open): (&Branch, &Folder, usize),
        child: ListedName,
        later: &mut Later,
        visit: &mut dyn FnMut(usize, Entry) -> bool,
    ) -> bool {
        let branch = parent.child(&child.name);
        let looked = (!child.is_folder).then(|| folder.look(&child));
        if let Some(looked) = looked.filter(|looked| !looked.as_ref().is_ok_and(NameStatus::is_folder)) {
            return visit(parent.source, entry(branch.relative, looked));
        }
        if is_too_deep(&branch.relative) {
            return visit(parent.source, too_deep(&branch.relative));
        }
        if open >= MAX_OPEN {
            // Listing this folder again for the rest takes all names after a given one: none of those may
            // have been left to others.
            later.add(child.name);
            return true;
        }
        let own = self.leave(branch, open);
        own.is_none_or(|branch| self.list(&branch, folder.enter(&child), open + 1, visit))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken<'_> {
    /// The index of its source.
    #[must_use]
    pub const fn source(&self) -> usize {
        self.branch.source
    }

    /// Lists the branch: `visit` receives the index of the source and each entry that is not a folder. It
    /// returns whether to continue; `false` ends the walk for all walkers.
    ///
    /// # Errors
    /// If the branch is a source whose metadata cannot be read. Everything else becomes an entry with an
    /// outcome.
    pub fn list(self, visit: &mut dyn FnMut(usize, Entry) -> bool) -> io::Result<()> {
        let Branch { source, path, relative } = &self.branch;
        let file = if relative.is_empty() {
            match folder::look(path) {
                Ok(looked) if looked.is_folder() => None,
                Ok(looked) => Some(entry(Vec::new(), Ok(looked))),
                Err(error) => {
                    self.tree.stop();
                    return Err(error);
                }
            }
        } else {
            None
        };
        let keep_going = match file {
            Some(file) => visit(*source, file),
            None => self.tree.list(&self.branch, Folder::open(path), 1, visit),
        };
        if !keep_going {
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

/// The inode order of files is close to their order on the disk, while a listing may be in hash order: on a
/// spinning disk that is the difference between a sweep and seeks.
#[cfg(unix)]
fn sort_by_place(chunk: &mut [ListedName]) {
    chunk.sort_unstable_by_key(|found| found.place);
}

#[cfg(not(unix))]
fn sort_by_place(_chunk: &mut [ListedName]) {}

#[cfg(test)]
mod tests {
    use super::super::walk::{EntryKind, walk};
    use super::*;
    use crate::outcome::Outcome;
    use std::fs;
    use std::path::Path;
    use std::thread;

    /// 2,000 files in one folder, nested folders, an empty one, and sibling folders.
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
        entries.sort_by(|(a, x), (b, y)| (a, &x.relative).cmp(&(b, &y.relative)));
        entries
    }

    /// The walk in order is the oracle, also where walkers must descend because nothing may wait.
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
        expected.sort_by(|(a, x), (b, y)| (a, &x.relative).cmp(&(b, &y.relative)));
        assert_eq!(expected.len(), if cfg!(unix) { 2063 } else { 2061 });
        for (walkers, max_waiting) in [(1, MAX_WAITING), (4, MAX_WAITING), (1, 0), (3, 0), (3, 2)] {
            for later_bytes in [LATER_BYTES, 0] {
                let tree = Tree::with_limits(&sources, max_waiting, later_bytes);
                let what =
                    format!("{walkers} walkers, {max_waiting} may wait, {later_bytes} bytes for later");
                assert!(listed(&tree, walkers) == expected, "{what}");
                assert_eq!(tree.lock().waiting_bytes, 0, "{what}");
            }
        }
    }

    /// Many sibling folders, deeper than a walker's open folders: neither they nor their names are all
    /// remembered.
    #[test]
    fn what_waits_is_bounded_however_deep_it_lies() {
        // In the last folder that a walker has open, and below it.
        for depth in [MAX_OPEN - 1, MAX_OPEN + 3] {
            let folder = tempfile::tempdir().unwrap();
            let deep = folder.path().join("deep/".repeat(depth));
            for number in 0..200 {
                for below in ["a", "b/c"] {
                    fs::create_dir_all(deep.join(format!("{number}/{below}"))).unwrap();
                }
                fs::write(deep.join(format!("{number}/b/c/leaf")), b"").unwrap();
            }
            for (max_waiting, later_bytes) in [(0, 0), (0, 2000), (5, 0), (5, 2000)] {
                let tree = Tree::with_limits(&[folder.path().to_path_buf()], max_waiting, later_bytes);
                let mut leaves = 0;
                while let Some(branch) = tree.next() {
                    let mut visit = |_, _| {
                        leaves += 1;
                        assert!(tree.lock().waiting.len() <= max_waiting);
                        true
                    };
                    branch.list(&mut visit).unwrap();
                }
                assert_eq!(leaves, 200, "{max_waiting} may wait, {later_bytes} bytes for later");
            }
        }
    }

    #[test]
    fn names_for_later_are_the_first_that_there_is_room_for() {
        // Of two lengths, so that a short one fits where a long one did not.
        let name = |number: u32| format!("{:02}{}", number * 37 % 100, "x".repeat(number as usize % 2 * 60));
        let names: Vec<OsString> = (0..100).map(|number| name(number).into()).collect();
        let mut behind = None;
        let mut found = Vec::new();
        loop {
            let mut later = Later::new(30 * (NAME_BYTES + 2), behind);
            names
                .iter()
                .filter(|name| later.is_wanted(name))
                .cloned()
                .collect::<Vec<_>>()
                .into_iter()
                .for_each(|name| {
                    later.add(name);
                    assert!(later.names.len() <= 30);
                });
            let Some(mut level) = later.level(0) else { break };
            while let Some(name) = level.names.pop() {
                found.push(name);
            }
            behind = level.more;
            if behind.is_none() {
                break;
            }
        }
        let mut sorted = names;
        sorted.sort();
        assert_eq!(found, sorted);
    }

    /// A folder deeper than the longest path is an entry, and everything above it is listed.
    #[cfg(unix)]
    #[test]
    fn a_folder_too_deep_to_be_listed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        folder::dig(folder.path(), 200, 170, "bottom", b"x");
        let first = folder.path().join("d".repeat(200));
        fs::write(first.join("seen"), b"x").unwrap();
        let mut walked = Vec::new();
        walk(folder.path(), &mut |entry| {
            walked.push((0, entry));
            true
        })
        .unwrap();
        walked.sort_by(|(_, x), (_, y)| x.relative.cmp(&y.relative));
        assert_eq!(walked.len(), 2);
        let EntryKind::Failed(failure) = &walked[0].1.kind else { panic!("{:?}", walked[0]) };
        assert_eq!((failure.outcome, walked[0].1.relative.len()), (Outcome::Unreadable, 164 * 201 - 1));
        assert!(failure.reason.contains("more than 32768 bytes"), "{}", failure.reason);
        for max_waiting in [MAX_WAITING, 0] {
            let tree = Tree::with_limits(&[folder.path().to_path_buf()], max_waiting, 0);
            assert!(listed(&tree, 2) == walked, "{max_waiting} may wait");
        }
    }

    #[test]
    fn a_walk_ends_for_all_when_one_visitor_ends_it() {
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
        assert!(tree.lock().waiting_bytes > 0);
        let entries = listed(&tree, 1);
        let EntryKind::Failed(failure) = &entries[0].1.kind else { panic!("{entries:?}") };
        assert_eq!((entries.len(), failure.outcome), (1, Outcome::Unreadable));
    }
}
