//! Requests whose key is revoked while their body comes: they do nothing, and are told nothing.

use super::policy::JSON;
use super::receipts::{grant, redeem, signed, with_redis};
use super::*;

/// What the server sends once it knows who wants to send a body.
const GO_ON: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const POLICY: &str = r#"{"format":1,"org":"acme"}"#;

impl Running {
    /// Sends the head of a request with a key, revokes the key, and sends the body.
    async fn revoked_meanwhile(
        &self,
        key: &str,
        id: &str,
        request: &str,
        fields: &str,
        body: &str,
    ) -> String {
        let head = format!(
            "{request} HTTP/1.1\r\nHost: {}\r\n{key}{JSON}{fields}Content-Length: {}\r\nExpect: 100-continue\r\n\
             Connection: close\r\n\r\n",
            self.address,
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut asked = [0; GO_ON.len()];
        stream.read_exact(&mut asked).await.unwrap();
        assert_eq!(asked, GO_ON);
        self.revoke(id).await;
        stream.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn revoke(&self, id: &str) {
        let admin = self.key(ORG, &format!("revoker-of-{id}"), Tier::Management).await;
        self.ask("POST", &format!("/v1/keys/{id}/revoke"), &admin, "").await.json(200);
    }
}

#[test]
fn a_key_that_is_revoked_while_a_body_comes_changes_and_learns_nothing() {
    on_both(async |database| {
        let running = Running::start(&database, &[]).await;
        let admin = running.key(ORG, "admin", Tier::Management).await;
        let begin = format!("{admin}{JSON}If-Match: \"0\"\r\n");
        running.ask("PUT", "/v1/policy", &begin, POLICY).await.json(200);
        let made = r#"{"id":"made","tier":"management"}"#;
        let (repeat, again) = ("Idempotency-Key: one\r\n", "Idempotency-Key: two\r\nIf-Match: \"1\"\r\n");
        for (number, (request, fields, body, is_repeated)) in [
            ("PUT /v1/tenants/t", "", r#"{"description":"mine"}"#, false),
            ("POST /v1/keys", repeat, made, true),
            ("POST /v1/keys", repeat, made, false),
            ("PUT /v1/policy", again, POLICY, true),
            ("POST /v1/policy/diff", "", POLICY, false),
        ]
        .into_iter()
        .enumerate()
        {
            let id = format!("stolen-{number}");
            let key = running.key(ORG, &id, Tier::Management).await;
            if is_repeated {
                let (method, path) = request.split_once(' ').unwrap();
                let first = running.ask(method, path, &format!("{key}{JSON}{fields}"), body).await;
                assert!(matches!(first.status, 200 | 201), "{request}: {}", first.body);
            }
            let answer = running.revoked_meanwhile(&key, &id, request, fields, body).await;
            assert!(answer.starts_with("HTTP/1.1 401 "), "{request}: {answer}");
        }
        running.ask("GET", "/v1/tenants/t", &admin, "").await.problem(404, "not_found");
        let metrics = running.ask("GET", "/metrics", "", "").await.body;
        assert!(metrics.contains("oakgate_api_unauthenticated_total 5\n"), "{metrics}");
    });
}

#[test]
fn a_key_that_is_revoked_while_a_body_comes_burns_no_receipt() {
    on_both(async |database| {
        let server = test_redis::Server::start(&[]);
        let running = Running::with(with_redis(&database, &server), &[]).await;
        let body = json!({"receipt": signed(&grant(1)), "backend": "files"});
        let stolen = running.key(ORG, "stolen", Tier::Standard).await;
        let request = "POST /v1/receipts/redeem";
        let answer = running.revoked_meanwhile(&stolen, "stolen", request, "", &body.to_string()).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        let other = running.key(ORG, "files-1", Tier::Standard).await;
        redeem(&running, &other, &body).await.json(200);
    });
}
