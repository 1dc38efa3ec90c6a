//! What the system says of folders: mounts, marks.

use std::path::Path;

/// What is mounted at or below a folder.
pub(crate) fn mounts_below(folder: &Path) -> Vec<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    points.filter(|point| Path::new(point).starts_with(folder)).map(str::to_owned).collect()
}

/// The names of a folder's extended attributes; the emulator marks with them.
pub(crate) fn attributes(folder: &Path) -> String {
    let mut names = vec![0; 4096];
    let length = rustix::fs::listxattr(folder, &mut names[..]).unwrap();
    String::from_utf8(names[..length].to_vec()).unwrap().replace('\0', " ").trim().to_owned()
}
