//! Reading ahead: threads that read each file once, while others digest and decode what is there already.
//!
//! **Small files** travel in groups, so that a message, a permit and an allocation serve many. **Large files** go
//! alone: pictures are held whole where the budget allows, everything else passes through block by block.
//!
//! **The order of permits**, so that threads never wait for each other in a circle: bytes of files are taken from
//! [`Readers`]' budget, by readers only, one permit a message, and by a reader that holds none. They are given back
//! by workers. A worker that holds a message waits for decoders' memory, whose holders wait for nothing, or for the
//! next block of a stream, whose reader waits for nothing but this worker. Whoever comes after the workers must
//! take nothing from this budget: what it would wait for could be behind itself in the queue.

use std::ops::Range;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::CancelToken;
use super::budget::{ByteBudget, Permit};
use super::buffer::Buffer;
use super::in_hand::{Held, InHand, Work};
use super::profile::{self, Profile, Queue};
use crate::decode::{Format, SNIFF_BYTES, is_candidate};
use crate::outcome::{Failure, Outcome, Stage};
use crate::source::{Digester, Digests, Medium, Provenance, SourceFile};

/// Files up to this size travel in groups.
const SMALL: u64 = 256 << 10;
/// A group is full with so many files, or so many bytes.
const GROUP_FILES: u64 = 32;
const GROUP_BYTES: u64 = 512 << 10;
/// Bytes read at a time.
const BLOCK: usize = 1 << 20;
/// Blocks of a stream that wait for its worker.
const BLOCKS_AHEAD: usize = 2;
/// What a stream holds: the blocks that wait, and one in either hand.
const STREAM_BYTES: u64 = (BLOCKS_AHEAD as u64 + 2) * BLOCK as u64;

/// A file that was listed, with what the stage after the readers wants to know of it.
#[derive(Debug)]
pub(super) struct Listed<T> {
    pub place: Provenance,
    pub size: u64,
    pub about: T,
}

/// Puts small files together, on the thread that finds them.
#[derive(Debug)]
pub(super) struct Grouper<T> {
    files: Vec<Listed<T>>,
    bytes: u64,
    found: u64,
    workers: u64,
}

impl<T> Grouper<T> {
    pub fn new(workers: usize) -> Self {
        Self { files: Vec::new(), bytes: 0, found: 0, workers: workers as u64 }
    }

    /// Takes a file; gives a group that is ready to be read. Groups are small at first, so that a few files
    /// keep all workers busy.
    pub fn push(&mut self, file: Listed<T>) -> Option<Vec<Listed<T>>> {
        self.found += 1;
        if file.size > SMALL {
            return Some(vec![file]);
        }
        // A name may be far longer than its file.
        self.bytes += file.size + file.place.bytes() as u64;
        self.files.push(file);
        let full = (self.found / (4 * self.workers)).clamp(1, GROUP_FILES);
        let ready = self.files.len() as u64 >= full || self.bytes >= GROUP_BYTES;
        ready.then(|| self.take())
    }

    /// The group as far as it is, to be read before its thread waits for anything or ends.
    pub fn take(&mut self) -> Vec<Listed<T>> {
        self.bytes = 0;
        std::mem::take(&mut self.files)
    }
}

/// Files that were read, and the permit for their bytes.
#[derive(Debug)]
pub(super) struct ReadGroup<'a, T> {
    /// The bytes of all files that are held.
    pub bytes: Buffer,
    pub files: Vec<ReadFile<T>>,
    pub permit: Option<Permit<'a>>,
}

#[derive(Debug)]
pub(super) struct ReadFile<T> {
    pub listed: Listed<T>,
    pub content: Result<Content, Failure>,
}

/// What there is of a file's bytes.
#[derive(Debug)]
pub(super) enum Content {
    /// All of them, at this place in the group's.
    Held(Range<usize>),
    /// The beginning, and the whole block by block.
    Stream(Head, Blocks),
    /// The beginning, where digests are not wanted.
    Head(Head),
}

/// The beginning of a file that is not held.
#[derive(Debug)]
pub(super) struct Head {
    pub bytes: Vec<u8>,
    /// Of a picture: why it is not held.
    pub refused: Option<Failure>,
}

/// A file that is being read while its worker digests it.
#[derive(Debug)]
pub(super) struct Blocks {
    size: u64,
    blocks: Receiver<Block>,
}

#[derive(Debug)]
enum Block {
    Bytes(Vec<u8>),
    End(Result<(), Failure>),
}

impl Blocks {
    /// Digests the blocks as they come, and says whether they are trivial; `None` where the run ends before the file does.
    pub fn digest(self, profile: &Profile) -> Option<Result<(Digests, bool), Failure>> {
        let mut digester = Digester::default();
        let mut size = 0;
        loop {
            match self.blocks.recv().ok()? {
                Block::Bytes(bytes) => {
                    let watch = profile.start(profile::Stage::Digesting);
                    digester.update(&bytes);
                    watch.stop(0, bytes.len() as u64);
                    size += bytes.len() as u64;
                }
                Block::End(Err(failure)) => return Some(Err(failure)),
                Block::End(Ok(())) if size != self.size => return Some(Err(changed(self.size, size))),
                Block::End(Ok(())) => {
                    let watch = profile.start(profile::Stage::Digesting);
                    let trivial = digester.is_trivial();
                    let digests = digester.finish();
                    watch.stop(1, 0);
                    return Some(Ok((digests, trivial)));
                }
            }
        }
    }
}

/// What is wanted of files that are no pictures, or too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Their beginning: no digests.
    Pictures,
    /// Digests, but of large files that are mostly holes.
    AllButHoles,
    /// Digests.
    All,
}

/// What the reading threads of a run share.
#[derive(Debug)]
pub(super) struct Readers<'a> {
    budget: ByteBudget,
    wanted: Wanted,
    cancel: &'a CancelToken,
    profile: &'a Profile,
    in_hand: &'a InHand,
}

impl<'a> Readers<'a> {
    pub const fn new(
        memory: u64,
        wanted: Wanted,
        cancel: &'a CancelToken,
        profile: &'a Profile,
        in_hand: &'a InHand,
    ) -> Self {
        Self { budget: ByteBudget::new(memory), wanted, cancel, profile, in_hand }
    }

    /// The most bytes that were held at once.
    pub fn peak(&self) -> u64 {
        self.budget.peak()
    }

    /// One reading thread. What is queued when the run is cancelled is not read.
    pub fn run<'b, T>(&'b self, files: &Receiver<Vec<Listed<T>>>, read: &Sender<ReadGroup<'b, T>>) {
        let mut block = vec![0; BLOCK].into_boxed_slice();
        for mut group in files {
            self.profile.saw(Queue::ToRead, files.len(), files.capacity());
            if self.cancel.is_cancelled() {
                continue;
            }
            let alone = group.len() == 1 && group[0].size > SMALL;
            let go_on = match group.pop() {
                Some(file) if alone => self.large(file, &mut block, read),
                Some(last) => {
                    group.push(last);
                    read.send(self.small(group, &mut block)).is_ok()
                }
                None => true,
            };
            if !go_on {
                return;
            }
        }
    }

    fn small<T>(&self, group: Vec<Listed<T>>, block: &mut [u8]) -> ReadGroup<'_, T> {
        let total = group.iter().map(|file| file.size).sum();
        let permit = self.budget.take(total);
        let watch = self.profile.start(profile::Stage::Reading);
        let mut bytes = Vec::with_capacity(total as usize);
        let read = |file: Listed<T>| {
            let _hand = self.in_hand.watch(Work::Reading, &file.place, file.size);
            let content = append(&file, block, &mut bytes).map(Content::Held);
            ReadFile { listed: file, content }
        };
        let files: Vec<_> = group.into_iter().map(read).collect();
        watch.stop(files.len() as u64, bytes.len() as u64);
        ReadGroup { bytes: bytes.into(), files, permit }
    }

    /// Returns whether there is still somebody to read for.
    fn large<'b, T>(&'b self, file: Listed<T>, block: &mut [u8], read: &Sender<ReadGroup<'b, T>>) -> bool {
        let hand = self.in_hand.watch(Work::Reading, &file.place, file.size);
        let watch = self.profile.start(profile::Stage::Reading);
        let opened = SourceFile::at(&file.place).and_then(|mut opened| {
            let holes = if self.wanted == Wanted::AllButHoles { opened.mostly_holes() } else { None };
            let filled = opened.fill(block)?;
            match holes {
                Some(holes) => Err(mostly_holes(opened.len(), holes, &block[..filled.min(SNIFF_BYTES)])),
                None => Ok((opened, filled)),
            }
        });
        let (opened, filled) = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                watch.stop(1, 0);
                let files = vec![ReadFile { listed: file, content: Err(failure) }];
                return read.send(ReadGroup { bytes: Buffer::default(), files, permit: None }).is_ok();
            }
        };
        watch.stop(1, filled as u64);
        let head = &block[..filled.min(SNIFF_BYTES)];
        let candidate = is_candidate(head);
        if candidate && file.size <= self.budget.total() {
            let group = self.held(opened, filled, file, block, &hand);
            drop(hand);
            return read.send(group).is_ok();
        }
        let head = Head { bytes: head.to_vec(), refused: candidate.then(|| self.too_large(file.size)) };
        if self.wanted != Wanted::Pictures {
            return self.stream(opened, filled, head, file, block, read, &hand);
        }
        drop(hand);
        let files = vec![ReadFile { listed: file, content: Ok(Content::Head(head)) }];
        read.send(ReadGroup { bytes: Buffer::default(), files, permit: None }).is_ok()
    }

    /// A picture, whole. `filled` bytes of the block are its beginning.
    fn held<T>(
        &self,
        mut file: SourceFile,
        mut filled: usize,
        listed: Listed<T>,
        block: &mut [u8],
        hand: &Held<'_>,
    ) -> ReadGroup<'_, T> {
        let size = listed.size;
        let permit = hand.waiting(|| self.budget.take(size));
        let watch = self.profile.start(profile::Stage::Reading);
        let mut bytes = Buffer::new(size as usize);
        let mut result = Ok(());
        // A file that grew is not followed beyond what it had when it was listed.
        while bytes.len() as u64 + filled as u64 <= size {
            bytes.extend_from_slice(&block[..filled]);
            if filled < block.len() {
                break;
            }
            if self.cancel.is_cancelled() {
                // Left for the next run, like what is queued.
                return ReadGroup { bytes: Buffer::default(), files: Vec::new(), permit: None };
            }
            match file.fill(block) {
                Ok(count) => filled = count,
                Err(failure) => {
                    result = Err(failure);
                    break;
                }
            }
        }
        watch.stop(0, bytes.len().saturating_sub(block.len()) as u64);
        let content = result.and_then(|()| {
            if bytes.len() as u64 == size {
                Ok(Content::Held(0..bytes.len()))
            } else {
                Err(changed(size, file.len().max(bytes.len() as u64)))
            }
        });
        ReadGroup { bytes, files: vec![ReadFile { listed, content }], permit }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one file in the middle of its reading")]
    fn stream<'b, T>(
        &'b self,
        mut file: SourceFile,
        mut filled: usize,
        head: Head,
        listed: Listed<T>,
        block: &mut [u8],
        read: &Sender<ReadGroup<'b, T>>,
        hand: &Held<'_>,
    ) -> bool {
        let permit = hand.waiting(|| self.budget.take(STREAM_BYTES.min(self.budget.total())));
        let (sender, blocks) = bounded(BLOCKS_AHEAD);
        let blocks = Blocks { size: listed.size, blocks };
        let files = vec![ReadFile { listed, content: Ok(Content::Stream(head, blocks)) }];
        if read.send(ReadGroup { bytes: Buffer::default(), files, permit }).is_err() {
            return false;
        }
        // A worker that does not want the stream ends this one only: the next message tells whether there are
        // any workers left.
        loop {
            let bytes = Block::Bytes(block[..filled].to_vec());
            if self.cancel.is_cancelled() || hand.waiting(|| sender.send(bytes)).is_err() {
                return true;
            }
            if filled < block.len() {
                let _ = sender.send(Block::End(Ok(())));
                return true;
            }
            let watch = self.profile.start(profile::Stage::Reading);
            let result = file.fill(block);
            watch.stop(0, *result.as_ref().unwrap_or(&0) as u64);
            match result {
                Ok(count) => filled = count,
                Err(failure) => {
                    let _ = sender.send(Block::End(Err(failure)));
                    return true;
                }
            }
        }
    }

    fn too_large(&self, size: u64) -> Failure {
        let reason = format!(
            "a file of {} MiB; {} MiB are allowed (raise --max-memory)",
            size.div_ceil(1 << 20),
            self.budget.total() >> 20
        );
        Failure::new(Outcome::OverLimit, Stage::Limits, reason)
    }
}

/// Reads a small file to the end of `bytes`.
fn append<T>(file: &Listed<T>, block: &mut [u8], bytes: &mut Vec<u8>) -> Result<Range<usize>, Failure> {
    let mut opened = SourceFile::at(&file.place)?;
    // One byte more would show that it grew.
    let filled = opened.fill(&mut block[..=file.size as usize])?;
    if filled as u64 != file.size {
        return Err(changed(file.size, opened.len().max(filled as u64)));
    }
    let start = bytes.len();
    bytes.extend_from_slice(&block[..filled]);
    Ok(start..bytes.len())
}

/// A file that is not read to its end; what it begins with says what it may be.
fn mostly_holes(size: u64, holes: u64, head: &[u8]) -> Failure {
    let what = Format::sniff(head).map_or("no picture", Format::name);
    let reason = format!(
        "{holes} of its {size} bytes were never written and read as zeros: not read to its end (--read-holes reads it); by its \
         beginning it is {what}"
    );
    Failure::new(Outcome::OverLimit, Stage::Read, reason)
}

fn changed(listed: u64, now: u64) -> Failure {
    let reason = format!("its size changed from {listed} to {now} bytes while it was read");
    Failure::new(Outcome::Unreadable, Stage::Read, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;
    use std::thread;

    /// What came of one file: its bytes or head, its digests, or why not.
    struct Got {
        number: usize,
        bytes: Vec<u8>,
        digests: Option<Digests>,
        failure: Option<Failure>,
    }

    fn digests(bytes: &[u8]) -> Digests {
        let mut digester = Digester::default();
        digester.update(bytes);
        digester.finish()
    }

    /// Begins like a JPEG or like nothing.
    fn patterned(size: usize, picture: bool) -> Vec<u8> {
        let start: &[u8] = if picture { b"\xff\xd8\xff\xe0" } else { b"nothing!" };
        let rest = (start.len()..).map(|index| (index * 7 + index / 251) as u8);
        start.iter().copied().chain(rest).take(size).collect()
    }

    /// Reads files, listed with these sizes, with as many threads.
    fn read(files: &[(&Path, u64)], memory: u64, threads: usize, cancel: &CancelToken) -> Vec<Got> {
        let profile = Profile::default();
        let in_hand = InHand::default();
        let readers = Readers::new(memory, Wanted::AllButHoles, cancel, &profile, &in_hand);
        let (files_in, files_out) = bounded(files.len() + 1);
        let mut grouper = Grouper::new(1);
        for (number, &(path, size)) in files.iter().enumerate() {
            let file = Listed { place: Provenance::of_file(path.into(), ""), size, about: number };
            grouper.push(file).into_iter().for_each(|group| files_in.send(group).unwrap());
        }
        files_in.send(grouper.take()).unwrap();
        drop(files_in);
        let (read_in, read_out) = bounded(1);
        let mut got = thread::scope(|scope| {
            for _ in 0..threads {
                let (readers, files_out, read_in) = (&readers, files_out.clone(), read_in.clone());
                scope.spawn(move || readers.run(&files_out, &read_in));
            }
            drop(read_in);
            read_out.iter().flat_map(|group| collect(group, &profile)).collect::<Vec<_>>()
        });
        assert!(readers.peak() <= memory);
        got.sort_by_key(|got| got.number);
        got
    }

    fn collect(group: ReadGroup<'_, usize>, profile: &Profile) -> Vec<Got> {
        let got = |file: ReadFile<usize>| {
            let mut got = Got { number: file.listed.about, bytes: Vec::new(), digests: None, failure: None };
            match file.content {
                Ok(Content::Held(range)) => {
                    got.bytes = group.bytes[range].to_vec();
                    got.digests = Some(digests(&got.bytes));
                }
                Ok(Content::Stream(head, blocks)) => {
                    got.bytes = head.bytes;
                    match blocks.digest(profile)? {
                        Ok((digests, _)) => got.digests = Some(digests),
                        Err(failure) => got.failure = Some(failure),
                    }
                    got.failure = got.failure.or(head.refused);
                }
                Ok(Content::Head(_)) => panic!("digests were wanted"),
                Err(failure) => got.failure = Some(failure),
            }
            Some(got)
        };
        group.files.into_iter().filter_map(got).collect()
    }

    #[test]
    fn files_of_every_size_are_read_whole_and_digested() {
        let folder = tempfile::tempdir().unwrap();
        let small = SMALL as usize;
        let edges =
            [0, 1, 4, small - 1, small, small + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 17];
        let mut files = Vec::new();
        for size in edges.into_iter().chain([300; 100]) {
            for picture in [false, true] {
                let path = folder.path().join(files.len().to_string());
                let content = patterned(size, picture);
                fs::write(&path, &content).unwrap();
                files.push((path, content, picture));
            }
        }
        let listed: Vec<_> =
            files.iter().map(|(path, content, _)| (path.as_path(), content.len() as u64)).collect();
        for (threads, memory) in [(1, 16 << 20), (4, 5 << 20), (3, 3 << 20)] {
            let got = read(&listed, memory, threads, &CancelToken::default());
            assert_eq!(got.len(), files.len());
            for (got, (_, content, picture)) in got.iter().zip(&files) {
                assert_eq!(got.digests, Some(digests(content)), "{} bytes, {threads} threads", content.len());
                let fits = content.len() <= small || content.len() as u64 <= memory;
                if content.len() <= small || (*picture && fits) {
                    assert_eq!(&got.bytes, content);
                    assert!(got.failure.is_none());
                } else {
                    assert_eq!(got.bytes, content[..SNIFF_BYTES]);
                    let outcome = got.failure.as_ref().map(|failure| failure.outcome);
                    assert_eq!(outcome, picture.then_some(Outcome::OverLimit));
                }
            }
        }
    }

    #[test]
    fn files_that_changed_or_went_are_named_so() {
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone");
        let mut paths = vec![(gone.clone(), 10), (gone, SMALL + 1)];
        for (size, picture) in [(1000, true), (2 * BLOCK, true), (2 * BLOCK, false)] {
            let path = folder.path().join(format!("{size}{picture}"));
            fs::write(&path, patterned(size, picture)).unwrap();
            // Listed as smaller, and as larger.
            paths.extend([(path.clone(), size as u64 - 1), (path, size as u64 + 1)]);
        }
        let listed: Vec<_> = paths.iter().map(|(path, size)| (path.as_path(), *size)).collect();
        let got = read(&listed, 16 << 20, 2, &CancelToken::default());
        let reasons: Vec<_> = got.iter().map(|got| got.failure.clone().unwrap()).collect();
        assert_eq!([reasons[0].outcome, reasons[1].outcome], [Outcome::Vanished; 2]);
        assert_eq!(reasons.len(), 8);
        for (failure, (path, size)) in reasons.iter().zip(&paths).skip(2) {
            let now = fs::metadata(path).unwrap().len();
            assert_eq!(failure.reason, changed(*size, now).reason);
        }
    }

    #[test]
    fn nothing_is_read_after_a_cancel() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, patterned(10, false)).unwrap();
        let cancel = CancelToken::default();
        cancel.cancel();
        assert!(read(&[(path.as_path(), 10); 50], 16 << 20, 2, &cancel).is_empty());
    }

    #[test]
    fn groups_grow_with_what_was_found() {
        let mut grouper = Grouper::new(4);
        let file = |size| Listed { place: Provenance::of_file(Path::new("").into(), ""), size, about: () };
        let sizes: Vec<usize> =
            (0..2000).filter_map(|_| grouper.push(file(100))).map(|group| group.len()).collect();
        assert_eq!(sizes[..16], [1; 16], "four for each worker go alone");
        assert_eq!(sizes.last(), Some(&(GROUP_FILES as usize)));
        assert!(sizes.is_sorted());
        let left = grouper.take().len();
        assert_eq!(sizes.iter().sum::<usize>() + left, 2000);
        assert_eq!(grouper.push(file(SMALL + 1)).map(|group| group.len()), Some(1), "large files go alone");
        assert!(grouper.push(file(GROUP_BYTES - 100_000)).is_some(), "so many bytes are enough");
    }
}
