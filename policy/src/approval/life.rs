//! How long an approval waits for people, and how long it may be used afterwards.

/// The shortest time that people are given.
pub const LIFE_SECONDS_MIN: u64 = 60;

/// The longest time that people are given: 7 days.
pub const LIFE_SECONDS_MAX: u64 = 7 * 24 * 60 * 60;

/// The time that people are given when neither the tool nor the org says otherwise.
pub const LIFE_SECONDS_DEFAULT: u64 = 60 * 60;

/// How long an approved call may take to come back, unless configured otherwise.
pub const USE_WITHIN_SECONDS_DEFAULT: u64 = 15 * 60;

/// How long people are given to decide: the tool's setting, else the org's, else one hour; at least 60 s and at
/// most 7 days.
#[must_use]
pub fn life_seconds(tool: Option<u64>, org: Option<u64>) -> u64 {
    tool.or(org).unwrap_or(LIFE_SECONDS_DEFAULT).clamp(LIFE_SECONDS_MIN, LIFE_SECONDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tool_beats_org_beats_default_and_all_are_clamped() {
        let cases = [
            (None, None, 3600),
            (None, Some(120), 120),
            (Some(90), Some(120), 90),
            (Some(0), Some(120), 60),
            (Some(59), None, 60),
            (Some(604_800), None, 604_800),
            (Some(604_801), None, 604_800),
            (None, Some(u64::MAX), 604_800),
        ];
        for (tool, org, expected) in cases {
            assert_eq!(life_seconds(tool, org), expected, "{tool:?} {org:?}");
        }
    }
}
