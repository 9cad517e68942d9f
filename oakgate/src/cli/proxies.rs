//! `oakgate proxies` on the command line.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::api::moment;
use super::keys::OVERLAP_SECONDS_MAX;
use super::{ApiOptions, ListOptions, OnlyOptions};

const EXAMPLES: &str = "\
Examples:
  oakgate proxies add gate-1                  prints a line to run on the proxy's machine
  oakgate proxies add gate-1 --link-url wss://control.example.com/v1/sync --to gate-1.join
  oakgate proxies list
  oakgate proxies show gate-1
  oakgate proxies change gate-1 --description 'in the south'
  oakgate proxies rotate gate-1               another line; the token before works for a day more
  oakgate proxies revoke gate-1";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProxiesOptions {
    #[command(subcommand)]
    pub(crate) command: ProxiesCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ProxiesCommand {
    /// Make a proxy, and print the line that joins it, which is shown once
    Add {
        /// Its name: `proxy.name` of its settings; never used again
        name: String,
        /// A word about it, for people
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// When its token stops working, such as 2027-01-31T00:00:00Z; never without it
        #[arg(long, value_name = "TIME", value_parser = moment)]
        expires_at: Option<Timestamp>,
        #[command(flatten)]
        line: LineOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// All of them: whether they are linked, and what they have in force
    List {
        #[command(flatten)]
        list: ListOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// One of them
    Show {
        /// Its name
        name: String,
        /// As JSON on one line
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Change what is said of one, or when its token stops working
    Change {
        /// Its name
        name: String,
        #[command(flatten)]
        change: ProxyChange,
        #[command(flatten)]
        only: OnlyOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// Make another token, and print the line that joins with it, which is shown once
    Rotate {
        /// Its name
        name: String,
        /// How long the token that it had stays good: a day without it, 0 for no longer
        #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(..=OVERLAP_SECONDS_MAX))]
        overlap_seconds: Option<u64>,
        #[command(flatten)]
        only: OnlyOptions,
        #[command(flatten)]
        line: LineOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
    /// End its token now, for ever: its link is closed
    Revoke {
        /// Its name
        name: String,
        #[command(flatten)]
        only: OnlyOptions,
        #[command(flatten)]
        api: ApiOptions,
    },
}

/// What is to be another; what is not named stays.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct ProxyChange {
    /// A word about it, for people
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// No word about it
    #[arg(long, conflicts_with = "description")]
    pub(crate) no_description: bool,
    /// When its token stops working, such as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(crate) expires_at: Option<Timestamp>,
    /// It goes on working
    #[arg(long, conflicts_with = "expires_at")]
    pub(crate) no_expires_at: bool,
}

/// What is in the line, and where it goes.
#[derive(Debug, Args)]
pub(crate) struct LineOptions {
    /// Where the proxy reaches the control plane, `wss://HOST/v1/sync`; without it, that of --url
    #[arg(long, value_name = "URL")]
    pub(crate) link_url: Option<String>,
    /// Write the line alone to a new file, for `--join-file`, instead of printing a command
    #[arg(long, value_name = "FILE")]
    pub(crate) to: Option<PathBuf>,
}
