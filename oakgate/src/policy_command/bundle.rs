//! `oakgate policy sign` and `verify`: a policy as a signed file, which proxies fetch without a control plane.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use policy_sync::{Document, Subject, TrustedKeys};
use serde_json::json;

use super::{json, now, parse_text, read};
use crate::cli::SignOptions;
use crate::exit::{Done, Failure};
use crate::policy_key;
use crate::terminal::{complain, say};

pub(super) fn sign(options: &SignOptions) -> Done {
    // Read once: what is signed is what was looked at.
    let text = read(&options.policy)?;
    let name = options.policy.display().to_string();
    let snapshot = parse_text(&name, &text, policy::Document::parse)
        .map(|document| policy::Snapshot::compile(document, 0))?;
    let key = policy_key::read(&options.key)?;
    let revision = match (options.revision, &options.after) {
        (Some(revision), _) => revision,
        (None, Some(old)) => after(old, &TrustedKeys::new(vec![key.public()]), snapshot.org())?,
        (None, None) => return Err(Failure::Input("say --revision or --after".to_owned())),
    };
    let at_unix_ms = now().0;
    let bundle = Document::sign(&key, (Subject::Policy, snapshot.org()), (revision, at_unix_ms), text);
    let Some(file) = &options.to else {
        say(bundle.to_bundle());
        return Ok(());
    };
    let shown = file.display();
    write(file, &bundle.to_bundle())
        .map_err(|error| Failure::Input(format!("{shown}: can't be written: {error}")))?;
    complain(format!("{shown}: written, revision {revision} of `{}`", snapshot.org()));
    Ok(())
}

pub(super) fn verify(file: &Path, key_file: &Path, as_json: bool) -> Done {
    let trusted = proxy::policy_keys(key_file).map_err(|error| Failure::Configuration(error.to_string()))?;
    let document = open(file, &trusted)?;
    let name = file.display().to_string();
    let header = document.header();
    let snapshot = parse_text(&name, document.text(), policy::Document::parse)
        .map(|policy| policy::Snapshot::compile(policy, header.revision))?;
    if snapshot.org() != header.org {
        let what = format!("its policy is of `{}`, and it is signed as of `{}`", snapshot.org(), header.org);
        return Err(Failure::Input(format!("{name}: {what}")));
    }
    let (rules, tools) = (snapshot.rules_count(), snapshot.tools_count());
    if as_json {
        say(json(&json!({
            "org": header.org, "revision": header.revision, "signed_at_unix_ms": header.at_unix_ms,
            "sha256": header.sha256, "bytes": header.bytes, "rules": rules, "tools": tools,
        }))?);
        return Ok(());
    }
    let at = i64::try_from(header.at_unix_ms).ok().and_then(|at| jiff::Timestamp::from_millisecond(at).ok());
    let at = at.map_or_else(|| "a time that there is not".to_owned(), |at| at.to_string());
    say(format!("{name}: good"));
    say(format!("org       {}", header.org));
    say(format!("revision  {}", header.revision));
    say(format!("signed    {at}"));
    say(format!("sha256    {}", header.sha256));
    say(format!("policy    {rules} rules, {tools} tools, {} bytes", header.bytes));
    Ok(())
}

/// The revision after that of a bundle.
fn after(old: &Path, trusted: &TrustedKeys, org: &str) -> Result<u64, Failure> {
    let document = open(old, trusted)?;
    let header = document.header();
    let wrong = |what: String| Failure::Input(format!("{}: {what}", old.display()));
    if header.org != org {
        return Err(wrong(format!("it is of `{}`, and the policy is of `{org}`", header.org)));
    }
    header.revision.checked_add(1).ok_or_else(|| wrong("no revision comes after it".to_owned()))
}

/// A bundle of a policy, if one of these keys signed it.
fn open(file: &Path, trusted: &TrustedKeys) -> Result<Document, Failure> {
    let wrong = |what: String| Failure::Input(format!("{}: {what}", file.display()));
    let document = Document::from_bundle(&read(file)?, trusted).map_err(|error| wrong(error.to_string()))?;
    match document.header().subject {
        Subject::Policy => Ok(document),
        other => Err(wrong(format!("it is about `{}`, not a policy", other.as_str()))),
    }
}

/// Writes a file that a server may be reading: whoever reads sees it whole, or as it was.
fn write(file: &Path, text: &str) -> io::Result<()> {
    let mut name = file.as_os_str().to_owned();
    name.push(".unfinished");
    let unfinished = Path::new(&name);
    let mut new = File::create(unfinished)?;
    let written = new.write_all(text.as_bytes()).and_then(|()| new.sync_all());
    let finished = written.and_then(|()| std::fs::rename(unfinished, file));
    if finished.is_err() {
        let _there_may_be_none = std::fs::remove_file(unfinished);
    }
    finished
}
