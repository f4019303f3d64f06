//! Products and profiles: what a target gets without saying it, and what no tool of a product may be told.

use super::*;
use crate::config::{Product, Target};

/// What a target of OpenMetadata needs to say.
const OPENMETADATA: &str =
    "[targets.om]\nproduct = \"openmetadata\"\ndatabase.url = \"mysql://om@127.0.0.1/openmetadata_db\"\n";

fn command_of(target: &Target) -> (&[String], Option<&str>) {
    match &target.migrations.as_ref().unwrap().runner {
        Runner::Command { argv, user, .. } => (argv, user.as_deref()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_product_brings_what_is_known_of_it() {
    let config = good(&format!(
        "{OPENMETADATA}release.path = \"/opt/openmetadata\"\nservice.unit = \"openmetadata\"\nmigrations.user = \"om\"\n"
    ));
    let target = config.targets.values().next().unwrap();
    assert_eq!((target.product, target.profile.as_str()), (Some(Product::OpenMetadata), "openmetadata"));
    let jar = Probe::Jar { pattern: "libs/openmetadata-service-*.jar".to_owned(), inside: Some("catalog/VERSION".to_owned()) };
    assert_eq!(target.release.as_ref().unwrap().probes, [jar]);
    let (argv, user) = command_of(target);
    assert!(argv[0] == "bash" && user == Some("om") && !argv.iter().any(|word| word.contains("--force")), "{argv:?}");
    assert_eq!(target.service.as_ref().unwrap().health.len(), 1);
    // Only what is there: a database alone is backed up, and a release without `[migrations]` has the product's.
    let config = good(OPENMETADATA);
    let target = config.targets.values().next().unwrap();
    assert!(target.release.is_none() && target.migrations.is_none() && target.service.is_none());
    let config = good(&format!("{OPENMETADATA}release.path = \"/opt/openmetadata\"\n"));
    let target = config.targets.values().next().unwrap();
    assert!(target.migrations.is_some() && target.service.is_none());
    // Another runner than the profile's gets nothing of its tool.
    let config = good(&format!("{OPENMETADATA}release.path = \"/opt/om\"\nmigrations.runner = \"on-start\"\n"));
    assert_eq!(config.targets.values().next().unwrap().migrations.as_ref().unwrap().runner, Runner::OnStart);
    let problems = problems_of("[targets.om]\nproduct = \"openmetdata\"\ndatabase.url = \"mysql://om@127.0.0.1/om\"\n");
    assert!(problems.iter().any(|line| line.contains("targets.om.product") && line.contains("openmetadata")), "{problems:?}");
}

#[test]
fn an_operator_s_own_profile_lies_above_the_product_s() {
    let load_with = |main: &str, profile: &str| {
        let (_dir, path) = files(&[("upkeep.toml", main), ("profiles/ours.toml", profile)]);
        load(&path, &Environment::new()).map_err(|problems| problem_lines(&problems))
    };
    let main = "[targets.om]\nprofile = \"ours\"\ndatabase.url = \"mysql://om@127.0.0.1/om\"\n";
    let ours = "product = \"openmetadata\"\n[release]\npath = \"/srv/om\"\n[migrations]\nuser = \"om\"\n\
                [service]\nunit = \"om.service\"\n[upgrade]\nauto = false\n";
    let config = load_with(main, ours).unwrap();
    let target = config.targets.values().next().unwrap();
    assert_eq!((target.product, target.profile.as_str()), (Some(Product::OpenMetadata), "ours"));
    assert_eq!(target.release.as_ref().unwrap().path, Path::new("/srv/om"));
    assert!(matches!(target.release.as_ref().unwrap().probes[..], [Probe::Jar { .. }]), "the product's");
    assert_eq!(command_of(target).1, Some("om"));
    assert!(!target.upgrade.auto && target.service.as_ref().unwrap().health.len() == 1);
    // The target has the last word; a product is none of a profile's that says nothing of it.
    let config = load_with(&format!("{main}migrations.user = \"other\"\n"), ours).unwrap();
    assert_eq!(command_of(config.targets.values().next().unwrap()).1, Some("other"));
    let config = load_with(main, "[upgrade]\nattempts = 7\n").unwrap();
    let target = config.targets.values().next().unwrap();
    assert_eq!((target.product, target.upgrade.attempts, target.migrations.is_none()), (None, 7, true));
    let wrong = load_with(main, "prodct = \"openmetadata\"\n").unwrap_err();
    assert!(wrong[0].contains("profiles/ours.toml") && wrong[0].contains("did you mean `product`"), "{wrong:?}");
    let wrong = load_with(&main.replace("ours", "oursy"), ours).unwrap_err();
    assert!(wrong[0].contains("did you mean `ours`"), "{wrong:?}");
    let wrong = load_with(&main.replace("ours", "../profiles/ours"), ours).unwrap_err();
    assert!(wrong[0].contains("there is no profile"), "{wrong:?}");
}

#[test]
fn what_no_tool_of_openmetadata_may_be_told_is_refused_where_it_is_written() {
    let release = "release.path = \"/opt/om\"\n";
    let cases = [
        ("migrations.command = [\"bootstrap/openmetadata-ops.sh\", \"migrate\", \"--force\"]\n", "migrations.command"),
        ("migrations.command = [\"bash\", \"-c\", \"./bootstrap/openmetadata-ops.sh drop-create\"]\n", "migrations.command"),
        ("migrations.command = [\"bootstrap/bootstrap_storage.sh\", \"drop-create-all\"]\n", "migrations.command"),
        ("migrations.command = [\"/usr/local/bin/om\", \"migrate\", \"--FORCE=true\"]\n", "migrations.command"),
        // The older tool's own words for the same.
        (
            "migrations.command = [\"bash\", \"bootstrap/bootstrap_storage.sh\", \"migrate-all\", \"-f\"]\n",
            "migrations.command",
        ),
        ("migrations.command = [\"bootstrap/bootstrap_storage.sh\", \"drop\"]\n", "migrations.command"),
        (
            "migrations.command = [\"java\", \"org.openmetadata.service.util.OpenMetadataOperations\", \"-force\"]\n",
            "migrations.command",
        ),
        (
            "service = { unit = \"om\", health = [{ command = [\"bootstrap/openmetadata-ops.sh\", \"drop-create\"] }] }\n",
            "service.health",
        ),
        ("migrations.environment = { OPTIONS = \"--force\" }\n", "migrations.environment"),
        ("release.revert = [\"bootstrap/openmetadata-ops.sh\", \"drop-create\", \"{version}\"]\n", "release.revert"),
        (
            "service = { start = [\"om\", \"drop-create\"], stop = [\"om\", \"stop\"], status = [\"om\", \"status\"] }\n",
            "service.start",
        ),
    ];
    for (line, key) in cases {
        let text = format!("{OPENMETADATA}{release}{line}");
        let (_dir, path) = files(&[("upkeep.toml", &text)]);
        let problems = problem_lines(&load(&path, &Environment::new()).expect_err(line));
        assert!(problems.len() == 1 && problems[0].contains(&format!("targets.om.{key}")), "{line}: {problems:?}");
        assert!(problems[0].contains("upkeep never runs it"), "{problems:?}");
    }
    // Whoever wrote the vendor's tool without naming the product, too; and no other product's words are its business.
    let own = "[targets.om]\ndatabase.url = \"mysql://om@127.0.0.1/om\"\nrelease = { path = \"/opt/om\", version = { symlink = true } }\n\
               migrations.runner = \"command\"\n";
    let (_dir, path) = files(&[(
        "upkeep.toml",
        &format!("{own}migrations.command = [\"bootstrap/openmetadata-ops.sh\", \"migrate\", \"--force\"]\n"),
    )]);
    assert!(load(&path, &Environment::new()).is_err());
    good(&format!("{own}migrations.command = [\"bin/other\", \"--force\"]\n"));
    let stop = "service = { start = [\"docker\", \"start\", \"om\"], stop = [\"docker\", \"rm\", \"--force\", \"om\"], status = [\"om\"] }\n";
    good(&format!("{OPENMETADATA}{release}{stop}"));
}
