//! What the tests of this program share: a provider, applications, a daemon with a folder.

pub(crate) mod actor;
pub(crate) mod app;
pub(crate) mod provider;
pub(crate) mod reexec;
pub(crate) mod remote;
pub(crate) mod rig;
pub(crate) mod tree;
pub(crate) mod truth;
pub(crate) mod wait;
