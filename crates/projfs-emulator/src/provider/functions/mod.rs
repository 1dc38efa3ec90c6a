//! The C functions (projfs.md B). Each decodes its arguments, checks them, and asks the driver.

pub(super) mod content;
pub(super) mod items;
pub(super) mod lifecycle;
pub(super) mod listing;
pub(super) mod naming;

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::context::Context;
use super::handles::Handle;
use super::misuse::broke;
use crate::contract::{HResult, Result, Wide};
use crate::link::Driver;

/// ERROR_PROC_NOT_FOUND.
const PROC_NOT_FOUND: HResult = HResult(0x8007_007F_u32.cast_signed());

/// Runs a function's body. Its panic must not reach the provider (L11).
fn guarded<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|_| {
        tracing::error!("a Prj function panicked");
        fallback
    })
}

/// The same, for functions that answer with a code.
fn coded(body: impl FnOnce() -> Result<()>) -> i32 {
    guarded(HResult::INTERNAL_ERROR, || HResult::from(body())).0
}

fn context(handle: *const c_void) -> Result<Arc<Context>> {
    Context::find(Handle::of(handle))
}

/// Checks a path below a root (A6).
///
/// # Errors
/// INVALID_ARGUMENT in strict mode if it is no such path.
fn check_relative(driver: &Arc<dyn Driver>, function: &str, path: &Wide) -> Result<()> {
    let text = path.to_string();
    let dots = || path.components().any(|name| matches!(name.to_string().as_str(), "." | ".."));
    let absolute = text.starts_with('\\') || text.get(1..2) == Some(":");
    if absolute || text.contains('/') || dots() {
        let what = format_args!(
            "{function} got '{text}': paths are relative to the root, backslash-separated, without \
             a backslash in front"
        );
        if broke(driver, "A6", what) {
            return Err(HResult::INVALID_ARGUMENT);
        }
    }
    Ok(())
}

/// Fails for a function that the settings hide (A3) as GetProcAddress does on a Windows without.
fn hidden(driver: &Arc<dyn Driver>, function: &str) -> HResult {
    // There is no such function, strict or not.
    let _ = broke(driver, "A3", format_args!("{function} was called, which is hidden"));
    PROC_NOT_FOUND
}
