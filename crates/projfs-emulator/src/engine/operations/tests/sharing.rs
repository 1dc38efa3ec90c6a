//! Who may have what open beside whom.

use super::fixture::*;
use crate::contract::HResult;
use crate::contract::operations::*;

fn how(access: Access, share: Share) -> Open {
    Open { share, ..Open::existing(access) }
}

#[test]
fn both_must_let_the_other() {
    let (read, write, delete) = (Access::READ, Access::WRITE, Access::DELETE);
    let all = Share::all();
    for (first, second, fits) in [
        (how(read, Share::READ), how(read, Share::READ), true),
        (how(read, Share::READ), how(read, Share::empty()), false),
        (how(read, Share::READ), how(write, all), false),
        (how(read, all), how(write, Share::WRITE), false),
        (how(read, all), how(write, Share::READ), true),
        (how(Access::APPEND, all), how(read, Share::READ), false),
        (how(delete, all), how(read, Share::READ | Share::WRITE), false),
        (how(read, Share::READ | Share::WRITE), how(delete, all), false),
        (how(read, Share::DELETE), how(delete, all), true),
        // Attributes are for everybody.
        (how(read, Share::empty()), how(Access::WRITE_ATTRIBUTES, Share::empty()), true),
        (how(Access::empty(), Share::empty()), how(read | write | delete, Share::empty()), true),
    ] {
        let rig = Rig::new(&["f"]);
        let earlier = rig.handle("f", first.clone());
        let outcome = rig.open("f", second.clone());
        assert_eq!(outcome.is_ok(), fits, "{first:?} {second:?}");
        if let Err(code) = outcome {
            assert_eq!(code, HResult::SHARING_VIOLATION);
            rig.close(earlier);
            rig.open("f", second).unwrap();
        }
    }
}

#[test]
fn an_excluded_writer_converts_nothing() {
    let rig = Rig::new(&["f"]);
    rig.handle("f", how(Access::READ, Share::READ));
    rig.callbacks();
    for how in [how(Access::WRITE, Share::all()), overwrite(Disposition::OverwriteIf)] {
        assert_eq!(rig.open("f", how).unwrap_err(), HResult::SHARING_VIOLATION);
    }
    rig.expect(&[]);
    assert_eq!(rig.state("f"), PLACEHOLDER);
}

#[test]
fn to_overwrite_is_to_write_whatever_is_asked_for() {
    let rig = Rig::new(&["f"]);
    rig.handle("f", how(Access::READ, Share::READ | Share::DELETE));
    let only_reads = Open { disposition: Disposition::OverwriteIf, ..Open::existing(Access::READ) };
    assert_eq!(rig.open("f", only_reads).unwrap_err(), HResult::SHARING_VIOLATION);
}

#[test]
fn to_delete_on_close_is_to_delete() {
    let rig = Rig::new(&["f"]);
    rig.handle("f", how(Access::READ, Share::READ | Share::WRITE));
    let deleting = Open { delete_on_close: true, ..Open::existing(Access::READ) };
    assert_eq!(rig.open("f", deleting).unwrap_err(), HResult::SHARING_VIOLATION);
}

#[test]
fn m21_a_handle_that_shares_no_deletion_blocks_it() {
    let rig = Rig::new(&["f"]);
    let attributes = rig.handle("f", how(Access::empty(), Share::empty()));
    let item = rig.item("f").unwrap().id;
    assert!(!rig.root.handles.blocks_deletion(item));
    let reader = rig.handle("f", how(Access::READ, Share::READ));
    assert!(rig.root.handles.blocks_deletion(item));
    rig.close(reader);
    assert!(!rig.root.handles.blocks_deletion(item));
    assert!(rig.root.has_open(APPLICATION, item) && !rig.root.has_open(PROVIDER, item));
    rig.close(attributes);
    assert!(!rig.root.has_open(APPLICATION, item));
}
