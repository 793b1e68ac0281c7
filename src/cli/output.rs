//! Where a command's result goes: standard output, or a file that appears only when it is whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::source::name::escape_path;

use super::error::CliError;

/// Writes a result with `write` to `output`, or to standard output.
///
/// A file is written beside its final name and renamed at the end, so that a partial result never
/// looks whole.
///
/// # Errors
/// The sink failed, or `write` did.
pub fn with_output(
    output: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let Some(path) = output else {
        let mut out =
            BufWriter::with_capacity(1 << 16, Sink::new("standard output".into(), io::stdout().lock()));
        write(&mut out)?;
        return out.flush().map_err(CliError::failed);
    };
    let partial = partial_name(path);
    let shown = escape_path(path);
    let file = File::create(&partial).map_err(|error| CliError::failed(named(&shown, &error)))?;
    let mut out = BufWriter::with_capacity(1 << 16, Sink::new(shown.clone(), file));
    let written = write(&mut out)
        .and_then(|()| out.into_inner().map_err(|error| CliError::failed(error.into_error())))
        .and_then(|sink| sink.inner.sync_all().map_err(|error| CliError::failed(named(&shown, &error))))
        .and_then(|()| fs::rename(&partial, path).map_err(|error| CliError::failed(named(&shown, &error))));
    if written.is_err() {
        // The first error is the one to report.
        let _ = fs::remove_file(&partial);
    }
    written
}

/// A writer whose errors say what could not be written to.
struct Sink<W> {
    name: String,
    inner: W,
}

impl<W: Write> Sink<W> {
    const fn new(name: String, inner: W) -> Self {
        Self { name, inner }
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.inner.write(bytes).map_err(|error| named(&self.name, &error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush().map_err(|error| named(&self.name, &error))
    }
}

/// An error of a sink, with its name. Its kind stays, because `write_all` tries again after some.
fn named(sink: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot write to {sink}: {error}"))
}

fn partial_name(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".partial");
    path.with_file_name(name)
}

/// Refuses a place to write that lies inside a source: evidence is never written to.
///
/// # Errors
/// `sink` lies inside one of `sources`.
pub fn refuse_inside_sources(what: &str, sink: &Path, sources: &[PathBuf]) -> Result<(), CliError> {
    let resolved = resolve(sink);
    for source in sources {
        if source.is_dir() && resolved.starts_with(resolve(source)) {
            return Err(CliError::Usage(format!(
                "{what} {} lies inside the source {}: Tamis never writes into evidence; choose a folder outside it",
                escape_path(sink),
                escape_path(source)
            )));
        }
    }
    Ok(())
}

/// The real path of a file that may not exist yet: its nearest existing ancestor is resolved.
fn resolve(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    for ancestor in absolute.ancestors() {
        if let Ok(real) = fs::canonicalize(ancestor) {
            return match absolute.strip_prefix(ancestor) {
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
    fn a_file_appears_only_when_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("result.csv");
        let failed = with_output(Some(&path), |out| {
            out.write_all(b"half").map_err(CliError::failed)?;
            Err(CliError::Failed("the database went away".into()))
        });
        assert!(failed.is_err());
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            0,
            "neither the file nor its partial form stays"
        );

        with_output(Some(&path), |out| out.write_all(b"whole").map_err(CliError::failed)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn evidence_is_never_written_to() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("seizure");
        fs::create_dir(&source).unwrap();
        let sources = [source.clone()];
        assert!(refuse_inside_sources("the case", &source.join("new/CASE"), &sources).is_err());
        assert!(refuse_inside_sources("the case", &source.join("../seizure/CASE"), &sources).is_err());
        assert!(refuse_inside_sources("the case", &source, &sources).is_err());
        assert!(refuse_inside_sources("the case", &folder.path().join("CASE"), &sources).is_ok());
        assert!(refuse_inside_sources("the case", &folder.path().join("seizure-2"), &sources).is_ok());
    }
}
