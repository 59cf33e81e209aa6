/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "module_dialogs.h"

#include "fake_server.h"
#include "module_commands.h"
#include "module_media.h"

/* The server's only dialog. */
static struct {
    int exists, is_engaged, releases, marks;
    struct mpm_dialog *state;
} dialog;

static void *find(void *message)
{
    (void)message;
    return dialog.exists ? &dialog : NULL;
}

static void release(void *found)
{
    CHECK(found == &dialog);
    dialog.releases++;
}

/* As a server does that makes the dialog when it forwards the INVITE. */
static int create(void *message)
{
    (void)message;
    return MPM_TRUE;
}

static int is_engaged(void *found)
{
    CHECK(found == &dialog);
    return dialog.is_engaged;
}

static int set_engaged(void *found)
{
    CHECK(found == &dialog);
    dialog.is_engaged = 1;
    return 0;
}

static int mark_route(void *message)
{
    CHECK(message != NULL);
    dialog.marks++;
    return 0;
}

static struct mpm_dialog *watch(void *found, const struct mpm_dialog *first)
{
    static struct mpm_dialog stored;

    CHECK(found == &dialog);
    stored = *first;
    dialog.state = &stored;
    return &stored;
}

static void dialog_id(void *found, char *to, size_t size)
{
    CHECK(found == &dialog);
    snprintf(to, size, "1:2");
}

static const struct mpm_dialogs dialogs = { find, release, create, is_engaged, set_engaged,
                                            mark_route, watch, dialog_id };

/* A request within a dialog that the server does not keep. */
static void marked_requests(void)
{
    struct message invite, other;

    receive(&invite, OFFER, 7);
    /* The server has its dialog: it comes by mpm_dialog_request. */
    CHECK(mpm_dialog_marked_request(&invite) == 0 && invite.lump_count == 0);
    dialog.exists = 0;
    CHECK(mpm_dialog_marked_request(&invite) == 1);
    receive(&other, ANSWER, 7);
    mpm_dialog_marked_reply(&other, 100);
    mpm_dialog_marked_reply(&other, 486);
    CHECK(other.lump_count == 0);
    mpm_dialog_marked_reply(&other, 200);
    CHECK(rewritten_port(&other) != rewritten_port(&invite));
    receive(&other, BYE, 7);
    CHECK(mpm_dialog_marked_request(&other) == 0);
    dialog.exists = 1;
}

/* An INVITE with the tags of an answered call ends nothing, one of its own the call. */
static void invites_that_fail(void)
{
    struct mpm_dialog failed = *dialog.state;
    struct message invite, answer;
    unsigned long calls;

    receive(&invite, OFFER, 8);
    CHECK(mpm_use_media_proxy(&invite, mp_text(NULL)) == MPM_TRUE);
    receive(&answer, ANSWER, 8);
    CHECK(mpm_use_media_proxy(&answer, mp_text(NULL)) == MPM_TRUE);
    calls = active_calls();
    mpm_dialog_failed(&failed, &invite);
    CHECK(failed.terminated && active_calls() == calls);

    receive(&invite, OFFER, 9);
    CHECK(mpm_use_media_proxy(&invite, mp_text(NULL)) == MPM_TRUE);
    calls = active_calls();
    mpm_dialog_failed(&failed, &invite);
    CHECK(active_calls() == calls);
    failed.terminated = 0;
    mpm_dialog_failed(&failed, &invite);
    CHECK(active_calls() == calls - 1);
}

void engaged_dialogs(void)
{
    struct message invite, other;
    struct mpm_call call;

    receive(&invite, OFFER, 5);
    CHECK(mpm_engage_media_proxy(&invite) == MPM_FALSE);
    CHECK(strstr(last_line, "the dialog module is not loaded") != NULL);
    mpm_use_dialogs(&dialogs);
    receive(&other, BYE, 5);
    CHECK(mpm_engage_media_proxy(&other) == MPM_TRUE && dialog.state == NULL);

    script.ice_candidate = mp_text("low-priority");
    CHECK(mpm_engage_media_proxy(&invite) == MPM_TRUE && dialog.state == NULL);
    dialog.exists = 1;
    /* The server made a dialog for another message. */
    receive(&other, OFFER, 6);
    mpm_dialog_created(&dialog, &other);
    CHECK(dialog.state == NULL);
    mpm_dialog_created(&dialog, &invite);
    CHECK(dialog.is_engaged && dialog.state->ice_length == strlen("low-priority"));
    CHECK(rewritten_port(&invite) > 0);
    memset(&script, 0, sizeof script);
    /* Once only. */
    CHECK(mpm_engage_media_proxy(&invite) == MPM_TRUE && dialog.releases == 1);
    CHECK(dialog.marks == 1);
    marked_requests();

    invites_that_fail();
    receive(&other, ANSWER, 5);
    mpm_dialog_reply(&dialog, dialog.state, &other, 100);
    mpm_dialog_reply(&dialog, dialog.state, &other, 486);
    CHECK(other.lump_count == 0);
    mpm_dialog_reply(&dialog, dialog.state, &other, 200);
    CHECK(rewritten_port(&other) != rewritten_port(&invite));
    receive(&other, OFFER, 5);
    mpm_dialog_request(&dialog, dialog.state, &other);
    CHECK(rewritten_port(&other) > 0);

    CHECK(mpm_server.identify(&other, &call) == 0);
    mpm_dialog_terminated(dialog.state, call.call_id, call.from_tag, mp_text("b"));
    CHECK(dialog.state->terminated);
    mpm_dialog_terminated(dialog.state, call.call_id, call.from_tag, mp_text("b"));
    /* The server has read its database. */
    dialog.state = NULL;
    mpm_dialog_loaded(&dialog);
    CHECK(dialog.state != NULL && !dialog.state->terminated);
}
