use proptest::prelude::*;

use super::*;

#[test]
fn keys_that_look_secret_hide_their_values() {
    for key in [
        "password",
        "Password",
        "PASSWORD",
        "userPassword",
        "db_passwd",
        "pass-phrase",
        "secret",
        "client_secret",
        "token",
        "accessToken",
        "refresh-token",
        "api_key",
        "apiKey",
        "X-API-Key",
        "x.api.key",
        "Authorization",
        "Proxy-Authorization",
        "cookie",
        "Set-Cookie",
        "private_key",
        "PrivateKey",
        "aws_secret_access_key",
        "credentials",
        "session_id",
        "pin",
        "CVV",
        "otp",
        "auth",
        "card_number",
        "tokens_secret",
    ] {
        for value in [r#""v""#, "7", "[1,2]", r#"{"a":"b"}"#] {
            let masked = mask_arguments(&format!(r#"{{"{key}":{value}}}"#));
            assert_eq!(masked, format!(r#"{{"{key}":"•••"}}"#));
        }
    }
    for plain in [
        r#"{"path":"/etc/hosts"}"#,
        r#"{"max_tokens":100}"#,
        r#"{"author":"a","keyboard":"b","monkey":2,"passenger":"c","pinned":1}"#,
        r#"{"password":null,"use_token":true}"#,
        r#"{"list":[1,-2.5,1.5,true,null,"x \"y\" é"]}"#,
        r#"{"created_ms":1767225600000,"nanos":1767225600000000000}"#,
        "{}",
    ] {
        assert_eq!(mask_arguments(plain), plain);
    }
}

#[test]
fn secrets_in_other_shapes_of_arguments() {
    let cases = [
        (r#"{"a":{"b":[{"password":"x"}]}}"#, r#"{"a":{"b":[{"password":"•••"}]}}"#),
        (
            r#"{"headers":[{"name":"Authorization","value":"x y"}]}"#,
            r#"{"headers":[{"name":"Authorization","value":"•••"}]}"#,
        ),
        (r#"{"key":"region","value":"eu"}"#, r#"{"key":"region","value":"eu"}"#),
        (r#"{"args":["--password","x","-v"]}"#, r#"{"args":["--password","•••","-v"]}"#),
        (r#"{"args":["--password=x","-v"]}"#, r#"{"args":["--password=•••","-v"]}"#),
        (r#"{"body":"{\"password\":\"a b\",\"n\":1}"}"#, r#"{"body":"{\"password\":\"•••\",\"n\":1}"}"#),
        (r#"{"card":4111111111111111}"#, r#"{"card":"•••"}"#),
        (r#"{"to":"ada@example.org"}"#, r#"{"to":"•••@example.org"}"#),
        (r#"{"ada@example.org":1,"bob@example.org":2}"#, r#"{"•••@example.org":1,"•••@example.org":2}"#),
        ("not json", "•••"),
        (r#"{"password":"x""#, "•••"),
    ];
    for (arguments, expected) in cases {
        assert_eq!(mask_arguments(arguments), expected, "{arguments}");
    }
}

#[test]
fn secrets_in_text() {
    let cases = [
        ("password=hunter2 and go", "password=••• and go"),
        ("PASSWORD: hunter2, go", "PASSWORD: •••, go"),
        ("my_api_key = 'a b c' go", "my_api_key = '•••' go"),
        (r#"{"secret": "a b", "x": 1}"#, r#"{"secret": "•••", "x": 1}"#),
        (r#"{\"token\":\"abc\",\"x\":1}"#, r#"{\"token\":\"•••\",\"x\":1}"#),
        ("curl --token abc https://x.y/", "curl --token ••• https://x.y/"),
        ("?access_token=abc&x=1", "?access_token=•••&x=1"),
        ("Authorization: Bearer abc.def\nHost: x", "Authorization: •••\nHost: x"),
        ("Cookie: a=b; c=d\nHost: x", "Cookie: •••\nHost: x"),
        ("-H 'Authorization: Basic YTpi'", "-H 'Authorization: •••'"),
        ("use bearer a1b2c3d4 now", "use bearer ••• now"),
        ("secret=Bearer abc def", "secret=•••"),
        ("key sk-abcdefghijklmnop1234.", "key •••"),
        ("AKIAIOSFODNN7EXAMPLE!", "•••!"),
        ("oak_session_0123456789abcdef", "•••"),
        ("(eyJhbGciOiJIUzI1NiJ9.e30.abc)", "(•••)"),
        ("postgres://ada:pw@db.local/x", "postgres://•••@db.local/x"),
        ("https://tok@host/a?b=c@d", "https://•••@host/a?b=c@d"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMII\n-----END RSA PRIVATE KEY-----\nx",
            "-----BEGIN RSA PRIVATE KEY-----•••-----END RSA PRIVATE KEY-----\nx",
        ),
        ("-----BEGIN PRIVATE KEY-----\nMII", "-----BEGIN PRIVATE KEY-----•••"),
    ];
    for (text, expected) in cases {
        assert_eq!(mask_text(text, 1000), expected, "{text}");
    }
}

#[test]
fn personal_data_in_text() {
    let cases = [
        ("mail ada.l+x@mail.example.org, please", "mail •••@mail.example.org, please"),
        ("mailto:ada@example.org", "mailto:•••@example.org"),
        ("<müller@example.org>", "<•••@example.org>"),
        ("card 4111 1111 1111 1111 123", "card ••• 123"),
        ("12 4111-1111-1111-1111.", "12 •••."),
        ("card4111111111111111", "card•••"),
        ("5555555555554444", "•••"),
        ("378282246310005", "•••"),
        ("DE89 3704 0044 0532 0130 00 FOR RENT", "••• FOR RENT"),
        ("GB82WEST12345698765432", "•••"),
        ("ssn 078-05-1120", "ssn •••"),
        ("call +49 (30) 901820-0.", "call •••."),
    ];
    for (text, expected) in cases {
        assert_eq!(mask_text(text, 1000), expected, "{text}");
    }
}

#[test]
fn plain_text_stays() {
    for text in [
        "I read the file because the user asked for it.",
        "bearer certificates are basic knowledge",
        "4111 1111 1111 1112 is no card",
        "order 1767225600000, 12345678901234",
        "550e8400-e29b-41d4-a716-446655440000",
        "DE89 3704 0044 0532 0130 02",
        "2024-05-11 at 10:00, 999-05-1120",
        "user@localhost, @name, a @ b.c",
        "https://example.org/a?b=c",
        "-----BEGIN CERTIFICATE-----\nMII",
        "the token was used\tonce",
        "1 + 1 = 2, +7 of 10",
    ] {
        assert_eq!(mask_text(text, 1000), text);
    }
}

#[test]
fn characters_that_deceive_are_replaced() {
    assert_eq!(
        mask_text("a\u{202e}b\u{1b}[2Kc\u{200b}d\re\u{9b}", 1000),
        "a\u{fffd}b\u{fffd}[2Kc\u{fffd}d\u{fffd}e\u{fffd}"
    );
    assert_eq!(mask_arguments("{\"a\":\"x\u{2066}\\u0007\"}"), "{\"a\":\"x\u{fffd}\u{fffd}\"}");
}

#[test]
fn what_is_too_long_is_cut_and_says_so() {
    assert_eq!(mask_text("12345", 5), "12345");
    assert_eq!(mask_text("123456", 5), "12345… (cut)");
    assert_eq!(mask_text("1234é", 5), "1234… (cut)");
    assert_eq!(mask_text("ab password=x", 12), "ab password=… (cut)");
    let long = format!(r#"{{"a":"{}","password":"x"}}"#, "y".repeat(ARGUMENTS_BYTES_MAX));
    let masked = mask_arguments(&long);
    assert!(masked.ends_with("yyy… (cut)") && masked.len() == ARGUMENTS_BYTES_MAX + CUT.len(), "{masked}");
}

proptest! {
    #[test]
    fn any_text_keeps_the_limit_and_is_masked_once(text in ".{0,200}", limit_bytes in 0..300usize) {
        let masked = mask_text(&text, limit_bytes);
        prop_assert!(masked.len() <= limit_bytes + CUT.len());
        let whole = mask_text(&text, usize::MAX);
        prop_assert!(masked == whole || masked.strip_suffix(CUT).is_some_and(|cut| whole.starts_with(cut)));
    }

    #[test]
    fn a_secret_never_shows(before in "[ -~]{0,40}", secret in "[a-zA-Z0-9]{12,40}") {
        let text = format!("{before} api_key={secret}");
        prop_assert!(!mask_text(&text, 1000).contains(&secret));
        let arguments = serde_json::json!({ "note": text, "api-key": secret }).to_string();
        prop_assert!(!mask_arguments(&arguments).contains(&secret));
    }
}
