//! A policy of any number of rules that makes the cascade work hard.
//!
//! Names come in groups on a ring. The rules of a group put its team, tool, space and mode at every level, each time
//! together with a name of another group. So a call with the names of one group alone is looked up at twelve levels and
//! matches none of their rules; what decides then are the rules that a bench adds.

use policy::{Call, Caller, Definition, Document, Level, Snapshot, UnixMillis, cascade};

/// Rules of one group: one for each level that can be looked at in vain.
const RULES_PER_GROUP: usize = 12;
const MODES: [&str; 8] = ["read", "write", "list", "move", "copy", "share", "lock", "drop"];
/// More calls than this are not needed to have none of their rules in a processor's caches.
const CALLS_MAX: usize = 16_384;
/// Far enough between one call and the next that they share no group.
const STRIDE: usize = 7919;

/// The moment of every call.
pub const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

/// What a bench adds to the ring: objects in JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct Extra<'a> {
    /// Further tools.
    pub tools: &'a [&'a str],
    /// Further rules, behind all others.
    pub rules: &'a [&'a str],
}

/// The names of one call.
#[derive(Clone, Debug)]
pub struct Names {
    /// Its tenant.
    pub tenant: String,
    /// Its resource.
    pub resource: String,
    /// Its tool.
    pub tool: String,
    /// Its method.
    pub method: String,
}

impl Names {
    /// The call with these names.
    #[must_use]
    pub fn call<'a>(&'a self, arguments: &'a str, caller: &'a Caller) -> Call<'a> {
        Call {
            backend: "tools",
            tool: &self.tool,
            tenant: Some(&self.tenant),
            resource: Some(&self.resource),
            method: Some(&self.method),
            arguments,
            caller,
            unread: policy::Unread::Nothing,
            reasoning: None,
            definition: Definition::Accepted,
        }
    }
}

/// A policy of `rules` rules, those of `extra` among them.
///
/// # Panics
/// The policy is refused.
#[must_use]
pub fn snapshot(rules: usize, extra: Extra<'_>) -> Snapshot {
    let in_ring = rules - extra.rules.len();
    let groups = groups(in_ring);
    let tools = (0..groups).map(|group| format!(r#"{{"name":"tool-{group}","tags":["tag-{group}"]}}"#));
    let tools: Vec<String> = tools.chain(extra.tools.iter().map(ToString::to_string)).collect();
    let ring = (0..groups).flat_map(|group| group_rules(group, groups)).take(in_ring).enumerate();
    let ring = ring.map(|(place, names)| format!(r#"{{"id":"{place}","permission":"disabled",{names}}}"#));
    let rules: Vec<String> = ring.chain(extra.rules.iter().map(ToString::to_string)).collect();
    let text =
        format!(r#"{{"format":1,"org":"acme","tools":[{}],"rules":[{}]}}"#, tools.join(","), rules.join(","));
    Snapshot::compile(Document::parse(&text).expect("the policy is good"), 1)
}

/// Calls that pass all rules of the ring by, up to [`CALLS_MAX`] of them, far from each other.
#[must_use]
pub fn passing_calls(rules: usize) -> Vec<Names> {
    spread(rules, |group, groups| names(group, group, groups))
}

/// Calls that the first level of all decides on.
#[must_use]
pub fn first_level_calls(rules: usize) -> Vec<Names> {
    spread(rules, |group, groups| names(group, (group + 1) % groups, groups))
}

/// The level that decides on a call.
#[must_use]
pub fn level(snapshot: &Snapshot, call: &Call<'_>) -> Level {
    cascade::verdict(snapshot, call, NOW, &mut cascade::Silent).level
}

fn groups(rules: usize) -> usize {
    rules.div_ceil(RULES_PER_GROUP).max(2)
}

fn spread(rules: usize, names: impl Fn(usize, usize) -> Names) -> Vec<Names> {
    let whole = (rules / RULES_PER_GROUP).max(1);
    (0..whole.min(CALLS_MAX)).map(|place| names(place * STRIDE % whole, groups(rules))).collect()
}

/// A group's calls use the mode after the one that its rules name.
fn names(group: usize, space: usize, groups: usize) -> Names {
    assert!(space < groups, "space {space} is on no ring of {groups}");
    Names {
        tenant: format!("team-{group}"),
        resource: format!("space-{space}"),
        tool: format!("tool-{group}"),
        method: MODES[(group + 1) % MODES.len()].to_owned(),
    }
}

fn group_rules(group: usize, groups: usize) -> [String; RULES_PER_GROUP] {
    let following = (group + 1) % groups;
    let tenant = format!(r#""tenant":"team-{group}""#);
    let tool = format!(r#""tool":"tool-{group}""#);
    let resource = format!(r#""resource":"space-{group}""#);
    let method = format!(r#""method":"{}""#, MODES[group % MODES.len()]);
    let call_method = format!(r#""method":"{}""#, MODES[(group + 1) % MODES.len()]);
    let other_tool = format!(r#""tool":"tool-{following}""#);
    let other_resource = format!(r#""resource":"space-{following}""#);
    let other_tag = format!(r#""tag":"tag-{following}""#);
    [
        format!("{tenant},{other_resource},{tool},{call_method}"),
        format!("{tenant},{other_resource},{tool}"),
        format!("{tenant},{tool},{method}"),
        format!("{tenant},{other_tool}"),
        format!("{tenant},{resource},{method}"),
        format!("{tenant},{other_resource}"),
        format!("{tenant},{method}"),
        format!("{tenant},{other_tag}"),
        format!("{other_resource},{tool},{call_method}"),
        format!("{other_resource},{tool}"),
        format!("{tool},{method}"),
        format!("{resource},{method}"),
    ]
}

#[cfg(test)]
mod tests {
    use policy::CallerKind;
    use policy::cascade::{Observer, Outcome};
    use policy::{Permission, Verdict};

    use super::*;

    /// Counts the levels of rules that are looked at.
    #[derive(Default)]
    struct Looks(usize);

    impl Observer for Looks {
        fn begins(&mut self, _: &[Level]) {}

        fn level(&mut self, level: Level) {
            self.0 += usize::from(matches!(level, Level::Rule(..)));
        }

        fn rule(&mut self, _: &str, _: Permission, _: Outcome<'_>) {}

        fn fault_decides(&mut self) {}

        fn ends(&mut self, _: &Verdict) {}
    }

    #[test]
    fn calls_work_the_cascade_as_hard_as_they_say() {
        let caller = Caller { id: "agent-1".to_owned(), kind: CallerKind::Agent, claims: Default::default() };
        let snapshot =
            snapshot(1201, Extra { rules: &[r#"{"id":"last","permission":"allowed"}"#], ..Extra::default() });
        assert_eq!(snapshot.rules_count(), 1201);
        for (calls, decided_at, looks) in [
            (first_level_calls(1200), "tenant/resource+tool+method", 1),
            (passing_calls(1200), "org/any", RULES_PER_GROUP + 1),
        ] {
            assert_eq!(calls.len(), 100);
            for names in calls {
                let mut looked = Looks::default();
                let verdict = cascade::verdict(&snapshot, &names.call("{}", &caller), NOW, &mut looked);
                assert_eq!((verdict.level.as_str(), looked.0), (decided_at, looks), "{names:?}");
            }
        }
    }
}
