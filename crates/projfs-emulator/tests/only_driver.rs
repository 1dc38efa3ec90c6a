//! Misuse that says too little to know whose it is, in a process with one driver: it is that one's.
#![cfg(target_os = "linux")]
#![expect(unsafe_code, reason = "calls C functions")]

use std::ptr::{null, without_provenance_mut};
use std::sync::Arc;

use projfs_emulator::Knobs;
use projfs_emulator::contract::{HResult, Wide};
use projfs_emulator::engine::{Driver, TokioRuntime};
use projfs_emulator::provider::{LocalDriver, serve_root, table};

#[test]
fn misuse_of_nobodys_handles_is_told_to_the_only_driver() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let driver = TokioRuntime(runtime.handle().clone());
    let engine = Driver::new(Knobs::default(), Arc::new(driver), None);
    let driver = LocalDriver::new(engine.clone(), runtime.handle().clone());
    let _guard = serve_root(&Wide::from("/nowhere"), Arc::new(driver));
    let name = Wide::from("a").to_c();
    let bogus = without_provenance_mut(0xBAD0);
    let foreign = [0_u8; 8];
    // SAFETY: none of these follow what they are given but the name.
    unsafe {
        let code = (table().PrjClearNegativePathCache)(bogus, std::ptr::null_mut());
        assert_eq!(HResult(code), HResult::INVALID_ARGUMENT);
        let code = (table().PrjFillDirEntryBuffer)(name.as_ptr(), null(), bogus);
        assert_eq!(HResult(code), HResult::INVALID_ARGUMENT);
        (table().PrjFreeAlignedBuffer)(foreign.as_ptr().cast());
    }
    let violations = engine.take_violations();
    let rules: Vec<_> = violations.iter().map(|violation| violation.rule.as_str()).collect();
    assert_eq!(rules, ["M8", "L2", "B12"]);
}
