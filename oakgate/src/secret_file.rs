//! Files with a secret in them: for this program's user alone, each whole or as it was before.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use zeroize::Zeroizing;

/// No secret is longer.
const SECRET_BYTES_MAX: u64 = 4096;

/// Writes a file that only this user can read, in place of what has its name: a link is replaced, not followed. When it
/// is done, the secret is on the disk.
pub(crate) fn write(file: &Path, text: &str) -> io::Result<()> {
    let name = file.file_name().ok_or(ErrorKind::InvalidFilename)?;
    let folder = file.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."));
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let unfinished = folder.join(format!(".{}.{:016x}", name.to_string_lossy(), u64::from_ne_bytes(random)));
    let written = create(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, file));
    if written.is_err() {
        let _there_may_be_none = std::fs::remove_file(&unfinished);
    }
    written?;
    File::open(folder)?.sync_all()
}

/// The secret in a file, without the end of its line; `None`: there is no such file.
pub(crate) fn read(file: &Path) -> io::Result<Option<Zeroizing<String>>> {
    let open = match File::open(file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        open => open?,
    };
    let mut text = Zeroizing::new(String::new());
    open.take(SECRET_BYTES_MAX).read_to_string(&mut text)?;
    Ok(Some(Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned())))
}

fn create(file: &Path, text: &str) -> io::Result<()> {
    let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)?;
    new.write_all(text.as_bytes())?;
    new.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_secret_takes_the_place_of_what_was_there_and_goes_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("victim"), "theirs").unwrap();
        symlink(path("victim"), path("link")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        std::fs::write(path("open"), "for everybody, and longer").unwrap();
        std::fs::set_permissions(path("open"), PermissionsExt::from_mode(0o666)).unwrap();
        for name in ["link", "dangling", "open", "new"] {
            write(&path(name), "secret").unwrap();
            let kept = std::fs::symlink_metadata(path(name)).unwrap();
            assert!(kept.is_file(), "{name}");
            assert_eq!(kept.permissions().mode() & 0o777, 0o600, "{name}");
            assert_eq!(read(&path(name)).unwrap().unwrap().as_str(), "secret", "{name}");
        }
        assert_eq!(std::fs::read(path("victim")).unwrap(), b"theirs");
        assert!(read(&path("nowhere")).unwrap().is_none());
        std::fs::create_dir(path("folder")).unwrap();
        write(&path("folder"), "secret").unwrap_err();
        write(&path("missing/file"), "secret").unwrap_err();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 6, "something was left behind");
    }
}
