//! Why the API did not do what it was asked, told to a person.

use std::fmt::{self, Write};

use serde::Deserialize;

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
    Refused(Refusal),
    /// It said something else than it promises.
    Unreadable,
    NoRandomBits(getrandom::Error),
}

/// A problem document (RFC 9457), as far as it is there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Refusal {
    #[serde(skip)]
    pub(crate) status: u16,
    /// Which problem it is.
    pub(crate) code: String,
    detail: String,
    errors: Vec<String>,
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
    /// Whether it is this problem.
    pub(crate) fn is(&self, code: &str) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == code)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        match error {
            ApiError::Unreachable { url, error } => {
                let hint = "is the control plane running? name its address with --url";
                Self::Fault(format!("{}: {}\n{hint}", visible(&url), visible(&error.to_string())))
            }
            ApiError::Refused(refusal) if refusal.status >= 500 => Self::Fault(refusal.to_string()),
            ApiError::Refused(refusal) => Self::Input(refusal.to_string()),
            ApiError::Unreadable => {
                Self::Fault("the answer can't be read; is there a control plane at --url?".to_owned())
            }
            ApiError::NoRandomBits(error) => Self::Fault(format!("no random bits: {error}")),
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
