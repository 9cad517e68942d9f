//! The wall between organisations, and who may do what. Both are tried on every operation of the server's own
//! description: one that is added to it is tried too, and fails here until it is seeded.

use super::openapi::check;
use super::receipts::{grant, redeem, signed, with_receipts};
use super::*;

const JSON: &str = "Content-Type: application/json\r\n";

/// In the names of everything that the first organisation has.
const NAME: &str = "walled";

/// In what it says of them.
const WORDS: &str = "behind-the-wall";

/// What it has: for every path with a parameter there must be something.
const SEEDS: [(&str, &str, &str); 7] = [
    ("POST", "/v1/keys", r#"{"id":"walled-key","tier":"standard","description":"behind-the-wall"}"#),
    ("POST", "/v1/agents", r#"{"id":"walled-agent","description":"behind-the-wall"}"#),
    ("POST", "/v1/proxies", r#"{"id":"walled-proxy","description":"behind-the-wall"}"#),
    ("PUT", "/v1/tenants/walled-tenant", r#"{"description":"behind-the-wall"}"#),
    ("PUT", "/v1/resources/walled-resource", r#"{"description":"behind-the-wall"}"#),
    ("PUT", "/v1/methods/walled-method", r#"{"description":"behind-the-wall"}"#),
    (
        "PUT",
        "/v1/policy",
        r#"{"format":1,"org":"acme","categories":[{"name":"walled-category"}],
        "tools":[{"name":"walled-listed","tags":["behind-the-wall"]}],
        "rules":[{"id":"walled-rule","permission":"disabled","reason":"behind-the-wall"}]}"#,
    ),
];

/// What is known of its proxy.
const LINKED: &str = "INSERT INTO proxies_seen (org, proxy, instance, version, boot, connected, connected_at_unix_ms, \
                      seen_at_unix_ms, last_refusal, last_refusal_at_unix_ms) \
                      VALUES ('acme', 'walled-proxy', 'i', '0.1.0', '1', 1, 1, 1, 'behind-the-wall', 1)";

/// Kinds of credentials, by their names in the description.
const CREDENTIALS: [&str; 5] = ["management", "standard", "agent", "proxy", "session"];

/// One operation of the description.
struct Operation {
    method: String,
    path: String,
    /// Whose credential lets it be done; empty: everybody's.
    security: Vec<String>,
    /// A body that it takes, if it takes one.
    body: String,
    /// The body names something of the first organisation.
    names_theirs: bool,
}

impl Operation {
    fn all(document: &Value) -> Vec<Self> {
        let paths = document["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, operation)| (path, method, operation))
        });
        operations
            .filter(|(_, _, operation)| operation["responses"].is_object())
            .map(|(path, method, operation)| {
                let content = &operation["requestBody"]["content"]["application/json"];
                let body = match (&content["example"], &content["schema"]) {
                    (Value::Null, Value::Null) => String::new(),
                    (Value::Null, schema) => sample(document, schema).to_string(),
                    (example, _) => example.to_string(),
                };
                let names = |requirement: &Value| requirement.as_object().unwrap().keys().cloned().collect();
                let security = operation["security"].as_array().cloned().unwrap_or_default();
                Self {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    security: security.iter().flat_map(|one| -> Vec<String> { names(one) }).collect(),
                    body,
                    names_theirs: false,
                }
            })
            .collect()
    }

    fn is_for(&self, credential: &str) -> bool {
        self.security.iter().any(|name| name == credential)
    }

    async fn send(&self, address: SocketAddr, path: &str, fields: &str) -> Answer {
        let content_type = if self.body.is_empty() { "" } else { JSON };
        send(address, &self.method, path, &format!("{fields}{content_type}"), &self.body).await
    }
}

/// The smallest value of a schema.
fn sample(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        return sample(document, document.pointer(reference.trim_start_matches('#')).unwrap());
    }
    for example in [&schema["example"], &schema["enum"][0], &schema["default"]] {
        if !example.is_null() {
            return example.clone();
        }
    }
    if let Some(choices) = schema["oneOf"].as_array().or(schema["anyOf"].as_array()) {
        return sample(document, choices.iter().find(|choice| choice["type"] != "null").unwrap());
    }
    let kind = schema["type"].as_str().or(schema["type"][0].as_str());
    match kind {
        Some("string") if schema["format"] == "date-time" => json!("2999-01-01T00:00:00Z"),
        Some("string") => json!("sample"),
        Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(1)),
        Some("boolean") => json!(false),
        Some("array") => json!([]),
        _ => {
            let parts = schema["allOf"].as_array().cloned().unwrap_or_else(|| vec![schema.clone()]);
            let required = parts.iter().flat_map(|part| {
                let names = part["required"].as_array().cloned().unwrap_or_default();
                names.into_iter().map(|name| (name.as_str().unwrap().to_owned(), part)).collect::<Vec<_>>()
            });
            required
                .map(|(name, part)| (name.clone(), sample(document, &part["properties"][&name])))
                .collect()
        }
    }
}

/// Bodies that name something of the first organisation, by where they are posted: an execution, and a receipt.
/// A body without how long ago things were, which is another number a second later.
fn without_ages(body: &str) -> String {
    let mut parts = body.split("\"age_seconds\":");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + part.trim_start_matches(|letter: char| letter.is_ascii_digit()))
}

async fn theirs(running: &Running) -> [(&'static str, Value); 2] {
    let receipt = |number| {
        let claims = receipt::Claims { resource: Some(WORDS.into()), ..grant(number) };
        json!({"receipt": signed(&claims), "backend": claims.aud})
    };
    let key = running.key(ORG, "walled-files", Tier::Standard).await;
    let redeemed = redeem(running, &key, &receipt(1)).await.json(200);
    let execution = json!({"jti": redeemed["claims"]["jti"], "outcome": "success"});
    [("/v1/executions", execution), ("/v1/receipts/redeem", receipt(2))]
}

/// A control plane in which the first organisation has something of everything.
struct Walled {
    running: Running,
    document: Value,
    operations: Vec<Operation>,
    manager: String,
    person: String,
    strangers: u32,
}

impl Walled {
    async fn start(database: &Database) -> Self {
        let mut running = Running::with(with_receipts(database), &[approver("walled-ada", true, true)]).await;
        let document = send(running.address, "GET", "/openapi.json", "", "").await.json(200);
        let manager = running.key(ORG, "walled-admin", Tier::Management).await;
        let person = format!("Authorization: Bearer {}\r\n", running.sessions[0].expose());
        running.open(1, r#"{"note":"behind-the-wall"}"#).await;
        running.see("walled-tool", WORDS).await;
        for (method, path, body) in SEEDS {
            let version = if path == "/v1/policy" { "If-Match: \"0\"\r\n" } else { "" };
            let fields = format!("{manager}{JSON}{version}");
            let answer = send(running.address, method, path, &fields, body).await;
            assert!(matches!(answer.status, 200 | 201), "{method} {path}: {}", answer.body);
        }
        running.store.run(LINKED).await;
        let mut operations = Operation::all(&document);
        for (path, body) in theirs(&running).await {
            let named = operations.iter_mut().find(|one| one.method == "POST" && one.path == path).unwrap();
            (named.body, named.names_theirs) = (body.to_string(), true);
        }
        Self { running, document, operations, manager, person, strangers: 0 }
    }

    /// The credential of the first organisation that may do it.
    fn owner(&self, operation: &Operation) -> &str {
        if operation.is_for("management") { &self.manager } else { &self.person }
    }

    /// A path with its parameters filled by what the first organisation has.
    async fn fill(&self, template: &str) -> String {
        let mut path = template.to_owned();
        while let Some((before, after)) = path.clone().split_once("/{") {
            let (parameter, after) = after.split_once('}').unwrap();
            let missing =
                format!("{template}: the first organisation has nothing to try: add it to the seeds");
            let collection = template.split_once("/{").map(|(collection, _)| collection).unwrap();
            let list = self.operations.iter().find(|one| one.method == "GET" && one.path == collection);
            let list = list.expect(&missing);
            let page = list.send(self.running.address, before, self.owner(list)).await.json(200);
            let items = page["items"].as_array().unwrap();
            let ours = |item: &&Value| item.to_string().contains(WORDS);
            let item = items.iter().find(ours).or(items.first()).expect(&missing);
            let fields = [parameter, "id", "name", "reference"];
            let value = fields.iter().map(|field| &item[field]).find(|value| !value.is_null()).unwrap();
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            path = format!("{before}/{value}{after}");
        }
        path
    }

    /// Panics unless the description has such an answer.
    fn check(&self, operation: &Operation, answer: &Answer) {
        if answer.status != 204 {
            check(&self.document, &operation.path, &operation.method.to_lowercase(), answer);
        }
    }

    /// Everything that the first organisation can see of itself.
    async fn view(&self) -> Vec<(String, String)> {
        let mut view = Vec::new();
        for operation in self.operations.iter().filter(|one| one.method == "GET" && !one.security.is_empty())
        {
            let path = self.fill(&operation.path).await;
            let answer = operation.send(self.running.address, &path, self.owner(operation)).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.body);
            self.check(operation, &answer);
            view.push((path, without_ages(&answer.body)));
        }
        view
    }

    /// A credential of an organisation that nobody was in before.
    async fn stranger(&mut self, credential: &str) -> String {
        self.strangers += 1;
        let org = format!("stranger-{}", self.strangers);
        let tier = match credential {
            "management" => Tier::Management,
            "standard" => Tier::Standard,
            "agent" => Tier::Agent,
            "proxy" => Tier::Proxy,
            _ => {
                let person = NewPerson { org, ..person(approver("eve", true, true)) };
                let session = self.running.people.create(person).await.unwrap();
                return format!("Authorization: Bearer {}\r\n", session.expose());
            }
        };
        self.running.key(&org, credential, tier).await
    }
}

#[test]
fn nothing_of_an_organisation_is_seen_or_changed_by_another() {
    on_both(async |database| {
        let mut walled = Walled::start(&database).await;
        let before = walled.view().await;
        for words in [NAME, WORDS, ORG] {
            assert!(before.iter().any(|(_, body)| body.contains(words)), "{words} is nowhere to be seen");
        }
        let mut attempts = 0;
        for number in 0..walled.operations.len() {
            let path = walled.fill(&walled.operations[number].path).await;
            for credential in CREDENTIALS {
                let fields = walled.stranger(credential).await;
                let operation = &walled.operations[number];
                let answer = operation.send(walled.running.address, &path, &fields).await;
                let tried =
                    format!("{} {path} by a stranger's {credential}: {}", operation.method, answer.status);
                let is_filled = path != operation.path;
                let is_own = operation.method == "PUT" && answer.status < 300;
                assert!(answer.status < 500, "{tried} {}", answer.body);
                if is_filled && operation.is_for(credential) {
                    // One may have a thing of the same name: it is one's own.
                    assert!(answer.status == 404 || is_own, "{tried} {}", answer.body);
                }
                assert!(answer.status >= 400 || !operation.names_theirs, "{tried} {}", answer.body);
                for words in [WORDS, ORG].into_iter().chain([NAME].into_iter().filter(|_| !is_own)) {
                    assert!(!answer.body.contains(words), "{tried} says `{words}`: {}", answer.body);
                }
                walled.check(operation, &answer);
                attempts += 1;
            }
        }
        assert!(attempts >= 100, "{attempts}");
        for ((path, before), (_, after)) in before.iter().zip(walled.view().await) {
            assert_eq!(*before, after, "{path} is changed");
        }
    });
}

#[test]
fn each_operation_is_for_those_that_the_description_names_and_for_nobody_else() {
    on_both(async |database| {
        let walled = Walled::start(&database).await;
        let running = &walled.running;
        let people = &running.people;
        let bob = people.create(person(approver("bob", true, true))).await.unwrap();
        people.end_session(ORG, &approver("bob", true, true).id).await.unwrap();
        let mut bad = vec![
            ("none", String::new()),
            ("an unknown key", format!("Authorization: Bearer oak_mgmt_{}\r\n", "A".repeat(43))),
            ("an unknown session", format!("Authorization: Bearer oak_session_{}\r\n", "A".repeat(43))),
            ("an ended session", format!("Authorization: Bearer {}\r\n", bob.expose())),
        ];
        let mut good = vec![("session", walled.person.clone())];
        for tier in Tier::ALL {
            let name = tier.as_str();
            good.push((name, running.key(ORG, name, tier).await));
            bad.push(("an expired key", running.key(ORG, &format!("expired-{name}"), tier).await));
            bad.push(("a revoked key", running.key(ORG, &format!("revoked-{name}"), tier).await));
            bad.push(("a replaced key", running.key(ORG, &format!("replaced-{name}"), tier).await));
        }
        running.store.run("UPDATE holders SET expires_at_unix_ms = 1 WHERE id LIKE 'expired-%'").await;
        running.store.run("UPDATE holders SET revoked_at_unix_ms = 1 WHERE id LIKE 'revoked-%'").await;
        running.store.run("UPDATE secrets SET expires_at_unix_ms = 1 WHERE holder LIKE 'replaced-%'").await;
        let mut refused = 0;
        for operation in &walled.operations {
            let (method, template) = (&operation.method, &operation.path);
            assert_eq!(
                operation.security.is_empty(),
                !template.starts_with("/v1/"),
                "{method} {template}: security"
            );
            for name in &operation.security {
                assert!(
                    CREDENTIALS.contains(&name.as_str()),
                    "{method} {template}: `{name}` is no credential"
                );
            }
            // Nothing of that name is there, so that nothing changes on the way.
            let filled = template.split('/').map(|part| if part.starts_with('{') { "9999999" } else { part });
            let path = filled.collect::<Vec<_>>().join("/");
            for (what, fields) in &bad {
                let answer = operation.send(running.address, &path, fields).await;
                assert_eq!(answer.status == 401, !operation.security.is_empty(), "{method} {path} by {what}");
                refused += u32::from(answer.status == 401);
            }
            for (credential, fields) in &good {
                let answer = operation.send(running.address, &path, fields).await;
                let is_for = operation.security.is_empty() || operation.is_for(credential);
                let tried = format!("{method} {path} by {credential}: {} {}", answer.status, answer.body);
                assert_ne!(answer.status, 401, "{tried}");
                // A call that is not allowed was looked at, for somebody who may ask.
                let is_refused = answer.status == 403 && !answer.body.contains(r#""code":"not_allowed""#);
                assert_eq!(!is_refused, is_for, "{tried}");
                assert!(answer.status < 500, "{tried}");
            }
        }
        let metrics = send(running.address, "GET", "/metrics", "", "").await.body;
        let line = format!("oakgate_api_unauthenticated_total {refused}");
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    });
}
