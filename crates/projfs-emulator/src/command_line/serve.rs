//! `serve`: the daemon, from its first connection to its last unmount.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use projfs_emulator::Knobs;
use projfs_emulator::control::changed;
use projfs_emulator::daemon::{Daemon, Options};
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, ServeArguments};

/// Threads of the daemon at least: a call on one of its own mounts must not be all that runs.
const THREADS: usize = 4;

pub(super) fn serve(arguments: ServeArguments) -> Result<ExitCode, Failure> {
    let threads = std::thread::available_parallelism().map_or(THREADS, usize::from).max(THREADS);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(Failure::system("start threads"))?;
    let done = runtime.block_on(run(arguments));
    // A reader of standard input may wait for ever.
    runtime.shutdown_background();
    done
}

async fn run(arguments: ServeArguments) -> Result<ExitCode, Failure> {
    let mut knobs = Knobs::default();
    for setting in &arguments.knobs {
        knobs = changed(&knobs, setting)?;
    }
    // Before anything is mounted, so that no signal finds it unprepared.
    let mut terminate =
        signal(SignalKind::terminate()).map_err(Failure::system("wait for SIGTERM"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(Failure::system("wait for SIGINT"))?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(Failure::system("wait for SIGHUP"))?;
    let daemon = Daemon::start(Options { listen: arguments.listen, knobs }).await?;
    let announced = announce(&daemon.address().to_string(), arguments.ready_file.as_deref());
    if announced.is_ok() {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            // A terminal that is closed.
            _ = hang_up.recv() => {}
            () = end_of_input(), if arguments.until_eof => {}
        }
    }
    daemon.stop().await;
    if let Some(file) = &arguments.ready_file {
        let _ = std::fs::remove_file(file);
    }
    announced.map(|()| ExitCode::SUCCESS)
}

/// Says where the daemon listens. The file appears whole, or not at all.
fn announce(address: &str, ready_file: Option<&Path>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{address}")
        .and_then(|()| out.flush())
        .map_err(Failure::system("print the address"))?;
    let Some(file) = ready_file else { return Ok(()) };
    let mut partial = file.to_path_buf().into_os_string();
    partial.push(".partial");
    std::fs::write(&partial, format!("{address}\n"))
        .and_then(|()| std::fs::rename(&partial, file))
        .map_err(Failure::system(format!("write '{}'", file.display())))
}

async fn end_of_input() {
    let mut input = tokio::io::stdin();
    let mut ignored = [0; 64];
    // An error is an end too.
    while input.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
}
