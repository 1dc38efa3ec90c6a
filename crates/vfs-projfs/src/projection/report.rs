//! What of the manifest Windows cannot have, for people to read.

use std::fmt;

use ntfs_names::Unopenable;
use rusty_attachments_model::PathBuf;

/// How many faults are kept word by word; a manifest could have millions, each with a long path.
const MOST_TOLD: usize = 10_000;

/// How many go to the log: the list is there for the rest.
const MOST_LOGGED: usize = 100;

/// The names that are not projected as they are written. Folder by folder, parents first, in the
/// order of NTFS; links come last.
#[derive(Clone, Debug, Default)]
pub struct NameReport {
    faults: Vec<NameFault>,
    untold: usize,
}

/// One of them. Paths are those of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameFault {
    /// Left out, with everything below it: Windows cannot have the name.
    Impossible {
        /// Which.
        path: PathBuf,
        /// Why.
        why: Unopenable,
    },
    /// A file or link that is left out: another entry has the name but for case, or a folder has
    /// it.
    Collides {
        /// Which.
        path: PathBuf,
        /// Which one is shown.
        shown: PathBuf,
    },
    /// A folder whose entries are shown in another one that has its name but for case.
    Merged {
        /// Which.
        path: PathBuf,
        /// Where its entries are.
        shown: PathBuf,
    },
    /// A link that is left out.
    Link {
        /// Which.
        path: PathBuf,
        /// Where it leads, as written in the link.
        target: PathBuf,
        /// Why.
        why: LinkFault,
    },
}

/// Why a link is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LinkFault {
    /// It leads out of the job.
    Outside,
    /// It leads in a circle, or through more links than any system follows.
    Endless,
    /// Windows cannot have a name that it leads to.
    Impossible(Unopenable),
    /// It leads to something that is left out itself.
    NotShown,
    /// It leads to nothing, and links are shown as what they lead to.
    Dangling,
    /// It leads to a folder, and links are shown as what they lead to.
    Folder,
}

impl NameReport {
    /// What is to be told: the first 10,000.
    #[must_use]
    pub fn faults(&self) -> &[NameFault] {
        &self.faults
    }

    /// How many faults there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.faults.len() + self.untold
    }

    /// Whether everything is shown as it is written.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.count() == 0
    }

    /// `fault` is only made if it is kept.
    pub(super) fn add(&mut self, fault: impl FnOnce() -> NameFault) {
        if self.faults.len() < MOST_TOLD {
            self.faults.push(fault());
        } else {
            self.untold += 1;
        }
    }

    pub(super) fn log(&self) {
        for fault in self.faults.iter().take(MOST_LOGGED) {
            tracing::warn!("{fault}");
        }
        let more = self.count().saturating_sub(MOST_LOGGED);
        if more > 0 {
            tracing::warn!("{more} more names are not shown as they are written");
        }
    }
}

/// One line for each fault, and one for those that are not kept.
impl fmt::Display for NameReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.faults {
            writeln!(f, "{fault}")?;
        }
        if self.untold > 0 {
            writeln!(f, "{} more names are not shown as they are written", self.untold)?;
        }
        Ok(())
    }
}

impl fmt::Display for NameFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Impossible { path, why } => {
                write!(f, "'{path}' is not shown: its name {why}; rename it where the job is made")
            }
            Self::Collides { path, shown } => write!(
                f,
                "'{path}' is not shown: Windows cannot tell it from '{shown}'; rename one of them"
            ),
            Self::Merged { path, shown } => write!(
                f,
                "the entries of '{path}' are shown in '{shown}': Windows cannot tell the two apart"
            ),
            Self::Link { path, target, why } => {
                write!(f, "the link '{path}' to '{target}' is not shown: {why}")
            }
        }
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside => f.write_str("it leads out of the job"),
            Self::Endless => f.write_str("it leads in a circle, or through too many links"),
            Self::Impossible(why) => write!(f, "a name that it leads to {why}"),
            Self::NotShown => f.write_str("what it leads to is not shown either"),
            Self::Dangling => f.write_str("it leads to nothing"),
            Self::Folder => {
                f.write_str("it leads to a folder, and this Windows has no links in projections")
            }
        }
    }
}
