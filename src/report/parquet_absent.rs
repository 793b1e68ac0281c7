//! Stand-in for Parquet in builds without the feature `parquet`.

use std::convert::Infallible;
use std::io::{self, Write};
use std::marker::PhantomData;

use super::columns::{Cell, Column};

/// Whether this program can write Parquet.
pub const AVAILABLE: bool = false;

/// Rows that cannot exist.
#[derive(Debug)]
pub struct ParquetRows<'a> {
    never: Infallible,
    sink: PhantomData<&'a ()>,
}

impl<'a> ParquetRows<'a> {
    /// Refuses.
    ///
    /// # Errors
    /// Always: this build has no Parquet support.
    pub fn new(_: &[Column], _: &'a mut dyn Write) -> io::Result<Self> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this program was built without the feature `parquet`",
        ))
    }

    /// Adds a row.
    ///
    /// # Errors
    /// Never: there are no such rows.
    pub fn row(&mut self, _: &[Cell<'_>]) -> io::Result<()> {
        match self.never {}
    }

    /// Ends the file.
    ///
    /// # Errors
    /// Never: there are no such rows.
    pub fn finish(self) -> io::Result<()> {
        match self.never {}
    }
}
