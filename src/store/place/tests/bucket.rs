//! The suite and more on a real server that speaks S3, straight and with faults in between.

// One server for these and for the stories of the whole program.
#[path = "../../../../tests/it/support/moto.rs"]
#[expect(clippy::disallowed_methods, reason = "the tests' own server")]
mod moto;

use moto::{Fault, Faulty, Moto, SLOW_DOWN};

use super::*;
use crate::config::{self, Keys, Roots, Secret};
use crate::failure::Explain as _;

/// Somewhat more than two parts.
const LONG: usize = (10 << 20) + 7;

fn named(endpoint: &str, bucket: &str) -> config::Bucket {
    config::Bucket {
        name: bucket.to_owned(),
        prefix: "some/prefix".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        virtual_host: false,
        region: "us-east-1".to_owned(),
        keys: Keys::Variable("KEYS".to_owned(), Some(Secret::new("id:secret".to_owned()))),
        roots: Roots::System,
        proxy: None,
    }
}

fn set_up_in(bucket: &config::Bucket, state: &Path, known: Option<(&str, &str)>) -> Result<(String, String), PlaceError> {
    let (place, owner) = (name("vault"), owner("db1"));
    let host = known.map_or_else(|| Marker::random().id, |(_, host)| host.to_owned());
    let uploads = state.join("offsite/vault/uploads");
    let marker = known.map(|(marker, _)| marker);
    let setup = BucketSetup { bucket, place: &place, owner: &owner, marker, host: &host, adopt: false, uploads };
    setup.run().map(|marker| (marker, host))
}

fn written_to(bucket: &config::Bucket, state: &Path, (marker, host): &(String, String)) -> Bucket {
    Bucket::write(bucket, &name("vault"), &owner("db1"), (marker, host), state.join("offsite/vault/uploads")).unwrap()
}

fn long() -> Vec<u8> {
    (0..LONG).map(|n| (n % 253) as u8).collect()
}

/// The names in the part, as the service has them.
fn keys(moto: &Moto, bucket: &str) -> Vec<String> {
    moto.names(bucket).into_iter().filter_map(|key| key.strip_prefix("some/prefix/db1/").map(str::to_owned)).collect()
}

#[test]
fn a_bucket_conforms() {
    let Some(moto) = Moto::shared() else { return };
    moto.bucket("plain", "");
    let state = tempfile::tempdir().unwrap();
    let bucket = named(&moto.endpoint(), "plain");
    let known = set_up_in(&bucket, state.path(), None).unwrap();
    conforms(&written_to(&bucket, state.path(), &known));
    assert_eq!(set_up_in(&bucket, state.path(), Some((&known.0, &known.1))).unwrap(), known, "again");
    assert!(matches!(set_up_in(&bucket, state.path(), None), Err(PlaceError::Foreign { .. })), "another host of the name");
    let elsewhere = config::Bucket { prefix: String::new(), ..bucket.clone() };
    assert!(matches!(Bucket::read(&elsewhere, &owner("db1"), None), Err(PlaceError::Absent { .. })));
    assert!(matches!(Bucket::read(&bucket, &owner("db2"), None), Err(PlaceError::NoPart(_))));

    // In parts, with the letters that stand in versions, and as they are to whoever looks with another tool.
    let place = written_to(&bucket, state.path(), &known);
    let (label, content) = ("notes-1.2~rc1+b-20261122T202709Z.sql.zst", long());
    assert_eq!(place.put_new(label, content.len() as u64, &mut &*content).unwrap(), Put::Created);
    assert!(keys(moto, "plain").contains(&label.to_owned()), "{:?}", keys(moto, "plain"));
    let found = place.list().unwrap().into_iter().find(|object| object.name == label).unwrap();
    assert_eq!(found.size, content.len() as u64);
    let source = place.open(label).unwrap();
    for (at, length) in [(0, content.len()), (5 << 20, 9), ((1 << 20) - 3, 7), (content.len() - 3, 3)] {
        let mut read = vec![0; length];
        source.read_exact_at(&mut read, at as u64).unwrap();
        assert!(read == content[at..at + length], "{length} bytes at {at}");
    }
    // Content that ends badly after some parts.
    let mut torn = (&content[..content.len() - 9]).chain(Broken);
    assert!(matches!(place.put_new("torn.sql.zst", LONG as u64, &mut torn), Err(PlaceError::Content { .. })));
    assert_eq!((place.stat("torn.sql.zst").unwrap(), moto.uploads("plain")), (None, 0), "its parts are gone");
}

struct Broken;

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(io::Error::other("torn"))
    }
}

/// What was begun by who died is aborted, and a bucket with a lock gets the checksums that it demands.
#[test]
fn begun_uploads_are_aborted_and_a_lock_has_its_checksums() {
    let Some(moto) = Moto::shared() else { return };
    moto.bucket("locked", "x-amz-bucket-object-lock-enabled: true\r\n");
    let state = tempfile::tempdir().unwrap();
    let bucket = named(&moto.endpoint(), "locked");
    let known = set_up_in(&bucket, state.path(), None).unwrap();
    let place = written_to(&bucket, state.path(), &known);
    let content = long();
    assert_eq!(place.put_new("a.sql.zst", LONG as u64, &mut &*content).unwrap(), Put::Created);
    assert_eq!(place.put_new("small.copy.json", 2, &mut &b"{}"[..]).unwrap(), Put::Created);

    let begun = moto.ask("POST", "/locked/some/prefix/db1/b.sql.zst?uploads", "", b"").1;
    let begun = String::from_utf8(begun).unwrap();
    let id = begun.split("<UploadId>").nth(1).unwrap().split('<').next().unwrap();
    let uploads = state.path().join("offsite/vault/uploads");
    let note = serde_json::json!({ "url": bucket.to_string(), "name": "b.sql.zst", "part": "some/prefix/db1/", "id": id });
    crate::durable::write(&uploads.join("b.sql.zst"), note.to_string().as_bytes()).unwrap();
    assert_eq!(moto.uploads("locked"), 1);
    assert_eq!((place.sweep(&|_| true).unwrap(), moto.uploads("locked"), place.sweep(&|_| true).unwrap()), (1, 0, 0));
}

/// Its name, what goes wrong with which requests, and whether there is an object at its end.
type Story<'a> = (&'a str, &'a [(&'a str, Fault)], bool);

/// Whatever is lost on the way: what is told to be there is there, and what is not told is not half there.
#[test]
fn faults_on_the_way_lose_nothing_and_make_nothing_up() {
    let Some(moto) = Moto::shared() else { return };
    moto.bucket("faulty", "");
    let state = tempfile::tempdir().unwrap();
    let straight = named(&moto.endpoint(), "faulty");
    let known = set_up_in(&straight, state.path(), None).unwrap();
    let proxy = Faulty::before(moto);
    let bucket = named(&proxy.endpoint(), "faulty");
    let content = long();
    let inside = Fault::Answer(
        "200 OK",
        "<Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>",
    );
    let of_another = Fault::Answer("200 OK", "<Error><Code>AccessDenied</Code><Message>no</Message></Error>");
    // Each in a name of its own, so that what one leaves is not another's.
    let stories: [Story<'_>; 8] = [
        ("lost-part", &[("PUT partNumber=2", Fault::LoseAnswer)], true),
        ("slow", &[("PUT partNumber=1", SLOW_DOWN), ("PUT partNumber=2", SLOW_DOWN), ("POST uploads", SLOW_DOWN)], true),
        ("error-inside", &[("POST uploadId=", inside)], true),
        ("lost-complete", &[("POST uploadId=", Fault::LoseAnswer)], true),
        ("denied-inside", &[("POST uploadId=", of_another)], false),
        ("cut-read", &[("GET db1/cut-read", Fault::Cut(3_000_000))], true),
        ("lost-small", &[("PUT db1/lost-small", Fault::LoseAnswer)], true),
        ("cut-list", &[("GET list-type=2", Fault::Cut(400))], true),
    ];
    for (story, faults, works) in stories {
        let place = written_to(&bucket, state.path(), &known);
        faults.iter().for_each(|(words, fault)| proxy.on(words, fault.clone()));
        let sent = if story == "lost-small" { &content[..9] } else { &content[..] };
        let put = place.put_new(story, sent.len() as u64, &mut &*sent);
        assert_eq!(proxy.left(), 0, "{story}: every fault was met");
        match (works, put) {
            (true, put) => assert_eq!(put.unwrap(), Put::Created, "{story}"),
            (false, put) => assert!(put.is_err(), "{story}: {put:?}"),
        }
        assert_eq!(place.stat(story).unwrap(), works.then_some(sent.len() as u64), "{story}");
        assert_eq!(moto.uploads("faulty"), 0, "{story}");
    }
    // A listing that goes on and does not say how is not the whole, and is asked for again.
    let place = written_to(&bucket, state.path(), &known);
    proxy
        .on("GET list-type=2", Fault::Answer("200 OK", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"));
    assert_eq!((place.list().unwrap().len(), proxy.left()), (7, 0));
    // What is no listing says nothing of what is there: neither that all is gone nor that a name is free.
    let error = Fault::Answer("200 OK", "<Error><Code>InternalError</Code><Message>m</Message></Error>");
    let page = Fault::Answer("200 OK", "<html><body>We are back soon.</body></html>");
    let nothing = Fault::Answer("200 OK", "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>");
    proxy.on("GET list-type=2", error.clone());
    assert_eq!((place.list().unwrap().len(), proxy.left()), (7, 0));
    for fault in [error, page] {
        proxy.on("GET list-type=2", fault);
        let refused = place.put_new("lost-small", 2, &mut &b"no"[..]).unwrap_err();
        assert!(refused.is_of_the_place() && refused.to_string().contains("a listing"), "{refused}");
    }
    proxy.on("GET list-type=2", nothing);
    let refused = place.list().unwrap_err().to_string();
    assert!(refused.contains("leaves out s3://faulty/some/prefix/db1/.upkeep-owner.json"), "{refused}");
    // One that does not come to an end, and one whose first page is empty.
    let again =
        "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken></ListBucketResult>";
    (0..2).for_each(|_| proxy.on("GET list-type=2", Fault::Answer("200 OK", again)));
    let refused = place.list().unwrap_err().to_string();
    assert!(refused.contains("goes on where it was already"), "{refused}");
    let found = "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>some/prefix/db1/later</Key><Size>3</Size>\
                 <LastModified>2026-11-22T20:27:09.000Z</LastModified></Contents></ListBucketResult>";
    [again, found].into_iter().for_each(|page| proxy.on("GET list-type=2", Fault::Answer("200 OK", page)));
    assert_eq!((place.stat("later").unwrap(), proxy.left()), (Some(3), 0));
    // An object that has to be thawed is told as that.
    let source = place.open("lost-small").unwrap();
    let cold = "<Error><Code>InvalidObjectState</Code><Message>m</Message></Error>";
    proxy.on("GET db1/lost-small", Fault::Answer("403 Forbidden", cold));
    let cold = PlaceError::content("lost-small".to_owned(), source.read_exact_at(&mut [0; 9], 0).unwrap_err());
    assert!(cold.is_cold() && !cold.is_of_the_place(), "{cold}");
}

/// Content during which somebody else makes an object of the same name, and which is given up at its end.
struct Meanwhile<'a, F: FnMut() -> io::Result<()>>(&'a [u8], F);

impl<F: FnMut() -> io::Result<()>> Read for Meanwhile<'_, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        if read == 0 {
            (self.1)()?;
        }
        Ok(read)
    }
}

/// A service that knows no conditions is looked at right before an object is made; whether it does is said by what was asked on one.
#[test]
fn names_are_kept_where_a_service_knows_no_conditions() {
    let Some(moto) = Moto::shared() else { return };
    moto.bucket("bare", "");
    let state = tempfile::tempdir().unwrap();
    let straight = named(&moto.endpoint(), "bare");
    let known = set_up_in(&straight, state.path(), None).unwrap();
    let proxy = Faulty::before(moto);
    let bucket = named(&proxy.endpoint(), "bare");
    let unknown = Fault::Answer("400 Bad Request", "<Error><Code>NotImplemented</Code><Message>m</Message></Error>");
    let place = written_to(&bucket, state.path(), &known);
    proxy.on("GET list-type=2", unknown.clone());
    place.stat("a").unwrap_err();
    assert_eq!((place.try_out().unwrap().keeps_names, proxy.left()), (true, 0), "that was no answer to a condition");

    proxy.on("PUT .upkeep-owner.json", unknown.clone());
    let tried = place.try_out().unwrap();
    assert!(!tried.keeps_names && tried.advice[0].contains("looks before it writes") && proxy.left() == 0, "{tried:?}");
    assert_eq!(place.put_new("small", 5, &mut &b"bytes"[..]).unwrap(), Put::Created);
    let content = long();
    let mut taken = Meanwhile(&content, || {
        assert_eq!(moto.ask("PUT", "/bare/some/prefix/db1/taken", "", b"another's").0, 200);
        Ok(())
    });
    assert_eq!(place.put_new("taken", LONG as u64, &mut taken).unwrap(), Put::Exists);
    assert_eq!((place.stat("taken").unwrap(), moto.uploads("bare")), (Some(9), 0), "it is as it was");

    // A conflict is none with what is there, and passes.
    let place = written_to(&bucket, state.path(), &known);
    let conflict = "<Error><Code>ConditionalRequestConflict</Code><Message>m</Message></Error>";
    proxy.on("PUT db1/raced", Fault::Answer("409 Conflict", conflict));
    assert_eq!((place.put_new("raced", 5, &mut &b"bytes"[..]).unwrap(), proxy.left()), (Put::Created, 0));
    // Given up while it is read back, it has a name, and nobody has said that it is whole.
    let mut asked = 0;
    let mut halted = Meanwhile(b"bytes", || {
        asked += 1;
        if asked > 1 { Err(io::ErrorKind::Interrupted.into()) } else { Ok(()) }
    });
    let ended = place.put_new("halted", 5, &mut halted).unwrap_err();
    assert!(matches!(&ended, PlaceError::Content { source, .. } if source.kind() == io::ErrorKind::Interrupted), "{ended:?}");
    assert_eq!(place.put_new("halted", 5, &mut &b"bytes"[..]).unwrap(), Put::Exists);
}

/// Each refusal is a sentence of its own, with what is safe and what to do, and says nothing of the key.
#[test]
fn refusals_are_told_apart() {
    let Some(moto) = Moto::shared() else { return };
    let proxy = Faulty::before(moto);
    let read = |bucket: &config::Bucket| Bucket::read(bucket, &owner("db1"), None).unwrap_err();
    let told = |error: &PlaceError, words: &str| {
        let text = error.to_string();
        assert!(text.contains(words) && !text.contains("secret") && !text.contains("some/prefix/some"), "{text}");
        assert!(error.safe().is_some() && !error.hints().is_empty(), "{text}");
    };
    let bucket = named(&proxy.endpoint(), "nowhere");
    told(&read(&bucket), "there is no bucket at s3://nowhere/some/prefix");
    for (code, number, words) in [
        ("InvalidAccessKeyId", "403 Forbidden", "refuses the key"),
        ("SignatureDoesNotMatch", "403 Forbidden", "refuses the key"),
        ("ExpiredToken", "400 Bad Request", "has expired"),
        ("RequestTimeTooSkewed", "403 Forbidden", "of this host's clock"),
        ("AccessDenied", "403 Forbidden", "the key may not look for"),
        ("AuthorizationHeaderMalformed", "400 Bad Request", "is not where it is asked for"),
        ("Odd", "400 Bad Request", "Odd: what it was"),
    ] {
        let body =
            format!("<Error><Code>{code}</Code><Message>what it was</Message><AWSAccessKeyId>secret</AWSAccessKeyId></Error>");
        proxy.on("GET list-type=2", Fault::Answer(number, body.leak()));
        told(&read(&bucket), words);
    }
    let refusal = "<Error><Code>AccessDenied</Code></Error>";
    proxy.on("GET list-type=2", Fault::Answer("403 Forbidden", refusal));
    let rights = read(&bucket).hints().join("\n");
    assert!(rights.contains("s3:AbortMultipartUpload") && rights.contains("nowhere/some/prefix/db1/*"), "{rights}");
    (0..4).for_each(|_| proxy.on("GET list-type=2", SLOW_DOWN));
    told(&read(&bucket), "asks for patience: SlowDown");
    let nobody = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap() };
    told(&read(&named(&format!("http://{nobody}"), "b")), "cannot be reached");
    // No machine is asked for keys.
    let without = config::Bucket { keys: Keys::Variable("KEYS".to_owned(), None), ..bucket.clone() };
    let error = read(&without);
    told(&error, "the environment variable KEYS");
    let odd = config::Bucket { keys: Keys::Variable("KEYS".to_owned(), Some(Secret::new("secret".to_owned()))), ..bucket };
    let text = read(&odd).to_string();
    assert!(text.contains("neither two lines") && !text.contains("`secret`"), "{text}");
}
