//! A provider in this process that speaks the seam itself: a tree of files in memory, every step
//! of it to be seen and held up.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak, mpsc};

use projfs_emulator::contract::{
    BasicInfo, DirEntry, Guid, HResult, Notification, NotificationMapping, NotifyMask,
    PlaceholderInfo, UpdateFlags, VersionInfo, Wide,
};
use projfs_emulator::link::{
    Command, Completion, Driver, EntryBudget, Instance, MarkRequest, Process, Provider, Reply,
    Request, StartRequest,
};
use projfs_emulator::{names, protocol};

/// The tree: paths with backslashes; `None` is a folder.
pub(crate) type Tree = BTreeMap<String, Option<Vec<u8>>>;

/// A tree of these files and all their folders.
pub(crate) fn tree(files: &[(&str, &[u8])]) -> Tree {
    let mut tree = Tree::new();
    for (path, content) in files {
        for (end, _) in path.match_indices('\\') {
            tree.insert(path[..end].to_owned(), None);
        }
        tree.insert((*path).to_owned(), Some(content.to_vec()));
    }
    tree
}

/// A provider that runs, until dropped as if its process had died, or [`Running::stop`].
pub(crate) struct Running {
    pub(crate) provider: Arc<Files>,
    pub(crate) instance: Arc<dyn Instance>,
    _driver: Arc<dyn Driver>,
}

/// What the driver calls.
#[derive(Debug)]
pub(crate) struct Files {
    tree: Mutex<Tree>,
    /// Weak: with it the connection goes, as with a process.
    instance: OnceLock<Weak<dyn Instance>>,
    sessions: Mutex<HashMap<Guid, Session>>,
    commands: Mutex<mpsc::Sender<Command>>,
    pub(crate) cancelled: Mutex<Vec<i32>>,
    /// Commands of GetFileData that came.
    pub(crate) data: Mutex<Vec<i32>>,
    held: Mutex<bool>,
    released: Condvar,
}

#[derive(Debug, Default)]
struct Session {
    left: std::collections::VecDeque<DirEntry>,
    begun: bool,
}

/// Connects, marks and starts.
pub(crate) fn start(address: &str, root: &std::path::Path, tree: Tree) -> Result<Running, HResult> {
    let driver = protocol::connect(address).unwrap();
    let process = Process { id: 1, image: Wide::default() };
    let root = Wide::from(root.to_str().unwrap());
    let mark = MarkRequest {
        process: process.clone(),
        root: root.clone(),
        target: None,
        version: None,
        instance: Guid([7; 16]),
    };
    match driver.mark(mark) {
        Ok(()) | Err(HResult::REPARSE_POINT_ENCOUNTERED) => {}
        Err(code) => return Err(code),
    }
    let (commands, queue) = mpsc::channel();
    let provider = Arc::new(Files {
        tree: Mutex::new(tree),
        instance: OnceLock::new(),
        sessions: Mutex::default(),
        commands: Mutex::new(commands),
        cancelled: Mutex::default(),
        data: Mutex::default(),
        held: Mutex::new(false),
        released: Condvar::new(),
    });
    let request = StartRequest {
        process,
        root,
        negative_path_cache: false,
        queries_names: true,
        notifications: Some(vec![NotificationMapping {
            root: Wide::default(),
            mask: NotifyMask::from_bits_retain(0x1FFE),
        }]),
        cancels: true,
    };
    let instance = driver.start(request, provider.clone())?;
    provider.instance.set(Arc::downgrade(&instance)).unwrap();
    let worker = Arc::downgrade(&provider);
    std::thread::spawn(move || {
        for command in queue {
            let Some(provider) = worker.upgrade() else { return };
            // One each: some are held up.
            std::thread::spawn(move || provider.answer(command));
        }
    });
    Ok(Running { provider, instance, _driver: driver })
}

impl Running {
    /// Stops it as it should be.
    pub(crate) fn stop(self) {
        self.instance.stop();
    }

    /// Shows another content of a file from now on, as PrjUpdateFileIfNeeded makes it.
    pub(crate) fn update(&self, path: &str, content: &[u8]) -> HResult {
        self.provider.tree.lock().unwrap().insert(path.to_owned(), Some(content.to_vec()));
        let mut info = PlaceholderInfo { basic: basic(Some(content)), ..Default::default() };
        info.version.content[..content.len()].copy_from_slice(content);
        self.instance.update_file(&path.into(), info, UpdateFlags::empty()).0
    }

    /// Lets GetFileData wait until [`Self::release`].
    pub(crate) fn hold(&self) {
        *self.provider.held.lock().unwrap() = true;
    }

    /// Lets go what [`Self::hold`] holds.
    pub(crate) fn release(&self) {
        *self.provider.held.lock().unwrap() = false;
        self.provider.released.notify_all();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.release();
    }
}

impl Provider for Files {
    fn invoke(&self, command: Command) {
        let _ = self.commands.lock().unwrap().send(command);
    }

    fn cancel(&self, id: i32) {
        self.cancelled.lock().unwrap().push(id);
    }
}

impl Files {
    fn answer(&self, command: Command) {
        let id = command.id;
        let Some(instance) = self.instance.wait().upgrade() else { return };
        let (result, reply) = match self.reply(instance.as_ref(), command) {
            Ok(reply) => (HResult::OK, reply),
            Err(code) => (code, Reply::None),
        };
        // A command that was given up, or a daemon that is gone.
        let _ = instance.complete(Completion { id, result, reply });
    }

    fn reply(&self, instance: &dyn Instance, command: Command) -> Result<Reply, HResult> {
        let path = command.path.to_string();
        match command.request {
            Request::StartEnumeration { enumeration } => {
                self.sessions.lock().unwrap().insert(enumeration, Session::default());
            }
            Request::EndEnumeration { enumeration } => {
                self.sessions.lock().unwrap().remove(&enumeration);
            }
            Request::GetEnumeration { enumeration, expression, restart, budget, .. } => {
                return self.entries(&path, enumeration, expression, restart, budget);
            }
            Request::GetPlaceholderInfo => {
                let (spelled, content) = self.find(&path).ok_or(HResult::FILE_NOT_FOUND)?;
                let info = PlaceholderInfo {
                    basic: basic(content.as_deref()),
                    version: VersionInfo::default(),
                    ..PlaceholderInfo::default()
                };
                instance.write_placeholder(&spelled.as_str().into(), info)?;
            }
            Request::GetFileData { offset, length } => {
                self.data.lock().unwrap().push(command.id);
                let held = self.held.lock().unwrap();
                drop(self.released.wait_while(held, |held| *held).unwrap());
                let (_, content) = self.find(&path).ok_or(HResult::FILE_NOT_FOUND)?;
                let content = content.as_deref().unwrap_or_default();
                let range = offset as usize..(offset as usize + length as usize).min(content.len());
                instance.write_file_data(command.stream, offset, &content[range])?;
            }
            Request::QueryFileName => {
                self.find(&path).ok_or(HResult::FILE_NOT_FOUND)?;
            }
            Request::Notify { notification, .. } => {
                let refuses = notification == Notification::PreDelete && path.ends_with(".keep");
                return if refuses { Err(HResult::CANNOT_DELETE) } else { Ok(Reply::None) };
            }
        }
        Ok(Reply::None)
    }

    fn find(&self, path: &str) -> Option<(String, Option<Vec<u8>>)> {
        let wanted = Wide::from(path);
        let same =
            |known: &String| names::equal(Wide::from(known.as_str()).units(), wanted.units());
        let tree = self.tree.lock().unwrap();
        let found = tree.iter().find(|(known, _)| same(known));
        found.map(|(path, content)| (path.clone(), content.clone()))
    }

    fn entries(
        &self,
        path: &str,
        enumeration: Guid,
        expression: Option<Wide>,
        restart: bool,
        budget: EntryBudget,
    ) -> Result<Reply, HResult> {
        let mut sessions = self.sessions.lock().unwrap();
        let session = sessions.get_mut(&enumeration).ok_or(HResult::INVALID_ARGUMENT)?;
        if restart || !session.begun {
            *session =
                Session { left: self.listing(path, expression.as_ref()).into(), begun: true };
        }
        let (mut given, mut bytes) = (Vec::new(), 0);
        while let Some(entry) = session.left.pop_front() {
            bytes += EntryBudget::cost(entry.name.units().len());
            if bytes > budget.bytes as usize || given.len() >= budget.entries as usize {
                session.left.push_front(entry);
                if given.is_empty() {
                    return Err(HResult::INSUFFICIENT_BUFFER);
                }
                break;
            }
            given.push(entry);
        }
        Ok(Reply::Entries(given))
    }

    fn listing(&self, folder: &str, expression: Option<&Wide>) -> Vec<DirEntry> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}\\") };
        let lower = prefix.to_lowercase();
        let tree = self.tree.lock().unwrap();
        let children = tree.iter().filter_map(|(path, content)| {
            let name = path.to_lowercase().starts_with(&lower).then(|| &path[prefix.len()..])?;
            let direct = !name.is_empty() && !name.contains('\\');
            direct.then(|| (Wide::from(name), basic(content.as_deref())))
        });
        let mut entries: Vec<_> = children
            .filter(|(name, _)| {
                expression.is_none_or(|expression| names::matches(name.units(), expression.units()))
            })
            .map(|(name, basic)| DirEntry { name, basic, link: None })
            .collect();
        entries.sort_by(|a, b| names::compare(a.name.units(), b.name.units()));
        entries
    }
}

fn basic(content: Option<&[u8]>) -> BasicInfo {
    // Some day of 2020.
    let time = 132_300_000_000_000_000;
    BasicInfo {
        directory: content.is_none(),
        size: content.map_or(0, |content| content.len() as u64),
        creation: time,
        access: time,
        write: time,
        change: time,
        attributes: 0,
    }
}
