//! The names in a condition: every variable and function must be one that there is.

use cel::common::ast::{ComprehensionExpr, EntryExpr, Expr, operators};
use cel::parser::Expression;

use super::NotACondition;

/// The variables of a call.
pub(super) const VARIABLES: [&str; 8] =
    ["args", "caller", "tenant", "resource", "tool", "method", "reasoning", "now"];

/// The names of types, and of the namespace of optional values.
const TYPES: [&str; 12] = [
    "bool",
    "bytes",
    "double",
    "dyn",
    "int",
    "list",
    "map",
    "null_type",
    "optional",
    "string",
    "type",
    "uint",
];

/// The functions of CEL's standard library that this evaluator has.
const FUNCTIONS: [&str; 32] = [
    "bool",
    "bytes",
    "contains",
    "double",
    "duration",
    "dyn",
    "endsWith",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "hasValue",
    "int",
    "matches",
    "none",
    "of",
    "ofNonZeroValue",
    "or",
    "orValue",
    "size",
    "startsWith",
    "string",
    "timestamp",
    "type",
    "uint",
    "value",
];

/// The operators, by the names that the parser gives them.
const OPERATORS: [&str; 21] = [
    operators::CONDITIONAL,
    operators::LOGICAL_AND,
    operators::LOGICAL_OR,
    operators::LOGICAL_NOT,
    operators::SUBSTRACT,
    operators::ADD,
    operators::MULTIPLY,
    operators::DIVIDE,
    operators::MODULO,
    operators::EQUALS,
    operators::NOT_EQUALS,
    operators::GREATER_EQUALS,
    operators::LESS_EQUALS,
    operators::GREATER,
    operators::LESS,
    operators::NEGATE,
    operators::INDEX,
    operators::OPT_INDEX,
    operators::OPT_SELECT,
    operators::NOT_STRICTLY_FALSE,
    operators::IN,
];

/// Looks at every name of an expression.
pub(super) fn check(expression: &Expression) -> Result<(), NotACondition> {
    Names::default().visit(&expression.expr)
}

#[derive(Default)]
struct Names<'e> {
    /// The variables of the loops around the expression being looked at, innermost last.
    loops: Vec<&'e str>,
}

impl<'e> Names<'e> {
    fn visit(&mut self, expression: &'e Expr) -> Result<(), NotACondition> {
        match expression {
            Expr::Literal(_) => Ok(()),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.visit(&select.operand.expr),
            Expr::List(list) => list.elements.iter().try_for_each(|element| self.visit(&element.expr)),
            Expr::Map(map) => map.entries.iter().try_for_each(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => {
                    self.visit(&entry.key.expr)?;
                    self.visit(&entry.value.expr)
                }
                EntryExpr::StructField(_) => Err(NotACondition::Unsupported("messages")),
            }),
            Expr::Call(call) => {
                let name = call.func_name.as_str();
                if !FUNCTIONS.contains(&name) && !OPERATORS.contains(&name) {
                    return Err(NotACondition::UnknownFunction(name.into()));
                }
                if let Some(target) = &call.target {
                    self.visit(&target.expr)?;
                }
                call.args.iter().try_for_each(|argument| self.visit(&argument.expr))
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Struct(_) => Err(NotACondition::Unsupported("messages")),
            Expr::Unspecified => Err(NotACondition::Unsupported("empty expressions")),
        }
    }

    fn variable(&self, name: &'e str) -> Result<(), NotACondition> {
        let absolute = name.strip_prefix('.').unwrap_or(name);
        if self.loops.contains(&name) || TYPES.contains(&absolute) {
            return Ok(());
        }
        if VARIABLES.contains(&absolute) { Ok(()) } else { Err(NotACondition::UnknownVariable(name.into())) }
    }

    /// A loop. One inside another must go over a part of the outer one's item, so that both together cost no
    /// more than the size of what they go over; over a variable of the call; or over a list that is written out.
    fn comprehension(&mut self, comprehension: &'e ComprehensionExpr) -> Result<(), NotACondition> {
        self.visit(&comprehension.iter_range.expr)?;
        if let Some(innermost) = self.loops.iter().rev().find(|name| !name.starts_with('@')) {
            let is_bounded = match root(&comprehension.iter_range.expr) {
                Expr::List(_) => true,
                Expr::Ident(name) => name == innermost || !self.loops.contains(&name.as_str()),
                _ => false,
            };
            if !is_bounded {
                return Err(NotACondition::LoopInLoop((*innermost).into()));
            }
        }
        self.visit(&comprehension.accu_init.expr)?;
        let outside = self.loops.len();
        self.loops.push(&comprehension.accu_var);
        self.loops.push(&comprehension.iter_var);
        self.loops.extend(comprehension.iter_var2.as_deref());
        self.visit(&comprehension.loop_cond.expr)?;
        self.visit(&comprehension.loop_step.expr)?;
        self.visit(&comprehension.result.expr)?;
        self.loops.truncate(outside);
        Ok(())
    }
}

/// What a chain of selections begins with.
fn root(expression: &Expr) -> &Expr {
    match expression {
        Expr::Select(select) => root(&select.operand.expr),
        Expr::Call(call) if call.func_name == operators::INDEX => {
            call.args.first().map_or(expression, |list| root(&list.expr))
        }
        _ => expression,
    }
}
