//! Conditions of rules: CEL (Common Expression Language) over one call.
//!
//! What a policy author wrote is checked when the document loads: its depth, so that no expression can
//! exhaust the stack, and its names, so that a misspelt variable is no surprise at run time. What an agent
//! sends meets the compiled expression under a budget of steps, which bounds time and memory whatever author and
//! agent wrote, and every failure is a [`Fault`], never a verdict.

mod budget;
mod fault;
mod inputs;
mod matches;
mod metering;
mod names;
mod nesting;
mod parts;
mod path;
mod value;

#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

use cel::common::types::CelBool;
use cel::parser::Expression;
use cel::{Context, Env, Value};

use self::budget::Budget;
pub use self::budget::CONDITION_STEPS_MAX;
pub use self::fault::Fault;
pub use self::inputs::CONDITION_ARGUMENTS_BYTES_MAX;
pub(crate) use self::inputs::Inputs;
use self::inputs::Variables;
use self::matches::{PATTERN_BYTES_MAX, Pattern};
pub(crate) use self::path::{Key, Path};

/// Longest condition.
pub const CONDITION_BYTES_MAX: usize = 4096;
/// Deepest nesting: links of chains of operators (`a.b + c`), and brackets, each counting for three. Without
/// optimisation the parser and the evaluator need up to 60 KB of stack for each.
pub const CONDITION_DEPTH_MAX: usize = 32;

/// The standard library of CEL, with optional values; shared by every condition.
static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    // Refused only if declared before; without them, every use is a fault.
    let _ = budget::declare(&mut environment);
    let _ = matches::declare(&mut environment);
    Arc::new(environment)
});

/// A compiled condition.
pub(crate) struct Condition {
    /// As it was written.
    source: Box<str>,
    expression: Expression,
    patterns: Vec<Pattern>,
    /// What it reads of a call.
    paths: Box<[Path]>,
    reads_arguments: bool,
}

/// A text that is no condition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotACondition {
    /// Brackets or operators nested deeper than the parser may go.
    #[error(
        "nested too deep: at most {CONDITION_DEPTH_MAX} operators in a chain, or a third of that in brackets"
    )]
    TooDeep,
    /// No CEL.
    #[error("{message} (at {line}:{column} of the expression)")]
    Syntax {
        /// What the parser says.
        message: Box<str>,
        /// The line within the expression, from one.
        line: u32,
        /// The column within the expression, from one.
        column: u32,
    },
    /// A variable that no call has.
    #[error(
        "unknown variable `{0}`; there are args, caller, tenant, resource, tool, method, reasoning and now"
    )]
    UnknownVariable(Box<str>),
    /// A function that does not exist.
    #[error("unknown function `{0}`")]
    UnknownFunction(Box<str>),
    /// The pattern of `matches` is no regular expression.
    #[error("`{0}` is not a regular expression")]
    NotAPattern(Box<str>),
    /// The pattern of `matches` takes too much memory.
    #[error("`{0}` takes more than {PATTERN_BYTES_MAX} bytes as a compiled regular expression")]
    PatternTooLarge(Box<str>),
    /// Something that CEL has and conditions have no use for.
    #[error("{0} are not supported")]
    Unsupported(&'static str),
    /// A loop inside a loop that does not go over a part of the outer one's item.
    #[error(
        "a loop inside a loop may only go over a part of `{0}`, a variable of the call or a written list"
    )]
    LoopInLoop(Box<str>),
}

impl Condition {
    /// Compiles a condition.
    pub(crate) fn compile(source: &str) -> Result<Self, NotACondition> {
        if nesting::depth(source) > CONDITION_DEPTH_MAX {
            return Err(NotACondition::TooDeep);
        }
        let parsed = catch_unwind(|| ENVIRONMENT.parser().parse(source));
        let mut expression = match parsed {
            Ok(Ok(expression)) => expression,
            Ok(Err(errors)) => return Err(syntax(errors.errors.first())),
            Err(_) => return Err(syntax(None)),
        };
        names::check(&expression)?;
        let patterns = matches::compile(&mut expression.expr)?;
        let paths = metering::meter(&mut expression).into_boxed_slice();
        let reads_arguments = paths.iter().any(|path| path.variable == "args");
        Ok(Self { source: source.into(), expression, patterns, paths, reads_arguments })
    }

    /// Whether it holds for a call.
    ///
    /// # Errors
    /// A [`Fault`] if it cannot be evaluated, takes more than [`CONDITION_STEPS_MAX`] steps or yields no bool.
    pub(crate) fn holds(&self, inputs: &Inputs<'_>) -> Result<bool, Fault> {
        if self.reads_arguments {
            inputs.read_arguments()?;
        }
        let variables = Variables { inputs, patterns: &self.patterns, budget: Budget::full() };
        let evaluated = catch_unwind(AssertUnwindSafe(|| {
            let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
            context.set_variable_resolver(&variables);
            let value = Value::resolve_val(&self.expression, &context).map_err(|error| Fault::of(&error))?;
            match value.downcast_ref::<CelBool>() {
                Some(holds) => Ok(*holds.inner()),
                None => Err(Fault::NotABool(value.get_type().name().into())),
            }
        }));
        // A loop may have swallowed the failure that an exhausted budget is to CEL.
        if variables.budget.is_exhausted() {
            return Err(Fault::TooCostly);
        }
        evaluated.unwrap_or(Err(Fault::Panicked))
    }

    /// The text that was compiled.
    pub(crate) const fn source(&self) -> &str {
        &self.source
    }

    /// The parts of a call that it reads.
    pub(crate) fn paths(&self) -> &[Path] {
        &self.paths
    }
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Condition").field("paths", &self.paths).finish_non_exhaustive()
    }
}

fn syntax(error: Option<&cel::ParseError>) -> NotACondition {
    let (message, (line, column)) =
        error.map_or(("not an expression", (1, 1)), |error| (error.msg.as_str(), error.pos));
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    // What else the parser would have taken, and its own state, would go on for lines.
    let message = message.split(" expecting").next().unwrap_or_default();
    let message = message.split(['\n', '{']).next().unwrap_or_default();
    let narrow = |number: isize| u32::try_from(number).unwrap_or(1).max(1);
    NotACondition::Syntax { message: message.into(), line: narrow(line), column: narrow(column) }
}
