//! `oakgate proxies`: the proxies that follow a control plane. The line that joins one is shown once, when its token is
//! made.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use config::JoinLine;
use serde_json::{Value, json};
use ureq::http::Method;
use zeroize::Zeroizing;

use crate::api::{Answer, Api, ApiError, Body, segment};
use crate::cli::{ApiOptions, LineOptions, ProxiesCommand};
use crate::exit::{Done, Failure};
use crate::holders::{given, or_null};
use crate::pieces::{self, if_match};
use crate::table;
use crate::terminal::{complain, say, visible};

const COLLECTION: &str = "/v1/proxies";

/// Where a control plane takes links.
const LINK_PATH: &str = "/v1/sync";

const COLUMNS: [&str; 8] = [
    "id",
    "state",
    "link",
    "last_link/policy_revision",
    "last_link/age_seconds",
    "last_link/version",
    "last_link/last_refusal",
    "description",
];

/// Only its owner reads a file with a secret.
const FILE_MODE: u32 = 0o600;

/// A line to be made: nothing but the token is missing.
struct Unfinished<'o> {
    name: &'o str,
    link_url: String,
    to: Option<NewFile<'o>>,
}

/// A file for a secret that goes away again unless it is written.
struct NewFile<'o> {
    path: &'o Path,
    file: File,
    is_written: bool,
}

pub(crate) fn run(command: &ProxiesCommand) -> Done {
    match command {
        ProxiesCommand::Add { name, description, expires_at, line, api } => {
            let line = Unfinished::new(name, line, api)?;
            let body = given([
                ("id", Some(name.clone().into())),
                ("description", description.clone().map(Value::from)),
                ("expires_at", expires_at.map(|moment| moment.to_string().into())),
            ]);
            line.finish(&Api::open(api)?.write(&Method::POST, COLLECTION, Body::Json(&body), None)?)
        }
        ProxiesCommand::List { list, api } => {
            let items = Api::open(api)?.list(COLLECTION, list.limit)?;
            table::show(&items, list.json, &COLUMNS, "no proxies");
            Ok(())
        }
        ProxiesCommand::Show { name, json, api } => Ok(pieces::show(&Api::open(api)?, &place(name), *json)?),
        ProxiesCommand::Change { name, change, only, api } => {
            let expires_at = change.expires_at.map(|moment| moment.to_string());
            let members = [
                ("description", or_null(change.description.clone(), change.no_description)),
                ("expires_at", or_null(expires_at, change.no_expires_at)),
            ];
            let body = given(members);
            Api::open(api)?.write(
                &Method::PATCH,
                &place(name),
                Body::Json(&body),
                if_match(only).as_deref(),
            )?;
            say(format!("{} is changed", visible(name)));
            Ok(())
        }
        ProxiesCommand::Rotate { name, overlap_seconds, only, line, api } => {
            let line = Unfinished::new(name, line, api)?;
            let body =
                overlap_seconds.map_or_else(|| json!({}), |seconds| json!({"overlap_seconds": seconds}));
            let path = format!("{}/rotate", place(name));
            let if_match = if_match(only);
            line.finish(&Api::open(api)?.write(
                &Method::POST,
                &path,
                Body::Json(&body),
                if_match.as_deref(),
            )?)
        }
        ProxiesCommand::Revoke { name, only, api } => {
            let path = format!("{}/revoke", place(name));
            Api::open(api)?.write(&Method::POST, &path, Body::None, if_match(only).as_deref())?;
            say(format!("{} is revoked", visible(name)));
            Ok(())
        }
    }
}

fn place(name: &str) -> String {
    format!("{COLLECTION}/{}", segment(name))
}

impl<'o> Unfinished<'o> {
    /// Finds out all that can go wrong before a token is made, which would then be lost.
    fn new(name: &'o str, options: &'o LineOptions, api: &ApiOptions) -> Result<Self, Failure> {
        let link_url = match &options.link_url {
            Some(url) => url.clone(),
            None => link_of(&api.server.url),
        };
        JoinLine::check_url(&link_url).map_err(|error| {
            Failure::Input(format!("`{}`: {error}; name it with --link-url", visible(&link_url)))
        })?;
        let to = options.to.as_deref().map(NewFile::create).transpose()?;
        Ok(Self { name, link_url, to })
    }

    /// The line alone goes to standard output or the file, what it is to standard error.
    fn finish(self, answer: &Answer) -> Done {
        let Self { name, link_url, to } = self;
        let document = answer.json()?;
        let text = |member: &str| document.get(member).and_then(Value::as_str);
        let again = format!("`oakgate proxies rotate {}` makes another", visible(name));
        let token = match text("key") {
            Some(token) => token,
            // The answer with the token was lost on the way, and this is the one to the request sent again.
            None if answer.is_repeated => {
                return Err(Failure::Fault(format!(
                    "the token was made, and lost with the connection: {again}"
                )));
            }
            None => return Err(ApiError::Unreadable.into()),
        };
        let Some(policy_key) = text("policy_public_key") else {
            let why = "the control plane has no policy key, so no proxy can follow it; the token that was made is lost";
            return Err(Failure::Fault(format!("{why}: once there is a policy key, {again}")));
        };
        let line = JoinLine::new(&link_url, token, policy_key, name)
            .map_err(|error| Failure::Fault(format!("{error}: is the control plane of this version?")))?;
        let line = line.to_text();
        match to {
            Some(file) => file.write(&line),
            None => {
                complain(format!(
                    "Run this on the machine of {}; it holds a secret, and is shown only now:",
                    visible(name)
                ));
                say(&*Zeroizing::new(["OAKGATE_JOIN=", &line, " oakgate proxy"].concat()));
                Ok(())
            }
        }
    }
}

/// The address of the links of the control plane whose API is there.
fn link_of(api: &str) -> String {
    let api = api.trim_end_matches('/');
    let place = match (strip_scheme(api, "https://"), strip_scheme(api, "http://")) {
        (Some(place), _) => format!("wss://{place}"),
        (None, Some(place)) => format!("ws://{place}"),
        (None, None) => api.to_owned(),
    };
    place + LINK_PATH
}

fn strip_scheme<'u>(url: &'u str, scheme: &str) -> Option<&'u str> {
    let (start, rest) = url.split_at_checked(scheme.len())?;
    start.eq_ignore_ascii_case(scheme).then_some(rest)
}

impl<'o> NewFile<'o> {
    fn create(path: &'o Path) -> Result<Self, Failure> {
        let file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path);
        let file =
            file.map_err(|error| Failure::Input(format!("{}: can't be made: {error}", path.display())))?;
        Ok(Self { path, file, is_written: false })
    }

    fn write(mut self, line: &str) -> Done {
        let written = self.file.write_all(line.as_bytes()).and_then(|()| self.file.write_all(b"\n"));
        let written = written.and_then(|()| self.file.sync_all());
        written
            .map_err(|error| Failure::Fault(format!("{}: can't be written: {error}", self.path.display())))?;
        self.is_written = true;
        complain(format!("For `oakgate proxy --join-file`; it holds a secret: {}", self.path.display()));
        Ok(())
    }
}

impl Drop for NewFile<'_> {
    fn drop(&mut self) {
        if !self.is_written {
            // Either it goes, or it is empty.
            let _ = std::fs::remove_file(self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use config::{PolicyKeysPlace, RelayTokenPlace};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn links_are_where_the_api_is() {
        for (api, link) in [
            ("http://127.0.0.1:8081", "ws://127.0.0.1:8081/v1/sync"),
            ("HTTPS://control.example.com/", "wss://control.example.com/v1/sync"),
            ("https://example.com/oakgate", "wss://example.com/oakgate/v1/sync"),
            ("control.example.com", "control.example.com/v1/sync"),
        ] {
            assert_eq!(link_of(api), link);
        }
    }

    #[test]
    fn a_line_goes_to_a_file_of_its_owner_alone_or_nothing_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("gate-1.join");
        let finish = |is_repeated, document: Value| {
            let to = Some(NewFile::create(&path).unwrap());
            let link_url = "wss://control.example.com/v1/sync".to_owned();
            let answer = Answer { etag: None, is_repeated, text: document.to_string() };
            Unfinished { name: "gate-1", link_url, to }.finish(&answer)
        };
        let token = format!("oak_proxy_{}", "x".repeat(43));
        for (is_repeated, document, says) in [
            (true, json!({"policy_public_key": "p"}), "lost with the connection"),
            (false, json!({"policy_public_key": "p"}), "can't be read"),
            (false, json!({"key": token}), "no policy key"),
            (false, json!({"key": "x", "policy_public_key": "p"}), "of this version?"),
        ] {
            let Err(Failure::Fault(error)) = finish(is_repeated, document) else { panic!("it was made") };
            assert!(error.contains(says), "{error}");
            assert!(!path.exists(), "{says}");
        }
        finish(false, json!({"key": token, "policy_public_key": "p"})).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let line = JoinLine::parse(&text).unwrap();
        let link = line.link("state".into(), None);
        let RelayTokenPlace::Given(read) = &link.relay_token else { panic!("{link:?}") };
        assert_eq!((line.name(), read.expose()), ("gate-1", token.as_str()));
        assert_eq!(link.policy_keys, PolicyKeysPlace::Given("p".to_owned()));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, FILE_MODE);
    }
}
