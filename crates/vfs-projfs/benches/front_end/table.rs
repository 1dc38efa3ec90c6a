//! The table, and how its figures are taken.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Each figure is the best of so many: the machine's own noise only adds.
const ROUNDS: usize = 5;

/// What a ratio shall be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    AtLeast(f64),
    AtMost(f64),
    /// It is there to be known.
    None,
}

/// One figure beside another of the same unit.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) what: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) ours: f64,
    pub(crate) peer: &'a str,
    pub(crate) theirs: f64,
    pub(crate) target: Target,
}

impl Row<'_> {
    pub(crate) fn print(&self) {
        let Self { what, unit, ours, peer, theirs, target } = self;
        let ratio = ours / theirs;
        let (wanted, met) = match *target {
            Target::AtLeast(least) => (format!("at least {least:.2}"), ratio >= least),
            Target::AtMost(most) => (format!("at most {most:.2}"), ratio <= most),
            Target::None => (String::new(), true),
        };
        let missed = if met { "" } else { ", missed" };
        let (ours, theirs) = (figure(*ours), figure(*theirs));
        println!(
            "| {what} | {unit} | {ours} | {peer} | {theirs} | {ratio:.2} | {wanted}{missed} |"
        );
    }
}

/// Three digits that count.
fn figure(value: f64) -> String {
    match value {
        1e4.. => format!("{:.0} k", value / 1e3),
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

pub(crate) fn print_head() {
    print_load();
    println!("\n| what | unit | ours | beside | theirs | ratio | target |");
    println!("|---|---|---|---|---|---|---|");
}

/// What else the machine does.
pub(crate) fn print_load() {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap();
    let cores = std::thread::available_parallelism().unwrap();
    println!("\nload {}, {cores} cores", load.trim());
}

/// What some work took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) seconds: f64,
    /// Seconds of processors in this process: emulator and provider, but not those who use the root.
    /// Of all figures this depends least on what else the machine does.
    pub(crate) processor: f64,
}

impl Took {
    /// The better of each.
    fn min(self, other: Self) -> Self {
        let seconds = self.seconds.min(other.seconds);
        Self { seconds, processor: self.processor.min(other.processor) }
    }
}

pub(crate) fn time(work: impl FnOnce()) -> Took {
    let processor = || {
        let used = Duration::try_from(clock_gettime(ClockId::ProcessCPUTime));
        used.unwrap().as_secs_f64()
    };
    let (began, used) = (Instant::now(), processor());
    work();
    Took { seconds: began.elapsed().as_secs_f64(), processor: processor() - used }
}

/// The best round of each side. They take turns, so that noise meets all of them.
pub(crate) fn best<const SIDES: usize>(
    mut sides: [&mut dyn FnMut() -> Took; SIDES],
) -> [Took; SIDES] {
    let mut best = [Took { seconds: f64::MAX, processor: f64::MAX }; SIDES];
    for _ in 0..ROUNDS {
        for (best, side) in best.iter_mut().zip(&mut sides) {
            *best = side().min(*best);
        }
    }
    best
}
