//! The command line: exit statuses, messages, and the worked cases through the real binary.

use serde_json::{Value, json};

use crate::harness::{Gate, GateOptions, oakgate, repository};

fn vectors(name: &str) -> Value {
    let file = repository().join("tests/vectors").join(name);
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

#[test]
fn the_worked_cases_of_the_cascade() {
    let folder = tempfile::tempdir().unwrap();
    let mut decided = 0;
    for case in vectors("cascade.json").as_array().unwrap() {
        let file = folder.path().join("policy.json");
        std::fs::write(&file, case["policy"].to_string()).unwrap();
        let queries = case["queries"].as_array().unwrap();
        let input: String = queries.iter().map(|query| format!("{}\n", query["query"])).collect();
        let (status, output, errors) =
            oakgate(&["policy", "decide", "--policy", file.to_str().unwrap()], &input);
        assert_eq!(status, 0, "{errors}");
        let verdicts: Vec<Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(verdicts.len(), queries.len());
        for (verdict, query) in verdicts.iter().zip(queries) {
            // The cases do not say which conditions failed.
            let mut verdict = verdict.clone();
            verdict.as_object_mut().unwrap().remove("faults");
            assert_eq!(verdict, query["verdict"], "{query}");
            decided += 1;
        }
    }
    assert_eq!(decided, 2400);
}

#[test]
fn the_worked_cases_of_receipts() {
    let folder = tempfile::tempdir().unwrap();
    let vectors = vectors("receipts.json");
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let keys = write("keys", &json!({"keys": vectors["keys"]["keys"].as_array().unwrap_or(vectors["keys"].as_array().unwrap_or(&vec![]))}).to_string());
    let audience = vectors["audience"].as_str().unwrap();
    for case in vectors["cases"].as_array().unwrap() {
        let mut arguments = vec!["receipt", "verify", "--keys", &keys, "--audience", audience];
        let (body, args);
        if let Some(text) = case["body"].as_str() {
            body = write("body", text);
            arguments.extend(["--body", &body]);
        }
        if let Some(text) = case["args"].as_str() {
            args = write("args", text);
            arguments.extend(["--args", &args]);
        }
        if let Some(use_) = case["use"].as_str() {
            arguments.extend(["--use", use_]);
        }
        let (status, output, errors) = oakgate(&arguments, &format!("{}\n", case["token"].as_str().unwrap()));
        let expected: Vec<&str> =
            case["expect"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        let said = if status == 0 { "ok" } else { output.trim() };
        assert!(expected.contains(&said), "{}: {said} {errors}", case["name"]);
    }
}

#[test]
fn a_settings_file_with_mistakes_ends_with_64_and_lists_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bad.yaml");
    let bad = "
proxy:
  name: 'gate 1'
  admin: localhost
  listeners:
    - {name: a, address: 0.0.0.0:8080, auth: none, colour: green}
    - {name: a, address: '127.0.0.1:8080', auth: api-keys}
  backends:
    - {name: f, kind: mcp, path: mcp, url: 'ftp://x'}
  receipts: {}
  audit: {directory: audit}
  policy: {file: policy.yaml}
  limits: {max_body_bytes: many}
";
    std::fs::write(&file, bad).unwrap();
    for command in [&["config", "check"][..], &["proxy", "--config"], &["up", "--config"]] {
        let mut arguments = command.to_vec();
        arguments.push(file.to_str().unwrap());
        let (status, _, errors) = oakgate(&arguments, "");
        assert_eq!(status, 64, "{errors}");
        for mistake in [
            "proxy.listeners[0].colour: unknown key",
            "proxy.listeners[1].auth: must be `api-key` or `mtls` or `jwt` or `none` or a list, not `api-keys`",
            "proxy.limits.max_body_bytes: must be a whole number, not `many`",
        ] {
            assert!(errors.contains(mistake), "{mistake}\n{errors}");
        }
    }
    // With the shape right, the meaning is checked, and again all of it at once.
    let bad = bad
        .replace(", colour: green", "")
        .replace("api-keys", "api-key")
        .replace("{max_body_bytes: many}", "{}");
    std::fs::write(&file, bad).unwrap();
    let (status, _, errors) = oakgate(&["config", "check", file.to_str().unwrap()], "");
    assert_eq!(status, 64);
    for place in [
        "proxy.name",
        "proxy.admin",
        "proxy.listeners[0].auth",
        "proxy.listeners[1].name",
        "proxy.backends[0].path",
        "proxy.backends[0].url",
        "proxy.keys_file",
        "proxy.receipts.keys_file",
    ] {
        assert!(errors.contains(&format!("{place}: ")), "{place}\n{errors}");
    }
    assert_eq!(oakgate(&["config", "check", "missing.yaml"], "").0, 64);
}

const SETTINGS_WITH_FILES: &str = "
proxy:
  name: gate-1
  admin: 127.0.0.1:0
  listeners:
    - {name: a, address: '0.0.0.0:8080', auth: api-key}
    - name: b
      address: 0.0.0.0:8443
      auth: [mtls, jwt]
      tls: {cert_file: b.pem, key_file: b.key, client_ca_file: clients.pem}
      mtls: {trust_domains: [example.org]}
      jwt: {issuer: 'https://idp.example.com', audience: a, jwks_file: jwks, ca_file: idp.pem}
    - {name: c, address: '127.0.0.1:8080', auth: api-key}
    - {name: d, address: '0.0.0.0:8081', auth: jwt, jwt: {issuer: 'https://idp.example.com', audience: a}}
  backends:
    - name: tools
      kind: mcp
      path: /mcp
      url: 'https://127.0.0.1:9'
      tls: {ca_file: tools.pem, cert_file: gate.pem, key_file: gate.key}
      credential: {header: X-Secret, file: secret}
  keys_file: keys
  receipts: {keys_file: receipts}
  audit: {directory: audit}
  policy: {file: policy}
";

#[test]
fn files_that_can_not_be_read_and_secrets_in_the_open_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let settings = folder.path().join("oakgate.yaml");
    std::fs::write(&settings, SETTINGS_WITH_FILES).unwrap();
    let check = || oakgate(&["config", "check", settings.to_str().unwrap()], "");
    let named = [
        ("proxy.listeners[1].tls.cert_file", "b.pem"),
        ("proxy.listeners[1].tls.key_file", "b.key"),
        ("proxy.listeners[1].tls.client_ca_file", "clients.pem"),
        ("proxy.listeners[1].jwt.jwks_file", "jwks"),
        ("proxy.listeners[1].jwt.ca_file", "idp.pem"),
        ("proxy.backends[0].tls.ca_file", "tools.pem"),
        ("proxy.backends[0].tls.cert_file", "gate.pem"),
        ("proxy.backends[0].tls.key_file", "gate.key"),
        ("proxy.backends[0].credential.file", "secret"),
        ("proxy.keys_file", "keys"),
        ("proxy.receipts.keys_file", "receipts"),
        ("proxy.policy.file", "policy"),
    ];
    // A folder of that name is no file.
    std::fs::create_dir(folder.path().join("secret")).unwrap();
    let (status, output, errors) = check();
    assert_eq!((status, output.as_str()), (64, ""), "{errors}");
    assert_eq!(errors.lines().count(), named.len(), "{errors}");
    for (place, file) in named {
        let told = format!("{place}: `{}` can't be read: ", folder.path().join(file).display());
        assert!(errors.contains(&told), "{told}\n{errors}");
    }
    std::fs::remove_dir(folder.path().join("secret")).unwrap();
    for (_, file) in named {
        std::fs::write(folder.path().join(file), "").unwrap();
    }
    let (status, output, errors) = check();
    assert_eq!(status, 0, "{errors}");
    let warned: Vec<_> = output.lines().filter(|line| line.contains("warning: ")).collect();
    assert_eq!(warned.len(), 2, "neither a listener with TLS nor one on loopback: {output}");
    for (line, place) in warned.iter().zip(["proxy.listeners[0].tls", "proxy.listeners[3].tls"]) {
        assert!(line.contains(&format!("warning: {place}: ")), "{output}");
    }
}

#[test]
fn files_that_it_needs_and_that_do_not_load_end_with_64() {
    let backend = "- {name: tools, kind: mcp, path: /mcp, url: 'http://127.0.0.1:9'}".to_owned();
    let options = GateOptions { backends: backend, ..Default::default() };
    for (file, text, says) in [
        ("keys.yaml", "[{id: a, kind: agent, sha256: nonsense}, {id: a}]", "keys.yaml"),
        ("receipts.jwks", "{}", "receipts.jwks"),
    ] {
        let folder = Gate::folder(&options);
        std::fs::write(folder.path().join(file), text).unwrap();
        let config = folder.path().join("oakgate.yaml");
        let (status, _, errors) = oakgate(&["proxy", "--config", config.to_str().unwrap()], "");
        assert_eq!(status, 64, "{errors}");
        assert!(errors.contains(says), "{errors}");
    }
}

#[test]
fn an_address_that_is_taken_is_not_shared() {
    let options = GateOptions {
        backends: "- {name: tools, kind: mcp, path: /mcp, url: 'http://127.0.0.1:9'}".to_owned(),
        ..Default::default()
    };
    let first = Gate::start(&options);
    let folder = Gate::folder(&options);
    let config = folder.path().join("oakgate.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("address: 127.0.0.1:0", &format!("address: {}", first.address)))
        .unwrap();
    let (status, _, errors) = oakgate(&["proxy", "--config", config.to_str().unwrap()], "");
    assert_eq!(status, 64, "{errors}");
    assert!(errors.contains(&format!("`agents` can't listen on {}", first.address)), "{errors}");
}

#[test]
fn policies_are_checked_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let good = write(
        "good.yaml",
        "{format: 1, org: acme, rules: [{id: r, tool: drop_table, permission: disabled, reason: never}]}",
    );
    let bad = write(
        "bad.yaml",
        "{format: 1, org: acme, rules: [{id: a, permission: no}, {id: a, tool: '*x', permission: allowed}]}",
    );
    assert_eq!(oakgate(&["policy", "check", &good], "").0, 0);
    let (status, output, errors) = oakgate(&["policy", "check", &bad, &good], "");
    assert_eq!(status, 2);
    assert!(output.contains("good.yaml: good (1 rules, 0 tools)"), "{output}");
    assert!(errors.lines().count() >= 3 && errors.lines().all(|line| line.contains("rule `a`")), "{errors}");
    let (status, output, _) =
        oakgate(&["policy", "explain", "--policy", &good], "{\"tool\":\"drop_table\"}\n");
    assert_eq!(status, 0);
    assert!(output.contains("org/tool") && output.contains("disabled") && output.contains('r'), "{output}");
    let (status, output, errors) = oakgate(
        &["policy", "decide", "--policy", &good],
        "{\"tool\":\"x\"}\nnonsense\n{\"tool\":\"drop_table\"}\n",
    );
    assert_eq!(status, 2, "{errors}");
    assert_eq!(output.lines().count(), 2, "the good lines are answered");
    assert!(errors.contains("line 2"), "{errors}");
    let (status, _, errors) = oakgate(&["policy", "decide", "--policy", &bad], "");
    assert_eq!(status, 2);
    assert!(errors.contains("rule `a`"), "{errors}");
}

#[test]
fn what_is_no_proxy_is_said_to_be_none() {
    let (status, _, errors) = oakgate(&["tools", "list", "--admin", "127.0.0.1:9"], "");
    assert_eq!(status, 70, "{errors}");
    assert!(errors.ends_with("; start the proxy, or name its admin address with `--admin`\n"), "{errors}");
    // Something else answers there: a listener for callers.
    let backend = "- {name: tools, kind: mcp, path: /mcp, url: 'http://127.0.0.1:9'}".to_owned();
    let gate = Gate::start(&GateOptions { backends: backend, ..GateOptions::default() });
    let (status, _, errors) = oakgate(&["tools", "list", "--admin", &gate.address], "");
    let no_proxy = format!("`{}` is not a proxy's admin address; name it with `--admin`\n", gate.address);
    assert_eq!((status, errors), (70, no_proxy));
    let config = gate.path("oakgate.yaml");
    let (status, output, _) = oakgate(&["config", "routes", config.to_str().unwrap()], "");
    assert_eq!((status, output.as_str()), (0, "no backend of kind `rest`\n"));
}

#[test]
fn help_has_examples_and_a_wrong_word_is_bad_input() {
    let (status, output, _) = oakgate(&["--help"], "");
    assert_eq!(status, 0);
    assert!(output.contains("Examples:"), "{output}");
    assert_eq!(oakgate(&["fly"], "").0, 2);
    assert_eq!(oakgate(&["policy", "decide"], "").0, 2);
}

#[test]
fn the_schema_that_is_checked_in_is_the_one_of_the_program() {
    let (_, output, _) = oakgate(&["config", "schema"], "");
    let checked_in = std::fs::read_to_string(repository().join("config/settings.schema.json")).unwrap();
    assert_eq!(output, checked_in, "run `make schema`");
}

#[test]
fn every_example_is_good() {
    let folder = tempfile::tempdir().unwrap();
    // Files that are the reader's own, there and elsewhere.
    for name in [
        "bundle.pem",
        "control.key",
        "control.pem",
        "db-password",
        "gate.key",
        "gate.pem",
        "internal-ca.pem",
        "keys.yaml",
        "policy-keys",
        "receipts.jwks",
        "redis-password",
        "relay-token",
        "search-token",
        "server.key",
        "server.pem",
        "svid.key",
        "svid.pem",
    ] {
        std::fs::write(folder.path().join(name), "").unwrap();
    }
    let mut seen = 0;
    for entry in std::fs::read_dir(repository().join("config/examples")).unwrap() {
        let file = entry.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let elsewhere = ["/etc/oakgate/", "/run/secrets/", "/run/spire/"];
        let text = elsewhere.iter().fold(text, |text, folder| text.replace(folder, ""));
        std::fs::write(folder.path().join(file.file_name().unwrap()), text).unwrap();
    }
    let examples = std::fs::read_dir(repository().join("config/examples")).unwrap();
    for entry in examples {
        let file = folder.path().join(entry.unwrap().file_name());
        let name = file.file_name().unwrap().to_str().unwrap();
        if name.contains("openapi") {
            continue; // Its settings file is checked with it.
        }
        let is_policy = name.contains("policy");
        let check: &[&str] = if is_policy { &["policy", "check"] } else { &["config", "check"] };
        let (status, _, errors) = oakgate(&[check, &[file.to_str().unwrap()]].concat(), "");
        assert_eq!(status, 0, "{errors}");
        seen += 1;
    }
    assert!(seen >= 3);
}
