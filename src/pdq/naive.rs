//! (pdq::naive)
