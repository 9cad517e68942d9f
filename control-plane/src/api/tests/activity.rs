//! The record of what was done and asked, through the API.

use super::checks::{CHECK, runtime, start};
use super::*;

/// Texts that would be something else to a database, a shell, a browser or a log.
const HOSTILE: [&str; 12] = [
    "'; DROP TABLE activity; --",
    "\" OR \"\"=\"",
    "$1",
    "%",
    "_",
    "\\",
    "<script>alert(1)</script>",
    "\r\nX: y",
    "\u{1b}[31m",
    "é\u{301}\u{202e}日本\u{1f600}",
    "{\"a\":1}",
    "",
];

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

impl Running {
    /// Every record that a query finds, page by page; and how many pages there were.
    async fn activity(&self, query: &str) -> (Vec<Value>, usize) {
        let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = self.get(0, &format!("/v1/activity?{query}{cursor}")).await.json(200);
            found.extend(page["items"].as_array().unwrap().iter().cloned());
            pages += 1;
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return (found, pages),
            }
        }
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn records_are_found_by_what_is_in_them() {
    on_both(async |database| {
        let (running, manager, first) = start(&database).await;
        let second = runtime(&running, &manager, "second").await;
        for (number, (key, tool, tenant)) in [
            (&first, "read", "t1"),
            (&first, "refund", "t1"),
            (&second, "refund", "t2"),
            (&second, "read", "t2"),
            (&first, "drop", "t2"),
        ]
        .into_iter()
        .enumerate()
        {
            let body = json!({"backend": "files", "tool": tool, "tenant": tenant, "args": {"secret": "kept-nowhere"}, "resource": number.to_string()});
            running.post(key, CHECK, &body).await.json(200);
        }
        let check = "action=permission.check";
        let cases = [
            (check.to_owned(), vec!["4", "3", "2", "1", "0"]),
            ("action=permission.*".to_owned(), vec!["4", "3", "2", "1", "0"]),
            ("object=refund".to_owned(), vec!["2", "1"]),
            ("object=refund&tenant=t1".to_owned(), vec!["1"]),
            (format!("{check}&actor=second"), vec!["3", "2"]),
            (format!("{check}&permission=disabled"), vec!["4", "2"]),
            ("permission=allowed&actor=runtime".to_owned(), vec!["0"]),
            ("tenant=t2".to_owned(), vec!["4", "3", "2"]),
            ("object=Refund".to_owned(), vec![]),
            ("object=refun_".to_owned(), vec![]),
            ("action=permission.che".to_owned(), vec![]),
            ("action=permissio_.*".to_owned(), vec![]),
            ("tenant=".to_owned(), vec![]),
        ];
        for (query, expected) in cases {
            let (found, _) = running.activity(&query).await;
            let resources: Vec<_> =
                found.iter().map(|record| record["details"]["resource"].as_str().unwrap()).collect();
            assert_eq!(resources, expected, "{query}");
            for limit in 1..=3 {
                assert_eq!(running.activity(&format!("{query}&limit={limit}")).await.0, found, "{query}");
            }
        }

        // By time: each record ends one span and begins the next.
        let (all, _) = running.activity("").await;
        assert!(all.len() >= 9, "{all:?}");
        assert!(all.is_sorted_by(|newer, older| newer["id"].as_str() > older["id"].as_str()));
        for record in &all {
            let at = encoded(record["at"].as_str().unwrap());
            let (since, _) = running.activity(&format!("since={at}&limit=3")).await;
            let (until, _) = running.activity(&format!("until={at}&limit=3")).await;
            assert!(since.contains(record) && !until.contains(record), "{record}");
            let both: Vec<_> = since.into_iter().chain(until).collect();
            assert_eq!(both.len(), all.len());
            let one = running.get(0, &format!("/v1/activity/{}", record["id"].as_str().unwrap())).await;
            assert_eq!(one.json(200), *record);
        }
        let checked = &running.activity("object=drop").await.0[0];
        let jti = checked["details"]["jti"].as_str().unwrap();
        assert_eq!((jti.len(), checked["actor_kind"].as_str()), (22, Some("standard")));
        assert!(checked["origin"].as_str().unwrap().starts_with("127.0.0.1:"), "{checked}");
        let mut details = checked["details"].clone();
        details.as_object_mut().unwrap().remove("jti");
        let args = receipt::args_sha256(r#"{"secret":"kept-nowhere"}"#).unwrap();
        assert_eq!(
            details,
            json!({"backend": "files", "resource": "4", "level": "gate/tool-disabled", "policy": 1, "args_sha256": args})
        );
        assert!(!all.iter().any(|record| record.to_string().contains("kept-nowhere")));
        let bytes = database.bytes();
        assert!(!bytes.windows(12).any(|window| window == b"kept-nowhere"), "arguments are in the store");

        let stranger = running.key("other", "ops", Tier::Management).await;
        let theirs = send(running.address, "GET", "/v1/activity", &stranger, "").await.json(200);
        assert_eq!(theirs["items"].as_array().unwrap().len(), 1, "{theirs}");
        let path = format!("/v1/activity/{}", all[0]["id"].as_str().unwrap());
        send(running.address, "GET", &path, &stranger, "").await.problem(404, "not_found");
        send(running.address, "GET", &path, &first, "").await.problem(403, "cannot_configure");
    });
}

#[test]
fn texts_come_back_as_they_went_in() {
    on_both(async |database| {
        let (running, _, key) = start(&database).await;
        for text in HOSTILE {
            let backend = if text.is_empty() { "b" } else { text };
            let body = json!({"backend": backend, "tool": text, "tenant": text, "resource": text, "method": text, "reasoning": text, "args": {text: text}});
            running.post(&key, CHECK, &body).await.json(200);
            for filter in ["object", "tenant"] {
                let (found, _) = running.activity(&format!("{filter}={}", encoded(text))).await;
                assert_eq!(found.len(), 1, "{filter} {text:?}: {found:?}");
                let record = &found[0];
                assert_eq!((&record["object"], &record["tenant"]), (&json!(text), &json!(text)));
                for (field, value) in [("backend", backend), ("resource", text), ("method", text)] {
                    assert_eq!(record["details"][field], value, "{field}");
                }
            }
        }
    });
}

#[test]
fn queries_of_a_wrong_form_are_refused() {
    on_both(async |database| {
        let (running, _, _) = start(&database).await;
        for query in [
            "action=permission",
            "action=*",
            "action=.*",
            "action=permission.",
            "action=permission.*.*",
            "action=PERMISSION.*",
            "action=a%25.*",
            "actor=%00",
            "object=a%00",
            "permission=perhaps",
            "since=yesterday",
            "since=2027-01-31",
            "until=1",
            "cursor=x",
            "cursor=AAAA",
            "limit=0",
            "limit=201",
            "limit=x",
            "order=up",
            "actor=a&actor=b",
        ] {
            let answer = running.get(0, &format!("/v1/activity?{query}")).await;
            assert_eq!(answer.status, 400, "{query}: {}", answer.body);
            answer.problem(400, "query_unexpected");
        }
        for id in ["x", "01900000-0000-7000-8000-000000000000", "%ff", "%00"] {
            running.get(0, &format!("/v1/activity/{id}")).await.problem(404, "not_found");
        }
    });
}
