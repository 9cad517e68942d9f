//! Whatever an author writes and an agent sends, a condition ends: it is refused, or its steps are counted.

use std::time::{Duration, Instant};

use super::*;

/// Much more than any of these takes, and much less than any would without a limit.
const TIME_MAX: Duration = Duration::from_secs(10);

/// What a condition says of these arguments, and that it says so in time.
fn asked(condition: &str, arguments: &str) -> Result<bool, Fault> {
    let condition = Condition::compile(condition).unwrap_or_else(|error| panic!("{condition}: {error}"));
    let query = Query::parse(&format!("{{\"tool\":\"t\",\"args\":{arguments}}}")).unwrap();
    let begun = Instant::now();
    let outcome = condition.holds(&Inputs::new(&query.call(), UnixMillis(0)));
    assert!(begun.elapsed() < TIME_MAX, "{:?}", begun.elapsed());
    outcome
}

fn numbers(count: usize) -> String {
    let list: Vec<usize> = (0..count).collect();
    json!({"list": list, "lists": [list], "text": "a".repeat(count)}).to_string()
}

/// A loop over a written list of many items.
fn wide(method: &str, variable: &str, body: &str) -> String {
    format!("[{}].{method}({variable}, {body})", "1,".repeat(99) + "1")
}

#[test]
fn what_grows_or_goes_on_is_cut_off() {
    let tenfold = ".map(x, [x,x,x,x,x,x,x,x,x,x])".repeat(10);
    let doubled = ".map(x, x + x)".repeat(12);
    let nested =
        ["a", "b", "c", "d", "e"].iter().fold("true".to_owned(), |body, name| wide("all", name, &body));
    let conditions = [
        // A list in a list in a list, from nothing.
        format!("[1]{tenfold} == []"),
        format!("{{'a': 1}}{tenfold} == []"),
        // Rounds upon rounds, from nothing.
        nested,
        format!(
            "{}.size() > 0",
            wide("map", "a", &wide("map", "b", &wide("map", "c", &wide("map", "d", "1"))))
        ),
        // Text that doubles.
        format!("[args.text]{doubled} == []"),
        format!("[[args.list]]{doubled} == []"),
        format!("[args.text].map(x, [x, x + x + x + x]){doubled} == []"),
        // Loops whose rounds look at everything again.
        "args.list.all(x, args.list.exists(y, y < 0) || true)".to_owned(),
        "args.lists.all(x, x.all(y, y in x))".to_owned(),
        "args.lists.all(x, x.all(y, x == x))".to_owned(),
        "args.lists.all(x, x.all(y, size(string(args)) > 0 || args == args))".to_owned(),
        "args.list.all(x, args.text.contains(string(x) + 'b') || true)".to_owned(),
        "args.list.map(x, args.list).size() > 0".to_owned(),
        "args.list.map(x, {'a': args, 'b': [args]}).size() > 0".to_owned(),
        "args.list.exists(x, args.?list.orValue([]) == [x])".to_owned(),
        "args.list.exists(x, args['list'] == [x])".to_owned(),
        "args.list.exists(x, args[caller.id + 'list'] == [x])".to_owned(),
        // A copy of the arguments for each time that they are named.
        format!("[{}].size() > 0", "args,".repeat(800) + "args"),
        // Patterns that are dear to compile, or to look for.
        "args.list.exists(x, args.text.matches('b' + string(x)))".to_owned(),
        "args.list.exists(x, args.text.matches('c'))".to_owned(),
        "args.list.exists(x, args.text.matches('[ab]*b[ab]{1000}'))".to_owned(),
    ];
    let arguments = numbers(20_000);
    for condition in conditions {
        assert_eq!(asked(&condition, &arguments), Err(Fault::TooCostly), "{condition}");
    }
}

#[test]
fn what_is_asked_of_large_arguments_in_earnest_is_answered() {
    let arguments = numbers(50_000);
    for condition in [
        "args.list.all(x, x >= 0) && args.list.exists(x, x == 20) && 5 in args.list",
        "args.list.filter(x, x > 49990).map(x, x * 2).exists(x, x == 99998)",
        "['a', 'b'].all(name, args.list.exists(x, x == 7))",
        "args.list.all(x, x != 60000) && size(args.text) == 50000 && args.text.matches('^a+$')",
        "size(args.list) == 50000 && args.lists[0][49999] == 49999 && has(args.text) && !has(args.other)",
        "args.lists.all(list, list.all(x, x < size(list) || true))",
        "args.text + args.text != args.text",
    ] {
        let expected = if condition.starts_with("args.lists.all") { Err(Fault::TooCostly) } else { Ok(true) };
        assert_eq!(asked(condition, &arguments), expected, "{condition}");
    }
    // Twelve looks at five megabytes of text.
    let content = json!({"path": "/srv/x", "content": "x".repeat(5_000_000)}).to_string();
    let looks = ["args.path.startsWith('/srv') && !args.content.contains('y')"; 10].join(" && ");
    assert_eq!(asked(&looks, &content), Ok(true));
}

#[test]
fn arguments_have_a_size_limit_where_a_condition_reads_them() {
    let long = json!({"a": "x".repeat(CONDITION_ARGUMENTS_BYTES_MAX)}).to_string();
    assert_eq!(asked("has(args.a)", &long), Err(Fault::TooCostly));
    assert_eq!(asked("tool == 't'", &long), Ok(true));
}

#[test]
fn what_can_be_seen_to_be_dear_is_refused_by_name() {
    let outcome = |condition: &str| Condition::compile(condition).err().map(|error| error.to_string());
    for (condition, expected) in [
        (
            "args.a.matches('(a{1000}){1000}')",
            "`(a{1000}){1000}` takes more than 524288 bytes as a compiled regular expression",
        ),
        (
            "args.a.all(x, x.all(y, x.all(z, z == y)))",
            "a loop inside a loop may only go over a part of `y`, a variable of the call or a written list",
        ),
    ] {
        assert_eq!(outcome(condition).as_deref(), Some(expected), "{condition}");
    }
    let text = "format: 1\norg: a\nrules:\n- {id: dear, permission: allowed, when: \"args.a.matches('(a{1000}){1000}')\"}";
    let errors = crate::Document::parse(text).unwrap_err();
    let expected = "rule `dear`: `when` does not compile: `(a{1000}){1000}` takes more than 524288 bytes";
    assert!(errors[0].to_string().starts_with(expected), "{}", errors[0]);
}
