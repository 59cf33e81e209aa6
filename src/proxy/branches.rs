//! The server branches of a dialog.

/// The server branches that the replies of a dialog came on: one for each server that
/// the call passes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Branches([u32; 4]);

impl Branches {
    /// Adds a branch; 0 is none. Of more than four the first one goes.
    pub(super) fn add(&mut self, branch: u32) {
        if branch != 0 && !self.has(branch) {
            self.0.rotate_right(1);
            self.0[0] = branch;
        }
    }

    pub(super) fn has(self, branch: u32) -> bool {
        branch != 0 && self.0.contains(&branch)
    }
}
