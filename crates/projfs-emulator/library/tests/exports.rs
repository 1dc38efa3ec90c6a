//! The shared library as a provider's process loads it.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test fails where it cannot go on")]
#![expect(unsafe_code, reason = "loads a library and calls C functions")]

use std::env;
use std::ffi::c_void;
use std::path::PathBuf;
use std::process::Command;
use std::ptr::{null, null_mut};

use libloading::Library;
use projfs_emulator::contract::HResult;
use projfs_emulator::control::Client;
use projfs_emulator::daemon::{Daemon, Options};
use projfs_emulator::provider::{DRIVER_VARIABLE, Library as Table};
use windows_sys::Win32::Storage::ProjectedFileSystem::{PRJ_CALLBACK_DATA, PRJ_CALLBACKS};
use windows_sys::core::{GUID, HRESULT, PCWSTR};

/// Says to a process of this test which folder it is a provider for.
const ROOT: &str = "PROJFS_EMULATOR_TEST_ROOT";

/// The library that cargo has built: beside this test, or in the folder above.
fn load() -> Library {
    let test = env::current_exe().unwrap();
    let name = libloading::library_filename("ProjectedFSLib");
    let beside = |folder: &std::path::Path| folder.join(&name);
    let mut found: Vec<PathBuf> = test.ancestors().skip(1).take(2).map(beside).collect();
    found.retain(|path| path.exists());
    // One of them may be from another build.
    found.sort_by_key(|path| path.metadata().unwrap().modified().unwrap());
    // SAFETY: our own library, which does nothing when it is loaded.
    unsafe { Library::new(found.pop().unwrap()) }.unwrap()
}

/// Runs one test of this file in a process of its own.
fn run(test: &str, driver: &str, root: &str) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]);
    let output = command.env(DRIVER_VARIABLE, driver).env(ROOT, root).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stdout));
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

type Mark = unsafe extern "system" fn(PCWSTR, PCWSTR, *const c_void, *const GUID) -> HRESULT;
type Start = unsafe extern "system" fn(
    PCWSTR,
    *const PRJ_CALLBACKS,
    *const c_void,
    *const c_void,
    *mut *mut c_void,
) -> HRESULT;
type Stop = unsafe extern "system" fn(*mut c_void);
type Compare = unsafe extern "system" fn(PCWSTR, PCWSTR) -> i32;

fn mark(library: &Library, root: &str) -> HResult {
    let id = GUID::from_u128(0x1234);
    // SAFETY: this is its type, and everything is there, or NULL.
    HResult(unsafe {
        let mark = library.get::<Mark>("PrjMarkDirectoryAsPlaceholder").unwrap();
        mark(wide(root).as_ptr(), null(), null(), &raw const id)
    })
}

#[test]
fn all_nineteen_functions_are_exported() {
    let library = load();
    assert_eq!(Table::NAMES.len(), 19);
    for name in Table::NAMES {
        // SAFETY: only its address is looked at.
        let function = unsafe { library.get::<*const c_void>(name.as_bytes()) };
        assert!(function.is_ok(), "{name} is not exported");
    }
}

#[test]
fn exported_functions_work() {
    let library = load();
    // SAFETY: this is its type, and both strings end with a NUL.
    let order = unsafe {
        let compare = library.get::<Compare>("PrjFileNameCompare").unwrap();
        compare(wide("FILE").as_ptr(), wide("file").as_ptr())
    };
    assert_eq!(order, 0);
}

#[test]
fn a_provider_without_a_daemon_is_told_so() {
    if env::var_os(ROOT).is_some() {
        assert_eq!(mark(&load(), "/some/root"), HResult::VIRTUALIZATION_UNAVAILABLE);
        return;
    }
    for driver in ["", "nonsense", "127.0.0.1:1"] {
        run("a_provider_without_a_daemon_is_told_so", driver, "/some/root");
    }
}

#[test]
fn a_provider_reaches_the_daemon_that_the_environment_names() {
    if let Ok(root) = env::var(ROOT) {
        return provide(&root);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().to_str().unwrap();
    let daemon = runtime.block_on(Daemon::start(Options::default())).unwrap();
    let address = daemon.address();
    let asked = std::panic::catch_unwind(|| {
        let test = "a_provider_reaches_the_daemon_that_the_environment_names";
        run(test, &address.to_string(), root);
        let client = Client::connect(address).unwrap();
        (client.roots().unwrap(), client.take_violations().unwrap())
    });
    runtime.block_on(daemon.stop());
    let (roots, violations) = asked.unwrap();
    assert_eq!(roots.iter().map(|known| known.path.to_string()).collect::<Vec<_>>(), [root]);
    let rules: Vec<_> = violations.iter().map(|violation| violation.rule.as_str()).collect();
    // The second stop's.
    assert_eq!(rules, ["M8"]);
}

/// What the provider's process does.
fn provide(root: &str) {
    let library = load();
    assert_eq!(mark(&library, root), HResult::OK);
    let callbacks = PRJ_CALLBACKS {
        StartDirectoryEnumerationCallback: Some(no_listing),
        EndDirectoryEnumerationCallback: Some(no_listing),
        GetDirectoryEnumerationCallback: Some(no_entries),
        GetPlaceholderInfoCallback: Some(no_item),
        GetFileDataCallback: Some(no_data),
        ..PRJ_CALLBACKS::default()
    };
    let mut handle = null_mut();
    // SAFETY: these are their types, and everything is there, or NULL.
    unsafe {
        let start = library.get::<Start>("PrjStartVirtualizing").unwrap();
        let code = start(wide(root).as_ptr(), &callbacks, null(), null(), &raw mut handle);
        assert_eq!(HResult(code), HResult::OK);
        let stop = library.get::<Stop>("PrjStopVirtualizing").unwrap();
        stop(handle);
        stop(handle);
    }
}

unsafe extern "system" fn no_listing(_: *const PRJ_CALLBACK_DATA, _: *const GUID) -> HRESULT {
    HResult::OK.0
}

unsafe extern "system" fn no_entries(
    _: *const PRJ_CALLBACK_DATA,
    _: *const GUID,
    _: PCWSTR,
    _: *mut c_void,
) -> HRESULT {
    HResult::OK.0
}

unsafe extern "system" fn no_item(_: *const PRJ_CALLBACK_DATA) -> HRESULT {
    HResult::FILE_NOT_FOUND.0
}

unsafe extern "system" fn no_data(_: *const PRJ_CALLBACK_DATA, _: u64, _: u32) -> HRESULT {
    HResult::OK.0
}
