//! Where a proxy gets the line from that joins it to its control plane: the command line, the environment, or a file.

use std::convert::Infallible;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use config::{JoinLine, Proxy};
use zeroize::Zeroizing;

use crate::exit::{Done, Failure};

/// More than any line.
const FILE_BYTES_MAX: u64 = 8192;

/// The line of `oakgate proxies add`, or the file that has it.
#[derive(Debug, Args)]
pub(crate) struct JoinOptions {
    /// Follow the control plane of this line, which `oakgate proxies add` prints; in OAKGATE_JOIN `ps` does not show it
    #[arg(
        long,
        value_name = "LINE",
        env = "OAKGATE_JOIN",
        hide_env_values = true,
        conflicts_with = "join_file"
    )]
    join: Option<Pasted>,
    /// Follow the control plane of the line in this file
    #[arg(long, value_name = "FILE")]
    join_file: Option<PathBuf>,
    /// With a line: PEM file of the authorities that the control plane's certificate must come from; the system's unless given
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// A line as it was given. It is read later: here, what is no line would be printed with all that is secret in it.
#[derive(Clone)]
struct Pasted(Zeroizing<String>);

impl JoinOptions {
    /// Gives a proxy the link and the name of the line, if there is one. What was last known to be good is kept in
    /// `NAME.state` in `folder`.
    pub(crate) fn join(&self, proxy: &mut Proxy, folder: &Path) -> Done {
        let Some(line) = self.line()? else {
            return match &self.ca_file {
                Some(_) => Err(Failure::Input(
                    "--ca-file goes with a join line; in settings it is proxy.control_plane.ca_file"
                        .to_owned(),
                )),
                None => Ok(()),
            };
        };
        if proxy.control_plane.is_some() {
            let what = "proxy.control_plane: a join line says which control plane to follow, too; leave one of the two out";
            return Err(Failure::Configuration(what.to_owned()));
        }
        line.name().clone_into(&mut proxy.name);
        let state_directory = folder.join(format!("{}.state", line.name()));
        proxy.control_plane = Some(line.link(state_directory, self.ca_file.clone()));
        Ok(())
    }

    /// Whether there is a line.
    pub(crate) const fn is_given(&self) -> bool {
        self.join.is_some() || self.join_file.is_some()
    }

    fn line(&self) -> Result<Option<JoinLine>, Failure> {
        match (&self.join, &self.join_file) {
            (Some(Pasted(text)), _) => read("--join or OAKGATE_JOIN", text).map(Some),
            (None, Some(file)) => of_file(file).map(Some),
            (None, None) => Ok(None),
        }
    }
}

fn of_file(path: &Path) -> Result<JoinLine, Failure> {
    let name = path.display().to_string();
    let mut text = Zeroizing::new(String::new());
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(|error| Failure::Input(format!("{name}: can't be read: {error}")))?;
    read(&name, &text)
}

fn read(name: &str, text: &str) -> Result<JoinLine, Failure> {
    JoinLine::parse(text).map_err(|error| Failure::Input(format!("{name}: {error}")))
}

impl FromStr for Pasted {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Pasted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pasted(…)")
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        join: JoinOptions,
    }

    fn run(arguments: &[&str]) -> Result<Option<String>, String> {
        let command =
            Command::try_parse_from([&["oakgate"], arguments].concat()).map_err(|error| error.to_string())?;
        match command.join.line() {
            Ok(line) => Ok(line.map(|line| line.name().to_owned())),
            Err(Failure::Input(text)) => Err(text),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_comes_from_one_place_and_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let token = format!("oak_proxy_{}", "x".repeat(43));
        let line =
            JoinLine::new("wss://control.example.com/v1/sync", &token, "key", "gate-1").unwrap().to_text();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let good = file("good", &format!("{}\n", *line));
        let large = file("large", &format!("{}{}", *line, "x".repeat(9000)));
        assert_eq!(run(&[]), Ok(None));
        assert_eq!(run(&["--join", &line]), Ok(Some("gate-1".to_owned())));
        assert_eq!(run(&["--join-file", &good]), Ok(Some("gate-1".to_owned())));
        for (arguments, says) in [
            (["--join", &format!("{}=", *line)].to_vec(), "the join line is damaged"),
            (["--join", &token].to_vec(), "not a join line"),
            (["--join-file", &file("token", &token)].to_vec(), "not a join line"),
            (["--join-file", &large].to_vec(), "longer than"),
            (["--join-file", "/nowhere/join"].to_vec(), "/nowhere/join: can't be read"),
            (["--join", &line, "--join-file", &good].to_vec(), "cannot be used with"),
        ] {
            let error = run(&arguments).unwrap_err();
            assert!(error.contains(says) && !error.contains("oak_proxy_x"), "{arguments:?}: {error}");
            assert!(!error.contains(&**line), "{error}");
        }
        let command = Command::try_parse_from(["oakgate", "--join", &line]).unwrap();
        assert!(!format!("{command:?}").contains(&**line));
    }
}
