//! What was shown of one tool: the definition shown last, the one that differs from the pin, and the accepted one.

use std::sync::Arc;

use policy::{Definition, DefinitionDigest, ToolDefinition};

/// Longer definitions are known by their digest alone.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// One definition.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) digest: DefinitionDigest,
    /// Without a canonical form it has no digest that could be pinned; `digest` is of its bytes then.
    pub(super) is_canonical: bool,
    /// JSON, unless it is too long.
    pub(super) text: Option<Arc<str>>,
}

/// What a backend has shown of one tool.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    last: Version,
    /// Shown while the policy pinned another one.
    changed: Option<Version>,
    accepted: Option<Version>,
}

impl Version {
    /// The definition as a backend lists it.
    pub(super) fn read(definition: &str) -> Self {
        let kept = |text: &str| (text.len() <= TEXT_BYTES_MAX).then(|| text.into());
        match ToolDefinition::read(definition) {
            Ok(read) => {
                let digest = read.digest();
                Self { digest, is_canonical: true, text: kept(&read.into_canonical()) }
            }
            Err(_) => Self {
                digest: DefinitionDigest::of_bytes(definition.as_bytes()),
                is_canonical: false,
                text: kept(definition),
            },
        }
    }

    fn is(&self, pin: DefinitionDigest) -> bool {
        self.is_canonical && self.digest == pin
    }

    fn bytes(&self) -> u64 {
        self.text.as_ref().map_or(0, |text| u64::try_from(text.len()).unwrap_or(u64::MAX))
    }
}

impl Seen {
    /// What is known after a list shows this version, while the policy pins `pin`; `None` if that is what was known before.
    pub(super) fn after(
        before: Option<&Self>,
        version: &Version,
        pin: Option<DefinitionDigest>,
    ) -> Option<Self> {
        let (mut changed, mut accepted) = (None, None);
        if let Some(pin) = pin {
            let known = before.into_iter().flat_map(Self::versions).chain([version]);
            accepted = known.filter(|known| known.is(pin)).last().cloned();
            let stays = before.and_then(|before| before.changed.clone()).filter(|changed| !changed.is(pin));
            changed = if version.is(pin) { stays } else { Some(version.clone()) };
        }
        let after = Self { last: version.clone(), changed, accepted };
        let is_news = before.is_none_or(|before| before.digests() != after.digests());
        is_news.then_some(after)
    }

    /// Whether it is what the policy pins.
    pub(super) fn beside(&self, pin: DefinitionDigest) -> Definition {
        self.shown_beside(pin).map_or(Definition::Accepted, |version| Definition::Changed(version.digest))
    }

    /// The version that is not what the policy pins, if there is one.
    pub(super) fn shown_beside(&self, pin: DefinitionDigest) -> Option<&Version> {
        self.changed.as_ref().into_iter().chain([&self.last]).find(|version| !version.is(pin))
    }

    /// The version that the policy pins, if it was ever shown.
    pub(super) fn accepted_beside(&self, pin: DefinitionDigest) -> Option<&Version> {
        self.versions().find(|version| version.is(pin))
    }

    pub(super) const fn last(&self) -> &Version {
        &self.last
    }

    /// The changed version, if it was not known as that before.
    pub(super) fn newly_changed(&self, before: Option<&Self>) -> Option<DefinitionDigest> {
        let changed = |seen: &Self| seen.changed.as_ref().map(|version| version.digest);
        changed(self).filter(|digest| before.and_then(changed) != Some(*digest))
    }

    /// Bytes of the texts that it keeps; one that it keeps twice counts twice.
    pub(super) fn bytes(&self) -> u64 {
        self.versions().map(Version::bytes).sum()
    }

    pub(super) fn without_texts(self) -> Self {
        let bare = |version: Version| Version { text: None, ..version };
        Self { last: bare(self.last), changed: self.changed.map(bare), accepted: self.accepted.map(bare) }
    }

    fn versions(&self) -> impl Iterator<Item = &Version> {
        [Some(&self.last), self.changed.as_ref(), self.accepted.as_ref()].into_iter().flatten()
    }

    fn digests(&self) -> [Option<DefinitionDigest>; 3] {
        [Some(&self.last), self.changed.as_ref(), self.accepted.as_ref()]
            .map(|version| version.map(|version| version.digest))
    }
}
