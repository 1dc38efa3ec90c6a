//! The change set says exactly what hashing both trees from outside would say.

use proptest::prelude::*;
use rusty_attachments_vfs::changes::{ChangeKind, ChangeSet, NameRule};

use crate::world::{self, Nodes, Note, Step, World, hash_all, note};

fn run(base: Nodes, steps: &[Step]) {
    let mut world = World::new(base);
    let mut set = ChangeSet::new(NameRule::Exact);
    for step in steps {
        for told in world.step(step) {
            note(&mut set, &told);
        }
        world.check(&set);
    }
    for told in hash_all(&world, &set) {
        let Note::Set(path, _) = &told else { unreachable!() };
        assert!(set.get(path.as_str().into()).is_some());
        note(&mut set, &told);
    }
    let lines = world.check(&set);
    assert!(lines.iter().all(|line| line.kind != ChangeKind::Unhashed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn changes_are_the_difference_of_both_trees(
        base in world::base(),
        steps in prop::collection::vec(world::step(), 1..40),
    ) {
        run(base, &steps);
    }
}
