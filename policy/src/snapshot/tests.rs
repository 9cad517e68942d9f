//! The lookup structures on their own, each against a loop over what it holds.

use proptest::collection::vec;
use proptest::prelude::*;

use super::symbols::SymbolsBuilder;
use super::*;
use crate::{Coordinates, Precedence, Scope};

/// Names over two letters and a two-byte one, so that beginnings are shared and may end within a character.
const NAMES: &str = "[abé]{0,9}|[ab]{20,24}";

proptest! {
    #[test]
    fn matches_are_the_exact_name_and_then_patterns_longest_first(
        exact in vec(NAMES, 0..8), prefixes in vec(NAMES, 0..40), names in vec(NAMES, 20),
    ) {
        let walk = Walk::new(Precedence::ToolFirst);
        let (here, there) = (walk.only(Scope::Org, Coordinates::Tool), walk.only(Scope::Tenant, Coordinates::Any));
        let mut builder = SymbolsBuilder::default();
        let exact: Vec<_> = exact.into_iter().map(|name| (builder.exact(&name, here), name)).collect();
        let mut prefixes: Vec<_> =
            prefixes.into_iter().map(|prefix| (builder.prefix(&prefix, there), prefix)).collect();
        prefixes.sort_by_key(|(id, prefix)| (std::cmp::Reverse(prefix.len()), *id));
        prefixes.dedup();
        let symbols = builder.build();
        for name in &names {
            let found = symbols.matches(Some(name));
            let same = exact.iter().find(|(_, exact)| exact == name);
            let beginnings: Vec<u32> =
                prefixes.iter().filter(|(_, prefix)| name.starts_with(prefix.as_str())).map(|(id, _)| *id).collect();
            let held = |is_held: bool, levels| if is_held { levels } else { Levels::NONE };
            prop_assert_eq!(found.levels(), held(same.is_some(), here).or(held(!beginnings.is_empty(), there)));
            let expected: Vec<u32> = same.map(|(id, _)| *id).into_iter().chain(beginnings).collect();
            prop_assert_eq!(found.ids().collect::<Vec<_>>(), expected);
        }
        prop_assert_eq!(symbols.matches(None).ids().count(), 0);
    }
}

#[test]
fn patterns_of_every_length_are_all_found() {
    let mut builder = SymbolsBuilder::default();
    for length in 0..=500 {
        builder.prefix(&"x".repeat(length), Levels::NONE);
    }
    let symbols = builder.build();
    for length in [0, 1, 249, 250, 251, 500] {
        let name = "x".repeat(length);
        assert_eq!(symbols.matches(Some(&name)).ids().count(), length + 1);
        assert_eq!(symbols.matches(Some(&format!("{name}y"))).ids().count(), length + 1);
    }
}
