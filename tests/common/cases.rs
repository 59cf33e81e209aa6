//! How many cases a property tries.

use proptest::prelude::ProptestConfig;

/// So many cases for a property that is slower (or faster) than most.
/// `PROPTEST_CASES` scales them, as it does the 256 of every other property.
pub(crate) fn cases(usual: u32) -> ProptestConfig {
    let standard = 256;
    let wanted = ProptestConfig::default().cases;
    let cases = u64::from(usual) * u64::from(wanted) / standard;
    let cases = u32::try_from(cases).unwrap_or(u32::MAX).max(1);
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}
