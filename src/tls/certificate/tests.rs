use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;

use super::*;

/// For db.example and what is below it, 10.0.0.7 and 2001:db8::7; from 2020 to 2060.
const WHOLE: &str = "-----BEGIN CERTIFICATE-----
MIIBrTCCAVSgAwIBAgIBATAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdUZXN0IENB
MCAXDTIwMDEwMTAwMDAwMFoYDzIwNjAwMTAxMDAwMDAwWjAcMQ0wCwYDVQQKDART
aG9wMQswCQYDVQQDDAJkYjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABKt5GDJI
FIwEcD0EecZrq2UJ/hEwRBeT6TVV1k/Cg3pkkSplT9aZDJvzXJFXxyIyEWB+TBQu
DcvOUcwilCV99vujgY4wgYswOwYDVR0RBDQwMoIKZGIuZXhhbXBsZYIMKi5kYi5l
eGFtcGxlhwQKAAAHhxAgAQ24AAAAAAAAAAAAAAAHMAwGA1UdEwEB/wQCMAAwHQYD
VR0OBBYEFCBecKS2FP3NBv5ZSJCgFJW9QWl7MB8GA1UdIwQYMBaAFDnOfZNwGar4
7M5w2FMp9gsWcMhoMAoGCCqGSM49BAMCA0cAMEQCIFeorps758zKwr936ZCGfj9D
8FEhvxpTaQhH4peg71grAiBt3CtoOvAai66bVmk1n+wshHoMa3P5yF19H8YeEogc
bw==
-----END CERTIFICATE-----
";

/// Of the first version, which says nothing but whose it is.
const OLD: &str = "-----BEGIN CERTIFICATE-----
MIIBFDCBvAIBCTAKBggqhkjOPQQDAjASMRAwDgYDVQQDDAdUZXN0IENBMB4XDTI2
MTEzMDA5NTcyOVoXDTI2MTIwMTA5NTcyOVowHDENMAsGA1UECgwEU2hvcDELMAkG
A1UEAwwCZGIwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASreRgySBSMBHA9BHnG
a6tlCf4RMEQXk+k1VdZPwoN6ZJEqZU/WmQyb81yRV8ciMhFgfkwULg3LzlHMIpQl
ffb7MAoGCCqGSM49BAMCA0cAMEQCIHYCM9yaGECz8InPfB/oILrajqCHV/y5uRsd
z9I65NP0AiAiubQ7S2zmsgirmStymen4MQfPm0fgd2bAD+7TdinXAQ==
-----END CERTIFICATE-----
";

fn read(pem: &str) -> Certificate {
    Certificate::read(&CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap()
}

#[test]
fn a_certificate_says_whose_it_is_and_until_when() {
    let whole = read(WHOLE);
    assert_eq!((whole.version, whole.issuer.as_str(), whole.subject.as_str()), (3, "Test CA", "db"));
    assert_eq!(whole.names, ["db.example", "*.db.example", "10.0.0.7", "2001:db8::7"]);
    assert_eq!((whole.from(), whole.until()), ("2020-01-01 00:00:00 UTC".to_owned(), "2060-01-01 00:00:00 UTC".to_owned()));
    for (now, expected) in [(0, Time::ToCome), (1_800_000_000, Time::Now), (2_900_000_000, Time::Over), (u64::MAX, Time::Over)]
    {
        assert_eq!(whole.time(now), expected, "{now}");
    }
    let old = read(OLD);
    assert_eq!((old.version, old.subject.as_str(), old.names.len()), (1, "db", 0));
}

#[test]
fn what_is_cut_short_or_garbled_is_read_without_harm() {
    let whole = CertificateDer::from_pem_slice(WHOLE.as_bytes()).unwrap();
    for end in 0..whole.len() {
        assert_eq!(Certificate::read(&whole[..end]), None, "{end}");
        let mut garbled = whole.to_vec();
        garbled[end] ^= 0x5a;
        // Whatever it says, it says it without a panic.
        drop(Certificate::read(&garbled));
    }
}

#[test]
fn a_star_stands_for_one_part_and_for_no_address() {
    for (name, host, expected) in [
        ("db.example", "DB.example.", true),
        ("db.example", "db.example.org", false),
        ("*.db.example", "a.db.example", true),
        ("*.db.example", "a.b.db.example", false),
        ("*.db.example", "db.example", false),
        ("*.example", ".example", false),
        ("*.example", "a.example", false),
        ("*.0.0.7", "10.0.0.7", false),
        ("10.0.0.7", "10.0.0.7", true),
        ("", "", false),
        ("*", "localhost", false),
    ] {
        assert_eq!(is_for(name, host), expected, "{name} {host}");
    }
}
