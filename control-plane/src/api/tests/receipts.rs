//! Redeeming receipts through the API: each once, and none that is not good.

use std::borrow::Cow;

use receipt::{Claims, Digest, KeySet, Nonce, Use, Verdict, args_sha256, body_sha256};
use test_redis::Server;

use super::*;
use crate::fixture::AGENT;
use crate::{Receipts, RedisPlace, clock};

const VECTORS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/receipts.json"));

/// A backend of the vectors.
const BACKEND: &str = "files";

pub(super) fn vectors() -> Value {
    serde_json::from_str(VECTORS).unwrap()
}

/// Settings with the keys of the vectors.
pub(super) fn with_receipts(database: &Database) -> Settings {
    let keys = vectors()["keys"].to_string();
    Settings { receipts: Some(Receipts::new("control", 300, keys.as_bytes()).unwrap()), ..settings(database) }
}

pub(super) fn with_redis(database: &Database, server: &Server) -> Settings {
    Settings { redis: Some(RedisPlace::new(&server.url(), None).unwrap()), ..with_receipts(database) }
}

/// A grant for the agent's call of `write_file`, which tests change.
pub(super) fn grant(number: u8) -> Claims<'static> {
    let now = clock::now().seconds();
    Claims {
        use_: Use::Grant,
        iss: "control".into(),
        aud: BACKEND.into(),
        sub: AGENT.into(),
        org: Some(ORG.into()),
        tenant: Some("t1".into()),
        resource: Some("r1".into()),
        tool: Some("write_file".into()),
        method: Some("w".into()),
        verdict: Verdict::Allowed,
        level: None,
        rule: None,
        policy: 1,
        observed: false,
        approval: None,
        body_sha256: Some(body_sha256(b"body")),
        args_sha256: Some(args_sha256(r#"{"a":1}"#).unwrap()),
        iat: now,
        exp: now + 300,
        jti: Nonce([number; 16]),
    }
}

pub(super) fn signed(claims: &Claims<'_>) -> String {
    let keys = KeySet::from_jwks(vectors()["keys"].to_string().as_bytes()).unwrap();
    keys.signer().unwrap().sign(claims).unwrap()
}

pub(super) async fn redeem(running: &Running, key: &str, body: &Value) -> Answer {
    running.post(key, "/v1/receipts/redeem", body).await
}

fn refused(answer: &Answer, reason: &str, what: &str) {
    answer.problem(if reason == "replayed" { 409 } else { 422 }, "receipt_refused");
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(problem["reason"], reason, "{what}");
}

/// How many answers to the same body, asked at once of several, are successes; all others must say `replayed`.
async fn successes(asked: &[(&Running, &str)], body: &Value) -> usize {
    let answers = asked.iter().map(|(running, key)| redeem(running, key, body));
    let mut successes = 0;
    for answer in futures(answers).await {
        match answer.status {
            200 => successes += 1,
            _ => refused(&answer, "replayed", "one of many"),
        }
    }
    successes
}

/// Lets all of them go on at once.
async fn futures<T>(all: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = all.map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(|context| {
        for (one, done) in &mut waiting {
            if done.is_none()
                && let std::task::Poll::Ready(value) = one.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        let is_ready = waiting.iter().all(|(_, done)| done.is_some());
        if is_ready { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

/// Nonces in the database.
async fn burned(store: &Store) -> i64 {
    store.count("nonces").await
}

#[test]
fn each_vector_is_answered_as_it_says_and_one_nonce_redeems_one() {
    on_both(async |database| {
        let running = Running::with(with_receipts(&database), &[]).await;
        let key = running.key(ORG, "files-1", Tier::Standard).await;
        let vectors = vectors();
        let (good, bad): (Vec<_>, Vec<_>) =
            vectors["cases"].as_array().unwrap().iter().partition(|case| case["expect"] == json!(["ok"]));
        let ask = async |case: &Value| {
            let token = case["token"].as_str().unwrap();
            let claimed = receipt::inspect(token).ok().map(|token| token.claims["use"].clone());
            let asked = case.get("use").cloned().or(claimed.filter(|name| name != "verdict"));
            let mut body = json!({"receipt": token, "backend": vectors["audience"]});
            body["use"] = asked.unwrap_or_else(|| json!("stamp"));
            if let Some(sent) = case["body"].as_str() {
                body["body_sha256"] = json!(body_sha256(sent.as_bytes()));
            }
            if let Some(args) = case["args"].as_str() {
                body["args"] = serde_json::from_str(args).unwrap();
            }
            redeem(&running, &key, &body).await
        };
        for case in bad {
            let answer = ask(case).await;
            let problem: Value = serde_json::from_str(&answer.body).unwrap();
            let reasons = case["expect"].as_array().unwrap();
            assert!(reasons.contains(&problem["reason"]), "{}: {problem}", case["name"]);
            answer.problem(422, "receipt_refused");
        }
        assert_eq!(burned(&running.store).await, 0);
        let mut answers = Vec::new();
        for case in good {
            let answer = ask(case).await;
            let problem: Value = serde_json::from_str(&answer.body).unwrap();
            answers.push((answer.status, problem["reason"].as_str().unwrap_or("").to_owned()));
        }
        // They all have one nonce, and one of them is evidence of a refusal.
        assert_eq!(answers[0], (200, String::new()));
        for (status, reason) in &answers[1..] {
            assert!(matches!((status, reason.as_str()), (409, "replayed") | (422, "wrong-call")), "{reason}");
        }
    });
}

#[test]
fn what_is_said_of_the_call_must_fit_the_receipt() {
    on_both(async |database| {
        let running = Running::with(with_receipts(&database), &[]).await;
        let key = running.key(ORG, "files-1", Tier::Standard).await;
        let other_agent = running.key(ORG, "agent-8", Tier::Agent).await;
        let stranger = running.key("other", "files-1", Tier::Standard).await;
        let token = signed(&grant(1));
        let fits = fitting(&token);
        let with = |field: &str, value: Value| {
            let mut body = fits.clone();
            body[field] = value;
            body
        };
        let signed_with = |change: fn(&mut Claims<'static>)| {
            let mut claims = grant(2);
            change(&mut claims);
            with("receipt", json!(signed(&claims)))
        };
        let mut without = fits.clone();
        without.as_object_mut().unwrap().remove("receipt");
        for (asking, body, reason) in [
            (&key, without, "missing"),
            (&key, with("receipt", Value::Null), "missing"),
            (&key, with("receipt", json!("")), "malformed"),
            (&key, with("receipt", json!("x".repeat(9000))), "malformed"),
            (&key, with("receipt", json!(format!("{token}.x"))), "malformed"),
            (&key, with("receipt", json!(format!("{token}AAAA"))), "bad-signature"),
            (&key, with("backend", json!("payments")), "wrong-audience"),
            (&key, with("caller", json!("agent-8")), "wrong-caller"),
            (&key, with("tool", json!("read_file")), "wrong-call"),
            (&key, with("tool", json!("")), "wrong-call"),
            (&key, with("tenant", json!("t2")), "wrong-call"),
            (&key, with("resource", json!("r2")), "wrong-call"),
            (&key, with("method", json!("r")), "wrong-call"),
            (&key, with("args", json!({"a": 2})), "wrong-call"),
            (&key, with("body_sha256", json!(body_sha256(b"other"))), "wrong-call"),
            (&key, with("use", json!("stamp")), "wrong-call"),
            (&key, signed_with(|claims| claims.use_ = Use::Stamp), "not-a-grant"),
            (&key, signed_with(|claims| claims.use_ = Use::Verdict), "not-a-grant"),
            (&key, signed_with(|claims| claims.verdict = Verdict::RequiresApproval), "not-a-grant"),
            (&key, signed_with(|claims| claims.exp = claims.iat), "expired"),
            (&key, signed_with(|claims| claims.org = None), "wrong-call"),
            (&key, signed_with(|claims| claims.org = Some(Cow::Borrowed("other"))), "wrong-call"),
            (&key, signed_with(|claims| claims.tool = None), "wrong-call"),
            (&key, signed_with(|claims| claims.body_sha256 = Some(Digest([0; 32]))), "wrong-call"),
            (&key, signed_with(|claims| claims.args_sha256 = None), "wrong-call"),
            (&stranger, fits.clone(), "wrong-call"),
            (&other_agent, fits.clone(), "wrong-caller"),
        ] {
            refused(&redeem(&running, asking, &body).await, reason, &body.to_string());
        }
        assert_eq!(burned(&running.store).await, 0);
    });
}

#[test]
fn what_is_no_question_is_refused_and_what_fits_is_redeemed() {
    on_both(async |database| {
        let running = Running::with(with_receipts(&database), &[]).await;
        let key = running.key(ORG, "files-1", Tier::Standard).await;
        let agent = running.key(ORG, AGENT, Tier::Agent).await;
        let token = signed(&grant(1));
        let fits = fitting(&token);
        let with = |field: &str, value: Value| {
            let mut body = fits.clone();
            body[field] = value;
            body
        };
        let nul = Claims { tool: Some(Cow::Borrowed("a\0b")), ..grant(2) };
        let nul = json!({"receipt": signed(&nul), "backend": BACKEND});
        refused(&redeem(&running, &key, &nul).await, "malformed", "NUL");

        for (body, code) in [
            (json!({"receipt": token}), "body_unexpected"),
            (with("backend", json!("")), "body_unexpected"),
            (with("backend", json!("a\0")), "body_unexpected"),
            (with("use", json!("verdict")), "body_unexpected"),
            (with("body_sha256", json!("x")), "body_unexpected"),
            (with("more", json!(1)), "body_unexpected"),
        ] {
            redeem(&running, &key, &body).await.problem(422, code);
        }
        let manager = running.key(ORG, "manager", Tier::Management).await;
        redeem(&running, &manager, &fits).await.problem(403, "cannot_run");

        let redeemed = redeem(&running, &agent, &fits).await.json(200);
        for (claim, value) in
            [("jti", json!(grant(1).jti)), ("tool", json!("write_file")), ("sub", json!(AGENT))]
        {
            assert_eq!(redeemed["claims"][claim], value, "{claim}");
        }
        refused(&redeem(&running, &key, &fits).await, "replayed", "again");
        let little = json!({"receipt": signed(&grant(3)), "backend": BACKEND});
        redeem(&running, &key, &little).await.json(200);
        assert_eq!(burned(&running.store).await, 2);
    });
}

/// A body that says everything there is to say of the call of [`grant`].
fn fitting(token: &str) -> Value {
    json!({
        "receipt": token, "backend": BACKEND, "caller": AGENT, "tool": "write_file", "tenant": "t1",
        "resource": "r1", "method": "w", "args": {"a": 1}, "body_sha256": body_sha256(b"body"),
    })
}

#[test]
fn of_many_that_show_one_receipt_a_single_one_succeeds() {
    on_both(async |database| {
        let running = [
            Running::with(with_receipts(&database), &[]).await,
            Running::with(with_receipts(&database), &[]).await,
        ];
        let key = running[0].key(ORG, "files-1", Tier::Standard).await;
        // The same `Idempotency-Key` does not make two of one.
        let repeated = format!("{key}Idempotency-Key: k1\r\n");
        let body = json!({"receipt": signed(&grant(1)), "backend": BACKEND});
        let asked: Vec<_> = (0..50)
            .map(|number| (&running[number % 2], if number % 3 == 0 { key.as_str() } else { &repeated }))
            .collect();
        assert_eq!(successes(&asked, &body).await, 1);
        assert_eq!(burned(&running[0].store).await, 1);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn control_planes_with_databases_of_their_own_share_nonces_through_redis() {
    let server = Server::start(&[]);
    let databases = [Database::sqlite(), Database::postgres()];
    let running = [
        Running::with(with_redis(&databases[0], &server), &[]).await,
        Running::with(with_redis(&databases[1], &server), &[]).await,
    ];
    let keys = [
        running[0].key(ORG, "files-1", Tier::Standard).await,
        running[1].key(ORG, "files-1", Tier::Standard).await,
    ];
    let body = json!({"receipt": signed(&grant(1)), "backend": BACKEND});
    let asked: Vec<_> = (0..50).map(|number| (&running[number % 2], keys[number % 2].as_str())).collect();
    assert_eq!(successes(&asked, &body).await, 1);
    assert_eq!(burned(&running[0].store).await + burned(&running[1].store).await, 1);
}

#[test]
fn without_its_redis_nothing_is_redeemed_and_what_was_stays_so() {
    on_both(async |database| {
        let mut server = Server::start(&[]);
        let running = Running::with(with_redis(&database, &server), &[]).await;
        let key = running.key(ORG, "files-1", Tier::Standard).await;
        let body = |number| json!({"receipt": signed(&grant(number)), "backend": BACKEND});
        let ready = async || send(running.address, "GET", "/readyz", "", "").await;
        redeem(&running, &key, &body(1)).await.json(200);
        assert_eq!(ready().await.status, 200);

        server.kill();
        redeem(&running, &key, &body(1)).await.problem(503, "nonces_unavailable");
        redeem(&running, &key, &body(2)).await.problem(503, "nonces_unavailable");
        ready().await.problem(503, "nonces_unavailable");
        // What is refused anyhow needs no Redis.
        let other = json!({"receipt": signed(&grant(2)), "backend": "payments"});
        refused(&redeem(&running, &key, &other).await, "wrong-audience", "no Redis");
        assert_eq!(burned(&running.store).await, 1);

        // It comes back without its data.
        server.resume();
        refused(&redeem(&running, &key, &body(1)).await, "replayed", "Redis forgot");
        redeem(&running, &key, &body(2)).await.json(200);
        assert_eq!(ready().await.status, 200);

        server.pause();
        redeem(&running, &key, &body(3)).await.problem(503, "nonces_unavailable");
        server.go_on();
        assert_eq!(burned(&running.store).await, 2);

        let metrics = send(running.address, "GET", "/metrics", "", "").await.body;
        for (result, count) in [("redeemed", 2), ("replayed", 1), ("unavailable", 3), ("wrong-audience", 1)] {
            let line = format!("oakgate_redemptions_total{{result=\"{result}\"}} {count}");
            assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
        }
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn it_starts_without_its_redis_and_is_not_ready() {
    let mut server = Server::start(&[]);
    let database = Database::sqlite();
    let settings = with_redis(&database, &server);
    server.kill();
    let running = Running::with(settings, &[]).await;
    assert_eq!(send(running.address, "GET", "/healthz", "", "").await.status, 200);
    send(running.address, "GET", "/readyz", "", "").await.problem(503, "nonces_unavailable");
    server.resume();
    assert_eq!(send(running.address, "GET", "/readyz", "", "").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn public_keys_are_for_everybody_and_secret_ones_for_nobody() {
    let database = Database::sqlite();
    let off = Running::start(&database, &[]).await;
    let jwks = async |running: &Running| {
        let answer = send(running.address, "GET", "/.well-known/jwks.json", "", "").await;
        assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/jwk-set+json")));
        serde_json::from_str::<Value>(&answer.body).unwrap()
    };
    assert_eq!(jwks(&off).await, json!({"keys": []}));
    let key = off.key(ORG, "files-1", Tier::Standard).await;
    let body = json!({"receipt": signed(&grant(1)), "backend": BACKEND});
    redeem(&off, &key, &body).await.problem(503, "receipts_off");

    let database = Database::sqlite();
    assert_eq!(jwks(&Running::with(with_receipts(&database), &[]).await).await, json!({"keys": []}));

    let keys = KeySet::generate_ed25519(&"ed1".parse().unwrap(), &[7; 32]);
    let receipts = Some(Receipts::new("control", 300, keys.as_bytes()).unwrap());
    let database = Database::sqlite();
    let running = Running::with(Settings { receipts, ..settings(&database) }, &[]).await;
    let served = jwks(&running).await;
    assert_eq!((&served["keys"][0]["kid"], served["keys"].as_array().unwrap().len()), (&json!("ed1"), 1));
    assert_eq!(served["keys"][0].get("d"), None);

    // Whoever has these keys can verify what the others sign.
    let public = KeySet::from_jwks(served.to_string().as_bytes()).unwrap();
    let token = KeySet::from_jwks(keys.as_bytes()).unwrap().signer().unwrap().sign(&grant(1)).unwrap();
    let claims = receipt::verify(&public, &token, &receipt::Expected::default(), clock::now().seconds());
    assert_eq!(claims.unwrap().jti, Nonce([1; 16]));
    let key = running.key(ORG, "files-1", Tier::Standard).await;
    redeem(&running, &key, &json!({"receipt": token, "backend": BACKEND})).await.json(200);
}
