//! What users change in a projected folder is told exactly.

mod changing;
mod check;
mod killed;
mod knobs;
mod remounting;
mod restarting;
mod vetoes;

use std::time::Duration;

use crate::support::manifests::{Files, Texts, files, one_by_one};
use crate::support::projected::{Projected, Setup};

/// Two files of one size among others.
const SMALL: Texts<'_> =
    &[("d/a", "alpha"), ("d/b", "bravo"), ("d/deep/c", "charlie"), ("top", "x")];

fn setup(files: Files) -> Setup {
    Setup::files(files, one_by_one)
        .options(|options| options.stop_patience = Duration::from_secs(10))
}

fn showing(texts: Texts<'_>) -> Projected {
    setup(files(texts)).start()
}
