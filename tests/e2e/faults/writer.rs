//! Clients that write, each write once: one that was not answered is repeated with its `Idempotency-Key`.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::plane::{KEY, Place, policy};

/// Longest that any answer may take: the API's own limit, and a second for a busy machine.
const ANSWER_MAX: Duration = Duration::from_secs(21);

/// One client. It changes its tenant again and again, makes a key with every fourth write, and puts a policy of its own
/// in force with every fourth.
pub(super) struct Writer {
    name: String,
    agent: ureq::Agent,
    /// The write under way, or the next one.
    next: u64,
    /// Those that were answered.
    done: BTreeSet<u64>,
    /// Of the last policy that it put in force.
    revision: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tenant,
    Policy,
    Key,
}

const fn kind(number: u64) -> Kind {
    match number % 4 {
        0 => Kind::Key,
        2 => Kind::Policy,
        _ => Kind::Tenant,
    }
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
        Self { name: format!("w{number}"), agent, next: 1, done: BTreeSet::new(), revision: 0 }
    }

    pub(super) fn done(&self) -> usize {
        self.done.len()
    }

    pub(super) const fn revision(&self) -> u64 {
        self.revision
    }

    /// Tries the next write, or again the one that is not done yet.
    pub(super) fn write(&mut self, url: &str) -> Wrote {
        let (name, number) = (&self.name, self.next);
        let id = format!("{name}-{number}");
        let (request, body) = match kind(number) {
            Kind::Key => {
                let body = json!({"id": id, "tier": "standard"});
                (self.agent.post(format!("{url}/v1/keys")), body)
            }
            Kind::Policy => (self.agent.put(format!("{url}/v1/policy")).header("If-Match", "*"), policy(&id)),
            Kind::Tenant => {
                let body = json!({"description": number.to_string()});
                (self.agent.put(format!("{url}/v1/tenants/{name}")), body)
            }
        };
        let since = Instant::now();
        let answer = request
            .header("Authorization", format!("Bearer {KEY}"))
            .header("Content-Type", "application/json")
            .header("Idempotency-Key", &id)
            .send(body.to_string())
            .and_then(|mut response| Ok((response.status().as_u16(), response.body_mut().read_to_string()?)));
        assert!(since.elapsed() < ANSWER_MAX, "{id} took {:?}: {answer:?}", since.elapsed());
        match answer {
            Ok((200 | 201, text)) => {
                self.done.insert(number);
                self.next += 1;
                if kind(number) == Kind::Policy {
                    self.revision =
                        serde_json::from_str::<Value>(&text).unwrap()["revision"].as_u64().unwrap();
                }
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
                Wrote::Refused(503, code) if code == "busy" => {}
                failed => return failed,
            }
        }
    }
}

/// Every write that was answered is in the store, whole: what it changed, its record, and its answer. Beside them at
/// most the one of each writer that was under way.
pub(super) fn assert_whole(place: &Place, writers: &[Writer]) {
    let answers = set(place.rows("SELECT idempotency_key FROM repeats"));
    let (mut tenants, mut keys, mut rules, mut records) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::from(["first".to_owned()]), Vec::new());
    let mut there_count = 0;
    for writer in writers {
        let name = &writer.name;
        let mut there = writer.done.clone();
        if answers.contains(&format!("{name}-{}", writer.next)) {
            there.insert(writer.next);
        }
        there_count += there.len();
        for number in &there {
            assert!(
                answers.contains(&format!("{name}-{number}")),
                "{name}-{number} was answered, and is lost"
            );
        }
        let of = |wanted| there.iter().copied().filter(move |number| kind(*number) == wanted);
        if let Some(last) = of(Kind::Tenant).next_back() {
            tenants.insert(format!("{name}|{}|{last}", of(Kind::Tenant).count()));
        }
        keys.extend(of(Kind::Key).map(|number| format!("{name}-{number}")));
        rules.extend(of(Kind::Policy).map(|number| format!("{name}-{number}")));
        records.extend(of(Kind::Tenant).map(|_| format!("tenant.put|{name}")));
    }
    assert_eq!(answers.len(), there_count);
    let found = place.rows("SELECT name, version, description FROM catalogue WHERE kind = 'tenant'");
    assert_eq!(set(found), tenants);
    assert_eq!(set(place.rows("SELECT id FROM holders WHERE id <> 'admin'")), keys);
    assert_eq!(set(place.rows("SELECT holder FROM secrets WHERE holder <> 'admin'")), keys);
    assert_history(place, &rules);
    records.extend(keys.iter().map(|key| format!("key.create|{key}")));
    records.extend(rules.iter().map(|_| "policy.replace|policy".to_owned()));
    records.sort_unstable();
    let mut found = place.rows("SELECT action, object FROM activity");
    found.sort_unstable();
    assert_eq!(found, records);
}

/// Each policy that was put in force was the whole policy for one revision, in order without a gap.
fn assert_history(place: &Place, rules: &BTreeSet<String>) {
    let pieces = place.rows(
        "SELECT name, from_revision, COALESCE(to_revision, 0) FROM pieces WHERE kind = 'rule' ORDER BY from_revision",
    );
    let names = pieces.iter().map(|piece| piece.split('|').next().unwrap().to_owned()).collect();
    assert_eq!(&set(names), rules);
    let newest = pieces.len();
    for (revision, piece) in (1..).zip(&pieces) {
        let until = if revision == newest { 0 } else { revision + 1 };
        assert!(
            piece.ends_with(&format!("|{revision}|{until}")),
            "{piece} is revision {revision} of {newest}"
        );
    }
    let revisions: Vec<String> = (1..=newest).map(|revision| revision.to_string()).collect();
    assert_eq!(place.rows("SELECT revision FROM revisions ORDER BY revision"), revisions);
    assert_eq!(place.rows("SELECT revision FROM orgs"), [newest.to_string()]);
}

fn set(rows: Vec<String>) -> BTreeSet<String> {
    let count = rows.len();
    let set: BTreeSet<String> = rows.into_iter().collect();
    assert_eq!(set.len(), count, "nothing is there twice");
    set
}
