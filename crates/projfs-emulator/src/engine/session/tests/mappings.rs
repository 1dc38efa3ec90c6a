//! Who is told what.

use super::*;
use crate::engine::ItemId;
use crate::engine::session::mappings::Mappings;
use crate::engine::session::validate;

const FILE: Option<ItemId> = Some(ItemId(7));

fn mapping(root: &str, mask: NotifyMask) -> NotificationMapping {
    NotificationMapping { root: root.into(), mask }
}

fn moved(notification: Notification, path: &str, destination: &str) -> Event {
    Event { destination: Some(destination.into()), ..event(notification, path) }
}

#[test]
fn the_deepest_mapping_replaces_the_others() {
    let (opened, made) = (NotifyMask::FILE_OPENED, NotifyMask::NEW_FILE_CREATED);
    let mappings = Mappings::new(Some(&[
        mapping("", opened),
        mapping("Src", made),
        mapping("src\\Deep", opened | made),
        mapping("src\\silent", NotifyMask::SUPPRESS | opened | made),
        mapping("src\\none", NotifyMask::empty()),
        mapping("stra\u{df}e", made),
        mapping("src\\deep\\one.txt", NotifyMask::empty()),
    ]));
    for (path, is_told_of_opened, is_told_of_made) in [
        ("", true, false),
        ("a", true, false),
        ("a\\src", true, false),
        ("src", false, true),
        ("SRC\\a", false, true),
        // A component that only begins like the mapping's.
        ("srcs\\a", true, false),
        ("src\\deeper", false, true),
        ("src\\deep", true, true),
        ("sRC\\DEEP\\a\\b", true, true),
        ("src\\silent\\a", false, false),
        ("src\\none", false, false),
        ("STRA\u{df}E\\a", false, true),
        // Units are folded one by one.
        ("strasse\\a", true, false),
        ("src\\deep\\one.txt", false, false),
        ("src\\deep\\one.txt2", true, true),
    ] {
        let told = |notification| mappings.want(&event(notification, path));
        assert_eq!(told(Notification::FileOpened), is_told_of_opened, "{path} opened");
        assert_eq!(told(Notification::NewFileCreated), is_told_of_made, "{path} made");
    }
}

#[test]
fn without_mappings_the_default_counts_and_without_a_callback_nothing() {
    let (default, none) = (Mappings::new(Some(&[])), Mappings::new(None));
    for notification in Notification::ALL {
        let about = event(notification, "a");
        assert_eq!(default.want(&about), NotifyMask::DEFAULT.contains(notification.bit()));
        assert!(!none.want(&about));
    }
    assert!(!none.want(&moved(Notification::FileRenamed, "", "a")));
}

#[test]
fn outside_of_all_mappings_nothing_is_sent() {
    let mappings = Mappings::new(Some(&[mapping("src", NotifyMask::all())]));
    assert!(!mappings.want(&event(Notification::FileOpened, "a")));
}

#[test]
fn renames_and_links_are_routed_by_both_ends() {
    for (notification, bit) in [
        (Notification::PreRename, NotifyMask::PRE_RENAME),
        (Notification::FileRenamed, NotifyMask::FILE_RENAMED),
        (Notification::PreSetHardlink, NotifyMask::PRE_SET_HARDLINK),
        (Notification::HardlinkCreated, NotifyMask::HARDLINK_CREATED),
    ] {
        let others = NotifyMask::FILE_OPENED;
        let mappings = Mappings::new(Some(&[
            mapping("", others),
            mapping("told", others | bit),
            mapping("mute", NotifyMask::SUPPRESS | bit),
        ]));
        for (from, to, told) in [
            // Inside: either end's mapping.
            ("a", "b", false),
            ("told\\a", "b", true),
            ("a", "told\\b", true),
            ("told\\a", "told\\b", true),
            ("mute\\a", "b", false),
            ("mute\\a", "told\\b", true),
            ("told\\a", "mute\\b", true),
            // In: always, unless suppressed.
            ("", "b", true),
            ("", "told\\b", true),
            ("", "mute\\b", false),
            // Out: the source's mapping.
            ("a", "", false),
            ("told\\a", "", true),
            ("mute\\a", "", false),
        ] {
            let sent = mappings.want(&moved(notification, from, to));
            assert_eq!(sent, told, "{notification:?} {from:?} -> {to:?}");
        }
    }
}

#[test]
fn a_reply_replaces_the_mask_of_its_file_until_that_is_closed() {
    let opened = NotifyMask::FILE_OPENED;
    let mappings = Mappings::new(Some(&[mapping("", opened)]));
    let told = |notification, item| mappings.want(&Event { item, ..event(notification, "a") });
    mappings.replace(ItemId(7), NotifyMask::PRE_DELETE | NotifyMask::NEW_FILE_CREATED);
    assert!(told(Notification::PreDelete, FILE));
    assert!(!told(Notification::FileOpened, FILE));
    assert!(!told(Notification::NewFileCreated, FILE), "has no effect in a reply");
    assert!(!told(Notification::PreDelete, Some(ItemId(8))), "another file");
    for keep in [NotifyMask::empty(), NotifyMask::USE_EXISTING] {
        mappings.replace(ItemId(7), keep);
        assert!(told(Notification::PreDelete, FILE));
    }
    mappings.replace(ItemId(7), NotifyMask::SUPPRESS);
    assert!(!told(Notification::PreDelete, FILE));
    mappings.forget(ItemId(7));
    assert!(told(Notification::FileOpened, FILE));
    assert!(!told(Notification::PreDelete, FILE));
}

#[test]
fn a_files_own_mask_stands_in_for_the_mapping_of_its_source() {
    let renamed = NotifyMask::FILE_RENAMED;
    let mappings =
        Mappings::new(Some(&[mapping("", renamed), mapping("quiet", NotifyMask::empty())]));
    mappings.replace(ItemId(7), NotifyMask::PRE_DELETE);
    let told = |from, to| {
        mappings.want(&Event { item: FILE, ..moved(Notification::FileRenamed, from, to) })
    };
    assert!(!told("a", "quiet\\a"));
    assert!(!told("a", ""));
    assert!(told("quiet\\a", "a"), "the destination's mapping has the bit");
}

/// The mask of a reply counts for those kinds that have one.
#[test]
fn masks_in_replies_are_taken_from_the_right_notifications() {
    for notification in Notification::ALL {
        let stage = Stage::new(&Scheduler::seeded(0), request(), |_| {
            Some((HResult::OK, Reply::Mask(NotifyMask::PRE_DELETE)))
        });
        stage.notify(application(), Event { item: FILE, ..event(notification, "a") });
        stage.scheduler.run_until_idle().unwrap();
        let opened = Event { item: FILE, ..event(Notification::FileOpened, "a") };
        assert_eq!(stage.session.mappings.want(&opened), !notification.takes_mask());
        stage.session.forget_mask(ItemId(7));
        assert!(stage.session.mappings.want(&opened));
    }
}

#[test]
fn the_providers_own_process_is_not_heard() {
    let stage = Stage::new(&Scheduler::seeded(0), request(), |_| {
        Some((HResult::ACCESS_DENIED, Reply::None))
    });
    let own = Process { id: PROVIDER, image: Wide::default() };
    let told = stage.notify(own, event(Notification::PreDelete, "a"));
    stage.scheduler.run_until_idle().unwrap();
    assert_eq!(told.take(), Some(Ok(())));
    assert_eq!(stage.traced(), [""; 0]);
}

/// Rules that starting with these mappings breaks, and the outcome.
fn started(notifications: Option<Vec<NotificationMapping>>) -> (Result<()>, Vec<String>) {
    let broken = Mutex::new(Vec::new());
    let request = StartRequest { notifications, ..request() };
    let outcome = validate(&request, |rule, what| broken.lock().push(format!("{rule}: {what}")));
    (outcome, broken.into_inner())
}

#[test]
fn a_mapping_root_may_not_begin_with_a_dot() {
    let mask = NotifyMask::FILE_OPENED;
    for (root, outcome) in [
        (".", Err(HResult::INVALID_ARGUMENT)),
        (".\\src", Err(HResult::INVALID_ARGUMENT)),
        (".src", Ok(())),
        ("src", Ok(())),
        ("", Ok(())),
    ] {
        assert_eq!(started(Some(vec![mapping(root, mask)])).0, outcome, "{root}");
    }
    assert_eq!(started(None), (Ok(()), Vec::new()));
    assert_eq!(started(Some(Vec::new())), (Ok(()), Vec::new()));
}

#[test]
fn mappings_are_listed_shallow_before_deep() {
    let mask = NotifyMask::FILE_OPENED;
    let with =
        |roots: &[&str]| started(Some(roots.iter().map(|root| mapping(root, mask)).collect())).1;
    assert_eq!(with(&["", "a", "b", "a\\b"]), [""; 0]);
    assert_eq!(with(&["", "a", "a\\b\\c", "a\\d", "b"]), [""; 0], "none is below a later one");
    assert_eq!(with(&["A\\b", "c", "a"]).len(), 1);
    let broken = with(&["a\\b", "a", ""]);
    assert_eq!(broken.len(), 2);
    assert!(broken[0].starts_with("K2: the mapping of \"a\\\\b\" is listed before that of \"a\""));
}

#[test]
fn who_is_told_of_modifications_has_to_be_told_of_renames() {
    let modified = NotifyMask::CLOSED_FILE_MODIFIED;
    let with = |mask| started(Some(vec![mapping("src", mask)])).1;
    let broken = with(modified);
    assert!(matches!(broken.as_slice(), [one] if one.starts_with("K19: the mapping of \"src\"")));
    assert_eq!(with(modified | NotifyMask::FILE_RENAMED), [""; 0]);
    assert_eq!(with(modified | NotifyMask::PRE_RENAME), [""; 0]);
    assert_eq!(with(modified | NotifyMask::SUPPRESS), [""; 0]);
    assert_eq!(with(NotifyMask::PRE_DELETE), [""; 0]);
}
