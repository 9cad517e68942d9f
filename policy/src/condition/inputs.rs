//! The variables of a condition: one call, read only as far as conditions ask for it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::types::{CelString, CelTimestamp};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;
use chrono::DateTime;

use super::fault::Fault;
use super::matches::{self, Pattern};
use super::value;
use crate::{Call, UnixMillis};

/// What the loops of one condition may read of a call's variables, all rounds together.
const LOOP_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// What reading a variable costs besides the size of the arguments.
const VARIABLE_BYTES: u64 = 64;

/// One call and the time, as conditions see them. Nothing is parsed before a condition needs it, and then once.
pub(crate) struct Inputs<'a> {
    call: &'a Call<'a>,
    now: UnixMillis,
    arguments: OnceLock<Result<Box<dyn Val + 'a>, Fault>>,
    caller: OnceLock<Box<dyn Val + 'a>>,
    /// How many more variables the condition being evaluated may read.
    variables_left: AtomicU64,
}

impl<'a> Inputs<'a> {
    pub(crate) const fn new(call: &'a Call<'a>, now: UnixMillis) -> Self {
        Self {
            call,
            now,
            arguments: OnceLock::new(),
            caller: OnceLock::new(),
            variables_left: AtomicU64::new(0),
        }
    }

    /// Reads the arguments, unless that has been done.
    pub(super) fn read_arguments(&self) -> Result<(), Fault> {
        self.arguments().as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// Grants a condition as many reads as it names variables, and those of its loops.
    pub(super) fn grant(&self, variables_count: u64) {
        let size = u64::try_from(self.call.arguments.len()).unwrap_or(u64::MAX);
        let in_loops = LOOP_BYTES_MAX / size.saturating_add(VARIABLE_BYTES);
        // One more, so that zero is left only when too many were read.
        self.variables_left
            .store(variables_count.saturating_add(in_loops).saturating_add(1), Ordering::Relaxed);
    }

    /// Whether the condition read more than it was granted.
    pub(super) fn is_exhausted(&self) -> bool {
        self.variables_left.load(Ordering::Relaxed) == 0
    }

    fn arguments(&self) -> &Result<Box<dyn Val + 'a>, Fault> {
        self.arguments.get_or_init(|| value::of_object(self.call.arguments).ok_or(Fault::Arguments))
    }

    fn spend(&self) -> Option<()> {
        let left = self.variables_left.load(Ordering::Relaxed).saturating_sub(1);
        self.variables_left.store(left, Ordering::Relaxed);
        (left > 0).then_some(())
    }
}

/// The variables of one condition.
pub(super) struct Variables<'i, 'a> {
    pub(super) inputs: &'i Inputs<'a>,
    pub(super) patterns: &'i [Pattern],
}

impl VariableResolver for Variables<'_, '_> {
    fn resolve<'b>(&'b self, variable: &str) -> Option<CowVal<'b, 'b>> {
        let inputs = self.inputs;
        let call = inputs.call;
        let text = |text: Option<&'b str>| CowVal::owned(CelString::from(text.unwrap_or_default()));
        Some(match variable {
            "args" => {
                inputs.spend()?;
                CowVal::Borrowed(inputs.arguments().as_ref().ok()?.as_ref())
            }
            "caller" => {
                inputs.spend()?;
                CowVal::Borrowed(inputs.caller.get_or_init(|| value::of_caller(call.caller)).as_ref())
            }
            "tenant" => text(call.tenant),
            "resource" => text(call.resource),
            "tool" => text(Some(call.tool)),
            "method" => text(call.method),
            "reasoning" => {
                inputs.spend()?;
                text(call.reasoning)
            }
            "now" => {
                let millis = i64::try_from(inputs.now.0).ok()?;
                CowVal::owned(CelTimestamp::from(DateTime::from_timestamp_millis(millis)?.fixed_offset()))
            }
            _ => CowVal::Borrowed(matches::pattern(variable, self.patterns)?),
        })
    }
}
