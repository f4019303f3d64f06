//! `--at PLACE|URL`: a place by its name in the configuration, or by its address where there is no configuration that knows it.
//!
//! Owns what stands in for a configuration then, for one command: the place, and for a restore the one database that `--into` names. Never does
//! that where a configuration guards databases: a restore goes through it and through its daemon. Held by `tests/it/new_host.rs`.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::{Stop, World};
use crate::config::Config;
use crate::config::load::{self, Environment, Problem};
use crate::failure::{Class, Failure};
use crate::ids::{OwnerName, PlaceName, TargetName};
use crate::{offsite, trust};

/// Where copies are.
#[derive(Debug, Clone)]
pub(super) enum At {
    /// A place of the configuration.
    Place(PlaceName),
    /// A directory, whole from the root, or a URL.
    Address(String),
}

impl FromStr for At {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_address(text) {
            return Ok(Self::Address(text.to_owned()));
        }
        PlaceName::parse(text).map(Self::Place).map_err(|error| error.to_string())
    }
}

/// Whether a text is the address of a place, and neither its name nor a moment.
pub(super) fn is_address(text: &str) -> bool {
    text.starts_with('/') || text.contains("://")
}

/// What a place that was named by its address is called.
const NAME: &str = "there";

/// A directory that is nowhere.
const NOWHERE: &str = "/nonexistent/upkeep";

/// The variable that the keys of a bucket are handed on in, as `credentials_env` would name it.
const KEYS: &str = "UPKEEP_KEYS_THERE";

/// The database that a restore is to go into, by the name of its target.
pub(super) type Toward<'a> = (&'a TargetName, &'a str);

impl At {
    /// The place's name, and the world in which it has one.
    pub(super) async fn known(
        &self,
        owner: Option<&OwnerName>,
        into: Option<Toward<'_>>,
        world: &World,
    ) -> Result<(PlaceName, World), Stop> {
        let address = match self {
            Self::Place(name) => return Ok((name.clone(), world.clone())),
            Self::Address(address) => address,
        };
        let name = PlaceName::parse(NAME).map_err(|error| Failure::new(Class::Software, error.to_string()))?;
        let mut environment = world.environment.clone();
        let mut place = match address.strip_prefix("file://").unwrap_or(address) {
            path if path.starts_with('/') => directory(path),
            url if url.starts_with("sftp://") => sftp(url, &environment)?,
            url => bucket(url, &mut environment)?,
        };
        let owner = match owner {
            Some(owner) => owner.clone(),
            None => the_only_owner(address, &place, world, &environment).await?,
        };
        place.insert("owner".to_owned(), owner.as_str().into());
        // Whoever only reads does so as himself: there is no state here that would be somebody's.
        let state_dir = into.map_or_else(|| Ok(PathBuf::from(NOWHERE)), |into| state_dir(into, world))?;
        let mut said = table([
            ("offsite", table([(NAME, place.into())]).into()),
            ("daemon", table([("state_dir", (&*state_dir.to_string_lossy()).into())]).into()),
        ]);
        if let Some((target, url)) = into {
            let database = table([("database", table([("url", url.into())]).into())]);
            said.insert("targets".to_owned(), table([(target.as_str(), database.into())]).into());
        }
        let config = read(said, address, world, &environment)?;
        Ok((name, World { stand_in: Some(Arc::new(config)), ..world.clone() }))
    }
}

fn table<const N: usize>(entries: [(&str, toml::Value); N]) -> toml::Table {
    entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn directory(path: &str) -> toml::Table {
    table([("kind", "directory".into()), ("path", path.into())])
}

/// The variables that name the private key's file and the server's public key, for a place of SFTP.
const SFTP_KEY: &str = "UPKEEP_SFTP_KEY_FILE";
const SFTP_HOST_KEY: &str = "UPKEEP_SFTP_HOST_KEY";

/// A directory of a server's. No tool has words for what its key and the server's are, and a server whose key nobody has named is not believed.
fn sftp(url: &str, environment: &Environment) -> Result<toml::Table, Failure> {
    let given = |name: &str| environment.get(name).filter(|value| !value.is_empty()).cloned();
    let (Some(key), Some(host_key)) = (given(SFTP_KEY), given(SFTP_HOST_KEY)) else {
        let what = format!("there is no key for {url}: {SFTP_KEY} and {SFTP_HOST_KEY} are not both set");
        return Err(Failure::new(Class::Config, what).safe("nothing was changed").hint(
            "export both: the file of a private key for the account, and the server's public key as `ssh-keyscan HOST` prints it, \
             compared with what those say who run it",
        ));
    };
    Ok(table([("url", url.into()), ("credentials_file", key.into()), ("host_key", host_key.into())]))
}

/// A bucket, with what the providers' own tools take from the environment.
fn bucket(url: &str, environment: &mut Environment) -> Result<toml::Table, Failure> {
    let first = |names: &[&str]| {
        let found = names.iter().filter_map(|name| environment.get(*name)).find(|value| !value.is_empty());
        found.cloned()
    };
    let mut place = table([("url", url.into()), ("credentials_env", KEYS.into())]);
    let keys = [
        ("region", first(&["AWS_REGION", "AWS_DEFAULT_REGION"])),
        ("endpoint", first(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])),
        ("ca_file", first(&["AWS_CA_BUNDLE"])),
    ];
    place.extend(keys.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?.into()))));
    let (id, secret) = (first(&["AWS_ACCESS_KEY_ID"]), first(&["AWS_SECRET_ACCESS_KEY"]));
    let (Some(id), Some(secret)) = (id, secret) else {
        let failure = Failure::new(
            Class::Config,
            format!("there is no key for {url}: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"),
        );
        return Err(failure
            .safe("nothing was changed")
            .hint("a key that only reads is enough; export both, AWS_REGION, and AWS_ENDPOINT_URL where it is not Amazon's"));
    };
    let token = first(&["AWS_SESSION_TOKEN"]).map(|token| format!("aws_session_token = {token}\n")).unwrap_or_default();
    environment.insert(KEYS.to_owned(), format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n{token}"));
    Ok(place)
}

/// Whose copies are meant where nobody says so: of a directory that one host alone writes to, its.
async fn the_only_owner(
    address: &str,
    place: &toml::Table,
    world: &World,
    environment: &Environment,
) -> Result<OwnerName, Stop> {
    let mut owners = Vec::new();
    if !place.contains_key("credentials_env") {
        // Any name does to ask for names.
        let mut place = place.clone();
        place.insert("owner".to_owned(), NAME.into());
        let said = table([
            ("offsite", table([(NAME, place.into())]).into()),
            ("daemon", table([("state_dir", NOWHERE.into())]).into()),
        ]);
        let config = read(said, address, world, environment)?;
        for offsite in config.offsite.values() {
            owners = offsite::owners(&offsite.kind).await?;
        }
    }
    if let [owner] = &owners[..] {
        return Ok(owner.clone());
    }
    let names: Vec<&str> = owners.iter().map(OwnerName::as_str).collect();
    let what = match names[..] {
        [] => format!("whose copies at {address} are meant is not said"),
        _ => format!("several hosts write at {address}: {}", names.join(", ")),
    };
    let failure = Failure::new(Class::Usage, what).safe("nothing was changed");
    Err(failure.hint(format!("name the host whose copies they are: `--owner {}`", names.first().unwrap_or(&"OWNER"))).into())
}

/// Where a restore without a configuration keeps its mark, and what it replaces: each database has a directory of its own, so that what a crash
/// left in one says nothing of another.
fn state_dir((target, url): Toward<'_>, world: &World) -> Result<PathBuf, Failure> {
    if !load::is_blank(&world.config, &world.environment) {
        let what = format!("a restore from an address stands beside no configuration, and {} is one", world.config.display());
        let failure = Failure::new(Class::Config, what).safe("nothing was changed");
        return Err(failure
            .hint("name the place in it, `[offsite.NAME]`, and restore `--at NAME`: then its holds and its daemon are asked")
            .hint("or name a file that is not there: `--config /none`; then nobody is"));
    }
    let database = load::parse_url(url, &world.environment).map_err(|error| {
        Failure::new(Class::Usage, format!("cannot restore into this: {error}")).safe("nothing was changed")
    })?;
    let named = |name: &str| world.environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = named("XDG_STATE_HOME").or_else(|| Some(named("HOME")?.join(".local/state")));
    let lacks = |what: String| {
        let failure = Failure::new(Class::Config, what).safe("nothing was changed");
        failure.hint("name a directory of your own, whole from the root: `XDG_STATE_HOME=…` in front of the command")
    };
    let base = base.ok_or_else(|| lacks("there is no place for what is noted of the restore: HOME is not set".to_owned()))?;
    let there = base.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    if let Some(weak) = trust::weaker(there).unwrap_or_default().first() {
        let what = format!("what is noted of the restore would lie in {}: {weak} could change it", base.display());
        return Err(lacks(what));
    }
    let digest = blake3::hash(database.location.to_string().as_bytes()).to_hex();
    Ok(base.join("upkeep").join(format!("{target}-{}", &digest[..16])))
}

fn read(said: toml::Table, address: &str, world: &World, environment: &Environment) -> Result<Config, Failure> {
    load::load_said(said, &world.config, environment).map_err(|problems| {
        let found: Vec<String> = problems.problems().map(Problem::to_string).collect();
        let failure = Failure::new(Class::Usage, format!("cannot read at {address}: {}", found.join("; ")));
        failure.safe("nothing was changed").hint("or write a configuration: docs/offsite.md")
    })
}
