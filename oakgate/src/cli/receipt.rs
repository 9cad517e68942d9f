//! `oakgate receipt` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{ArgumentsOptions, RunnerOptions, ServerOptions};

const EXAMPLES: &str = "\
Examples:
  oakgate receipt verify --keys receipts.jwks --audience files < receipt.txt
  oakgate receipt inspect < receipt.txt
  oakgate receipt redeem --backend files --key-file backend-key < receipt.txt
  oakgate receipt jwks > receipts.jwks";

const REDEEM_EXAMPLES: &str = "\
Examples:
  oakgate receipt redeem --backend files --key-file backend-key < receipt.txt
  oakgate receipt redeem --backend files --tool read_note --args-file args.json --key-file backend-key < receipt.txt

What is not named is not compared. Say what became of the call with `oakgate executions log`.";

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
    /// Have the control plane redeem the receipt on standard input, once: prints its claims, or why not; status 1 if it is
    /// refused
    #[command(after_help = REDEEM_EXAMPLES)]
    Redeem(RedeemOptions),
    /// Print the public keys that verify the control plane's receipts, a JWK set; it has none where they are HMAC keys
    #[command(after_help = "Example:\n  oakgate receipt jwks > receipts.jwks")]
    Jwks(ServerOptions),
}

/// The call that a receipt came with.
#[derive(Debug, Args)]
pub(crate) struct RedeemOptions {
    /// The backend that was called
    #[arg(long, value_name = "NAME")]
    pub(crate) backend: String,
    /// What the receipt must be for
    #[arg(long = "use", value_name = "USE", value_enum, default_value = "grant")]
    pub(crate) use_: RedeemedUse,
    /// Who called
    #[arg(long, value_name = "ID")]
    pub(crate) caller: Option<String>,
    /// The tool
    #[arg(long, value_name = "NAME")]
    pub(crate) tool: Option<String>,
    /// The tenant
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// What it is done to
    #[arg(long, value_name = "NAME")]
    pub(crate) resource: Option<String>,
    /// How it is done
    #[arg(long, value_name = "NAME")]
    pub(crate) method: Option<String>,
    #[command(flatten)]
    pub(crate) arguments: ArgumentsOptions,
    /// The exact body of the call
    #[arg(long, value_name = "FILE")]
    pub(crate) body: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) runner: RunnerOptions,
}

/// What receipts that can be redeemed are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RedeemedUse {
    /// Good for one run
    Grant,
    /// Put by a proxy on what it forwards
    Stamp,
}

impl RedeemedUse {
    /// The word of the API.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Stamp => "stamp",
        }
    }
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
