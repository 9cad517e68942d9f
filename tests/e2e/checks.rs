//! Permissions checked with the real binary: keys that change while it runs, and a log that tells no arguments.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Program, oakgate, oakgate_command, request, wait_for};

const POLICY: &str = r#"{"format":1,"org":"acme","tools":[{"name":"read","status":"approved"}],
"rules":[{"id":"broken","tool":"broken","permission":"disabled","when":"args.card.number.digits"}]}"#;

struct Running {
    program: Program,
    address: String,
    keys_file: PathBuf,
    config: String,
    _folder: tempfile::TempDir,
}

impl Running {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys_file = folder.path().join("receipts.jwks");
        std::fs::write(&keys_file, keys("first")).unwrap();
        let config = folder.path().join("oakgate.yaml");
        let settings = "control_plane:\n  name: hq\n  address: 127.0.0.1:0\n  store: sqlite://oakgate.db\n  \
                        receipts: {keys_file: receipts.jwks, ttl_seconds: 60}\n";
        std::fs::write(&config, settings).unwrap();
        let config = config.to_str().unwrap().to_owned();
        let mut command = oakgate_command();
        command.env("RUST_LOG", "debug").args(["control-plane", "--config", &config]);
        let program = Program::start(&mut command);
        let address = wait_for("the address", || {
            let lines = program.errors();
            let mut lines = lines.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.find_map(|line| line["address"].as_str().map(str::to_owned))
        });
        Self { program, address, keys_file, config, _folder: folder }
    }

    fn send(&self, method: &str, path: &str, key: &str, body: &str) -> Value {
        let bearer = format!("Bearer {key}");
        let headers =
            [("Authorization", bearer.as_str()), ("Content-Type", "application/json"), ("If-Match", "\"0\"")];
        let answer = request(&self.address, method, path, &headers, body.as_bytes());
        assert!(answer.status < 300, "{method} {path}: {}", answer.text());
        answer.json()
    }

    /// The key of a program of an organisation with a policy.
    fn runtime(&self) -> String {
        let (_, admin, _) = oakgate(&["orgs", "add", "acme", "--config", &self.config], "");
        self.send("PUT", "/v1/policy", admin.trim_end(), POLICY);
        let body = json!({"id": "runtime", "tier": "standard"}).to_string();
        self.send("POST", "/v1/keys", admin.trim_end(), &body)["key"].as_str().unwrap().to_owned()
    }

    /// What `oakgate receipt verify` makes of a receipt, with the keys that are in the file now.
    fn verify(&self, token: &str) -> Option<Value> {
        let keys = self.keys_file.to_str().unwrap();
        let (status, output, _) =
            oakgate(&["receipt", "verify", "--keys", keys, "--audience", "files"], token);
        (status == 0).then(|| serde_json::from_str(&output).unwrap())
    }
}

fn keys(id: &str) -> String {
    oakgate(&["keys", "receipts", "--id", id], "").1
}

#[test]
fn new_receipt_keys_sign_and_broken_ones_do_not() {
    let running = Running::start();
    let key = running.runtime();
    let body = json!({"backend": "files", "tool": "read"}).to_string();
    let check = || {
        let answer = running.send("POST", "/v1/permissions/check", &key, &body);
        running.verify(answer["receipt"].as_str().unwrap())
    };
    let claims = check().unwrap();
    assert_eq!((&claims["iss"], &claims["use"]), (&json!("hq"), &json!("grant")));
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);

    let said = |words: &str| {
        wait_for(words, || running.program.errors().iter().any(|line| line.contains(words)).then_some(()));
    };
    std::fs::write(&running.keys_file, keys("second")).unwrap();
    wait_for("the new key", check);

    let good = std::fs::read(&running.keys_file).unwrap();
    std::fs::write(&running.keys_file, "{}").unwrap();
    running.program.signal("-HUP");
    said("the receipt keys do not load; those before stay");
    std::fs::write(&running.keys_file, good).unwrap();
    check().expect("the key before");
}

#[test]
fn arguments_are_in_no_log() {
    let running = Running::start();
    let key = running.runtime();
    for (tool, args) in [
        ("read", r#"{"card":"4929-secret-1"}"#),
        ("broken", r#"{"card":{"number":"4929-secret-1"}}"#),
        ("read", r#"{"card":"4929-secret-1","card":2}"#),
        ("read", r#"["4929-secret-1"]"#),
        ("read", r#"{"4929-secret-1""#),
    ] {
        let body =
            format!(r#"{{"backend":"files","tool":"{tool}","args":{args},"reasoning":"4929-secret-1"}}"#);
        let bearer = format!("Bearer {key}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        for path in ["/v1/permissions/check", "/v1/params/validate"] {
            let answer = request(&running.address, "POST", path, &headers, body.as_bytes());
            assert!(!answer.text().contains("4929-secret-1"), "{}", answer.text());
        }
    }
    running.program.signal("-TERM");
    let log = wait_for("the end", || {
        let lines = running.program.errors();
        std::net::TcpStream::connect(&running.address).is_err().then_some(lines)
    });
    assert!(log.len() > 3, "{log:?}");
    assert!(!log.iter().any(|line| line.contains("4929-secret-1")), "{log:?}");
}
