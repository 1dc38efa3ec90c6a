//! Names that become placeholders, and those that do not.

mod queries;
mod writes;

use crate::contract::{FileState, HResult, Wide};
use crate::engine::stage::{Stage, info, is_placeholder, version};
use crate::engine::store::{ItemId, NewFull};
use crate::link::Reply;

/// The name that a path is found under.
fn found(stage: &Stage, path: &str) -> Result<Option<String>, HResult> {
    stage.open(path).map(|found| found.map(|(name, _)| name.to_string()))
}

#[test]
fn each_missing_component_is_asked_for_once_outermost_first() {
    let stage = Stage::projecting(&["a\\", "a\\b\\", "a\\b\\c"]);
    stage.item("a\\b\\c");
    stage.item("a\\b\\c");
    let trace = stage.root.shared.trace.take();
    let lines: Vec<_> = trace.iter().map(crate::link::Traced::line).collect();
    assert_eq!(
        lines,
        [
            "GetPlaceholderInfo a -> OK",
            "GetPlaceholderInfo a\\b -> OK",
            "GetPlaceholderInfo a\\b\\c -> OK"
        ]
    );
    // The version is the folder's.
    let versions: Vec<_> =
        trace.iter().map(|traced| *traced.command.version.clone().unwrap()).collect();
    assert_eq!(versions, [version("the root"), version("a"), version("a\\b")]);
}

#[test]
fn a_placeholder_is_what_the_provider_wrote() {
    let stage = Stage::projecting(&["a.txt", "d\\"]);
    let file = stage.item("a.txt");
    assert_eq!((file.state, file.directory), (FileState::PLACEHOLDER, false));
    assert_eq!((file.basic, *file.version), (info(Some(5), "").basic, version("a.txt")));
    assert_eq!((file.instance, file.origin), (stage.root.instance, "a.txt".into()));
    assert!(stage.item("d").directory);
}

#[test]
fn a_path_ends_at_the_first_component_that_is_not_projected() {
    let stage = Stage::projecting(&[]);
    assert_eq!(found(&stage, "a\\b\\c"), Ok(None));
    assert_eq!(stage.trace(), ["GetPlaceholderInfo a -> FILE_NOT_FOUND"]);
}

#[test]
fn a_failure_reaches_the_application() {
    let stage = Stage::projecting(&["a"]);
    stage.provider.fails(is_placeholder, HResult::ACCESS_DENIED);
    assert_eq!(found(&stage, "a"), Err(HResult::ACCESS_DENIED));
    stage.provider.behave();
    assert_eq!(found(&stage, "a"), Ok(Some("a".into())));
}

#[test]
fn the_name_on_disk_is_spelled_as_the_provider_spells_it() {
    let stage = Stage::projecting(&["Docs\\", "Docs\\ReadMe.TXT"]);
    assert_eq!(found(&stage, "dOCS\\readme.txt"), Ok(Some("ReadMe.TXT".into())));
    assert_eq!(
        stage.trace(),
        ["GetPlaceholderInfo dOCS -> OK", "GetPlaceholderInfo Docs\\readme.txt -> OK"]
    );
    assert_eq!(found(&stage, "DOCS\\README.TXT"), Ok(Some("ReadMe.TXT".into())));
    assert_eq!(stage.item("docs\\readme.txt").origin, Wide::from("Docs\\ReadMe.TXT"));
}

#[test]
fn local_items_tombstones_and_full_directories_are_not_asked_for() {
    let stage = Stage::projecting(&["local", "gone"]);
    let store = &stage.root.store;
    store.add_full(ItemId::ROOT, &"local".into(), NewFull::File { attributes: 0 }).unwrap();
    store.add_tombstone(ItemId::ROOT, &"gone".into()).unwrap();
    store.add_full(ItemId::ROOT, &"full".into(), NewFull::Directory { attributes: 0 }).unwrap();
    assert_eq!(stage.item("local").state, FileState::FULL);
    assert_eq!(found(&stage, "gone"), Ok(None));
    assert_eq!(found(&stage, "full\\a"), Ok(None));
    assert_eq!(stage.trace(), Vec::<String>::new());
}

#[test]
fn success_without_a_placeholder_is_not_found_and_a_broken_rule() {
    let stage = Stage::projecting(&["a"]);
    stage.provider.fails(is_placeholder, HResult::OK);
    assert_eq!(found(&stage, "a"), Err(HResult::FILE_NOT_FOUND));
    assert_eq!(stage.broken(), ["H2"]);
    stage.lenient();
    assert_eq!(found(&stage, "a"), Ok(None));
    assert_eq!(stage.broken(), ["H2"]);
}

#[test]
fn a_placeholder_of_another_name_is_no_answer() {
    let stage = Stage::projecting(&["a"]);
    stage.provider.does(is_placeholder, |act| async move {
        act.placeholder(&"b".into(), info(Some(1), "a")).await.unwrap();
        act.complete(HResult::OK, Reply::None);
    });
    assert_eq!(found(&stage, "a"), Err(HResult::FILE_NOT_FOUND));
    assert_eq!(stage.broken(), ["G10"]);
}

#[test]
fn without_a_provider_only_what_is_on_disk_is_found() {
    let stage = Stage::projecting(&["a", "d\\", "d\\b"]);
    stage.item("a");
    stage.item("d");
    let store = &stage.root.store;
    store.add_full(ItemId::ROOT, &"full".into(), NewFull::Directory { attributes: 0 }).unwrap();
    stage.stop();
    assert_eq!(found(&stage, "a"), Ok(Some("a".into())));
    assert_eq!(found(&stage, "d\\b"), Err(HResult::VIRTUALIZATION_UNAVAILABLE));
    assert_eq!(found(&stage, "new"), Err(HResult::VIRTUALIZATION_UNAVAILABLE));
    assert_eq!(found(&stage, "full\\new"), Ok(None));
}

#[test]
fn a_directory_of_another_instance_has_no_provider() {
    let stage = Stage::projecting(&["d\\", "d\\a"]);
    let directory = stage.item("d");
    let info = info(None, "d");
    let new = crate::engine::store::NewPlaceholder {
        info: &info,
        instance: crate::contract::Guid([9; 16]),
        origin: &"d".into(),
    };
    stage.root.store.reset(directory.id, new).unwrap();
    assert_eq!(found(&stage, "d\\a"), Err(HResult::VIRTUALIZATION_UNAVAILABLE));
}

#[test]
fn a_name_is_asked_for_once_however_many_open_it() {
    for seed in 0..20 {
        let stage = Stage::empty(crate::Knobs { seed, ..crate::Knobs::default() });
        stage.provider.project("a");
        stage.start(|_| {});
        let handles: Vec<_> = (0..10)
            .map(|_| {
                stage.spawn(|root, caller| async move {
                    let name = Wide::from("a");
                    let _name = root.names.lock(&[(ItemId::ROOT, &name)]).await;
                    let parent = root.store.item(ItemId::ROOT).unwrap();
                    root.materialise(&caller, &parent, &name).await
                })
            })
            .collect();
        stage.scheduler.run_until_idle().unwrap();
        for handle in handles {
            assert!(handle.take().unwrap().unwrap().is_some());
        }
        assert_eq!(stage.trace(), ["GetPlaceholderInfo a -> OK"]);
    }
}
