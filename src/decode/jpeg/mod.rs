//! JPEG files: their structure, and their coefficients without their pixels.

pub(super) mod structure;
