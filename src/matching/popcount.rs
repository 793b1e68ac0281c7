//! Population counts per instruction set.
