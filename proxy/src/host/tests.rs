use config::{Auth, Cors, ListMode};
use http::Request;

use super::*;

fn hosts(address: &str) -> Hosts {
    let settings = Listener {
        name: "agents".to_owned(),
        address: address.parse().unwrap(),
        auth: Auth::default(),
        list: ListMode::Off,
        hold_limit_seconds: 55,
        public_url: None,
        tls: None,
        http2: true,
        hosts: ["tools.example", "gate.example:8443", "[fd00::7]"].map(str::to_owned).to_vec(),
        origins: ["https://app.example", "http://localhost:6274"].map(str::to_owned).to_vec(),
        cors: Cors::default(),
    };
    Hosts::new(&settings, settings.address)
}

fn head(target: &str, headers: &[(&str, &str)]) -> Parts {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.body(()).unwrap().into_parts().0
}

/// The name of the reason, or nothing.
fn refused(hosts: &Hosts, head: &Parts) -> &'static str {
    hosts.check(head, false).err().map_or("", |refusal| refusal.name())
}

#[test]
fn which_hosts_are_answered_to() {
    let hosts = hosts("127.0.0.1:8080");
    for (host, expected) in [
        ("127.0.0.1:8080", ""),
        ("127.0.0.1", ""),
        ("localhost:8080", ""),
        ("LOCALHOST:8080", ""),
        ("[::1]:8080", ""),
        ("[::1]", ""),
        ("tools.example", ""),
        ("Tools.Example:8080", ""),
        ("gate.example:8443", ""),
        ("[fd00::7]:8080", ""),
        ("", "bad-host"),
        ("localhost:", "bad-host"),
        ("localhost:80", "bad-host"),
        ("localhost:08080", "bad-host"),
        ("localhost:8080:8080", "bad-host"),
        ("localhost.", "bad-host"),
        (".localhost", "bad-host"),
        ("localhost.evil.example", "bad-host"),
        ("evil.example", "bad-host"),
        ("gate.example", "bad-host"),
        ("gate.example:8080", "bad-host"),
        ("user@localhost:8080", "bad-host"),
        ("localhost:8080@evil.example", "bad-host"),
        ("localhost:8080,evil.example", "bad-host"),
        ("localhost:8080 evil.example", "bad-host"),
        ("localhost:8080/evil", "bad-host"),
        ("::1", "bad-host"),
        ("[::1%25lo]:8080", "bad-host"),
        ("[::1", "bad-host"),
        ("127.1:8080", "bad-host"),
        ("2130706433:8080", "bad-host"),
        ("0x7f000001:8080", "bad-host"),
        ("0.0.0.0:8080", "bad-host"),
        ("locälhost:8080", "bad-host"),
    ] {
        assert_eq!(refused(&hosts, &head("/mcp", &[("host", host)])), expected, "{host}");
    }
    for (target, headers, expected) in [
        ("/mcp", &[][..], "unclear-host"),
        ("/mcp", &[("host", "localhost:8080"), ("host", "localhost:8080")], "unclear-host"),
        ("http://localhost:8080/mcp", &[("host", "localhost:8080")], ""),
        ("http://localhost:8080/mcp", &[("host", "127.0.0.1:8080")], "bad-host"),
        ("http://evil.example/mcp", &[("host", "localhost:8080")], "bad-host"),
        ("http://u@localhost:8080/mcp", &[("host", "localhost:8080")], "bad-host"),
        ("https://localhost:8080/mcp", &[("host", "localhost:8080")], "bad-host"),
        ("ftp://localhost:8080/mcp", &[("host", "localhost:8080")], "bad-host"),
    ] {
        assert_eq!(refused(&hosts, &head(target, headers)), expected, "{target} {headers:?}");
    }
}

#[test]
fn http_2_names_its_host_in_the_authority() {
    let hosts = hosts("127.0.0.1:8080");
    for (target, host, expected) in [
        ("https://localhost:8080/mcp", None, ""),
        ("http://localhost:8080/mcp", Some("localhost:8080"), ""),
        ("http://localhost:8080/mcp", Some("evil.example"), "bad-host"),
        ("http://evil.example/mcp", None, "bad-host"),
        ("/mcp", None, "unclear-host"),
    ] {
        let headers: Vec<(&str, &str)> = host.map(|host| ("host", host)).into_iter().collect();
        let mut head = head(target, &headers);
        head.version = Version::HTTP_2;
        assert_eq!(refused(&hosts, &head), expected, "{target} {host:?}");
    }
}

#[test]
fn whose_pages_may_call() {
    let hosts = hosts("127.0.0.1:8080");
    for (origins, expected) in [
        (&[][..], ""),
        (&["https://app.example"], ""),
        (&["HTTPS://App.Example"], ""),
        (&["http://localhost:6274"], ""),
        (&["http://localhost:8080"], ""),
        (&["https://app.example", "http://localhost:6274"], ""),
        (&["https://app.example", "https://evil.example"], "bad-origin"),
        (&["null"], "bad-origin"),
        (&[""], "bad-origin"),
        (&["*"], "bad-origin"),
        (&["http://app.example"], "bad-origin"),
        (&["https://app.example:8443"], "bad-origin"),
        (&["https://app.example.evil.example"], "bad-origin"),
        (&["https://evil.example/https://app.example"], "bad-origin"),
        (&["https://localhost:8080"], "bad-origin"),
        (&["http://localhost"], "bad-origin"),
        (&["http://127.0.0.1:8080"], "bad-origin"),
        (&["https://app.example https://evil.example"], "bad-origin"),
        (&["chrome-extension://abc"], "bad-origin"),
    ] {
        let mut headers = vec![("host", "localhost:8080")];
        headers.extend(origins.iter().map(|origin| ("origin", *origin)));
        assert_eq!(refused(&hosts, &head("/mcp", &headers)), expected, "{origins:?}");
    }
    // Over TLS the listener's own pages are others.
    for (origin, is_fine) in [("https://localhost:8080", true), ("http://localhost:8080", false)] {
        let head = head("/mcp", &[("host", "localhost:8080"), ("origin", origin)]);
        assert_eq!(hosts.check(&head, true).is_ok(), is_fine, "{origin}");
    }
}

#[test]
fn a_refusal_shows_a_little_of_what_was_sent() {
    let hosts = hosts("127.0.0.1:8080");
    for (host, expected) in [
        ("evil.example".to_owned(), "the host `evil.example`; add it to the listener's `hosts`"),
        ("a`b\"<é".to_owned(), r#"the host `a'b\"<\xc3\xa9`;"#),
        ("a".repeat(5000), &format!("the host `{}…`;", "a".repeat(128))),
    ] {
        let refusal = hosts.check(&head("/mcp", &[("host", &host)]), false).unwrap_err().to_string();
        assert!(refusal.contains(expected), "{refusal}");
    }
}
