//! Names against facts about Windows that others published, and against naive models.

use proptest::prelude::*;

mod compare;
mod upcase;
mod validity;
mod wildcards;

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Any units, mostly ones that fold, meet, or lie about the letters.
fn names() -> impl Strategy<Value = Vec<u16>> {
    let near = prop::sample::select(wide("aAbBzZ[_`.éÉßẞσςΣ\u{e000}"));
    let surrogates = 0xD800..=0xDFFF_u16;
    prop::collection::vec(prop_oneof![4 => near, 1 => surrogates, 1 => any::<u16>()], 0..6)
}
