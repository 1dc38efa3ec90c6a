//! The command line: every command, flag, unit and default, as `--help` shows them.
//!
//! Flags that can also be set elsewhere are optional here; [`crate::config`] fills them in.

mod export;
pub(crate) mod values;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

pub(crate) use self::export::{ExportArgs, PlaceArgs};
use self::values::{ByteSize, TimeSpan};

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
    /// Mount a job's manifests as a folder
    #[command(
        after_help = "The last argument is the mount point: an existing empty folder. Returns \
                            when the mount answers, and leaves a background process behind.\n\n\
                            Example:\n  rusty-attachments mount job.manifest ./job --store \
                            s3://bucket/DeadlineCloud"
    )]
    Mount(MountArgs),
    /// Unmount a folder and end the process that serves it
    #[command(visible_alias = "umount", after_help = "Example:\n  rusty-attachments unmount ./job")]
    Unmount(UnmountArgs),
    /// List our mounts and what each has fetched
    #[command(after_help = "Example:\n  rusty-attachments status --json")]
    Status(StatusArgs),
    /// Ask one mount for its report; `status` runs this in a child
    #[command(hide = true)]
    ProbeMount(ProbeArgs),
    /// List what differs from the manifest in a root that is mounted with ProjFS
    #[command(after_help = "Letters: A added, M modified, D deleted, R renamed, X execute bit \
                            only, ? not hashed.\n\nExample:\n  rusty-attachments changes ./job --json")]
    Changes(ChangesArgs),
    /// Put what was changed in a mounted root into a store, with a manifest of it
    #[command(after_help = "Example:\n  rusty-attachments export ./job --store \
                            s3://bucket/DeadlineCloud --outputs renders -o outputs.manifest")]
    Export(ExportArgs),
    /// Make a manifest of a folder, and put its files into a store
    #[command(after_help = "Example:\n  rusty-attachments snapshot ./job --store ./store -o \
                            job.manifest")]
    Snapshot(SnapshotArgs),
    /// Show, check, rewrite and combine manifests
    #[command(subcommand)]
    Manifest(ManifestCommand),
    /// Show, check and trim the cache of fetched objects
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Check that this machine can mount, and print what to fix; exit 3 if it cannot
    #[command(
        after_help = "Example:\n  rusty-attachments doctor --store s3://bucket/DeadlineCloud"
    )]
    Doctor(DoctorArgs),
    /// Show it all on this machine: make a job, mount it, read it, check it, clean up
    #[command(after_help = "Needs no account, FUSE, and about 1.1 GB of temporary space times \
                            --size.\n\nExample:\n  rusty-attachments demo --size 0.2")]
    Demo(DemoArgs),
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

/// Where fetched objects are kept.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Cache and memory")]
pub(crate) struct CacheArgs {
    /// Folder for fetched objects, shared by all mounts of a user [default:
    /// $XDG_CACHE_HOME/rusty-attachments]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) cache_dir: Option<PathBuf>,
    /// Most bytes on disk that the cache may take [default: 20GiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) cache_size: Option<ByteSize>,
}

/// When content is checked against its hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerifyMode {
    /// Small objects before the first byte is served; parts of large ones (over 64 MiB) as they
    /// arrive, and the whole as soon as it is complete
    OnComplete,
    /// Always before the first byte is served
    BeforeRead,
}

impl std::str::FromStr for VerifyMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        <Self as ValueEnum>::from_str(text, false)
            .map_err(|_| format!("'{text}' is neither on-complete nor before-read"))
    }
}

/// `mount`
#[derive(Debug, Args)]
#[command(
    override_usage = "rusty-attachments mount [OPTIONS] --store STORE MANIFEST... MOUNTPOINT"
)]
pub(crate) struct MountArgs {
    /// Manifests of one root; of two entries with one path the last manifest's wins
    #[arg(required = true, value_name = "MANIFEST", value_hint = ValueHint::FilePath)]
    pub(crate) manifests: Vec<PathBuf>,
    /// An existing empty folder
    #[arg(required = true, value_name = "MOUNTPOINT", value_hint = ValueHint::DirPath)]
    pub(crate) mount_point: PathBuf,
    /// Apply a v2025 diff manifest to the merged manifests; repeat for several, in order
    #[arg(long = "diff", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) diffs: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
    /// Keep fetched objects in memory only
    #[arg(long, help_heading = "Cache and memory", conflicts_with_all = ["cache_dir", "cache_size"])]
    pub(crate) no_cache: bool,
    /// Most bytes of memory for content, read or being fetched [default: 256MiB]
    #[arg(long, value_name = "SIZE", help_heading = "Cache and memory")]
    pub(crate) memory: Option<ByteSize>,
    /// When content is checked against its hash [default: on-complete]
    #[arg(long, value_enum, help_heading = "Behaviour")]
    pub(crate) verify: Option<VerifyMode>,
    /// Let other users read the mount; needs 'user_allow_other' in /etc/fuse.conf unless root
    #[arg(long, help_heading = "Behaviour")]
    pub(crate) allow_other: bool,
    /// Refuse to change, move or delete what the manifests have; new files are free (ProjFS)
    #[arg(long, help_heading = "Behaviour")]
    pub(crate) protect_inputs: bool,
    /// Refuse to mount names that Windows cannot have, instead of leaving them out (ProjFS)
    #[arg(long, help_heading = "Behaviour")]
    pub(crate) strict_names: bool,
    /// Put written files into the store soon after they are closed; a later export finds them
    /// there (ProjFS)
    #[arg(long, help_heading = "Behaviour")]
    pub(crate) upload_on_close: bool,
    /// Folder for what was changed, outside of the mount point (ProjFS) [default:
    /// %LOCALAPPDATA%\rusty-attachments, $XDG_STATE_HOME/rusty-attachments]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, help_heading = "Behaviour")]
    pub(crate) state_dir: Option<PathBuf>,
    /// For development on Linux: mount as on Windows, on an emulator of ProjFS
    #[arg(long, help_heading = "Behaviour")]
    pub(crate) projfs_emulator: bool,
    /// Longest that one read may take before it fails, e.g. 90s [default: 5m]
    #[arg(long, value_name = "TIME", help_heading = "Behaviour")]
    pub(crate) read_timeout: Option<TimeSpan>,
    /// Threads that move content, 1 to 256 [default: by the number of processors]
    #[arg(long, value_name = "N", help_heading = "Behaviour",
          value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
    /// Serve the mount from this process: Ctrl-C unmounts
    #[arg(long, short, help_heading = "Process")]
    pub(crate) foreground: bool,
    /// Log of the background process; set aside at 64 MiB [default:
    /// $XDG_STATE_HOME/rusty-attachments/NAME.log; with --foreground stderr]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Process")]
    pub(crate) log_file: Option<PathBuf>,
    /// error, warn, info, debug or trace, or a tracing filter [default: info]
    #[arg(long, value_name = "LEVEL", help_heading = "Process")]
    pub(crate) log_level: Option<String>,
}

/// `unmount`
#[derive(Debug, Args)]
pub(crate) struct UnmountArgs {
    /// The mount point
    #[arg(value_name = "MOUNTPOINT", value_hint = ValueHint::DirPath)]
    pub(crate) mount_point: PathBuf,
    /// Detach now, even while programs have files open in it; they keep what they have
    #[arg(long, short)]
    pub(crate) lazy: bool,
}

/// `status`
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Longest to wait for each mount's answer [default: 3s]
    #[arg(long, value_name = "TIME")]
    pub(crate) timeout: Option<TimeSpan>,
}

/// `changes`
#[derive(Debug, Args)]
pub(crate) struct ChangesArgs {
    /// The mount point [default: the one that the working folder is in, else the only one]
    #[arg(value_name = "ROOT", value_hint = ValueHint::DirPath)]
    pub(crate) root: Option<PathBuf>,
}

/// `probe-mount`
#[derive(Debug, Args)]
pub(crate) struct ProbeArgs {
    /// The mount point
    pub(crate) mount_point: PathBuf,
}

/// `cache ...`
#[derive(Debug, Subcommand)]
pub(crate) enum CacheCommand {
    /// Print how much is cached
    Show(CacheArgs),
    /// Hash every cached object, and drop those that are damaged; exit 1 if there were any
    Verify(CacheArgs),
    /// Drop the objects that were not used for longest, down to the cache's size
    #[command(after_help = "Example:\n  rusty-attachments cache prune --to 5GiB")]
    Prune {
        #[command(flatten)]
        cache: CacheArgs,
        /// Keep this many bytes at most [default: --cache-size]
        #[arg(long, value_name = "SIZE")]
        to: Option<ByteSize>,
    },
}

/// `doctor`
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) cache: CacheArgs,
}

/// `demo`
#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Scale of the job, 0.01 to 10; 1 is 2,000 files and about 480 MiB
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = demo_size)]
    pub(crate) size: f64,
    /// Leave the job, its store and the manifest behind, and say where
    #[arg(long)]
    pub(crate) keep: bool,
    /// Work below DIR instead of the system's temporary folder
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) temp_dir: Option<PathBuf>,
}

fn demo_size(text: &str) -> Result<f64, String> {
    let size = text.parse::<f64>().ok().filter(|size| (0.01..=10.0).contains(size));
    size.ok_or_else(|| "write a number from 0.01 to 10".to_owned())
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
        /// Also ask the store for every object; exit 1 if one is missing or has another size
        #[arg(long)]
        check_store: bool,
        #[command(flatten)]
        store: StoreArgs,
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
        /// Write a v2025 diff manifest, that 'compose' applies, instead of a list
        #[command(flatten)]
        to: ToFile,
    },
    /// Apply v2025 diff manifests to the snapshot they were made from
    #[command(after_help = "Example:\n  rusty-attachments manifest compose snap.manifest \
                            d1.manifest d2.manifest -o now.manifest")]
    Compose {
        /// The snapshot
        #[arg(value_hint = ValueHint::FilePath)]
        snapshot: PathBuf,
        /// Diffs, in order
        #[arg(required = true, value_name = "DIFF", value_hint = ValueHint::FilePath)]
        diffs: Vec<PathBuf>,
        #[command(flatten)]
        to: ToFile,
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
