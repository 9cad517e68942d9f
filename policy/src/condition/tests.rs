mod cost;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Definition, Query, UnixMillis};

/// What a condition says of one call, in a word.
fn outcome(condition: &str) -> String {
    let condition = match Condition::compile(condition) {
        Ok(condition) => condition,
        Err(error) => return format!("not a condition: {error}"),
    };
    let query = json!({
        "tool": "fs.read", "resource": "r/1", "reasoning": "because",
        "args": {
            "whole": 250, "fraction": 250.5, "exact": 250.0, "negative": -1, "large": 18446744073709551615u64,
            "text": "/srv/data", "flag": true, "nothing": null, "list": [1, 2.0, "x"], "map": {"k": {"deep": 1}},
            "items": [{"name": "a", "parts": [1, 2]}, {"name": "b", "parts": []}],
        },
        "caller": {"id": "agent-7", "kind": "agent", "claims": {"team": "ops", "level": 3, "groups": ["a", "b"]}},
    });
    let query = Query::parse(&query.to_string()).unwrap();
    let call = query.call();
    // 2026-11-23T09:00:00.250Z, a Monday.
    let inputs = Inputs::new(&call, UnixMillis(1_795_424_400_250));
    match condition.holds(&inputs) {
        Ok(holds) => holds.to_string(),
        Err(fault) => format!("fault: {fault}"),
    }
}

#[test]
fn says_what_cel_says() {
    for (condition, expected) in OUTCOMES {
        assert_eq!(outcome(condition), *expected, "{condition}");
    }
}

const OUTCOMES: &[(&str, &str)] = &[
    // Numbers compare by value, however they are written.
    ("args.fraction > 100", "true"),
    ("args.fraction > 250 && args.fraction < 251 && args.fraction != 250", "true"),
    ("args.exact == 250 && args.whole == 250.0 && args.whole == 250u && args.exact == 250u", "true"),
    ("args.whole in [250.0] && args.exact in [250] && 1.0 in args.list && 2 in args.list", "true"),
    ("args.whole >= 250.0 && args.whole < 250.5 && args.negative < 0u && args.large > 1", "true"),
    ("args.large > args.whole && args.large != args.negative && args.negative < args.fraction", "true"),
    ("args.list == [1.0, 2, 'x'] && args.map == {'k': {'deep': 1.0}}", "true"),
    ("args.whole + 1 == 251 && -args.whole == -250 && args.whole % 100 == 50", "true"),
    ("args.large + 1u > 1u", "fault: number overflow"),
    ("args.fraction + 1 == 251.5", "fault: `add` does not take values of these types"),
    ("args.fraction + 1.0 == 251.5 && double(args.whole) / 4.0 == 62.5", "true"),
    // Dimensions, and what the call lacks.
    ("tenant == '' && method == '' && tool == 'fs.read' && resource.startsWith('r/')", "true"),
    ("reasoning.contains('cause') && size(reasoning) == 7", "true"),
    ("caller.id == 'agent-7' && caller.kind == 'agent' && caller.claims.team == 'ops'", "true"),
    ("'a' in caller.claims.groups && caller.claims['level'] > 2.5 && !has(caller.claims.x)", "true"),
    ("caller.key == ''", "fault: no such key `key`"),
    ("now > timestamp('2026-11-23T09:00:00Z') && now < timestamp('2026-11-23T09:00:01Z')", "true"),
    ("now.getHours() == 9 && now.getDayOfWeek() == 1 && now.getHours('Europe/Berlin') == 10", "true"),
    ("now - duration('1h') < timestamp('2026-11-23T08:30:00Z')", "true"),
    // Fields that may be missing.
    ("has(args.flag) && args.flag", "true"),
    ("has(args.missing)", "false"),
    ("args.missing", "fault: no such key `missing`"),
    ("args.missing == 1 || true", "true"),
    ("args.missing == 1 && false", "false"),
    ("args.missing == 1 || false", "fault: no such key `missing`"),
    ("args.?missing.orValue(5) == 5 && args.?whole.hasValue()", "true"),
    ("args.nothing == null", "true"),
    // What is no bool is a fault.
    ("args.whole", "fault: yields int, not bool"),
    ("args.text", "fault: yields string, not bool"),
    ("args.nothing", "fault: yields null_type, not bool"),
    ("args.whole && true", "fault: found no matching overload for '_&&_' applied to '(int, bool)'"),
    ("args.text > 5", "fault: found no matching overload for '_>_' applied to '(string, int)'"),
    ("args.text == 5", "false"),
    ("args.whole / 0 == 1", "fault: division by zero"),
    ("args.list[9] == 1", "fault: index out of bounds"),
    ("args.text.size(1)", "fault: found no matching overload for 'size' applied to 'string.(int)'"),
    ("int(args.text) == 1", "fault: function `int` failed"),
    // Text, types and loops.
    ("args.text.matches('^/srv/[a-z]+$') && !args.text.matches('^x')", "true"),
    (
        "matches(args.text, 'data$') && args.text.endsWith('data') && args.text + '/x' == '/srv/data/x'",
        "true",
    ),
    ("args.text.matches('^/' + 'srv')", "true"),
    ("args.text.matches(tool + '(')", "fault: function `matches` failed"),
    ("type(args.whole) == int && string(args.whole) == '250' && int('7') == 7 && uint(7) == 7u", "true"),
    ("args.items.all(i, i.name != 'c') && args.items.exists(i, i.parts.exists(p, p == 2))", "true"),
    ("args.items.exists_one(i, i.name == 'a') && args.items.map(i, i.name) == ['a', 'b']", "true"),
    (
        "args.items.filter(i, size(i.parts) > 0).size() == 1 && ['a', 'b'].all(n, args.items.exists(i, i.name == n))",
        "true",
    ),
    ("args.list.all(x, x > 0)", "fault: found no matching overload for '_>_' applied to '(string, int)'"),
    ("args.list.exists(tool, tool == 'x') && tool == 'fs.read'", "true"),
    // What does not compile.
    (
        "amount > 1",
        "not a condition: unknown variable `amount`; there are args, caller, tenant, resource, tool, method, reasoning and now",
    ),
    (
        "args.items.all(i, j.name == '')",
        "not a condition: unknown variable `j`; there are args, caller, tenant, resource, tool, method, reasoning and now",
    ),
    (
        "i == 1 && args.items.all(i, true)",
        "not a condition: unknown variable `i`; there are args, caller, tenant, resource, tool, method, reasoning and now",
    ),
    ("args.text.lowerAscii() == ''", "not a condition: unknown function `lowerAscii`"),
    ("Point{x: 1} == 1", "not a condition: messages are not supported"),
    (
        "[args.list].all(l, l.all(x, l.all(y, x == y)))",
        "not a condition: a loop inside a loop may only go over a part of `x`, a variable of the call or a written list",
    ),
    ("args.text.matches('(')", "not a condition: `(` is not a regular expression"),
    ("1 +", "not a condition: mismatched input '<EOF>' (at 1:4 of the expression)"),
];

#[test]
fn arguments_are_a_json_object_with_each_key_once() {
    let condition = Condition::compile("args.a == 1").unwrap();
    let caller = crate::Caller {
        id: String::new(),
        kind: crate::CallerKind::Anonymous,
        claims: serde_json::Map::new(),
    };
    let deep = format!("{{\"a\": 1, \"b\": {}{}}}", "[".repeat(500), "]".repeat(500));
    for (arguments, expected) in [
        (" {\"a\": 1}", Ok(true)),
        ("{\"a\": 1, \"a\": 2}", Err(Fault::Arguments)),
        ("{\"a\": 1, \"b\": {\"c\": 1, \"c\": 1}}", Err(Fault::Arguments)),
        ("{\"a\": 1e999}", Err(Fault::Arguments)),
        ("[1]", Err(Fault::Arguments)),
        ("{\"a\": 1} x", Err(Fault::Arguments)),
        ("", Err(Fault::Arguments)),
        (&deep, Err(Fault::Arguments)),
    ] {
        let call = crate::Call {
            backend: "",
            tool: "",
            tenant: None,
            resource: None,
            method: None,
            arguments,
            caller: &caller,
            unread: crate::Unread::Nothing,
            reasoning: None,
            definition: Definition::Accepted,
        };
        assert_eq!(condition.holds(&Inputs::new(&call, UnixMillis(0))), expected, "{arguments}");
        let idle = Condition::compile("tool == ''").unwrap();
        assert_eq!(idle.holds(&Inputs::new(&call, UnixMillis(0))), Ok(true), "{arguments}");
    }
}

/// Each would overflow the stack of the parser, the evaluator or both, if it got that far.
#[test]
fn what_nests_too_deep_is_refused() {
    for link in [
        ".a",
        "[0]",
        "+1",
        "==1",
        " in args",
        "\tin\nargs",
        ".a()",
        "*1",
        "?1:1",
        "?1:(1",
        "-(1",
        ">[1",
        ".?a",
    ] {
        let fits = format!("args{}", link.repeat(8));
        assert!(nesting::depth(&fits) <= CONDITION_DEPTH_MAX, "{link} {}", nesting::depth(&fits));
        let deep = format!("args{}", link.repeat(400));
        assert_eq!(Condition::compile(&deep).err(), Some(NotACondition::TooDeep), "{link}");
    }
    for open in ["(", "[", "{1:", "-(", "args.all(x,", "!(", "has("] {
        let deep = format!("{}1", open.repeat(400));
        assert_eq!(Condition::compile(&deep).err(), Some(NotACondition::TooDeep), "{open}");
    }
    // What stands in texts and comments does not count, and long chains of && and || are no deeper than short ones.
    let wide = format!(
        "args.a == 1{}",
        " && args.b != '((((((((((((((((((((((((((((((((((' // [[[[[[[[[[\n".repeat(60)
    );
    assert!(Condition::compile(&wide).is_ok());
    for (text, depth) in [
        ("r'\\' + ((1))", 7),
        ("'\\'((' + 1", 1),
        ("\"\"\"a\"((\"\"\" + (1)", 4),
        ("'a' in ['b']", 4),
        ("a.min", 2),
        ("f(a, b, c.d)", 4),
    ] {
        assert_eq!(nesting::depth(text), depth, "{text}");
    }
}

/// The deepest that is let through fits into the stack of a test thread, and so of a worker.
#[test]
fn what_is_as_deep_as_allowed_fits_the_stack() {
    for (open, link, close) in [
        ("", ".a", ""),
        ("", "[0]", ""),
        ("1", "+1", ""),
        ("1", "==1", ""),
        ("1", " in args", ""),
        ("", ".size()", ""),
        ("(", "", ")"),
        ("[", "", "]"),
        ("-(", "", ")"),
        ("args.all(x, x.exists(y, ", "", "))"),
        ("{1:", "", "}"),
        ("true ? 1 : ", "", ""),
        ("args.all(x, x.b[0] + 1 == 2 ? ", "", " : false)"),
    ] {
        let at = |levels: usize| {
            format!("{}args{}{}", open.repeat(levels), link.repeat(levels), close.repeat(levels))
        };
        let levels = (1..=CONDITION_DEPTH_MAX)
            .rev()
            .find(|&levels| nesting::depth(&at(levels)) <= CONDITION_DEPTH_MAX);
        let text = at(levels.unwrap());
        let compiled = Condition::compile(&text);
        assert_ne!(compiled.as_ref().err(), Some(&NotACondition::TooDeep), "{text}");
        if let Ok(condition) = compiled {
            let query = Query::parse("{\"tool\":\"t\"}").unwrap();
            let _ = condition.holds(&Inputs::new(&query.call(), UnixMillis(0)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// Whatever is written, compiling and evaluating it ends in a value, never in a panic.
    #[test]
    fn any_text_is_a_condition_or_is_refused(parts in prop::collection::vec(prop::sample::select(&[
        "args", ".a", "tool", "(", ")", "[", "]", "{", "}", ",", ":", "?", "1", "2.5", "3u", "'x'", "b'x'", "==", "<", "+", "-",
        "*", "/", "%", "!", "&&", "||", " in ", "has(", ".all(x,", ".map(x,", "x", "null", "true", "\"", "size(", ".?a",
        "timestamp(", "duration(", "optional.none()", ".matches(", "now", ".", "\\", "@", "1e400", "9223372036854775808",
    ]), 0..12)) {
        let text = parts.concat();
        if let Ok(condition) = Condition::compile(&text) {
            let query = Query::parse("{\"tool\":\"t\",\"args\":{\"a\":[1,{\"a\":2}]}}").unwrap();
            let outcome = condition.holds(&Inputs::new(&query.call(), UnixMillis(0)));
            prop_assert_ne!(outcome, Err(Fault::Panicked), "{}", text);
        }
    }
}
