//! Names are bytes: kept raw, escaped on output.
