//! The kind of disk of a source, if the system reports it.

use std::path::Path;

/// Whether `path` is on a spinning disk, whose heads lose time when several files are read at once. `None` if
/// unknown: network shares, virtual disks, file systems in memory, other systems than Linux.
#[must_use]
pub fn is_rotational(path: &Path) -> Option<bool> {
    system::is_rotational(path)
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs;
    use std::os::linux::fs::MetadataExt;
    use std::path::Path;

    pub(super) fn is_rotational(path: &Path) -> Option<bool> {
        let device = numbers(fs::metadata(path).ok()?.st_dev());
        of_device(device).or_else(|| of_device(numbers(fs::metadata(mounted_from(device)?).ok()?.st_rdev())))
    }

    /// Major and minor number, as Linux packs them into one.
    fn numbers(device: u64) -> (u64, u64) {
        let major = ((device >> 32) & 0xffff_f000) | ((device >> 8) & 0xfff);
        let minor = ((device >> 12) & 0xffff_ff00) | (device & 0xff);
        (major, minor)
    }

    /// A partition has no queue: its disk, the folder above it in /sys, does.
    fn of_device((major, minor): (u64, u64)) -> Option<bool> {
        let device = format!("/sys/dev/block/{major}:{minor}");
        // Virtual disks claim to spin regardless of the underlying disk.
        if is_virtual(&fs::canonicalize(&device).ok()?) {
            return None;
        }
        let read = |queue: &str| fs::read_to_string(format!("{device}/{queue}/rotational")).ok();
        parse(&read("queue").or_else(|| read("../queue"))?)
    }

    fn is_virtual(device: &Path) -> bool {
        device.iter().any(|part| part.to_string_lossy().starts_with("virtio"))
    }

    fn parse(text: &str) -> Option<bool> {
        match text.trim() {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        }
    }

    /// Btrfs and others give their files device numbers of no disk; the mount table names the disk.
    fn mounted_from(device: (u64, u64)) -> Option<String> {
        disk_of(&fs::read_to_string("/proc/self/mountinfo").ok()?, device)
    }

    /// In a line of mountinfo the third word is the device and the second after " - " the mounted device.
    fn disk_of(mounts: &str, (major, minor): (u64, u64)) -> Option<String> {
        let wanted = format!("{major}:{minor}");
        mounts.lines().find_map(|line| {
            let (mount, origin) = line.split_once(" - ")?;
            let disk = origin.split(' ').nth(1)?;
            (mount.split(' ').nth(2)? == wanted && disk.starts_with("/dev/")).then(|| disk.to_string())
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn numbers_are_unpacked_as_the_system_packs_them() {
            assert_eq!(numbers(0x0801), (8, 1));
            assert_eq!(numbers(0x0011_0305), (259, 0x105));
        }

        #[test]
        fn the_table_of_mounts_names_the_disk() {
            let mounts = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n\
                          28 1 0:26 /@home /home rw shared:3 - btrfs /dev/sdb2 rw,subvol=/@home\n\
                          29 1 0:27 / /net rw - nfs4 server:/export rw\n";
            assert_eq!(disk_of(mounts, (0, 26)).as_deref(), Some("/dev/sdb2"));
            assert_eq!(disk_of(mounts, (0, 27)), None, "no disk of this machine");
            assert_eq!(disk_of(mounts, (0, 1)), None);
        }

        #[test]
        fn only_what_the_system_writes_is_an_answer() {
            assert_eq!(
                [parse("1\n"), parse("0\n"), parse(""), parse("2")],
                [Some(true), Some(false), None, None]
            );
            assert_eq!(is_rotational(Path::new("/proc/self")), None, "no disk at all");
            assert!(is_virtual(Path::new("/sys/devices/pci0000:00/0000:00:04.0/virtio3/block/vda/vda1")));
            assert!(!is_virtual(Path::new("/sys/devices/pci0000:00/0000:00:17.0/ata1/host0/block/sda")));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::path::Path;

    pub(super) const fn is_rotational(_path: &Path) -> Option<bool> {
        None
    }
}
