//! The choices of one run: where they come from, and which were made.

/// One choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) taken: usize,
    pub(super) options: usize,
}

/// The choices of one run.
pub(super) struct Choices {
    source: Source,
    made: Vec<Choice>,
}

enum Source {
    Drawn(fastrand::Rng),
    /// By place; the first option where there is none.
    Given(Vec<usize>),
}

impl Choices {
    pub(super) fn drawn(seed: u64) -> Self {
        Self { source: Source::Drawn(fastrand::Rng::with_seed(seed)), made: Vec::new() }
    }

    pub(super) const fn given(choices: Vec<usize>) -> Self {
        Self { source: Source::Given(choices), made: Vec::new() }
    }

    /// A number below `options`; 0 without being noted if there is no choice.
    pub(super) fn choose(&mut self, options: usize) -> usize {
        if options < 2 {
            return 0;
        }
        let taken = match &mut self.source {
            Source::Drawn(lot) => lot.usize(..options),
            // The last where there are fewer options than there were: the run goes on.
            Source::Given(given) => {
                given.get(self.made.len()).copied().unwrap_or(0).min(options - 1)
            }
        };
        self.made.push(Choice { taken, options });
        taken
    }

    pub(super) fn made(&self) -> &[Choice] {
        &self.made
    }
}
