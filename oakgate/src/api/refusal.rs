//! Why the API did not do what it was asked, told to a person.

use std::fmt::{self, Write};

use serde::Deserialize;
use serde_json::Value;

use super::connection;
use crate::exit::Failure;
use crate::terminal::visible;

/// Most mistakes of one refusal that are printed.
const ERRORS_SHOWN_MAX: usize = 100;

/// Longest answer that is no problem document and is repeated nevertheless.
const TEXT_SHOWN_CHARS: usize = 200;

/// A request that was not done, as far as is known.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// No control plane answered.
    Unreachable {
        url: String,
        error: ureq::Error,
    },
    /// It said no.
    Refused(Box<Refusal>),
    /// It said something else than it promises.
    Unreadable,
    NoRandomBits(getrandom::Error),
}

/// A problem document (RFC 9457), as far as it is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    #[serde(skip)]
    status: u16,
    /// Which problem it is.
    code: String,
    detail: String,
    errors: Vec<String>,
    /// Why a receipt is refused.
    reason: Option<String>,
    /// What was found instead of leave.
    verdict: Option<Value>,
}

impl Refusal {
    pub(super) fn read(status: u16, text: &str) -> Self {
        match serde_json::from_str::<Self>(text) {
            Ok(refusal) => Self { status, ..refusal },
            Err(_) => {
                let detail = text.trim().chars().take(TEXT_SHOWN_CHARS).collect();
                Self { status, detail, ..Self::default() }
            }
        }
    }
}

/// `refused (422 policy_refused): detail`, and each mistake on a line.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused ({}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", visible(&self.code))?;
        }
        f.write_char(')')?;
        if !self.detail.is_empty() {
            write!(f, ": {}", visible(&self.detail))?;
        }
        for error in self.errors.iter().take(ERRORS_SHOWN_MAX) {
            write!(f, "\n  {}", visible(error))?;
        }
        match self.errors.len().saturating_sub(ERRORS_SHOWN_MAX) {
            0 => Ok(()),
            left_out => write!(f, "\n  and {left_out} more"),
        }
    }
}

impl ApiError {
    /// Whether the request may have been done, and nobody can say.
    pub(crate) fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Unreachable { error, .. } if connection::may_have_arrived(error))
    }

    /// What to do next.
    fn hint(&self) -> Option<&'static str> {
        let refusal = match self {
            Self::Unreachable { .. } => {
                return Some("is the control plane running? name its address with --url");
            }
            Self::Unreadable => return Some("is there a control plane at --url?"),
            Self::NoRandomBits(_) => return None,
            Self::Refused(refusal) => refusal,
        };
        match refusal.code.as_str() {
            "cannot_configure" => Some("name the file of a management key with --key-file"),
            "cannot_run" => Some("name the file of a standard or an agent's key with --key-file"),
            "key_cannot_decide" => Some("name the file of a person's session with --session-file"),
            "key_expired" => Some("`change` with --expires-at or --no-expires-at does that"),
            "no_policy" => Some("`oakgate policy push` puts one in force"),
            "not_found" => Some("`list` says what there is, `oakgate policy revisions` which revisions"),
            "tool_unknown" => Some("`oakgate policy tools list` says which there are"),
            "unauthenticated" => Some(
                "it may be revoked, expired, or of another control plane: name the file of a good one with --key-file or \
                 --session-file",
            ),
            "version_changed" => Some("`show` says what is in force now, and its version for --if-version"),
            _ => None,
        }
    }

    /// Why the API does not take a receipt, if that is it.
    pub(crate) fn receipt_refused(&self) -> Option<&str> {
        match self {
            Self::Refused(refusal) if refusal.code == "receipt_refused" => refusal.reason.as_deref(),
            _ => None,
        }
    }

    /// What the API found, where it gives no leave.
    pub(crate) fn verdict(&self) -> Option<&Value> {
        match self {
            Self::Refused(refusal) => refusal.verdict.as_ref(),
            _ => None,
        }
    }

    /// Whether it is this problem.
    pub(crate) fn is(&self, code: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == code)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { url, error } => {
                write!(f, "{}: {}", visible(url), visible(&error.to_string()))
            }
            Self::Refused(refusal) => refusal.fmt(f),
            Self::Unreadable => f.write_str("the answer can't be read"),
            Self::NoRandomBits(error) => write!(f, "no random bits: {error}"),
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let text = match error.hint() {
            Some(hint) => format!("{error}\n{hint}"),
            None => error.to_string(),
        };
        match error {
            ApiError::Refused(refusal) if refusal.status < 500 => Self::Input(text),
            _ => Self::Fault(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Refusal;

    #[test]
    fn a_refusal_is_told_whole_and_clean() {
        for (status, text, expected) in [
            (
                422,
                r#"{"type":"about:blank","code":"policy_refused","detail":"it has mistakes","errors":["rule `a`\u001b[2J: no","b"]}"#,
                "refused (422 policy_refused): it has mistakes\n  rule `a`\\u{1b}[2J: no\n  b",
            ),
            (
                404,
                r#"{"code":"not_found","detail":"there is nothing here"}"#,
                "refused (404 not_found): there is nothing here",
            ),
            (502, "<html>Bad\u{7} Gateway", "refused (502): <html>Bad\\u{7} Gateway"),
            (500, "", "refused (500)"),
        ] {
            assert_eq!(Refusal::read(status, text).to_string(), expected);
        }
    }
}
