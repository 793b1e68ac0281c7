//! Where a command's result goes: standard output, or a file that appears only when it is complete.

use std::cell::Cell;
use std::fs::{File, Metadata};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::engine::CancelToken;
use crate::partial::Partial;
use crate::report::parquet;
use crate::source::name::escape_path;

use super::args::RowFormat;
use super::console::Console;
use super::error::CliError;
use super::interrupt::Leftover;

/// Refuses Parquet in a program that was built without it, and on a terminal.
///
/// # Errors
/// If it is refused: wrong usage, with the way out.
pub fn check_format(format: RowFormat, output: Option<&Path>) -> Result<(), CliError> {
    let refused = match format {
        RowFormat::Csv | RowFormat::Jsonl => return Ok(()),
        RowFormat::Parquet if !parquet::AVAILABLE => {
            "this tamis was built without its cargo feature `parquet`, which is on by default (build it with the feature, or \
             choose --format csv or jsonl)"
        }
        RowFormat::Parquet if output.is_none() && io::stdout().is_terminal() => {
            "a terminal cannot show Parquet (name a file with --output, or redirect standard output)"
        }
        RowFormat::Parquet => return Ok(()),
    };
    Err(CliError::Usage(refused.into()))
}

/// Whether Ctrl-C ended the writing of rows; if so, this is reported.
pub fn was_interrupted(written: &Result<(), CliError>, cancel: &CancelToken, console: &Console) -> bool {
    let interrupted = cancel.is_cancelled() && written.is_err();
    if interrupted {
        console.note("interrupted: any output written so far is incomplete");
    }
    interrupted
}

/// Writes a result with `write` to `output`, or to standard output.
///
/// A file is written next to its final name and renamed at the end, so that a partial result never looks
/// complete. If the output exists and is not a regular file (a pipe, `/dev/null`), it is written to, never replaced.
///
/// # Errors
/// If the sink or `write` fails; [`CliError::ClosedPipe`] if nobody reads what is written.
pub fn with_output(
    output: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> Result<(), CliError>,
) -> Result<(), CliError> {
    let path = match place(output)? {
        Place::Standard => {
            let out =
                standard_output().map_err(|error| CliError::failed(named("standard output", &error)))?;
            return write_through("standard output", out, write).map(drop);
        }
        Place::Through(shown, file) => return write_through(&shown, file, write).map(drop),
        Place::Beside(path) => path,
    };
    let shown = escape_path(&path);
    let failed = |error: &io::Error| CliError::failed(named(&shown, error));
    let partial = Partial::beside(&path, "").map_err(|error| failed(&error))?;
    let _leftover = Leftover::new(&partial.path);
    let partial = write_through(&shown, partial, write)?;
    partial.rename(&path).map_err(|error| failed(&error))
}

/// Standard output without the library's own buffer. That buffer is flushed at exit, which blocks as long as the reader does not read, and
/// with it every other thread that ends the program: Ctrl-C would not end it.
#[cfg(unix)]
fn standard_output() -> io::Result<File> {
    Ok(std::os::fd::AsFd::as_fd(&io::stdout()).try_clone_to_owned()?.into())
}

/// Standard output. A Windows console needs the library's conversion to UTF-16; what is not a console gets its bytes directly, as elsewhere.
#[cfg(windows)]
fn standard_output() -> io::Result<Box<dyn Write>> {
    let out = io::stdout();
    if out.is_terminal() {
        return Ok(Box::new(out.lock()));
    }
    let handle = std::os::windows::io::AsHandle::as_handle(&out).try_clone_to_owned()?;
    Ok(Box::new(File::from(handle)))
}

/// Where a result is written to.
pub(super) enum Place {
    /// Standard output.
    Standard,
    /// A pipe or a device, with its name as shown.
    Through(String, File),
    /// A file that is renamed to this when it is complete.
    Beside(PathBuf),
}

/// Where a result goes.
///
/// # Errors
/// If a result cannot go there: a folder, a block device, or what cannot be opened.
pub(super) fn place(output: Option<&Path>) -> Result<Place, CliError> {
    let Some(path) = output else { return Ok(Place::Standard) };
    let shown = escape_path(path);
    let failed = |error: &io::Error| CliError::failed(named(&shown, error));
    match path.metadata() {
        // Through links: a name that stands for another file continues to do so.
        Ok(metadata) if metadata.is_file() => {
            path.canonicalize().map(Place::Beside).map_err(|error| failed(&error))
        }
        Ok(metadata) => {
            if let Some(what) = unwritable(&metadata) {
                return Err(CliError::Usage(format!("{shown}: the output is {what} (choose another name)")));
            }
            let file = File::options().write(true).open(path).map_err(|error| failed(&error))?;
            Ok(Place::Through(shown, file))
        }
        Err(_) => Ok(Place::Beside(path.to_path_buf())),
    }
}

/// Writes all of a result to a sink, and returns the sink.
fn write_through<W: Write>(
    name: &str,
    sink: W,
    write: impl FnOnce(&mut dyn Write) -> Result<(), CliError>,
) -> Result<W, CliError> {
    let closed = Cell::new(false);
    let mut out = BufWriter::with_capacity(1 << 16, Sink { name: name.into(), inner: sink, closed: &closed });
    let written = write(&mut out).and_then(|()| out.flush().map_err(CliError::failed));
    if closed.get() {
        // What `write` makes of it does not matter: there is nobody to read more.
        return Err(CliError::ClosedPipe);
    }
    written?;
    let sink = out.into_inner().map_err(|error| CliError::failed(error.into_error()))?;
    Ok(sink.inner)
}

/// Why a result cannot go there, in words; `None` if it can.
fn unwritable(metadata: &Metadata) -> Option<&'static str> {
    if metadata.is_dir() {
        return Some("a folder");
    }
    #[cfg(unix)]
    if std::os::unix::fs::FileTypeExt::is_block_device(&metadata.file_type()) {
        return Some("a block device, which may hold evidence");
    }
    None
}

/// A writer whose errors name what could not be written to, and that notes when its reader has gone.
struct Sink<'a, W> {
    name: String,
    inner: W,
    closed: &'a Cell<bool>,
}

impl<W> Sink<'_, W> {
    fn named<T>(&self, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            self.closed.set(self.closed.get() || error.kind() == io::ErrorKind::BrokenPipe);
            named(&self.name, &error)
        })
    }
}

impl<W: Write> Write for Sink<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.named(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.named(result)
    }
}

/// A sink that takes no more once Ctrl-C was pressed, for results that are written from one end to the other.
pub(super) struct Cancellable<'a> {
    out: &'a mut dyn Write,
    cancel: &'a CancelToken,
}

impl<'a> Cancellable<'a> {
    /// `out`, until `cancel`.
    pub fn new(out: &'a mut dyn Write, cancel: &'a CancelToken) -> Self {
        Self { out, cancel }
    }
}

impl Write for Cancellable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancel.is_cancelled() {
            // Not the kind `Interrupted`, which means to try again.
            return Err(io::Error::other("interrupted"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// An error of a sink, with the sink's name. Its kind stays, because `write_all` tries again after some.
pub(super) fn named(sink: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{sink}: cannot write: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
    fn a_file_that_has_the_partial_name_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (path, own) = (folder.path().join("result.csv"), folder.path().join("result.csv.partial"));
        fs::write(&own, "the user's").unwrap();
        let failed = with_output(Some(&path), |_| Err(CliError::Failed("no".into())));
        assert!(failed.is_err());
        with_output(Some(&path), |out| out.write_all(b"whole").map_err(CliError::failed)).unwrap();
        assert_eq!(fs::read(&own).unwrap(), b"the user's");
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(matches!(with_output(Some(folder.path()), |_| Ok(())), Err(CliError::Usage(_))));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_goes_on_standing_for_its_file_and_a_pipe_stays_a_pipe() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let (path, link, pipe) =
            (folder.path().join("result"), folder.path().join("link"), folder.path().join("pipe"));
        fs::write(&path, "old").unwrap();
        std::os::unix::fs::symlink("result", &link).unwrap();
        with_output(Some(&link), |out| out.write_all(b"new").map_err(CliError::failed)).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        if !made.is_ok_and(|status| status.success()) {
            return;
        }
        let read = std::thread::scope(|scope| {
            let reader = scope.spawn(|| fs::read(&pipe).unwrap());
            with_output(Some(&pipe), |out| out.write_all(b"through").map_err(CliError::failed)).unwrap();
            reader.join().unwrap()
        });
        assert_eq!(read, b"through");
        assert!(fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        with_output(Some(Path::new("/dev/null")), |out| out.write_all(b"x").map_err(CliError::failed))
            .unwrap();
        assert!(fs::symlink_metadata("/dev/null").unwrap().file_type().is_char_device());
    }
}
