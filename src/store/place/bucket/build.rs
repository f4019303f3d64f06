//! Building what speaks to a bucket, each time that a place is opened: the keys are read then, and nothing of it stays afterwards.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential, Checksum};
use object_store::{BackoffConfig, RetryConfig, StaticCredentialProvider};
use url::Url;

use super::super::worker::Worker;
use super::service::Connector;
use super::{Bucket, BucketError, Shared, keys};
use crate::config;
use crate::failure::{Chain, Explain as _};
use crate::https::{Client, Server};
use crate::ids::OwnerName;
use crate::store::place::PlaceError;
use crate::tls::{Demand, Settings, Verify};

/// What the settings of a bucket's connection are called.
const SETTINGS: Settings = Settings {
    place: "the place",
    roots: "ca_file",
    certificate: "ca_file",
    key: "ca_file",
    mode: "endpoint",
    without_name: None,
};

/// The library's own repetitions, with one signature: few, for what asks in earnest asks again with a new one.
const RETRIES: usize = 3;

/// The bucket's place as a whole, for its marker.
pub(super) fn top(bucket: &config::Bucket, owner: &OwnerName) -> Result<Bucket, PlaceError> {
    let url = bucket.to_string();
    let no_keys = |why: String| BucketError::NoKeys { url: url.clone(), why };
    let text = config::keys_of_place(&bucket.keys).map_err(no_keys)?;
    let keys = keys::read(text.reveal()).map_err(no_keys)?;
    let unconditional = Arc::new(AtomicBool::new(false));
    let endpoint = endpoint(bucket);
    let connector = connector(bucket, &endpoint, &unconditional)?;
    let broken = |why: String| BucketError::Other { doing: "use", object: url.clone(), said: why };
    let store =
        |checksum| built(bucket, &endpoint, &keys, &connector, checksum).map_err(|error| broken(Chain(&error).to_string()));
    let worker = Worker::begin().map_err(|error| broken(format!("no thread can be begun: {error}")))?;
    let (plain, checked) = (Arc::new(store(None)?), Arc::new(store(Some(Checksum::SHA256))?));
    let shared = Shared { url, worker, plain, checked, with_checksums: AtomicBool::new(false), unconditional };
    let part = if bucket.prefix.is_empty() { String::new() } else { format!("{}/", bucket.prefix) };
    Ok(Bucket { rights: rights(&bucket.name, &part, owner).into(), shared: Arc::new(shared), part, uploads: None })
}

/// The service's URL as requests go to it, with the bucket in it where that stands before the host.
fn endpoint(bucket: &config::Bucket) -> String {
    let service = bucket.endpoint.clone().unwrap_or_else(|| format!("https://s3.{}.amazonaws.com", bucket.region));
    match service.split_once("://") {
        Some((scheme, host)) if bucket.virtual_host => format!("{scheme}://{}.{host}", bucket.name),
        _ => service,
    }
}

fn connector(bucket: &config::Bucket, endpoint: &str, unconditional: &Arc<AtomicBool>) -> Result<Connector, BucketError> {
    let unreachable = |why: String, hints| BucketError::Unreachable { url: bucket.to_string(), why, hints };
    let server = |text: &str| Url::parse(text).ok().and_then(|url| Server::of(&url));
    let to = server(endpoint).ok_or_else(|| unreachable(format!("{endpoint} names no server"), Vec::new()))?;
    let demand = Demand { host: &to.host, verify: Verify::Name, roots: &bucket.roots, identity: None, settings: SETTINGS };
    let tls = match endpoint.starts_with("https://") {
        true => Some(demand.ready().map_err(|error| unreachable(Chain(&error).to_string(), error.hints()))?),
        false => None,
    };
    let client = Client::new(to.clone(), bucket.proxy.as_deref().and_then(server), tls);
    Ok(Connector { client: Arc::new(client), server: to, unconditional: Arc::clone(unconditional) })
}

fn built(
    bucket: &config::Bucket,
    endpoint: &str,
    keys: &AwsCredential,
    connector: &Connector,
    checksum: Option<Checksum>,
) -> object_store::Result<AmazonS3> {
    let backoff = BackoffConfig { init_backoff: Duration::from_millis(200), max_backoff: Duration::from_secs(5), base: 2.0 };
    let retry = RetryConfig { backoff, max_retries: RETRIES, retry_timeout: Duration::from_secs(180) };
    // Named, so that the library asks no machine for keys.
    let keys = AwsCredential { key_id: keys.key_id.clone(), secret_key: keys.secret_key.clone(), token: keys.token.clone() };
    let builder = AmazonS3Builder::new()
        .with_bucket_name(&bucket.name)
        .with_region(&bucket.region)
        .with_endpoint(endpoint)
        .with_virtual_hosted_style_request(bucket.virtual_host)
        .with_allow_http(true)
        .with_credentials(Arc::new(StaticCredentialProvider::new(keys)))
        .with_retry(retry)
        .with_http_connector(connector.clone());
    match checksum {
        Some(checksum) => builder.with_checksum_algorithm(checksum),
        None => builder,
    }
    .build()
}

/// The least that a key must be allowed, as Amazon writes it.
fn rights(bucket: &str, prefix: &str, owner: &OwnerName) -> String {
    let marker = format!("{prefix}{}", super::super::marker::DESTINATION);
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [
  {{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::{bucket}",
   "Condition": {{"StringLike": {{"s3:prefix": ["{marker}", "{prefix}{owner}/*"]}}}}}},
  {{"Effect": "Allow", "Action": ["s3:GetObject", "s3:PutObject", "s3:AbortMultipartUpload"],
   "Resource": ["arn:aws:s3:::{bucket}/{marker}", "arn:aws:s3:::{bucket}/{prefix}{owner}/*"]}}]}}"#
    )
}
