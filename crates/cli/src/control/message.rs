//! The lines that clients and servers exchange.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{CliError, Exit};

/// Names the language and its version; both sides refuse another one.
pub(super) const SCHEMA: &str = "rusty-attachments/control/1";
/// Longest question.
pub(super) const QUESTION_BYTES_MAX: u64 = 4 << 10;
/// Longest line of an answer: a path of 32,767 characters, each escaped, twice, and its hashes.
pub(super) const LINE_BYTES_MAX: u64 = 64 << 20;

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Ask {
    /// What the mount says of itself.
    Report,
    /// The end of the mount. Answered when it has ended.
    Stop,
    /// What differs from the manifest: one more line for each path.
    Changes,
    /// The manifest that is shown: its bytes follow.
    Base,
}

/// The line of a client.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Question {
    pub(super) schema: String,
    pub(super) ask: Ask,
}

/// The first line of a server.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    pub(super) schema: String,
    #[serde(flatten)]
    pub(super) reply: Reply,
}

impl Answer {
    pub(super) fn new(reply: Reply) -> Self {
        Self { schema: SCHEMA.to_owned(), reply }
    }
}

/// What a server says.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "kebab-case")]
pub(super) enum Reply {
    /// To [`Ask::Report`].
    Report {
        /// The mount's own words.
        report: Value,
    },
    /// To [`Ask::Stop`].
    Stopped,
    /// To [`Ask::Changes`]; so many lines follow.
    Changes {
        /// How many.
        count: u64,
    },
    /// To [`Ask::Base`]; so many bytes follow.
    Base {
        /// How many.
        bytes: u64,
        /// The hash of the bytes that diffs name as their parent.
        hash: String,
    },
    /// It could not be done.
    Failed {
        /// A finished error line.
        message: String,
        /// The exit code.
        code: u8,
    },
}

impl Reply {
    pub(super) fn failed(error: &CliError) -> Self {
        Self::Failed { message: error.to_string(), code: error.exit().code() }
    }

    /// The answer, or the error that it tells of.
    pub(super) fn or_error(self) -> Result<Self, CliError> {
        match self {
            Self::Failed { message, code } => Err(CliError::told(message, Exit::from_code(code))),
            reply => Ok(reply),
        }
    }
}
