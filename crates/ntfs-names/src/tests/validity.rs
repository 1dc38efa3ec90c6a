//! Names that Windows could not open, and why.

use super::super::{MOST_UNITS, Unopenable, unopenable};
use super::wide;

fn reason(name: &str) -> Option<Unopenable> {
    unopenable(&wide(name))
}

#[test]
fn usual_and_unusual_names_can_be_opened() {
    for name in
        ["a", ".git", "..a", "a..b", " a", "Straße.blend", "\u{1F600}", "a'$&;=~#@", "\u{7f}"]
    {
        assert_eq!(reason(name), None, "{name}");
    }
    // NTFS takes any units: a surrogate of its own too.
    assert_eq!(unopenable(&[0xD800]), None);
}

#[test]
fn nothing_and_dots_are_no_names() {
    assert_eq!(reason(""), Some(Unopenable::Empty));
    assert_eq!(reason("."), Some(Unopenable::Dots));
    assert_eq!(reason(".."), Some(Unopenable::Dots));
}

#[test]
fn dots_and_spaces_at_the_end_cannot_be_opened() {
    for name in ["...", "a.", "a .", "CON."] {
        assert_eq!(reason(name), Some(Unopenable::TrailingDot), "{name}");
    }
    for name in [" ", "a ", "a. ", "NUL "] {
        assert_eq!(reason(name), Some(Unopenable::TrailingSpace), "{name}");
    }
}

#[test]
fn characters_of_paths_and_patterns_cannot_be_opened() {
    for character in "<>:\"/\\|?*".chars() {
        for name in [format!("{character}"), format!("a{character}b"), format!("{character}.")] {
            assert_eq!(reason(&name), Some(Unopenable::Reserved(character)), "{name}");
        }
    }
}

#[test]
fn control_characters_cannot_be_opened() {
    for unit in 0..0x20 {
        let name = [u16::from(b'a'), unit, u16::from(b'b')];
        assert_eq!(unopenable(&name), Some(Unopenable::Control(unit)));
    }
}

#[test]
fn names_have_at_most_255_units() {
    assert_eq!(reason(&"a".repeat(MOST_UNITS)), None);
    assert_eq!(reason(&"a".repeat(256)), Some(Unopenable::TooLong(256)));
    // Two units each.
    assert_eq!(reason(&"\u{1F600}".repeat(128)), Some(Unopenable::TooLong(256)));
    // Two bytes each in UTF-8.
    assert_eq!(reason(&"é".repeat(255)), None);
}

#[test]
fn devices_cannot_be_opened_whatever_their_case_and_extension() {
    let numbered = ["COM", "LPT"]
        .iter()
        .flat_map(|port| "123456789¹²³".chars().map(move |digit| format!("{port}{digit}")));
    for device in ["CON", "PRN", "AUX", "NUL"].map(str::to_owned).into_iter().chain(numbered) {
        let lower = device.to_lowercase();
        for name in [
            format!("{device}.txt"),
            format!("{lower}.tar.gz"),
            format!("{lower} .txt"),
            device,
            lower,
        ] {
            assert_eq!(reason(&name), Some(Unopenable::Device), "{name}");
        }
    }
}

#[test]
fn names_that_only_begin_as_devices_can_be_opened() {
    let names = [
        "CONSOLE",
        "COM",
        "COM0",
        "COM10",
        "COM⁴",
        "LPT",
        "LPTx",
        "NULL",
        "a.NUL",
        ".con",
        " CON",
        "AUX_1",
        "CON-1.txt",
        "C ON",
    ];
    for name in names {
        assert_eq!(reason(name), None, "{name}");
    }
}

#[test]
fn reasons_end_a_sentence_about_the_name() {
    let shown = |name: &str| reason(name).map(|reason| reason.to_string()).unwrap_or_default();
    assert_eq!(shown("a:b"), "has ':', which Windows reserves for paths and patterns");
    assert_eq!(shown("a\u{7}"), "has the control character U+0007");
    assert_eq!(shown(&"a".repeat(300)), "has 300 UTF-16 units, and NTFS takes 255");
    assert_eq!(shown("nul.txt"), "is a device on Windows, with any extension");
}
