//! UTF-16 names as bytes and back: WTF-8, so that every Windows name has bytes of its own, those
//! with unpaired surrogates too.

use crate::contract::Wide;

/// The bytes of a name.
pub(crate) fn encode(name: &Wide) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.units().len());
    for decoded in char::decode_utf16(name.units().iter().copied()) {
        match decoded {
            Ok(char) => bytes.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(unpaired) => {
                let [high, low] = unpaired.unpaired_surrogate().to_be_bytes();
                let middle = 0x80 | (high & 0x0F) << 2 | low >> 6;
                bytes.extend_from_slice(&[0xED, middle, 0x80 | low & 0x3F]);
            }
        }
    }
    bytes
}

/// The name that has these bytes; `None` if none has.
pub(crate) fn decode(bytes: &[u8]) -> Option<Wide> {
    let mut units = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    loop {
        let valid = std::str::from_utf8(rest).map_or_else(|error| error.valid_up_to(), str::len);
        let (valid, other) = rest.split_at_checked(valid)?;
        units.extend(std::str::from_utf8(valid).ok()?.encode_utf16());
        let (surrogate, tail) = match other {
            [] => return Some(Wide::new(units)),
            [0xED, middle @ 0xA0..=0xBF, last @ 0x80..=0xBF, tail @ ..] => {
                (0xD000 | u16::from(middle & 0x3F) << 6 | u16::from(last & 0x3F), tail)
            }
            _ => return None,
        };
        // A pair has four bytes; as two halves it would be a second spelling of the same name.
        let after_high = units.last().is_some_and(|unit| (0xD800..0xDC00).contains(unit));
        if after_high && surrogate >= 0xDC00 {
            return None;
        }
        units.push(surrogate);
        rest = tail;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn halves_of_a_pair_are_no_second_spelling() {
        assert_eq!(decode(b"\xED\xA0\xBD\xED\xB8\x80"), None);
        assert_eq!(decode("\u{1F600}".as_bytes()), Some(Wide::from("\u{1F600}")));
        assert_eq!(decode(b"\xED\xA0\xBDx"), Some(Wide::new(vec![0xD83D, u16::from(b'x')])));
    }

    proptest! {
        #[test]
        fn every_name_comes_back(
            units in proptest::collection::vec(
                prop_oneof![any::<u16>(), 0xD7F0..0xE010_u16, 0..0x80_u16], 0..12,
            ),
        ) {
            let name = Wide::new(units);
            prop_assert_eq!(decode(&encode(&name)), Some(name));
        }

        #[test]
        fn every_decodable_byte_string_is_the_one_of_its_name(
            bytes in proptest::collection::vec(
                prop_oneof![any::<u8>(), Just(0xED), 0xA0..0xC0_u8], 0..9,
            ),
        ) {
            if let Some(name) = decode(&bytes) {
                prop_assert_eq!(encode(&name), bytes);
            }
        }
    }
}
