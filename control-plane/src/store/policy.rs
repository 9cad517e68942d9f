//! The policy of an organisation, in pieces. Each belongs to the revisions from the one that brought it to the one
//! before the one that took it away, and never changes: so a revision reads the same at any time.

mod history;
mod plan;

use policy::UnixMillis;
use sqlx::any::AnyRow;
use sqlx::{Any, AssertSqlSafe, Executor, Row, Transaction};

use super::error::in_table;
use super::row::{count, moment, text};
use super::{Edit, Store, StoreError, sql_integer};

pub(crate) use plan::{NewPiece, Plan};

/// Pieces in one statement.
const BATCH_PIECES: usize = 500;

/// The kinds of pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum PieceKind {
    Settings,
    Category,
    Tool,
    Rule,
}

/// A piece of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) kind: PieceKind,
    /// A rule's id; empty for the settings.
    pub(crate) name: String,
    /// Where it stands among those of its kind.
    pub(crate) position: i64,
    /// Compact JSON with sorted keys, as in the policy document.
    pub(crate) body: String,
    /// The revision that it came with.
    pub(crate) from_revision: u64,
}

/// The pieces of one revision, kind by kind, in their order. Revision 0 has none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pieces {
    pub(crate) revision: u64,
    pub(crate) pieces: Vec<Piece>,
}

/// Who made a revision, when and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Revision {
    pub(crate) revision: u64,
    pub(crate) at: UnixMillis,
    pub(crate) actor: String,
    pub(crate) origin: String,
    pub(crate) reason: Option<String>,
    /// The revision whose contents came back.
    pub(crate) rolled_back_to: Option<u64>,
}

/// What is said of a new revision.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Why<'w> {
    pub(crate) reason: Option<&'w str>,
    pub(crate) rolled_back_to: Option<u64>,
}

impl PieceKind {
    pub(crate) const ALL: [Self; 4] = [Self::Settings, Self::Category, Self::Tool, Self::Rule];

    /// The word in the store and in records.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Category => "category",
            Self::Tool => "tool",
            Self::Rule => "rule",
        }
    }

    fn read(word: &str) -> Result<Self, StoreError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(StoreError::Unreadable("kind"))
    }
}

impl Pieces {
    /// Those of one kind.
    pub(crate) fn of(&self, kind: PieceKind) -> impl Iterator<Item = &Piece> {
        self.pieces.iter().filter(move |piece| piece.kind == kind)
    }

    /// One of them.
    pub(crate) fn get(&self, kind: PieceKind, name: &str) -> Option<&Piece> {
        self.of(kind).find(|piece| piece.name == name)
    }
}

impl Piece {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        in_table("pieces", || {
            Ok(Self {
                kind: PieceKind::read(&row.try_get::<String, _>("kind")?)?,
                name: row.try_get("name")?,
                position: row.try_get("position")?,
                body: row.try_get("body")?,
                from_revision: count(row, "from_revision")?,
            })
        })
    }
}

impl Store {
    /// The newest revision of an organisation's policy; 0: it has none.
    pub(crate) async fn newest_revision(&self, org: &str) -> Result<u64, StoreError> {
        let row = sqlx::query("SELECT revision FROM orgs WHERE name = $1")
            .bind(org)
            .fetch_optional(self.readers())
            .await?;
        row.map_or(Ok(0), |row| in_table("orgs", || count(&row, "revision")))
    }

    /// The pieces in force.
    pub(crate) async fn pieces_in_force(&self, org: &str) -> Result<Pieces, StoreError> {
        // One statement, so that pieces and revision belong together.
        let rows = sqlx::query(
            "SELECT orgs.revision AS revision, kind, pieces.name AS name, position, body, from_revision FROM orgs \
             JOIN pieces ON pieces.org = orgs.name AND pieces.to_revision IS NULL WHERE orgs.name = $1",
        )
        .bind(org)
        .fetch_all(self.readers())
        .await?;
        let Some(first) = rows.first() else { return Ok(Pieces::default()) };
        let revision = in_table("orgs", || count(first, "revision"))?;
        Ok(Pieces { revision, pieces: in_order(&rows)? })
    }

    /// The pieces of a revision; `None`: there is no such revision.
    pub(crate) async fn pieces_of(&self, org: &str, revision: u64) -> Result<Option<Pieces>, StoreError> {
        if revision == 0 || revision > self.newest_revision(org).await? {
            return Ok(None);
        }
        let rows = sqlx::query(
            "SELECT kind, name, position, body, from_revision FROM pieces \
             WHERE org = $1 AND from_revision <= $2 AND (to_revision IS NULL OR to_revision > $2)",
        )
        .bind(org)
        .bind(sql_integer(revision))
        .fetch_all(self.readers())
        .await?;
        self.check_kept(org, revision).await?;
        Ok(Some(Pieces { revision, pieces: in_order(&rows)? }))
    }

    /// A piece in force.
    pub(crate) async fn piece(
        &self,
        org: &str,
        kind: PieceKind,
        name: &str,
    ) -> Result<Option<Piece>, StoreError> {
        piece(self.readers(), org, kind, name).await
    }

    /// Up to `limit` pieces of one kind and revision, in their order, those after a position.
    pub(crate) async fn pieces_after(
        &self,
        org: &str,
        kind: PieceKind,
        (revision, position): (u64, Option<i64>),
        limit: u32,
    ) -> Result<Vec<Piece>, StoreError> {
        let rows = sqlx::query(
            "SELECT kind, name, position, body, from_revision FROM pieces \
             WHERE org = $1 AND kind = $2 AND position > $3 \
             AND from_revision <= $4 AND (to_revision IS NULL OR to_revision > $4) ORDER BY position LIMIT $5",
        )
        .bind(org)
        .bind(kind.as_str())
        .bind(position.unwrap_or(i64::MIN))
        .bind(sql_integer(revision))
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        if revision > 0 {
            self.check_kept(org, revision).await?;
        }
        rows.iter().map(Piece::read).collect()
    }

    /// Up to `limit` revisions, newest first, those before `before`.
    pub(crate) async fn revisions(
        &self,
        org: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Revision>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM revisions WHERE org = $1 AND revision < $2 ORDER BY revision DESC LIMIT $3",
        )
        .bind(org)
        .bind(sql_integer(before.unwrap_or(u64::MAX)))
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        rows.iter().map(Revision::read).collect()
    }
}

impl Revision {
    fn read(row: &AnyRow) -> Result<Self, StoreError> {
        in_table("revisions", || {
            let rolled_back_to: Option<i64> = row.try_get("rolled_back_to")?;
            Ok(Self {
                revision: count(row, "revision")?,
                at: moment(row, "at_unix_ms")?,
                actor: row.try_get("actor")?,
                origin: row.try_get("origin")?,
                reason: text(row, "reason")?,
                rolled_back_to: rolled_back_to.and_then(|revision| u64::try_from(revision).ok()),
            })
        })
    }
}

impl Edit {
    /// Makes the revision after `base`; the same as `base` if the plan changes nothing. `None`: `base` is not the
    /// newest any more.
    pub(crate) async fn write_revision(
        &mut self,
        base: u64,
        plan: &Plan,
        why: Why<'_>,
    ) -> Result<Option<u64>, StoreError> {
        let revision = if plan.is_empty() { base } else { base.saturating_add(1) };
        let done = sqlx::query("UPDATE orgs SET revision = $1 WHERE name = $2 AND revision = $3")
            .bind(sql_integer(revision))
            .bind(&self.actor.org)
            .bind(sql_integer(base))
            .execute(&mut *self.transaction)
            .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        if plan.is_empty() {
            return Ok(Some(base));
        }
        let org = self.actor.org.clone();
        for kind in PieceKind::ALL {
            let closed: Vec<&str> = plan.closed(kind).collect();
            for names in closed.chunks(BATCH_PIECES) {
                close(&mut self.transaction, (&org, kind, revision), names).await?;
            }
        }
        for pieces in plan.added.chunks(BATCH_PIECES) {
            insert(&mut self.transaction, (&org, revision), pieces).await?;
        }
        self.insert_revision(revision, why, plan.bytes(why)).await?;
        Ok(Some(revision))
    }

    /// A piece, as this write leaves it.
    pub(crate) async fn piece(&mut self, kind: PieceKind, name: &str) -> Result<Option<Piece>, StoreError> {
        piece(&mut *self.transaction, &self.actor.org, kind, name).await
    }

    async fn insert_revision(&mut self, revision: u64, why: Why<'_>, bytes: u64) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO revisions (org, revision, at_unix_ms, actor, origin, reason, rolled_back_to, bytes) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(&self.actor.org)
        .bind(sql_integer(revision))
        .bind(sql_integer(self.now.0))
        .bind(&self.actor.id)
        .bind(&self.origin)
        .bind(why.reason)
        .bind(why.rolled_back_to.map(sql_integer))
        .bind(sql_integer(bytes))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

async fn piece<'e>(
    executor: impl Executor<'e, Database = Any>,
    org: &str,
    kind: PieceKind,
    name: &str,
) -> Result<Option<Piece>, StoreError> {
    let row = sqlx::query(
        "SELECT kind, name, position, body, from_revision FROM pieces \
         WHERE org = $1 AND kind = $2 AND name = $3 AND to_revision IS NULL",
    )
    .bind(org)
    .bind(kind.as_str())
    .bind(name)
    .fetch_optional(executor)
    .await?;
    row.as_ref().map(Piece::read).transpose()
}

/// Ends pieces that are in force.
async fn close(
    transaction: &mut Transaction<'static, Any>,
    (org, kind, revision): (&str, PieceKind, u64),
    names: &[&str],
) -> Result<(), StoreError> {
    let places = (4..).take(names.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
    let statement = format!(
        "UPDATE pieces SET to_revision = $1 WHERE org = $2 AND kind = $3 AND to_revision IS NULL \
         AND name IN ({places})"
    );
    let mut query = sqlx::query(AssertSqlSafe(statement)).bind(sql_integer(revision)).bind(org);
    query = query.bind(kind.as_str());
    for name in names {
        query = query.bind(*name);
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// Adds pieces that begin with `revision`.
async fn insert(
    transaction: &mut Transaction<'static, Any>,
    (org, revision): (&str, u64),
    pieces: &[Piece],
) -> Result<(), StoreError> {
    let rows = (0..pieces.len()).map(|row| {
        let first = row.saturating_mul(4).saturating_add(3);
        let [kind, name, position, body] = [0, 1, 2, 3].map(|column| first.saturating_add(column));
        format!("($1, ${kind}, ${name}, ${position}, ${body}, $2)")
    });
    let statement = format!(
        "INSERT INTO pieces (org, kind, name, position, body, from_revision) VALUES {}",
        rows.collect::<Vec<_>>().join(", ")
    );
    let mut query = sqlx::query(AssertSqlSafe(statement)).bind(org).bind(sql_integer(revision));
    for piece in pieces {
        query = query.bind(piece.kind.as_str()).bind(&piece.name).bind(piece.position).bind(&piece.body);
    }
    query.execute(&mut **transaction).await?;
    Ok(())
}

/// Pieces kind by kind, in their order.
fn in_order(rows: &[AnyRow]) -> Result<Vec<Piece>, StoreError> {
    let mut pieces = rows.iter().map(Piece::read).collect::<Result<Vec<_>, _>>()?;
    pieces.sort_unstable_by_key(|piece| (piece.kind, piece.position));
    Ok(pieces)
}
