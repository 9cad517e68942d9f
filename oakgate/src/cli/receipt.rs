//! `oakgate receipt` on the command line.

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  oakgate receipt verify --keys receipts.jwks --audience files < receipt.txt
  oakgate receipt inspect < receipt.txt";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum ReceiptCommand {
    /// Verify receipts from standard input, a line each: prints the claims, or why not; status 1 if any is refused
    #[command(
        after_help = "Example:\n  oakgate receipt verify --keys receipts.jwks --audience files --body request.json < receipt.txt"
    )]
    Verify {
        /// A JWK set
        #[arg(long, value_name = "FILE")]
        keys: PathBuf,
        /// The backend that each receipt must be for
        #[arg(long, value_name = "NAME")]
        audience: Option<String>,
        /// The exact body that each receipt must be about
        #[arg(long, value_name = "FILE")]
        body: Option<PathBuf>,
        /// The arguments (JSON, however written) that each receipt must be about
        #[arg(long, value_name = "FILE")]
        args: Option<PathBuf>,
        /// What each receipt must be for
        #[arg(long = "use", value_name = "USE", value_enum)]
        use_: Option<ReceiptUse>,
    },
    /// Decode receipts from standard input without verifying them
    Inspect,
}

/// What a receipt is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReceiptUse {
    /// Put by a proxy on what it forwards
    Stamp,
    /// Good for one run through a proxy
    Grant,
    /// Evidence of a refusal
    Verdict,
}
