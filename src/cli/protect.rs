//! What a command may never write to: the evidence and hash sets it reads, the databases of cases, and the user's keys.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::case::CaseReader;
use crate::share::store::PRIVATE;
use crate::source::identity::FileId;
use crate::source::name::{escape_path, for_system};

use super::error::CliError;

/// The files and folders that a command reads and must leave as they are.
#[derive(Debug, Default)]
pub struct Protected<'a> {
    /// Folders and files that were seized, as typed.
    sources: &'a [PathBuf],
    /// Sources of earlier runs of the case.
    case_sources: Vec<PathBuf>,
    /// Hash sets of this run.
    known: &'a [PathBuf],
    case: Option<&'a Path>,
    /// The folder of the user's keys.
    keys: Option<PathBuf>,
    passphrase_file: Option<&'a Path>,
}

impl<'a> Protected<'a> {
    /// Sources and hash sets as they were typed.
    #[must_use]
    pub fn new(sources: &'a [PathBuf], known: &'a [PathBuf]) -> Self {
        Self { sources, known, ..Self::default() }
    }

    /// And the case: its own files, and the sources of its earlier runs. A folder that is not (yet) a case has
    /// none; opening it as one reports what is wrong with it.
    #[must_use]
    pub fn and_case(mut self, case: &'a Path) -> Self {
        self.case = Some(case);
        let sources = CaseReader::open(case).and_then(|reader| reader.source_paths());
        self.case_sources = sources.unwrap_or_default();
        self
    }

    /// And the folder of the user's keys, and the file of their passphrase.
    #[must_use]
    pub fn and_keys(mut self, folder: &Path, passphrase_file: Option<&'a Path>) -> Self {
        self.keys = Some(folder.to_path_buf());
        self.passphrase_file = passphrase_file;
        self
    }

    /// Refuses a place to write that is one of the sources or lies inside one: evidence is never written to.
    ///
    /// # Errors
    /// If the place is protected: wrong usage, with the way out.
    pub fn refuse_evidence(&self, what: &str, sink: &Path) -> Result<(), CliError> {
        let resolved = resolve(sink);
        for source in self.sources.iter().chain(&self.case_sources) {
            let real = resolve(source);
            let relation = if resolved == real || is_same_file(sink, source) {
                "is"
            } else if lies_inside(&resolved, &real) {
                "lies inside"
            } else {
                continue;
            };
            return Err(CliError::Usage(format!(
                "{}: {what} {relation} the source {}: Tamis never writes into evidence (choose a place outside it)",
                escape_path(sink),
                escape_path(source)
            )));
        }
        Ok(())
    }

    /// Refuses an output that would replace anything this command reads, or the database of any case.
    ///
    /// # Errors
    /// If the place is protected: wrong usage, with the way out.
    pub fn refuse_output(&self, output: Option<&Path>) -> Result<(), CliError> {
        let Some(output) = output else { return Ok(()) };
        self.refuse_evidence("the output", output)?;
        let resolved = resolve(output);
        if let Some(known) =
            self.known.iter().find(|known| resolve(known) == resolved || is_same_file(known, output))
        {
            return Err(CliError::Usage(format!(
                "{}: this output would replace the list {}, which this command reads (choose another name)",
                escape_path(output),
                escape_path(known)
            )));
        }
        if self.case.is_some_and(|case| is_file_of_case(&resolved, case)) {
            return Err(CliError::Usage(format!(
                "{}: this output would replace a file of the case's own (choose another name)",
                escape_path(output)
            )));
        }
        if is_file_of_any_case(&resolved) {
            return Err(CliError::Usage(format!(
                "{}: this output would replace a file of a case's database (choose another name)",
                escape_path(output)
            )));
        }
        self.refuse_keys(output, &resolved)
    }

    fn refuse_keys(&self, output: &Path, resolved: &Path) -> Result<(), CliError> {
        let is = |path: &Path| resolve(path) == *resolved || is_same_file(path, output);
        let what = match (&self.keys, self.passphrase_file) {
            (_, Some(file)) if is(file) => "is your passphrase file",
            (Some(folder), _) if resolved.starts_with(resolve(folder)) => "lies in your keys folder",
            (Some(folder), _) if is(&folder.join(PRIVATE)) => "is your private key",
            _ => return Ok(()),
        };
        Err(CliError::Usage(format!(
            "{}: the output {what}, which Tamis never overwrites (choose another name)",
            escape_path(output)
        )))
    }
}

/// `case.sqlite`, what SQLite keeps next to it, the lock, and the record of files in hand.
fn is_file_of_case(resolved: &Path, case: &Path) -> bool {
    let name = resolved.file_name().unwrap_or_default().as_encoded_bytes();
    let own = name == b"case.lock" || name == b"in-hand" || name.starts_with(b"case.sqlite");
    own && resolved.parent() == Some(&resolve(case))
}

/// Whether this is the database of a case, or what SQLite and Tamis keep next to one.
fn is_file_of_any_case(resolved: &Path) -> bool {
    let name = resolved.file_name().unwrap_or_default().to_string_lossy();
    let beside = |suffix: &str| name.strip_suffix(suffix).map(|name| resolved.with_file_name(name));
    let others = ["-wal", "-shm", "-journal"].into_iter().filter_map(beside);
    let of_lock = (name == "case.lock").then(|| resolved.with_file_name("case.sqlite"));
    is_case_database(resolved) || others.chain(of_lock).any(|database| is_case_database(&database))
}

/// Whether a file is an SQLite database with Tamis's application id.
fn is_case_database(path: &Path) -> bool {
    // Anything but a regular file, such as a pipe, is never replaced; opening it might block.
    if !fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
        return false;
    }
    let mut head = [0; 72];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head.starts_with(b"SQLite format 3\0") && head.ends_with(b"TAMI")
}

/// Whether two names are of one file, as hard links are. Where a source is a folder its files are not asked
/// one by one: an output is renamed into place, which leaves the other names of an old file as they are.
fn is_same_file(a: &Path, b: &Path) -> bool {
    FileId::of(a).zip(FileId::of(b)).is_some_and(|(a, b)| a.is_same_file(&b))
}

/// Whether a path lies in a folder, however either is spelled or mounted.
fn lies_inside(path: &Path, folder: &Path) -> bool {
    let Some(id) = FileId::of(folder) else { return path.starts_with(folder) };
    let is_folder = |above: &Path| FileId::of(above).is_some_and(|above| above.is_same_place(&id));
    path.starts_with(folder) || path.ancestors().skip(1).any(is_folder)
}

/// The real path of a file that may not exist yet: its nearest existing ancestor is resolved.
fn resolve(path: &Path) -> PathBuf {
    let path = for_system(path);
    let absolute = std::path::absolute(&path).unwrap_or(path);
    for ancestor in absolute.ancestors() {
        if let Ok(real) = fs::canonicalize(ancestor) {
            return match absolute.strip_prefix(ancestor) {
                // Joining nothing would leave a separator behind the name of a file.
                Ok(rest) if rest.as_os_str().is_empty() => real,
                Ok(rest) => real.join(rest),
                Err(_) => real,
            };
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_is_never_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("seizure");
        let file = folder.path().join("single.jpg");
        fs::create_dir(&source).unwrap();
        fs::write(&file, "evidence").unwrap();
        let sources = [source.clone(), file.clone()];
        let protected = Protected::new(&sources, &[]);
        let refused = |sink: &Path| protected.refuse_evidence("the case", sink).is_err();
        assert!(refused(&source.join("new/CASE")));
        assert!(refused(&source.join("../seizure/CASE")));
        assert!(refused(&source));
        assert!(refused(&file));
        assert!(refused(&source.join("../single.jpg")));
        assert!(!refused(&folder.path().join("CASE")));
        assert!(!refused(&folder.path().join("seizure-2")));
        assert!(!refused(&folder.path().join("single.jpg.csv")));
    }

    #[test]
    fn hard_links_to_evidence_are_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let [source, hard, other] = ["a.jpg", "hard", "other"].map(|name| folder.path().join(name));
        fs::write(&source, "evidence").unwrap();
        fs::write(&other, "evidence").unwrap();
        fs::hard_link(&source, &hard).unwrap();
        let sources = [source];
        assert!(Protected::new(&sources, &[]).refuse_output(Some(&hard)).is_err());
        assert!(Protected::new(&[], &sources).refuse_output(Some(&hard)).is_err());
        assert!(Protected::new(&sources, &[]).refuse_output(Some(&other)).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn links_to_evidence_are_evidence() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("a.jpg");
        fs::write(&source, "evidence").unwrap();
        let (hard, soft, to_soft) =
            (folder.path().join("hard"), folder.path().join("soft"), folder.path().join("to-soft"));
        fs::hard_link(&source, &hard).unwrap();
        std::os::unix::fs::symlink("a.jpg", &soft).unwrap();
        std::os::unix::fs::symlink("soft", &to_soft).unwrap();
        for names in
            [[&source, &hard], [&hard, &source], [&source, &soft], [&source, &to_soft], [&soft, &source]]
        {
            let sources = [names[0].clone()];
            assert!(Protected::new(&sources, &[]).refuse_output(Some(names[1])).is_err(), "{names:?}");
            assert!(Protected::new(&[], &sources).refuse_output(Some(names[1])).is_err(), "{names:?}");
        }
        let sources = [source];
        assert!(Protected::new(&sources, &[]).refuse_output(Some(&folder.path().join("other"))).is_ok());
    }
}
