//! The command line: every command, flag, unit and default, as `--help` shows them.
//!
//! Flags that can also be set elsewhere are optional here; [`crate::config`] fills them in.

pub(crate) mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

use self::values::ByteSize;

/// Mount AWS Deadline Cloud job attachments as a local folder.
///
/// A job's manifests become a folder at once; a file's bytes are fetched from the store when they
/// are first read, and checked against the manifest.
#[derive(Debug, Parser)]
#[command(
    name = "rusty-attachments",
    version,
    propagate_version = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 the machine lacks something (FUSE, \
                  store). Every setting can also come from $XDG_CONFIG_HOME/rusty-attachments/\
                  config.toml or from RUSTY_ATTACHMENTS_<NAME>; a flag wins over the environment, \
                  the environment over the file."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Read settings from FILE instead of $XDG_CONFIG_HOME/rusty-attachments/config.toml
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) config: Option<PathBuf>,
    /// Print results as JSON, one object a line (see docs/cli.md)
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress and no notes on stderr; errors are still told
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a manifest of a folder, and put its files into a store
    #[command(after_help = "Example:\n  rusty-attachments snapshot ./job --store ./store -o \
                            job.manifest")]
    Snapshot(SnapshotArgs),
    /// Show, check, rewrite and combine manifests
    #[command(subcommand)]
    Manifest(ManifestCommand),
    /// Show the settings in effect and where each comes from
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  rusty-attachments completions bash > ~/.local/share/\
                            bash-completion/completions/rusty-attachments")]
    Completions(CompletionsArgs),
}

/// Where objects are.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Store")]
pub(crate) struct StoreArgs {
    /// The store: s3://bucket/rootPrefix, or a folder that holds Data/
    #[arg(long, visible_alias = "s3-root-uri", value_name = "STORE", value_hint = ValueHint::DirPath)]
    pub(crate) store: Option<String>,
    /// AWS profile [default: the AWS default chain]
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// AWS region of the bucket [default: from the profile or environment]
    #[arg(long, value_name = "REGION")]
    pub(crate) region: Option<String>,
    /// Address of an S3-compatible server instead of AWS
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) endpoint_url: Option<String>,
}

/// `snapshot`
#[derive(Debug, Args)]
pub(crate) struct SnapshotArgs {
    /// The folder. Dotfiles are kept
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) folder: PathBuf,
    /// Write the manifest to FILE, replacing it [default: DIR's name + .manifest, here]
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// The manifest's format. v2023 holds files only: links are followed, empty folders and
    /// execute bits are dropped. v2025 is a draft that keeps them
    #[arg(long, value_enum, default_value_t = ManifestFormat::V2023)]
    pub(crate) format: ManifestFormat,
    /// Files larger than this become several objects (v2025 only) [default: 256MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) chunk_size: Option<ByteSize>,
    /// How many files are hashed and uploaded at a time, 1 to 256 [default: twice the number of
    /// processors, 8 to 32]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) jobs: Option<u16>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

/// The wire formats that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ManifestFormat {
    /// 2023-03-03, the one that Deadline Cloud uses
    V2023,
    /// relative-manifest-snapshot-beta-2025-12
    V2025,
}

/// `manifest ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ManifestCommand {
    /// Print what a manifest says: a summary, then one line an entry
    #[command(after_help = "Example:\n  rusty-attachments manifest show job.manifest")]
    Show {
        /// A manifest, or - for stdin
        #[arg(value_hint = ValueHint::FilePath)]
        manifest: PathBuf,
        /// The summary alone
        #[arg(long)]
        summary: bool,
    },
    /// Check that manifests can be mounted; exit 1 if one cannot
    #[command(after_help = "Example:\n  rusty-attachments manifest validate --json job.manifest")]
    Validate {
        /// Manifests, or - for stdin
        #[arg(required = true, value_name = "MANIFEST", value_hint = ValueHint::FilePath)]
        manifests: Vec<PathBuf>,
    },
    /// Print a manifest's canonical bytes, exactly, without a newline
    #[command(
        after_help = "Example:\n  rusty-attachments manifest canonicalize - < a.json > b.json"
    )]
    Canonicalize {
        /// A manifest, or - for stdin
        #[arg(value_hint = ValueHint::FilePath)]
        manifest: PathBuf,
    },
    /// Merge manifests of one root; of two entries with one path the last wins
    #[command(
        after_help = "Example:\n  rusty-attachments manifest merge job.manifest step.manifest \
                            -o all.manifest"
    )]
    Merge {
        /// Manifests, in order
        #[arg(required = true, value_name = "MANIFEST", value_hint = ValueHint::FilePath)]
        manifests: Vec<PathBuf>,
        #[command(flatten)]
        to: ToFile,
    },
    /// List what changed from one manifest to another
    #[command(after_help = "Example:\n  rusty-attachments manifest diff old.manifest new.manifest")]
    Diff {
        /// The manifest before
        #[arg(value_hint = ValueHint::FilePath)]
        old: PathBuf,
        /// The manifest after
        #[arg(value_hint = ValueHint::FilePath)]
        new: PathBuf,
    },
}

/// Where a new manifest goes.
#[derive(Clone, Debug, Args)]
pub(crate) struct ToFile {
    /// Write the manifest to FILE instead of stdout
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
}

/// `config ...`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Print each setting, its value and where it comes from
    Show,
}

/// `completions`
#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}
