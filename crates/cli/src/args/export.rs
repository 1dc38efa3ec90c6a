//! `export`, and where it puts a manifest.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use clap::{Args, ValueHint};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::StoreArgs;

/// `export`
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The mount point [default: the one that the working folder is in, else the only one]
    #[arg(value_name = "ROOT", value_hint = ValueHint::DirPath)]
    pub(crate) root: Option<PathBuf>,
    /// A folder of the root whose new and modified files are outputs; repeat for several
    /// [default: all of it]
    #[arg(long, visible_alias = "output-dir", value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub(crate) outputs: Vec<PathBuf>,
    /// Write the v2023 manifest of the outputs to FILE, replacing it [default: ROOT's name +
    /// .outputs.manifest, here, if it goes nowhere else]
    #[arg(short = 'o', long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) manifest: Option<PathBuf>,
    /// Write a v2025 diff of everything to FILE: deletions, folders, links and execute bits too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) diff: Option<PathBuf>,
    /// How many files are hashed and uploaded at a time, 1 to 256 [default: twice the number of
    /// processors, 8 to 32]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// Which task of Deadline Cloud the outputs belong to.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Deadline Cloud: puts the manifest where its tools look for outputs")]
pub(crate) struct PlaceArgs {
    /// farm-...
    #[arg(long, visible_alias = "farm", value_name = "ID",
          requires_all = ["queue_id", "job_id", "step_id", "session_action_id"])]
    pub(crate) farm_id: Option<String>,
    /// queue-...
    #[arg(long, visible_alias = "queue", value_name = "ID", requires = "farm_id")]
    pub(crate) queue_id: Option<String>,
    /// job-...
    #[arg(long, visible_alias = "job", value_name = "ID", requires = "farm_id")]
    pub(crate) job_id: Option<String>,
    /// step-...
    #[arg(long, visible_alias = "step", value_name = "ID", requires = "farm_id")]
    pub(crate) step_id: Option<String>,
    /// task-...; none for chunked steps
    #[arg(long, visible_alias = "task", value_name = "ID", requires = "farm_id")]
    pub(crate) task_id: Option<String>,
    /// sessionaction-...
    #[arg(long, visible_alias = "session-action", value_name = "ID", requires = "farm_id")]
    pub(crate) session_action_id: Option<String>,
    /// When the session action began, such as 2025-05-22T22:17:03.409012Z [default: now]
    #[arg(long, value_name = "TIME", requires = "farm_id")]
    pub(crate) started: Option<Moment>,
    /// The job's root path as the submitter spelled it [default: ROOT]
    #[arg(long, value_name = "PATH", requires = "farm_id")]
    pub(crate) asset_root: Option<String>,
    /// The file system location that the root path lies in
    #[arg(long, value_name = "NAME", requires = "farm_id")]
    pub(crate) file_system_location_name: Option<String>,
}

/// A point in time, written as RFC 3339 has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(pub(crate) SystemTime);

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map(|time| Self(time.into()))
            .map_err(|_| format!("'{text}' is no time such as 2025-05-22T22:17:03.409012Z"))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn moments_are_exact_to_the_microsecond() {
        let moment: Moment = "2025-05-22T22:17:03.409012Z".parse().unwrap();
        let since = Duration::from_micros(1_747_952_223_409_012);
        assert_eq!(moment.0.duration_since(UNIX_EPOCH).unwrap(), since);
        assert!("yesterday".parse::<Moment>().is_err());
    }
}
