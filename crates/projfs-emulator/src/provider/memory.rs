//! Looking at memory that may be gone.

/// Whether an address of this process still has these bytes; true where nobody can tell.
#[cfg(target_os = "linux")]
pub(super) fn still_holds(address: usize, bytes: &[u8]) -> bool {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    let (Ok(memory), Ok(offset)) = (File::open("/proc/self/mem"), u64::try_from(address)) else {
        return true;
    };
    // The kernel reads it, and says no where a pointer would fault.
    let mut now = vec![0; bytes.len()];
    memory.read_exact_at(&mut now, offset).is_ok() && now == bytes
}

/// Whether an address of this process still has these bytes; true where nobody can tell.
#[cfg(windows)]
pub(super) fn still_holds(address: usize, bytes: &[u8]) -> bool {
    use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
    use windows_sys::Win32::System::Threading::GetCurrentProcess;

    let mut now = vec![0_u8; bytes.len()];
    let from = std::ptr::with_exposed_provenance(address);
    let (into, read) = (now.as_mut_ptr().cast(), std::ptr::null_mut());
    // SAFETY: writes as many bytes as `now` has; where nothing can be read, it says so.
    let done = unsafe { ReadProcessMemory(GetCurrentProcess(), from, into, now.len(), read) };
    done != 0 && now == bytes
}

/// Whether an address of this process still has these bytes; true where nobody can tell.
#[cfg(not(any(target_os = "linux", windows)))]
pub(super) const fn still_holds(_address: usize, _bytes: &[u8]) -> bool {
    true
}
