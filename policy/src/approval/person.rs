//! The people who decide, and whether there are enough of them.

use std::fmt;

/// Longest id of a person.
const ID_BYTES_MAX: usize = 128;

/// A person's id, such as a name or a mail address: ASCII without spaces, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PersonId(String);

/// A text that is no person's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a person's id: expected 1 to 128 visible ASCII characters")]
pub struct NotAPersonId;

impl PersonId {
    /// Reads an id. Capitals become small, so that no person is two.
    ///
    /// # Errors
    /// [`NotAPersonId`] if it is empty, too long, or has other characters than visible ASCII.
    pub fn parse(text: &str) -> Result<Self, NotAPersonId> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if text.is_empty() || text.len() > ID_BYTES_MAX || !visible {
            return Err(NotAPersonId);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A person and the groups they are in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approver {
    /// Who.
    pub id: PersonId,
    /// In group 1: says yes to one-level approvals, and first to two-level ones.
    pub level1: bool,
    /// In group 2: says yes second to two-level approvals.
    pub level2: bool,
}

impl Approver {
    /// Whether this person is the caller of that id. Capitals count as small: this only ever refuses more.
    #[must_use]
    pub fn is(&self, caller: &str) -> bool {
        self.id.as_str().eq_ignore_ascii_case(caller)
    }
}

/// Whether `people` could say yes to what `requester` asks: somebody else of group 1 and, for a second
/// approval, also a different person of group 2.
#[must_use]
pub fn enough_people(people: &[Approver], requester: &str, second_approval: bool) -> bool {
    let others = || people.iter().filter(|person| !person.is(requester));
    let Some(first) = others().find(|person| person.level1) else { return false };
    if !second_approval {
        return true;
    }
    let Some(second) = others().find(|person| person.level2) else { return false };
    first.id != second.id || others().any(|other| other.id != first.id && (other.level1 || other.level2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_visible_ascii_in_lower_case() {
        assert_eq!(PersonId::parse("Ada@Example.org").unwrap().as_str(), "ada@example.org");
        for bad in ["", "a b", "a\n", "é", &"x".repeat(129)] {
            assert_eq!(PersonId::parse(bad), Err(NotAPersonId), "{bad}");
        }
    }

    #[test]
    fn two_levels_need_two_people_and_neither_is_the_caller() {
        let person = |id: &str, level1, level2| Approver { id: PersonId::parse(id).unwrap(), level1, level2 };
        let cases = [
            // (people, enough for one level, enough for two)
            (vec![], false, false),
            (vec![person("ada", false, true)], false, false),
            (vec![person("ada", true, false)], true, false),
            (vec![person("ada", true, true)], true, false),
            (vec![person("ada", true, false), person("bob", true, false)], true, false),
            (vec![person("ada", true, false), person("bob", false, true)], true, true),
            (vec![person("ada", true, true), person("bob", true, false)], true, true),
            (vec![person("ada", true, true), person("bob", false, true)], true, true),
            (vec![person("ada", true, true), person("bob", false, false)], true, false),
            (vec![person("agent-7", true, true)], false, false),
            (vec![person("Agent-7", true, true), person("ada", true, true)], true, false),
        ];
        for (people, one, two) in cases {
            assert_eq!(enough_people(&people, "agent-7", false), one, "{people:?}");
            assert_eq!(enough_people(&people, "agent-7", true), two, "{people:?}");
            assert_eq!(enough_people(&people, "AGENT-7", false), one, "{people:?}");
        }
    }
}
