//! A provider in a process of its own, to be killed; then the test itself may use the folder.

use std::path::{Path, PathBuf};

use projfs_emulator::contract::HResult;
use projfs_emulator::provider::table;
use serde::{Deserialize, Serialize};

use super::provider::{Options, Provider};
use super::reexec::{Child, Line};
use super::tree::Tree;

/// What the parent asks.
#[derive(Serialize, Deserialize)]
enum Ask {
    Start { root: PathBuf, tree: Tree, options: Options },
    Stop,
}

/// A provider in another process; killed when dropped.
pub(crate) struct RemoteProvider(Child);

impl RemoteProvider {
    /// Starts the process and the provider in it. `emulator` is the daemon's address.
    pub(crate) fn start(
        emulator: &str,
        root: &Path,
        tree: Tree,
        options: Options,
    ) -> Result<Self, HResult> {
        let mut child = Child::start("provider", &[("PROJFS_EMULATOR", emulator.to_owned())]);
        let started: HResult = child.ask(&Ask::Start { root: root.to_owned(), tree, options });
        started.ok()?;
        Ok(Self(child))
    }

    /// As `kill -9` (M9).
    pub(crate) fn kill(mut self) {
        self.0.kill();
    }
}

/// The child's side.
pub(super) fn provide(mut line: Line) {
    let mut running = None;
    while let Some(ask) = line.receive() {
        match ask {
            Ask::Start { root, tree, options } => {
                let result = match Provider::start(*table(), &root, tree, options) {
                    Ok(provider) => {
                        running = Some(provider);
                        HResult::OK
                    }
                    Err(code) => code,
                };
                line.send(&result);
            }
            Ask::Stop => {
                drop(running.take());
                line.send(&HResult::OK);
            }
        }
    }
}
