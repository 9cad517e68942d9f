//! Moments as JSON: RFC 3339, such as `2027-01-31T00:00:00Z`.

use jiff::Timestamp;
use policy::UnixMillis;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

/// A moment, by the millisecond. What is before 1970 is long past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = DateTime)]
pub(super) struct Moment(pub(super) UnixMillis);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let moment = i64::try_from(self.0.0).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        match moment {
            Some(moment) => serializer.collect_str(&moment),
            // Later than any moment that was ever read.
            None => serializer.collect_str(&Timestamp::MAX),
        }
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let moment: Timestamp = text.parse().map_err(D::Error::custom)?;
        Ok(Self(UnixMillis(u64::try_from(moment.as_millisecond()).unwrap_or(0))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_written_alike() {
        for (text, written) in [
            ("2027-01-31T00:00:00Z", Some("2027-01-31T00:00:00Z")),
            ("2027-01-31T01:00:00.25+01:00", Some("2027-01-31T00:00:00.25Z")),
            ("2027-01-31", None),
            ("2027-01-31T00:00:00", None),
            ("1969-12-31T00:00:00Z", Some("1970-01-01T00:00:00Z")),
            ("soon", None),
            ("", None),
        ] {
            let json = serde_json::Value::from(text);
            let read = serde_json::from_value::<Moment>(json).ok();
            let again = read.map(|moment| serde_json::to_value(moment).unwrap());
            assert_eq!(again, written.map(serde_json::Value::from), "{text}");
        }
    }
}
