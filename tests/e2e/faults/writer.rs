//! Clients that write, each write once: one that was not answered is repeated with its `Idempotency-Key`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::plane::{KEY, Place};

/// Longest that any answer may take: the API's own limit, and a second for a busy machine.
const ANSWER_MAX: Duration = Duration::from_secs(21);

/// One client. It changes its tenant again and again, and makes a key with every fourth write.
pub(super) struct Writer {
    name: String,
    agent: ureq::Agent,
    /// The write under way, or the next one.
    next: u64,
    /// Those that were answered.
    done: BTreeSet<u64>,
}

/// How a write went.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wrote {
    /// It is in the store.
    Done,
    /// A problem document said so: status and code.
    Refused(u16, String),
    /// The connection broke.
    NoAnswer,
}

impl Writer {
    pub(super) fn new(number: usize) -> Self {
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        let agent = config.timeout_global(Some(2 * ANSWER_MAX)).build().into();
        Self { name: format!("w{number}"), agent, next: 1, done: BTreeSet::new() }
    }

    pub(super) fn done(&self) -> usize {
        self.done.len()
    }

    /// Tries the next write, or again the one that is not done yet.
    pub(super) fn write(&mut self, url: &str) -> Wrote {
        let (name, number) = (&self.name, self.next);
        let (request, body) = if is_key(number) {
            let body = json!({"id": format!("{name}-{number}"), "tier": "standard"});
            (self.agent.post(format!("{url}/v1/keys")), body)
        } else {
            let body = json!({"description": number.to_string()});
            (self.agent.put(format!("{url}/v1/tenants/{name}")), body)
        };
        let since = Instant::now();
        let answer = request
            .header("Authorization", format!("Bearer {KEY}"))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", format!("{name}-{number}"))
            .send(body.to_string())
            .and_then(|mut response| Ok((response.status().as_u16(), response.body_mut().read_to_string()?)));
        assert!(since.elapsed() < ANSWER_MAX, "{name}-{number} took {:?}: {answer:?}", since.elapsed());
        match answer {
            Ok((200 | 201, _)) => {
                self.done.insert(number);
                self.next += 1;
                Wrote::Done
            }
            Ok((status, text)) => {
                let problem: Value = serde_json::from_str(&text).unwrap();
                Wrote::Refused(status, problem["code"].as_str().unwrap().to_owned())
            }
            Err(_) => Wrote::NoAnswer,
        }
    }

    /// Writes until that fails, and says how.
    pub(super) fn write_on(&mut self, url: &str, mut each: impl FnMut()) -> Wrote {
        loop {
            match self.write(url) {
                Wrote::Done => each(),
                failed => return failed,
            }
        }
    }
}

fn is_key(number: u64) -> bool {
    number.is_multiple_of(4)
}

/// Every write that was answered is in the store, whole: what it changed, its record, and its answer. Beside them at
/// most the one of each writer that was under way.
pub(super) fn assert_whole(place: &Place, writers: &[Writer]) {
    let answers = place.rows("SELECT idempotency_key FROM repeats");
    let tenants = place.rows("SELECT name, version, description FROM catalogue WHERE kind = 'tenant'");
    let keys = place.rows("SELECT id FROM holders WHERE id <> 'admin'");
    let secrets = place.rows("SELECT holder FROM secrets WHERE holder <> 'admin'");
    let records = place.rows("SELECT action, object FROM activity");
    let set = |rows: Vec<String>| {
        let count = rows.len();
        let set: BTreeSet<String> = rows.into_iter().collect();
        assert_eq!(set.len(), count, "nothing is there twice");
        set
    };
    let (answers, keys, secrets, tenants) = (set(answers), set(keys), set(secrets), set(tenants));
    let mut expected_keys = BTreeSet::new();
    let mut expected_tenants = BTreeSet::new();
    let mut expected_records: Vec<String> = Vec::new();
    for writer in writers {
        let name = &writer.name;
        let mut there = writer.done.clone();
        if answers.contains(&format!("{name}-{}", writer.next)) {
            there.insert(writer.next);
        }
        for number in &there {
            assert!(
                answers.contains(&format!("{name}-{number}")),
                "{name}-{number} was answered, and is lost"
            );
        }
        let changes: Vec<u64> = there.iter().copied().filter(|number| !is_key(*number)).collect();
        if let Some(last) = changes.last() {
            expected_tenants.insert(format!("{name}|{}|{last}", changes.len()));
        }
        expected_records.extend(changes.iter().map(|_| format!("tenant.put|{name}")));
        let made = there.iter().filter(|number| is_key(**number)).map(|number| format!("{name}-{number}"));
        expected_keys.extend(made);
    }
    assert_eq!(tenants, expected_tenants);
    assert_eq!(keys, expected_keys);
    assert_eq!(secrets, expected_keys);
    assert_eq!(answers.len(), expected_records.len() + expected_keys.len());
    expected_records.extend(expected_keys.iter().map(|key| format!("key.create|{key}")));
    expected_records.sort_unstable();
    let mut records = records;
    records.sort_unstable();
    assert_eq!(records, expected_records);
}
