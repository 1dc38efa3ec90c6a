//! A small provider: shows a list of strings as a folder.
//!
//! `cargo run -p projfs-emulator --example sample_provider -- /tmp/folder`, then look at the folder
//! from another shell with `ls`, `cat`, `cp`, `mv`, `rm`. Ctrl-C ends it. What was changed stays in
//! the folder below and is there again at the next start.
//!
//! `provider` is what one writes for Windows; here the emulator is started, in the same process.
#![cfg_attr(target_os = "linux", expect(clippy::print_stdout, reason = "it talks to a terminal"))]

#[cfg(target_os = "linux")]
mod provider;

#[cfg(target_os = "linux")]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    use projfs_emulator::daemon::{Daemon, Options};

    let folder = std::env::args().nth(1).ok_or("give a folder, such as /tmp/folder")?;
    std::fs::create_dir_all(&folder)?;
    let folder = std::fs::canonicalize(&folder)?;
    // On Windows, this is in the kernel.
    let daemon = Daemon::start(Options::default()).await?;
    let shown = show(folder.to_str().ok_or("a folder's name is Unicode")?, &daemon).await;
    daemon.stop().await;
    shown
}

/// Provides until Ctrl-C.
#[cfg(target_os = "linux")]
async fn show(
    folder: &str,
    daemon: &projfs_emulator::daemon::Daemon,
) -> Result<(), Box<dyn std::error::Error>> {
    use projfs_emulator::contract::Wide;
    use projfs_emulator::protocol::connect;
    use projfs_emulator::provider::serve_root;
    use tokio::signal::unix::{SignalKind, signal};
    use tokio::task::spawn_blocking;

    let (root, address) = (Wide::from(folder), daemon.address());
    let driver = spawn_blocking(move || connect(address)).await??;
    let _served = serve_root(&root, driver);
    let instance = spawn_blocking(move || provider::provide(&root)).await??;
    let mut interrupt = signal(SignalKind::interrupt())?;
    println!("{folder} shows the files; Ctrl-C ends it");
    interrupt.recv().await;
    spawn_blocking(move || provider::stop(instance)).await?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {}
