//! An output file that can be resumed after an interrupted run.
//!
//! Next to the result there are `NAME.partial` while it grows, and the note `NAME.resume.json`: how much of the partial file
//! is good, what it is a result of, and where to resume. Both are gone when the result has its name. The note is renamed into
//! place after the bytes it describes are on the disk, so that it is true at any instant. It holds the digest of these
//! bytes, so that a result that somebody changed is never resumed.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::CliError;
use super::output::named;
use crate::source::digest::hex;
use crate::source::name::{escape, escape_path};

/// The form of the note.
const VERSION: u32 = 1;
/// Maximum size of a note; a larger file is not a note.
const MOST_NOTE_BYTES: u64 = 1 << 20;

/// The note. `S` are the settings that decide the result, `P` is where to resume.
#[derive(Serialize, Deserialize)]
struct Note<S, P> {
    version: u32,
    program: String,
    settings: S,
    bytes: u64,
    sha256: String,
    /// `None` at the beginning.
    place: Option<P>,
}

/// A result while it is written.
#[derive(Debug)]
pub struct Resumable<S> {
    path: PathBuf,
    partial: PathBuf,
    note: PathBuf,
    settings: S,
    file: BufWriter<File>,
    bytes: u64,
    sha256: Sha256,
    /// Whether there is something to resume from.
    begun: bool,
}

impl<S: Serialize + for<'a> Deserialize<'a> + PartialEq> Resumable<S> {
    /// Begins the result `path`, or resumes it: then the place that was noted last is returned.
    ///
    /// # Errors
    /// If a partial result has other settings or was changed, or the file system fails.
    pub fn open<P>(path: &Path, settings: S) -> Result<(Self, Option<P>), CliError>
    where
        P: Serialize + for<'a> Deserialize<'a>,
    {
        let beside = |ending: &str| {
            let mut name = path.file_name().unwrap_or_default().to_os_string();
            name.push(ending);
            path.with_file_name(name)
        };
        let (partial, note) = (beside(".partial"), beside(".resume.json"));
        let shown = [escape_path(&partial), escape_path(&note)];
        let refused = |reason: &str| {
            let [partial, note] = &shown;
            CliError::Failed(format!(
                "{note}: {reason} (finish that result with its own command, or remove {note} and {partial} to start again)"
            ))
        };
        let failed = |error: io::Error| CliError::Failed(format!("{}: {error}", shown[0]));
        let (mut bytes, mut sha256, mut place) = (0, Sha256::new(), None);
        let file = match read_note(&note).map_err(|error| CliError::Failed(format!("{}: {error}", shown[1])))? {
            None => File::options().write(true).create_new(true).open(&partial).map_err(|error| {
                if error.kind() == io::ErrorKind::AlreadyExists {
                    let there = &shown[0];
                    return CliError::Failed(format!(
                        "{there}: already exists, and there is no note of what it belongs to (remove it, or choose another name)"
                    ));
                }
                failed(error)
            })?,
            Some(text) => {
                let note: Note<S, P> = serde_json::from_slice(&text)
                    .map_err(|error| refused(&format!("not a note of this program: {}", escape(error.to_string().as_bytes()))))?;
                if note.version != VERSION || note.program != program() {
                    return Err(refused("written by another version of this program"));
                }
                if note.settings != settings {
                    return Err(refused("belongs to a join of other lists or with other options"));
                }
                if !partial.exists() && is_whole(path, note.bytes, &note.sha256) {
                    // The run ended between giving the result its name and removing the note.
                    fs::rename(path, &partial).map_err(failed)?;
                }
                let mut file = File::options().read(true).write(true).open(&partial).map_err(failed)?;
                // Before anything is changed. The lock ends when the file is closed, also by a kill.
                if file.try_lock().is_err() {
                    return Err(refused("another run is writing this result"));
                }
                // What was written after the last note counts for nothing.
                let read = digest(&mut file, note.bytes, &mut sha256).map_err(failed)?;
                if read != note.bytes || hex(&sha256.clone().finalize()) != note.sha256 {
                    return Err(refused(&format!("{} has changed since", shown[0])));
                }
                file.set_len(note.bytes).map_err(failed)?;
                file.seek(SeekFrom::End(0)).map_err(failed)?;
                (bytes, place) = (note.bytes, note.place);
                file
            }
        };
        if place.is_none() && file.try_lock().is_err() {
            return Err(refused("another run is writing this result"));
        }
        let begun = place.is_some();
        let file = BufWriter::with_capacity(1 << 16, file);
        let result = Self { path: path.into(), partial, note, settings, file, bytes, sha256, begun };
        if !begun {
            result.write_note::<P>(None).map_err(CliError::failed)?;
        }
        Ok((result, place))
    }

    /// Notes that what was written until now is good, and where to resume from it.
    ///
    /// # Errors
    /// If the file system fails, with the file's name.
    pub fn reached<P: Serialize>(&mut self, place: P) -> io::Result<()> {
        let flushed = self.file.flush().and_then(|()| self.file.get_ref().sync_data());
        flushed.map_err(|error| named(&escape_path(&self.partial), &error))?;
        self.write_note(Some(place))?;
        self.begun = true;
        Ok(())
    }

    fn write_note<P: Serialize>(&self, place: Option<P>) -> io::Result<()> {
        let note = Note {
            version: VERSION,
            program: program(),
            settings: &self.settings,
            bytes: self.bytes,
            sha256: hex(&self.sha256.clone().finalize()),
            place,
        };
        let mut fresh = self.note.clone().into_os_string();
        fresh.push(".new");
        let write = || -> io::Result<()> {
            let mut file = File::create(&fresh)?;
            serde_json::to_writer(&mut file, &note)?;
            file.sync_all()?;
            fs::rename(&fresh, &self.note)
        };
        write().map_err(|error| named(&escape_path(&self.note), &error))
    }

    /// Gives the complete result its name.
    ///
    /// # Errors
    /// If the file system fails.
    pub fn finish(self) -> Result<(), CliError> {
        let Self { path, partial, note, mut file, .. } = self;
        let failed = |error: io::Error| CliError::failed(named(&escape_path(&path), &error));
        file.flush().and_then(|()| file.get_ref().sync_all()).map_err(failed)?;
        drop(file);
        fs::rename(&partial, &path).map_err(failed)?;
        match fs::remove_file(&note) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed(error)),
            _ => Ok(()),
        }
    }

    /// Leaves the result as it is for the next run if there is something to resume from, otherwise removes it. Returns
    /// whether there is.
    pub fn leave(self) -> bool {
        let Self { partial, note, file, begun, .. } = self;
        // What follows the last note would be discarded anyway.
        drop(file.into_parts());
        if !begun {
            // The error that led here is the one to report.
            let _ = fs::remove_file(&note);
            let _ = fs::remove_file(&partial);
        }
        begun
    }
}

impl<S> Write for Resumable<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes).map_err(|error| named(&escape_path(&self.partial), &error))?;
        self.sha256.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// The note's bytes; `None` if there is none.
fn read_note(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut text = Vec::new();
    file.take(MOST_NOTE_BYTES).read_to_end(&mut text)?;
    Ok(Some(text))
}

/// Digests the first `bytes` of a file, or as many as there are, and returns how many.
fn digest(file: &mut File, bytes: u64, sha256: &mut Sha256) -> io::Result<u64> {
    let mut block = vec![0; 1 << 20];
    let mut source = file.take(bytes);
    let mut read = 0;
    loop {
        match source.read(&mut block)? {
            0 => return Ok(read),
            count => {
                sha256.update(&block[..count]);
                read += count as u64;
            }
        }
    }
}

/// Whether a file is all that a note describes.
fn is_whole(path: &Path, bytes: u64, sha256: &str) -> bool {
    let digested = || -> io::Result<bool> {
        let mut file = File::open(path)?;
        let mut found = Sha256::new();
        let read = digest(&mut file, bytes + 1, &mut found)?;
        Ok(read == bytes && hex(&found.finalize()) == sha256)
    };
    digested().unwrap_or(false)
}

fn program() -> String {
    concat!("tamis ", env!("CARGO_PKG_VERSION")).into()
}
