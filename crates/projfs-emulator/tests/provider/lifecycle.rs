//! Marking, starting and stopping, and the misuse of it (projfs.md M, K2).

use std::ffi::c_void;
use std::ptr::{null, null_mut, without_provenance_mut};
use std::sync::Arc;
use std::thread;

use projfs_emulator::contract::{
    FailureCauses, Guid, HResult, NotificationMapping, NotifyMask, VersionInfo, Wide,
};
use projfs_emulator::link::Request;
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_CALLBACKS, PRJ_NOTIFICATION_MAPPING, PRJ_PLACEHOLDER_INFO, PRJ_PLACEHOLDER_VERSION_INFO,
    PRJ_STARTVIRTUALIZING_OPTIONS, PRJ_VIRTUALIZATION_INSTANCE_INFO,
};
use windows_sys::core::GUID;

use crate::fake::{ALIGNMENT, Call, Fake, INSTANCE, serve};
use crate::script::{
    Asked, Shown, What, callbacks, indifferent, library, start, start_with, wide, write_placeholder,
};

fn mark(root: Option<&str>, target: Option<&str>, instance: bool) -> HResult {
    let (root, target) = (root.map(wide), target.map(wide));
    let version = PRJ_PLACEHOLDER_VERSION_INFO { ProviderID: [1; 128], ContentID: [2; 128] };
    let id = GUID::from_u128(u128::from_be_bytes([9; 16]));
    let pointer = |text: &Option<Vec<u16>>| text.as_ref().map_or_else(null, |text| text.as_ptr());
    // SAFETY: everything is there, or NULL.
    HResult(unsafe {
        (library().PrjMarkDirectoryAsPlaceholder)(
            pointer(&root),
            pointer(&target),
            &version,
            if instance { &raw const id } else { null() },
        )
    })
}

/// Starts without keeping it, for starts that fail.
fn try_start(
    root: *const u16,
    callbacks: *const PRJ_CALLBACKS,
    options: &PRJ_STARTVIRTUALIZING_OPTIONS,
) -> HResult {
    let mut handle = null_mut();
    // SAFETY: everything is there, or NULL.
    let code = unsafe {
        (library().PrjStartVirtualizing)(root, callbacks, null(), options, &raw mut handle)
    };
    if code == 0 {
        // SAFETY: a live handle.
        unsafe { (library().PrjStopVirtualizing)(handle) };
    }
    HResult(code)
}

fn with_mappings(mappings: &mut [PRJ_NOTIFICATION_MAPPING]) -> PRJ_STARTVIRTUALIZING_OPTIONS {
    PRJ_STARTVIRTUALIZING_OPTIONS {
        NotificationMappings: mappings.as_mut_ptr(),
        NotificationMappingsCount: u32::try_from(mappings.len()).unwrap(),
        ..Default::default()
    }
}

const fn mapping(mask: u32, root: &[u16]) -> PRJ_NOTIFICATION_MAPPING {
    PRJ_NOTIFICATION_MAPPING { NotificationBitMask: mask, NotificationRoot: root.as_ptr() }
}

#[test]
fn marking_says_what_to_the_driver() {
    let fake = serve();
    assert_eq!(mark(Some(&fake.root.to_string()), Some("a\\b"), true), HResult::OK);
    let Call::Mark(request) = fake.last_call() else { panic!("marked nothing") };
    assert_eq!(request.root, fake.root);
    assert_eq!(request.target, Some(Wide::from("a\\b")));
    assert_eq!(request.instance, Guid([9; 16]));
    let version = VersionInfo { provider: [1; 128], content: [2; 128] };
    assert_eq!(request.version, Some(Box::new(version)));
    assert_eq!(request.process.id, std::process::id());
    assert!(request.process.image.to_string().starts_with("\\Device\\HarddiskVolume1\\"));
}

#[test]
fn marking_needs_a_root_and_an_identity() {
    let fake = serve();
    assert_eq!(mark(None, None, true), HResult::INVALID_ARGUMENT);
    assert_eq!(mark(Some(""), None, true), HResult::INVALID_ARGUMENT);
    assert_eq!(mark(Some(&fake.root.to_string()), None, false), HResult::INVALID_ARGUMENT);
    assert!(fake.calls().is_empty());
}

#[test]
fn a_root_that_nobody_serves_is_unavailable() {
    assert_eq!(mark(Some("/elsewhere"), None, true), HResult::VIRTUALIZATION_UNAVAILABLE);
    let root = wide("/elsewhere");
    let code = try_start(root.as_ptr(), &callbacks(), &Default::default());
    assert_eq!(code, HResult::VIRTUALIZATION_UNAVAILABLE);
}

#[test]
fn the_innermost_driver_answers_for_a_path() {
    let outer = serve();
    let folder = outer.root.join(&Wide::from("x"));
    let inner = serve();
    let guard = projfs_emulator::provider::serve_root(&folder, inner.fake.clone());
    assert_eq!(mark(Some(&format!("{}\\x/y", outer.root)), None, true), HResult::OK);
    assert_eq!((inner.calls().len(), outer.calls().len()), (1, 0));
    assert_eq!(mark(Some(&format!("{}\\xy", outer.root)), None, true), HResult::OK);
    drop(guard);
    assert_eq!(mark(Some(&format!("{}\\x", outer.root)), None, true), HResult::OK);
    assert_eq!((inner.calls().len(), outer.calls().len()), (1, 2));
}

#[test]
fn starting_says_what_to_the_driver() {
    let fake = serve();
    let (all, deep) = (wide(""), wide("a\\b"));
    let mut mappings = [mapping(6, &all), mapping(1, &deep)];
    let options = PRJ_STARTVIRTUALIZING_OPTIONS { Flags: 1, ..with_mappings(&mut mappings) };
    let running = start_with(&fake, &options, indifferent);
    let Call::Start(request) = fake.last_call() else { panic!("started nothing") };
    assert_eq!(request.root, fake.root);
    assert!(request.negative_path_cache && request.queries_names && request.cancels);
    let mapping = |root, mask| NotificationMapping {
        root: Wide::from(root),
        mask: NotifyMask::from_bits_retain(mask),
    };
    assert_eq!(request.notifications, Some(vec![mapping("", 6), mapping("a\\b", 1)]));
    drop(running);
    assert_eq!(fake.last_call(), Call::Stop);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn optional_callbacks_can_be_missing_and_the_others_cannot() {
    let fake = serve();
    let root = fake.root.to_c();
    let least = PRJ_CALLBACKS {
        QueryFileNameCallback: None,
        NotificationCallback: None,
        CancelCommandCallback: None,
        ..callbacks()
    };
    assert_eq!(try_start(root.as_ptr(), &least, &Default::default()), HResult::OK);
    let Some(Call::Start(request)) = fake.calls().into_iter().next() else { panic!("no start") };
    assert!(!request.queries_names && !request.cancels && request.notifications.is_none());
    for missing in [
        PRJ_CALLBACKS { StartDirectoryEnumerationCallback: None, ..callbacks() },
        PRJ_CALLBACKS { EndDirectoryEnumerationCallback: None, ..callbacks() },
        PRJ_CALLBACKS { GetDirectoryEnumerationCallback: None, ..callbacks() },
        PRJ_CALLBACKS { GetPlaceholderInfoCallback: None, ..callbacks() },
        PRJ_CALLBACKS { GetFileDataCallback: None, ..callbacks() },
    ] {
        let code = try_start(root.as_ptr(), &missing, &Default::default());
        assert_eq!(code, HResult::INVALID_ARGUMENT);
    }
}

#[test]
fn starting_refuses_null_and_unknown_flags() {
    let fake = serve();
    let (root, options) = (fake.root.to_c(), PRJ_STARTVIRTUALIZING_OPTIONS::default());
    assert_eq!(try_start(null(), &callbacks(), &options), HResult::INVALID_ARGUMENT);
    assert_eq!(try_start([0].as_ptr(), &callbacks(), &options), HResult::INVALID_ARGUMENT);
    assert_eq!(try_start(root.as_ptr(), null(), &options), HResult::INVALID_ARGUMENT);
    let unknown = PRJ_STARTVIRTUALIZING_OPTIONS { Flags: 2, ..options };
    assert_eq!(try_start(root.as_ptr(), &callbacks(), &unknown), HResult::INVALID_ARGUMENT);
    let none = PRJ_STARTVIRTUALIZING_OPTIONS { NotificationMappingsCount: 1, ..options };
    assert_eq!(try_start(root.as_ptr(), &callbacks(), &none), HResult::INVALID_ARGUMENT);
    // SAFETY: nowhere to put the handle.
    let code = unsafe {
        (library().PrjStartVirtualizing)(
            root.as_ptr(),
            &callbacks(),
            null(),
            &raw const options,
            null_mut(),
        )
    };
    assert_eq!(HResult(code), HResult::INVALID_ARGUMENT);
    assert!(fake.calls().is_empty());
}

#[test]
fn a_start_fails_with_the_drivers_code() {
    let fake = serve();
    fake.set_answer(HResult::REPARSE_TAG_MISMATCH, FailureCauses::empty());
    let code = try_start(fake.root.to_c().as_ptr(), &callbacks(), &Default::default());
    assert_eq!(code, HResult::REPARSE_TAG_MISMATCH);
}

#[test]
fn callbacks_may_come_while_the_start_has_not_returned() {
    let fake = serve();
    let id = fake.play_at_start(Request::GetPlaceholderInfo);
    let running = start(&fake, |asked| write_placeholder(&library(), asked.handle(), "a.txt"));
    assert_eq!(fake.answer_to(id).result, HResult::OK);
    drop(running);
    assert!(matches!(fake.calls().get(1), Some(Call::Placeholder(..))));
}

#[test]
fn an_instance_tells_its_identity_and_clears_its_cache() {
    let fake = serve();
    let running = start(&fake, indifferent);
    let (mut info, mut total) = (PRJ_VIRTUALIZATION_INSTANCE_INFO::default(), 0);
    // SAFETY: the places are there, or NULL.
    unsafe {
        let tell = library().PrjGetVirtualizationInstanceInfo;
        assert_eq!(tell(running.handle, &raw mut info), 0);
        assert_eq!(HResult(tell(running.handle, null_mut())), HResult::INVALID_ARGUMENT);
        let clear = library().PrjClearNegativePathCache;
        assert_eq!(clear(running.handle, &raw mut total), 0);
        assert_eq!(clear(running.handle, null_mut()), 0);
    }
    assert_eq!(info.InstanceID.to_u128(), u128::from_be_bytes(INSTANCE.0));
    assert_eq!((info.WriteAlignment, total), (ALIGNMENT, 17));
}

trait Number {
    fn to_u128(&self) -> u128;
}

impl Number for GUID {
    fn to_u128(&self) -> u128 {
        let [high, low] = [u32::from(self.data2), u32::from(self.data3)];
        u128::from(self.data1) << 96
            | u128::from(high << 16 | low) << 64
            | u128::from(u64::from_be_bytes(self.data4))
    }
}

#[test]
fn a_stop_waits_for_the_callbacks_that_run() {
    let fake = serve();
    let gate = Shown::<bool>::new();
    let (own, began) = (gate.clone(), Shown::<bool>::new());
    let begins = began.clone();
    let mut running = start(&fake, move |_| {
        begins.change(|began| *began = true);
        own.wait_until(|open| *open);
        HResult::OK
    });
    let id = fake.play(Request::QueryFileName);
    began.wait_until(|began| *began);
    thread::scope(|scope| {
        let stopping = scope.spawn(|| running.stop());
        fake.wait_for_call(|call| *call == Call::Stop);
        assert!(!stopping.is_finished(), "stopped while a callback ran");
        gate.change(|open| *open = true);
    });
    assert_eq!(fake.answer_to(id).result, HResult::OK);
}

#[test]
fn a_command_that_is_left_pending_is_told_and_a_callback_that_runs_is_not() {
    let fake = serve();
    fake.give_up_at_stop();
    let (gate, began) = (Shown::<bool>::new(), Shown::<usize>::new());
    let (own, begins) = (gate.clone(), began.clone());
    let mut running = start(&fake, move |asked| {
        begins.change(|began| *began += 1);
        if matches!(asked.what, What::Data { .. }) {
            return HResult::IO_PENDING;
        }
        own.wait_until(|open| *open);
        HResult::OK
    });
    let left = fake.play(Request::GetFileData { offset: 0, length: 1 });
    fake.play(Request::QueryFileName);
    began.wait_until(|began| *began == 2);
    thread::scope(|scope| {
        scope.spawn(|| running.stop());
        fake.wait_for_call(|call| *call == Call::Stop);
        gate.change(|open| *open = true);
    });
    let broken = fake.violations();
    let [only] = broken.as_slice() else { unreachable!("{broken:?}") };
    assert_eq!(only.rule, "M8");
    assert!(only.what.starts_with(&format!("command {left} was still pending")), "{only}");
}

#[test]
fn no_thread_is_left_after_a_stop() {
    let fake = serve();
    let kept = Arc::new(());
    let own = kept.clone();
    let running = start(&fake, move |_| {
        let _ = &own;
        HResult::OK
    });
    fake.ask(Request::QueryFileName);
    drop(running);
    // The test has one, and the served root has the driver: the library has let go of both.
    assert_eq!(Arc::strong_count(&kept), 1);
    assert_eq!(Arc::strong_count(&fake.fake), 2);
}

#[test]
fn a_stop_waits_for_callbacks_whose_commands_were_cancelled() {
    let fake = serve();
    let (gate, began, ended) = (Shown::<bool>::new(), Shown::<bool>::new(), Shown::<bool>::new());
    let (opens, begins, ends) = (gate.clone(), began.clone(), ended.clone());
    let mut running = start(&fake, move |asked| {
        if !matches!(asked.what, What::Cancel) {
            begins.change(|began| *began = true);
            opens.wait_until(|open| *open);
            ends.change(|ended| *ended = true);
        }
        HResult::OK
    });
    let id = fake.play(Request::QueryFileName);
    began.wait_until(|began| *began);
    fake.cancel(id);
    thread::scope(|scope| {
        let stopping = scope.spawn(|| running.stop());
        fake.wait_for_call(|call| *call == Call::Stop);
        assert!(!stopping.is_finished(), "stopped while a callback ran");
        gate.change(|open| *open = true);
    });
    assert!(ended.get());
}

#[test]
fn stopping_twice_is_misuse() {
    let fake = serve();
    let mut running = start(&fake, indifferent);
    running.stop();
    running.stop();
    assert_eq!(fake.rules(), ["M8"]);
    assert_eq!(fake.calls().iter().filter(|call| **call == Call::Stop).count(), 1);
}

#[test]
fn a_stopped_instance_is_not_used() {
    let fake = serve();
    let mut running = start(&fake, indifferent);
    running.stop();
    let code = write_placeholder(&library(), running.handle, "a");
    assert_eq!((code, fake.rules()), (HResult::INVALID_ARGUMENT, vec!["M8".to_owned()]));
}

/// Runs `misuse` in a callback and gives its code, with the rules that were broken.
fn in_callback(
    fake: &Fake,
    misuse: impl Fn(Asked) -> HResult + Send + Sync + 'static,
) -> (HResult, Vec<String>) {
    let running = start(fake, misuse);
    let result = fake.ask(Request::QueryFileName).result;
    drop(running);
    (result, fake.rules())
}

#[test]
fn what_is_no_instance_is_not_followed() {
    for bogus in [0, 8, 0x5052_0000_7fff_fff8, usize::MAX] {
        let fake = serve();
        let misuse =
            move |_: Asked| write_placeholder(&library(), without_provenance_mut(bogus), "a");
        let (code, rules) = in_callback(&fake, misuse);
        assert_eq!((code, rules), (HResult::INVALID_ARGUMENT, vec!["M8".to_owned()]));
    }
}

#[test]
fn a_strict_stop_from_a_callback_does_nothing() {
    let fake = serve();
    let (code, rules) = in_callback(&fake, |asked| {
        // SAFETY: a live handle.
        unsafe { (library().PrjStopVirtualizing)(asked.handle()) };
        HResult::OK
    });
    assert_eq!((code, rules), (HResult::OK, vec!["M8".to_owned()]));
    assert_eq!(fake.calls().iter().filter(|call| **call == Call::Stop).count(), 1);
}

fn update(handle: *mut c_void) -> HResult {
    let info = PRJ_PLACEHOLDER_INFO::default();
    let size = u32::try_from(size_of_val(&info)).unwrap();
    // SAFETY: everything is there, or NULL.
    HResult(unsafe {
        (library().PrjUpdateFileIfNeeded)(handle, wide("a").as_ptr(), &info, size, 0, null_mut())
    })
}

fn delete(handle: *mut c_void) -> HResult {
    // SAFETY: everything is there, or NULL.
    HResult(unsafe { (library().PrjDeleteFile)(handle, wide("a").as_ptr(), 0, null_mut()) })
}

fn state(root: &str) -> HResult {
    let mut state = 0;
    // SAFETY: both are there.
    HResult(unsafe { (library().PrjGetOnDiskFileState)(wide(root).as_ptr(), &raw mut state) })
}

#[test]
fn what_calls_back_is_not_called_by_callbacks() {
    type Misuse = fn(Asked, &str) -> HResult;
    let misuses: [(&str, Misuse); 5] = [
        ("L8", |_, root| mark(Some(root), None, true)),
        ("L8", |_, root| mark(Some(root), Some("a"), true)),
        ("L8", |asked, _| update(asked.handle())),
        ("L8", |asked, _| delete(asked.handle())),
        ("M15", |_, root| state(root)),
    ];
    for (rule, misuse) in misuses {
        for strict in [true, false] {
            let fake = serve();
            fake.set_strict(strict);
            let root = fake.root.to_string();
            let (code, rules) = in_callback(&fake, move |asked| match asked.what {
                What::Query => misuse(asked, &root),
                _ => HResult::OK,
            });
            assert_eq!(rules.first().map(String::as_str), Some(rule));
            let expected = if strict { HResult::INTERNAL_ERROR } else { HResult::OK };
            assert_eq!(code, expected, "{rule}, strict: {strict}");
        }
    }
}

#[test]
fn a_callback_starts_no_instance() {
    for strict in [true, false] {
        let fake = serve();
        fake.set_strict(strict);
        let (root, driver) = (fake.root.to_c(), fake.fake.clone());
        let (code, rules) = in_callback(&fake, move |_| {
            driver.set_answer(HResult::ALREADY_INITIALIZED, FailureCauses::empty());
            try_start(root.as_ptr(), &callbacks(), &Default::default())
        });
        let expected = if strict { HResult::INTERNAL_ERROR } else { HResult::ALREADY_INITIALIZED };
        assert_eq!((code, rules), (expected, vec!["M8".to_owned()]));
    }
}

#[test]
fn mappings_stay_as_they_are_until_the_stop() {
    let fake = serve();
    let root = wide("");
    let mut mappings = [mapping(2, &root)];
    let options = with_mappings(&mut mappings);
    let mut running = start_with(&fake, &options, indifferent);
    // SAFETY: the one mapping of the array.
    unsafe { (*options.NotificationMappings).NotificationBitMask = 4 };
    running.stop();
    assert_eq!(fake.rules(), ["K2"]);
}

#[test]
fn strings_of_mappings_stay_as_they_are_until_the_stop() {
    let fake = serve();
    let mut root = wide("abc");
    let place = root.as_mut_ptr();
    let mut mappings = [mapping(2, &root)];
    let mut running = start_with(&fake, &with_mappings(&mut mappings), indifferent);
    // SAFETY: the first unit of the string.
    unsafe { place.write(u16::from(b'x')) };
    running.stop();
    assert_eq!(fake.rules(), ["K2"]);
}

#[cfg(target_os = "linux")]
#[test]
fn mappings_that_are_gone_at_the_stop_are_not_followed() {
    let fake = serve();
    let root = wide("abc");
    // A page of its own, so that nothing is there when it is given back.
    // SAFETY: new memory, given back once.
    let page = unsafe {
        let (access, kind) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON);
        libc::mmap(null_mut(), 4096, access, kind, -1, 0)
    };
    assert_ne!(page, libc::MAP_FAILED);
    // SAFETY: the string fits in the page.
    unsafe { page.cast::<u16>().copy_from_nonoverlapping(root.as_ptr(), root.len()) };
    let mut mappings =
        [PRJ_NOTIFICATION_MAPPING { NotificationBitMask: 2, NotificationRoot: page.cast() }];
    let mut running = start_with(&fake, &with_mappings(&mut mappings), indifferent);
    // SAFETY: as above.
    assert_eq!(unsafe { libc::munmap(page, 4096) }, 0);
    running.stop();
    assert_eq!(fake.rules(), ["K2"]);
}
