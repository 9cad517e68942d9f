//! `matches`: regular expressions, compiled once where they are written out.
//!
//! The evaluator's own `matches` compiles its pattern at every call. So the calls of a condition are
//! rewritten: a pattern that is a text literal becomes a value compiled when the document loads; any other is
//! compiled when evaluated, within limits, as it may hold what an agent sent.
//!
//! In the worst case an expression looks at every state of the pattern for each byte of the text. So a byte costs
//! the more steps, the larger the compiled pattern is.

use std::any::Any;

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue};
use cel::common::types::{CelBool, CelString, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::{Regex, RegexBuilder};

use super::NotACondition;
use super::budget::{BUDGET_TYPE, BUDGET_VARIABLE, Budget};
use super::parts::parts_of;

/// Most memory of a compiled pattern.
pub(super) const PATTERN_BYTES_MAX: usize = 512 * 1024;
/// Patterns of up to so much memory cost a step for each byte of text; each further one, one more.
const PATTERN_STEP_BYTES: usize = 8 * 1024;
/// Longest text of a pattern that is compiled when evaluated.
const DYNAMIC_PATTERN_BYTES_MAX: usize = 1024;
/// What it costs to compile one.
const DYNAMIC_PATTERN_STEPS: u64 = 50_000;
/// The function in CEL.
const MATCHES: &str = "matches";
/// The same with a pattern that is compiled when evaluated; no author can write this name.
const MATCHES_DYNAMIC: &str = "@matches";
/// The variables that stand for compiled patterns, by their place in the list.
const PATTERN_VARIABLE: &str = "@pattern";

static PATTERN_TYPE: Type = Type::new_unspecified_type("pattern");

/// A compiled pattern, as a value of its own type.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    /// What it costs to look at one byte of text.
    steps_per_byte: u64,
}

impl Pattern {
    fn compile(text: &str) -> Result<Self, regex::Error> {
        let mut bytes_max = PATTERN_STEP_BYTES;
        loop {
            match RegexBuilder::new(text).size_limit(bytes_max).build() {
                Err(regex::Error::CompiledTooBig(_)) if bytes_max < PATTERN_BYTES_MAX => bytes_max *= 4,
                Err(error) => return Err(error),
                Ok(regex) => {
                    let steps_per_byte = u64::try_from(bytes_max / PATTERN_STEP_BYTES).unwrap_or(u64::MAX);
                    return Ok(Self { regex, steps_per_byte });
                }
            }
        }
    }

    fn is_match<'b, 'v>(&self, text: &str, budget: &Budget) -> Result<CowVal<'b, 'v>, ExecutionError> {
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX).saturating_add(1);
        budget.spend(bytes.saturating_mul(self.steps_per_byte))?;
        Ok(CowVal::owned(CelBool::from(self.regex.is_match(text))))
    }
}

impl Val for Pattern {
    fn get_type(&self) -> &Type {
        <Self as Val>::cel_type()
    }

    fn cel_type() -> &'static Type {
        &PATTERN_TYPE
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for Pattern {}

/// Declares both functions.
pub(super) fn declare(environment: &mut Env) -> Result<(), DeclarationError> {
    let budget = || BUDGET_TYPE.to_owned();
    let compiled = vec![STRING_TYPE, PATTERN_TYPE.to_owned(), budget()];
    environment.add_overload(MATCHES, "string_matches_pattern", compiled, matches_compiled)?;
    let dynamic = vec![STRING_TYPE, STRING_TYPE, budget()];
    environment.add_overload(MATCHES_DYNAMIC, "string_matches_string", dynamic, matches_dynamic)
}

/// The pattern that a variable stands for.
pub(super) fn pattern<'p>(variable: &str, patterns: &'p [Pattern]) -> Option<&'p Pattern> {
    patterns.get(variable.strip_prefix(PATTERN_VARIABLE)?.parse::<usize>().ok()?)
}

#[expect(clippy::needless_pass_by_value, reason = "functions of the evaluator have this signature")]
fn matches_compiled<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern, budget] = arguments.as_slice() else { return Err(failed()) };
    let text = text.downcast_ref::<CelString<'_>>().ok_or_else(failed)?;
    let pattern = pattern.downcast_ref::<Pattern>().ok_or_else(failed)?;
    pattern.is_match(text.inner(), budget.downcast_ref::<Budget>().ok_or_else(failed)?)
}

#[expect(clippy::needless_pass_by_value, reason = "functions of the evaluator have this signature")]
fn matches_dynamic<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern, budget] = arguments.as_slice() else { return Err(failed()) };
    let text = text.downcast_ref::<CelString<'_>>().ok_or_else(failed)?;
    let pattern = pattern.downcast_ref::<CelString<'_>>().ok_or_else(failed)?;
    let budget = budget.downcast_ref::<Budget>().ok_or_else(failed)?;
    if pattern.inner().len() > DYNAMIC_PATTERN_BYTES_MAX {
        return Err(failed());
    }
    budget.spend(DYNAMIC_PATTERN_STEPS)?;
    Pattern::compile(pattern.inner()).map_err(|_| failed())?.is_match(text.inner(), budget)
}

fn failed() -> ExecutionError {
    ExecutionError::function_error(MATCHES, "not a regular expression")
}

/// Rewrites every call of `matches` in an expression; gives back the patterns that it compiled.
pub(super) fn compile(expression: &mut Expr) -> Result<Vec<Pattern>, NotACondition> {
    let mut patterns = Vec::new();
    visit(expression, &mut patterns)?;
    Ok(patterns)
}

fn visit(expression: &mut Expr, patterns: &mut Vec<Pattern>) -> Result<(), NotACondition> {
    parts_of(expression).into_iter().try_for_each(|part| visit(&mut part.expr, patterns))?;
    if let Expr::Call(call) = expression { rewrite(call, patterns) } else { Ok(()) }
}

fn rewrite(call: &mut CallExpr, patterns: &mut Vec<Pattern>) -> Result<(), NotACondition> {
    let arguments_count = call.args.len().saturating_add(usize::from(call.target.is_some()));
    if call.func_name != MATCHES || arguments_count != 2 {
        return Ok(());
    }
    // `x.matches(y)` is `matches(x, y)`.
    call.args.splice(0..0, call.target.take().map(|target| *target));
    let Some(pattern) = call.args.last_mut() else { return Ok(()) };
    if let Expr::Literal(LiteralValue::String(text)) = &pattern.expr {
        let compiled = Pattern::compile(text.inner()).map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => NotACondition::PatternTooLarge(text.inner().into()),
            _ => NotACondition::NotAPattern(text.inner().into()),
        })?;
        pattern.expr = Expr::Ident(format!("{PATTERN_VARIABLE}{}", patterns.len()));
        patterns.push(compiled);
    } else {
        call.func_name = MATCHES_DYNAMIC.to_owned();
    }
    call.args.push(IdedExpr { id: 0, expr: Expr::Ident(BUDGET_VARIABLE.to_owned()) });
    Ok(())
}
