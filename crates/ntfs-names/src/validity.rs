//! Names that a provider can project but no Win32 program can open (`projfs.md` G7, G8).

use std::error::Error;
use std::fmt;

use super::upcase::upcase;

/// The longest name of NTFS, in UTF-16 units.
pub const MOST_UNITS: usize = 255;

const DOT: u16 = b'.' as u16;
const SPACE: u16 = b' ' as u16;

/// The characters that mean something else in a path or a pattern.
const RESERVED: [char; 9] = ['<', '>', ':', '"', '/', '\\', '|', '?', '*'];

/// Device names without a number.
const DEVICES: [&str; 4] = ["CON", "PRN", "AUX", "NUL"];

/// Device names that are followed by a digit.
const PORTS: [&str; 2] = ["COM", "LPT"];

/// The digits of ports; Windows takes the superscripts of Latin-1 for digits too.
const PORT_DIGITS: &str = "123456789¹²³";

/// Why Windows could not open a name. Shown as the end of a sentence that begins with the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unopenable {
    /// There is no name.
    Empty,
    /// The name is `.` or `..`, which are the directory itself and its parent.
    Dots,
    /// The name has this many UTF-16 units, more than [`MOST_UNITS`].
    TooLong(usize),
    /// The name has a control character, U+0000 to U+001F.
    Control(u16),
    /// The name has a character that means something else in a path or a pattern.
    Reserved(char),
    /// Win32 removes dots at the end.
    TrailingDot,
    /// Win32 removes spaces at the end.
    TrailingSpace,
    /// Win32 opens a device instead, whatever extension the name has.
    Device,
}

impl fmt::Display for Unopenable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("is empty"),
            Self::Dots => f.write_str("means the directory itself or its parent"),
            Self::TooLong(units) => {
                write!(f, "has {units} UTF-16 units, and NTFS takes {MOST_UNITS}")
            }
            Self::Control(unit) => write!(f, "has the control character U+{unit:04X}"),
            Self::Reserved(character) => {
                write!(f, "has '{character}', which Windows reserves for paths and patterns")
            }
            Self::TrailingDot => f.write_str("ends in a dot, which Windows removes"),
            Self::TrailingSpace => f.write_str("ends in a space, which Windows removes"),
            Self::Device => f.write_str("is a device on Windows, with any extension"),
        }
    }
}

impl Error for Unopenable {}

/// Why Windows could not open an item of this name, or `None` if it could.
#[must_use]
pub fn unopenable(name: &[u16]) -> Option<Unopenable> {
    match *name {
        [] => return Some(Unopenable::Empty),
        [DOT] | [DOT, DOT] => return Some(Unopenable::Dots),
        _ => {}
    }
    if name.len() > MOST_UNITS {
        return Some(Unopenable::TooLong(name.len()));
    }
    if let Some(fault) = name.iter().find_map(|unit| bad_unit(*unit)) {
        return Some(fault);
    }
    match name.last() {
        Some(&DOT) => Some(Unopenable::TrailingDot),
        Some(&SPACE) => Some(Unopenable::TrailingSpace),
        _ if is_device(name) => Some(Unopenable::Device),
        _ => None,
    }
}

fn bad_unit(unit: u16) -> Option<Unopenable> {
    if unit < SPACE {
        return Some(Unopenable::Control(unit));
    }
    let character = char::from_u32(unit.into())?;
    RESERVED.contains(&character).then_some(Unopenable::Reserved(character))
}

/// Whether the name up to its first dot, without spaces before that, is a device.
fn is_device(name: &[u16]) -> bool {
    let stem = name.split(|unit| *unit == DOT).next().unwrap_or_default();
    let length = stem.iter().rposition(|unit| *unit != SPACE).map_or(0, |last| last + 1);
    let (stem, _) = stem.split_at(length);
    DEVICES.iter().any(|device| is(stem, device)) || is_port(stem)
}

fn is_port(stem: &[u16]) -> bool {
    let Some((digit, letters)) = stem.split_last() else { return false };
    PORT_DIGITS.encode_utf16().any(|port| port == *digit)
        && PORTS.iter().any(|port| is(letters, port))
}

/// Whether a name in any case is the one in upper case.
fn is(name: &[u16], upper: &str) -> bool {
    name.iter().map(|unit| upcase(*unit)).eq(upper.encode_utf16())
}
