//! Lists sources: every name once, in byte order, without following links.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::vec;

use super::folder::{self, Folder, Kind, ListedName, NameStatus};
use super::name::{below, escape_path, path_bytes};
use super::stamp::FileStamp;
use crate::outcome::{Failure, Outcome, Stage};

/// Folders that a walk keeps open: the deepest ones. Those above are opened again when it returns to them.
pub(super) const MAX_OPEN: usize = 32;

/// Maximum bytes of a folder's path below its source for it to be listed: the limit of Windows. Every file is stored with its path, so
/// without a limit nested folders would take space quadratic in their number.
const LONGEST_PATH: usize = 32_768;

/// What a name refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// Something that is not read, with its outcome.
    Failed(Failure),
}

/// One name of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its raw bytes below the source, with `/` between folders; empty where the source is a file.
    pub relative: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Size and times.
    pub stamp: FileStamp,
}

impl Entry {
    /// Its path, where `source` is what was walked.
    #[must_use]
    pub fn path(&self, source: &Path) -> PathBuf {
        below(source, &self.relative)
    }
}

/// Walks a folder or a single file. Entries of a folder come in the order of their names' bytes, folders
/// among them, so that the order is the same on every run; at most the names of the folders above an
/// entry are held. A folder whose path is longer than Windows can write is an entry, and is not listed.
///
/// `visit` returns whether to continue.
///
/// # Errors
/// If the metadata of the source itself cannot be read. Everything else becomes an entry with an outcome.
pub fn walk(source: &Path, visit: &mut dyn FnMut(Entry) -> bool) -> io::Result<()> {
    let looked = folder::look(source)?;
    if looked.kind != Kind::Folder {
        visit(entry(Vec::new(), Ok(looked)));
        return Ok(());
    }
    let mut walk = Walk { path: source.to_path_buf(), relative: Vec::new(), levels: Vec::new() };
    let keep_going = match Folder::open(source) {
        Ok(opened) => {
            walk.go_down(opened, 0);
            true
        }
        Err(error) => visit(walk.unlistable(&error)),
    };
    while keep_going && !walk.levels.is_empty() {
        if !walk.step(visit) {
            break;
        }
    }
    Ok(())
}

/// The state of a walk: a loop, because folders may be nested deeper than a thread's stack allows.
struct Walk {
    /// The path of the lowest level.
    path: PathBuf,
    relative: Vec<u8>,
    levels: Vec<Level>,
}

/// A folder that is being walked.
struct Level {
    /// `None` while the walk is far below it.
    folder: Option<Folder>,
    /// Its remaining names.
    names: vec::IntoIter<ListedName>,
    /// Why its listing ended early.
    broken: Option<io::Error>,
    /// Length of the relative name of the parent folder.
    above: usize,
}

impl Walk {
    /// Takes the next name of the lowest folder. Returns whether to continue.
    fn step(&mut self, visit: &mut dyn FnMut(Entry) -> bool) -> bool {
        let Some(level) = self.levels.last_mut() else { return false };
        let Some(found) = level.names.next() else {
            let broken = level.broken.take();
            let keep_going = broken.is_none_or(|error| visit(self.unlistable(&error)));
            self.go_up();
            return keep_going;
        };
        if level.folder.is_none() {
            match Folder::open(&self.path) {
                Ok(opened) => level.folder = Some(opened),
                Err(error) => {
                    level.names = Vec::new().into_iter();
                    level.broken = Some(error);
                    return true;
                }
            }
        }
        let Some(folder) = &level.folder else { return false };
        let above = self.relative.len();
        let looked = (!found.is_folder).then(|| folder.look(&found));
        let file = looked.filter(|looked| !looked.as_ref().is_ok_and(NameStatus::is_folder));
        self.path.push(&found.name);
        push_name(&mut self.relative, &found.name);
        let found = match file {
            Some(looked) => entry(self.relative.clone(), looked),
            None if is_too_deep(&self.relative) => too_deep(&self.relative),
            None => match folder.enter(&found) {
                Ok(folder) => {
                    self.go_down(folder, above);
                    return true;
                }
                Err(error) => self.unlistable(&error),
            },
        };
        self.path.pop();
        self.relative.truncate(above);
        visit(found)
    }

    fn go_down(&mut self, mut folder: Folder, above: usize) {
        let mut names = Vec::new();
        let mut broken = None;
        while let Some(found) = folder.next() {
            match found {
                Ok(found) => names.push(found),
                Err(error) => broken = Some(error),
            }
        }
        names.sort_by(|a, b| a.name.as_encoded_bytes().cmp(b.name.as_encoded_bytes()));
        let names = names.into_iter();
        self.levels.push(Level { folder: Some(folder), names, broken, above });
        if let Some(far) = self.levels.len().checked_sub(MAX_OPEN + 1) {
            self.levels[far].folder = None;
        }
    }

    fn go_up(&mut self) {
        if let Some(level) = self.levels.pop() {
            self.path.pop();
            self.relative.truncate(level.above);
        }
    }

    fn unlistable(&self, error: &io::Error) -> Entry {
        unlistable(&self.relative, error)
    }
}

/// Appends a name to the raw name of its folder below the source.
pub(super) fn push_name(relative: &mut Vec<u8>, name: &OsStr) {
    if !relative.is_empty() {
        relative.push(b'/');
    }
    relative.extend_from_slice(&path_bytes(Path::new(name)));
}

/// The entry of a folder that the system did not list, or not completely.
pub(super) fn unlistable(relative: &[u8], error: &io::Error) -> Entry {
    Entry {
        relative: relative.to_vec(),
        kind: EntryKind::Failed(Failure::new(Outcome::Unreadable, Stage::Walk, format!("folder: {error}"))),
        stamp: FileStamp::default(),
    }
}

/// Whether a folder with this raw name below its source is not listed.
pub(super) const fn is_too_deep(relative: &[u8]) -> bool {
    relative.len() > LONGEST_PATH
}

/// The entry of such a folder.
pub(super) fn too_deep(relative: &[u8]) -> Entry {
    let reason = format!(
        "folder: not listed, because its path below the source has more than {LONGEST_PATH} bytes; scan it as the source of another case"
    );
    Entry {
        relative: relative.to_vec(),
        kind: EntryKind::Failed(Failure::new(Outcome::Unreadable, Stage::Walk, reason)),
        stamp: FileStamp::default(),
    }
}

/// The entry of a name that is not a folder.
pub(super) fn entry(relative: Vec<u8>, looked: io::Result<NameStatus>) -> Entry {
    let (kind, stamp) = match looked {
        Ok(NameStatus { kind, stamp }) => (of_kind(kind), stamp),
        Err(error) => {
            let mut failure = super::read::failure(&error);
            failure.stage = Stage::Walk;
            (EntryKind::Failed(failure), FileStamp::default())
        }
    };
    Entry { relative, kind, stamp }
}

fn of_kind(kind: Kind) -> EntryKind {
    let (outcome, reason) = match kind {
        Kind::File => return EntryKind::File,
        // It was not a folder when its parent was listed.
        Kind::Folder => (Outcome::Vanished, "it became a folder".into()),
        Kind::Link(Some(target)) => {
            (Outcome::NotFollowed, format!("symbolic link to {}", escape_path(&target)))
        }
        Kind::Link(None) => (
            Outcome::NotFollowed,
            "symbolic link; its target was not read, because that would change its time of last access (it is read where the \
             file system is mounted read-only or with noatime)"
                .into(),
        ),
        Kind::Special(what) => (Outcome::NotAFile, what.into()),
    };
    EntryKind::Failed(Failure::new(outcome, Stage::Walk, reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(source: &Path) -> Vec<(String, Option<Outcome>)> {
        let mut names = Vec::new();
        walk(source, &mut |entry| {
            let outcome = match entry.kind {
                EntryKind::File => None,
                EntryKind::Failed(failure) => Some(failure.outcome),
            };
            names.push((super::super::name::escape(&entry.relative), outcome));
            true
        })
        .unwrap();
        names
    }

    fn named(name: &str) -> (String, Option<Outcome>) {
        (name.into(), None)
    }

    #[test]
    fn entries_come_in_the_order_of_their_bytes() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b/2", "b/10", "a", "C/x", ".hidden", "b.txt"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let expected = [".hidden", "C/x", "a", "b/10", "b/2", "b.txt"].map(named);
        assert_eq!(names(folder.path()), expected);
        assert_eq!(names(&folder.path().join("a")), [named("")]);
        assert!(walk(&folder.path().join("gone"), &mut |_| true).is_err());
    }

    #[test]
    fn a_walk_ends_when_its_visitor_ends_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("a")).unwrap();
        for name in ["a/1", "a/2", "b"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let mut seen = 0;
        walk(folder.path(), &mut |_| {
            seen += 1;
            false
        })
        .unwrap();
        assert_eq!(seen, 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_pipes_and_strange_names_are_entries() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("loop")).unwrap();
        symlink("..", folder.path().join("loop/up")).unwrap();
        symlink("nowhere", folder.path().join("dangling")).unwrap();
        fs::write(folder.path().join(super::super::name::path_from_bytes(b"\xff\n.jpg")), "").unwrap();
        let pipe = folder.path().join("pipe");
        let made =
            std::process::Command::new("mkfifo").arg(&pipe).status().is_ok_and(|status| status.success());
        let mut expected = vec![
            ("dangling".to_string(), Some(Outcome::NotFollowed)),
            ("loop/up".to_string(), Some(Outcome::NotFollowed)),
        ];
        if made {
            expected.push(("pipe".to_string(), Some(Outcome::NotAFile)));
        }
        expected.push(named("\\xff\\n.jpg"));
        assert_eq!(names(folder.path()), expected);
    }
}
