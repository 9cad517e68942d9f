//! The first credentials of an organisation, in files that only this user can read: somebody must be able to configure,
//! and to decide. What another host holds is never replaced. A secret is in its file before it is good, so that none is
//! lost on the way.

use std::path::{Path, PathBuf};

use control_plane::{FIRST_KEY_ID, NewPerson, Orgs, OrgsError, People, PeopleError, Session, Taken};
use policy::approval::{Approver, PersonId};
use zeroize::Zeroizing;

use crate::exit::{Done, Failure};
use crate::secret_file;

/// The first person's session lasts this long.
const SESSION_SECONDS: u64 = 30 * 24 * 60 * 60;

/// Most management keys of hosts of one name.
const KEYS_OF_HOST_MAX: u32 = 100;

/// Where they go, and whose they are.
pub(super) struct Credentials {
    /// The first person's session.
    pub(super) session_file: PathBuf,
    /// A management key.
    pub(super) management_key_file: PathBuf,
    pub(super) ids: Ids,
}

/// Whose ids they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    /// No other host has this store: a credential whose file is gone is lost, and another takes its place.
    Alone,
    /// Other hosts may hold credentials too, so each has ids of its own.
    OfHost,
}

impl Ids {
    fn first(self) -> String {
        match self {
            Self::Alone => FIRST_KEY_ID.to_owned(),
            Self::OfHost => {
                format!("{FIRST_KEY_ID}-{}", rustix::system::uname().nodename().to_string_lossy())
            }
        }
    }

    /// The name of this host's proxy in the control plane.
    pub(super) fn proxy(self, name: &str) -> String {
        match self {
            Self::Alone => name.to_owned(),
            Self::OfHost => format!("{name}-{}", rustix::system::uname().nodename().to_string_lossy()),
        }
    }

    /// The ids that a key may have, the first that is free.
    fn keys(self) -> Vec<String> {
        let first = self.first();
        match self {
            Self::Alone => vec![first],
            Self::OfHost => {
                let more = (2..=KEYS_OF_HOST_MAX).map(|number| format!("{first}-{number}"));
                std::iter::once(first.clone()).chain(more).collect()
            }
        }
    }
}

impl Credentials {
    /// Makes a management key, unless this host has a good one.
    pub(super) async fn first_key(&self, orgs: &Orgs, org: &str) -> Done {
        let fault = |error: OrgsError| Failure::Fault(format!("the first management key: {error}"));
        let file = &self.management_key_file;
        let held = read(file)?;
        if let Some(key) = &held
            && orgs.is_good_key(org, key).await.map_err(fault)?
        {
            return Ok(());
        }
        let is_lost = held.is_none() && self.ids == Ids::Alone;
        let taken = if is_lost { Taken::Replace } else { Taken::Refuse };
        for id in self.ids.keys() {
            match orgs.own_key(org, (&id, taken), |key| secret_file::write(file, key.expose())).await {
                Ok(()) => return Ok(()),
                Err(OrgsError::KeyHeld) => {}
                // Somebody has ended it, and configures by another.
                Err(OrgsError::KeyTaken) => break,
                Err(OrgsError::Keep(error)) => return Err(cannot("written", file, &error)),
                Err(error) => return Err(fault(error)),
            }
        }
        tracing::warn!(file = %file.display(), "no good management key is in this file: `oakgate orgs key` makes another");
        Ok(())
    }

    /// Adds the first person. A host that comes later adds nobody: who says yes on two hosts would be two people.
    pub(super) async fn first_person(&self, people: &People, org: &str) -> Done {
        let fault = |error: PeopleError| match error {
            PeopleError::Keep(error) => cannot("written", &self.session_file, &error),
            error => Failure::Fault(format!("the first person: {error}")),
        };
        let keep = |session: &Session| secret_file::write(&self.session_file, session.expose());
        let id = PersonId::parse(&self.ids.first()).map_err(|error| Failure::Fault(error.to_string()))?;
        let known = people.list(org).await.map_err(fault)?;
        let is_known = known.iter().any(|person| person.approver.id == id);
        if known.is_empty() {
            let approver = Approver { id, level1: true, level2: true };
            let name = "the first person".to_owned();
            let person = NewPerson { org: org.to_owned(), approver, name, session_seconds: SESSION_SECONDS };
            people.create_kept(person, keep).await.map_err(fault)?;
            return Ok(());
        }
        // Good or not: a session that is there is for people to renew.
        if read(&self.session_file)?.is_some() {
            return Ok(());
        }
        if is_known && self.ids == Ids::Alone {
            people.renew_session_kept(org, &id, SESSION_SECONDS, keep).await.map_err(fault)?;
        } else {
            tracing::info!(
                "there are people already, so none is added for this host: `oakgate people add` adds one"
            );
        }
        Ok(())
    }
}

fn read(file: &Path) -> Result<Option<Zeroizing<String>>, Failure> {
    secret_file::read(file).map_err(|error| cannot("read", file, &error))
}

fn cannot(done: &str, file: &Path, error: &std::io::Error) -> Failure {
    Failure::Configuration(format!("{}: can't be {done}: {error}", file.display()))
}
