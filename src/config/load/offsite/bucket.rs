//! `[offsite.NAME]` with a `url`: part of a bucket.

use std::path::PathBuf;

use url::Url;

use crate::config::database::Roots;
use crate::config::given::Environment;
use crate::config::offsite::{Bucket, Keys, is_of_this_host};
use crate::config::raw::Node;

/// What a URL of a bucket looks like.
const FORM: &str = "it is written s3://BUCKET/PREFIX";

/// No key of an object store is longer than 1024 bytes; with the longest owner and label this much is left.
const LONGEST_PREFIX: usize = 400;

/// What is said where nobody says where the keys are.
const NO_KEYS: &str = "is missing: no key of a bucket is asked of the machine it runs on; name a file, or `credentials_env`, `credentials_credential`";

pub(super) fn read(node: &Node<'_>, environment: &Environment) -> Option<Bucket> {
    let place = node.parsed("url", parse);
    let endpoint = node.parsed("endpoint", |text| origin(text, &["https", "http"]));
    let style = node.word("style", &[("path", false), ("virtual", true)]);
    let region = node.parsed("region", region);
    let keys = keys(node, environment, NO_KEYS);
    let ca_file = node.path("ca_file");
    let proxy = node.parsed("proxy", |text| origin(text, &["http"]));
    if let Some(endpoint) = &endpoint
        && endpoint.starts_with("http://")
        && (!is_of_this_host(endpoint) || proxy.as_deref().is_some_and(|proxy| !is_of_this_host(proxy)))
        && !node.has("encrypt_to")
    {
        let what = "would carry archives in clear over the network: write https://, or name public keys in `encrypt_to`";
        node.wrong("endpoint", what);
    }
    if ca_file.is_some() && endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")) {
        node.wrong("ca_file", "is only for an endpoint with an https:// URL");
    }
    if endpoint.is_none() && !node.has("endpoint") && !node.has("region") {
        node.wrong(
            "region",
            "is missing: where Amazon has the bucket, as in \"eu-central-1\"; of another service name its `endpoint`",
        );
    }
    let (name, prefix) = place?;
    Some(Bucket {
        // Services of their own have names of buckets in the path, Amazon before the host, where no certificate fits a name with a dot.
        virtual_host: style.unwrap_or(endpoint.is_none() && !name.contains('.')),
        name,
        prefix,
        endpoint,
        region: region.unwrap_or_else(|| "us-east-1".to_owned()),
        keys: keys?,
        roots: ca_file.map_or(Roots::System, Roots::File),
        proxy,
    })
}

/// Bucket and prefix. No message holds the text: somebody may have written keys into it.
fn parse(text: &str) -> Result<(String, String), String> {
    let Some((scheme, rest)) = text.split_once("://") else { return Err(format!("is not a URL; {FORM}")) };
    match scheme {
        "s3" => {}
        "az" | "azure" | "abfs" | "abfss" => {
            return Err("Azure Blob Storage is not served yet; a bucket that speaks S3 is: s3://…".to_owned());
        }
        "gs" | "gcs" => return Err("Google Cloud Storage is not served yet; a bucket that speaks S3 is: s3://…".to_owned()),
        "ssh" | "scp" => return Err("SFTP is written sftp://USER@HOST/PATH".to_owned()),
        "file" => return Err("a directory is named by `kind = \"directory\"` and its `path`".to_owned()),
        _ => return Err(format!("a URL of this scheme is not served; {FORM}")),
    }
    if rest.contains(['@', '?', '#']) {
        return Err(format!("holds more than a bucket and a prefix; {FORM}, and keys stand in `credentials_file`"));
    }
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let legal = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || ".-".contains(letter);
    let is_bucket = (3..=63).contains(&bucket.len())
        && bucket.chars().all(legal)
        && bucket.starts_with(|l: char| l.is_ascii_alphanumeric());
    if !is_bucket {
        return Err("names no bucket: 3 to 63 small letters, digits, dots and hyphens".to_owned());
    }
    let prefix = prefix.trim_end_matches('/');
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "._~+=-".contains(letter);
    let is_part = |part: &str| !part.is_empty() && part != "." && part != ".." && part.chars().all(legal);
    if !prefix.is_empty() && !prefix.split('/').all(is_part) || prefix.len() > LONGEST_PREFIX {
        return Err("has a prefix with other than letters, digits and . _ ~ + = - between single slashes".to_owned());
    }
    Ok((bucket.to_owned(), prefix.to_owned()))
}

/// `SCHEME://HOST:PORT` and nothing more.
fn origin(text: &str, schemes: &[&str]) -> Result<String, String> {
    let forms = || schemes.iter().map(|scheme| format!("{scheme}://HOST:PORT")).collect::<Vec<_>>().join(" or ");
    let url = Url::parse(text).map_err(|error| format!("is not a URL ({error}); it is written {}", forms()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("holds a user or a password, which is not served".to_owned());
    }
    let is_bare = url.path().trim_matches('/').is_empty() && url.query().is_none() && url.fragment().is_none();
    if !schemes.contains(&url.scheme()) || url.host_str().is_none() || !is_bare {
        return Err(format!("is written {}, and nothing more", forms()));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn region(text: &str) -> Result<String, String> {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    if !text.is_empty() && text.chars().all(legal) { Ok(text.to_owned()) } else { Err("is no name of a region".to_owned()) }
}

/// Where the keys are; read only when the place is opened, for they may be others by then.
pub(super) fn keys(node: &Node<'_>, environment: &Environment, missing: &str) -> Option<Keys> {
    const SOURCES: [&str; 3] = ["credentials_file", "credentials_env", "credentials_credential"];
    let given: Vec<&str> = SOURCES.into_iter().filter(|key| node.has(key)).collect();
    let from_file = node.path("credentials_file").map(Keys::File);
    let from_variable = node.text("credentials_env").map(|name| {
        let content = environment.get(&name).cloned().map(crate::config::Secret::new);
        Keys::Variable(name, content)
    });
    let from_credential = node.parsed("credentials_credential", |name| match name.contains('/') {
        true => Err("is the name of a credential, and no path".to_owned()),
        false => Ok(Keys::Credential(name.to_owned(), environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from))),
    });
    match given[..] {
        [] => {
            node.wrong("credentials_file", missing);
            None
        }
        [_] => from_file.or(from_variable).or(from_credential),
        _ => {
            node.wrong(given[1], format!("is one source too many: {}", given.join(", ")));
            None
        }
    }
}
