//! The callbacks that an action makes.

use projfs_emulator::link::{Request, Traced};

use crate::machine::is_listing;

/// What is expected, in order; listings beside.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    /// Each one as any of these.
    lines: Vec<Vec<String>>,
    /// Directories that are listed, once each time they are here.
    lists: Vec<String>,
    /// Directories that may be listed besides.
    may_list: Vec<String>,
    /// The order and number is not said by the rulebook.
    unspecified: bool,
}

impl Calls {
    pub(super) fn add(&mut self, line: String) {
        self.lines.push(vec![line]);
    }

    /// One by any of these paths.
    pub(super) fn add_any(&mut self, lines: Vec<String>) {
        self.lines.push(lines);
    }

    pub(super) fn lists(&mut self, directory: &str) {
        self.lists.push(directory.to_owned());
    }

    pub(super) fn may_list(&mut self, directory: &str) {
        self.may_list.push(directory.to_owned());
    }

    pub(super) fn are_unspecified(&mut self) {
        self.unspecified = true;
    }

    /// Says what differs.
    pub(crate) fn check(&self, made: &[Traced]) -> Result<(), String> {
        if self.unspecified {
            return Ok(());
        }
        let lines: Vec<_> = made
            .iter()
            .filter(|call| !is_listing(call))
            .map(|call| call.command.to_string())
            .collect();
        let alike = lines.len() == self.lines.len()
            && lines.iter().zip(&self.lines).all(|(line, any)| any.contains(line));
        if !alike {
            return Err(format!("callbacks {lines:#?}, expected {:#?}", self.lines));
        }
        if let Some(open) = made.iter().find(|call| call.result.is_none()) {
            return Err(format!("never answered: {}", open.line()));
        }
        self.check_listings(made)
    }

    fn check_listings(&self, made: &[Traced]) -> Result<(), String> {
        let paths = |wanted: fn(&Request) -> bool| {
            let calls = made.iter().filter(move |call| wanted(&call.command.request));
            let mut paths: Vec<_> = calls.map(|call| call.command.path.to_string()).collect();
            paths.sort();
            paths
        };
        let begun = paths(|request| matches!(request, Request::StartEnumeration { .. }));
        let ended = paths(|request| matches!(request, Request::EndEnumeration { .. }));
        let mut rest = begun.clone();
        for directory in &self.lists {
            match rest.iter().position(|path| path == directory) {
                Some(index) => drop(rest.remove(index)),
                None => return Err(format!("no listing of {directory:?} (F15): {begun:?}")),
            }
        }
        if let Some(path) = rest.iter().find(|path| !self.may_list.contains(path)) {
            return Err(format!("a listing of {path:?} that nothing needs"));
        }
        if begun == ended { Ok(()) } else { Err(format!("begun {begun:?}, ended {ended:?} (F1)")) }
    }
}
