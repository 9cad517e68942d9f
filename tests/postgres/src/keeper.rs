//! A server's keeper: a shell that stops the server and removes its folder when the test process is gone, however
//! that ended.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::Durability;
use crate::programs::program;

/// The shell's standard input is a pipe from the test process. It ends when that process does.
const SCRIPT: &str = r#"
folder=$1
shift
"$@" </dev/null >>"$folder/log" 2>&1 &
server=$!
read -r word
kill -QUIT $server
wait $server
[ "$word" = keep ] || rm -rf "$folder"
"#;

#[derive(Debug)]
pub(crate) struct Keeper(Child);

impl Keeper {
    pub(crate) fn start(folder: &Path, durability: Durability) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "keeper"]).arg(folder);
        let server = program("postgres");
        command.arg(server.get_program()).args(server.get_args()).arg("-D").arg(folder.join("data"));
        command.arg("-k").arg(folder).args(["-c", "listen_addresses="]);
        command.args(["-c", "max_connections=500", "-c", "shared_buffers=16MB"]);
        if durability == Durability::None {
            command.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        // A terminal's interrupt is for the tests, and their end is what the keeper waits for.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }

    /// Stops the server at once, and keeps its folder.
    pub(crate) fn end(mut self) {
        self.0.stdin.take().unwrap().write_all(b"keep\n").unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ended = self.0.wait();
    }
}
