//! One Redis server: a connection that is made when it is needed, and made anew after anything went wrong.
//!
//! The crate's own connection manager stays broken after a refused password; this one tries again at each question.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, RedisError, Value, cmd};
use tokio::sync::Mutex;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// How long a question may take, connecting included.
const ANSWER_TIMEOUT_MS: u64 = 1000;

/// The key that is written to see whether anything can be.
const CHECK_KEY: &str = "oakgate:check";

/// How long that key stays.
const CHECK_KEPT_MS: u64 = 60_000;

/// Where a Redis server is.
#[derive(Clone)]
pub struct RedisPlace {
    server: ConnectionInfo,
    /// Read at each connection, so that a password can be changed.
    password_file: Option<PathBuf>,
}

/// A URL that names no Redis server that could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RedisUrlError {
    /// Another kind of URL, or one with parts that are not understood.
    #[error("not a Redis server: expected `redis://HOST:PORT/DATABASE`, or `rediss://` over TLS")]
    Form,
    /// It asks not to check who answers.
    #[error("`#insecure` is not taken: the server must prove who it is")]
    Insecure,
    /// A password in the URL, and one in a file.
    #[error("the URL has a password, so a password file must not be given")]
    TwoPasswords,
}

/// A Redis server.
pub(super) struct Redis {
    place: RedisPlace,
    /// Clones of it share the one connection.
    connection: Mutex<Option<MultiplexedConnection>>,
    works: AtomicBool,
}

/// Why Redis did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum RedisFailed {
    #[error("it does not answer within {ANSWER_TIMEOUT_MS} ms")]
    TimedOut,
    #[error("the password file can't be read: {0}")]
    PasswordFile(io::Error),
    /// Refused connections, wrong passwords, a read-only replica, full memory.
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("it answers otherwise than Redis does")]
    Answer,
}

impl RedisPlace {
    /// The server at `redis://…` or, over TLS, `rediss://…`, with its user's password from a file if there is one.
    ///
    /// # Errors
    /// [`RedisUrlError`].
    pub fn new(url: &str, password_file: Option<PathBuf>) -> Result<Self, RedisUrlError> {
        let server: ConnectionInfo = url.parse().map_err(|_| RedisUrlError::Form)?;
        match server.addr() {
            ConnectionAddr::TcpTls { insecure: true, .. } => return Err(RedisUrlError::Insecure),
            ConnectionAddr::Tcp(..) | ConnectionAddr::TcpTls { .. } => {}
            _ => return Err(RedisUrlError::Form),
        }
        if password_file.is_some() && server.redis_settings().password().is_some() {
            return Err(RedisUrlError::TwoPasswords);
        }
        Ok(Self { server, password_file })
    }

    /// The server, with the password that is in the file now.
    fn with_password(&self) -> Result<ConnectionInfo, RedisFailed> {
        let Some(file) = &self.password_file else { return Ok(self.server.clone()) };
        let password =
            std::fs::read_to_string(file).map(Zeroizing::new).map_err(RedisFailed::PasswordFile)?;
        let settings = self.server.redis_settings().clone();
        let settings = settings.set_password(password.trim_end_matches(['\r', '\n']));
        Ok(self.server.clone().set_redis_settings(settings))
    }
}

/// Never a password.
impl fmt::Debug for RedisPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RedisPlace({self})")
    }
}

impl fmt::Display for RedisPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.addr().fmt(f)
    }
}

impl Redis {
    pub(super) fn new(place: RedisPlace) -> Self {
        // What TLS computes with is chosen once a process; if it was chosen already, that choice stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { place, connection: Mutex::new(None), works: AtomicBool::new(true) }
    }

    /// Notes whether it works; says whether that is news.
    pub(super) fn note(&self, works: bool) -> bool {
        self.works.swap(works, Ordering::Relaxed) != works
    }

    /// Sets a key for so long, if there is none; `false`: there is one.
    pub(super) async fn set_new(&self, key: &str, life_ms: u64) -> Result<bool, RedisFailed> {
        let mut command = cmd("SET");
        command.arg(key).arg("1").arg("NX").arg("PX").arg(life_ms);
        match self.ask(&command).await? {
            Value::Okay => Ok(true),
            Value::Nil => Ok(false),
            _ => Err(RedisFailed::Answer),
        }
    }

    /// Whether it takes what is written: a replica, or a server whose memory is full, does not.
    pub(super) async fn check(&self) -> Result<(), RedisFailed> {
        let mut command = cmd("SET");
        command.arg(CHECK_KEY).arg("1").arg("PX").arg(CHECK_KEPT_MS);
        match self.ask(&command).await? {
            Value::Okay => Ok(()),
            _ => Err(RedisFailed::Answer),
        }
    }

    async fn ask(&self, command: &Cmd) -> Result<Value, RedisFailed> {
        let asked = async {
            let mut connection = self.connection().await?;
            Ok(connection.send_packed_command(command).await?.extract_error()?)
        };
        let limit = Duration::from_millis(ANSWER_TIMEOUT_MS);
        let answer = timeout(limit, asked).await.unwrap_or(Err(RedisFailed::TimedOut));
        if answer.is_err()
            && let Ok(mut connection) = self.connection.try_lock()
        {
            // Whatever failed, the next question is asked on a new connection. If the lock is taken, somebody
            // is making one.
            *connection = None;
        }
        answer
    }

    async fn connection(&self) -> Result<MultiplexedConnection, RedisFailed> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        // `ask` limits the time of everything.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let client = Client::open(self.place.with_password()?)?;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await?;
        Ok(kept.insert(connection).clone())
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Redis({self})")
    }
}

impl fmt::Display for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}
