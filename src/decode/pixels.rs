//! Decoding with the `image` crate.
