//! A decoder's panic is an item's outcome, not the end of a run.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use crate::outcome::{Failure, Outcome, Stage};

thread_local! {
    static IN_DECODER: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the default report of a panic (message and place, on standard error) back where it comes from
/// a decoder: its reason is in the item's outcome. Other panics are reported as ever. To be called once
/// by a program; calling it again does nothing.
pub fn silence_decoder_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let report = panic::take_hook();
        panic::set_hook(Box::new(move |information| {
            if !IN_DECODER.get() {
                report(information);
            }
        }));
    });
}

/// Runs a decoder; its panic becomes `crashed_decoder` with the panic's message.
pub(super) fn caught<T>(decoder: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    IN_DECODER.set(true);
    // The decoder's state is dropped with the panic: nothing of it is seen again.
    let result = panic::catch_unwind(AssertUnwindSafe(decoder));
    IN_DECODER.set(false);
    result.unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(ToString::to_string)
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "no message".to_string());
        Err(Failure::new(Outcome::CrashedDecoder, Stage::Decode, format!("the decoder panicked: {message}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_outcome() {
        silence_decoder_panics();
        let failure = caught::<()>(|| panic!("index {} out of range", 7)).unwrap_err();
        assert_eq!(failure.outcome, Outcome::CrashedDecoder);
        assert_eq!(failure.reason, "the decoder panicked: index 7 out of range");
        assert_eq!(caught(|| Ok(5)), Ok(5));
    }
}
