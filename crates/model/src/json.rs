//! A pull reader for JSON text, as strict as Python's `json.loads`.
//!
//! Owns the grammar and knows nothing of manifests. It exists because manifests need three things
//! at once: lone surrogates in strings (`deadline.md` 1.4), raw control characters refused as the
//! official decoder refuses them, and integers told from floats whatever their length. Refuses
//! `NaN` and `Infinity`, which are not JSON, and nesting deeper than [`MAX_NESTING`]. Iterative,
//! and allocates nothing but what [`Text::wtf8`] unescapes into the caller's buffer.

use crate::error::ManifestError;
use crate::path::push_wtf8;

/// How deep lists and objects may nest. The formats need four levels.
pub(crate) const MAX_NESTING: u32 = 128;

/// One JSON value; lists and objects are checked and skipped, and can be read from inside.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Null,
    Bool(bool),
    /// `None` if it does not fit 64 bits.
    Integer(Option<i64>),
    Float,
    Text(Text<'a>),
    /// A reader behind the opening bracket, and the number of items.
    List(Reader<'a>, usize),
    /// A reader behind the opening brace.
    Object(Reader<'a>),
}

/// A checked string that is not yet unescaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

/// A position in a JSON text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// Whether the innermost list or object was just opened, so that no comma is due.
    fresh: bool,
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, fresh: false }
    }

    /// Enters an object, if one is next.
    pub(crate) fn enter_object(&mut self) -> bool {
        let found = self.peek() == Some(b'{');
        if found {
            self.at += 1;
            self.fresh = true;
        }
        found
    }

    /// Moves to the next item of the list, or behind its end (`false`).
    pub(crate) fn next_item(&mut self) -> Result<bool, ManifestError> {
        self.next_member(b']')
    }

    /// Moves to the next value of the object and returns its key, or moves behind the end.
    pub(crate) fn next_key(&mut self) -> Result<Option<Text<'a>>, ManifestError> {
        if !self.next_member(b'}')? {
            return Ok(None);
        }
        if self.peek() != Some(b'"') {
            return self.fail("expected a key in double quotes");
        }
        let key = self.text()?;
        if self.peek() != Some(b':') {
            return self.fail("expected ':' after a key");
        }
        self.at += 1;
        Ok(Some(key))
    }

    fn next_member(&mut self, close: u8) -> Result<bool, ManifestError> {
        let next = self.peek();
        if next == Some(close) {
            self.at += 1;
            self.fresh = false;
            return Ok(false);
        }
        if self.fresh {
            self.fresh = false;
            return Ok(true);
        }
        if next != Some(b',') {
            return self.fail("expected ',' or the end of a list or object");
        }
        self.at += 1;
        Ok(true)
    }

    /// Reads the next value.
    pub(crate) fn value(&mut self) -> Result<Value<'a>, ManifestError> {
        match self.peek() {
            Some(b'{' | b'[') => self.container(),
            _ => self.scalar(),
        }
    }

    /// Makes sure that nothing follows.
    pub(crate) fn end(&mut self) -> Result<(), ManifestError> {
        if self.peek().is_some() {
            return self.fail("unexpected text after the end of the document");
        }
        Ok(())
    }

    fn container(&mut self) -> Result<Value<'a>, ManifestError> {
        let mut nesting = Nesting::default();
        self.open(&mut nesting)?;
        let (inside, is_object) = (*self, nesting.in_object());
        let mut len = 0;
        while nesting.depth > 0 {
            let more = match nesting.in_object() {
                true => self.next_key()?.is_some(),
                false => self.next_item()?,
            };
            if !more {
                nesting.pop();
                continue;
            }
            len += usize::from(nesting.depth == 1);
            match self.peek() {
                Some(b'{' | b'[') => self.open(&mut nesting)?,
                _ => {
                    self.scalar()?;
                }
            }
        }
        Ok(if is_object { Value::Object(inside) } else { Value::List(inside, len) })
    }

    fn open(&mut self, nesting: &mut Nesting) -> Result<(), ManifestError> {
        if nesting.depth == MAX_NESTING {
            return self.fail("lists and objects are nested more than 128 deep");
        }
        nesting.push(self.peek() == Some(b'{'));
        self.at += 1;
        self.fresh = true;
        Ok(())
    }

    fn scalar(&mut self) -> Result<Value<'a>, ManifestError> {
        match self.peek() {
            Some(b'"') => self.text().map(Value::Text),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true", Value::Bool(true)),
            Some(b'f') => self.word(b"false", Value::Bool(false)),
            Some(b'n') => self.word(b"null", Value::Null),
            _ => self.fail("expected a value"),
        }
    }

    fn word(&mut self, word: &[u8], value: Value<'a>) -> Result<Value<'a>, ManifestError> {
        if !self.rest().starts_with(word) {
            return self.fail("expected a value");
        }
        self.at += word.len();
        Ok(value)
    }

    fn number(&mut self) -> Result<Value<'a>, ManifestError> {
        let negative = self.eat(b"-");
        let digits = self.digits();
        match digits {
            [] => return self.fail("expected a digit"),
            [b'0', _, ..] => return self.fail("a number must not start with 0"),
            _ => {}
        }
        let mut integer = true;
        if self.eat(b".") {
            integer = false;
            if self.digits().is_empty() {
                return self.fail("expected a digit after '.'");
            }
        }
        if self.eat(b"eE") {
            integer = false;
            self.eat(b"+-");
            if self.digits().is_empty() {
                return self.fail("expected a digit in an exponent");
            }
        }
        Ok(if integer { Value::Integer(integer_of(negative, digits)) } else { Value::Float })
    }

    fn digits(&mut self) -> &'a [u8] {
        let rest = self.rest();
        let len = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += len;
        rest.get(..len).unwrap_or_default()
    }

    fn eat(&mut self, any_of: &[u8]) -> bool {
        let found = self.text.get(self.at).is_some_and(|byte| any_of.contains(byte));
        self.at += usize::from(found);
        found
    }

    /// Reads a string; the reader is at its opening quote.
    fn text(&mut self) -> Result<Text<'a>, ManifestError> {
        let start = self.at + 1;
        self.at = start;
        let mut escaped = false;
        loop {
            self.at += plain_length(self.rest());
            match self.text.get(self.at) {
                None => return self.fail("a string has no closing quote"),
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                _ => return self.fail("a string holds a raw control character"),
            }
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        self.at += 1;
        Ok(Text { raw, escaped })
    }

    fn escape(&mut self) -> Result<(), ManifestError> {
        let len = match self.rest() {
            [_, b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => 2,
            [_, b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|x| x.is_ascii_hexdigit()) => 6,
            _ => return self.fail("a string holds an unknown or cut escape"),
        };
        self.at += len;
        Ok(())
    }

    fn rest(&self) -> &'a [u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is not white space.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    #[cold]
    fn fail<T>(&self, problem: &'static str) -> Result<T, ManifestError> {
        let before = self.text.get(..self.at).unwrap_or(self.text);
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let column = 1 + before.len() - line_start;
        Err(ManifestError::Json { line, column, problem })
    }
}

fn integer_of(negative: bool, digits: &[u8]) -> Option<i64> {
    // 18 digits always fit, so that nearly all numbers need no checks.
    let (head, tail) = digits.split_at(digits.len().min(18));
    let head = head.iter().fold(0i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    let signed = if negative { -head } else { head };
    tail.iter().try_fold(signed, |sum, digit| {
        let digit = i64::from(digit - b'0');
        let sum = sum.checked_mul(10)?;
        if negative { sum.checked_sub(digit) } else { sum.checked_add(digit) }
    })
}

/// How many bytes from the start of `text` are neither a quote, nor a backslash, nor a control
/// character. Eight at a time: strings are nine tenths of a manifest.
fn plain_length(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    let (chunks, rest) = text.as_chunks::<8>();
    for (index, chunk) in chunks.iter().enumerate() {
        let word = u64::from_le_bytes(*chunk);
        // Sets the top bit of the first byte below `limit`; bytes behind it may be wrong.
        let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word;
        let quotes = word ^ (ONES * u64::from(b'"'));
        let backslashes = word ^ (ONES * u64::from(b'\\'));
        let found = (below(word, 0x20) | below(quotes, 1) | below(backslashes, 1)) & (ONES << 7);
        if found != 0 {
            return index * 8 + found.trailing_zeros() as usize / 8;
        }
    }
    let is_special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    let tail = rest.iter().position(is_special).unwrap_or(rest.len());
    chunks.len() * 8 + tail
}

/// Which of the open containers are objects: one bit each, so that nesting costs no memory.
#[derive(Default)]
struct Nesting {
    objects: u128,
    depth: u32,
}

impl Nesting {
    fn push(&mut self, object: bool) {
        self.objects = self.objects << 1 | u128::from(object);
        self.depth += 1;
    }

    fn pop(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    const fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

impl<'a> Text<'a> {
    /// The string in WTF-8: borrowed if nothing is escaped, else built in `buffer`.
    pub(crate) fn wtf8<'b>(self, buffer: &'b mut Vec<u8>) -> &'b [u8]
    where
        'a: 'b,
    {
        if !self.escaped {
            return self.raw;
        }
        buffer.clear();
        let mut rest = self.raw;
        while let Some(plain) = rest.iter().position(|&byte| byte == b'\\') {
            buffer.extend_from_slice(rest.get(..plain).unwrap_or_default());
            rest = unescape(rest.get(plain..).unwrap_or_default(), buffer);
        }
        buffer.extend_from_slice(rest);
        buffer
    }
}

/// Unescapes what `rest` starts with, which the reader has checked, and returns what follows.
fn unescape<'a>(rest: &'a [u8], buffer: &mut Vec<u8>) -> &'a [u8] {
    if let [_, b'u', tail @ ..] = rest {
        let (high, tail) = hex4(tail);
        if let (0xD800..=0xDBFF, [b'\\', b'u', pair @ ..]) = (high, tail)
            && let (low @ 0xDC00..=0xDFFF, tail) = hex4(pair)
        {
            push_wtf8(buffer, 0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00));
            return tail;
        }
        push_wtf8(buffer, high);
        return tail;
    }
    let [_, letter, tail @ ..] = rest else { return &[] };
    buffer.push(match letter {
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => *other,
    });
    tail
}

fn hex4(text: &[u8]) -> (u32, &[u8]) {
    let (digits, tail) = text.split_at_checked(4).unwrap_or((text, &[]));
    let value = digits
        .iter()
        .fold(0, |sum, &digit| sum << 4 | char::from(digit).to_digit(16).unwrap_or_default());
    (value, tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Whether the reader accepts `text` as a whole document.
    fn accepts(text: &str) -> bool {
        let mut reader = Reader::new(text);
        reader.value().and_then(|_| reader.end()).is_ok()
    }

    #[test]
    fn grammar_is_that_of_python() {
        let good = [
            "1",
            "-0",
            "0.5e+3",
            "[]",
            "{}",
            "[1 , 2]",
            " {\"a\" : [ null,true,false ] }\r\n\t",
            "\"\\ud800\"",
            "\"\\/\\b\"",
            "123456789012345678901234567890",
        ];
        for text in good {
            assert!(accepts(text), "{text}");
        }
        let bad = [
            "",
            " ",
            "01",
            "1.",
            ".5",
            "+1",
            "1e",
            "-",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{a:1}",
            "{\"a\":1,}",
            "{\"a\":}",
            "[}",
            "{]",
            "[",
            "{",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u123",
            "\"\n\"",
            "\"\u{1}\\n\"",
            "NaN",
            "Infinity",
            "-Infinity",
            "nul",
            "truefalse",
            "1 1",
            "\u{feff}1",
            "'a'",
            "[1]]",
        ];
        for text in bad {
            assert!(!accepts(text), "{text}");
        }
    }

    #[test]
    fn nesting_is_limited_without_recursion() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(accepts(&nested(128)));
        assert!(!accepts(&nested(129)));
        assert!(!accepts(&"[".repeat(10_000_000)));
        assert!(!accepts(&"{\"a\":".repeat(1_000_000)));
    }

    #[test]
    fn integers_of_any_length_are_no_floats() {
        let integer = |text: &str| match Reader::new(text).value() {
            Ok(Value::Integer(value)) => Some(value),
            _ => None,
        };
        assert_eq!(integer("-0"), Some(Some(0)));
        assert_eq!(integer("999999999999999999"), Some(Some(999_999_999_999_999_999)));
        assert_eq!(integer("9223372036854775807"), Some(Some(i64::MAX)));
        assert_eq!(integer("9223372036854775808"), Some(None));
        assert_eq!(integer("-9223372036854775808"), Some(Some(i64::MIN)));
        assert_eq!(integer("-9223372036854775809"), Some(None));
        assert_eq!(integer(&"9".repeat(5000)), Some(None));
        assert_eq!(integer("1.0"), None);
        assert_eq!(integer("1e3"), None);
    }

    #[test]
    fn failures_say_where() {
        let error = Reader::new("{\n  \"a\" 1}").value().unwrap_err();
        assert!(matches!(error, ManifestError::Json { line: 2, column: 7, .. }), "{error}");
    }

    proptest! {
        #[test]
        fn strings_end_where_they_should(text in proptest::collection::vec(
            prop_oneof![4 => 0x20..0x7Fu8, 4 => 0x80..=0xFFu8, 1 => Just(b'"'), 1 => Just(b'\\'), 1 => 0..0x20u8], 0..40,
        )) {
            let special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
            let expected = text.iter().position(special).unwrap_or(text.len());
            prop_assert_eq!(plain_length(&text), expected);
        }

        /// serde_json is the reference for grammar and strings (both take UTF-8 text alike, but
        /// for lone surrogates, which its strings refuse).
        #[test]
        fn verdict_and_strings_agree_with_serde_json(text in r#"[\[\]{}:, \t"\\u0-9aDdCc8eE.+\-x\x01ntrlfsé😀]{0,24}"#) {
            let reference = serde_json::from_str::<serde_json::Value>(&text);
            if let Ok(reference) = &reference {
                prop_assert!(accepts(&text));
                if let serde_json::Value::String(string) = reference {
                    let Ok(Value::Text(ours)) = Reader::new(&text).value() else { panic!("text") };
                    let mut buffer = Vec::new();
                    prop_assert_eq!(ours.wtf8(&mut buffer), string.as_bytes());
                }
            } else if accepts(&text) {
                // Only what serde_json cannot hold may pass here: surrogates and far exponents.
                prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok());
            }
        }

        #[test]
        fn any_utf16_string_survives_escaping(units in proptest::collection::vec(any::<u16>(), 0..20)) {
            let escaped: String = units.iter().map(|unit| format!("\\u{unit:04X}")).collect();
            let text = format!("\"{escaped}\"");
            let Ok(Value::Text(ours)) = Reader::new(&text).value() else { panic!("text") };
            let mut buffer = Vec::new();
            let path = crate::PathRef::from_wtf8(ours.wtf8(&mut buffer));
            prop_assert_eq!(path.utf16().collect::<Vec<_>>(), units);
            prop_assert!(path.is_well_formed());
        }
    }
}
