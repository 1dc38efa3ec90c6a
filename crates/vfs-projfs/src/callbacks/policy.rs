//! What programs may do to projected files.

use std::fmt;

/// What a program wants to do. Paths are relative to the root, in UTF-16 with backslashes, in the
/// program's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// Delete a file or folder.
    Delete {
        /// Which.
        path: &'a [u16],
        /// Whether it is a folder.
        directory: bool,
    },
    /// Move or rename. An empty path is outside of the root; `to` may be a projected name that
    /// would be replaced (projfs.md K6).
    Rename {
        /// From where.
        from: &'a [u16],
        /// Where to.
        to: &'a [u16],
        /// Whether it is a folder.
        directory: bool,
    },
    /// Make a hard link to `path` at `link`; one of them may be empty: outside of the root.
    Link {
        /// What is linked to.
        path: &'a [u16],
        /// The new name.
        link: &'a [u16],
    },
    /// Open for writing for the first time: the only moment at which writing can be refused
    /// (projfs.md K8). Opening and cutting a file in one go may not be asked about (projfs.md U2).
    Write {
        /// Which file.
        path: &'a [u16],
    },
}

/// Decides what programs may do. Asked on threads of ProjFS: must be quick and must not touch the
/// root.
pub trait OperationPolicy: fmt::Debug + Send + Sync {
    /// Whether it may be done. `projected` tells whether a path is one of the manifest's.
    fn allows(&self, operation: &Operation<'_>, projected: &dyn Fn(&[u16]) -> bool) -> bool;
}

/// Refuses to delete, move, replace or write to what the manifest has; new files are free.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProtectInputs;

impl OperationPolicy for ProtectInputs {
    fn allows(&self, operation: &Operation<'_>, projected: &dyn Fn(&[u16]) -> bool) -> bool {
        // Outside of the root nothing is projected.
        let is_input = |path: &[u16]| !path.is_empty() && projected(path);
        !match *operation {
            Operation::Delete { path, .. } | Operation::Write { path } => is_input(path),
            // What is replaced sends no notification of its own (projfs.md K6).
            Operation::Rename { from, to, .. } => is_input(from) || is_input(to),
            // Through another name it could be written to.
            Operation::Link { path, link } => is_input(path) || is_input(link),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    /// Asks with `in` and `in\\f` projected.
    fn allowed(operation: &Operation<'_>) -> bool {
        let inputs = [wide("in"), wide("in\\f")];
        ProtectInputs.allows(operation, &|path| inputs.iter().any(|input| input == path))
    }

    #[test]
    fn k5_k8_inputs_and_their_folders_can_be_neither_deleted_nor_written() {
        for (path, directory) in [("in", true), ("in\\f", false)] {
            assert!(!allowed(&Operation::Delete { path: &wide(path), directory }));
            assert!(!allowed(&Operation::Write { path: &wide(path) }));
        }
        assert!(allowed(&Operation::Delete { path: &wide("in\\new"), directory: false }));
        assert!(allowed(&Operation::Write { path: &wide("in\\new") }));
    }

    #[test]
    fn k6_s69_renames_are_refused_on_both_sides() {
        let rename = |from: &str, to: &str, directory| {
            allowed(&Operation::Rename { from: &wide(from), to: &wide(to), directory })
        };
        assert!(!rename("in\\f", "in\\g", false));
        assert!(!rename("in\\f", "", false), "moved out");
        assert!(!rename("in\\new", "in\\f", false), "replaced");
        assert!(!rename("", "in\\f", false), "replaced from outside");
        assert!(!rename("new", "in", true));
        assert!(rename("in\\new", "in\\newer", false));
        assert!(rename("", "in\\new", false));
        assert!(rename("new", "", true));
    }

    #[test]
    fn k7_inputs_get_no_second_name() {
        let link = |path: &str, link: &str| {
            allowed(&Operation::Link { path: &wide(path), link: &wide(link) })
        };
        assert!(!link("in\\f", "new"));
        assert!(!link("in\\f", ""));
        assert!(!link("", "in\\f"));
        assert!(link("new", "newer"));
        assert!(link("", "newer"));
    }
}
