//! Oakgate: stands in front of the tools that AI agents call, and decides each call.

mod activity;
mod api;
mod api_tls;
mod approvals;
mod backup;
mod calls;
mod catalogue;
mod cli;
mod completion;
mod config_command;
mod control_plane_command;
mod demo;
mod drafts;
mod executions;
mod exit;
mod holders;
mod input;
mod join;
mod keys;
mod log;
mod orgs;
mod pieces;
mod policy_command;
mod policy_key;
mod proxies;
mod proxy_command;
mod receipt_command;
mod receipt_keys;
mod refusals;
mod secret_file;
mod signals;
mod table;
mod terminal;
mod tools;
mod up;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command, ParamsCommand, PermissionsCommand, TokensCommand};
use pieces::Kind;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return exit::of_usage(&error),
    };
    log::start(cli.log_format);
    let done = match cli.command {
        Command::Up(options) => up::run(&options),
        Command::Proxy(options) => proxy_command::run(&options),
        Command::ControlPlane(options) => control_plane_command::run(&options),
        Command::Backup(options) => backup::run(&options),
        Command::Policy(command) => policy_command::run(&command),
        Command::Receipt(command) => receipt_command::run(&command),
        Command::Approvals(command) => approvals::run(&command),
        Command::Tools(options) => tools::run(&options),
        Command::Orgs(options) => orgs::run(&options),
        Command::People(options) => orgs::run_people(&options),
        Command::Rules(options) => pieces::run(Kind::Rule, &options),
        Command::Categories(options) => pieces::run(Kind::Category, &options),
        Command::Tenants(options) => catalogue::run("tenants", &options),
        Command::Resources(options) => catalogue::run("resources", &options),
        Command::Methods(options) => catalogue::run("methods", &options),
        Command::Drafts(options) => drafts::run(&options),
        Command::Keys(options) => keys::run(&options.command),
        Command::Agents(options) => holders::run_agents(&options.command),
        Command::Proxies(options) => proxies::run(&options.command),
        Command::Permissions(PermissionsCommand::Check(options)) => calls::check(&options),
        Command::Tokens(TokensCommand::Mint(options)) => calls::mint(&options),
        Command::Params(ParamsCommand::Validate(options)) => calls::validate(&options),
        Command::Executions(options) => executions::run(&options.command),
        Command::Activity(options) => activity::run(&options),
        Command::Refusals(options) => refusals::run(&options),
        Command::Config(command) => config_command::run(&command),
        Command::Completion(options) => completion::run(&options),
    };
    exit::code(done)
}
