//! What a verb is about, where it waits, and what it changes.

use crate::ids::{Label, PlaceName, TargetName};

/// What a verb says of itself before it is carried out. Pure, from what was asked alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec<'a> {
    /// Whom it is about.
    pub subject: Subject<'a>,
    /// What it must not run beside.
    pub lane: Lane,
    /// What it changes.
    pub effect: Effect,
}

/// Whom a verb is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A target.
    Target(&'a TargetName),
    /// The archives of a target, and a database that is named beside them.
    Elsewhere(&'a TargetName),
    /// An archive.
    Archive(&'a Label),
    /// A place away from the host, and the archives of every target that go there.
    Place(&'a PlaceName),
    /// Every target.
    All,
}

/// What must not run at the same time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// What touches a target's database, server or archives.
    Target(TargetName),
    /// What reads archives of every target.
    Host,
    /// What uses a place away from the host. It may hang as long as that place likes, and keeps nobody else from working.
    Place(PlaceName),
    /// What tries archives in a scratch: one at a time on this host, and nobody else waits for it.
    Drill,
    /// What takes moments, or must not wait: a hold, a pin, a plan, the gate.
    Aside,
}

/// What a verb changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// Nothing, with or without a daemon: it settles nothing, carries nothing on, starts no server.
    Reads,
    /// A note of ours (a hold, a pin, a verdict) and nothing else.
    Notes,
    /// Archives of its target: one is made, or some are let go. Its database and server stay as they are.
    Archives,
    /// Its target's database, history or server.
    Changes,
}

impl<'a> Spec<'a> {
    /// Of a target, in its lane.
    pub(super) fn of(target: &'a TargetName, effect: Effect) -> Self {
        Self { subject: Subject::Target(target), lane: Lane::Target(target.clone()), effect }
    }

    /// Of a place: beside the archives' own notes nothing here changes.
    pub(super) fn at(place: &'a PlaceName) -> Self {
        Self { subject: Subject::Place(place), lane: Lane::Place(place.clone()), effect: Effect::Notes }
    }

    /// What takes moments, or must not wait.
    pub(super) fn aside(subject: Subject<'a>, effect: Effect) -> Self {
        Self { subject, lane: Lane::Aside, effect }
    }
}
