//! A policy that comes as a signed bundle, as used.

use std::path::{Path, PathBuf};

use super::jwt::FetchUrl;
use crate::source::BundleSource;
use crate::{MaxPolicyAge, Mistake};

/// A signed policy that is fetched.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Where it is.
    pub url: FetchUrl,
    /// The file of the policy keys' public halves.
    pub key_file: PathBuf,
    /// The organisation whose policy is taken; `None`: that of the first one.
    pub org: Option<String>,
    /// The folder of what was last known to be good.
    pub state_directory: PathBuf,
    /// How often it is asked for.
    pub poll_seconds: u64,
    /// The authorities that the server's certificate must come from; `None` for the system's.
    pub ca_file: Option<PathBuf>,
}

/// `None` if its URL is a mistake.
pub(super) fn bundle(
    source: BundleSource,
    max_age: &MaxPolicyAge,
    folder: &Path,
    mistakes: &mut Vec<Mistake>,
) -> Option<Bundle> {
    if source.poll_seconds >= max_age.destructive_seconds {
        let what = format!(
            "must be less than `policy.max_policy_age.destructive_seconds`, which is {}: between two looks the policy \
             would be too old",
            max_age.destructive_seconds
        );
        mistakes.push(Mistake::at("proxy.policy.bundle.poll_seconds", what));
    }
    let Some(url) = FetchUrl::parse(&source.url) else {
        // A password could stand in it, so it is not repeated.
        let what = "must be an https URL (or http on loopback) without user or fragment";
        mistakes.push(Mistake::at("proxy.policy.bundle.url", what));
        return None;
    };
    Some(Bundle {
        url,
        key_file: folder.join(source.key_file),
        org: source.org,
        state_directory: folder.join(source.state_directory),
        poll_seconds: source.poll_seconds.into(),
        ca_file: source.ca_file.map(|file| folder.join(file)),
    })
}

#[cfg(test)]
mod tests {
    use crate::{Environment, Settings};

    const SETTINGS: &str = "proxy:
  name: gate-1
  admin: 127.0.0.1:0
  listeners: [{name: agents, address: '127.0.0.1:0', auth: api-key}]
  backends: [{name: notes, kind: mcp, path: /mcp, url: 'http://127.0.0.1:1/mcp'}]
  keys_file: keys.yaml
  receipts: {keys_file: receipts.jwks}
  audit: {directory: audit}
";

    const LINK: &str = "  control_plane: {url: 'wss://control.internal/v1/sync', relay_token_file: token, policy_key_file: keys, state_directory: state}\n";

    #[test]
    fn a_policy_has_one_source() {
        let bundle = |url: &str| format!("bundle: {{url: '{url}', key_file: keys, state_directory: state}}");
        let good = bundle("https://example.com/policy.signed?token=x");
        let mistake = |policy: &str, more: &str| {
            let text = format!("{SETTINGS}{more}  policy: {{{policy}}}\n");
            let read = Settings::read(&text, std::path::Path::new("."), Environment::none());
            read.err().map(|mistakes| mistakes.first().map(ToString::to_string).unwrap_or_default())
        };
        assert_eq!(mistake(&good, ""), None);
        assert_eq!(mistake(&bundle("http://127.0.0.1:8000/policy.signed"), ""), None);
        let linked = format!("{SETTINGS}  policy: {{{good}}}\n");
        let linked = Settings::read_to_link(&linked, std::path::Path::new("."), Environment::none());
        let expected = "proxy.policy.bundle: this proxy is linked to a control plane";
        assert!(linked.unwrap_err()[0].to_string().starts_with(expected));
        for (policy, more, expected) in [
            (format!("{good}, file: policy.yaml"), "", "proxy.policy.bundle: there is a `policy.file` too"),
            (good.clone(), LINK, "proxy.policy.bundle: there is a `control_plane` too"),
            (String::new(), "", "proxy.policy.file: missing"),
            (bundle("http://example.com/policy.signed"), "", "proxy.policy.bundle.url: must be an https URL"),
            (bundle("https://me:s3cret@example.com/"), "", "proxy.policy.bundle.url: must be an https URL"),
            (
                format!("{good}, max_policy_age: {{destructive_seconds: 30}}"),
                "",
                "proxy.policy.bundle.poll_seconds: must be less than",
            ),
        ] {
            let mistake = mistake(&policy, more).unwrap_or_default();
            assert!(
                mistake.starts_with(expected) && !mistake.contains("s3cret"),
                "{mistake}, not {expected}"
            );
        }
    }
}
