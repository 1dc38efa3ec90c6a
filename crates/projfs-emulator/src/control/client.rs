//! Asks the daemon, and waits for its answers.

use std::io;
use std::net::ToSocketAddrs;
use std::sync::Arc;

use super::messages::{Answer, FromDaemon, Operation, Question, RootState, ToDaemon};
use crate::contract::operations::{
    Attributes, BasicChange, Entry, HandleId, ItemId, Open, Opened, Query, Target,
};
use crate::contract::{FileState, HResult, Result, Wide};
use crate::knobs::Knobs;
use crate::link::{Process, Traced};
use crate::protocol::{Connection, Incoming, NotSent, Role, Waiting};
use crate::violation::Violation;

/// A control connection. Every method but [`Self::begin`] waits for its answer; a lost connection
/// reads as OPERATION_ABORTED.
#[derive(Clone, Debug)]
pub struct Client {
    connection: Arc<Connection<ToDaemon, Answer>>,
}

/// An answer to come.
#[derive(Debug)]
#[must_use = "an operation goes on unless it is waited for or cancelled"]
pub struct Pending {
    connection: Arc<Connection<ToDaemon, Answer>>,
    waiting: Waiting<Answer>,
}

impl Pending {
    /// Waits for the answer.
    ///
    /// # Errors
    /// What the operation failed with; OPERATION_ABORTED if the connection is lost.
    pub fn wait(self) -> Result<Answer> {
        match self.waiting.wait() {
            Some(Answer::Failed(code)) => Err(code),
            Some(answer) => Ok(answer),
            None => Err(HResult::OPERATION_ABORTED),
        }
    }

    /// Gives the operation up, as an application does that is killed (`projfs.md L5`).
    pub fn cancel(self) {
        // If the connection is lost, that has cancelled it.
        let _ = self.connection.send(&ToDaemon::Cancel { id: self.waiting.id });
    }
}

/// Another answer than the question's.
fn unexpected<T>(answer: &Answer) -> Result<T> {
    tracing::error!("the daemon answered something else than was asked: {answer:?}");
    Err(HResult::INTERNAL_ERROR)
}

/// Takes the one kind of answer that a question has.
macro_rules! expect {
    ($answer:expr, $($pattern:pat => $value:expr)+) => {
        match $answer? {
            $($pattern => Ok($value),)+
            other => unexpected(&other),
        }
    };
}

impl Client {
    /// Connects to the daemon at `address`, such as `127.0.0.1:4711`.
    ///
    /// # Errors
    /// Holds a [`ProtocolError`](crate::protocol::ProtocolError) that says what to do.
    pub fn connect(address: impl ToSocketAddrs) -> io::Result<Self> {
        let receive = |message: FromDaemon| Incoming::Answer(message.id, message.answer);
        let connection = Connection::open(address, Role::Control, receive, || {})?;
        Ok(Self { connection: Arc::new(connection) })
    }

    /// Asks without waiting.
    ///
    /// # Errors
    /// OPERATION_ABORTED if the connection is lost, INVALID_ARGUMENT if the question is too long.
    pub fn begin(&self, question: Question) -> Result<Pending> {
        let sent = self.connection.begin(|id| ToDaemon::Ask { id, question });
        let waiting = sent.map_err(|not_sent| match not_sent {
            NotSent::TooLong => HResult::INVALID_ARGUMENT,
            NotSent::Lost => HResult::OPERATION_ABORTED,
        })?;
        Ok(Pending { connection: Arc::clone(&self.connection), waiting })
    }

    fn ask(&self, question: Question) -> Result<Answer> {
        self.begin(question)?.wait()
    }

    /// The settings.
    ///
    /// # Errors
    /// OPERATION_ABORTED, as everywhere here.
    pub fn knobs(&self) -> Result<Knobs> {
        expect!(self.ask(Question::Knobs), Answer::Knobs(knobs) => *knobs)
    }

    /// Replaces the settings, from the next operation on.
    ///
    /// # Errors
    /// OPERATION_ABORTED.
    pub fn set_knobs(&self, knobs: Knobs) -> Result<()> {
        expect!(self.ask(Question::SetKnobs(Box::new(knobs))), Answer::Done => ())
    }

    /// Broken rules since the last call.
    ///
    /// # Errors
    /// OPERATION_ABORTED.
    pub fn take_violations(&self) -> Result<Vec<Violation>> {
        expect!(self.ask(Question::TakeViolations), Answer::Violations(violations) => violations)
    }

    /// Callbacks since the last call.
    ///
    /// # Errors
    /// OPERATION_ABORTED.
    pub fn take_trace(&self) -> Result<Vec<Traced>> {
        expect!(self.ask(Question::TakeTrace), Answer::Trace(trace) => trace)
    }

    /// The roots that the daemon has.
    ///
    /// # Errors
    /// OPERATION_ABORTED.
    pub fn roots(&self) -> Result<Vec<RootState>> {
        expect!(self.ask(Question::Roots), Answer::Roots(roots) => roots)
    }

    /// Forgets a root: its provider is stopped, it is unmounted, its files stay as they are.
    ///
    /// # Errors
    /// PATH_NOT_FOUND if the daemon has no such root.
    pub fn detach(&self, root: impl Into<Wide>) -> Result<()> {
        expect!(self.ask(Question::Detach { root: root.into() }), Answer::Done => ())
    }

    /// The state of a full path, as PrjGetOnDiskFileState says it (M15).
    ///
    /// # Errors
    /// FILE_NOT_FOUND, PATH_NOT_FOUND.
    pub fn on_disk_state(&self, path: impl Into<Wide>) -> Result<FileState> {
        let question = Question::OnDiskState { path: path.into() };
        expect!(self.ask(question), Answer::State(state) => state)
    }

    /// Operations on the root at this full path, in the name of `caller`.
    pub fn on(&self, root: impl Into<Wide>, caller: Process) -> OnRoot {
        OnRoot { client: self.clone(), root: root.into(), caller }
    }
}

/// Operations on one root in the name of one process. They fail as those of `engine::Root` do, and
/// with PATH_NOT_FOUND if the daemon has no such root.
#[derive(Clone, Debug)]
pub struct OnRoot {
    client: Client,
    root: Wide,
    caller: Process,
}

#[expect(clippy::missing_errors_doc, reason = "said once at the type")]
impl OnRoot {
    /// Starts an operation without waiting for its end.
    pub fn begin(&self, operation: Operation) -> Result<Pending> {
        self.client.begin(Question::On { root: self.root.clone(), operation })
    }

    fn run(&self, operation: Operation) -> Result<Answer> {
        self.begin(operation)?.wait()
    }

    fn done(&self, operation: Operation) -> Result<()> {
        expect!(self.run(operation), Answer::Done => ())
    }

    /// Lets close notifications out that `Knobs::closes` held back.
    pub fn release_closes(&self) -> Result<()> {
        let question = Question::ReleaseCloses { root: self.root.clone() };
        expect!(self.client.ask(question), Answer::Done => ())
    }

    /// Opens or makes.
    pub fn open(&self, target: Target, how: Open) -> Result<Opened> {
        let operation = Operation::Open { caller: self.caller.clone(), target, how };
        expect!(self.run(operation), Answer::Opened(opened) => opened)
    }

    /// [`Self::open`] by a path from the root.
    pub fn open_path(&self, path: &str, how: Open) -> Result<Opened> {
        self.open(Target { from: ItemId::ROOT, path: path.into() }, how)
    }

    /// Attributes of a name in a directory.
    pub fn lookup(&self, parent: ItemId, name: &str) -> Result<Attributes> {
        let operation =
            Operation::Lookup { caller: self.caller.clone(), parent, name: name.into() };
        expect!(self.run(operation), Answer::Attributes(attributes) => attributes)
    }

    /// Attributes of an item, asking nobody.
    pub fn attributes(&self, item: ItemId) -> Result<Attributes> {
        let answer = self.run(Operation::Attributes { item });
        expect!(answer, Answer::Attributes(attributes) => attributes)
    }

    /// Reads; fewer bytes only at the end. At most [`MAX_DATA`](crate::protocol::MAX_DATA) bytes.
    pub fn read(&self, handle: HandleId, offset: u64, length: u32) -> Result<Vec<u8>> {
        let answer = self.run(Operation::Read { handle, offset, length });
        expect!(answer, Answer::Data(data) => data)
    }

    /// Writes all of it.
    pub fn write(&self, handle: HandleId, offset: u64, data: &[u8]) -> Result<()> {
        self.done(Operation::Write { handle, offset, data: data.to_vec() })
    }

    /// Cuts or extends.
    pub fn set_size(&self, handle: HandleId, size: u64) -> Result<()> {
        self.done(Operation::SetSize { handle, size })
    }

    /// Sets times and attributes.
    pub fn set_basic(&self, handle: HandleId, change: BasicChange) -> Result<()> {
        self.done(Operation::SetBasic { handle, change })
    }

    /// Extended attributes: names and values.
    pub fn extended(&self, handle: HandleId) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let answer = self.run(Operation::Extended { handle });
        expect!(answer, Answer::Extended(extended) => extended)
    }

    /// Sets (`Some`) or removes an extended attribute.
    pub fn set_extended(&self, handle: HandleId, name: &[u8], value: Option<&[u8]>) -> Result<()> {
        let (name, value) = (name.to_vec(), value.map(<[u8]>::to_vec));
        self.done(Operation::SetExtended { handle, name, value })
    }

    /// Writes what is cached to disk.
    pub fn flush(&self, handle: HandleId) -> Result<()> {
        self.done(Operation::Flush { handle })
    }

    /// Marks for deletion, or takes that back.
    pub fn set_disposition(&self, handle: HandleId, delete: bool) -> Result<()> {
        self.done(Operation::SetDisposition { handle, delete })
    }

    /// Renames what the handle opened.
    pub fn rename(&self, handle: HandleId, to: Target, replace: bool) -> Result<()> {
        self.done(Operation::Rename { handle, to, replace })
    }

    /// Gives what the handle opened another name.
    pub fn link(&self, handle: HandleId, to: Target) -> Result<()> {
        self.done(Operation::Link { handle, to })
    }

    /// Moves a tree of the daemon's machine into the root.
    pub fn move_in(&self, from: &str, to: Target, replace: bool) -> Result<()> {
        let (caller, from) = (self.caller.clone(), from.to_owned());
        self.done(Operation::MoveIn { caller, from, to, replace })
    }

    /// Moves what the handle opened to a path of the daemon's machine.
    pub fn move_out(&self, handle: HandleId, to: &str) -> Result<()> {
        self.done(Operation::MoveOut { handle, to: to.to_owned() })
    }

    /// Links a file of the daemon's machine into the root.
    pub fn link_in(&self, from: &str, to: Target) -> Result<()> {
        let (caller, from) = (self.caller.clone(), from.to_owned());
        self.done(Operation::LinkIn { caller, from, to })
    }

    /// Links what the handle opened to a path of the daemon's machine.
    pub fn link_out(&self, handle: HandleId, to: &str) -> Result<()> {
        self.done(Operation::LinkOut { handle, to: to.to_owned() })
    }

    /// Next entries of a directory handle.
    pub fn query_directory(&self, handle: HandleId, query: Query) -> Result<Vec<Entry>> {
        let operation = Operation::QueryDirectory { caller: self.caller.clone(), handle, query };
        expect!(self.run(operation), Answer::Entries(entries) => entries)
    }

    /// Closes.
    pub fn close(&self, handle: HandleId) -> Result<()> {
        self.done(Operation::Close { handle })
    }
}
