//! The keys of a bucket, as people have them: the lines of Amazon's own file, or both halves in one line.
//!
//! Invariant: what is wrong with them is said without a letter of them.

use object_store::aws::AwsCredential;

/// Reads keys. Of a file with several profiles the first that has both halves counts.
pub(super) fn read(text: &str) -> Result<AwsCredential, String> {
    let mut found = AwsCredential { key_id: String::new(), secret_key: String::new(), token: None };
    let mut has_lines = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if line.starts_with('[') {
            if is_whole(&found) {
                break;
            }
            found = AwsCredential { key_id: String::new(), secret_key: String::new(), token: None };
            continue;
        }
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim().to_owned();
        match name.trim().trim_start_matches("export ").to_ascii_lowercase().as_str() {
            "aws_access_key_id" => found.key_id = value,
            "aws_secret_access_key" => found.secret_key = value,
            "aws_session_token" => found.token = Some(value).filter(|token| !token.is_empty()),
            _ => continue,
        }
        has_lines = true;
    }
    if !has_lines {
        found = in_one_line(text.trim())
            .ok_or("they are neither two lines `aws_access_key_id = …` and `aws_secret_access_key = …` nor one, `ID:SECRET`")?;
    }
    match (found.key_id.is_empty(), found.secret_key.is_empty()) {
        (true, _) => Err("`aws_access_key_id` is missing".to_owned()),
        (_, true) => Err("`aws_secret_access_key` is missing".to_owned()),
        _ if !is_plain(&found) => Err("they hold letters that no key has".to_owned()),
        _ => Ok(found),
    }
}

fn is_whole(keys: &AwsCredential) -> bool {
    !keys.key_id.is_empty() && !keys.secret_key.is_empty()
}

/// What goes into a header has no blank and nothing that ends one.
fn is_plain(keys: &AwsCredential) -> bool {
    let plain = |text: &str| text.chars().all(|letter| letter.is_ascii_graphic());
    plain(&keys.key_id) && plain(&keys.secret_key) && keys.token.as_deref().is_none_or(plain)
}

fn in_one_line(text: &str) -> Option<AwsCredential> {
    let mut parts = text.splitn(3, ':');
    let (key_id, secret_key) = (parts.next()?, parts.next()?);
    Some(AwsCredential { key_id: key_id.to_owned(), secret_key: secret_key.to_owned(), token: parts.next().map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_people_have_them() {
        let read = |text: &str| read(text).map(|keys| (keys.key_id, keys.secret_key, keys.token));
        let both = (String::from("AK"), String::from("s/e+c=="), None);
        for text in [
            "aws_access_key_id = AK\naws_secret_access_key = s/e+c==",
            "[default]\naws_access_key_id=AK\r\naws_secret_access_key=s/e+c==\r\n[other]\naws_access_key_id=XX\naws_secret_access_key=y",
            "# of the vault\n[empty]\nregion = x\n[one]\nAWS_ACCESS_KEY_ID = AK\nexport AWS_SECRET_ACCESS_KEY=s/e+c==\n",
            "AK:s/e+c==",
        ] {
            assert_eq!(read(text).unwrap(), both, "{text}");
        }
        let token = Some("t:k".to_owned());
        assert_eq!(read("AK:s:t:k").unwrap().2, token);
        assert_eq!(read("aws_access_key_id=AK\naws_secret_access_key=s\naws_session_token=t:k").unwrap().2, token);
        for text in ["", "hidden", "aws_access_key_id=hidden", "aws_secret_access_key=hidden", ":hidden", "AK:hid den", "AK:"] {
            let refused = read(text).unwrap_err();
            assert!(!refused.contains("hid"), "{refused}");
        }
    }
}
