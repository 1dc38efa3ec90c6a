//! Filling in entries: the budget and its rules (projfs.md F9, F10, F17, L2, L3).

use std::ptr::{null, without_provenance_mut};
use std::sync::Arc;

use projfs_emulator::contract::{BasicInfo, DirEntry, Guid, HResult, Wide};
use projfs_emulator::link::{Completion, EntryBudget, Reply, Request};
use windows_sys::Win32::Storage::ProjectedFileSystem::{
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS as Extended,
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0 as ExtendedUnion,
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0_0 as WithMask,
    PRJ_COMPLETE_COMMAND_EXTENDED_PARAMETERS_0_1 as WithEntries, PRJ_DIR_ENTRY_BUFFER_HANDLE,
    PRJ_EXTENDED_INFO, PRJ_EXTENDED_INFO_0, PRJ_EXTENDED_INFO_0_0,
};

use crate::fake::{Fake, get, serve};
use crate::script::{Asked, Shown, What, basic_info, complete, fill, library, start, text, wide};

/// Names that a Get fills in, and what it then returns.
type Turn = (&'static [&'static str], HResult);

/// Plays Gets of one listing, with room for so many entries each, and gives their answers.
fn turns(fake: &Fake, gets: &[Request], turns: &[Turn]) -> Vec<Completion> {
    let turns = turns.to_vec();
    let next = Shown::<usize>::new();
    let running = start(fake, move |asked| {
        let turn = next.get();
        next.change(|next| *next += 1);
        let (names, result) = turns[turn];
        for name in names {
            fill(&library(), asked.entries(), name);
        }
        result
    });
    let answers = gets.iter().map(|get| fake.ask(get.clone())).collect();
    drop(running);
    answers
}

fn entries(completion: &Completion) -> Vec<String> {
    let Reply::Entries(entries) = &completion.reply else { panic!("{completion:?}") };
    entries.iter().map(|entry| entry.name.to_string()).collect()
}

fn rules(expected: &str) -> Vec<String> {
    vec![expected.to_owned()]
}

#[test]
fn entries_reach_the_driver() {
    let fake = serve();
    let running = start(&fake, |asked| {
        let (info, target) = (basic_info().0, wide("..\\x"));
        let symlink = PRJ_EXTENDED_INFO_0_0 { TargetName: target.as_ptr() };
        let extended = PRJ_EXTENDED_INFO {
            InfoType: 1,
            NextInfoOffset: 0,
            Anonymous: PRJ_EXTENDED_INFO_0 { Symlink: symlink },
        };
        let fill = library().PrjFillDirEntryBuffer;
        let fill_link = library().PrjFillDirEntryBuffer2.unwrap();
        // SAFETY: everything is there, or NULL.
        unsafe {
            fill(wide("a").as_ptr(), &info, asked.entries());
            fill(wide("b").as_ptr(), null(), asked.entries());
            HResult(fill_link(asked.entries(), wide("c").as_ptr(), null(), &raw const extended))
        }
    });
    let answer = fake.ask(get(1, 10));
    drop(running);
    let entry = |name, basic, link: Option<&str>| DirEntry {
        name: Wide::from(name),
        basic,
        link: link.map(Wide::from),
    };
    let expected = vec![
        entry("a", basic_info().1, None),
        entry("b", BasicInfo::default(), None),
        entry("c", BasicInfo::default(), Some("..\\x")),
    ];
    assert_eq!((answer.result, answer.reply), (HResult::OK, Reply::Entries(expected)));
}

#[test]
fn a_get_is_told_its_listing_and_its_expression() {
    let fake = serve();
    let seen = Shown::<Vec<(i32, u128, Option<String>)>>::new();
    let sees = seen.clone();
    let running = start(&fake, move |asked| {
        let What::Get { listing, expression, .. } = asked.what else { return HResult::OK };
        // SAFETY: it lives while the callback runs.
        let listing = unsafe { listing.cast::<u128>().read_unaligned() };
        sees.change(|seen| seen.push((asked.data().Flags, listing, text(expression))));
        HResult::OK
    });
    let budget = EntryBudget { bytes: 1, entries: 1 };
    for (expression, restart, single_entry) in [
        (None, false, false),
        (Some("a*"), true, false),
        (Some(""), false, true),
        (None, true, true),
    ] {
        let expression = expression.map(Wide::from);
        let enumeration = Guid([6; 16]);
        fake.ask(Request::GetEnumeration {
            enumeration,
            expression,
            restart,
            single_entry,
            budget,
        });
    }
    drop(running);
    let listing = u128::from_ne_bytes([6; 16]);
    let told = |flags, expression: Option<&str>| (flags, listing, expression.map(str::to_owned));
    let expected = [told(0, None), told(1, Some("a*")), told(2, Some("")), told(3, None)];
    assert_eq!(seen.get(), expected);
}

#[test]
fn the_start_and_the_end_of_a_listing_are_told_which() {
    let fake = serve();
    let seen = Shown::<Vec<(&'static str, u128)>>::new();
    let sees = seen.clone();
    let running = start(&fake, move |asked| {
        let (which, listing) = match asked.what {
            What::Start(listing) => ("start", listing),
            What::End(listing) => ("end", listing),
            _ => return HResult::INTERNAL_ERROR,
        };
        // SAFETY: it lives while the callback runs.
        let listing = unsafe { listing.cast::<u128>().read_unaligned() };
        sees.change(|seen| seen.push((which, listing)));
        HResult::OK
    });
    let enumeration = Guid([4; 16]);
    assert_eq!(fake.ask(Request::StartEnumeration { enumeration }).result, HResult::OK);
    assert_eq!(fake.ask(Request::EndEnumeration { enumeration }).result, HResult::OK);
    drop(running);
    let listing = u128::from_ne_bytes([4; 16]);
    assert_eq!(seen.get(), [("start", listing), ("end", listing)]);
}

#[test]
fn a_buffer_has_room_for_so_many_bytes() {
    let fake = serve();
    let codes = Shown::<Vec<HResult>>::new();
    let noted = codes.clone();
    let running = start(&fake, move |asked| {
        for name in ["a", "bbbbb", "c"] {
            let code = fill(&library(), asked.entries(), name);
            noted.change(|codes| codes.push(code));
        }
        HResult::OK
    });
    fake.set_strict(false);
    // Room for one unit, and for four: the fifth makes the second entry eight bytes longer.
    let bytes = u32::try_from(EntryBudget::cost(1) + EntryBudget::cost(4)).unwrap();
    let enumeration = Guid([1; 16]);
    let budget = EntryBudget { bytes, entries: 10 };
    let (expression, restart, single_entry) = (None, false, false);
    let request =
        Request::GetEnumeration { enumeration, expression, restart, single_entry, budget };
    let answer = fake.ask(request);
    drop(running);
    let full = HResult::INSUFFICIENT_BUFFER;
    assert_eq!(codes.get(), [HResult::OK, full, HResult::OK]);
    assert_eq!(entries(&answer), ["a", "c"]);
    // What had no room was skipped.
    assert_eq!(fake.rules(), rules("F9"));
}

#[test]
fn going_on_after_a_rejected_entry_fails_the_get() {
    let fake = serve();
    let running = start(&fake, |asked| {
        fill(&library(), asked.entries(), "long name that has no room at all");
        fill(&library(), asked.entries(), "a");
        HResult::OK
    });
    let bytes = u32::try_from(EntryBudget::cost(4)).unwrap();
    let (enumeration, budget) = (Guid([1; 16]), EntryBudget { bytes, entries: 10 });
    let (expression, restart, single_entry) = (None, false, false);
    let request =
        Request::GetEnumeration { enumeration, expression, restart, single_entry, budget };
    assert_eq!(fake.ask(request).result, HResult::INTERNAL_ERROR);
    drop(running);
    assert_eq!(fake.rules(), rules("F9"));
}

#[test]
fn the_rejected_entry_comes_first_in_the_next_get() {
    let fake = serve();
    let gets = [get(1, 2), get(1, 2), get(1, 2)];
    let ok = HResult::OK;
    let answers = turns(&fake, &gets, &[(&["a", "b", "c"], ok), (&["c"], ok), (&[], ok)]);
    assert_eq!(
        answers.iter().map(entries).collect::<Vec<_>>(),
        [vec!["a", "b"], vec!["c"], vec![]]
    );
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn skipping_the_rejected_entry_is_found() {
    for next in [&["d"][..], &[]] {
        for strict in [true, false] {
            let fake = serve();
            fake.set_strict(strict);
            let ok = HResult::OK;
            let answers = match next.is_empty() {
                true => turns(&fake, &[get(1, 2), get(1, 2)], &[(&["a", "b", "c"], ok), (&[], ok)]),
                false => {
                    turns(&fake, &[get(1, 2), get(1, 2)], &[(&["a", "b", "c"], ok), (&["d"], ok)])
                }
            };
            assert_eq!(fake.rules(), rules("F9"));
            let expected = if strict { HResult::INTERNAL_ERROR } else { ok };
            assert_eq!(answers[1].result, expected);
        }
    }
}

#[test]
fn a_restart_and_another_listing_begin_anew() {
    let fake = serve();
    let mut again = get(1, 1);
    if let Request::GetEnumeration { restart, .. } = &mut again {
        *restart = true;
    }
    let ok = HResult::OK;
    let steps: &[Turn] = &[(&["a", "b"], ok), (&["x"], ok), (&["a"], ok)];
    turns(&fake, &[get(1, 1), get(2, 1), again], steps);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn the_end_of_a_listing_forgets_it() {
    let fake = serve();
    let ok = HResult::OK;
    let end = Request::EndEnumeration { enumeration: Guid([1; 16]) };
    turns(&fake, &[get(1, 1), end, get(1, 1)], &[(&["a", "b"], ok), (&[], ok), (&["x"], ok)]);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn the_first_entrys_overflow_is_the_gets_own_code() {
    let fake = serve();
    let full = HResult::INSUFFICIENT_BUFFER;
    let answers = turns(&fake, &[get(1, 0), get(1, 1)], &[(&["a"], full), (&["a"], HResult::OK)]);
    assert_eq!((answers[0].result, &answers[0].reply), (full, &Reply::None));
    assert_eq!(entries(&answers[1]), ["a"]);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn an_empty_success_after_an_overflow_is_found() {
    for strict in [true, false] {
        let fake = serve();
        fake.set_strict(strict);
        let answers = turns(&fake, &[get(1, 0)], &[(&["a"], HResult::OK)]);
        assert_eq!(fake.rules(), rules("F10"));
        if strict {
            assert_eq!(answers[0].result, HResult::INTERNAL_ERROR);
        } else {
            assert_eq!((answers[0].result, entries(&answers[0])), (HResult::OK, vec![]));
        }
    }
}

#[test]
fn an_overflow_after_entries_is_no_failure_of_the_get() {
    let fake = serve();
    fake.set_strict(false);
    let full = HResult::INSUFFICIENT_BUFFER;
    let answers = turns(&fake, &[get(1, 1)], &[(&["a", "b"], full)]);
    assert_eq!((answers[0].result, fake.rules()), (full, rules("F9")));
}

#[test]
fn names_are_one_component() {
    let fake = serve();
    let codes = Shown::<Vec<HResult>>::new();
    let noted = codes.clone();
    let running = start(&fake, move |asked| {
        for name in ["", "a\\b"] {
            let code = fill(&library(), asked.entries(), name);
            noted.change(|codes| codes.push(code));
        }
        // SAFETY: there is no name, or a handle in its place.
        unsafe {
            let fill = library().PrjFillDirEntryBuffer;
            let code = fill(null(), null(), asked.entries());
            noted.change(|codes| codes.push(HResult(code)));
            let code = fill(asked.entries().cast(), null(), asked.entries());
            noted.change(|codes| codes.push(HResult(code)));
        }
        HResult::OK
    });
    assert_eq!(entries(&fake.ask(get(1, 10))), [""; 0]);
    drop(running);
    assert_eq!(codes.get(), [HResult::INVALID_ARGUMENT; 4]);
}

#[test]
fn a_buffer_is_dead_once_its_get_is_answered() {
    let fake = serve();
    let kept = Shown::<usize>::new();
    let keeps = kept.clone();
    let running = start(&fake, move |asked| {
        keeps.change(|kept| *kept = asked.entries().addr());
        HResult::OK
    });
    fake.ask(get(1, 10));
    let dead: PRJ_DIR_ENTRY_BUFFER_HANDLE = without_provenance_mut(kept.get());
    assert_eq!(fill(&library(), dead, "a"), HResult::INVALID_ARGUMENT);
    assert_eq!(fake.rules(), rules("L2"));
    drop(running);
}

#[test]
fn what_is_no_buffer_is_not_followed() {
    let fake = serve();
    let running = start(&fake, |asked| fill(&library(), asked.handle(), "a"));
    assert_eq!(fake.ask(Request::QueryFileName).result, HResult::INVALID_ARGUMENT);
    assert_eq!(fake.rules(), rules("L2"));
    drop(running);
}

/// Answers a Get after its return, filling in one entry before that, with these parameters.
fn answer_later(
    fake: &Fake,
    parameters: impl Fn(PRJ_DIR_ENTRY_BUFFER_HANDLE) -> Option<Extended>,
) -> Completion {
    let asked = Shown::<(usize, i32)>::new();
    let note: Arc<_> = asked.clone();
    let running = start(fake, move |ask: Asked| {
        note.change(|asked| *asked = (ask.entries().addr(), ask.data().CommandId));
        HResult::IO_PENDING
    });
    let id = fake.play(get(1, 10));
    let (entries, _) = asked.wait_until(|asked| asked.1 == id);
    let entries = without_provenance_mut(entries);
    assert_eq!(fill(&library(), entries, "a"), HResult::OK);
    assert!(!fake.is_answered(id));
    match parameters(entries) {
        Some(parameters) => {
            // SAFETY: they are there.
            let code = unsafe {
                (library().PrjCompleteCommand)(running.handle, id, 0, &raw const parameters)
            };
            assert_eq!(code, 0);
        }
        None => assert_eq!(complete(&library(), running.handle, id, HResult::OK), HResult::OK),
    }
    let answer = fake.answer_to(id);
    drop(running);
    answer
}

const fn with_entries(entries: PRJ_DIR_ENTRY_BUFFER_HANDLE) -> Extended {
    let entries = WithEntries { DirEntryBufferHandle: entries };
    Extended { CommandType: 2, Anonymous: ExtendedUnion { Enumeration: entries } }
}

#[test]
fn a_get_can_be_answered_later() {
    let fake = serve();
    let answer = answer_later(&fake, |entries| Some(with_entries(entries)));
    assert_eq!((answer.result, entries(&answer)), (HResult::OK, vec!["a".to_owned()]));
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn entries_are_lost_without_their_buffer() {
    type Parameters = fn(PRJ_DIR_ENTRY_BUFFER_HANDLE) -> Option<Extended>;
    let wrong: [Parameters; 3] = [
        |_| None,
        |_| Some(with_entries(without_provenance_mut(8))),
        |_| {
            let mask = ExtendedUnion { Notification: WithMask { NotificationMask: 2 } };
            Some(Extended { CommandType: 1, Anonymous: mask })
        },
    ];
    for parameters in wrong {
        let fake = serve();
        assert_eq!(answer_later(&fake, parameters).result, HResult::INTERNAL_ERROR);
        assert_eq!(fake.rules(), rules("L3"));
        fake.set_strict(false);
        let answer = answer_later(&fake, parameters);
        assert_eq!((answer.result, entries(&answer)), (HResult::OK, vec![]));
        assert_eq!(fake.rules(), rules("L3"));
    }
}

#[test]
fn a_failed_get_leaves_nothing_to_go_on_with() {
    let fake = serve();
    let failed = HResult::FILE_NOT_AVAILABLE;
    turns(&fake, &[get(1, 1), get(1, 1)], &[(&["a", "b"], failed), (&["x"], HResult::OK)]);
    assert_eq!(fake.rules(), [""; 0]);
}

#[test]
fn buffers_of_gets_that_nobody_answered_die_with_the_instance() {
    let fake = serve();
    let asked = Shown::<usize>::new();
    let note = asked.clone();
    let mut running = start(&fake, move |ask: Asked| {
        if matches!(ask.what, What::Get { .. }) {
            note.change(|asked| *asked = ask.entries().addr());
        }
        HResult::IO_PENDING
    });
    let id = fake.play(get(1, 10));
    let entries = without_provenance_mut(asked.wait_until(|asked| *asked != 0));
    fake.cancel(id);
    assert_eq!(fill(&library(), entries, "a"), HResult::OK);
    running.stop();
    assert_eq!(fill(&library(), entries, "b"), HResult::INVALID_ARGUMENT);
    assert_eq!(fake.rules(), rules("L2"));
}
