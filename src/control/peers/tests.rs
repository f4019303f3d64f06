use std::path::PathBuf;

use super::*;

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n# a comment: not:1:2\nupkeep:x:990:990::/:/bin/false\n\
                      ann:x:1000:1000:Ann:/home/ann:/bin/sh\nbob:x:1001:1001::/:/bin/sh\nshort:x\n";
const GROUP: &str = "root:x:0:\nadm:x:4:syslog,ann\nupkeep:x:990:bob\nann:x:1000:\nbob:x:1001:\n";

fn check(uid: u32, gid: u32, observers: &[&str], operators: &[&str], expect: Role) {
    let principal = |text: &&str| match text.strip_prefix("group:") {
        Some(group) => Principal::Group(group.to_owned()),
        None => Principal::User((*text).to_owned()),
    };
    let control = Control {
        socket: PathBuf::from("/run/upkeep/upkeep.sock"),
        observers: observers.iter().map(principal).collect(),
        operators: operators.iter().map(principal).collect(),
        restore_into: Vec::new(),
    };
    let accounts = Accounts::new(PASSWD.to_owned(), GROUP.to_owned());
    let role = accounts.role(Credentials { uid, gid }, &control, 990);
    assert_eq!(role, expect, "uid {uid} gid {gid}, observers {observers:?}, operators {operators:?}");
}

#[test]
fn who_is_listed_gets_in_and_nobody_else() {
    // Root and the daemon itself, whatever is listed.
    check(0, 0, &[], &[], Role::Operator);
    check(990, 990, &[], &[], Role::Operator);
    // By name, by number, by group: supplementary, primary, or the one the process runs with.
    check(1000, 1000, &["ann"], &[], Role::Observer);
    check(1000, 1000, &["1000"], &[], Role::Observer);
    check(1000, 1000, &["group:adm"], &[], Role::Observer);
    check(1000, 1000, &["group:4"], &[], Role::Observer);
    check(1001, 1001, &["group:adm"], &["group:upkeep"], Role::Operator);
    check(1000, 1000, &["group:ann"], &[], Role::Observer);
    check(1001, 4, &["group:adm"], &[], Role::Observer);
    check(4242, 4242, &["4242"], &[], Role::Observer);
    // Both lists: the stronger one.
    check(1000, 1000, &["ann"], &["group:adm"], Role::Operator);
    // Strangers, and names that are nobody's.
    check(1001, 1001, &["ann", "group:adm"], &["root"], Role::Stranger);
    check(1001, 1001, &["nosuch", "group:nosuch", "", "group:"], &[], Role::Stranger);
    check(4242, 4242, &["group:adm"], &["group:upkeep"], Role::Stranger);
    // A user whose name begins like a member's is not the member.
    check(1001, 1001, &["group:adm"], &["group:root"], Role::Stranger);
}
