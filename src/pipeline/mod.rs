//! Stages, bounded channels, byte budget, cancel, progress.
