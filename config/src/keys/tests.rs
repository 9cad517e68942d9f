use super::*;

/// A SHA-256 that is one digit over and over.
fn sha256(digit: char) -> String {
    digit.to_string().repeat(64)
}

/// Reads entries, each of which is written without its braces.
fn read(entries: &[String]) -> Result<Keys, Vec<String>> {
    let lines: Vec<_> = entries.iter().map(|entry| format!("- {{{entry}}}\n")).collect();
    Keys::read("keys", &lines.concat(), Environment::none())
        .map_err(|mistakes| mistakes.list.iter().map(ToString::to_string).collect())
}

#[test]
fn a_key_and_the_one_that_takes_its_place_work_side_by_side() {
    let keys = read(&[
        format!(
            "id: a, kind: standard, tenant: north, sha256: {}, expires: 2027-01-31T00:00:00Z",
            sha256('a')
        ),
        format!("id: b, kind: agent, sha256: {}", sha256('b')),
        format!("id: a, kind: standard, tenant: north, sha256: {}", sha256('c')),
    ])
    .unwrap();
    let mut found: Vec<_> =
        keys.iter().map(|(sha256, key)| (sha256[0], key.id.as_str(), key.expires_unix_seconds)).collect();
    found.sort_unstable();
    assert_eq!(found, [(0xaa, "a", Some(1_801_353_600)), (0xbb, "b", None), (0xcc, "a", None)]);
}

#[test]
fn an_id_is_of_one_caller_with_two_keys_at_most() {
    let differs = "[1].id: `a` is the id of an earlier key that differs in more than `sha256` and `expires`";
    for (entries, expected) in [
        (vec!["id: a, kind: agent", "id: a, kind: standard"], differs),
        (vec!["id: a, kind: agent", "id: a, kind: agent, tenant: t"], differs),
        (vec!["id: a, kind: standard", "id: a, kind: standard, may_name_tenant: true"], differs),
        (
            vec!["id: a, kind: agent", "id: a, kind: agent", "id: a, kind: agent"],
            "[2].id: `a` has 2 keys already",
        ),
        (
            vec!["id: 'spiffe:a', kind: agent"],
            "[0].id: must not begin with `spiffe:`, which callers without a key have",
        ),
        (
            vec!["id: a, kind: agent, expires: soon"],
            "[0].expires: must be a moment such as 2027-01-31T00:00:00Z",
        ),
    ] {
        let entries: Vec<_> = entries
            .iter()
            .zip(['a', 'b', 'c'])
            .map(|(entry, digit)| format!("{entry}, sha256: {}", sha256(digit)))
            .collect();
        assert_eq!(read(&entries).unwrap_err(), [expected], "{entries:?}");
    }
}

#[test]
fn a_secret_is_of_one_key() {
    let entry = |id: &str, sha256: &str| format!("id: {id}, kind: agent, sha256: {sha256}");
    let same = read(&[entry("a", &sha256('a')), entry("b", &sha256('a'))]).unwrap_err();
    assert_eq!(same, ["[1].sha256: an earlier key has the same"]);
    let none = read(&[entry("a", "'00'"), entry("b", &sha256('A'))]).unwrap_err();
    assert!(none.len() == 2 && none[1].starts_with("[1].sha256: must be the 64 lower-case"), "{none:?}");
}

#[test]
fn without_an_environment_a_text_means_itself() {
    let entry = format!(r#"id: "${{HOME}} ${{", kind: agent, sha256: {}"#, sha256('a'));
    let keys = read(std::slice::from_ref(&entry)).unwrap();
    assert_eq!(keys.iter().next().unwrap().1.id, "${HOME} ${");
    let with = Keys::read("keys", &format!("[{{{entry}}}]"), Environment::of(|_| None));
    assert!(with.is_err());
}

#[test]
fn as_many_keys_as_a_control_plane_keeps_are_read() {
    let key = |n: u32| {
        format!(
            r#"{{"id":"runner-{}","sha256":"{n:064x}","kind":"standard","tenant":"t","may_name_tenant":true,"expires":"2999-01-01T00:00:00Z"}}"#,
            n / 2
        )
    };
    let lines: Vec<_> = (0..20_000).map(key).collect();
    let text = format!("[{}]", lines.join(",\n"));
    assert_eq!(Keys::read("keys", &text, Environment::none()).unwrap().len(), 20_000);
}
