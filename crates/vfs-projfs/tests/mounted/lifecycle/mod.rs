//! Roots come and go: in one process, across processes, by force, and not at all.

mod example;
mod job;
mod mounted;
mod places;
mod processes;
mod starts;
mod stops;
