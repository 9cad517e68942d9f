//! What evaluating one condition may cost.
//!
//! The unit is the step. A value that is read costs a step, as does each item and field in it and every
//! [`STEP_BYTES`] of text; a loop costs what it goes over, and a step a round for each part of its body; `matches`
//! costs what [`super::matches`] says. Everything that an expression does takes time and memory in proportion to
//! what it reads, so the number of steps bounds both, whatever an author or an agent wrote.

use std::any::Any;
use std::sync::atomic::{AtomicU64, Ordering};

use cel::common::types::{
    CelBytes, CelInt, CelList, CelMap, CelMapKey, CelOptional, CelString, DYN_TYPE, INT_TYPE, Type,
};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};

/// Most steps of one condition on one call; what needs more is a fault.
pub const CONDITION_STEPS_MAX: u64 = 2_000_000;
/// Text that can be read in one step.
const STEP_BYTES: usize = 32;

/// The variable that holds the budget; no author can write this name, nor those of the functions.
pub(super) const BUDGET_VARIABLE: &str = "@budget";
/// `@read(value, @budget)` is the value, paid for.
pub(super) const READ: &str = "@read";
/// `@open(value, @budget)` is the value, as long as there is any budget left.
pub(super) const OPEN: &str = "@open";
/// `@over(range, @budget, parts)` is the range of a loop whose body has so many parts, paid for.
pub(super) const OVER: &str = "@over";

pub(super) static BUDGET_TYPE: Type = Type::new_unspecified_type("budget");

/// The steps that are left, as a value of its own type.
#[derive(Debug)]
pub(super) struct Budget {
    /// One more than may be spent, so that zero is left only when too many were wanted.
    steps_left: AtomicU64,
}

impl Budget {
    pub(super) const fn full() -> Self {
        Self { steps_left: AtomicU64::new(CONDITION_STEPS_MAX + 1) }
    }

    /// Whether more was wanted than there was.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps_left.load(Ordering::Relaxed) == 0
    }

    pub(super) fn spend(&self, steps: u64) -> Result<(), ExecutionError> {
        let left = self.steps_left.load(Ordering::Relaxed).saturating_sub(steps);
        self.steps_left.store(left, Ordering::Relaxed);
        if left > 0 { Ok(()) } else { Err(failed()) }
    }

    fn spend_on(&self, value: &dyn Val) -> Result<(), ExecutionError> {
        if let Some(text) = value.downcast_ref::<CelString<'_>>() {
            self.spend(steps_of_bytes(text.inner().len()))
        } else if let Some(bytes) = value.downcast_ref::<CelBytes<'_>>() {
            self.spend(steps_of_bytes(bytes.inner().len()))
        } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
            self.spend(1)?;
            list.inner().iter().try_for_each(|item| self.spend_on(item.as_ref()))
        } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
            self.spend(1)?;
            map.inner().iter().try_for_each(|(key, value)| {
                if let CelMapKey::String(key) = key {
                    self.spend(steps_of_bytes(key.inner().len()))?;
                }
                self.spend_on(value.as_ref())
            })
        } else if let Some(held) =
            value.downcast_ref::<CelOptional<'_>>().and_then(|optional| optional.option())
        {
            self.spend_on(held)
        } else {
            self.spend(1)
        }
    }
}

impl Val for Budget {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        &BUDGET_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(Self { steps_left: AtomicU64::new(self.steps_left.load(Ordering::Relaxed)) })
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Budget {}

/// The steps for so many bytes of text.
pub(super) fn steps_of_bytes(bytes: usize) -> u64 {
    u64::try_from(bytes / STEP_BYTES).unwrap_or(u64::MAX).saturating_add(1)
}

/// Declares the functions.
pub(super) fn declare(environment: &mut Env) -> Result<(), DeclarationError> {
    let budget = || BUDGET_TYPE.to_owned();
    environment.add_overload(READ, "budget_read", vec![DYN_TYPE, budget()], read)?;
    environment.add_overload(OPEN, "budget_open", vec![DYN_TYPE, budget()], open)?;
    environment.add_overload(OVER, "budget_over", vec![DYN_TYPE, budget(), INT_TYPE], over)
}

fn read<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [value, budget] = arguments.as_slice() else { return Err(failed()) };
    budget.downcast_ref::<Budget>().ok_or_else(failed)?.spend_on(value.as_ref())?;
    arguments.into_iter().next().ok_or_else(failed)
}

fn open<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [_, budget] = arguments.as_slice() else { return Err(failed()) };
    budget.downcast_ref::<Budget>().ok_or_else(failed)?.spend(1)?;
    arguments.into_iter().next().ok_or_else(failed)
}

fn over<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [range, budget, parts] = arguments.as_slice() else { return Err(failed()) };
    let budget = budget.downcast_ref::<Budget>().ok_or_else(failed)?;
    let parts = parts.downcast_ref::<CelInt>().and_then(|parts| u64::try_from(*parts.inner()).ok());
    let rounds = range.as_sizer().and_then(|range| u64::try_from(*range.size().inner()).ok());
    budget.spend_on(range.as_ref())?;
    // What has no size cannot be looped over either.
    budget.spend(rounds.unwrap_or_default().saturating_mul(parts.ok_or_else(failed)?))?;
    arguments.into_iter().next().ok_or_else(failed)
}

fn failed() -> ExecutionError {
    ExecutionError::function_error(READ, "too costly")
}
