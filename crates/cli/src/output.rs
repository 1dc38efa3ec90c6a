//! Results on stdout, messages on stderr; JSON lines where `--json` asks for them.

use std::fmt::Display;
use std::io::{self, Write};

use serde::Serialize;

use crate::error::CliError;

/// Where a command's words go. Cheap to clone; each call locks the stream for itself.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
}

/// One line of `--json` output: `schema` names the record and its version.
#[derive(Debug, Serialize)]
struct Record<'a, T: Serialize> {
    schema: &'a str,
    #[serde(flatten)]
    body: T,
}

#[derive(Debug, Serialize)]
struct ErrorRecord<'a> {
    kind: &'a str,
    code: u8,
    message: &'a str,
}

impl Output {
    /// Output as the global flags demand it.
    pub(crate) const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// Whether results are JSON lines.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether progress and notes are unwanted.
    pub(crate) const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Prints a result: `text` for people, `record` under `--json`.
    pub(crate) fn result(
        &self,
        text: impl Display,
        schema: &str,
        record: &impl Serialize,
    ) -> Result<(), CliError> {
        if self.json { self.record(schema, record) } else { self.line(text) }
    }

    /// Prints one line for people.
    pub(crate) fn line(&self, text: impl Display) -> Result<(), CliError> {
        writeln!(io::stdout().lock(), "{text}").map_err(|error| CliError::from_output(&error))
    }

    /// Prints one JSON line.
    pub(crate) fn record(&self, schema: &str, body: &impl Serialize) -> Result<(), CliError> {
        let schema = &format!("rusty-attachments/{schema}");
        let line = serde_json::to_string(&Record { schema, body })
            .map_err(|error| CliError::caused(format!("write the record '{schema}'"), &error))?;
        self.line(line)
    }

    /// Prints bytes as they are.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), CliError> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(bytes)
            .and_then(|()| stdout.flush())
            .map_err(|error| CliError::from_output(&error))
    }

    /// Tells something that is no result; silent under `--quiet`.
    pub(crate) fn note(&self, text: impl Display) {
        if !self.quiet {
            self.warn(text);
        }
    }

    /// Tells something that must not be missed.
    pub(crate) fn warn(&self, text: impl Display) {
        // Nobody is left to be told when stderr is gone.
        let _ = writeln!(io::stderr().lock(), "rusty-attachments: {text}");
    }

    /// Tells why the command failed; under `--json` on stdout too, for programs.
    pub(crate) fn error(&self, error: &CliError) {
        let message = error.to_string();
        self.warn(&message);
        if self.json {
            let exit = error.exit();
            let _ = self.record(
                "error/1",
                &ErrorRecord { kind: exit.word(), code: exit.code(), message: &message },
            );
        }
    }
}
