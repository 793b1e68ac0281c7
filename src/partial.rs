//! Outputs that are not there if anything fails: written next to their name, removed when dropped, renamed when whole.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::source::identity::FileId;

/// What is behind an output's name in those of its partial files. Nobody else's files are called so, so that what is left of killed
/// runs can be removed.
const MARK: &str = ".tamis-partial";
/// So many partial files of runs that go on, or that cannot be removed, are passed over.
const MOST: u32 = 1000;

/// A new file next to an output, locked while this process has it open.
#[derive(Debug)]
pub struct Partial {
    /// Where it is.
    pub path: PathBuf,
    /// It, open for reading and writing.
    pub file: File,
    /// Renamed: there is nothing to remove.
    done: bool,
}

impl Partial {
    /// Creates a new file `NAME.tamis-partial-WHAT` next to `output`. Files of that kind that no process has open any more are removed
    /// first; all else stays as it is.
    ///
    /// # Errors
    /// What the system said.
    pub fn beside(output: &Path, what: &str) -> io::Result<Self> {
        sweep(output);
        let mut number = 1;
        loop {
            let path = output.with_file_name(name(output, what, number));
            match File::options().read(true).write(true).create_new(true).open(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < MOST => {}
                Err(error) => return Err(error),
                // Between its creation and its lock it may have been swept by another run.
                Ok(file) if own(&file, &path) => return Ok(Self { path, file, done: false }),
                Ok(_) if number < MOST => {}
                Ok(_) => return Err(io::ErrorKind::AlreadyExists.into()),
            }
            number += 1;
        }
    }

    /// Makes the file durable and gives it its name.
    ///
    /// # Errors
    /// What the system said; the file is removed then.
    pub fn rename(mut self, output: &Path) -> io::Result<()> {
        self.file.sync_all()?;
        fs::rename(&self.path, output)?;
        self.done = true;
        // The name itself is durable only with its folder; not every system lets a folder be synced.
        if let Ok(folder) = File::open(folder_of(output)) {
            let _ = folder.sync_all();
        }
        Ok(())
    }
}

impl Write for Partial {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.done {
            // There is nothing left to do about a file that cannot be removed.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn name(output: &Path, what: &str, number: u32) -> OsString {
    let mut name = output.file_name().unwrap_or_default().to_os_string();
    name.push(MARK);
    if !what.is_empty() {
        name.push(format!("-{what}"));
    }
    if number > 1 {
        name.push(format!("-{number}"));
    }
    name
}

/// Locks a file that this process created, and says whether it is still there under its name. Where the file system has no locks
/// nothing is ever swept.
fn own(file: &File, path: &Path) -> bool {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => false,
        Err(TryLockError::Error(_)) => true,
        Ok(()) => {
            let ids = FileId::of_file(file).zip(FileId::of(path));
            ids.map_or_else(|| path.exists(), |(open, named)| open.is_same_file(&named))
        }
    }
}

/// Removes the partial files of an output that no process has locked: those of runs that were killed.
fn sweep(output: &Path) {
    let Ok(listing) = fs::read_dir(folder_of(output)) else { return };
    let mut ours = output.file_name().unwrap_or_default().to_os_string();
    ours.push(MARK);
    for entry in listing.flatten() {
        let name = entry.file_name();
        let rest = name.as_encoded_bytes().strip_prefix(ours.as_encoded_bytes());
        let is_ours = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"-"));
        if !is_ours || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        let file = File::options().write(true).open(entry.path());
        if file.is_ok_and(|file| file.try_lock().is_ok()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn folder_of(output: &Path) -> &Path {
    output.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_killed_runs_left_is_swept_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out.csv");
        let others = [
            "out.csv",
            "out.csv.partial",
            "out.csv.tamis-partially",
            "other.csv.tamis-partial",
            "xout.csv.tamis-partial",
        ];
        for name in others.iter().chain(&[
            "out.csv.tamis-partial",
            "out.csv.tamis-partial-2",
            "out.csv.tamis-partial-md5",
        ]) {
            fs::write(folder.path().join(name), "left").unwrap();
        }
        let mut kept = others.map(String::from).to_vec();
        kept.sort();
        let partial = Partial::beside(&output, "").unwrap();
        assert_eq!(partial.path, folder.path().join("out.csv.tamis-partial"));
        drop(partial);
        assert_eq!(names(folder.path()), kept);
    }

    #[test]
    fn a_run_that_goes_on_keeps_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        let (first, second) = (Partial::beside(&output, "").unwrap(), Partial::beside(&output, "").unwrap());
        assert_eq!(names(folder.path()), ["out.tamis-partial", "out.tamis-partial-2"]);
        first.rename(&output).unwrap();
        drop(second);
        assert_eq!(names(folder.path()), ["out"]);
    }
}
