//! Nonces on a real Redis.

use std::time::{Duration, Instant};

use test_redis::Server;

use super::*;
use crate::fixture::ORG;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const END: UnixMillis = UnixMillis(1_800_000_300_000);

/// Longest that anything may take while Redis is in trouble, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);

fn nonces(url: &str, password_file: Option<std::path::PathBuf>) -> SharedNonces {
    SharedNonces::new(Some(RedisPlace::new(url, password_file).unwrap()))
}

async fn burn(nonces: &SharedNonces, number: u8) -> Result<Burned, NoncesUnavailable> {
    nonces.burn(ORG, &Nonce([number; 16]), END, NOW).await
}

async fn refused(nonces: &SharedNonces, number: u8) {
    let since = Instant::now();
    assert_eq!(burn(nonces, number).await, Err(NoncesUnavailable));
    assert_eq!(nonces.answer().await, Err(NoncesUnavailable));
    assert!(since.elapsed() < PATIENCE, "{:?}", since.elapsed());
}

#[tokio::test]
async fn of_many_at_once_one_burns_it() {
    let server = Server::start(&[]);
    let shared = [nonces(&server.url(), None), nonces(&server.url(), None)];
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let nonces = shared[number % 2].clone();
            tokio::spawn(async move { burn(&nonces, 1).await.unwrap() })
        })
        .collect();
    let mut burned = 0;
    for task in tasks {
        burned += u32::from(task.await.unwrap() == Burned::Now);
    }
    assert_eq!(burned, 1);
}

#[tokio::test]
async fn each_org_has_nonces_of_its_own_for_as_long_as_they_are_needed() {
    let server = Server::start(&[]);
    let nonces = nonces(&server.url(), None);
    let nonce = Nonce([7; 16]);
    for org in ["a", "a:b", "A", "a*", "ä", "{a}"] {
        for expected in [Burned::Now, Burned::Before] {
            assert_eq!(nonces.burn(org, &nonce, END, NOW).await, Ok(expected), "{org}");
        }
        let life_ms: u64 = server.run(&["pttl", &format!("oakgate:nonce:{org}:{nonce}")]).parse().unwrap();
        assert!((590_000..=600_000).contains(&life_ms), "{life_ms}");
    }
    // The end of time, and a receipt that is over: neither is a fault of Redis.
    for (number, end) in [(8, UnixMillis(u64::MAX)), (9, UnixMillis(0))] {
        let nonce = Nonce([number; 16]);
        for expected in [Burned::Now, Burned::Before] {
            assert_eq!(nonces.burn(ORG, &nonce, end, NOW).await, Ok(expected));
        }
    }
}

#[tokio::test]
async fn a_redis_that_cannot_answer_lets_nothing_through_and_works_again_when_it_can() {
    let mut server = Server::start(&[]);
    let nonces = nonces(&server.url(), None);
    assert_eq!(burn(&nonces, 1).await, Ok(Burned::Now));

    server.kill();
    refused(&nonces, 2).await;
    server.resume();
    assert_eq!(burn(&nonces, 2).await, Ok(Burned::Now));

    server.pause();
    refused(&nonces, 3).await;
    refused(&nonces, 4).await;
    server.go_on();
    // Whether it burned while nobody waited for the answer is for Redis to say; either way it answers.
    burn(&nonces, 3).await.unwrap();
    assert_eq!(burn(&nonces, 3).await, Ok(Burned::Before));
    assert_eq!(burn(&nonces, 5).await, Ok(Burned::Now));
    assert_eq!(nonces.answer().await, Ok(()));
}

#[tokio::test]
async fn a_redis_that_refuses_to_write_lets_nothing_through() {
    let server = Server::start(&[]);
    let nonces = nonces(&server.url(), None);
    for (trouble, remedy) in [
        (&["config", "set", "maxmemory", "1"][..], &["config", "set", "maxmemory", "0"][..]),
        (&["replicaof", "127.0.0.1", "1"], &["replicaof", "no", "one"]),
        (&["config", "set", "min-replicas-to-write", "1"], &["config", "set", "min-replicas-to-write", "0"]),
    ] {
        assert_eq!(server.run(trouble), "OK");
        refused(&nonces, 1).await;
        assert_eq!(server.run(remedy), "OK");
    }
    assert_eq!(burn(&nonces, 1).await, Ok(Burned::Now));
}

#[tokio::test]
async fn the_password_is_read_at_each_connection() {
    let server = Server::start(&["--requirepass", "s3cret ü"]);
    let file = server.folder().join("password");
    let nonces = nonces(&server.url(), Some(file.clone()));
    refused(&nonces, 1).await;
    std::fs::write(&file, "another\n").unwrap();
    refused(&nonces, 1).await;
    std::fs::write(&file, "s3cret ü\n").unwrap();
    assert_eq!(burn(&nonces, 1).await, Ok(Burned::Now));
    let without = SharedNonces::new(Some(RedisPlace::new(&server.url(), None).unwrap()));
    refused(&without, 1).await;
}

#[tokio::test]
async fn over_tls_a_server_must_prove_who_it_is() {
    // It speaks no TLS, so the handshake fails; no provider of cryptography is missing.
    let server = Server::start(&[]);
    refused(&nonces(&format!("rediss://localhost:{}", server.port()), None), 1).await;
}

#[test]
fn a_place_is_a_server_and_shows_no_password() {
    let place = RedisPlace::new("rediss://ada:s3cret@redis.example:6380/2", None).unwrap();
    assert_eq!(format!("{place} {place:?}"), "redis.example:6380 RedisPlace(redis.example:6380)");
    let file = Some("password".into());
    for (url, file, error) in [
        ("redis://h/", None, None),
        ("redis://ada@h:1/3", file.clone(), None),
        ("redis://ada:x@h", file, Some(RedisUrlError::TwoPasswords)),
        ("rediss://h/#insecure", None, Some(RedisUrlError::Insecure)),
        ("rediss://h/#x", None, Some(RedisUrlError::Form)),
        ("redis://h/x", None, Some(RedisUrlError::Form)),
        ("redis://", None, Some(RedisUrlError::Form)),
        ("unix:///redis.sock", None, Some(RedisUrlError::Form)),
        ("http://h", None, Some(RedisUrlError::Form)),
        ("", None, Some(RedisUrlError::Form)),
    ] {
        assert_eq!(RedisPlace::new(url, file).err(), error, "{url}");
    }
}

#[tokio::test]
async fn without_redis_only_the_database_counts() {
    let nonces = SharedNonces::new(None);
    for _ in 0..2 {
        assert_eq!(burn(&nonces, 1).await, Ok(Burned::Now));
    }
    assert_eq!(nonces.answer().await, Ok(()));
}
