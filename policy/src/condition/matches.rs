//! `matches`: regular expressions, compiled once where they are written out.
//!
//! The evaluator's own `matches` compiles its pattern at every call. So the calls of a condition are
//! rewritten: a pattern that is a text literal becomes a value compiled when the document loads; any other is
//! compiled when evaluated, within limits, as it may hold what an agent sent.

use std::any::Any;

use cel::common::ast::{CallExpr, EntryExpr, Expr, LiteralValue};
use cel::common::types::{CelBool, CelString, STRING_TYPE, Type};
use cel::common::value::{CowVal, StaticVal, Val};
use cel::{DeclarationError, Env, ExecutionError};
use regex::{Regex, RegexBuilder};

use super::NotACondition;

/// Most memory of a pattern that is compiled when evaluated.
const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// The function in CEL.
const MATCHES: &str = "matches";
/// The same with a pattern that is compiled when evaluated; no author can write this name.
const MATCHES_DYNAMIC: &str = "@matches";
/// The variables that stand for compiled patterns, by their place in the list.
const PATTERN_VARIABLE: &str = "@pattern";

static PATTERN_TYPE: Type = Type::new_unspecified_type("pattern");

/// A compiled pattern, as a value of its own type.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

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
    let compiled = vec![STRING_TYPE, PATTERN_TYPE.to_owned()];
    environment.add_overload(MATCHES, "string_matches_pattern", compiled, matches_compiled)?;
    let dynamic = vec![STRING_TYPE, STRING_TYPE];
    environment.add_overload(MATCHES_DYNAMIC, "string_matches_string", dynamic, matches_dynamic)
}

/// The pattern that a variable stands for.
pub(super) fn pattern<'p>(variable: &str, patterns: &'p [Pattern]) -> Option<&'p Pattern> {
    patterns.get(variable.strip_prefix(PATTERN_VARIABLE)?.parse::<usize>().ok()?)
}

#[expect(clippy::needless_pass_by_value, reason = "functions of the evaluator have this signature")]
fn matches_compiled<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = arguments.as_slice() else { return Err(failed()) };
    match (text.downcast_ref::<CelString<'_>>(), pattern.downcast_ref::<Pattern>()) {
        (Some(text), Some(pattern)) => Ok(CowVal::owned(CelBool::from(pattern.0.is_match(text.inner())))),
        _ => Err(failed()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "functions of the evaluator have this signature")]
fn matches_dynamic<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let [text, pattern] = arguments.as_slice() else { return Err(failed()) };
    let (Some(text), Some(pattern)) =
        (text.downcast_ref::<CelString<'_>>(), pattern.downcast_ref::<CelString<'_>>())
    else {
        return Err(failed());
    };
    if pattern.inner().len() > PATTERN_BYTES_MAX {
        return Err(failed());
    }
    let regex =
        RegexBuilder::new(pattern.inner()).size_limit(PATTERN_BYTES_MAX).build().map_err(|_| failed())?;
    Ok(CowVal::owned(CelBool::from(regex.is_match(text.inner()))))
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
    match expression {
        Expr::Call(call) => {
            let target = call.target.iter_mut().map(AsMut::as_mut);
            target.chain(&mut call.args).try_for_each(|part| visit(&mut part.expr, patterns))?;
            rewrite(call, patterns)
        }
        Expr::Comprehension(comprehension) => {
            let parts = comprehension.as_mut();
            [
                &mut parts.iter_range,
                &mut parts.accu_init,
                &mut parts.loop_cond,
                &mut parts.loop_step,
                &mut parts.result,
            ]
            .into_iter()
            .try_for_each(|part| visit(&mut part.expr, patterns))
        }
        Expr::List(list) => {
            list.elements.iter_mut().try_for_each(|element| visit(&mut element.expr, patterns))
        }
        Expr::Map(map) => map.entries.iter_mut().try_for_each(|entry| match &mut entry.expr {
            EntryExpr::MapEntry(entry) => {
                visit(&mut entry.key.expr, patterns)?;
                visit(&mut entry.value.expr, patterns)
            }
            EntryExpr::StructField(field) => visit(&mut field.value.expr, patterns),
        }),
        Expr::Select(select) => visit(&mut select.operand.expr, patterns),
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Ok(()),
    }
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
        let regex = Regex::new(text.inner()).map_err(|_| NotACondition::NotAPattern(text.inner().into()))?;
        pattern.expr = Expr::Ident(format!("{PATTERN_VARIABLE}{}", patterns.len()));
        patterns.push(Pattern(regex));
    } else {
        call.func_name = MATCHES_DYNAMIC.to_owned();
    }
    Ok(())
}
