//! `oakgate backup`: a copy of the store while it is used.

use std::path::Path;

use config::StorePlace;
use control_plane::{BackupError, StoreUrl, backup};

use crate::cli::BackupOptions;
use crate::control_plane_command::{settings, store};
use crate::exit::{Done, Failure};
use crate::proxy_command::runtime;
use crate::terminal::say;

pub(crate) fn run(options: &BackupOptions) -> Done {
    let settings = settings(&options.config)?;
    if let StorePlace::Postgres { url, password_file } = &settings.store {
        let url = StoreUrl::parse(url).ok().and_then(|url| url.postgres()).unwrap_or_default();
        let command = pg_dump(&url, password_file.as_deref(), &options.to);
        return Err(Failure::Input(format!(
            "a PostgreSQL store is copied by PostgreSQL's own tool:\n{command}"
        )));
    }
    let store = store(&settings)?;
    let to = options.to.display();
    let bytes = runtime()?.block_on(backup(&store, &options.to)).map_err(|error| match error {
        BackupError::Exists | BackupError::Name | BackupError::NotSqlite => {
            Failure::Input(format!("{to}: {error}"))
        }
        BackupError::Database(_) | BackupError::File(_) | BackupError::Damaged(_) => {
            Failure::Fault(format!("{store}: {error}"))
        }
    })?;
    say(format!("{to}: a copy of {store}, {bytes} bytes, checked"));
    Ok(())
}

/// What does for PostgreSQL what this command does for SQLite, ready for a shell.
fn pg_dump(url: &str, password_file: Option<&Path>, to: &Path) -> String {
    let password = password_file.map_or_else(String::new, |file| {
        format!("PGPASSWORD=\"$(cat {})\" ", quoted(&file.to_string_lossy()))
    });
    let to = quoted(&to.to_string_lossy());
    format!("{password}pg_dump --format=custom --file={to} --dbname={}", quoted(url))
}

/// As one word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}
