//! `oakgate config`: is a settings file right?

use config::{Environment, Settings};

use crate::cli::ConfigCommand;
use crate::exit::{Done, Failure};
use crate::terminal::say;

pub(crate) fn run(command: &ConfigCommand) -> Done {
    match command {
        ConfigCommand::Check { file } => {
            let settings = Settings::load(file, Environment::of_process());
            let settings = settings.map_err(|mistakes| Failure::Configuration(mistakes.to_string()))?;
            let parts =
                [("proxy", settings.proxy.is_some()), ("control_plane", settings.control_plane.is_some())];
            let parts: Vec<&str> = parts.iter().filter(|(_, there)| *there).map(|(name, _)| *name).collect();
            say(format!("{}: good ({})", file.display(), parts.join(", ")));
        }
        ConfigCommand::Schema => {
            let schema = serde_json::to_string_pretty(&config::schema());
            say(schema.map_err(|error| Failure::Fault(error.to_string()))?);
        }
    }
    Ok(())
}
