//! When two paths of a root are one.

use rusty_attachments_model::PathRef;
use rusty_attachments_vfs::changes::NameRule;

/// The rule of every root: NTFS compares names by their upper case.
pub const NAME_RULE: NameRule = NameRule::Folded(folded);

fn folded(component: PathRef<'_>) -> Vec<u8> {
    let units: Vec<u16> = component.utf16().collect();
    ntfs_names::fold(&units).into_iter().flat_map(u16::to_be_bytes).collect()
}
