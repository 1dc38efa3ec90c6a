//! How exports show on a terminal and are interrupted.

use std::sync::OnceLock;

use futures_util::future::BoxFuture;
use rusty_attachments_vfs::export::{ExportEvents, UploadEvents};

use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::progress::Progress;

/// Shows progress once it is known how much there is to do, and stops when a signal comes.
#[derive(Debug)]
pub(super) struct ExportProgress {
    output: Output,
    interrupt: Interrupt,
    progress: OnceLock<Progress>,
}

impl ExportProgress {
    pub(super) fn new(output: &Output, interrupt: &Interrupt) -> Self {
        let progress = OnceLock::new();
        Self { output: output.clone(), interrupt: interrupt.clone(), progress }
    }
}

impl ExportEvents for ExportProgress {
    fn begins(&self, files: u64, bytes: u64) {
        self.progress.get_or_init(|| Progress::start(&self.output, "export", files, bytes));
    }
}

impl UploadEvents for ExportProgress {
    fn done_bytes(&self, bytes: u64) {
        if let Some(progress) = self.progress.get() {
            progress.add_bytes(bytes);
        }
    }

    fn done_file(&self) {
        if let Some(progress) = self.progress.get() {
            progress.add_file();
        }
    }

    fn is_cancelled(&self) -> bool {
        self.interrupt.is_set()
    }

    fn cancelled(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.interrupt.wait())
    }
}
