//! `oakgate receipt`: is a receipt genuine, and is it about this call?

mod redeem;

use std::io::BufRead;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use receipt::{Expected, KeySet, Use, inspect, verify};

use crate::api::Api;
use crate::cli::{ReceiptCommand, ReceiptUse};
use crate::exit::{Done, Failure};
use crate::terminal::{complain, say, visible_json};

pub(crate) fn run(command: &ReceiptCommand) -> Done {
    match command {
        ReceiptCommand::Verify { keys, audience, body, args, use_ } => {
            let keys = read(keys)?;
            let keys =
                KeySet::from_jwks(&keys).map_err(|error| Failure::Input(format!("the keys: {error}")))?;
            let body = body.as_ref().map(|file| read(file)).transpose()?;
            let args = args.as_ref().map(|file| text(file)).transpose()?;
            let expected = Expected {
                audience: audience.as_deref(),
                use_: use_.map(wanted),
                body: body.as_deref(),
                args: args.as_deref(),
                ..Expected::default()
            };
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            each_line(|token| {
                verify(&keys, token, &expected, now)
                    .map_err(|refusal| refusal.name().to_owned())
                    .and_then(|claims| serde_json::to_string(&claims).map_err(|error| error.to_string()))
            })
        }
        ReceiptCommand::Redeem(options) => redeem::run(options),
        ReceiptCommand::Jwks(server) => {
            say(visible_json(Api::open_to_all(server)?.get("/.well-known/jwks.json")?.text.trim_end()));
            Ok(())
        }
        ReceiptCommand::Inspect => {
            complain("decoded only, NOT verified:");
            each_line(|token| {
                let unverified = inspect(token).map_err(|refusal| refusal.name().to_owned())?;
                Ok(serde_json::json!({"header": unverified.header, "claims": unverified.claims}).to_string())
            })
        }
    }
}

/// Prints what becomes of each line of standard input; a check that says no for any of them says no.
fn each_line(check: impl Fn(&str) -> Result<String, String>) -> Done {
    let mut done = Ok(());
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| Failure::Input(format!("standard input: {error}")))?;
        match check(line.trim_end_matches('\r')) {
            Ok(text) => say(text),
            Err(reason) => {
                say(reason);
                done = Err(Failure::No);
            }
        }
    }
    done
}

const fn wanted(use_: ReceiptUse) -> Use {
    match use_ {
        ReceiptUse::Stamp => Use::Stamp,
        ReceiptUse::Grant => Use::Grant,
        ReceiptUse::Verdict => Use::Verdict,
    }
}

fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(file).map_err(|error| Failure::Input(format!("{}: can't be read: {error}", file.display())))
}

fn text(file: &Path) -> Result<String, Failure> {
    String::from_utf8(read(file)?).map_err(|_| Failure::Input(format!("{}: not UTF-8", file.display())))
}
