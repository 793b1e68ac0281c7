//! What the program asks of the system for itself.

/// Keeps core dumps off: one would leave evidence that was in memory in a file that nobody knows of.
///
/// `bench` reads the system's count of its own reads in `/proc/self/io`, which a process that may not be dumped leaves to
/// root; it has the limit alone. On Windows dumps of programs are written only where an administrator has asked for them.
#[cfg(unix)]
pub(super) fn keep_no_core_dumps(counts_its_reads: bool) {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // A system that refuses to lower a limit keeps the one it has: there is nothing else to be done.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    // A handler of core dumps that is a program gets them whatever the limit.
    #[cfg(target_os = "linux")]
    if !counts_its_reads {
        let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = counts_its_reads;
}

#[cfg(not(unix))]
pub(super) fn keep_no_core_dumps(_counts_its_reads: bool) {}
