//! Extended attributes of lower files: our record and true names, and those of the users, kept
//! apart by their names.

use std::os::fd::AsFd;

use rustix::buffer::spare_capacity;
use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
use rustix::io::{Errno, Result};

/// The attribute that has an item's record.
pub(super) const RECORD: &[u8] = b"user.projfs";

/// What Linux allows for a value, and for all names together.
const LARGEST: usize = 65_536;

/// Users' names that begin as ours do are kept below this.
const ESCAPED: &[u8] = b"user.projfs.ea.";

/// The value of an attribute, if there is one.
pub(super) fn get(file: impl AsFd, name: &[u8]) -> Result<Option<Vec<u8>>> {
    // Most values fit at once; asking for the length first would double the calls.
    for capacity in [1024, LARGEST] {
        let mut value = Vec::with_capacity(capacity);
        match fgetxattr(&file, name, spare_capacity(&mut value)) {
            Ok(_) => return Ok(Some(value)),
            Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
            Err(Errno::RANGE) => {}
            Err(error) => return Err(error),
        }
    }
    Err(Errno::RANGE)
}

/// Sets an attribute in one step.
pub(super) fn set(file: impl AsFd, name: &[u8], value: &[u8]) -> Result<()> {
    fsetxattr(file, name, value, XattrFlags::empty())
}

/// Removes an attribute.
pub(super) fn remove(file: impl AsFd, name: &[u8]) -> Result<()> {
    fremovexattr(file, name)
}

/// Names of the users' attributes, as users know them.
pub(super) fn users(file: impl AsFd) -> Result<Vec<Vec<u8>>> {
    let mut names = Vec::with_capacity(LARGEST);
    match flistxattr(file, spare_capacity(&mut names)) {
        Ok(_) => {}
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    }
    Ok(names.split(|byte| *byte == 0).filter_map(users_name).map(<[u8]>::to_vec).collect())
}

/// The attribute that has what a user calls `name`.
pub(super) fn of_users(name: &[u8]) -> Vec<u8> {
    let prefix: &[u8] = if name.starts_with(b"projfs") { ESCAPED } else { b"user." };
    [prefix, name].concat()
}

fn users_name(attribute: &[u8]) -> Option<&[u8]> {
    let escaped = attribute.strip_prefix(ESCAPED);
    let plain = attribute.strip_prefix(b"user.").filter(|name| !name.starts_with(b"projfs"));
    escaped.or(plain)
}
