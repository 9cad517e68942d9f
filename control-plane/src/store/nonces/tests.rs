//! Nonces in both databases.

use super::*;
use crate::actor::Actor;
use crate::fixture::{ORG, on_both};
use crate::store::{Begun, Kept, Record};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

async fn burn(store: &Store, org: &str, nonce: Nonce, end: UnixMillis) -> Burned {
    let begun = store.begin_edit(Actor::host(org), "here".to_owned(), None, NOW).await.unwrap();
    let Begun::New(mut edit) = begun else { panic!("nothing to repeat") };
    let burned = edit.burn(&nonce, end).await.unwrap();
    let kept = Kept { status: 200, etag: None, location: None, body: String::new() };
    edit.commit(&Record::of("receipt.redeem", &nonce.to_string()), &kept).await.unwrap();
    burned
}

#[test]
fn of_many_at_once_one_burns_it_in_each_org() {
    on_both(async |database| {
        let stores = [database.store().await, database.store().await];
        let tasks: Vec<_> = (0..50)
            .map(|number| {
                let store = stores[number % 2].clone();
                tokio::spawn(async move { burn(&store, ORG, Nonce([1; 16]), NOW).await })
            })
            .collect();
        let mut burned = 0;
        for task in tasks {
            burned += u32::from(task.await.unwrap() == Burned::Now);
        }
        assert_eq!(burned, 1);
        assert_eq!(burn(&stores[0], "other", Nonce([1; 16]), NOW).await, Burned::Now);
    });
}

#[test]
fn a_nonce_is_swept_once_no_clock_takes_its_receipt() {
    on_both(async |database| {
        let store = database.store().await;
        let end = |before_ms: u64| UnixMillis(NOW.0 - CLOCK_DIFFERENCE_MS_MAX - before_ms);
        let mut filling = store.transaction().await.unwrap();
        for number in 0..SWEPT_ROWS_MAX + 2 {
            sqlx::query("INSERT INTO nonces (org, jti, expires_at_unix_ms) VALUES ($1, $2, $3)")
                .bind(ORG)
                .bind(number.to_string())
                .bind(sql_integer(end(1).0))
                .execute(&mut *filling)
                .await
                .unwrap();
        }
        filling.commit().await.unwrap();
        let over = Nonce([1; 16]);
        assert_eq!(burn(&store, ORG, over, end(0)).await, Burned::Now);
        let good = Nonce([2; 16]);
        assert_eq!(burn(&store, ORG, good, UnixMillis(end(0).0 + 1)).await, Burned::Now);

        assert_eq!(store.sweep_nonces(NOW).await.unwrap(), (u64::from(SWEPT_ROWS_MAX), true));
        assert_eq!(store.sweep_nonces(NOW).await.unwrap(), (3, false));
        assert_eq!(store.sweep_nonces(NOW).await.unwrap(), (0, false));
        assert_eq!(burn(&store, ORG, good, NOW).await, Burned::Before);
        assert_eq!(burn(&store, ORG, over, NOW).await, Burned::Now);
    });
}
