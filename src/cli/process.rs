//! What the program requests of the system for its own process.

/// Disables core dumps: one would leave evidence from memory in a file that nobody knows of.
///
/// `bench` reads the system's count of its own reads in `/proc/self/io`, which only root may read for a process that may
/// not be dumped; for `bench`, only the limit is set. On Windows, dumps are written only if an administrator enabled them.
#[cfg(unix)]
pub(super) fn keep_no_core_dumps(counts_its_reads: bool) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // If the system refuses to lower the limit, nothing else can be done.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // A core dump handler that is a program gets the dump whatever the limit.
    #[cfg(target_os = "linux")]
    if !counts_its_reads {
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = counts_its_reads;
}

#[cfg(not(unix))]
pub(super) fn keep_no_core_dumps(_counts_its_reads: bool) {}
