//! What a command failed with: one line that says what, why and what to do, and an exit code.

use std::error::Error;
use std::fmt::Write as _;
use std::io;

/// How the process ends. The numbers are documented in `docs/cli.md` and never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything was done.
    Success,
    /// Something failed while it was done, or a check found a fault.
    Runtime,
    /// The command line, a setting or a given file name makes no sense.
    Usage,
    /// The machine lacks something: FUSE, or a store's address or credentials.
    Environment,
}

impl Exit {
    /// The number that the shell sees.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Runtime => 1,
            Self::Usage => 2,
            Self::Environment => 3,
        }
    }

    /// The exit that a process meant by `code`; a code that is not ours is a runtime failure.
    pub(crate) const fn from_code(code: u8) -> Self {
        match code {
            0 => Self::Success,
            2 => Self::Usage,
            3 => Self::Environment,
            _ => Self::Runtime,
        }
    }

    /// The word for this exit in JSON.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Runtime => "runtime",
            Self::Usage => "usage",
            Self::Environment => "environment",
        }
    }
}

/// A command that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// Who read our output has gone away; not a failure.
    #[error("nobody reads the output any more")]
    BrokenPipe,
    /// Anything else, as one finished line.
    #[error("{message}")]
    Failed {
        /// `cannot ...: why. What to do.`
        message: String,
        /// The exit code's meaning.
        exit: Exit,
    },
}

impl CliError {
    /// A failure while doing `action` (`read 'a.manifest'`): reads `cannot ACTION: REASON`.
    pub(crate) fn runtime(action: impl AsRef<str>, reason: impl AsRef<str>) -> Self {
        Self::because(Exit::Runtime, action.as_ref(), reason.as_ref())
    }

    /// A command line or setting that makes no sense.
    pub(crate) fn usage(action: impl AsRef<str>, reason: impl AsRef<str>) -> Self {
        Self::because(Exit::Usage, action.as_ref(), reason.as_ref())
    }

    /// Something that the machine lacks.
    pub(crate) fn environment(action: impl AsRef<str>, reason: impl AsRef<str>) -> Self {
        Self::because(Exit::Environment, action.as_ref(), reason.as_ref())
    }

    /// A failure that an error chain explains.
    pub(crate) fn caused(action: impl AsRef<str>, cause: &(dyn Error + 'static)) -> Self {
        Self::runtime(action, chain(cause))
    }

    /// The same for libraries whose errors often are whole sentences that begin with `cannot`.
    pub(crate) fn sentence(action: impl AsRef<str>, cause: &(dyn Error + 'static)) -> Self {
        let text = chain(cause);
        if text.starts_with("cannot ") {
            return Self::told(text, Exit::Runtime);
        }
        Self::runtime(action, text)
    }

    /// A message that another process of ours has already finished.
    pub(crate) const fn told(message: String, exit: Exit) -> Self {
        Self::Failed { message, exit }
    }

    fn because(exit: Exit, action: &str, reason: &str) -> Self {
        Self::Failed { message: format!("cannot {action}: {}", one_line(reason)), exit }
    }

    /// Adds what the reader should do about it, as a sentence of its own.
    #[must_use]
    pub(crate) fn advise(mut self, advice: impl AsRef<str>) -> Self {
        if let Self::Failed { message, .. } = &mut self {
            let stop = if message.ends_with('.') { "" } else { "." };
            let _ = write!(message, "{stop} {}", advice.as_ref());
        }
        self
    }

    /// The exit code that tells this failure.
    pub(crate) const fn exit(&self) -> Exit {
        match self {
            Self::BrokenPipe => Exit::Success,
            Self::Failed { exit, .. } => *exit,
        }
    }

    /// Whether the output was closed by its reader.
    pub(crate) const fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::BrokenPipe)
    }

    /// A failed write of results.
    pub(crate) fn from_output(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::BrokenPipe,
            _ => Self::caused("write the output", error),
        }
    }
}

/// An error and its causes, joined with `: `. A cause that its parent already quotes is left out.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !text.contains(&words) {
            let _ = write!(text, ": {words}");
        }
        next = cause.source();
    }
    text
}

/// Libraries (the TOML parser is one) explain themselves over several lines; we print one.
fn one_line(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    #[test]
    fn a_chain_names_each_cause_once() {
        let disk = Layer { text: "disk is full", source: None };
        let quoting = Layer { text: "cannot store: disk is full", source: Some(Box::new(disk)) };
        let top = Layer { text: "upload failed", source: Some(Box::new(quoting)) };
        assert_eq!(chain(&top), "upload failed: cannot store: disk is full");
    }

    #[test]
    fn advice_is_a_sentence_of_its_own() {
        let error = CliError::usage("read 'x'", "no such\n  file").advise("Check the path.");
        assert_eq!(error.to_string(), "cannot read 'x': no such file. Check the path.");
        assert_eq!(error.exit().code(), 2);
    }
}
