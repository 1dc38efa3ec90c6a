//! Tests of tracking against a model of the disk: what is told must equal the difference of the
//! two trees as somebody from outside would find it.

mod cases;
mod disk;
mod failures;
mod queue;
mod random;
mod remounts;
mod repairs;
mod rig;
