//! The tables of a walk, and their cache.

use std::cell::RefCell;
use std::rc::Rc;

/// The tables for walking blocks of one kind: one for a block's first look-up (a difference and the symbols that fit after it),
/// and one for the others.
#[derive(Debug)]
pub(super) struct StepTables<S> {
    pub first: Rc<[S]>,
    pub rest: Rc<[S]>,
}

impl<S> Clone for StepTables<S> {
    fn clone(&self) -> Self {
        Self { first: Rc::clone(&self.first), rest: Rc::clone(&self.rest) }
    }
}

/// The tables of an AC table with the DC table (`T`) that it was last used with.
#[derive(Debug)]
pub(super) struct Cached<T, S>(RefCell<Option<(Rc<T>, StepTables<S>)>>);

impl<T, S> Default for Cached<T, S> {
    fn default() -> Self {
        Self(RefCell::new(None))
    }
}

impl<T, S> Cached<T, S> {
    pub fn get(&self, dc: &Rc<T>, make: impl Fn() -> StepTables<S>) -> StepTables<S> {
        let mut cached = self.0.borrow_mut();
        if let Some((_, tables)) = cached.as_ref().filter(|(with, _)| Rc::ptr_eq(with, dc)) {
            return tables.clone();
        }
        let tables = make();
        *cached = Some((Rc::clone(dc), tables.clone()));
        tables
    }
}
