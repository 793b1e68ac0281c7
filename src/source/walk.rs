//! Listing what was seized: every name once, in the order of their bytes, links not followed.

use std::fs::{self, DirEntry, FileType, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use super::name::path_bytes;
use super::stamp::FileStamp;
use crate::outcome::{Failure, Outcome, Stage};

/// What a name stands for.
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
    /// Where it is.
    pub path: PathBuf,
    /// Its raw bytes below the source, with `/` between folders; empty where the source is a file.
    pub relative: Vec<u8>,
    /// What it is.
    pub kind: EntryKind,
    /// Size and times.
    pub stamp: FileStamp,
}

/// Walks a folder or a single file. Entries of a folder come in the order of their names' bytes, folders
/// among them, so that the order is the same on every run; at most the names of the folders above an
/// entry are held.
///
/// `visit` returns whether to go on.
///
/// # Errors
/// The source itself cannot be looked at. All else is an entry with an outcome.
pub fn walk(source: &Path, visit: &mut dyn FnMut(Entry) -> bool) -> io::Result<()> {
    let metadata = fs::symlink_metadata(source)?;
    if metadata.is_dir() {
        walk_folder(source, &[], visit);
    } else {
        visit(entry(source.to_path_buf(), Vec::new(), &Ok(metadata)));
    }
    Ok(())
}

/// Returns whether to go on.
fn walk_folder(folder: &Path, relative: &[u8], visit: &mut dyn FnMut(Entry) -> bool) -> bool {
    let failed = |error: &io::Error| unlistable(folder, relative, error);
    let listing = match fs::read_dir(folder) {
        Ok(listing) => listing,
        Err(error) => return visit(failed(&error)),
    };
    let mut children: Vec<DirEntry> = Vec::new();
    let mut broken = None;
    for child in listing {
        match child {
            Ok(child) => children.push(child),
            Err(error) => broken = Some(failed(&error)),
        }
    }
    children.sort_by(|a, b| a.file_name().as_encoded_bytes().cmp(b.file_name().as_encoded_bytes()));
    for child in children {
        let path = child.path();
        let mut name = relative.to_vec();
        if !name.is_empty() {
            name.push(b'/');
        }
        name.extend_from_slice(&path_bytes(Path::new(&child.file_name())));
        // On every system this is the look at the link itself, not at what it points to.
        let metadata = child.metadata();
        let go_on = match &metadata {
            Ok(metadata) if metadata.is_dir() => walk_folder(&path, &name, visit),
            _ => visit(entry(path, name, &metadata)),
        };
        if !go_on {
            return false;
        }
    }
    broken.is_none_or(visit)
}

/// The entry of a folder that the system would not list, or not to its end.
pub(super) fn unlistable(folder: &Path, relative: &[u8], error: &io::Error) -> Entry {
    Entry {
        path: folder.to_path_buf(),
        relative: relative.to_vec(),
        kind: EntryKind::Failed(Failure::new(Outcome::Unreadable, Stage::Walk, format!("folder: {error}"))),
        stamp: FileStamp::default(),
    }
}

/// The entry of a name that stands for no folder.
pub(super) fn entry(path: PathBuf, relative: Vec<u8>, metadata: &io::Result<Metadata>) -> Entry {
    let (kind, stamp) = match metadata {
        Ok(metadata) => (kind(&path, metadata.file_type()), FileStamp::from(metadata)),
        Err(error) => {
            let mut failure = super::read::failure(error);
            failure.stage = Stage::Walk;
            (EntryKind::Failed(failure), FileStamp::default())
        }
    };
    Entry { path, relative, kind, stamp }
}

fn kind(path: &Path, file_type: FileType) -> EntryKind {
    if file_type.is_file() {
        return EntryKind::File;
    }
    let (outcome, reason) = if file_type.is_symlink() {
        let target = fs::read_link(path).map(|target| super::name::escape_path(&target)).unwrap_or_default();
        (Outcome::NotFollowed, format!("symbolic link to {target}"))
    } else {
        (Outcome::NotAFile, special_name(file_type).to_string())
    };
    EntryKind::Failed(Failure::new(outcome, Stage::Walk, reason))
}

#[cfg(unix)]
fn special_name(file_type: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    match file_type {
        _ if file_type.is_fifo() => "named pipe",
        _ if file_type.is_socket() => "socket",
        _ if file_type.is_block_device() => "block device",
        _ if file_type.is_char_device() => "character device",
        _ => "not a regular file",
    }
}

#[cfg(not(unix))]
fn special_name(_file_type: FileType) -> &'static str {
    "not a regular file"
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for name in ["b/2", "b/10", "a", "B/x", ".hidden", "b.txt"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        }
        let expected = [".hidden", "B/x", "a", "b/10", "b/2", "b.txt"].map(named);
        assert_eq!(names(folder.path()), expected);
        assert_eq!(names(&folder.path().join("a")), [named("")]);
        assert!(walk(&folder.path().join("gone"), &mut |_| true).is_err());
    }

    #[test]
    fn a_walk_ends_when_it_is_told_to() {
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
