use proptest::prelude::*;

use super::*;

const REQUESTER: &str = "agent-7";
const EXPIRES_AT: UnixMillis = UnixMillis(100_000);
const USE_WITHIN_SECONDS: u64 = 50;

fn person(id: &str, level1: bool, level2: bool) -> Approver {
    Approver { id: PersonId::parse(id).unwrap(), level1, level2 }
}

fn terms(second_approval: bool) -> Terms<'static> {
    Terms {
        requester: REQUESTER,
        second_approval,
        expires_at: EXPIRES_AT,
        use_within_seconds: USE_WITHIN_SECONDS,
    }
}

/// One step: the event at that millisecond, and what must come of it.
type Step<'a> = (Event<'a>, u64, Result<State, Refused>);

fn walk(second_approval: bool, steps: &[Step<'_>]) {
    let mut state = State::OPENED;
    for (number, (event, now, expected)) in steps.iter().enumerate() {
        let result = apply(&terms(second_approval), &state, *event, UnixMillis(*now));
        assert_eq!(&result, expected, "step {number}: {event:?} in {state:?}");
        state = result.unwrap_or(state);
    }
}

#[test]
fn one_level() {
    let ada = person("ada", true, false);
    let bob = person("bob", false, true);
    let agent = person("AGENT-7", true, true);
    let yes = Event::Approve { by: &ada };
    let approved = State::Approved { lapses_at: UnixMillis(51_000) };
    walk(
        false,
        &[
            (Event::Consume, 0, Err(Refused::NotApproved)),
            (Event::Approve { by: &agent }, 0, Err(Refused::Requester)),
            (Event::Deny { by: &agent }, 0, Err(Refused::Requester)),
            (Event::Approve { by: &bob }, 0, Err(Refused::NotInGroup)),
            (Event::Tick, 999, Ok(State::OPENED)),
            (yes, 1_000, Ok(approved.clone())),
            (yes, 1_001, Err(Refused::Decided)),
            (Event::Deny { by: &ada }, 1_001, Err(Refused::Decided)),
            (Event::Withdraw, 1_001, Err(Refused::Decided)),
            (Event::Tick, 50_999, Ok(approved.clone())),
            (Event::Consume, 50_999, Ok(State::Consumed)),
            (Event::Consume, 50_999, Err(Refused::Ended("consumed"))),
        ],
    );
    walk(
        false,
        &[
            (yes, 1_000, Ok(approved)),
            (Event::Consume, 51_000, Err(Refused::TooLate)),
            (Event::Tick, 51_000, Ok(State::Lapsed)),
            (Event::Consume, 51_000, Err(Refused::Ended("lapsed"))),
        ],
    );
    walk(
        false,
        &[
            (Event::Deny { by: &bob }, 0, Ok(State::Denied)),
            (yes, 0, Err(Refused::Ended("denied"))),
            (Event::Tick, u64::MAX, Ok(State::Denied)),
        ],
    );
    walk(false, &[(Event::Withdraw, 0, Ok(State::Withdrawn)), (yes, 0, Err(Refused::Ended("withdrawn")))]);
    walk(
        false,
        &[
            (yes, 100_000, Err(Refused::TooLate)),
            (Event::Withdraw, 100_000, Err(Refused::TooLate)),
            (Event::Tick, 100_000, Ok(State::Expired)),
            (yes, 0, Err(Refused::Ended("expired"))),
        ],
    );
}

#[test]
fn two_levels() {
    let ada = person("ada", true, true);
    let bob = person("bob", false, true);
    let eve = person("eve", false, false);
    let second = State::Pending { level: Level::Second { first_by: ada.id.clone() } };
    walk(
        true,
        &[
            (Event::Approve { by: &bob }, 0, Err(Refused::NotInGroup)),
            (Event::Approve { by: &ada }, 0, Ok(second.clone())),
            (Event::Approve { by: &ada }, 0, Err(Refused::SamePerson)),
            (Event::Approve { by: &eve }, 0, Err(Refused::NotInGroup)),
            (Event::Deny { by: &eve }, 0, Err(Refused::NotInGroup)),
            (Event::Consume, 0, Err(Refused::NotApproved)),
            (Event::Approve { by: &bob }, 0, Ok(State::Approved { lapses_at: UnixMillis(50_000) })),
        ],
    );
    walk(
        true,
        &[
            (Event::Approve { by: &ada }, 0, Ok(second.clone())),
            (Event::Deny { by: &bob }, 0, Ok(State::Denied)),
        ],
    );
    walk(true, &[(Event::Approve { by: &ada }, 0, Ok(second)), (Event::Tick, 100_000, Ok(State::Expired))]);
}

/// What happens, by the number of the person who does it.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Approve(usize),
    Deny(usize),
    Withdraw,
    Consume,
    Tick,
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, u64)>> {
    let deed = prop_oneof![
        4 => (0..4usize).prop_map(Deed::Approve),
        1 => (0..4usize).prop_map(Deed::Deny),
        1 => Just(Deed::Withdraw),
        3 => Just(Deed::Consume),
        1 => Just(Deed::Tick),
    ];
    prop::collection::vec((deed, 0..200_000u64), 0..40)
}

fn any_state() -> impl Strategy<Value = State> {
    prop_oneof![
        8 => Just(State::OPENED),
        4 => Just(State::Pending { level: Level::Second { first_by: PersonId::parse("ada").unwrap() } }),
        4 => (0..200_000u64).prop_map(|at| State::Approved { lapses_at: UnixMillis(at) }),
        1 => Just(State::Denied),
        1 => Just(State::Expired),
        1 => Just(State::Withdrawn),
        1 => Just(State::Consumed),
        1 => Just(State::Lapsed),
    ]
}

proptest! {
    #[test]
    fn no_order_of_events_breaks_the_rules(start in any_state(), second_approval: bool, deeds in deeds()) {
        let people = [
            person("ada", true, false),
            person("bob", false, true),
            person("eve", true, true),
            person(REQUESTER, true, true),
        ];
        let terms = terms(second_approval);
        let mut state = start;
        let mut consumptions = 0;
        for (deed, now) in deeds {
            let event = match deed {
                Deed::Approve(who) => Event::Approve { by: &people[who] },
                Deed::Deny(who) => Event::Deny { by: &people[who] },
                Deed::Withdraw => Event::Withdraw,
                Deed::Consume => Event::Consume,
                Deed::Tick => Event::Tick,
            };
            let Ok(next) = apply(&terms, &state, event, UnixMillis(now)) else { continue };
            if state.is_terminal() {
                prop_assert_eq!(&next, &state, "left a terminal state");
            } else if next == State::Consumed {
                consumptions += 1;
                prop_assert!(matches!(state, State::Approved { .. }), "consumed without approval");
            }
            if let Event::Approve { by } | Event::Deny { by } = event {
                prop_assert!(by.id.as_str() != REQUESTER, "the requester decided");
                prop_assert!(now < EXPIRES_AT.0, "decided too late");
            }
            if let Event::Approve { by } = event {
                match (&state, &next) {
                    (State::Pending { level: Level::First }, State::Pending { level: Level::Second { first_by } }) => {
                        prop_assert!(second_approval && by.level1 && *first_by == by.id);
                    }
                    (State::Pending { level: Level::First }, State::Approved { .. }) => {
                        prop_assert!(!second_approval && by.level1);
                    }
                    (State::Pending { level: Level::Second { first_by } }, State::Approved { .. }) => {
                        prop_assert!(by.level2 && *first_by != by.id, "one person at both levels");
                    }
                    other => prop_assert!(false, "a yes did {:?}", other),
                }
            }
            state = next;
        }
        prop_assert!(consumptions <= 1, "consumed {} times", consumptions);
    }
}
