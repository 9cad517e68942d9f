use config::{Auth, Cors as Settings, ListMode};
use http::Request;

use super::*;

const ORIGIN: HeaderValue = HeaderValue::from_static("https://app.example");

fn cors(origins: &[&str], settings: Settings) -> Option<Cors> {
    Cors::new(&Listener {
        name: "agents".to_owned(),
        address: "127.0.0.1:8080".parse().unwrap(),
        auth: Auth::default(),
        list: ListMode::Off,
        hold_limit_seconds: 55,
        public_url: None,
        tls: None,
        http2: true,
        hosts: Vec::new(),
        origins: origins.iter().map(|origin| (*origin).to_owned()).collect(),
        cors: settings,
    })
}

fn preflight(cors: &Cors, headers: &[(&str, &str)]) -> Result<Option<Response<Body>>, Refusal> {
    let mut request = Request::builder().method("OPTIONS").uri("/mcp");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    cors.preflight(&request.body(()).unwrap().into_parts().0)
}

#[test]
fn what_a_page_may_ask_for() {
    let cors = cors(&["https://app.example"], Settings::default()).unwrap();
    let many = ["x"; 65].join(",");
    let long = "x".repeat(2049);
    for (asked, is_fine) in [
        (&["authorization,content-type,mcp-session-id"][..], true),
        (&["x-api-key, Mcp-Param-Region"], true),
        (&[""], true),
        (&[], true),
        (&["*"], false),
        (&["a,,b"], false),
        (&["a b"], false),
        (&["a;b"], false),
        (&["a", "b"], false),
        (&[&many], false),
        (&[&long], false),
    ] {
        let mut headers = vec![("access-control-request-method", "POST")];
        headers.extend(asked.iter().map(|asked| ("access-control-request-headers", *asked)));
        match preflight(&cors, &headers) {
            Ok(response) => {
                let response = response.unwrap();
                assert!(is_fine, "{asked:?}");
                assert_eq!(response.status(), 204);
                let allowed = response.headers().get(ACCESS_CONTROL_ALLOW_HEADERS);
                let expected = asked.first().filter(|asked| !asked.is_empty());
                assert_eq!(allowed.map(|value| value.to_str().unwrap()), expected.copied());
                assert_eq!(response.headers()[ACCESS_CONTROL_MAX_AGE], "600");
                assert!(!response.headers().contains_key(ALLOW_PRIVATE_NETWORK));
            }
            Err(refusal) => assert!(!is_fine && refusal.name() == "bad-preflight", "{asked:?}: {refusal}"),
        }
    }
    assert!(preflight(&cors, &[]).unwrap().is_none());
}

#[test]
fn a_private_network_is_open_only_where_it_is_said() {
    for (allow_private_network, expected) in [(false, None), (true, Some("true"))] {
        let settings = Settings { allow_private_network, ..Settings::default() };
        let cors = cors(&["https://app.example"], settings).unwrap();
        let headers =
            [("access-control-request-method", "POST"), ("access-control-request-private-network", "true")];
        let response = preflight(&cors, &headers).unwrap().unwrap();
        let allowed = response.headers().get(ALLOW_PRIVATE_NETWORK);
        assert_eq!(allowed.map(|value| value.to_str().unwrap()), expected);
    }
}

#[test]
fn which_pages_may_read_an_answer() {
    assert!(cors(&[], Settings::default()).is_none());
    let settings = Settings {
        allow_credentials: true,
        expose_headers: vec!["X-Trace".to_owned()],
        ..Settings::default()
    };
    for (settings, credentials) in [(Settings::default(), None), (settings, Some("true"))] {
        let further = settings.expose_headers.join(", ");
        let cors = cors(&["https://app.example"], settings).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert(VARY, HeaderValue::from_static("Accept"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        headers.insert("access-control-anything", HeaderValue::from_static("theirs"));
        remove_theirs(&mut headers);
        assert_eq!(headers.len(), 1);
        cors.mark(None, &mut headers);
        assert!(!headers.contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
        cors.mark(Some(ORIGIN), &mut headers);
        assert_eq!(headers[ACCESS_CONTROL_ALLOW_ORIGIN], ORIGIN);
        let exposed = headers[ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap();
        assert!(exposed.contains("Mcp-Session-Id") && exposed.ends_with(&further), "{exposed}");
        let allowed = headers.get(ACCESS_CONTROL_ALLOW_CREDENTIALS);
        assert_eq!(allowed.map(|value| value.to_str().unwrap()), credentials);
        assert!(headers.get_all(VARY).iter().any(|value| value == "Origin"));
    }
}
