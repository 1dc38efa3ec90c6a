//! The commands and what they print.

mod ask;
mod serve;

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use projfs_emulator::contract::HResult;
use projfs_emulator::control::UnknownSetting;
use projfs_emulator::daemon::DaemonError;

/// The Windows Projected File System in user mode, for tests of its providers.
#[derive(Debug, Parser)]
#[command(name = "projfs-emulator", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon until SIGTERM or SIGINT, and prints where it listens.
    Serve(ServeArguments),
    /// Prints the roots, or the state on disk of a path.
    State {
        #[command(flatten)]
        daemon: DaemonAddress,
        /// A file or folder in a root.
        path: Option<PathBuf>,
    },
    /// Prints broken rules since the last time; fails if there are some.
    Violations {
        #[command(flatten)]
        daemon: DaemonAddress,
    },
    /// Prints the callbacks since the last time, in order.
    Trace {
        #[command(flatten)]
        daemon: DaemonAddress,
    },
    /// Stops the provider of a root and unmounts it; its files stay as they are.
    Detach {
        #[command(flatten)]
        daemon: DaemonAddress,
        /// The folder that was marked.
        root: PathBuf,
    },
    /// Prints the settings, after changing those that are given.
    Knobs {
        #[command(flatten)]
        daemon: DaemonAddress,
        /// Such as `strict=false` or `closes.held=true`.
        #[arg(value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
}

#[derive(Debug, clap::Args)]
struct ServeArguments {
    /// Where to listen; port 0 takes one that is free.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Writes the address into this file once providers can connect.
    #[arg(long, value_name = "FILE")]
    ready_file: Option<PathBuf>,
    /// Settings to begin with, such as `strict=false`.
    #[arg(long, value_name = "KEY=VALUE", num_args = 1..)]
    knobs: Vec<String>,
    /// Ends with the standard input too: no daemon outlives the test that started it.
    #[arg(long)]
    until_eof: bool,
}

#[derive(Debug, clap::Args)]
struct DaemonAddress {
    /// Where the daemon listens.
    #[arg(long, env = "PROJFS_EMULATOR", value_name = "ADDRESS:PORT")]
    at: SocketAddr,
}

/// What makes a command fail.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Setting(#[from] UnknownSetting),
    #[error("{0}")]
    Connection(std::io::Error),
    #[error("{what}: {code}")]
    Answer { what: String, code: HResult },
    #[error("cannot {doing}: {source}")]
    System { doing: String, source: std::io::Error },
}

impl Failure {
    fn system(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        |source| Self::System { doing, source }
    }
}

/// Runs the command that this process was started with.
#[expect(clippy::print_stderr, reason = "a program tells its user")]
pub(crate) fn run() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::try_from_env("PROJFS_EMULATOR_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,fuser=warn"));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours);
    log.with_writer(std::io::stderr).init();
    let done = match CommandLine::parse().command {
        Command::Serve(arguments) => serve::serve(arguments),
        Command::State { daemon, path } => ask::state(daemon.at, path.as_deref()),
        Command::Violations { daemon } => ask::violations(daemon.at),
        Command::Trace { daemon } => ask::trace(daemon.at),
        Command::Detach { daemon, root } => ask::detach(daemon.at, &root),
        Command::Knobs { daemon, settings } => ask::knobs(daemon.at, &settings),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("projfs-emulator: {failure}");
        ExitCode::FAILURE
    })
}
