//! The provider itself: it would look just like this on Windows. Its items are a list of strings.
#![expect(unsafe_code, reason = "ProjFS is a C interface")]

use std::collections::{BTreeMap, HashMap};
use std::ptr;

use parking_lot::Mutex;
use projfs_emulator::contract::{HResult, Wide};
use projfs_emulator::provider::{Library, table};
use windows_sys::Win32::Storage::ProjectedFileSystem::*;
use windows_sys::core::{GUID, HRESULT, PCWSTR};

/// Path and text; `None` is a directory.
const ITEMS: &[(&str, Option<&str>)] = &[
    ("Read me.txt", Some("Nothing of this is on disk before it is looked at.\n")),
    ("docs", None),
    ("docs\\a.txt", Some("alpha\n")),
    ("docs\\b.txt", Some("beta\n")),
    ("docs\\deep", None),
    ("docs\\deep\\c.txt", Some("gamma\n")),
];

/// What callbacks get as InstanceContext.
struct Sample {
    prj: &'static Library,
    /// By upper-cased path: found in any case (G9), and in order within a directory (F13).
    items: BTreeMap<String, (&'static str, Option<&'static str>)>,
    /// What is still to be listed, by enumeration.
    listings: Mutex<HashMap<u128, Listing>>,
}

#[derive(Default)]
struct Listing {
    names: Vec<(&'static str, PRJ_FILE_BASIC_INFO)>,
    next: usize,
    expression: Option<Vec<u16>>,
}

impl Sample {
    fn children(&self, folder: &str) -> Vec<(&'static str, PRJ_FILE_BASIC_INFO)> {
        let folder = folder.to_uppercase();
        let child = |(key, (path, text)): (&String, &(&'static str, Option<&str>))| {
            let (above, _) = key.rsplit_once('\\').unwrap_or_default();
            let name = path.rsplit('\\').next()?;
            (above == folder).then(|| (name, basic(*text)))
        };
        self.items.iter().filter_map(child).collect()
    }
}

fn basic(text: Option<&str>) -> PRJ_FILE_BASIC_INFO {
    PRJ_FILE_BASIC_INFO {
        IsDirectory: text.is_none(),
        FileSize: text.map_or(0, |text| text.len() as i64),
        // 1 January 2020, in steps of 100 ns since 1601.
        CreationTime: 132_223_104_000_000_000,
        LastAccessTime: 132_223_104_000_000_000,
        LastWriteTime: 132_223_104_000_000_000,
        ChangeTime: 132_223_104_000_000_000,
        FileAttributes: 0,
    }
}

/// # Safety
/// `data` is what a callback got.
unsafe fn sample<'a>(data: *const PRJ_CALLBACK_DATA) -> (&'a Sample, String) {
    // SAFETY: the context is what `main` gave, which lives to the end of the process.
    unsafe { (&*(*data).InstanceContext.cast::<Sample>(), text((*data).FilePathName)) }
}

/// # Safety
/// NUL-terminated.
unsafe fn units<'a>(text: PCWSTR) -> &'a [u16] {
    // SAFETY: each unit up to the NUL can be read.
    unsafe { std::slice::from_raw_parts(text, (0..).take_while(|at| *text.add(*at) != 0).count()) }
}

/// # Safety
/// NUL-terminated.
unsafe fn text(text: PCWSTR) -> String {
    // SAFETY: as promised.
    String::from_utf16_lossy(unsafe { units(text) })
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn number(guid: &GUID) -> u128 {
    let tail = u128::from(u64::from_le_bytes(guid.data4));
    u128::from(guid.data1) << 96
        | u128::from(guid.data2) << 80
        | u128::from(guid.data3) << 64
        | tail
}

unsafe extern "system" fn start(data: *const PRJ_CALLBACK_DATA, id: *const GUID) -> HRESULT {
    // SAFETY: as the library gives it; so in all callbacks.
    let ((sample, folder), id) = unsafe { (sample(data), number(&*id)) };
    let listing = Listing { names: sample.children(&folder), ..Listing::default() };
    sample.listings.lock().insert(id, listing);
    HResult::OK.0
}

unsafe extern "system" fn end(data: *const PRJ_CALLBACK_DATA, id: *const GUID) -> HRESULT {
    // SAFETY: as above.
    let ((sample, _), id) = unsafe { (sample(data), number(&*id)) };
    sample.listings.lock().remove(&id);
    HResult::OK.0
}

unsafe extern "system" fn get(
    data: *const PRJ_CALLBACK_DATA,
    id: *const GUID,
    expression: PCWSTR,
    buffer: PRJ_DIR_ENTRY_BUFFER_HANDLE,
) -> HRESULT {
    // SAFETY: as above.
    let ((sample, _), id) = unsafe { (sample(data), number(&*id)) };
    let mut listings = sample.listings.lock();
    let Some(listing) = listings.get_mut(&id) else { return HResult::INVALID_ARGUMENT.0 };
    // The expression is taken up with the first Get and with restarts (F6).
    // SAFETY: as above.
    unsafe {
        if listing.expression.is_none() || (*data).Flags & PRJ_CB_DATA_FLAG_ENUM_RESTART_SCAN != 0 {
            listing.next = 0;
            let given = if expression.is_null() { &[] } else { units(expression) };
            listing.expression = Some(given.iter().copied().chain([0]).collect());
        }
    }
    let expression = listing.expression.as_deref().unwrap_or(&[0]);
    let mut filled = 0;
    while let Some((name, basic)) = listing.names.get(listing.next) {
        let name = wide(name);
        // SAFETY: NUL-terminated strings.
        let wanted = expression.len() == 1
            || unsafe { (sample.prj.PrjFileNameMatch)(name.as_ptr(), expression.as_ptr()) };
        if wanted {
            // SAFETY: a NUL-terminated string, and the buffer of this callback.
            let result = HResult(unsafe {
                (sample.prj.PrjFillDirEntryBuffer)(name.as_ptr(), basic, buffer)
            });
            if !result.is_ok() {
                // What did not fit comes next time; it is an error only if nothing did (F9).
                return if filled > 0 { HResult::OK.0 } else { result.0 };
            }
            filled += 1;
        }
        listing.next += 1;
    }
    HResult::OK.0
}

unsafe extern "system" fn placeholder(data: *const PRJ_CALLBACK_DATA) -> HRESULT {
    // SAFETY: as above.
    let (sample, path) = unsafe { sample(data) };
    let Some((path, text)) = sample.items.get(&path.to_uppercase()) else {
        return HResult::FILE_NOT_FOUND.0;
    };
    let mut info = PRJ_PLACEHOLDER_INFO { FileBasicInfo: basic(*text), ..Default::default() };
    // What the content is known by from now on, whatever the file is called (H9).
    for (to, from) in info.VersionInfo.ContentID.iter_mut().zip(path.as_bytes()) {
        *to = *from;
    }
    let (path, size) = (wide(path), size_of::<PRJ_PLACEHOLDER_INFO>() as u32);
    // SAFETY: everything that is pointed to lives during the call.
    unsafe {
        let context = (*data).NamespaceVirtualizationContext;
        (sample.prj.PrjWritePlaceholderInfo)(context, path.as_ptr(), &raw const info, size)
    }
}

unsafe extern "system" fn file_data(
    data: *const PRJ_CALLBACK_DATA,
    offset: u64,
    length: u32,
) -> HRESULT {
    // SAFETY: as above; for a file's data there is always what was written with its placeholder.
    let ((sample, _), version) = unsafe { (sample(data), &*(*data).VersionInfo) };
    let path = String::from_utf8_lossy(&version.ContentID);
    let item = sample.items.get(&path.trim_end_matches('\0').to_uppercase());
    let range = offset as usize..offset as usize + length as usize;
    let Some(bytes) = item.and_then(|(_, text)| text.as_deref()?.as_bytes().get(range)) else {
        return HResult::FILE_NOT_AVAILABLE.0;
    };
    // SAFETY: the buffer is as long as what is copied into it, and freed once.
    unsafe {
        let context = (*data).NamespaceVirtualizationContext;
        let buffer = (sample.prj.PrjAllocateAlignedBuffer)(context, bytes.len());
        if buffer.is_null() {
            return HResult::OUT_OF_MEMORY.0;
        }
        buffer.cast::<u8>().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        let stream = &raw const (*data).DataStreamId;
        let result = (sample.prj.PrjWriteFileData)(context, stream, buffer, offset, length);
        (sample.prj.PrjFreeAlignedBuffer)(buffer);
        result
    }
}

/// Marks the folder and starts (M1). Gives the running instance, as a number.
pub(crate) fn provide(folder: &Wide) -> Result<usize, HResult> {
    let prj = table();
    let item = |item: &(&'static str, Option<&'static str>)| (item.0.to_uppercase(), *item);
    let items = ITEMS.iter().map(item).collect();
    let sample = Box::leak(Box::new(Sample { prj, items, listings: Mutex::default() }));
    let callbacks = PRJ_CALLBACKS {
        StartDirectoryEnumerationCallback: Some(start),
        EndDirectoryEnumerationCallback: Some(end),
        GetDirectoryEnumerationCallback: Some(get),
        GetPlaceholderInfoCallback: Some(placeholder),
        GetFileDataCallback: Some(file_data),
        ..Default::default()
    };
    // One for the root's whole life (M2); a real provider keeps it somewhere.
    let identity = GUID::from_u128(0x5341_4d50_4c45_4d50_8000_0000_0000_0001);
    let (folder, mut context) = (folder.to_c(), ptr::null_mut());
    // SAFETY: everything that is pointed to lives during the calls; the sample lives on.
    unsafe {
        let marked = HResult((prj.PrjMarkDirectoryAsPlaceholder)(
            folder.as_ptr(),
            ptr::null(),
            ptr::null(),
            &raw const identity,
        ));
        // Marked before is as good (M3).
        if marked != HResult::REPARSE_POINT_ENCOUNTERED {
            marked.ok()?;
        }
        HResult((prj.PrjStartVirtualizing)(
            folder.as_ptr(),
            &raw const callbacks,
            ptr::from_ref(sample).cast(),
            ptr::null(),
            &raw mut context,
        ))
        .ok()?;
    }
    Ok(context.addr())
}

/// Stops what [`provide`] started (M8).
pub(crate) fn stop(instance: usize) {
    // SAFETY: the running instance, which nobody uses after this.
    unsafe { (table().PrjStopVirtualizing)(ptr::without_provenance_mut(instance)) };
}
