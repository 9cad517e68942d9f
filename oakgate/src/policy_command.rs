//! `oakgate policy`: the same cascade as in the proxy, asked by hand.

mod bundle;
mod cases;
mod diff;
mod push;
mod recorded;
mod remote;

use std::fmt::Display;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use policy::cascade::{Explanation, Silent, verdict};
use policy::{Document, Query, Snapshot, UnixMillis};
use serde::Serialize;

use crate::cli::PolicyCommand;
use crate::exit::{Done, Failure};
use crate::pieces;
use crate::terminal::{complain, say};

pub(crate) fn run(command: &PolicyCommand) -> Done {
    match command {
        PolicyCommand::Check { files } => check(files),
        PolicyCommand::Decide { policy } => {
            let snapshot = load(policy)?;
            each_query(|query| {
                let verdict = verdict(&snapshot, &query.call(), now(), &mut Silent);
                serde_json::to_string(&verdict).map_err(|error| Failure::Fault(error.to_string()))
            })
        }
        PolicyCommand::Explain { policy, json } => {
            let snapshot = load(policy)?;
            each_query(|query| {
                let mut explanation = Explanation::default();
                let verdict = verdict(&snapshot, &query.call(), now(), &mut explanation);
                if !json {
                    return Ok(explanation.to_string());
                }
                let answer = serde_json::json!({"verdict": verdict, "explanation": explanation});
                Ok(answer.to_string())
            })
        }
        PolicyCommand::Diff(options) => diff::run(options),
        PolicyCommand::Test { policy, cases, json } => cases::run(policy, cases, *json),
        PolicyCommand::Schema => {
            say(policy::SCHEMA.trim_end());
            Ok(())
        }
        PolicyCommand::Sign(options) => bundle::sign(options),
        PolicyCommand::Verify { file, key_file, json } => bundle::verify(file, key_file, *json),
        PolicyCommand::Pull(options) => remote::pull(options),
        PolicyCommand::Push(options) => push::push(options),
        PolicyCommand::Rollback(options) => push::rollback(options),
        PolicyCommand::Revisions { list, api } => remote::revisions(list, api),
        PolicyCommand::Tools(options) => pieces::run(pieces::Kind::Tool, options),
        PolicyCommand::Settings(options) => pieces::run_settings(options),
    }
}

fn check(files: &[PathBuf]) -> Done {
    let mut refused = Vec::new();
    for file in files {
        match load(file) {
            Ok(snapshot) => {
                let (rules, tools) = (snapshot.rules_count(), snapshot.tools_count());
                say(format!("{}: good ({rules} rules, {tools} tools)", file.display()));
            }
            Err(Failure::Input(text)) => refused.push(text),
            Err(other) => return Err(other),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(Failure::Input(refused.join("\n"))) }
}

fn load(file: &Path) -> Result<Snapshot, Failure> {
    parse(file, Document::parse).map(|document| Snapshot::compile(document, 0))
}

/// Reads a file, or says every mistake in it, a line each.
fn parse<T, E: Display>(file: &Path, parse: impl Fn(&str) -> Result<T, Vec<E>>) -> Result<T, Failure> {
    parse_text(&file.display().to_string(), &read(file)?, parse)
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::Input(format!("{}: can't be read: {error}", file.display())))
}

/// The same of a text that has this name.
fn parse_text<T, E: Display>(
    name: &str,
    text: &str,
    parse: impl Fn(&str) -> Result<T, Vec<E>>,
) -> Result<T, Failure> {
    parse(text).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{name}: {error}")).collect();
        Failure::Input(lines.join("\n"))
    })
}

fn json(value: &impl Serialize) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|error| Failure::Fault(error.to_string()))
}

/// Answers each line of standard input. A line that is no query gets its error; the others are answered all the same.
fn each_query(answer: impl Fn(&Query) -> Result<String, Failure>) -> Done {
    let mut bad = None;
    for (number, line) in std::io::stdin().lock().lines().enumerate() {
        let line = line.map_err(|error| Failure::Input(format!("standard input: {error}")))?;
        if line.trim().is_empty() {
            continue;
        }
        match Query::parse(&line) {
            Ok(query) => say(answer(&query)?),
            Err(error) => {
                let text =
                    format!("line {}: not a query such as {{\"tool\":\"read_note\"}}: {error}", number + 1);
                if let Some(earlier) = bad.replace(text) {
                    complain(earlier);
                }
            }
        }
    }
    bad.map_or(Ok(()), |text| Err(Failure::Input(text)))
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
