//! Search expressions, in the form that Win32 hands to a file system: with the wildcards of DOS
//! beside `*` and `?` (`projfs.md` F8, G4-G6).

use super::upcase::upcase;

/// Any units, or none.
const STAR: u16 = b'*' as u16;
/// One unit.
const QUESTION_MARK: u16 = b'?' as u16;
/// Any units, or none; done once it took the last dot of the name.
const DOS_STAR: u16 = b'<' as u16;
/// One unit that is no dot, or nothing before a dot and at the end.
const DOS_QUESTION_MARK: u16 = b'>' as u16;
/// A dot, or nothing at the end.
const DOS_DOT: u16 = b'"' as u16;

const DOT: u16 = b'.' as u16;

/// Whether any unit is a wildcard, those of DOS included (`projfs.md` G6).
#[must_use]
pub fn has_wildcards(name: &[u16]) -> bool {
    const WILDCARDS: [u16; 5] = [STAR, QUESTION_MARK, DOS_STAR, DOS_QUESTION_MARK, DOS_DOT];
    name.iter().any(|unit| WILDCARDS.contains(unit))
}

/// Whether `name` matches `pattern`, whatever their case (`projfs.md` G4). An empty pattern matches
/// every name but the empty one, which nothing matches. `*.*` is no special case: it wants a dot.
///
/// Takes at most as many steps as the product of both lengths, and memory for one name.
#[must_use]
pub fn matches(name: &[u16], pattern: &[u16]) -> bool {
    if name.is_empty() || pattern.is_empty() {
        return !name.is_empty();
    }
    let places = places(name);
    // Whether the pattern so far can match all of the name before each place.
    let mut reached = vec![false; places.len()];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    for symbol in pattern {
        advance(*symbol, &places, &mut reached);
        if !reached.contains(&true) {
            return false;
        }
    }
    reached.last().copied().unwrap_or_default()
}

/// A place in the name: before a unit, or at the end.
struct Place {
    /// In upper case; `None` at the end.
    unit: Option<u16>,
    is_last_dot: bool,
}

impl Place {
    fn is_end(&self) -> bool {
        self.unit.is_none()
    }

    fn is_dot(&self) -> bool {
        self.unit == Some(DOT)
    }
}

fn places(name: &[u16]) -> Vec<Place> {
    let last_dot = name.iter().rposition(|unit| *unit == DOT);
    let before = |(position, unit): (usize, &u16)| Place {
        unit: Some(upcase(*unit)),
        is_last_dot: Some(position) == last_dot,
    };
    let end = Place { unit: None, is_last_dot: false };
    name.iter().enumerate().map(before).chain([end]).collect()
}

/// Extends what is reached by one more symbol of the pattern, in one walk over the name.
fn advance(symbol: u16, places: &[Place], reached: &mut [bool]) {
    // Whether the symbol, having taken the unit before this place, is done, or may take more.
    let (mut done, mut hungry) = (false, false);
    for (place, reached) in places.iter().zip(reached) {
        let stands_here = *reached || hungry;
        let can = moves(symbol, place);
        *reached = done || (stands_here && can.skip);
        done = stands_here && can.take_one;
        hungry = stands_here && can.take_more;
    }
}

/// What a symbol of the pattern may do at a place.
#[derive(Default)]
struct Moves {
    /// Match nothing.
    skip: bool,
    /// Match the unit and be done.
    take_one: bool,
    /// Match the unit and stay.
    take_more: bool,
}

fn moves(symbol: u16, place: &Place) -> Moves {
    match symbol {
        STAR => Moves { skip: true, take_more: true, ..Moves::default() },
        DOS_STAR => {
            Moves { skip: true, take_one: place.is_last_dot, take_more: !place.is_last_dot }
        }
        QUESTION_MARK => Moves { take_one: true, ..Moves::default() },
        DOS_QUESTION_MARK => {
            let skip = place.is_dot() || place.is_end();
            Moves { skip, take_one: !skip, ..Moves::default() }
        }
        DOS_DOT => Moves { skip: place.is_end(), take_one: place.is_dot(), ..Moves::default() },
        literal => Moves { take_one: place.unit == Some(upcase(literal)), ..Moves::default() },
    }
}
