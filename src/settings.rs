//! Settings as name and value text, the way a configuration line holds them.

/// All settings.
#[derive(Clone, Debug, Default)]
pub struct Settings {}
