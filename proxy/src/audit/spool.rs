//! One worker's file of audit records: JSON lines, appended.
//!
//! Intents of one turn of the worker's loop go out in one `write`, and their calls wait for it. Outcomes ride along with
//! the next write, or go out by time. A failed write is cut off again, so that no record is ever half there.

use std::cell::{Cell, RefCell};
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use config::{Durability, OnFull};
use prometheus::IntCounter;
use tokio::sync::oneshot;

use crate::metrics::Metrics;

/// Outcomes wait no longer than this for a write.
const OUTCOME_DELAY: Duration = Duration::from_millis(20);
/// Outcomes that wait for a write take no more memory than this.
const PENDING_MAX_BYTES: usize = 8 * 1024 * 1024;
/// How much of a file's end is read at a time to find its last whole record.
const TAIL_CHUNK_BYTES: u64 = 64 * 1024;

/// The record could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit record could not be written")]
pub(crate) struct AuditFailed;

/// The spool could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("audit file `{}` can't be opened: {source}", file.display())]
pub(crate) struct SpoolError {
    file: PathBuf,
    source: std::io::Error,
}

/// Bytes of all spools of this proxy together, and their limit.
#[derive(Debug)]
pub(crate) struct Total {
    bytes: AtomicU64,
    max_bytes: u64,
}

/// A worker's spool.
#[derive(Debug)]
pub(crate) struct Spool {
    proxy: String,
    file: RefCell<Segment>,
    pending: RefCell<Vec<u8>>,
    waiting: RefCell<Vec<oneshot::Sender<Result<(), AuditFailed>>>>,
    turn: Cell<Turn>,
    closed: Cell<bool>,
    on_full: OnFull,
    total: Arc<Total>,
    metrics: Arc<Metrics>,
}

#[derive(Debug)]
struct Segment {
    file: File,
    bytes: u64,
}

/// Whether a write is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    Idle,
    Delayed,
    Now,
}

impl Total {
    pub(crate) const fn new(max_bytes: u64) -> Self {
        Self { bytes: AtomicU64::new(0), max_bytes }
    }
}

impl Spool {
    /// Opens worker `worker`'s spool in `directory`. A torn last record is cut off and reported.
    pub(crate) fn open(
        directory: &Path,
        (proxy, worker): (&str, usize),
        on_full: OnFull,
        total: Arc<Total>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, SpoolError> {
        let path = directory.join(format!("{proxy}.{worker}.jsonl"));
        let segment = Segment::open(directory, &path).map_err(|source| SpoolError { file: path, source })?;
        total.bytes.fetch_add(segment.bytes, Ordering::Relaxed);
        metrics.audit.bytes.set(total.bytes.load(Ordering::Relaxed).try_into().unwrap_or(i64::MAX));
        Ok(Self {
            proxy: proxy.to_owned(),
            file: RefCell::new(segment),
            pending: RefCell::default(),
            waiting: RefCell::default(),
            turn: Cell::new(Turn::Idle),
            closed: Cell::new(false),
            on_full,
            total,
            metrics,
        })
    }

    pub(crate) fn metrics(&self) -> &crate::metrics::Audit {
        &self.metrics.audit
    }

    /// The proxy's name, as its records say it.
    pub(crate) fn proxy(&self) -> &str {
        &self.proxy
    }

    /// Writes a record (a line of JSON), together with all others of this turn of the loop.
    pub(crate) async fn write(
        self: &Rc<Self>,
        line: Vec<u8>,
        durability: Durability,
    ) -> Result<(), AuditFailed> {
        self.append(line);
        let (done, written) = oneshot::channel();
        self.waiting.borrow_mut().push(done);
        if self.turn.replace(Turn::Now) != Turn::Now {
            let spool = Rc::clone(self);
            tokio::task::spawn_local(async move {
                // Behind every task that is ready now: their records join this write.
                tokio::task::yield_now().await;
                spool.flush();
            });
        }
        written.await.unwrap_or(Err(AuditFailed))?;
        self.metrics.audit.intents.inc();
        if durability == Durability::Strict { self.sync().await } else { Ok(()) }
    }

    /// Writes a record soon. Nobody waits for it: what can't be written is counted.
    pub(crate) fn write_later(self: &Rc<Self>, kind: &IntCounter, line: Vec<u8>) {
        if line.is_empty() || self.pending.borrow().len() > PENDING_MAX_BYTES {
            self.metrics.audit.dropped.inc();
            return;
        }
        self.append(line);
        kind.inc();
        if self.closed.get() {
            self.flush();
        } else if self.turn.get() == Turn::Idle {
            self.turn.set(Turn::Delayed);
            let spool = Rc::clone(self);
            tokio::task::spawn_local(async move {
                tokio::time::sleep(OUTCOME_DELAY).await;
                spool.flush();
            });
        }
    }

    /// Writes everything that waits, and from now on everything at once: the loop is about to end.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.flush();
    }

    /// Writes everything that waits.
    pub(crate) fn flush(&self) {
        self.turn.set(Turn::Idle);
        let mut pending = self.pending.borrow_mut();
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        if pending.is_empty() {
            return;
        }
        let result = self.put(&pending);
        if result.is_err() {
            let outcomes = lines(&pending).saturating_sub(waiting.len());
            self.metrics.audit.dropped.inc_by(outcomes.try_into().unwrap_or(u64::MAX));
        }
        pending.clear();
        for done in waiting {
            // A caller that left no longer waits for its record.
            let _gone = done.send(result);
        }
    }

    fn append(&self, mut line: Vec<u8>) {
        line.push(b'\n');
        self.pending.borrow_mut().append(&mut line);
    }

    fn put(&self, bytes: &[u8]) -> Result<(), AuditFailed> {
        let length = u64::try_from(bytes.len()).map_err(|_| AuditFailed)?;
        let full = self.total.bytes.load(Ordering::Relaxed).saturating_add(length) > self.total.max_bytes;
        let result = if full {
            self.metrics.limits_reached.with_label_values(&["max_audit_bytes"]).inc();
            Err(AuditFailed)
        } else {
            self.file.borrow_mut().append(bytes).map_err(|error| {
                self.metrics.audit.failures.inc();
                tracing::error!(%error, "audit records could not be written");
                AuditFailed
            })
        };
        match (result, self.on_full) {
            (Ok(()), _) => {
                let total = self.total.bytes.fetch_add(length, Ordering::Relaxed).saturating_add(length);
                self.metrics.audit.bytes.set(total.try_into().unwrap_or(i64::MAX));
                Ok(())
            }
            (Err(AuditFailed), OnFull::Refuse) => Err(AuditFailed),
            (Err(AuditFailed), OnFull::Drop) => {
                self.metrics.audit.dropped.inc_by(lines(bytes).try_into().unwrap_or(u64::MAX));
                Ok(())
            }
        }
    }

    async fn sync(&self) -> Result<(), AuditFailed> {
        let file = self.file.borrow().file.try_clone().map_err(|_| AuditFailed)?;
        let synced = tokio::task::spawn_blocking(move || file.sync_data()).await;
        match (synced, self.on_full) {
            (Ok(Ok(())), _) | (_, OnFull::Drop) => Ok(()),
            (_, OnFull::Refuse) => {
                self.metrics.audit.failures.inc();
                Err(AuditFailed)
            }
        }
    }
}

fn lines(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte == b'\n').count()
}

impl Segment {
    fn open(directory: &Path, path: &Path) -> std::io::Result<Self> {
        std::fs::create_dir_all(directory)?;
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let bytes = file.metadata()?.len();
        let whole = end_of_last_record(&mut file, bytes)?;
        if whole < bytes {
            tracing::warn!(file = %path.display(), cut_bytes = bytes - whole, "the last audit record was torn and is cut off");
            file.set_len(whole)?;
        }
        Ok(Self { file, bytes: whole })
    }

    fn append(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self.file.write_all(bytes) {
            Ok(()) => {
                self.bytes = self.bytes.saturating_add(bytes.len().try_into().unwrap_or(u64::MAX));
                Ok(())
            }
            Err(error) => {
                self.file.set_len(self.bytes)?;
                Err(error)
            }
        }
    }
}

fn end_of_last_record(file: &mut File, length: u64) -> std::io::Result<u64> {
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(TAIL_CHUNK_BYTES);
        let mut chunk = Vec::new();
        file.seek(SeekFrom::Start(start))?;
        (&mut *file).take(end - start).read_to_end(&mut chunk)?;
        if let Some(newline) = chunk.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + u64::try_from(newline).unwrap_or(0) + 1);
        }
        end = start;
    }
    Ok(0)
}
