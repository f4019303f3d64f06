//! Which page of which site a request comes from, where a browser asks.
//!
//! The kernel says which user connects; it cannot say which site has his browser connect, and `ssh -L` puts the socket where every site that he
//! looks at can name it. So what comes from a browser must be addressed to this host's own loopback, by a page from there. Pure. Programs
//! name themselves in no such way, and the name that they call the socket by is theirs to choose, as long as no name server could have made it up.

use axum::http::{HeaderMap, Method, Uri, header};

use crate::failure::{Class, Failure};

/// What browsers send and programs do not. To a name that is not `localhost` a browser sends none of the first, but the others, which no script of a
/// page can leave out.
const OF_BROWSERS: [&str; 6] = ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest", "origin", "referer", "accept-language"];

/// Why a request is refused, if it is.
pub(super) fn refusal(method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Failure> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let hosts: Vec<_> = headers.get_all(header::HOST).iter().collect();
    // Of two names nobody knows which was meant; one in the request line counts before the header.
    let host = match (uri.authority(), hosts.as_slice()) {
        (Some(authority), [] | [_]) => authority.as_str(),
        (None, []) => "",
        (None, [host]) => host.to_str().unwrap_or("?"),
        (_, [_, _, ..]) => "?",
    };
    let names_itself = text("user-agent").is_some_and(|agent| agent.starts_with("Mozilla/"));
    let browser = names_itself || OF_BROWSERS.iter().any(|name| headers.contains_key(*name));
    if !(here(host) || !browser && local_name(host)) {
        let shown: String = host.chars().take(80).collect();
        let failure =
            Failure::new(Class::NoPermission, format!("the request is addressed to `{shown}`, which is not this socket"));
        return Some(
            failure.hint("ask for `http://upkeep/…`, or for `http://localhost:PORT/` through `ssh -L` or `upkeep web`"),
        );
    }
    // A link or a typed address leads to a page; nothing of it can be read from elsewhere, and looking changes nothing.
    let visit =
        *method == Method::GET && text("sec-fetch-mode") == Some("navigate") && text("sec-fetch-dest") == Some("document");
    let from_elsewhere = match (text("sec-fetch-site"), text("origin")) {
        (Some("same-origin" | "none"), None) => false,
        (Some(_), None) => !visit,
        (_, Some(origin)) => origin.strip_prefix("http://") != Some(host),
        (None, None) => false,
    };
    from_elsewhere.then(|| {
        let failure = Failure::new(Class::NoPermission, "the request comes from a page of another site");
        failure.hint("open the page itself: `upkeep web`, or `ssh -L` as docs/api.md shows")
    })
}

/// Whether a name is this host's loopback, with or without a port.
fn here(host: &str) -> bool {
    let name = without_port(host);
    let v4 = name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    v4 || name == "[::1]" || name.eq_ignore_ascii_case("localhost")
}

/// Whether a name is one that a program gives a socket: none at all, or a word without a dot, which is no site's.
fn local_name(host: &str) -> bool {
    without_port(host).chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(method: &str, uri: &str, headers: &[(&'static str, &str)]) -> bool {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        refusal(&method, &uri.parse().unwrap(), &map).is_some()
    }

    #[test]
    fn programs_name_the_socket_as_they_like_but_by_no_sites_name() {
        for host in
            ["upkeep", "u", "localhost", "localhost:8080", "127.0.0.1:8080", "127.1.2.3", "[::1]:8080", "my_sock-1:80", ""]
        {
            assert!(!refused("GET", "/v1/status", &[("host", host)]), "{host}");
            assert!(!refused("POST", "/v1/reload", &[("host", host)]), "{host}");
        }
        assert!(!refused("GET", "/v1/status", &[]), "none at all");
        for host in [
            "evil.example",
            "evil.example:8080",
            "127.0.0.1.evil.example",
            "10.0.0.1",
            "[::2]",
            "localhost.",
            "a/b",
            "LOCALHOST.evil:1",
            "::1",
            "a:b",
        ] {
            assert!(refused("GET", "/v1/status", &[("host", host)]), "{host}");
        }
        assert!(refused("GET", "/", &[("host", "localhost"), ("host", "evil.example")]), "two names");
        assert!(refused("GET", "http://evil.example/", &[("host", "localhost")]), "the request line counts");
    }

    #[test]
    fn a_browser_must_be_here_and_the_page_that_asks_too() {
        let at = |host, site, mode, dest| {
            [("host", host), ("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)]
        };
        assert!(!refused("GET", "/", &at("localhost:8080", "none", "navigate", "document")), "a typed address");
        assert!(!refused("GET", "/", &at("localhost:8080", "cross-site", "navigate", "document")), "a link");
        assert!(!refused("GET", "/v1/events", &at("localhost:8080", "same-origin", "cors", "empty")), "our own page");
        assert!(
            refused("GET", "/v1/events", &at("localhost:8080", "cross-site", "no-cors", "image")),
            "an image of another site's"
        );
        assert!(refused("GET", "/", &at("localhost:8080", "cross-site", "navigate", "iframe")), "a frame of another site's");
        assert!(refused("GET", "/v1/status", &at("localhost:8080", "same-site", "cors", "empty")), "another port of this host");
        assert!(
            refused("GET", "/", &at("upkeep:8080", "none", "navigate", "document")),
            "a name that a name server may have made up"
        );
        assert!(refused("GET", "/", &at("evil.example:8080", "same-origin", "cors", "empty")), "rebound");
        for (name, value) in
            [("accept-language", "de"), ("referer", "http://evil:8080/"), ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)")]
        {
            assert!(refused("GET", "/v1/status", &[("host", "evil:8080"), (name, value)]), "rebound to a word: {name}");
            assert!(!refused("GET", "/v1/status", &[("host", "localhost:8080"), (name, value)]), "{name}");
        }

        let posted = |origin| [("host", "localhost:8080"), ("origin", origin)];
        assert!(!refused("POST", "/v1/reload", &posted("http://localhost:8080")));
        for origin in
            ["http://localhost:81", "https://localhost:8080", "http://evil.example", "null", "http://127.0.0.1:8080", ""]
        {
            assert!(refused("POST", "/v1/reload", &posted(origin)), "{origin}");
            assert!(refused("GET", "/v1/status", &posted(origin)), "{origin}");
        }
        let visited = [
            ("host", "localhost:8080"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        assert!(refused("POST", "/v1/reload", &visited), "a form of another site's");
    }
}
