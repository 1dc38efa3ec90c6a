//! Rules of ProjFS that show only from outside: what is told of changes, what a newer manifest does
//! to a folder that is in use. `docs/vfs-projfs.md` says which test holds which rule.

mod changed;
mod remounted;

use projfs_emulator::knobs::Knobs;

use crate::support::manifests::{Texts, at_once, files};
use crate::support::projected::{Projected, Setup};

fn showing(texts: Texts<'_>) -> Projected {
    with(Knobs::default(), texts)
}

fn with(knobs: Knobs, texts: Texts<'_>) -> Projected {
    Setup::files(files(texts), at_once).knobs(knobs).start()
}
