//! Ctrl-C: the first finishes what is in flight, the second ends the program at once.

use crate::pipeline::CancelToken;

use super::error::CliError;

/// A token that Ctrl-C (or a termination request) cancels. A second Ctrl-C exits with 130 without
/// waiting; a case is resumable after that too.
///
/// # Errors
/// The handler cannot be installed.
pub fn cancel_on_interrupt() -> Result<CancelToken, CliError> {
    let token = CancelToken::default();
    let cancelled = token.clone();
    ctrlc::set_handler(move || {
        if cancelled.is_cancelled() {
            std::process::exit(130);
        }
        cancelled.cancel();
    })
    .map_err(|error| CliError::Failed(format!("cannot listen for Ctrl-C: {error}")))?;
    Ok(token)
}
