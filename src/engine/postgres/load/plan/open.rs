//! Which tables have something of a kind left, so that nobody looks through thousands that have nothing.

use std::collections::BTreeSet;

/// What a worker can be handed out of one table.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Load,
    Key,
    Index,
    Measure,
    Compare,
    Analyze,
}

const KINDS: [Kind; 6] = [Kind::Load, Kind::Key, Kind::Index, Kind::Measure, Kind::Compare, Kind::Analyze];

/// Ranks of tables, of each kind.
#[derive(Debug)]
pub(super) struct Open {
    /// By a table's place.
    ranks: Vec<usize>,
    of: [BTreeSet<usize>; KINDS.len()],
}

impl Open {
    /// Of none. `order` has the tables' places by rank.
    pub(super) fn of(order: &[usize]) -> Self {
        let mut ranks = vec![0; order.len()];
        order.iter().enumerate().for_each(|(rank, place)| ranks[*place] = rank);
        Self { ranks, of: Default::default() }
    }

    /// Takes note of what a table has left.
    pub(super) fn note(&mut self, place: usize, has: impl Fn(Kind) -> bool) {
        let rank = self.ranks[place];
        for kind in KINDS {
            let ranks = &mut self.of[kind as usize];
            if has(kind) {
                ranks.insert(rank)
            } else {
                ranks.remove(&rank)
            };
        }
    }

    /// The ranks of those that have something of this kind left, first things first.
    pub(super) fn of_kind(&self, kind: Kind) -> impl Iterator<Item = usize> {
        self.of[kind as usize].iter().copied()
    }
}
