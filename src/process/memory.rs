//! How much memory this process may still take, as far as the kernel tells it.
//!
//! The least counts of what its control groups, its limits and the host allow. What cannot be read allows everything: whoever
//! asks then takes what he would have taken. Only reads.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the kernel shows the control groups.
const GROUPS: &str = "/sys/fs/cgroup";

/// What stays free whatever is asked for: the rest of the process goes on meanwhile.
const KEPT_FREE: u64 = 32 << 20;

/// What sets the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// A control group: `MemoryMax` of the unit, or of a slice above it.
    Group,
    /// A limit of the process: `LimitDATA`, `LimitAS`, `ulimit`.
    Limit,
    /// The host has no more.
    Host,
}

/// Bytes, and what bounds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Bytes.
    pub bytes: u64,
    /// Whose bound it is.
    pub bound: Bound,
}

/// What one bound leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Leaves {
    /// What may be taken now.
    now: u64,
    /// What might be, with nothing taken.
    ever: u64,
}

/// What may be taken now; none where nothing says.
#[must_use]
pub fn room() -> Option<Room> {
    least(|leaves| leaves.now)
}

/// What might be taken if nothing else were; none where nothing says.
#[must_use]
pub fn whole_room() -> Option<Room> {
    least(|leaves| leaves.ever)
}

fn least(which: fn(Leaves) -> u64) -> Option<Room> {
    let host = of_host();
    let swap = swap();
    let all = [
        (of_groups(swap, which), Bound::Group),
        (of_limits(which), Bound::Limit),
        (host.map(|host| which(Leaves { now: host.available.saturating_add(swap.now), ever: host.ever })), Bound::Host),
    ];
    let least =
        all.into_iter().filter_map(|(bytes, bound)| Some(Room { bytes: bytes?, bound })).min_by_key(|room| room.bytes)?;
    Some(Room { bytes: least.bytes.saturating_sub(KEPT_FREE), ..least })
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The number behind a name in a table of the kernel's, in the unit it has there.
fn field(table: &str, name: &str) -> Option<u64> {
    table.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// The least that a control group leaves, from the process's own up to the root, of either version.
fn of_groups(swap: Leaves, which: fn(Leaves) -> u64) -> Option<u64> {
    let own = read("/proc/self/cgroup")?;
    own.lines().filter_map(|line| of_hierarchy(line, swap, which)).min()
}

/// The least along one line of `/proc/self/cgroup`: `0::/system.slice` is of version 2, `5:memory:/docker` of version 1.
fn of_hierarchy(line: &str, swap: Leaves, which: fn(Leaves) -> u64) -> Option<u64> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, own) = (parts.next()?, parts.next()?.trim_start_matches('/'));
    let (root, of): (_, fn(&Path, Leaves) -> Option<Leaves>) = match controllers {
        "" => (PathBuf::from(GROUPS), of_group),
        _ if controllers.split(',').any(|controller| controller == "memory") => {
            (Path::new(GROUPS).join("memory"), of_old_group)
        }
        _ => return None,
    };
    let all = root.join(own);
    all.ancestors().take_while(|group| group.starts_with(&root)).filter_map(|group| of(group, swap)).map(which).min()
}

fn number(group: &Path, name: &str) -> Option<u64> {
    read(group.join(name))?.trim().parse().ok()
}

/// What is taken of a group's memory and does not give way, as cached files do.
fn taken(group: &Path, names: &[&str]) -> Option<u64> {
    let table = read(group.join("memory.stat"))?;
    Some(names.iter().filter_map(|name| field(&table, name)).sum())
}

fn of_group(group: &Path, swap: Leaves) -> Option<Leaves> {
    // `max` is no number: then this group leaves everything.
    let most = number(group, "memory.max")?;
    let taken = taken(group, &["anon ", "shmem ", "unevictable ", "slab_unreclaimable "])?;
    let swap = number(group, "memory.swap.max").map_or(swap, |most| Leaves {
        now: most.saturating_sub(number(group, "memory.swap.current").unwrap_or(0)).min(swap.now),
        ever: most.min(swap.ever),
    });
    Some(Leaves { now: most.saturating_sub(taken).saturating_add(swap.now), ever: most.saturating_add(swap.ever) })
}

/// A group of version 1. A limit of memory and swap together is not read: it is never below that of memory alone.
fn of_old_group(group: &Path, _: Leaves) -> Option<Leaves> {
    // A huge number stands for no limit.
    let most = number(group, "memory.limit_in_bytes")?;
    let taken = taken(group, &["total_rss ", "total_shmem ", "total_unevictable "])?;
    Some(Leaves { now: most.saturating_sub(taken), ever: most })
}

/// The least that the process's own limits leave.
fn of_limits(which: fn(Leaves) -> u64) -> Option<u64> {
    let (limits, status) = (read("/proc/self/limits")?, read("/proc/self/status")?);
    let left = |limit: &str, taken: &str| {
        let ever = field(&limits, limit)?;
        Some(which(Leaves { now: ever.saturating_sub(field(&status, taken)? << 10), ever }))
    };
    [left("Max data size", "VmData:"), left("Max address space", "VmSize:")].into_iter().flatten().min()
}

/// What the host has.
struct Host {
    available: u64,
    /// All of it with all swap, where it is shown.
    ever: u64,
}

fn of_host() -> Option<Host> {
    if let Some(table) = read("/proc/meminfo") {
        let bytes = |name: &str| field(&table, name).map(|kilobytes| kilobytes << 10);
        let ever = bytes("MemTotal:")?.saturating_add(bytes("SwapTotal:")?);
        return Some(Host { available: bytes("MemAvailable:")?, ever });
    }
    // A unit sees nothing of /proc but processes (`ProcSubset=pid`); the nodes are shown elsewhere.
    let nodes = fs::read_dir("/sys/devices/system/node").ok()?.flatten();
    let tables: Vec<String> = nodes.filter_map(|node| read(node.path().join("meminfo"))).collect();
    let available = tables.iter().map(|table| of_node(table)).sum::<Option<u64>>().filter(|bytes| *bytes > 0)?;
    Some(Host { available, ever: u64::MAX })
}

/// What is free on one node, or cached of files: `Node 0 MemFree: 812 kB`.
fn of_node(table: &str) -> Option<u64> {
    let plain: String = table.lines().filter_map(|line| Some(format!("{}\n", line.splitn(3, ' ').nth(2)?))).collect();
    let all = ["MemFree:", "Active(file):", "Inactive(file):"].map(|name| field(&plain, name));
    all.into_iter().sum::<Option<u64>>().map(|kilobytes| kilobytes << 10)
}

fn swap() -> Leaves {
    let told = rustix::system::sysinfo();
    let bytes = |units: u64| units.saturating_mul(u64::from(told.mem_unit));
    Leaves { now: bytes(told.freeswap), ever: bytes(told.totalswap) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_prints_is_read() {
        let node = "Node 0 MemTotal:       100 kB\nNode 0 MemFree:          10 kB\nNode 0 Active(file):    20 kB\nNode 0 Inactive(file):  30 kB\n";
        assert_eq!(of_node(node), Some(60 << 10));
        assert_eq!(of_node(""), None);
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax data size             1048576     unlimited  bytes\n\
                      Max address space         unlimited   unlimited  bytes\n";
        assert_eq!(field(limits, "Max data size"), Some(1 << 20));
        assert_eq!(field(limits, "Max address space"), None);
        assert_eq!(field("anon 12\nanon_thp 3\nshmem 4\n", "anon "), Some(12));
    }

    #[test]
    fn a_group_leaves_what_is_not_taken() {
        let group = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| crate::durable::write(&group.path().join(name), text.as_bytes()).unwrap();
        write("memory.max", "max\n");
        let swap = Leaves { now: 5, ever: 7 };
        assert_eq!(of_group(group.path(), swap), None);
        write("memory.max", "1000\n");
        write("memory.stat", "anon 300\nfile 600\nshmem 50\nunevictable 0\nslab_unreclaimable 50\n");
        assert_eq!(of_group(group.path(), swap), Some(Leaves { now: 605, ever: 1007 }));
        write("memory.swap.max", "0\n");
        assert_eq!(of_group(group.path(), swap), Some(Leaves { now: 600, ever: 1000 }));
        assert_eq!(of_old_group(group.path(), swap), None);
        write("memory.limit_in_bytes", "1000\n");
        write("memory.stat", "rss 100\ntotal_cache 500\ntotal_rss 300\ntotal_shmem 50\ntotal_unevictable 0\n");
        assert_eq!(of_old_group(group.path(), swap), Some(Leaves { now: 650, ever: 1000 }));
    }

    #[test]
    fn this_process_has_room() {
        assert!(whole_room().is_none_or(|whole| whole.bytes > 0));
        assert_eq!(room().is_some(), whole_room().is_some());
    }
}
