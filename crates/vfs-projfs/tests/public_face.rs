//! The public face as users write it, with a store of their own.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::error::Error;
use std::sync::Arc;

use self::windows::PathBuf;
use rusty_attachments_model::ContentHash;
use rusty_attachments_storage::{
    ByteRange, MemoryStore, Object, ObjectInfo, Payload, StorageClient, StorageError, async_trait,
    cas,
};

/// Any user type that implements StorageClient.
#[derive(Debug)]
struct MyStorageClient {
    objects: MemoryStore,
}

impl MyStorageClient {
    fn new() -> Self {
        Self { objects: MemoryStore::new() }
    }
}

#[async_trait]
impl StorageClient for MyStorageClient {
    async fn get(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
        match self.objects.get(key, range.clone()).await {
            // Like a store that has the file all along.
            Err(StorageError::NotFound { .. }) if key == cas::object_key(hash()) => {
                self.objects.put(key, Payload::Bytes(TEXT.as_bytes().into())).await?;
                self.objects.get(key, range).await
            }
            answer => answer,
        }
    }

    async fn head(&self, key: &str) -> Result<ObjectInfo, StorageError> {
        self.objects.head(key).await
    }

    async fn put(&self, key: &str, payload: Payload) -> Result<(), StorageError> {
        self.objects.put(key, payload).await
    }
}

const TEXT: &str = "a frame";

fn hash() -> ContentHash {
    ContentHash::of(TEXT.as_bytes())
}

/// Paths of Windows on Linux, where the emulator stands in for it.
#[cfg(target_os = "linux")]
mod windows {
    use std::cell::RefCell;
    use std::path::Path;

    use rusty_attachments_vfs_projfs::emulator::Emulator;
    use tempfile::TempDir;

    thread_local! {
        static DRIVES: RefCell<Option<TempDir>> = const { RefCell::new(None) };
    }

    /// Stands in for the type of std, so that what follows reads as on Windows.
    pub(super) struct PathBuf;

    impl PathBuf {
        pub(super) fn from(path: &str) -> std::path::PathBuf {
            let below = path.replace(":\\", "/").replace('\\', "/");
            DRIVES.with_borrow(|drives| drives.as_ref().unwrap().path().join(below))
        }
    }

    /// Drives for this thread, and what serves a root on them.
    pub(super) fn machine(root: &str) -> Option<Emulator> {
        DRIVES.set(Some(tempfile::tempdir().unwrap()));
        let root = PathBuf::from(root);
        std::fs::create_dir_all(root.parent().unwrap()).unwrap();
        Some(Emulator::serve(&root).unwrap())
    }

    /// Prints a file, as another process.
    pub(super) fn print(file: &Path) -> std::process::Command {
        let mut command = std::process::Command::new("cat");
        command.arg(file);
        command
    }
}

/// Windows itself.
#[cfg(windows)]
mod windows {
    use std::path::Path;
    pub(super) use std::path::PathBuf;

    /// `None` if the feature is off.
    pub(super) fn machine(root: &str) -> Option<()> {
        std::fs::create_dir_all(Path::new(root).parent().unwrap()).unwrap();
        rusty_attachments_vfs_projfs::projfs_available().then_some(())
    }

    /// Prints a file, as another process.
    pub(super) fn print(file: &Path) -> std::process::Command {
        let mut command = std::process::Command::new("cmd");
        command.args(["/C", "type"]).arg(file);
        command
    }
}

/// A file as another process reads it.
fn read(file: &std::path::Path) -> String {
    let read = windows::print(file).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    String::from_utf8(read.stdout).unwrap()
}

#[rustfmt::skip]
#[test]
fn what_the_documentation_shows_compiles_and_runs() -> Result<(), Box<dyn Error>> {
    let Some(machine) = windows::machine("C:\\mount\\point") else { return Ok(()) };
    let size = TEXT.len();
    let json_str = format!(
        r#"{{"hashAlg":"xxh128","manifestVersion":"2023-03-03","paths":[
            {{"hash":"{}","mtime":0,"path":"shots/0001.exr","size":{size}}}
        ],"totalSize":{size}}}"#,
        hash(),
    );

    // Word for word:
    use rusty_attachments_vfs_projfs::{WritableProjFs, ProjFsOptions, ProjFsWriteOptions};
    use rusty_attachments_model::Manifest;
    let manifest = Manifest::decode(&json_str)?;
    let storage = Arc::new(MyStorageClient::new());          // any user type that implements StorageClient
    let options = ProjFsOptions::new(PathBuf::from("C:\\mount\\point")).with_worker_threads(4);
    let write_options = ProjFsWriteOptions::default().with_cache_dir(PathBuf::from("C:\\Temp\\vfs-cache"));
    let vfs = WritableProjFs::new(&manifest, storage, options, write_options)?;
    vfs.start()?;
    vfs.stop()?;

    let file = PathBuf::from("C:\\mount\\point\\shots\\0001.exr");
    vfs.start()?;
    assert_eq!(read(&file), TEXT);
    vfs.stop()?;
    // What was read stays readable.
    assert_eq!(read(&file), TEXT);
    let _: &_ = &machine;
    Ok(())
}
