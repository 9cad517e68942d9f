//! Shell sessions as people write them down: commands, and what they print. They are run again, and must print the same.
//!
//! ```text
//! # A comment. Empty lines mean nothing.
//! $ oakgate rules put no-drop - <<END
//! > {tool: drop_table, permission: disabled}
//! > END
//! no-drop is in force (version 1)
//! $ oakgate rules show nothing
//! ! refused (404 not_found): ...
//! ? 2
//! ```
//! `> ` goes on with a command, `! ` is a line of standard error, `? ` an exit status other than 0, everything else a line
//! of standard output. `...` stands for anything within a line, and alone for any number of lines. Columns and indentation
//! are not compared.

/// A command, and what it must do.
#[derive(Debug, Default)]
struct Step<'t> {
    line: usize,
    command: String,
    output: Vec<&'t str>,
    errors: Vec<&'t str>,
    status: i32,
}

/// Runs every command with `run`: its exit status, standard output and standard error.
pub(crate) fn replay(name: &str, text: &str, run: impl Fn(&str) -> (i32, String, String)) {
    let steps = read(text);
    assert!(!steps.is_empty(), "{name} has no commands");
    for step in steps {
        let (status, output, errors) = run(&step.command);
        let is_as_written = status == step.status
            && lines_fit(&step.output, &output.lines().collect::<Vec<_>>())
            && lines_fit(&step.errors, &errors.lines().collect::<Vec<_>>());
        let Step { line, command, .. } = &step;
        assert!(is_as_written, "{name}:{line}: {command}\n{output}{errors}? {status}\nbut: {step:#?}");
    }
}

fn read(text: &str) -> Vec<Step<'_>> {
    let mut steps: Vec<Step<'_>> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step { line: number + 1, command: command.to_owned(), ..Step::default() });
            continue;
        }
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let step = steps.last_mut().unwrap();
        if let Some(more) = line.strip_prefix("> ") {
            step.command.push('\n');
            step.command.push_str(more);
        } else if let Some(error) = line.strip_prefix("! ") {
            step.errors.push(error);
        } else if let Some(status) = line.strip_prefix("? ") {
            step.status = status.parse().unwrap();
        } else {
            step.output.push(line);
        }
    }
    steps
}

fn lines_fit(expected: &[&str], found: &[&str]) -> bool {
    match expected {
        [] => found.is_empty(),
        ["...", rest @ ..] => (0..=found.len()).any(|skipped| lines_fit(rest, &found[skipped..])),
        [first, rest @ ..] => {
            found.split_first().is_some_and(|(line, more)| line_fits(first, line) && lines_fit(rest, more))
        }
    }
}

fn line_fits(expected: &str, found: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (expected, found) = (words(expected), words(found));
    let mut parts: Vec<&str> = expected.split("...").collect();
    let Some(mut rest) = found.strip_prefix(parts.remove(0)) else { return false };
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn lines_fit_only_what_they_stand_for() {
    for (expected, found, fits) in [
        (&["a b"][..], &["a   b "][..], true),
        (&["a b"], &["a b c"], false),
        (&["a ... c"], &["a b b c"], true),
        (&["a ... c"], &["a b c d"], false),
        (&["... c"], &["c c"], true),
        (&["a..."], &["a"], true),
        (&["a...a"], &["a"], false),
        (&["...", "b"], &["a", "a", "b"], true),
        (&["...", "b"], &["a", "b", "a"], false),
        (&[], &["a"], false),
        (&["a"], &[], false),
    ] {
        assert_eq!(lines_fit(expected, found), fits, "{expected:?} {found:?}");
    }
}
