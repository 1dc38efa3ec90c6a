//! Sessions without a root, with a provider whose answers come as tasks of the scheduler.

mod answers;
mod closes;
mod commands;
mod mappings;
mod roots;
mod stop;

use std::sync::{Arc, OnceLock, Weak};

use parking_lot::{Mutex, RwLock};

use super::{About, Event, Session};
use crate::contract::{HResult, Notification, NotificationMapping, NotifyMask, Result, Wide};
use crate::engine::root::Shared;
use crate::engine::trace::Trace;
use crate::knobs::Knobs;
use crate::link::{Command, Completion, Process, Provider, Reply, Request, StartRequest};
use crate::scheduler::{Handle, Scheduler};
use crate::violation::ViolationLog;

/// The provider's process id; everybody else has another.
const PROVIDER: u32 = 100;

/// What a provider does with a command: answers it so, or keeps it.
type Script = dyn Fn(&Command) -> Option<(HResult, Reply)> + Send + Sync;

/// A provider that notes what it is asked.
struct Scripted {
    scheduler: Scheduler,
    script: Box<Script>,
    shared: Arc<Shared>,
    session: OnceLock<Weak<Session>>,
    asked: Mutex<Vec<Command>>,
    cancelled: Mutex<Vec<i32>>,
}

impl std::fmt::Debug for Scripted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Scripted").finish_non_exhaustive()
    }
}

impl Provider for Scripted {
    fn invoke(&self, command: Command) {
        let answer = (self.script)(&command);
        let id = command.id;
        self.asked.lock().push(command);
        if let Some((result, reply)) = answer {
            let (session, shared) = (self.session.get().unwrap().clone(), self.shared.clone());
            self.scheduler.spawn("answer", async move {
                let session = session.upgrade().unwrap();
                let completion = Completion { id, result, reply };
                session.commands.complete(&shared, completion).unwrap();
            });
        }
    }

    fn cancel(&self, id: i32) {
        self.cancelled.lock().push(id);
    }
}

/// A session with everything that a test looks at.
#[derive(Clone)]
struct Stage {
    scheduler: Scheduler,
    shared: Arc<Shared>,
    provider: Arc<Scripted>,
    session: Arc<Session>,
}

/// A provider that is told everything and cancels.
fn request() -> StartRequest {
    let mask = NotifyMask::from_bits_retain(0x1FFE);
    StartRequest {
        process: Process { id: PROVIDER, image: Wide::default() },
        root: "C:\\root".into(),
        negative_path_cache: false,
        queries_names: true,
        notifications: Some(vec![NotificationMapping { root: Wide::default(), mask }]),
        cancels: true,
    }
}

impl Stage {
    fn new(
        scheduler: &Scheduler,
        request: StartRequest,
        script: impl Fn(&Command) -> Option<(HResult, Reply)> + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared {
            knobs: RwLock::new(Arc::new(Knobs::default())),
            violations: ViolationLog::default(),
            trace: Trace::default(),
            runtime: Arc::new(scheduler.clone()),
        });
        let provider = Arc::new(Scripted {
            scheduler: scheduler.clone(),
            script: Box::new(script),
            shared: shared.clone(),
            session: OnceLock::new(),
            asked: Mutex::default(),
            cancelled: Mutex::default(),
        });
        let session = Arc::new(Session::new(request, provider.clone()));
        provider.session.set(Arc::downgrade(&session)).unwrap();
        Self { scheduler: scheduler.clone(), shared, provider, session }
    }

    /// A provider that answers each command with success.
    fn willing(scheduler: &Scheduler) -> Self {
        Self::new(scheduler, request(), |_| Some((HResult::OK, Reply::None)))
    }

    /// A provider that answers nothing by itself.
    fn silent(scheduler: &Scheduler) -> Self {
        Self::new(scheduler, request(), |_| None)
    }

    fn set_knobs(&self, change: impl FnOnce(&mut Knobs)) {
        let mut knobs = (*self.shared.knobs()).clone();
        change(&mut knobs);
        *self.shared.knobs.write() = Arc::new(knobs);
    }

    /// An application asks.
    fn ask(&self, path: &str, request: Request) -> Handle<Result<Reply>> {
        let (stage, about) = (self.clone(), About { path: path.into(), ..About::default() });
        self.scheduler.spawn(path, async move {
            stage.session.commands.ask(&stage.shared, &application(), about, request).await
        })
    }

    fn notify(&self, caller: Process, event: Event) -> Handle<Result<()>> {
        let (stage, about) = (self.clone(), About { path: event.path.clone(), ..About::default() });
        self.scheduler.spawn("notify", async move {
            stage.session.notify(&stage.shared, &caller, about, &event).await
        })
    }

    fn close(&self, event: Event) -> Handle<()> {
        let (stage, about) = (self.clone(), About { path: event.path.clone(), ..About::default() });
        self.scheduler.spawn("close", async move {
            stage.session.notify_close(&stage.shared, &application(), about, &event).await;
        })
    }

    fn stop(&self) -> Handle<()> {
        let stage = self.clone();
        self.scheduler.spawn("stop", async move { stage.session.drain(&stage.shared).await })
    }

    fn complete(&self, id: i32, result: HResult) -> Result<()> {
        let completion = Completion { id, result, reply: Reply::None };
        self.session.commands.complete(&self.shared, completion)
    }

    /// Numbers of the rules broken since the last call.
    fn broken(&self) -> Vec<String> {
        self.shared.violations.take().into_iter().map(|violation| violation.rule).collect()
    }

    /// The callbacks since the last call.
    fn traced(&self) -> Vec<String> {
        self.shared.trace.take().iter().map(crate::link::Traced::line).collect()
    }

    /// Ids of what the provider was asked.
    fn asked(&self) -> Vec<i32> {
        self.provider.asked.lock().iter().map(|command| command.id).collect()
    }

    fn cancelled(&self) -> Vec<i32> {
        self.provider.cancelled.lock().clone()
    }
}

/// Somebody who is not the provider.
fn application() -> Process {
    Process { id: 200, image: "app.exe".into() }
}

fn event(notification: Notification, path: &str) -> Event {
    Event {
        notification,
        item: None,
        path: path.into(),
        destination: None,
        directory: false,
        modified: false,
        truncated_only: false,
    }
}
