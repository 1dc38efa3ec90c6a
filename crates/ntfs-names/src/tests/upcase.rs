//! The case table against the checksum that Windows writes beside it, and against Unicode.

use super::super::upcase;
use super::super::upcase::downcase;

/// The CRC-64 of `$UpCase` in its stream `$Info`, on volumes made by Windows and by mkntfs.
const INFO_CRC: u64 = 0xDADC_7E77_6B1B_690C;

fn crc(bytes: impl Iterator<Item = u8>) -> u64 {
    const POLYNOMIAL: u64 = 0x9A6C_9329_AC4B_C9B5;
    let shift = |crc: u64, _| (crc >> 1) ^ (POLYNOMIAL * (crc & 1));
    !bytes.fold(!0, |crc, byte| (0..8).fold(crc ^ u64::from(byte), shift))
}

/// The upper case that Unicode gives to one character of the basic plane, if it is another one.
fn unicode_upper(unit: u16) -> Option<u16> {
    let mut upper = char::from_u32(unit.into())?.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(upper), None) => u16::try_from(u32::from(upper)).ok().filter(|upper| *upper != unit),
        _ => None,
    }
}

fn assert_upper(letter: char, upper: char) {
    let unit = |letter: char| u16::try_from(u32::from(letter)).unwrap();
    assert_eq!(upcase(unit(letter)), unit(upper), "{letter}");
}

#[test]
fn the_table_has_the_checksum_that_windows_writes() {
    assert_eq!(crc((0..=u16::MAX).flat_map(|unit| upcase(unit).to_le_bytes())), INFO_CRC);
}

#[test]
fn upper_case_is_upper_case_already() {
    for unit in 0..=u16::MAX {
        assert_eq!(upcase(upcase(unit)), upcase(unit), "U+{unit:04X}");
    }
}

#[test]
fn each_letter_is_the_lower_case_of_its_upper_case() {
    for unit in 0..=u16::MAX {
        let upper = upcase(unit);
        let lower = if upper == unit { downcase(downcase(unit)) } else { unit };
        assert_eq!(downcase(upper), lower, "U+{unit:04X}");
    }
}

#[test]
fn surrogates_do_not_fold() {
    for unit in 0xD800..=0xDFFF {
        assert_eq!(upcase(unit), unit);
    }
}

#[test]
fn the_table_knows_fewer_letters_than_unicode_and_no_other_pairs() {
    let (mut agree, mut left_alone, mut of_ntfs_alone) = (0, 0, Vec::new());
    for unit in 0..=u16::MAX {
        let upper = (upcase(unit) != unit).then(|| upcase(unit));
        match (upper, unicode_upper(unit)) {
            (None, None) => {}
            (None, Some(_)) => left_alone += 1,
            (Some(_), None) => of_ntfs_alone.push(unit),
            (Some(ntfs), Some(unicode)) => {
                assert_eq!(ntfs, unicode, "U+{unit:04X}");
                agree += 1;
            }
        }
    }
    assert_eq!(agree, 946);
    // Unicode makes two letters of the iota below; NTFS keeps one.
    let iota_below: Vec<u16> = [0x1F80..=0x1F87, 0x1F90..=0x1F97, 0x1FA0..=0x1FA7]
        .into_iter()
        .flatten()
        .chain([0x1FB3, 0x1FC3, 0x1FF3])
        .collect();
    assert_eq!(of_ntfs_alone, iota_below);
    // Unicode gains pairs with each version and loses none.
    let expected = 225;
    if char::UNICODE_VERSION == (17, 0, 0) {
        assert_eq!(left_alone, expected);
    } else {
        assert!(left_alone >= expected, "{left_alone}");
    }
}

#[test]
fn letters_whose_upper_case_is_no_single_letter_stay() {
    for letter in ['ß', 'ẞ', 'ŉ', 'ǰ', 'ﬁ', 'ΐ'] {
        assert_upper(letter, letter);
    }
}

#[test]
fn there_are_no_turkish_rules() {
    assert_upper('i', 'I');
    assert_upper('ı', 'ı');
    assert_upper('İ', 'İ');
}

#[test]
fn symbols_that_unicode_folds_into_letters_stay() {
    for symbol in ['µ', 'ſ', 'ς', 'ϐ', 'ϑ', 'ϕ', 'ϖ', 'ϰ', 'ϱ', 'ϵ', 'ẛ', 'Ω', 'K', 'Å']
    {
        assert_upper(symbol, symbol);
    }
    assert_upper('μ', 'Μ');
    assert_upper('σ', 'Σ');
    assert_upper('ÿ', 'Ÿ');
}

#[test]
fn digraphs_fold_from_lower_case_and_not_from_title_case() {
    for (lower, title, upper) in
        [('ǆ', 'ǅ', 'Ǆ'), ('ǉ', 'ǈ', 'Ǉ'), ('ǌ', 'ǋ', 'Ǌ'), ('ǳ', 'ǲ', 'Ǳ')]
    {
        assert_upper(lower, upper);
        assert_upper(title, title);
    }
}

#[test]
fn scripts_that_gained_case_late_have_none() {
    // Cherokee, Georgian as it is written today, Coptic and Latin additions.
    for letter in ['ꭰ', 'ᏸ', 'ა', 'ⳬ', 'ꞑ', 'ɡ', 'ᲀ'] {
        assert_upper(letter, letter);
    }
    // Ecclesiastical Georgian and Coptic had it before.
    assert_upper('ⴀ', 'Ⴀ');
    assert_upper('ⲁ', 'Ⲁ');
}

#[test]
fn numerals_circled_and_wide_letters_fold() {
    assert_upper('ⅷ', 'Ⅷ');
    assert_upper('ⓩ', 'Ⓩ');
    assert_upper('ｚ', 'Ｚ');
}
