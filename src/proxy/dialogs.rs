//! The dialogs of a session, early and confirmed, at most [`MAX_PEERS`].

use std::collections::VecDeque;

use super::answer::{Answer, Answers};
use super::dialog::Dialog;
use super::ids::PeerId;
use super::learner::MAX_PEERS;
use super::media_ports::MediaPorts;
use super::refusal::Refusal;
use super::update::Update;

/// How a dialog was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    /// Its branch has failed, or another one was confirmed first: a 2xx may still come
    /// (RFC 3261 sections 13.2.2.4 and 16.7 step 5).
    Lost,
    Removed,
}

/// What is stored of a dialog that is over.
#[derive(Clone, Debug)]
struct GoneDialog {
    /// The callee's.
    tag: Box<[u8]>,
    how: Gone,
    answers: Answers,
}

/// The most dialogs that are over.
const MAX_GONE: usize = 2 * MAX_PEERS;

/// The dialogs, the oldest one first.
#[derive(Clone, Debug, Default)]
pub(super) struct Dialogs {
    list: Vec<Dialog>,
    /// The dialogs that are over, the last one newest: what still comes from there was on
    /// its way, and a repeated message has its first answer.
    gone: VecDeque<GoneDialog>,
    peers: u32,
}

impl Dialogs {
    pub(super) fn iter(&self) -> std::slice::Iter<'_, Dialog> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Dialog> {
        self.list.iter_mut()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The dialog with this tag of the callee.
    pub(super) fn get(&self, tag: &[u8]) -> Option<&Dialog> {
        self.list.iter().find(|dialog| *dialog.tag == *tag)
    }

    fn position(&self, tag: &[u8]) -> Option<usize> {
        self.list.iter().position(|dialog| *dialog.tag == *tag)
    }

    /// True when a confirmed dialog is among them. Where the initial request was missed,
    /// a request is within one that was confirmed before.
    pub(super) fn any_confirmed(&self, missed: bool) -> bool {
        self.list.iter().any(|dialog| dialog.confirmed || missed && dialog.waits())
    }

    /// True when a dialog with this tag is over.
    pub(super) fn had(&self, tag: &[u8]) -> bool {
        self.gone_with(tag).is_some()
    }

    /// True when the message comes too late, since its dialog is over.
    pub(super) fn is_over_for(&self, update: &Update) -> bool {
        let gone = self.gone_with(update.dialog_tag());
        let confirms = update.is_final_reply() || update.is_of_confirmed();
        gone.is_some_and(|gone| gone.how == Gone::Removed || !confirms)
    }

    /// What a message of a dialog that is there, or is over, was answered before.
    pub(super) fn answer_of_known(&self, update: &Update) -> Option<&Answer> {
        let tag = update.dialog_tag();
        let answers = self.get(tag).map(|dialog| &dialog.answers);
        let answers = answers.or_else(|| self.gone_with(tag).map(|gone| &gone.answers));
        answers?.get(update.fingerprint())
    }

    fn gone_with(&self, tag: &[u8]) -> Option<&GoneDialog> {
        self.gone.iter().find(|gone| *gone.tag == *tag)
    }

    fn note_gone(&mut self, dialog: &Dialog, how: Gone) {
        self.gone.retain(|gone| gone.tag != dialog.tag);
        if self.gone.len() >= MAX_GONE {
            self.gone.pop_front();
        }
        let Dialog { tag, answers, .. } = dialog;
        self.gone.push_back(GoneDialog { tag: tag.clone(), how, answers: answers.clone() });
    }

    /// Takes the dialog with this tag out of its place; else an early one that no
    /// message has given a tag yet.
    pub(super) fn take(&mut self, tag: &[u8]) -> Option<(usize, Dialog)> {
        let unnamed = || self.list.iter().position(|dialog| dialog.unnamed && !dialog.confirmed);
        let index = self.position(tag).or_else(unnamed)?;
        Some((index, self.list.remove(index)))
    }

    /// Puts a dialog that changed nothing back.
    pub(super) fn put_back(&mut self, index: usize, dialog: Dialog) {
        self.list.insert(index, dialog);
    }

    /// The peer of a further dialog.
    pub(super) fn next_peer(&self) -> Result<PeerId, Refusal> {
        if self.list.len() >= MAX_PEERS && self.list.iter().all(|dialog| dialog.confirmed) {
            return Err(Refusal::TooManyDialogs(MAX_PEERS));
        }
        Ok(PeerId(self.peers.saturating_add(1)))
    }

    /// Puts a dialog into its place, or into a new one, which an early dialog loses
    /// when there is none. The message names it, if no one did before.
    pub(super) fn put(
        &mut self,
        at: Option<usize>,
        mut dialog: Dialog,
        update: &Update,
        media: &mut dyn MediaPorts,
    ) -> usize {
        if at.is_none() || dialog.unnamed {
            dialog.tag = update.dialog_tag().into();
            dialog.unnamed = update.is_unnamed();
        }
        let PeerId(peer) = dialog.peer;
        self.peers = self.peers.max(peer);
        if at.is_none() && self.list.len() >= MAX_PEERS {
            let silent = |dialog: &Dialog| !dialog.confirmed && dialog.is_silent();
            let oldest = self.list.iter().position(silent);
            let oldest = oldest.or(self.list.iter().position(|dialog| !dialog.confirmed));
            if let Some(index) = oldest {
                self.list.remove(index).remove_callee(media);
            }
        }
        let index = at.unwrap_or(self.list.len());
        self.list.insert(index, dialog);
        index
    }

    /// Confirms a dialog. The early ones lose their places and are returned; `None`
    /// when it was confirmed before. Where the initial request was missed, one with an
    /// unanswered offer stays: a re-INVITE is within a dialog that was confirmed before.
    pub(super) fn confirm(
        &mut self,
        index: usize,
        missed: bool,
        media: &mut dyn MediaPorts,
    ) -> Option<Vec<Dialog>> {
        let dialog = self.list.get_mut(index).filter(|dialog| !dialog.confirmed)?;
        dialog.confirmed = true;
        let (confirmed, early): (Vec<_>, Vec<_>) =
            self.list.drain(..).partition(|dialog| dialog.confirmed || missed && dialog.waits());
        self.list = confirmed;
        self.give_up(&early, media);
        Some(early)
    }

    /// Removes the dialog with this tag.
    pub(super) fn remove(&mut self, tag: &[u8], media: &mut dyn MediaPorts) -> Result<(), Refusal> {
        let index = self.position(tag).ok_or(Refusal::UnknownDialog)?;
        let dialog = self.list.remove(index);
        dialog.remove_callee(media);
        self.note_gone(&dialog, Gone::Removed);
        Ok(())
    }

    fn give_up(&mut self, early: &[Dialog], media: &mut dyn MediaPorts) {
        for dialog in early {
            dialog.remove_callee(media);
            self.note_gone(dialog, Gone::Lost);
        }
    }

    /// Removes the early dialogs of a server branch, and the early one with this tag.
    pub(super) fn remove_branch(
        &mut self,
        branch: u32,
        tag: &[u8],
        media: &mut dyn MediaPorts,
    ) -> Result<(), Refusal> {
        let fails = |dialog: &Dialog| {
            let named = !tag.is_empty() && *dialog.tag == *tag;
            !dialog.confirmed && (named || dialog.branches.has(branch))
        };
        let (failed, others): (Vec<_>, Vec<_>) = self.list.drain(..).partition(fails);
        self.list = others;
        self.give_up(&failed, media);
        if failed.is_empty() { Err(Refusal::UnknownDialog) } else { Ok(()) }
    }

    /// Removes all of them: a new try begins.
    pub(super) fn clear(&mut self, media: &mut dyn MediaPorts) {
        self.list.drain(..).for_each(|dialog| dialog.remove_callee(media));
        self.gone.clear();
    }
}
