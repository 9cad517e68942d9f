//! Makes an expression pay for what it reads.
//!
//! Every chain of selections that begins with a variable (`args.items[0].name`) is wrapped in `@read`, every range
//! of a loop in `@over`. An optional selection (`args.?items`) makes a copy before `@read` is asked, and a loop
//! that passes over failures would make it again and again: what it selects from is wrapped in `@open`. On the way
//! it is noted which parts of the call the condition reads, so that an explanation can show them.

use cel::common::ast::{CallExpr, ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};
use cel::common::types::CelInt;

use super::budget::{BUDGET_VARIABLE, OPEN, OVER, READ, steps_of_bytes};
use super::names::VARIABLES;
use super::parts::parts_of;
use super::path::{Key, Path};

/// Rewrites an expression; gives back the parts of the call that it reads, each once, in the order of reading.
pub(super) fn meter(expression: &mut IdedExpr) -> Vec<Path> {
    let mut metering = Metering::default();
    metering.visit(expression);
    metering.paths
}

#[derive(Default)]
struct Metering {
    paths: Vec<Path>,
    /// The variables of the loops around the expression being looked at.
    loops: Vec<String>,
}

impl Metering {
    /// Gives back how many steps the parts of the expression take once, without what they read.
    fn visit(&mut self, expression: &mut IdedExpr) -> u64 {
        if self.begins_with_variable(&expression.expr) {
            let steps = self.chain(&mut expression.expr);
            wrap(expression, READ, None);
            return steps;
        }
        match &mut expression.expr {
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            // `has(args.a.b)` looks for `b` and reads nothing.
            Expr::Select(select) if select.test && self.begins_with_variable(&select.operand.expr) => {
                self.note(&select.operand.expr, Some(&select.field));
                self.indexes(&mut select.operand.expr)
            }
            Expr::Literal(LiteralValue::String(text)) => steps_of_bytes(text.inner().len()),
            Expr::Literal(LiteralValue::Bytes(bytes)) => steps_of_bytes(bytes.inner().len()),
            other => {
                parts_of(other).into_iter().fold(1, |steps, part| steps.saturating_add(self.visit(part)))
            }
        }
    }

    /// The range costs what it holds, and the body for each item of it. A loop within has a range of its own.
    fn comprehension(&mut self, comprehension: &mut ComprehensionExpr) -> u64 {
        let range = &mut comprehension.iter_range;
        let mut steps = if self.begins_with_variable(&range.expr) {
            self.chain(&mut range.expr)
        } else {
            self.visit(range)
        };
        steps = steps.saturating_add(self.visit(&mut comprehension.accu_init));
        let outside = self.loops.len();
        self.loops.push(comprehension.iter_var.clone());
        self.loops.extend(comprehension.iter_var2.clone());
        let condition = self.visit(&mut comprehension.loop_cond);
        let body = condition.saturating_add(self.visit(&mut comprehension.loop_step));
        self.loops.truncate(outside);
        wrap(&mut comprehension.iter_range, OVER, Some(body));
        steps.saturating_add(self.visit(&mut comprehension.result))
    }

    fn chain(&mut self, chain: &mut Expr) -> u64 {
        self.note(chain, None);
        self.indexes(chain)
    }

    /// Meters what stands in the brackets of a chain.
    fn indexes(&mut self, chain: &mut Expr) -> u64 {
        match chain {
            Expr::Select(select) => self.indexes(&mut select.operand.expr).saturating_add(1),
            Expr::Call(call) => match call.args.as_mut_slice() {
                [operand, index] => {
                    let steps = self.indexes(&mut operand.expr).saturating_add(self.visit(index));
                    if call.func_name != operators::INDEX {
                        wrap(operand, OPEN, None);
                    }
                    steps
                }
                _ => 1,
            },
            _ => 1,
        }
    }

    fn begins_with_variable(&self, expression: &Expr) -> bool {
        match expression {
            Expr::Ident(name) => self.is_in_loop(name) || VARIABLES.contains(&absolute(name)),
            other => operand(other).is_some_and(|(operand, _)| self.begins_with_variable(operand)),
        }
    }

    fn is_in_loop(&self, name: &str) -> bool {
        self.loops.iter().any(|variable| variable == name)
    }

    fn note(&mut self, chain: &Expr, field: Option<&str>) {
        let Some((mut path, is_whole)) = self.path(chain) else { return };
        path.keys.extend(field.filter(|_| is_whole).map(|field| Key::Field(field.into())));
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
    }

    /// What a chain selects as far as that is written out, and whether that is all of it; `None` for a part of a
    /// loop's item.
    fn path(&self, chain: &Expr) -> Option<(Path, bool)> {
        if let Expr::Ident(name) = chain {
            let variable = VARIABLES.into_iter().find(|variable| *variable == absolute(name))?;
            return (!self.is_in_loop(name)).then_some((Path { variable, keys: Vec::new() }, true));
        }
        let (operand, key) = operand(chain)?;
        let (mut path, was_whole) = self.path(operand)?;
        let is_whole = was_whole && key.is_some();
        path.keys.extend(key.filter(|_| was_whole));
        Some((path, is_whole))
    }
}

/// What a selection selects from, and the key if it is written out.
fn operand(selection: &Expr) -> Option<(&Expr, Option<Key>)> {
    match selection {
        Expr::Select(select) if !select.test => {
            Some((&select.operand.expr, Some(Key::Field(select.field.as_str().into()))))
        }
        Expr::Call(CallExpr { func_name, target: None, args }) => match (func_name.as_str(), args.as_slice())
        {
            (operators::INDEX | operators::OPT_INDEX | operators::OPT_SELECT, [operand, index]) => {
                Some((&operand.expr, Key::written(&index.expr)))
            }
            _ => None,
        },
        _ => None,
    }
}

fn absolute(name: &str) -> &str {
    name.strip_prefix('.').unwrap_or(name)
}

fn wrap(expression: &mut IdedExpr, function: &str, parts: Option<u64>) {
    let id = expression.id;
    let inner = std::mem::take(expression);
    let literal =
        |steps| Expr::Literal(LiteralValue::Int(CelInt::from(i64::try_from(steps).unwrap_or(i64::MAX))));
    let budget = IdedExpr { id, expr: Expr::Ident(BUDGET_VARIABLE.to_owned()) };
    let parts = parts.map(|steps| IdedExpr { id, expr: literal(steps) });
    let args = [inner, budget].into_iter().chain(parts).collect();
    let call = CallExpr { func_name: function.to_owned(), target: None, args };
    *expression = IdedExpr { id, expr: Expr::Call(call) };
}
