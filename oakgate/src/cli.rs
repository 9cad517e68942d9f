//! The command line.

mod orgs;
mod tools;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub(crate) use self::orgs::{OrgsCommand, OrgsOptions, PeopleCommand, PeopleOptions};
pub(crate) use self::tools::{ToolsCommand, ToolsOptions};
use crate::log::LogFormat;

const EXAMPLES: &str = "\
Examples:
  oakgate up                                  everything in one process, with demonstration backends
  oakgate proxy --config gate.yaml            the data plane alone
  oakgate approvals list                      what waits for a person
  oakgate approvals approve REF-XXXXXXXX-XXXX --note 'checked with finance'
  oakgate policy check policy.yaml
  echo '{\"tool\":\"read_note\"}' | oakgate policy explain --policy policy.yaml";

/// Oakgate stands in front of the tools that AI agents call, and decides each call.
#[derive(Debug, Parser)]
#[command(name = "oakgate", version, after_help = EXAMPLES)]
pub(crate) struct Cli {
    /// How log lines look
    #[arg(long, global = true, value_enum, default_value = "json")]
    pub(crate) log_format: LogFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in one process
    Up(UpOptions),
    /// Run the data plane
    Proxy(ProxyOptions),
    /// Run the control plane
    ControlPlane(ControlPlaneOptions),
    /// Copy the control plane's store while it runs
    Backup(BackupOptions),
    /// Check a policy, and ask it for verdicts
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Verify receipts
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// See and decide what waits for a person
    Approvals(ApprovalsOptions),
    /// See what backends show of their tools, and accept it
    Tools(ToolsOptions),
    /// Add organisations to a control plane, and give them management keys
    Orgs(OrgsOptions),
    /// Add the people who decide, and end their sessions
    People(PeopleOptions),
    /// Make API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Check a settings file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say what a refusal's reason means, and whether to retry
    Refusals(RefusalsOptions),
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  oakgate refusals                 every reason\n  oakgate refusals list-unreadable one of them"
)]
pub(crate) struct RefusalsOptions {
    /// A reason, as answers, records and metrics have it; all of them without it
    #[arg(value_name = "REASON")]
    pub(crate) reason: Option<String>,
    /// As a Markdown table
    #[arg(long)]
    pub(crate) markdown: bool,
}

#[derive(Debug, Args)]
#[command(
    after_help = "With no file, a demonstration: settings, keys and state in --data, an MCP and a REST backend \
                        built in, and what to try next on the screen."
)]
pub(crate) struct UpOptions {
    /// Settings with both `proxy` and `control_plane`; without it, the demonstration
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Folder of the demonstration's keys and state
    #[arg(long, value_name = "FOLDER", default_value = "oakgate-data")]
    pub(crate) data: PathBuf,
    /// Where the demonstration's callers connect
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where the demonstration serves /metrics, /readyz and the like
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9090")]
    pub(crate) admin: SocketAddr,
    /// Where the demonstration's control plane serves its API
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub(crate) control_plane: SocketAddr,
}

#[derive(Debug, Args)]
pub(crate) struct ProxyOptions {
    /// Settings with `proxy`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ControlPlaneOptions {
    /// Settings with `control_plane`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  oakgate backup --config control-plane.yaml --to oakgate-2026-01-31.db\n\nThe copy is a store: \
                  to restore it, stop the control plane and put it in the place of its file."
)]
pub(crate) struct BackupOptions {
    /// Settings with `control_plane`
    #[arg(long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// The copy; a file that is there is never overwritten
    #[arg(long, value_name = "FILE")]
    pub(crate) to: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Load policy documents and say every mistake in them; status 2 if any is refused
    Check {
        /// Policy documents
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
    },
    /// Read queries, a JSON object a line, and write verdicts, a line each
    #[command(
        after_help = "Example:\n  echo '{\"tool\":\"write_note\",\"args\":{\"path\":\"a\"}}' | oakgate policy decide --policy policy.yaml"
    )]
    Decide {
        /// The policy document
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
    },
    /// Say of one query, level by level, what was looked at and what decided
    #[command(
        after_help = "Example:\n  echo '{\"tool\":\"write_note\"}' | oakgate policy explain --policy policy.yaml"
    )]
    Explain {
        /// The policy document
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Say for which calls the verdict changes between two documents, looser ones first; status 1 if anything differs
    #[command(
        after_help = "Example:\n  oakgate policy diff policy.yaml new.yaml\n\nStatus 0: no difference. 1: differences. \
                      2: a document is refused, or they differ in too much to look at all of it."
    )]
    Diff {
        /// The policy document to start from
        #[arg(value_name = "OLD")]
        old: PathBuf,
        /// The one to compare with it
        #[arg(value_name = "NEW")]
        new: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Run cases, calls with the verdicts that a policy is meant to give on them; status 1 if any fails
    #[command(
        after_help = "Example:\n  oakgate policy test --policy policy.yaml cases.yaml\n\nA file of cases:\n  \
                            cases:\n    - name: small refunds go through\n      \
                            call: {tool: payments.refund, tenant: acme, args: {amount: 40}}\n      \
                            now: '2026-05-01T09:00:00Z'\n      \
                            expect: {permission: allowed, level: org/tool, rule: small}\n\n\
                            Of `expect`, only `permission` must be there; `clamped` and `faults` may be."
    )]
    Test {
        /// The policy document
        #[arg(long, value_name = "FILE")]
        policy: PathBuf,
        /// Files of cases
        #[arg(required = true, value_name = "CASES")]
        cases: Vec<PathBuf>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print the JSON Schema of policy documents, for editors
    Schema,
}

#[derive(Debug, Subcommand)]
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

#[derive(Debug, Args)]
pub(crate) struct ApprovalsOptions {
    /// The control plane
    #[arg(long, global = true, value_name = "URL", default_value = "http://127.0.0.1:8081")]
    pub(crate) url: String,
    /// File with a person's session
    #[arg(long, global = true, value_name = "FILE", default_value = "oakgate-data/session")]
    pub(crate) session_file: PathBuf,
    #[command(subcommand)]
    pub(crate) command: ApprovalsCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// What waits for a person, newest first
    List {
        /// Also what was decided or has ended
        #[arg(long)]
        all: bool,
        /// As JSON, an object a line
        #[arg(long)]
        json: bool,
    },
    /// Everything about one approval
    Show {
        /// REF-XXXXXXXX-XXXX
        reference: String,
    },
    /// Let one held call go on
    Approve {
        /// REF-XXXXXXXX-XXXX
        reference: String,
        /// For the record
        #[arg(long)]
        note: Option<String>,
    },
    /// Refuse a held call
    Deny {
        /// REF-XXXXXXXX-XXXX
        reference: String,
        /// For the record, and for the caller
        #[arg(long)]
        note: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make an API key: prints it, and the entry for the keys file
    New {
        /// Who is calling, in policy and records
        #[arg(long, default_value = "agent-1")]
        id: String,
        /// What kind of caller it stands for
        #[arg(long, value_enum, default_value = "agent")]
        kind: KeyKind,
    },
    /// Make a key that signs receipts: prints a JWK set for `receipts.keys_file`
    Receipts {
        /// The key's id
        #[arg(long, default_value = "receipts-1")]
        id: String,
        /// The algorithm
        #[arg(long, value_enum, default_value = "hs256")]
        algorithm: Algorithm,
    },
}

/// Kinds of API keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyKind {
    /// A program that runs calls
    Standard,
    /// One agent's identity
    Agent,
}

/// Algorithms of receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Algorithm {
    /// HMAC-SHA256: whoever verifies could sign
    Hs256,
    /// Ed25519: whoever verifies need not be able to sign
    Ed25519,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read a settings file and say every mistake in it, and every file it names that can't be read; status 64 if there is one
    Check {
        /// The settings file
        file: PathBuf,
    },
    /// Print the routes of each REST backend: which request is which tool, and where that is written
    Routes {
        /// The settings file
        file: PathBuf,
    },
    /// Print the JSON Schema of settings files, for editors
    Schema,
}
