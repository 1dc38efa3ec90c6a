//! Who keeps a mount busy.
//!
//! Reads `/proc` only: never the mount itself, which may not answer.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::table;
use crate::error::Holder;

/// Processes that have something in `point` open, mapped or as a folder of their own, and mounts
/// inside it; sorted. As far as this user may see.
pub(super) fn find(point: &Path) -> Vec<Holder> {
    let mut holders = Vec::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = process.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        let Some(pid) = pid else { continue };
        if uses(&process.path(), point) {
            let command = std::fs::read(process.path().join("comm")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).trim_end().to_owned();
            holders.push(Holder::Process { pid, command });
        }
    }
    let inside = table::read().unwrap_or_default().into_iter().map(|mount| mount.point);
    let inside = inside.filter(|other| other != point && other.starts_with(point));
    holders.extend(inside.map(Holder::Mount));
    holders.sort();
    holders
}

fn uses(process: &Path, point: &Path) -> bool {
    let leads_inside =
        |link: &Path| std::fs::read_link(link).is_ok_and(|target| target.starts_with(point));
    let own = ["cwd", "root", "exe"].iter().any(|link| leads_inside(&process.join(link)));
    own || std::fs::read_dir(process.join("fd"))
        .into_iter()
        .flatten()
        .flatten()
        .any(|open| leads_inside(&open.path()))
        || maps(process, point)
}

/// Whether a process maps a file of the mount: the path is the sixth column of `maps`.
fn maps(process: &Path, point: &Path) -> bool {
    let maps = std::fs::read(process.join("maps")).unwrap_or_default();
    maps.split(|&byte| byte == b'\n').any(|line| {
        let path = line.iter().position(|&byte| byte == b'/').and_then(|at| line.get(at..));
        path.is_some_and(|path| Path::new(OsStr::from_bytes(path)).starts_with(point))
    })
}
