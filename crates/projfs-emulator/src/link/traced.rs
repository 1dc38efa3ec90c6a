//! A callback as tests see it.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Command, Request};
use crate::contract::{HResult, Notification, Wide};

/// One callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// The root's full path.
    pub root: Wide,
    /// What was asked.
    pub command: Command,
    /// How it was answered, as the provider gave it; `None` while it runs, or if nobody waited for
    /// the answer.
    pub result: Option<HResult>,
    /// Entries of a Get, as many as were filled.
    pub entries: usize,
}

impl Traced {
    /// In one line, without numbers that change from run to run: such as
    /// `GetPlaceholderInfo docs\a.txt -> OK`, `Notify FileRenamed a -> b`; see [`Command`]'s
    /// `Display` for the rest.
    #[must_use]
    pub fn line(&self) -> String {
        let Some(result) = self.result else { return self.command.to_string() };
        let code = match result.name() {
            Some(name) => name.to_owned(),
            None => format!("0x{:08X}", result.0),
        };
        let filled = match (&self.command.request, self.entries) {
            (Request::GetEnumeration { .. }, 1) => ", 1 entry".to_owned(),
            (Request::GetEnumeration { .. }, entries) => format!(", {entries} entries"),
            _ => String::new(),
        };
        format!("{} -> {code}{filled}", self.command)
    }
}

/// What is asked, without ids and processes. The empty path, which is the root, or the outside for
/// renames and links, is written `""`. Data is asked for as `offset+length`. In brackets: what a
/// listing's expression and flags are, that a notification is about a directory, that what was
/// deleted had been modified.
impl fmt::Display for Command {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = Shown(&self.path);
        match &self.request {
            Request::StartEnumeration { .. } => write!(formatter, "StartEnumeration {path}"),
            Request::GetEnumeration { expression, restart, single_entry, .. } => {
                let expression = expression.as_ref().map(ToString::to_string);
                let remarks = [
                    expression.as_deref(),
                    restart.then_some("restart"),
                    single_entry.then_some("single entry"),
                ];
                write!(formatter, "GetEnumeration {path}")?;
                bracketed(formatter, &remarks)
            }
            Request::EndEnumeration { .. } => write!(formatter, "EndEnumeration {path}"),
            Request::GetPlaceholderInfo => write!(formatter, "GetPlaceholderInfo {path}"),
            Request::GetFileData { offset, length } => {
                write!(formatter, "GetFileData {path} {offset}+{length}")
            }
            Request::QueryFileName => write!(formatter, "QueryFileName {path}"),
            Request::Notify { notification, directory, destination, modified } => {
                write!(formatter, "Notify {notification:?} {path}")?;
                if let Some(destination) = destination {
                    write!(formatter, " -> {}", Shown(destination))?;
                }
                // Only there has it a meaning (K9).
                let modified = *modified && *notification == Notification::ClosedFileDeleted;
                let remarks = [directory.then_some("directory"), modified.then_some("modified")];
                bracketed(formatter, &remarks)
            }
        }
    }
}

/// A path that is seen even if it is empty.
struct Shown<'a>(&'a Wide);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { formatter.write_str("\"\"") } else { self.0.fmt(formatter) }
    }
}

fn bracketed(formatter: &mut fmt::Formatter<'_>, remarks: &[Option<&str>]) -> fmt::Result {
    let remarks: Vec<_> = remarks.iter().copied().flatten().collect();
    if remarks.is_empty() { Ok(()) } else { write!(formatter, " ({})", remarks.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::Guid;
    use crate::link::{EntryBudget, Process};

    fn line(path: &str, request: Request, result: Option<HResult>, entries: usize) -> String {
        let command = Command {
            id: 77,
            path: path.into(),
            version: None,
            process: Process { id: 4711, image: "cmd.exe".into() },
            file: Guid::numbered(1, 5),
            stream: Guid::numbered(2, 5),
            request,
        };
        Traced { root: "C:\\root".into(), command, result, entries }.line()
    }

    fn get(expression: Option<&str>, restart: bool, single_entry: bool) -> Request {
        Request::GetEnumeration {
            enumeration: Guid::numbered(3, 9),
            expression: expression.map(Wide::from),
            restart,
            single_entry,
            budget: EntryBudget { bytes: 4096, entries: 10 },
        }
    }

    fn notify(notification: Notification, destination: Option<&str>) -> Request {
        let destination = destination.map(Wide::from);
        Request::Notify { notification, directory: false, destination, modified: true }
    }

    #[test]
    fn a_line_tells_what_was_asked_and_how_it_was_answered() {
        let ok = Some(HResult::OK);
        let enumeration = Guid::numbered(3, 9);
        for (expected, path, request, result) in [
            (
                "GetPlaceholderInfo docs\\a.txt -> OK",
                "docs\\a.txt",
                Request::GetPlaceholderInfo,
                ok,
            ),
            ("GetPlaceholderInfo a", "a", Request::GetPlaceholderInfo, None),
            (
                "QueryFileName a -> 0x80070001",
                "a",
                Request::QueryFileName,
                Some(HResult(0x8007_0001_u32 as i32)),
            ),
            (
                "GetFileData a 512+513 -> OK",
                "a",
                Request::GetFileData { offset: 512, length: 513 },
                ok,
            ),
            ("StartEnumeration \"\" -> OK", "", Request::StartEnumeration { enumeration }, ok),
            ("EndEnumeration d -> OK", "d", Request::EndEnumeration { enumeration }, ok),
            ("Notify FileRenamed a -> b", "a", notify(Notification::FileRenamed, Some("b")), None),
            (
                "Notify PreRename \"\" -> b -> ACCESS_DENIED",
                "",
                notify(Notification::PreRename, Some("b")),
                Some(HResult::ACCESS_DENIED),
            ),
            (
                "Notify FileRenamed a -> \"\" -> OK",
                "a",
                notify(Notification::FileRenamed, Some("")),
                ok,
            ),
            (
                "Notify ClosedFileDeleted a (modified)",
                "a",
                notify(Notification::ClosedFileDeleted, None),
                None,
            ),
            ("Notify FileOpened a -> OK", "a", notify(Notification::FileOpened, None), ok),
        ] {
            assert_eq!(line(path, request, result, 0), expected);
        }
    }

    #[test]
    fn a_line_of_a_listing_tells_expression_flags_and_entries() {
        let ok = Some(HResult::OK);
        assert_eq!(line("", get(None, false, false), None, 0), "GetEnumeration \"\"");
        assert_eq!(
            line("d", get(None, true, false), ok, 0),
            "GetEnumeration d (restart) -> OK, 0 entries"
        );
        assert_eq!(
            line("d", get(Some("*.txt"), true, true), ok, 1),
            "GetEnumeration d (*.txt, restart, single entry) -> OK, 1 entry"
        );
    }

    #[test]
    fn a_line_tells_of_a_directory() {
        let request = Request::Notify {
            notification: Notification::ClosedFileDeleted,
            directory: true,
            destination: None,
            modified: true,
        };
        assert_eq!(line("d", request, None, 0), "Notify ClosedFileDeleted d (directory, modified)");
    }
}
