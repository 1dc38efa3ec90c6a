//! A server and its clients, over the system's own sockets.

use std::sync::Arc;
use std::thread;

use rusty_attachments_model::ContentHash;
use rusty_attachments_vfs::changes::{ChangeKind, Changed, LocalState};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

use super::registry::name_of;
use super::{Answers, Connection, Registered, Registry, Server, endpoint};
use crate::error::{CliError, Exit};

/// A mount that says what it was made with.
struct Talker {
    changes: Vec<Changed>,
    base: String,
}

impl Answers for Talker {
    fn report(&self) -> Result<Value, CliError> {
        Ok(json!({"words": "its own"}))
    }

    fn changes(&self) -> Result<Vec<Changed>, CliError> {
        match self.changes.is_empty() {
            true => Err(CliError::runtime("tell", "it is asleep")),
            false => Ok(self.changes.clone()),
        }
    }

    fn base(&self) -> Result<(String, ContentHash), CliError> {
        Ok((self.base.clone(), ContentHash::of(b"as it was read")))
    }
}

/// A served root and those who ask it.
struct Room {
    home: TempDir,
    runtime: Runtime,
    registry: Registry,
    entry: Registered,
}

impl Room {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        // Longer than the address of a socket can be.
        let registry = Registry::in_folder(home.path().join("long".repeat(30)));
        let entry = Registered {
            root: home.path().join("root"),
            pid: std::process::id(),
            label: "x".into(),
        };
        Self { runtime: Runtime::new().unwrap(), registry, entry, home }
    }

    fn serve(&self, changes: Vec<Changed>) -> Server {
        let base = concat!(
            r#"{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":[{"hash":"#,
            r#""0123456789abcdef0123456789abcdef","mtime":1,"path":"a","size":5}],"totalSize":5}"#
        )
        .to_owned();
        let talker = Arc::new(Talker { changes, base });
        Server::start(self.runtime.handle(), self.registry.clone(), &self.entry, talker).unwrap()
    }

    /// What comes back for bytes that are sent as they are.
    fn answer_to(&self, bytes: &[u8]) -> String {
        self.runtime.block_on(async {
            let name = name_of(&self.entry.root);
            let mut stream = endpoint::connect(self.registry.folder(), &name).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            let mut answer = Vec::new();
            // The rest of a question that is too long is not read, which resets the connection.
            let _ = stream.read_to_end(&mut answer).await;
            String::from_utf8(answer).unwrap()
        })
    }
}

fn many(count: usize) -> Vec<Changed> {
    let changed = |index| Changed {
        path: format!("folder/{index}").as_str().into(),
        kind: ChangeKind::Added,
        state: LocalState::Directory,
    };
    (0..count).map(changed).collect()
}

#[test]
fn questions_are_answered_by_whoever_serves_the_root() {
    let room = Room::new();
    let server = room.serve(many(20_000));
    let Room { runtime, registry, entry, .. } = &room;
    assert!(runtime.block_on(Connection::is_served(registry, entry)));
    let report = runtime.block_on(Connection::report(registry, entry)).unwrap();
    assert_eq!(report["words"], "its own");
    assert_eq!(runtime.block_on(Connection::changes(registry, entry)).unwrap(), many(20_000));
    let base = runtime.block_on(Connection::base(registry, entry)).unwrap();
    assert_eq!((base.manifest.len(), base.hash), (1, ContentHash::of(b"as it was read")));
    server.close(&Ok(()));
}

#[test]
fn what_fails_there_is_told_here() {
    let room = Room::new();
    let server = room.serve(Vec::new());
    let error = room.runtime.block_on(Connection::changes(&room.registry, &room.entry));
    assert_eq!(error.unwrap_err().to_string(), "cannot tell: it is asleep");
    server.close(&Ok(()));
}

#[test]
fn who_asks_for_the_end_hears_how_it_was() {
    for (ended, told) in [
        (Ok(()), None),
        (Err(CliError::runtime("stop", "the disk is full")), Some("cannot stop: the disk is full")),
    ] {
        let room = Room::new();
        let server = room.serve(many(1));
        let answer = thread::scope(|scope| {
            let asker = scope
                .spawn(|| room.runtime.block_on(Connection::stop(&room.registry, &room.entry)));
            server.wait_for_stop();
            server.close(&ended);
            asker.join().unwrap()
        });
        assert_eq!(answer.err().map(|error| error.to_string()).as_deref(), told);
        let gone = room.runtime.block_on(Connection::report(&room.registry, &room.entry));
        assert_eq!(gone.unwrap_err().exit(), Exit::Environment);
        assert!(room.registry.all().unwrap().is_empty());
    }
}

#[test]
fn a_root_whose_process_was_killed_is_served_by_nobody() {
    let room = Room::new();
    let server = room.serve(many(1));
    // As a kill leaves it: a note and, on Unix, a socket that nobody accepts on.
    std::mem::forget(server);
    let Room { runtime, registry, entry, home } = room;
    drop(runtime);
    let runtime = Runtime::new().unwrap();
    assert!(!runtime.block_on(Connection::is_served(&registry, &entry)));
    let error = runtime.block_on(Connection::stop(&registry, &entry)).unwrap_err();
    assert_eq!(error.exit(), Exit::Environment);
    // The next process takes its place.
    let room = Room { home, runtime, registry, entry };
    let server = room.serve(many(1));
    assert!(room.runtime.block_on(Connection::is_served(&room.registry, &room.entry)));
    server.close(&Ok(()));
}

#[test]
fn odd_questions_are_answered_and_harm_nobody() {
    let room = Room::new();
    let server = room.serve(many(1));
    for question in [
        "{}\n",
        "no json\n",
        r#"{"schema":"rusty-attachments/control/1","ask":"everything"}"#,
        &"x".repeat(5_000),
    ] {
        let answer = room.answer_to(format!("{question}\n").as_bytes());
        assert!(answer.contains(r#""reply":"failed""#), "{answer}");
    }
    let newer = r#"{"schema":"rusty-attachments/control/2","ask":"report"}"#;
    let answer = room.answer_to(format!("{newer}\n").as_bytes());
    assert!(answer.contains("Use the version of rusty-attachments"), "{answer}");
    assert!(room.runtime.block_on(Connection::is_served(&room.registry, &room.entry)));
    server.close(&Ok(()));
}

#[cfg(unix)]
#[test]
fn other_users_cannot_reach_it() {
    use std::os::unix::fs::PermissionsExt;
    let room = Room::new();
    let server = room.serve(many(1));
    let mode = std::fs::metadata(room.registry.folder()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    server.close(&Ok(()));
}
