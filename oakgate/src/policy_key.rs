//! The policy key of a control plane: what it signs the documents with that linked proxies are sent.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use config::PolicyKeyPlace;
use policy_sync::PolicyKey;
use zeroize::Zeroizing;

use crate::exit::{Done, Failure};
use crate::keys::entropy;
use crate::terminal::say;

/// More than the text of any key has.
const FILE_BYTES_MAX: u64 = 1024;

/// What users other than the owner and its group may do with a file.
const MODE_OF_OTHERS: u32 = 0o007;

/// The key of a control plane, if it has one. Beside an SQLite store it is made when it is missing.
pub(crate) fn load(place: &PolicyKeyPlace) -> Result<Option<Arc<PolicyKey>>, Failure> {
    let key = match place {
        PolicyKeyPlace::File(file) => read(file)?,
        PolicyKeyPlace::BesideStore(file) if !file.exists() => {
            let key = make(file)?;
            let (file, public_key) = (file.display(), key.public());
            tracing::info!(%file, %public_key, "made a policy key; proxies that are linked need its public half");
            key
        }
        PolicyKeyPlace::BesideStore(file) => read(file)?,
        PolicyKeyPlace::None => {
            tracing::info!("no policy key, so no proxy can be linked: set `control_plane.policy_key_file`");
            return Ok(None);
        }
    };
    Ok(Some(Arc::new(key)))
}

/// `oakgate keys policy`: makes a key in a file, or reads the one in it, and prints its public half.
pub(crate) fn run(file: &Path, public: bool) -> Done {
    let key = if public { read(file)? } else { make(file)? };
    say(key.public());
    Ok(())
}

/// Makes a key in a file that only this user can read. One that is there is never overwritten.
fn make(file: &Path) -> Result<PolicyKey, Failure> {
    let key = PolicyKey::generate(&Zeroizing::new(entropy()?));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    let mut open = options.open(file).map_err(|error| {
        let what = match error.kind() {
            ErrorKind::AlreadyExists => {
                "is there already, and is not overwritten; `--public` shows its public half".to_owned()
            }
            _ => format!("can't be made: {error}"),
        };
        Failure::Configuration(format!("{}: {what}", file.display()))
    })?;
    let written = open.write_all(key.to_text().as_bytes()).and_then(|()| open.sync_all());
    written
        .map_err(|error| Failure::Configuration(format!("{}: can't be written: {error}", file.display())))?;
    Ok(key)
}

/// The key in a file that not everybody can get at.
pub(crate) fn read(file: &Path) -> Result<PolicyKey, Failure> {
    let shown = file.display();
    let wrong = |what: String| Failure::Configuration(format!("{shown}: {what}"));
    let opened = File::open(file).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            wrong(format!("there is no policy key; make one with `oakgate keys policy {shown}`"))
        }
        _ => wrong(format!("can't be read: {error}")),
    })?;
    let metadata = opened.metadata().map_err(|error| wrong(format!("can't be read: {error}")))?;
    if metadata.mode() & MODE_OF_OTHERS != 0 {
        let what = "every user of this machine can get at it, and with it change what all proxies do";
        return Err(wrong(format!("{what}: `chmod o= {shown}`")));
    }
    // Room enough from the start: of a secret that is moved as it comes, copies stay behind.
    let room = usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX).saturating_add(1);
    let mut text = Zeroizing::new(String::with_capacity(room));
    let read = opened.take(FILE_BYTES_MAX).read_to_string(&mut text);
    read.map_err(|error| wrong(format!("can't be read: {error}")))?;
    PolicyKey::parse(&text).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_beside_the_store_is_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("oakgate.policy-key");
        let place = PolicyKeyPlace::BesideStore(file.clone());
        let first = load(&place).unwrap().unwrap().public();
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
        for place in [place, PolicyKeyPlace::File(file)] {
            assert_eq!(load(&place).unwrap().unwrap().public(), first);
        }
        assert!(load(&PolicyKeyPlace::None).unwrap().is_none());
    }

    #[test]
    fn a_key_that_is_no_good_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        let refused = |mode, text: Option<&str>| {
            if let Some(text) = text {
                std::fs::write(&file, text).unwrap();
                std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            }
            let Err(Failure::Configuration(what)) = load(&PolicyKeyPlace::File(file.clone())) else {
                panic!("it was taken: {text:?}");
            };
            what
        };
        assert!(refused(0o600, None).contains("oakgate keys policy "));
        let good = PolicyKey::generate(&[7; 32]).to_text();
        for (mode, text, expected) in [
            (0o600, "", "not a policy key"),
            (0o600, "x".repeat(2000).as_str(), "not a policy key"),
            (0o644, &good, "chmod o="),
        ] {
            let what = refused(mode, Some(text));
            assert!(what.contains(expected) && !what.contains("oak_policy_secret_BwcH"), "{what}");
        }
        let Err(Failure::Configuration(what)) = run(&file, false) else { panic!("it was overwritten") };
        assert!(what.contains("not overwritten"), "{what}");
    }
}
