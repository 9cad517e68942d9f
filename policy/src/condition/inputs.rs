//! The variables of a condition: one call, read only as far as conditions ask for it.

use std::borrow::Cow;
use std::sync::OnceLock;

use cel::common::types::{CelString, CelTimestamp};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::budget::{BUDGET_VARIABLE, Budget};
use super::fault::Fault;
use super::matches::{self, Pattern};
use super::value;
use crate::{Call, UnixMillis};

/// Longest arguments that a condition reads; longer ones are a fault.
pub const CONDITION_ARGUMENTS_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One call and the time, as conditions see them. Nothing is parsed before a condition needs it, and then once.
pub(crate) struct Inputs<'a> {
    call: &'a Call<'a>,
    now: UnixMillis,
    arguments: OnceLock<Result<Box<dyn Val + 'a>, Fault>>,
    caller: OnceLock<Box<dyn Val + 'a>>,
    /// The same as `arguments`, for whoever wants to be shown them.
    shown_arguments: OnceLock<Option<Value>>,
}

impl<'a> Inputs<'a> {
    pub(crate) const fn new(call: &'a Call<'a>, now: UnixMillis) -> Self {
        Self {
            call,
            now,
            arguments: OnceLock::new(),
            caller: OnceLock::new(),
            shown_arguments: OnceLock::new(),
        }
    }

    /// Reads the arguments, unless that has been done.
    pub(super) fn read_arguments(&self) -> Result<(), Fault> {
        self.arguments().as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// A variable as JSON, for people; `None` if the call lacks it or it cannot be read.
    pub(crate) fn shown(&self, variable: &str) -> Option<Cow<'_, Value>> {
        let call = self.call;
        let text = |text: Option<&str>| text.map(|text| Cow::Owned(text.into()));
        match variable {
            "args" => self.shown_arguments().map(Cow::Borrowed),
            "caller" => {
                let caller = call.caller;
                let fields = json!({"id": caller.id, "kind": caller.kind, "claims": caller.claims});
                Some(Cow::Owned(fields))
            }
            "tenant" => text(call.tenant),
            "resource" => text(call.resource),
            "tool" => text(Some(call.tool)),
            "method" => text(call.method),
            "reasoning" => text(call.reasoning),
            // Its debug form is RFC 3339's.
            "now" => self.time().map(|time| Cow::Owned(format!("{time:?}").into())),
            _ => None,
        }
    }

    fn shown_arguments(&self) -> Option<&Value> {
        let read =
            || self.read_arguments().ok().and_then(|()| serde_json::from_str(self.call.arguments).ok());
        self.shown_arguments.get_or_init(read).as_ref()
    }

    fn time(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_millis(i64::try_from(self.now.0).ok()?)
    }

    fn arguments(&self) -> &Result<Box<dyn Val + 'a>, Fault> {
        self.arguments.get_or_init(|| {
            let text = self.call.arguments;
            if text.len() > CONDITION_ARGUMENTS_BYTES_MAX {
                return Err(Fault::TooCostly);
            }
            value::of_object(text).ok_or(Fault::Arguments)
        })
    }
}

/// The variables of one condition.
pub(super) struct Variables<'i, 'a> {
    pub(super) inputs: &'i Inputs<'a>,
    pub(super) patterns: &'i [Pattern],
    pub(super) budget: Budget,
}

impl VariableResolver for Variables<'_, '_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let inputs = self.inputs;
        let call = inputs.call;
        let text = |text: Option<&'b str>| CowVal::owned(CelString::from(text.unwrap_or_default()));
        Some(match variable {
            "args" => CowVal::Borrowed(inputs.arguments().as_ref().ok()?.as_ref()),
            "caller" => {
                CowVal::Borrowed(inputs.caller.get_or_init(|| value::of_caller(call.caller)).as_ref())
            }
            "tenant" => text(call.tenant),
            "resource" => text(call.resource),
            "tool" => text(Some(call.tool)),
            "method" => text(call.method),
            "reasoning" => text(call.reasoning),
            "now" => CowVal::owned(CelTimestamp::from(inputs.time()?.fixed_offset())),
            BUDGET_VARIABLE => CowVal::Borrowed(&self.budget),
            _ => CowVal::Borrowed(matches::pattern(variable, self.patterns)?),
        })
    }
}
