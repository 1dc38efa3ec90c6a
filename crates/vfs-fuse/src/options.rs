//! What can be chosen about a mount.

use std::time::Duration;

/// How a volume is mounted. Start from the default and change what differs.
#[derive(Clone, Debug)]
pub struct MountOptions {
    /// What the mount is called in `findmnt`: its source is `rusty-attachments:LABEL`. Characters
    /// that mount options cannot carry are replaced by `_`.
    pub label: String,
    /// Whether other users than the mounting one may use the mount. Their rights are checked
    /// against the modes shown either way. An unprivileged mount needs `user_allow_other` in
    /// `/etc/fuse.conf` for this.
    pub allow_other: bool,
    /// Who owns everything in the mount; the mounting user if not given.
    pub uid: Option<u32>,
    /// Which group everything belongs to; the mounting user's if not given.
    pub gid: Option<u32>,
    /// How long the kernel may answer names, missing names and attributes by itself. The tree is
    /// immutable, so this bounds nothing but how long the kernel remembers.
    pub ttl: Duration,
    /// How many threads take requests: 1 to 64. They never wait for the store.
    pub threads: usize,
    /// Whether the kernel may read completely cached files by itself. Needs Linux 6.9 and
    /// `CAP_SYS_ADMIN`; without them everything works, slower.
    pub passthrough: bool,
    /// The smallest file, in bytes, that is worth a passthrough.
    pub passthrough_min_bytes: u64,
    /// The most bytes that the kernel reads ahead of a sequential reader. Above the kernel's own
    /// default (128 KiB) this needs the right to write to `/sys/class/bdi`.
    pub readahead_bytes: u32,
    /// What to do about names that Linux cannot have.
    pub unrepresentable: UnrepresentableNames,
    /// Whether a folder that holds something may be mounted over.
    pub allow_nonempty: bool,
}

/// What to do about names that Linux cannot have: longer than 255 bytes, or a Windows name with
/// an unpaired surrogate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnrepresentableNames {
    /// Refuse the mount and name the first such entry. Looks at every name once.
    #[default]
    Refuse,
    /// Mount without them.
    Hide,
}

impl Default for MountOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            label: "mount".into(),
            allow_other: false,
            uid: None,
            gid: None,
            ttl: Duration::from_secs(24 * 60 * 60),
            // Two per core, because an answer from the disk cache may wait for a disk.
            threads: (2 * cores).clamp(4, 16),
            passthrough: true,
            // Registering a backing file costs about as much as reading a few hundred KiB.
            passthrough_min_bytes: 1 << 20,
            readahead_bytes: 1 << 20,
            unrepresentable: UnrepresentableNames::default(),
            allow_nonempty: false,
        }
    }
}

/// The file system type that mounts of this crate have, after `fuse.`.
pub(crate) const SUBTYPE: &str = "rusty-attachments";

impl MountOptions {
    /// The mount's source as `/proc/self/mountinfo` shall show it.
    pub(crate) fn source(&self) -> String {
        // Commas and backslashes are syntax for mount helpers; 200 keeps well under a page.
        let label = self.label.chars().take(200);
        let label: String =
            label.map(|c| if c.is_control() || ",\\".contains(c) { '_' } else { c }).collect();
        format!("{SUBTYPE}:{label}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_cannot_smuggle_mount_options() {
        let options = MountOptions { label: "job-1,dev\\\n x".into(), ..Default::default() };
        assert_eq!(options.source(), "rusty-attachments:job-1_dev__ x");
    }
}
