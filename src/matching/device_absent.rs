//! Stand-in for the GPU in builds without the feature `gpu`: there is none, and none can be opened.

use std::convert::Infallible;
use std::fmt;

use super::Pair;
use super::allowance::Stop;
use super::bands::Bands;
use crate::pdq::{DihedralHashes, PdqHash, Tile};

/// What a GPU that is not there fails with.
pub(super) type DeviceError = Infallible;
/// Hashes on a GPU that is not there.
pub(super) type DeviceHaystack = Infallible;

/// A GPU that nobody can open.
#[derive(Debug)]
pub(super) enum Gpu {}

impl Gpu {
    pub fn warning(&self) -> Option<String> {
        match *self {}
    }

    pub const fn tile_batch(&self) -> usize {
        match *self {}
    }

    pub fn hash(&self, _: &[Box<Tile>]) -> Result<Vec<DihedralHashes>, DeviceError> {
        match *self {}
    }

    pub fn haystack(&self, _: &[PdqHash]) -> Result<DeviceHaystack, DeviceError> {
        match *self {}
    }

    pub fn search(
        &self,
        _: &DeviceHaystack,
        _: &[PdqHash],
        _: u32,
        _: &mut dyn FnMut(usize, f64) -> Result<(), Stop>,
    ) -> Result<Result<Vec<Pair>, Stop>, DeviceError> {
        match *self {}
    }

    pub fn takes(&self, _: &Bands) -> bool {
        match *self {}
    }

    pub fn join(
        &self,
        _: &[PdqHash],
        _: Option<&[PdqHash]>,
        _: &Bands,
        _: u32,
        _: &mut dyn FnMut(usize, f64) -> Result<(), Stop>,
    ) -> Result<Result<Vec<Pair>, Stop>, DeviceError> {
        match *self {}
    }

    pub fn simulate_loss(&self) {
        match *self {}
    }
}

impl fmt::Display for Gpu {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}
