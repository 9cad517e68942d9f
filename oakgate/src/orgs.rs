//! `oakgate orgs` and `oakgate people`: what only the host itself may do, on the store.

use std::path::Path;

use control_plane::{ControlPlane, NewPerson, OrgsError, PeopleError};
use policy::approval::{Approver, PersonId};
use serde_json::json;

use crate::cli::{OrgsCommand, OrgsOptions, PeopleCommand, PeopleOptions};
use crate::control_plane_command::{open, settings};
use crate::exit::{Done, Failure};
use crate::proxy_command::runtime;
use crate::terminal::{complain, say, visible};

const SECONDS_PER_DAY: u64 = 24 * 60 * 60;

pub(crate) fn run(options: &OrgsOptions) -> Done {
    runtime()?.block_on(async {
        let orgs = opened(&options.config).await?.orgs();
        match &options.command {
            OrgsCommand::Add { name, id } => {
                let key = orgs.add(name, id).await.map_err(|error| orgs_failure(name, &error))?;
                complain(format!("The management key `{}` of `{}`, shown only now:", visible(id), visible(name)));
                say(key.expose());
            }
            OrgsCommand::Key { name, id } => {
                let key = orgs.new_key(name, id).await.map_err(|error| orgs_failure(name, &error))?;
                complain(format!(
                    "The management key `{}` of `{}`, shown only now; the one before has ended:",
                    visible(id),
                    visible(name)
                ));
                say(key.expose());
            }
            OrgsCommand::List { json } => {
                for org in orgs.list().await.map_err(|error| orgs_failure("", &error))? {
                    if *json {
                        say(json!({"name": org.name, "revision": org.revision, "created_at_unix_ms": org.created_at}));
                    } else {
                        say(visible(&org.name));
                    }
                }
            }
        }
        Ok(())
    })
}

pub(crate) fn run_people(options: &PeopleOptions) -> Done {
    runtime()?.block_on(async {
        let control_plane = opened(&options.config).await?;
        let people = control_plane.people();
        let (id, session) = match &options.command {
            PeopleCommand::Add { org, id, level1, level2, name, session_days } => {
                check_org(&control_plane, org).await?;
                let person = NewPerson {
                    org: org.clone(),
                    approver: Approver { id: person_id(id)?, level1: *level1, level2: *level2 },
                    name: name.clone().unwrap_or_else(|| id.clone()),
                    session_seconds: session_days * SECONDS_PER_DAY,
                };
                if !level1 && !level2 {
                    complain("Neither --level1 nor --level2: they may look, and decide nothing.");
                }
                (id, people.create(person).await)
            }
            PeopleCommand::Renew { org, id, session_days } => {
                let seconds = session_days * SECONDS_PER_DAY;
                (id, people.renew_session(org, &person_id(id)?, seconds).await)
            }
            PeopleCommand::End { org, id } => {
                return people
                    .end_session(org, &person_id(id)?)
                    .await
                    .map_err(|error| people_failure(id, &error));
            }
            PeopleCommand::List { org, json } => {
                check_org(&control_plane, org).await?;
                return list_people(&people, org, *json).await;
            }
        };
        let session = session.map_err(|error| people_failure(id, &error))?;
        complain("Their session, shown only now:");
        say(session.expose());
        Ok(())
    })
}

async fn list_people(people: &control_plane::People, org: &str, json: bool) -> Done {
    for person in people.list(org).await.map_err(|error| people_failure(org, &error))? {
        let Approver { id, level1, level2 } = &person.approver;
        if json {
            say(json!({
                "id": id.as_str(), "name": person.name, "level1": level1, "level2": level2,
                "session_expires_at_unix_ms": person.session_expires_at,
            }));
        } else {
            let groups = match (level1, level2) {
                (true, true) => "level 1 and 2",
                (true, false) => "level 1",
                (false, true) => "level 2",
                (false, false) => "no level",
            };
            say(format!("{}  {}  {groups}", visible(id.as_str()), visible(&person.name)));
        }
    }
    Ok(())
}

async fn opened(config: &Path) -> Result<ControlPlane, Failure> {
    open(&settings(config)?, None, None).await
}

/// Nobody is put into an organisation that is only a slip of the finger.
async fn check_org(control_plane: &ControlPlane, org: &str) -> Done {
    let orgs = control_plane.orgs().list().await.map_err(|error| orgs_failure(org, &error))?;
    if orgs.iter().any(|known| known.name == org) {
        return Ok(());
    }
    Err(orgs_failure(org, &OrgsError::Unknown))
}

fn person_id(id: &str) -> Result<PersonId, Failure> {
    PersonId::parse(id).map_err(|error| Failure::Input(format!("`{}`: {error}", visible(id))))
}

fn orgs_failure(name: &str, error: &OrgsError) -> Failure {
    match error {
        OrgsError::Store(_) | OrgsError::Entropy(_) => Failure::Fault(error.to_string()),
        OrgsError::Unknown => Failure::Input(format!(
            "`{0}`: {error}; `oakgate orgs list` names them all, `oakgate orgs add {0}` adds it",
            visible(name)
        )),
        _ => Failure::Input(format!("`{}`: {error}", visible(name))),
    }
}

fn people_failure(id: &str, error: &PeopleError) -> Failure {
    match error {
        PeopleError::Store(_) | PeopleError::Entropy(_) => Failure::Fault(error.to_string()),
        _ => Failure::Input(format!("`{}`: {error}", visible(id))),
    }
}
