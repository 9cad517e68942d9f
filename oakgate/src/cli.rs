//! The command line.

mod activity;
mod api;
mod approvals;
mod calls;
mod completion;
mod config;
mod drafts;
mod executions;
mod keys;
mod orgs;
mod pieces;
mod policy;
mod proxies;
mod receipt;
mod run;
mod tools;

use clap::{Parser, Subcommand};

pub(crate) use self::activity::{ActivityCommand, ActivityOptions};
pub(crate) use self::api::{ApiOptions, ListOptions, PermissionName, RunnerOptions, ServerOptions};
pub(crate) use self::approvals::{ApprovalState, ApprovalsCommand, ApprovalsOptions};
pub(crate) use self::calls::{
    ArgumentsOptions, CallOptions, ParamsCommand, PermissionsCommand, TokensCommand, ValidateOptions,
};
pub(crate) use self::completion::CompletionOptions;
pub(crate) use self::config::{ConfigCommand, RefusalsOptions};
pub(crate) use self::drafts::{AcceptOptions, DraftState, DraftsCommand, DraftsOptions};
pub(crate) use self::executions::{ExecutionsCommand, ExecutionsOptions, ListedOutcome, LogOptions};
pub(crate) use self::keys::{
    AgentsCommand, AgentsOptions, Algorithm, ChangeOptions, HeldCommand, KeyKind, KeysCommand, KeysOptions,
    NewHolder,
};
pub(crate) use self::orgs::{OrgsCommand, OrgsOptions, PeopleCommand, PeopleOptions};
pub(crate) use self::pieces::{
    CatalogueCommand, CatalogueOptions, OnlyOptions, PieceCommand, PieceOptions, SettingsCommand,
    SettingsOptions,
};
pub(crate) use self::policy::{
    AgreeOptions, DiffOptions, PolicyCommand, PullOptions, PushOptions, RollbackOptions, SignOptions,
};
pub(crate) use self::proxies::{LineOptions, ProxiesCommand, ProxiesOptions};
pub(crate) use self::receipt::{ReceiptCommand, ReceiptUse, RedeemOptions};
pub(crate) use self::run::{BackupOptions, ControlPlaneOptions, ProxyOptions, UpOptions};
pub(crate) use self::tools::{ToolsCommand, ToolsOptions};
use crate::log::LogFormat;

const EXAMPLES: &str = "\
Examples:
  oakgate up                                  everything in one process, with demonstration backends
  oakgate proxy --config gate.yaml            the data plane alone
  oakgate approvals list                      what waits for a person
  oakgate approvals approve REF-XXXXXXXX-XXXX --note 'checked with finance'
  oakgate policy check policy.yaml
  echo '{\"tool\":\"read_note\"}' | oakgate policy explain --policy policy.yaml
  oakgate policy push policy.yaml             shows what changes, asks if anything gets looser
  oakgate activity --follow                   what is changed and asked, as it happens

Commands of the control plane's API take --url and --key-file, or OAKGATE_URL and OAKGATE_KEY_FILE.";

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
    /// Add organisations to a control plane, and give them management keys
    Orgs(OrgsOptions),
    /// Add the people who decide, and end their sessions
    People(PeopleOptions),
    /// Check a policy, ask it for verdicts, and put it in force
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Verify receipts, and redeem them
    #[command(subcommand, visible_alias = "receipts")]
    Receipt(ReceiptCommand),
    /// See and decide what waits for a person
    Approvals(ApprovalsOptions),
    /// See what backends show of their tools, and accept it
    Tools(ToolsOptions),
    /// See and change the rules of the policy in force
    #[command(after_help = pieces::RULES_EXAMPLES)]
    Rules(PieceOptions),
    /// See and change the categories of tools in the policy in force
    #[command(after_help = pieces::CATEGORIES_EXAMPLES)]
    Categories(PieceOptions),
    /// Tenants that the control plane knows by name
    #[command(after_help = pieces::TENANTS_EXAMPLES)]
    Tenants(CatalogueOptions),
    /// Resources that the control plane knows by name
    #[command(after_help = pieces::RESOURCES_EXAMPLES)]
    Resources(CatalogueOptions),
    /// Methods that the control plane knows by name
    #[command(after_help = pieces::METHODS_EXAMPLES)]
    Methods(CatalogueOptions),
    /// Tools that proxies saw and nobody has accepted yet
    Drafts(DraftsOptions),
    /// API keys: made here for a keys file, or in the control plane
    Keys(KeysOptions),
    /// Agents and their keys in the control plane
    Agents(AgentsOptions),
    /// Proxies that follow the control plane: joined, listed, revoked
    Proxies(ProxiesOptions),
    /// Ask the control plane whether a call may be made
    #[command(subcommand)]
    Permissions(PermissionsCommand),
    /// Mint the grant of a call that the control plane allows
    #[command(subcommand)]
    Tokens(TokensCommand),
    /// Ask the control plane whether a tool would take some arguments
    #[command(subcommand)]
    Params(ParamsCommand),
    /// What became of calls whose receipts were redeemed
    Executions(ExecutionsOptions),
    /// Who changed and asked what in the control plane
    Activity(ActivityOptions),
    /// Check a settings file
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Say what a refusal's reason means, and whether to retry
    Refusals(RefusalsOptions),
    /// Print a script that completes commands in a shell
    Completion(CompletionOptions),
}
