//! What is kept, and what becomes of files that are not what they should be.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use policy_sync::PolicyKey;

use super::*;

const MAX_BYTES: usize = 1024 * 1024;

fn key() -> PolicyKey {
    PolicyKey::generate(&[7; 32])
}

fn trusted() -> TrustedKeys {
    TrustedKeys::new(vec![key().public()])
}

fn policy(revision: u64, text: &str) -> Document {
    Document::sign(&key(), (Subject::Policy, "acme"), (revision, 1), text)
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn what_is_kept_is_there_at_the_next_start_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("not/there");
    let disk = Disk::open(&state).unwrap();
    let file = state.join("policy.signed");
    assert!(disk.load(Subject::Policy, &trusted(), MAX_BYTES).unwrap().is_none());
    disk.keep(&policy(2, "two")).unwrap();
    assert_eq!((mode(&state), mode(&file)), (0o700, 0o600));
    // What comes late does not undo what came later.
    disk.keep(&policy(1, "one")).unwrap();
    assert!(Disk::open(&state).is_err_and(|error| error.mistakes[0].contains("another proxy uses it")));
    drop(disk);

    let disk = Disk::open(&state).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    let opened = OpenOptions::new().write(true).open(&file).unwrap();
    opened.set_modified(long_ago).unwrap();
    let kept = disk.load(Subject::Policy, &trusted(), MAX_BYTES).unwrap().unwrap();
    assert_eq!((kept.document.text().as_ref(), kept.confirmed_at), ("two", UnixMillis(1_000_000_000)));
    // The same again: its file is not written, and is as young as can be.
    disk.keep(&kept.document).unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), kept.document.to_bundle());
    assert!(opened.metadata().unwrap().modified().unwrap().elapsed().unwrap() < Duration::from_secs(60));
}

#[test]
fn what_is_torn_or_not_signed_is_refused_and_stays() {
    let good = policy(3, "text").to_bundle();
    let (half, _) = good.split_at(good.len() / 2);
    let other = Document::sign(&PolicyKey::generate(&[8; 32]), (Subject::Policy, "acme"), (3, 1), "text");
    let keys = Document::sign(&key(), (Subject::Keys, "acme"), (3, 1), "[]").to_bundle();
    for (text, expected) in [
        (half, "not a bundle"),
        ("", "not a bundle"),
        ("policy: file", "not a bundle"),
        (good.replace("\"text\":\"text\"", "\"text\":\"tent\"").as_str(), "its text is not the signed one"),
        (good.replace("\"format\":1", "\"format\":2").as_str(), "format 2 is not known"),
        (good.replace("acme", "acne").as_str(), "its signature is not of a trusted policy key"),
        (other.to_bundle().as_str(), "its signature is not of a trusted policy key"),
        (keys.as_str(), "it is about `keys`"),
        (policy(3, &"x".repeat(2000)).to_bundle().as_str(), "it is longer than 1000 bytes"),
        ("x".repeat(30_000).as_str(), "is longer than"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policy.signed"), text).unwrap();
        std::fs::write(folder.path().join("policy.signed.unfinished"), half).unwrap();
        let disk = Disk::open(folder.path()).unwrap();
        let why = disk.load(Subject::Policy, &trusted(), 1000).unwrap_err();
        assert!(why.contains(expected), "{why}, not {expected}");
        assert!(!folder.path().join("policy.signed.unfinished").exists());
        assert_eq!(std::fs::read_to_string(folder.path().join("policy.signed")).unwrap(), text);
        disk.keep(&policy(1, "good")).unwrap();
        assert!(disk.load(Subject::Policy, &trusted(), 1000).unwrap().is_some());
    }
}

#[test]
fn a_failure_leaves_what_was_there_and_is_made_good_later() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(folder.path()).unwrap();
    disk.keep(&policy(1, "one")).unwrap();
    let in_the_way = folder.path().join("policy.signed.unfinished");
    std::fs::create_dir(&in_the_way).unwrap();
    assert!(disk.keep(&policy(2, "two")).is_err());
    let text =
        || disk.load(Subject::Policy, &trusted(), MAX_BYTES).unwrap().unwrap().document.text().to_string();
    assert_eq!(text(), "one");
    std::fs::remove_dir(&in_the_way).unwrap();
    disk.keep(&policy(2, "two")).unwrap();
    assert_eq!(text(), "two");
}
