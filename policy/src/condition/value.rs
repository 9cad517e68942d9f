//! JSON as CEL values.
//!
//! A whole number becomes an int (a uint beyond 2^63), any other a double; CEL compares the three with each
//! other by value. A key that occurs twice is refused: which of the two the tool will use is anybody's guess.

use std::collections::HashMap;
use std::fmt;

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString, CelUInt,
};
use cel::common::value::Val;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::Caller;

type Boxed<'v> = Box<dyn Val + 'v>;

/// The JSON text of an object; `None` if it is something else.
pub(super) fn of_object(text: &str) -> Option<Boxed<'_>> {
    let is_object = text.trim_ascii_start().starts_with('{');
    is_object.then(|| serde_json::from_str::<Json<'_>>(text).ok()).flatten().map(|json| json.0)
}

/// `caller`: `id`, `kind` and `claims`.
pub(super) fn of_caller(caller: &Caller) -> Boxed<'_> {
    let claims: HashMap<_, _> =
        caller.claims.iter().map(|(name, claim)| (key(name), of_claim(claim))).collect();
    let fields: HashMap<CelMapKey<'_>, Boxed<'_>> = HashMap::from([
        (key("id"), Box::new(CelString::from(caller.id.as_str())) as Boxed<'_>),
        (key("kind"), Box::new(CelString::from(caller.kind.as_str()))),
        (key("claims"), Box::new(CelMap::from(claims))),
    ]);
    Box::new(CelMap::from(fields))
}

/// Reading JSON that is in memory already cannot fail.
fn of_claim(claim: &serde_json::Value) -> Boxed<'_> {
    Json::deserialize(claim).map_or_else(|_| Box::new(CelNull) as Boxed<'_>, |json| json.0)
}

fn key(name: &str) -> CelMapKey<'_> {
    CelMapKey::String(CelString::from(name))
}

struct Json<'v>(Boxed<'v>);

impl<'v> Deserialize<'v> for Json<'v> {
    fn deserialize<D: Deserializer<'v>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'v> Visitor<'v> for JsonVisitor {
    type Value = Json<'v>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json<'v>, E> {
        Ok(Json(Box::new(CelNull)))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json<'v>, E> {
        Ok(Json(Box::new(CelBool::from(value))))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json<'v>, E> {
        Ok(Json(Box::new(CelInt::from(value))))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json<'v>, E> {
        Ok(match i64::try_from(value) {
            Ok(signed) => Json(Box::new(CelInt::from(signed))),
            Err(_) => Json(Box::new(CelUInt::from(value))),
        })
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json<'v>, E> {
        Ok(Json(Box::new(CelDouble::from(value))))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json<'v>, E> {
        Ok(Json(Box::new(CelString::from(value.to_owned()))))
    }

    fn visit_borrowed_str<E>(self, value: &'v str) -> Result<Json<'v>, E> {
        Ok(Json(Box::new(CelString::from(value))))
    }

    fn visit_seq<A: SeqAccess<'v>>(self, mut items: A) -> Result<Json<'v>, A::Error> {
        let mut list: Vec<Boxed<'v>> = Vec::new();
        while let Some(Json(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Json(Box::new(CelList::from(list))))
    }

    fn visit_map<A: MapAccess<'v>>(self, mut fields: A) -> Result<Json<'v>, A::Error> {
        let mut map: HashMap<CelMapKey<'v>, Boxed<'v>> = HashMap::new();
        while let Some((name, Json(value))) = fields.next_entry::<String, Json<'v>>()? {
            let key = CelMapKey::String(CelString::from(name));
            if map.insert(key, value).is_some() {
                return Err(A::Error::custom("duplicate key"));
            }
        }
        Ok(Json(Box::new(CelMap::from(map))))
    }
}
