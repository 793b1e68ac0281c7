//! (pdq::dct)
