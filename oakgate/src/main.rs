//! Oakgate: stands in front of the tools that AI agents call, and decides each call.

mod approvals;
mod backup;
mod cli;
mod config_command;
mod control_plane_command;
mod demo;
mod exit;
mod keys;
mod log;
mod orgs;
mod policy_command;
mod proxy_command;
mod receipt_command;
mod receipt_keys;
mod refusals;
mod signals;
mod terminal;
mod tools;
mod up;

use std::process::ExitCode;

use clap::Parser;

use cli::{Cli, Command};

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
        Command::Keys(command) => keys::run(&command),
        Command::Refusals(options) => refusals::run(&options),
        Command::Config(command) => config_command::run(&command),
    };
    exit::code(done)
}
