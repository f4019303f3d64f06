//! Which process it was: a number that comes again, made sure of by the moment it began and the boot it belongs to.
//!
//! Owns reading `/proc`. Never signals anybody. A process group counts as alive as long as one of its members is.

use std::fs;

use serde::{Deserialize, Serialize};

/// A process that another run of ours may ask about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Its number, which is that of its process group too.
    pub pid: u32,
    /// When it began, in the kernel's ticks since the boot.
    pub began: u64,
    /// The boot.
    pub boot: String,
}

/// What `/proc/PID/stat` says of a process.
struct Stat {
    pid: u32,
    /// As the kernel has it: what is no letter for a terminal is a blank.
    name: String,
    state: char,
    group: u32,
    began: u64,
}

impl Identity {
    /// The process of this number, if there is one.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        Some(Self { pid, began: stat(pid)?.began, boot: boot() })
    }

    /// Ourselves.
    #[must_use]
    pub fn ours() -> Option<Self> {
        Self::of(std::process::id())
    }

    /// One of the two may have been written where the boot is hidden: then number and beginning must do, and at worst a stranger
    /// is waited for.
    fn of_this_boot(&self) -> bool {
        let now = boot();
        now.is_empty() || self.boot.is_empty() || now == self.boot
    }

    /// Whether this very process lives.
    #[must_use]
    pub fn lives(&self) -> bool {
        self.of_this_boot() && stat(self.pid).is_some_and(|stat| stat.began == self.began && !stat.ended())
    }

    /// Whether anybody of its group lives: itself, or somebody it started and left behind.
    #[must_use]
    pub fn group_lives(&self) -> bool {
        if !self.of_this_boot() {
            return false;
        }
        match stat(self.pid) {
            // The number came again, which it does only once nobody of the old group is left.
            Some(leader) if leader.began != self.began => false,
            Some(leader) if !leader.ended() => true,
            _ => members(self.pid).any(|member| !member.ended()),
        }
    }

    /// Who lives of its group, for a message: names and numbers.
    #[must_use]
    pub fn group(&self) -> String {
        if !self.group_lives() {
            return "nobody".to_owned();
        }
        let names =
            members(self.pid).filter(|member| !member.ended()).map(|member| format!("{} ({})", member.name, member.pid));
        names.collect::<Vec<_>>().join(", ")
    }
}

impl Stat {
    /// Dead, and only not yet waited for.
    fn ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// The boot's name; empty where a hardened unit hides it (`ProcSubset=pid`).
fn boot() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn stat(pid: u32) -> Option<Stat> {
    parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// `PID (NAME) STATE PPID PGRP …`; the name may hold anything, parentheses too. The beginning is the 22nd field.
fn parse(text: &str) -> Option<Stat> {
    let (pid, rest) = text.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    Some(Stat {
        pid: pid.trim().parse().ok()?,
        name: name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect(),
        state: fields.first()?.chars().next()?,
        group: fields.get(2)?.parse().ok()?,
        began: fields.get(19)?.parse().ok()?,
    })
}

fn members(group: u32) -> impl Iterator<Item = Stat> {
    let numbers = fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str().and_then(|name| name.parse().ok()));
    numbers.filter_map(stat).filter(move |stat| stat.group == group)
}

#[cfg(test)]
mod tests;
