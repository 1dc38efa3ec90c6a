//! The library against the engine itself, in this process.

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::Arc;

use parking_lot::Mutex;
use projfs_emulator::Knobs;
use projfs_emulator::contract::{FileState, Guid, HResult, Wide};
use projfs_emulator::engine::{Access, Driver, ItemId, Open, Query, Root, Target, TokioRuntime};
use projfs_emulator::knobs::Compare;
use projfs_emulator::link::{Driver as _, Process};
use projfs_emulator::provider::{LocalDriver, RootGuard, serve_root};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_PLACEHOLDER_INFO, PRJ_VIRTUALIZATION_INSTANCE_INFO,
};

use crate::script::{self, Asked, KNOBS, Running, What, callbacks, library, text, wide};

/// An engine, and a folder that it serves.
struct Engine {
    engine: Arc<Driver>,
    driver: LocalDriver,
    root: Wide,
    _guard: RootGuard,
    folder: TempDir,
    runtime: Runtime,
}

fn engine(knobs: Knobs) -> Engine {
    // A provider that does not answer is a failure here, not a wait.
    let knobs = Knobs { command_limit_ms: Some(20_000), ..knobs };
    let runtime = Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = Wide::from(folder.path().to_str().unwrap());
    let engine = Driver::new(knobs, Arc::new(TokioRuntime(runtime.handle().clone())), None);
    let driver = LocalDriver::new(engine.clone(), runtime.handle().clone());
    let guard = serve_root(&root, Arc::new(driver.clone()));
    Engine { engine, driver, root, _guard: guard, folder, runtime }
}

const IDENTITY: Guid = Guid([3; 16]);

fn mark(engine: &Engine) -> HResult {
    let (root, id) = (engine.root.to_c(), IDENTITY.0);
    // SAFETY: both are there; a GUID has 16 bytes.
    let code = unsafe {
        (library().PrjMarkDirectoryAsPlaceholder)(root.as_ptr(), null(), null(), id.as_ptr().cast())
    };
    HResult(code)
}

fn start(engine: &Engine) -> (HResult, *mut c_void) {
    let (root, mut handle) = (engine.root.to_c(), null_mut());
    // SAFETY: everything is there, or NULL.
    let code = unsafe {
        let start = library().PrjStartVirtualizing;
        start(root.as_ptr(), &callbacks(), null(), null(), &raw mut handle)
    };
    (HResult(code), handle)
}

fn stop(handle: *mut c_void) {
    // SAFETY: a handle, live or not.
    unsafe { (library().PrjStopVirtualizing)(handle) };
}

#[test]
fn a_root_is_marked_started_and_stopped() {
    let engine = engine(Knobs::default());
    assert_eq!(start(&engine).0, HResult::REPARSE_TAG_MISMATCH);
    assert_eq!(mark(&engine), HResult::OK);
    assert_eq!(mark(&engine), HResult::REPARSE_POINT_ENCOUNTERED);
    let (code, handle) = start(&engine);
    assert_eq!(code, HResult::OK);
    assert_eq!(start(&engine).0, HResult::ALREADY_INITIALIZED);
    let mut info = PRJ_VIRTUALIZATION_INSTANCE_INFO::default();
    // SAFETY: the place is there.
    let code = unsafe { (library().PrjGetVirtualizationInstanceInfo)(handle, &raw mut info) };
    assert_eq!((code, info.InstanceID.data1), (0, 0x0303_0303));
    stop(handle);
    let (code, handle) = start(&engine);
    assert_eq!(code, HResult::OK);
    stop(handle);
    assert_eq!(engine.engine.take_violations(), []);
}

#[test]
fn misuse_is_noted_by_the_engine() {
    let engine = engine(Knobs::default());
    assert_eq!(mark(&engine), HResult::OK);
    let (_, handle) = start(&engine);
    stop(handle);
    stop(handle);
    let violations = engine.engine.take_violations();
    assert_eq!(violations.iter().map(|broken| broken.rule.as_str()).collect::<Vec<_>>(), ["M8"]);
}

#[test]
fn the_library_knows_the_settings_that_concern_it() {
    let knobs = Knobs {
        strict: false,
        hide_symlink_functions: true,
        compare: Compare::LegacyLower,
        ..Knobs::default()
    };
    let told = engine(knobs).driver.knobs();
    assert!(!told.strict && told.hide_symlink_functions && told.legacy_compare);
    assert_eq!(engine(Knobs::default()).driver.knobs(), KNOBS);
}

/// Names and contents of a projected root, in their order.
const FILES: [(&str, &[u8]); 4] =
    [("a.txt", b"alpha"), ("B.txt", &[7; 9001]), ("c_.txt", b""), ("d.txt", b"delta")];

fn content(name: &str) -> Option<&'static [u8]> {
    let found = FILES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    found.map(|(_, content)| *content)
}

fn info(name: &str) -> Option<(String, PRJ_PLACEHOLDER_INFO)> {
    let (name, content) = FILES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    let mut info = PRJ_PLACEHOLDER_INFO::default();
    info.FileBasicInfo.FileSize = i64::try_from(content.len()).unwrap();
    Some(((*name).to_owned(), info))
}

/// A provider of [`FILES`] as the contract wants one.
#[derive(Default)]
struct Provider {
    /// Where each listing is.
    cursors: Mutex<BTreeMap<u128, usize>>,
}

impl Provider {
    fn answer(&self, asked: Asked) -> HResult {
        let path = text(asked.data().FilePathName).unwrap();
        match asked.what {
            What::Get { listing, entries, .. } => {
                // SAFETY: it lives while the callback runs.
                let listing = unsafe { listing.cast::<u128>().read_unaligned() };
                let mut cursors = self.cursors.lock();
                let cursor = cursors.entry(listing).or_insert(0);
                if asked.data().Flags & 1 != 0 {
                    *cursor = 0;
                }
                list(cursor, entries)
            }
            What::Placeholder => match info(&path) {
                Some((name, info)) => write(asked.handle(), &name, &info),
                None => HResult::FILE_NOT_FOUND,
            },
            What::Data { offset, length } => hydrate(asked, &path, offset, length),
            What::Query => content(&path).map_or(HResult::FILE_NOT_FOUND, |_| HResult::OK),
            _ => HResult::OK,
        }
    }
}

fn list(cursor: &mut usize, entries: *mut c_void) -> HResult {
    for (filled, (name, _)) in FILES.iter().skip(*cursor).enumerate() {
        let (name, info) = info(name).unwrap();
        let name = wide(&name);
        let fill = library().PrjFillDirEntryBuffer;
        // SAFETY: everything is there.
        let code = HResult(unsafe { fill(name.as_ptr(), &info.FileBasicInfo, entries) });
        if !code.is_ok() {
            return if filled == 0 { code } else { HResult::OK };
        }
        *cursor += 1;
    }
    HResult::OK
}

fn write(handle: *mut c_void, name: &str, info: &PRJ_PLACEHOLDER_INFO) -> HResult {
    let size = u32::try_from(size_of_val(info)).unwrap();
    // SAFETY: everything is there.
    HResult(unsafe { (library().PrjWritePlaceholderInfo)(handle, wide(name).as_ptr(), info, size) })
}

/// Writes the range in pieces of a sector's size.
fn hydrate(asked: Asked, path: &str, offset: u64, length: u32) -> HResult {
    const PIECE: usize = 4096;
    let start = usize::try_from(offset).unwrap();
    let range = start..start + usize::try_from(length).unwrap();
    let Some(content) = content(path).and_then(|content| content.get(range)) else {
        return HResult::INTERNAL_ERROR;
    };
    let stream = asked.data().DataStreamId;
    // SAFETY: the handle is live, and each piece fits in the buffer.
    unsafe {
        let buffer = (library().PrjAllocateAlignedBuffer)(asked.handle(), PIECE);
        let mut result = HResult::OK;
        for (number, piece) in content.chunks(PIECE).enumerate() {
            buffer.cast::<u8>().copy_from_nonoverlapping(piece.as_ptr(), piece.len());
            let at = offset + u64::try_from(number * PIECE).unwrap();
            let length = u32::try_from(piece.len()).unwrap();
            let write = library().PrjWriteFileData;
            result = HResult(write(asked.handle(), &raw const stream, buffer, at, length));
        }
        (library().PrjFreeAlignedBuffer)(buffer);
        result
    }
}

/// An application.
fn application() -> Process {
    Process { id: 1, image: Wide::from("\\Device\\app.exe") }
}

/// A marked root with the provider of [`FILES`] running.
fn provided(knobs: Knobs) -> (Engine, Running, Arc<Root>) {
    let engine = engine(knobs);
    assert_eq!(mark(&engine), HResult::OK);
    let provider = Provider::default();
    let running =
        script::start_at(&engine.root, &Default::default(), move |asked| provider.answer(asked));
    let root = engine.engine.root(engine.folder.path()).unwrap();
    (engine, running, root)
}

fn target(path: &str) -> Target {
    Target { from: ItemId::ROOT, path: Wide::from(path) }
}

fn state(engine: &Engine, name: &str) -> FileState {
    let (path, mut state) = (wide(&format!("{}\\{name}", engine.root)), 0);
    // SAFETY: everything is there.
    let code = unsafe { (library().PrjGetOnDiskFileState)(path.as_ptr(), &raw mut state) };
    assert_eq!(HResult(code), HResult::OK);
    FileState::from_bits_retain(state.cast_unsigned())
}

#[test]
fn a_projected_file_is_found_and_read() {
    let (engine, running, root) = provided(Knobs::default());
    let read = engine.runtime.block_on(async {
        let how = Open::existing(Access::READ);
        let opened = root.open(&application(), &target("b.TXT"), how).await.unwrap();
        assert_eq!(opened.attributes.name, Wide::from("B.txt"));
        let read = root.read(opened.handle, 0, 10_000).await.unwrap();
        root.close(opened.handle).await.unwrap();
        read
    });
    assert_eq!(read, [7; 9001]);
    assert_eq!(state(&engine, "B.txt"), FileState::PLACEHOLDER | FileState::HYDRATED);
    let how = Open::existing(Access::READ);
    let missing = engine.runtime.block_on(root.open(&application(), &target("x"), how));
    assert_eq!(missing.unwrap_err(), HResult::FILE_NOT_FOUND);
    drop(running);
    assert_eq!(engine.engine.take_violations(), []);
}

#[test]
fn a_projectedfolder_is_listed_however_little_fits() {
    for entry_limit in [None, Some(1), Some(3)] {
        let (engine, running, root) = provided(Knobs { entry_limit, ..Knobs::default() });
        let names = engine.runtime.block_on(async {
            let how = Open::existing(Access::READ);
            let opened = root.open(&application(), &target(""), how).await.unwrap();
            let mut names = Vec::new();
            let query = || Query { buffer: 1024, ..Query::default() };
            while let Ok(entries) =
                root.query_directory(&application(), opened.handle, query()).await
            {
                names.extend(entries.into_iter().map(|entry| entry.name.to_string()));
            }
            root.close(opened.handle).await.unwrap();
            names
        });
        assert_eq!(names, [".", "..", "a.txt", "B.txt", "c_.txt", "d.txt"]);
        drop(running);
        assert_eq!(engine.engine.take_violations(), []);
    }
}

#[test]
fn a_projected_file_is_deleted_and_projected_again() {
    let (engine, running, root) = provided(Knobs::default());
    let exists = |name: &str| {
        let (caller, name) = (application(), Wide::from(name));
        engine.runtime.block_on(root.lookup(&caller, ItemId::ROOT, &name)).is_ok()
    };
    engine.runtime.block_on(async {
        let how = Open::existing(Access::DELETE);
        let opened = root.open(&application(), &target("a.txt"), how).await.unwrap();
        root.set_disposition(opened.handle, true).await.unwrap();
        root.close(opened.handle).await.unwrap();
    });
    assert!(!exists("a.txt"));
    let (path, mut causes) = (wide("a.txt"), 0);
    let delete = library().PrjDeleteFile;
    // SAFETY: everything is there.
    unsafe {
        let code = HResult(delete(running.handle, path.as_ptr(), 0, &raw mut causes));
        assert_eq!((code, causes), (HResult::VIRTUALIZATION_INVALID_OPERATION, 4));
        assert_eq!(delete(running.handle, path.as_ptr(), 4, &raw mut causes), 0);
    }
    assert!(exists("a.txt"));
    drop(running);
    assert_eq!(engine.engine.take_violations(), []);
}
