//! The engine in the provider's own process, without a daemon: for tests of providers and of the
//! library itself.

use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, mpsc};

use tokio::runtime::Handle;

use crate::contract::{
    FailureCauses, FileState, Guid, HResult, PlaceholderInfo, Result, UpdateFlags, Wide,
};
use crate::engine;
use crate::knobs::Compare;
use crate::link::{
    Completion, Driver, Instance, InstanceInfo, LibraryKnobs, MarkRequest, Provider, StartRequest,
};
use crate::violation::Violation;

/// An engine as the library wants its driver: calls that wait.
#[derive(Clone, Debug)]
pub struct LocalDriver {
    engine: Arc<engine::Driver>,
    runtime: Handle,
}

impl LocalDriver {
    /// The engine's futures run on `runtime`, which must have other threads than those that call.
    #[must_use]
    pub const fn new(engine: Arc<engine::Driver>, runtime: Handle) -> Self {
        Self { engine, runtime }
    }
}

#[derive(Debug)]
struct LocalInstance {
    driver: LocalDriver,
    root: Arc<engine::Root>,
    session: Arc<engine::Session>,
}

/// Runs a future on the runtime's threads and waits for it. `None` if the runtime has ended.
fn wait<T: Send + 'static>(
    runtime: &Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = mpsc::sync_channel(1);
    runtime.spawn(async move {
        // Nobody waits any more if this fails.
        let _ = sender.send(future.await);
    });
    receiver.recv().ok()
}

impl Driver for LocalDriver {
    fn mark(&self, request: MarkRequest) -> Result<()> {
        let engine = self.engine.clone();
        let marked = wait(&self.runtime, async move { engine.mark(request).await });
        marked.unwrap_or(Err(HResult::VIRTUALIZATION_UNAVAILABLE))
    }

    fn start(
        &self,
        request: StartRequest,
        provider: Arc<dyn Provider>,
    ) -> Result<Arc<dyn Instance>> {
        let engine = self.engine.clone();
        let started = wait(&self.runtime, async move { engine.start(request, provider).await });
        let (root, session) = started.unwrap_or(Err(HResult::VIRTUALIZATION_UNAVAILABLE))?;
        Ok(Arc::new(LocalInstance { driver: self.clone(), root, session }))
    }

    fn on_disk_state(&self, path: &Wide) -> Result<FileState> {
        let (engine, path) = (self.engine.clone(), path.clone());
        let state = wait(&self.runtime, async move { engine.on_disk_state(&path).await });
        state.unwrap_or(Err(HResult::VIRTUALIZATION_UNAVAILABLE))
    }

    fn knobs(&self) -> LibraryKnobs {
        let knobs = self.engine.knobs();
        LibraryKnobs {
            strict: knobs.strict,
            hide_symlink_functions: knobs.hide_symlink_functions,
            legacy_compare: knobs.compare == Compare::LegacyLower,
        }
    }

    fn report(&self, violation: Violation) {
        self.engine.report(violation);
    }
}

impl LocalInstance {
    /// Runs what `work` makes of the root and the session.
    fn wait<T, F>(
        &self,
        work: impl FnOnce(Arc<engine::Root>, Arc<engine::Session>) -> F,
    ) -> Option<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        wait(&self.driver.runtime, work(self.root.clone(), self.session.clone()))
    }
}

impl Instance for LocalInstance {
    fn stop(&self) {
        // Without a runtime nothing is left to stop.
        let _ = self.wait(|root, session| async move { session.stop(&root).await });
    }

    fn clear_negative_path_cache(&self) -> Result<u32> {
        Ok(self.root.clear_negative_path_cache())
    }

    fn info(&self) -> InstanceInfo {
        let write_alignment = self.driver.engine.knobs().write_alignment;
        InstanceInfo { instance: self.root.instance(), write_alignment }
    }

    fn write_placeholder(&self, path: &Wide, info: PlaceholderInfo) -> Result<()> {
        let path = path.clone();
        let written = self.wait(|root, session| async move {
            root.write_placeholder(&session, &path, info).await
        });
        written.unwrap_or(Err(HResult::VIRTUALIZATION_UNAVAILABLE))
    }

    fn update_file(
        &self,
        path: &Wide,
        info: PlaceholderInfo,
        flags: UpdateFlags,
    ) -> (HResult, FailureCauses) {
        let path = path.clone();
        code(self.wait(|root, session| async move {
            root.update_file(&session, &path, info, flags).await
        }))
    }

    fn delete_file(&self, path: &Wide, flags: UpdateFlags) -> (HResult, FailureCauses) {
        let path = path.clone();
        code(
            self.wait(
                |root, session| async move { root.delete_file(&session, &path, flags).await },
            ),
        )
    }

    fn write_file_data(&self, stream: Guid, offset: u64, data: &[u8]) -> Result<()> {
        self.root.write_file_data(&self.session, stream, offset, data)
    }

    fn complete(&self, completion: Completion) -> Result<()> {
        self.session.complete(&self.root, completion)
    }
}

fn code(done: Option<std::result::Result<(), engine::Refused>>) -> (HResult, FailureCauses) {
    match done {
        Some(Ok(())) => (HResult::OK, FailureCauses::empty()),
        Some(Err(refused)) => refused,
        None => (HResult::VIRTUALIZATION_UNAVAILABLE, FailureCauses::empty()),
    }
}
