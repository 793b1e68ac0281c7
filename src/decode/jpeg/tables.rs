//! The current tables, as the file's segments define and redefine them.

use std::cell::RefCell;
use std::rc::Rc;

use super::huffman::{AcTable, DcTable};
use super::zigzag::BLOCK;

/// Built Huffman tables that a thread caches: most files of a seizure share a few.
const CACHED: usize = 16;

thread_local! {
    static CACHE: RefCell<Vec<Cached>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Debug)]
struct Cached {
    /// Class, window, counts and values.
    key: Vec<u8>,
    table: Huffman,
}

#[derive(Clone, Debug)]
enum Huffman {
    Dc(Rc<DcTable>),
    Ac(Rc<AcTable>),
}

/// The tables defined at a position in a file.
#[derive(Debug)]
pub(super) struct Tables {
    /// Window bits of Huffman tables.
    window: u32,
    quantisation: [Option<[u16; BLOCK]>; 4],
    dc: [Option<Rc<DcTable>>; 4],
    ac: [Option<Rc<AcTable>>; 4],
    /// Units of a scan between restarts; 0 for none.
    pub restart_interval: usize,
}

impl Tables {
    /// No tables yet, for a file of `bytes`: wide windows pay off for large files.
    pub fn new(bytes: usize) -> Self {
        let window = match bytes {
            0..0x1_0000 => 10,
            0x1_0000..0x4_0000 => 11,
            _ => 12,
        };
        let (dc, ac) = ([const { None }; 4], [const { None }; 4]);
        Self { window, quantisation: [None; 4], dc, ac, restart_interval: 0 }
    }

    /// Window bits of Huffman tables.
    pub const fn window(&self) -> u32 {
        self.window
    }

    /// The quantisation table of a number, in the order of the file.
    pub fn quantisation(&self, number: u8) -> Option<&[u16; BLOCK]> {
        self.quantisation.get(usize::from(number))?.as_ref()
    }

    /// The DC table of a number.
    pub fn dc(&self, number: u8) -> Option<&Rc<DcTable>> {
        self.dc.get(usize::from(number))?.as_ref()
    }

    /// The AC table of a number.
    pub fn ac(&self, number: u8) -> Option<&Rc<AcTable>> {
        self.ac.get(usize::from(number))?.as_ref()
    }

    /// Takes a segment of quantisation tables; `None` where it is malformed.
    pub fn define_quantisation(&mut self, mut content: &[u8]) -> Option<()> {
        while let [head, rest @ ..] = content {
            let mut table = [0; BLOCK];
            content = match head >> 4 {
                0 => {
                    let (steps, rest) = rest.split_first_chunk::<BLOCK>()?;
                    table = steps.map(u16::from);
                    rest
                }
                1 => {
                    let (steps, rest) = rest.split_at_checked(2 * BLOCK)?;
                    for (step, bytes) in table.iter_mut().zip(steps.as_chunks().0) {
                        *step = u16::from_be_bytes(*bytes);
                    }
                    rest
                }
                _ => return None,
            };
            *self.quantisation.get_mut(usize::from(head & 15))? = Some(table);
        }
        Some(())
    }

    /// Takes a segment of Huffman tables; `None` where it is malformed.
    pub fn define_huffman(&mut self, mut content: &[u8]) -> Option<()> {
        while let [head, rest @ ..] = content {
            let (counts, rest) = rest.split_first_chunk::<16>()?;
            let count = counts.iter().map(|&count| usize::from(count)).sum();
            let (values, rest) = rest.split_at_checked(count)?;
            let number = usize::from(head & 15);
            match huffman(head >> 4, self.window, counts, values)? {
                Huffman::Dc(table) => *self.dc.get_mut(number)? = Some(table),
                Huffman::Ac(table) => *self.ac.get_mut(number)? = Some(table),
            }
            content = rest;
        }
        Some(())
    }
}

/// A table from this thread's cache, built if necessary.
fn huffman(class: u8, window: u32, counts: &[u8; 16], values: &[u8]) -> Option<Huffman> {
    let key = [&[class, window as u8], &counts[..], values].concat();
    CACHE.with_borrow_mut(|cache| {
        // Most recently used first.
        if let Some(index) = cache.iter().position(|cached| cached.key == key) {
            cache[..=index].rotate_right(1);
            return Some(cache[0].table.clone());
        }
        let table = match class {
            0 => Huffman::Dc(Rc::new(DcTable::new(counts, values, window)?)),
            1 => Huffman::Ac(Rc::new(AcTable::new(counts, values, window)?)),
            _ => return None,
        };
        cache.truncate(CACHED - 1);
        cache.insert(0, Cached { key, table: table.clone() });
        Some(table)
    })
}
