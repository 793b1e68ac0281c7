//! Size and times of a file, as reported by the system.

use std::fs::Metadata;
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// Size and times of a file; times in nanoseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileStamp {
    /// Bytes.
    pub size: Option<u64>,
    /// Last change of the content.
    pub modified: Option<i64>,
    /// Last access before we read the file.
    pub accessed: Option<i64>,
    /// Creation, if the system records it.
    pub created: Option<i64>,
}

impl From<&Metadata> for FileStamp {
    fn from(metadata: &Metadata) -> Self {
        Self {
            size: Some(metadata.len()),
            modified: nanoseconds(metadata.modified()),
            accessed: nanoseconds(metadata.accessed()),
            created: nanoseconds(metadata.created()),
        }
    }
}

impl FileStamp {
    /// A time of seconds since 1970 and nanoseconds after them; `None` beyond the years 1677…2262.
    #[cfg(unix)]
    pub(super) fn time(seconds: i64, nanoseconds: i64) -> Option<i64> {
        let time = i128::from(seconds) * 1_000_000_000 + i128::from(nanoseconds);
        i64::try_from(time).ok()
    }
}

/// `None` if the system does not record the time, or it is outside the years 1677…2262.
fn nanoseconds(time: io::Result<SystemTime>) -> Option<i64> {
    let time = time.ok()?;
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_nanos()).ok(),
        Err(before) => i64::try_from(before.duration().as_nanos()).ok().map(|nanoseconds| -nanoseconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn times_before_the_epoch_are_negative() {
        // Windows counts in hundreds of nanoseconds.
        assert_eq!(nanoseconds(Ok(UNIX_EPOCH + Duration::from_nanos(500))), Some(500));
        assert_eq!(nanoseconds(Ok(UNIX_EPOCH - Duration::from_nanos(500))), Some(-500));
        assert_eq!(nanoseconds(Err(io::ErrorKind::Unsupported.into())), None);
    }
}
