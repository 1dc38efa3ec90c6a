//! JSON values as the decoder needs them, on `serde_json`.
//!
//! A document is scanned once, which checks its whole grammar; after that every value is a slice of
//! it, read only where a field is known. Three things are why values are looked at this way and not
//! through a derived type: strings may hold lone surrogates (`deadline.md` 1.4), of equal keys the
//! last one counts, and an error must name the entry that is wrong. Nothing here recurses, however
//! deep a document nests.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::error::ManifestError;

/// One value: a slice of a document whose grammar was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Value<'a>(&'a RawValue);

impl<'a> Value<'a> {
    /// Checks that `text` is one JSON value.
    pub(crate) fn document(text: &'a str) -> Result<Self, ManifestError> {
        serde_json::from_str(text).map(Self).map_err(|error| {
            let full = error.to_string();
            let problem = full.split(" at line ").next().unwrap_or_default().to_owned();
            ManifestError::Json { line: error.line(), column: error.column(), problem }
        })
    }

    fn first_byte(self) -> Option<u8> {
        self.0.get().bytes().next()
    }

    /// Whether it is `null`.
    pub(crate) fn is_null(self) -> bool {
        self.first_byte() == Some(b'n')
    }

    /// A boolean.
    pub(crate) fn boolean(self) -> Option<bool> {
        match self.first_byte() {
            Some(b't') => Some(true),
            Some(b'f') => Some(false),
            _ => None,
        }
    }

    /// An integer, which is `Some(None)` if it does not fit 64 bits. Floats are no integers, also
    /// where they have no fraction.
    pub(crate) fn integer(self) -> Option<Option<i64>> {
        let number = self.0.get();
        let is_number = matches!(self.first_byte(), Some(b'-' | b'0'..=b'9'));
        (is_number && !number.contains(['.', 'e', 'E'])).then(|| number.parse().ok())
    }

    /// A string in WTF-8: borrowed if nothing is escaped, else built in `buffer`.
    pub(crate) fn text<'b>(self, buffer: &'b mut Vec<u8>) -> Option<&'b [u8]>
    where
        'a: 'b,
    {
        let inside = self.0.get().strip_prefix('"')?.strip_suffix('"')?;
        if !inside.contains('\\') {
            return Some(inside.as_bytes());
        }
        buffer.clear();
        let mut reader = serde_json::Deserializer::from_str(self.0.get());
        reader.deserialize_bytes(Unescaped(buffer)).ok()?;
        Some(buffer)
    }

    /// The items of a list, but not more than one above `most`: an item of two bytes takes sixteen
    /// here, so a list that will be refused for its length must not be kept whole.
    pub(crate) fn items(self, most: u64) -> Option<Vec<Self>> {
        if self.first_byte() != Some(b'[') {
            return None;
        }
        let mut items = Vec::new();
        let mut reader = serde_json::Deserializer::from_str(self.0.get());
        // The grammar was checked before, so an error only says that the list was left early.
        let _ = reader.deserialize_seq(Items { items: &mut items, most });
        Some(items)
    }

    /// Calls `member` with the key, in WTF-8, and value of each member of an object, in order;
    /// `false` if it is none.
    pub(crate) fn members(self, member: impl FnMut(&[u8], Self)) -> bool {
        let mut reader = serde_json::Deserializer::from_str(self.0.get());
        self.first_byte() == Some(b'{') && reader.deserialize_map(Members(member)).is_ok()
    }
}

/// Copies a string, lone surrogates included, into a buffer.
struct Unescaped<'b>(&'b mut Vec<u8>);

impl<'de> Visitor<'de> for Unescaped<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: Error>(self, wtf8: &[u8]) -> Result<(), E> {
        self.0.extend_from_slice(wtf8);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Unescaped<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, key: D) -> Result<(), D::Error> {
        key.deserialize_bytes(self)
    }
}

/// Collects the items of a list and stops behind the first one above `most`.
struct Items<'i, 'a> {
    items: &'i mut Vec<Value<'a>>,
    most: u64,
}

impl<'de> Visitor<'de> for Items<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while self.items.len() as u64 <= self.most
            && let Some(item) = list.next_element()?
        {
            self.items.push(Value(item));
        }
        Ok(())
    }
}

/// Hands out the members of an object.
struct Members<F>(F);

impl<'de, F: FnMut(&[u8], Value<'de>)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut key = Vec::new();
        while map.next_key_seed(Unescaped(&mut key))?.is_some() {
            (self.0)(&key, Value(map.next_value()?));
            key.clear();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str) -> Option<Vec<u8>> {
        let mut buffer = Vec::new();
        Value::document(json).unwrap().text(&mut buffer).map(<[u8]>::to_vec)
    }

    #[test]
    fn strings_are_wtf8() {
        assert_eq!(text(r#""plain""#).unwrap(), b"plain");
        assert_eq!(text(r#""a\"\\\/\b\f\n\r\t\u007f""#).unwrap(), b"a\"\\/\x08\x0c\n\r\t\x7f");
        assert_eq!(text(r#""\ud83d\ude00""#).unwrap(), "\u{1F600}".as_bytes());
        assert_eq!(text(r#""x\udcff\ud83d""#).unwrap(), b"x\xed\xb3\xbf\xed\xa0\xbd");
        assert_eq!(text("7"), None);
    }

    #[test]
    fn integers_are_exact_and_nothing_else() {
        let integer = |json| Value::document(json).unwrap().integer();
        assert_eq!(integer("-9223372036854775808"), Some(Some(i64::MIN)));
        assert_eq!(integer("9223372036854775808"), Some(None));
        assert_eq!(integer("-0"), Some(Some(0)));
        for other in ["1.0", "1e3", "true", "\"1\"", "null", "[1]"] {
            assert_eq!(integer(other), None, "{other}");
        }
    }

    #[test]
    fn members_come_in_order_with_any_key() {
        let mut seen = Vec::new();
        let value = Value::document(r#"{"a":1, "\udcff":[{}], "a":2}"#).unwrap();
        assert!(value.members(|key, value| seen.push((key.to_vec(), value.integer()))));
        let expected = [
            (b"a".to_vec(), Some(Some(1))),
            (b"\xed\xb3\xbf".to_vec(), None),
            (b"a".to_vec(), Some(Some(2))),
        ];
        assert_eq!(seen, expected);
        assert!(!Value::document("[]").unwrap().members(|_, _| {}));
    }

    #[test]
    fn lists_are_read_no_further_than_asked() {
        let length = |json, most| Value::document(json).unwrap().items(most).map(|list| list.len());
        assert_eq!(length("[]", 5), Some(0));
        assert_eq!(length("[1,[2]]", 5), Some(2));
        assert_eq!(length("[1,[2]]", 2), Some(2));
        assert_eq!(length("[1,[2],3,4,5]", 2), Some(3));
        assert_eq!(length("{}", 5), None);
        assert_eq!(length("\"[]\"", 5), None);
    }

    #[test]
    fn what_python_refuses_is_refused() {
        let bad =
            ["", "01", "1.", "+1", "[1,]", "{\"a\"}", "{a:1}", "\"\\x\"", "\"\t\"", "[]x", "NaN"];
        for json in bad {
            assert!(Value::document(json).is_err(), "{json}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let deep = "[".repeat(1 << 20) + &"]".repeat(1 << 20);
        assert!(Value::document(&deep).is_ok());
        assert!(Value::document(&format!("{{\"x\":{deep}}}")).unwrap().members(|_, _| {}));
    }
}
