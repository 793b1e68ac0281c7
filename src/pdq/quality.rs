//! (pdq::quality)
