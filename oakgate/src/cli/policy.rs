//! `oakgate policy` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::pieces::{self, PieceOptions, SettingsOptions};
use super::{ApiOptions, ListOptions};

const EXAMPLES: &str = "\
On files, with no control plane:
  oakgate policy check policy.yaml
  oakgate policy diff policy.yaml new.yaml
  oakgate policy test --policy policy.yaml cases.yaml
  oakgate policy schema > policy.schema.json

Bundles, for proxies that fetch their policy over HTTPS:
  oakgate policy sign policy.yaml --key policy-key --revision 1 --to policy.signed
  oakgate policy verify policy.signed --key-file policy-keys

In the control plane:
  oakgate policy pull --to policy.yaml
  oakgate policy diff new.yaml                what it would change
  oakgate policy push policy.yaml --reason 'refunds up to 50'
  oakgate policy revisions
  oakgate policy rollback 7";

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
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
    Diff(DiffOptions),
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
    /// Sign a policy document as a bundle, for proxies that fetch it (`policy.bundle`); one with mistakes is never signed
    Sign(SignOptions),
    /// Say what a bundle is, if its signature and its policy are good; status 2 if not
    #[command(after_help = "Example:\n  oakgate policy verify policy.signed --key-file policy-keys")]
    Verify {
        /// The bundle
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// The public halves of the policy keys, as proxies have them (`policy.bundle.key_file`)
        #[arg(long, value_name = "FILE")]
        key_file: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Get the policy in force from the control plane, as YAML
    Pull(PullOptions),
    /// Put a policy in force in the control plane: shows what changes, and asks if anything gets looser
    Push(PushOptions),
    /// Put an earlier revision's policy in force again: shows what changes, and asks if anything gets looser
    Rollback(RollbackOptions),
    /// Who changed the policy in force, when and why, newest first
    #[command(after_help = "Example:\n  oakgate policy revisions --limit 10")]
    Revisions {
        #[command(flatten)]
        list: ListOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// See and change the tools that the policy in force lists
    #[command(after_help = pieces::TOOLS_EXAMPLES)]
    Tools(PieceOptions),
    /// See and change what the policy in force says of no one tool: its mode, and the like
    #[command(after_help = pieces::SETTINGS_EXAMPLES)]
    Settings(SettingsOptions),
}

#[derive(Debug, Args)]
#[command(
    allow_missing_positional = true,
    after_help = "Examples:\n  oakgate policy diff policy.yaml new.yaml   two files\n  \
                  oakgate policy diff new.yaml               the policy in force, and a file\n  \
                  oakgate policy diff new.yaml --against 7   an earlier revision of it, and a file\n\n\
                  Nothing is changed. Status 0: no difference. 1: differences. 2: a document is refused, or they \
                  differ in too much to look at all of it."
)]
pub(crate) struct DiffOptions {
    /// The policy document to start from; without it, the policy in force in the control plane
    #[arg(value_name = "OLD")]
    pub(crate) old: Option<PathBuf>,
    /// The one to compare with it
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,
    /// Start from an earlier revision of the policy in the control plane
    #[arg(long, value_name = "REVISION", conflicts_with = "old")]
    pub(crate) against: Option<u64>,
    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) api: ApiOptions,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
                  oakgate keys policy policy-key > policy-keys     a key, and its public half for the proxies\n  \
                  oakgate policy sign policy.yaml --key policy-key --revision 1 --to policy.signed\n  \
                  oakgate policy sign policy.yaml --key policy-key --after policy.signed --to policy.signed")]
pub(crate) struct SignOptions {
    /// The policy document
    #[arg(value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    /// The policy key (`oakgate keys policy`)
    #[arg(long, value_name = "FILE")]
    pub(crate) key: PathBuf,
    /// The revision: proxies take only a higher one than they have
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    #[arg(required_unless_present = "after", conflicts_with = "after")]
    pub(crate) revision: Option<u64>,
    /// The revision after that of this bundle, which the same key signed
    #[arg(long, value_name = "OLD")]
    pub(crate) after: Option<PathBuf>,
    /// Write it to this file, whole or not at all; without it, to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  oakgate policy pull --to policy.yaml\n  oakgate policy pull --revision 7 | less"
)]
pub(crate) struct PullOptions {
    /// Write it to this file, not to standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
    /// That of an earlier revision
    #[arg(long, value_name = "NUMBER")]
    pub(crate) revision: Option<u64>,
    #[command(flatten)]
    pub(crate) api: ApiOptions,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  oakgate policy push policy.yaml --reason 'refunds up to 50'\n  \
                  oakgate policy push policy.yaml --dry-run        for a pull request: status 1 if it needs a yes\n  \
                  oakgate policy push policy.yaml --yes            for a pipeline, once somebody has looked\n\n\
                  What gets looser, or may, needs a yes: on the terminal, or by --yes.")]
pub(crate) struct PushOptions {
    /// The policy document
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) agree: AgreeOptions,
    #[command(flatten)]
    pub(crate) api: ApiOptions,
}

#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  oakgate policy rollback 7 --reason 'the change of today lets too much through'"
)]
pub(crate) struct RollbackOptions {
    /// The revision whose policy comes back
    #[arg(value_name = "REVISION")]
    pub(crate) revision: u64,
    #[command(flatten)]
    pub(crate) agree: AgreeOptions,
    #[command(flatten)]
    pub(crate) api: ApiOptions,
}

/// How a change of the policy is agreed to.
#[derive(Debug, Args)]
pub(crate) struct AgreeOptions {
    /// Do it without asking, whatever gets looser
    #[arg(long)]
    pub(crate) yes: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Only show what would change; status 1 if it would need a yes
    #[arg(long)]
    pub(crate) dry_run: bool,
}
