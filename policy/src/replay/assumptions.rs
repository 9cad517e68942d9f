//! What conditions are taken to say of a call that was recorded without some of its parts.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};

use super::RecordedCaller;
use crate::condition::{Condition, Fault, Key, Path};

/// What the conditions that a call meets say: those that read only what is known, what they say; every other, one thing
/// after the other.
pub(crate) struct Assumptions {
    caller: RecordedCaller,
    answers: RefCell<Answers>,
}

#[derive(Default)]
struct Answers {
    /// By the texts of conditions that read only what is known, each evaluated once.
    evaluated: HashMap<Box<str>, Result<bool, Fault>>,
    /// The texts of the others, in the order in which they were met, and what each is taken to say now.
    open: Vec<(Box<str>, Assumed)>,
    depends_on: BTreeSet<&'static str>,
}

/// What a condition can say.
#[derive(Clone, Copy)]
enum Assumed {
    Holds,
    DoesNotHold,
    Faults,
}

impl Assumptions {
    pub(super) fn new(caller: RecordedCaller) -> Self {
        Self { caller, answers: RefCell::default() }
    }

    /// Whether a condition holds.
    pub(crate) fn holds(
        &self,
        condition: &Condition,
        evaluate: impl FnOnce() -> Result<bool, Fault>,
    ) -> Result<bool, Fault> {
        let source = condition.source();
        let mut answers = self.answers.borrow_mut();
        let Answers { evaluated, open, depends_on } = &mut *answers;
        if let Some(answer) = evaluated.get(source) {
            return answer.clone();
        }
        if let Some((_, assumed)) = open.iter().find(|(known, _)| known.as_ref() == source) {
            return assumed.answer();
        }
        let unknown: Vec<_> = condition.paths().iter().filter(|path| !self.knows(path)).collect();
        if unknown.is_empty() {
            let answer = evaluate();
            evaluated.insert(source.into(), answer.clone());
            return answer;
        }
        depends_on.extend(unknown.iter().map(|path| path.variable));
        open.push((source.into(), Assumed::Holds));
        Assumed::Holds.answer()
    }

    /// Goes on to the next way in which the conditions can turn out. Not if there is none; then it begins anew.
    pub(super) fn go_on(&self) -> bool {
        let open = &mut self.answers.borrow_mut().open;
        while let Some((source, assumed)) = open.pop() {
            if let Some(next) = assumed.next() {
                open.push((source, next));
                return true;
            }
        }
        false
    }

    /// The variables of which some part is read and not known.
    pub(super) fn depends_on(&self) -> BTreeSet<&'static str> {
        self.answers.borrow().depends_on.clone()
    }

    fn knows(&self, path: &Path) -> bool {
        match path.variable {
            "args" | "reasoning" => false,
            "caller" if self.caller == RecordedCaller::Id => {
                matches!(path.keys.first(), Some(Key::Field(name)) if name.as_ref() == "id")
            }
            _ => true,
        }
    }
}

impl Assumed {
    const fn answer(self) -> Result<bool, Fault> {
        match self {
            Self::Holds => Ok(true),
            Self::DoesNotHold => Ok(false),
            // Which fault it is makes no difference to a verdict.
            Self::Faults => Err(Fault::Arguments),
        }
    }

    const fn next(self) -> Option<Self> {
        match self {
            Self::Holds => Some(Self::DoesNotHold),
            Self::DoesNotHold => Some(Self::Faults),
            Self::Faults => None,
        }
    }
}
