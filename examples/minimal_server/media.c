/*
 * The use of the library: it tests for NAT, fixes the Contact and sends media
 * through a relay, and never blocks. A message whose relay has not answered yet
 * stays a job; loop.c watches its descriptor and its deadline.
 */
#define _POSIX_C_SOURCE 200809L

#include "server.h"

#include <stdio.h>
#include <string.h>

/* Contact or Via is private, or the source differs from the Via. */
#define TESTS (MP_TEST_PRIVATE_CONTACT | MP_TEST_SOURCE_ADDRESS | MP_TEST_PRIVATE_VIA)

static mp_address address_of(const struct sockaddr_in *from)
{
    mp_address address = { .family = 4, .port = ntohs(from->sin_port) };

    memcpy(address.bytes, &from->sin_addr, 4);
    return address;
}

static mp_status parse(struct server *s, const struct job *job)
{
    mp_str raw = { job->raw, job->length };
    mp_address source = address_of(&job->from), local = address_of(&s->own);

    return mp_message_parse(s->message, raw, &source, &local, MP_TRANSPORT_UDP);
}

/* "INVITE" or "200 INVITE", and the Call-ID, for the log. */
static const char *name_of(const struct job *job)
{
    static char name[192];
    const char *call = sip_header(job->raw, "Call-ID");
    int status = sip_status(job->raw), used = 0;
    char method[16];

    sip_method(job->raw, method);
    call = call ? sip_value(call) : "\r";
    if (status != 0)
        used = snprintf(name, sizeof name, "%d ", status);
    snprintf(name + used, sizeof name - (size_t)used, "%s of call %.*s", method,
             (int)strcspn(call, "\r"), call);
    return name;
}

/* Applies the edits and forwards the message. */
static void finish(struct server *s, struct job *job)
{
    size_t length = 0;

    if (parse(s, job) != MP_OK ||
        mp_edits_apply(job->edits, s->message, s->out, sizeof s->out - 1, &length) != MP_OK)
        return;
    s->out[length] = '\0';
    route(s, s->out, &job->from, job->natted);
}

/* No relay served the request, or the call has ended meanwhile: an INVITE is
 * refused, any other message is forwarded with its SDP unchanged. */
static void fail(struct server *s, struct job *job, mp_status status)
{
    mp_str why = mp_worker_last_error(s->worker);

    say(s, "%s without a relay: %.*s", name_of(job), (int)why.len, why.ptr);
    if (strncmp(job->raw, "INVITE ", 7)) {
        finish(s, job);
        return;
    }
    memcpy(s->out, job->raw, job->length + 1);
    if (!sip_stamp_via(s->out, &job->from, job->natted))
        return;
    if (status == MP_ERR_ENDED)
        answer(s, s->out, "487 Request Terminated", "", &job->from);
    else
        answer(s, s->out, "503 Service Unavailable", "Retry-After: 10\r\n", &job->from);
}

/* Starts a job. False when it is done already. */
bool start_job(struct server *s, struct job *job)
{
    mp_status status = parse(s, job);
    bool request = sip_status(job->raw) == 0;

    if (status != MP_OK) {
        mp_str why = mp_message_last_error(s->message);
        say(s, "cannot parse a message: %.*s", (int)why.len, why.ptr);
        return false;
    }
    status = mp_nat_test(s->worker, s->message, TESTS, 0, s->verdict);
    job->natted = status == MP_OK && mp_verdict_matched(s->verdict) != 0;
    if (job->natted)
        mp_fix_contact_with(s->worker, s->message, s->first_hop, job->edits);
    if (job->natted && !strncmp(job->raw, "REGISTER ", 9)) {
        mp_str why = mp_verdict_text(s->verdict, 0);
        say(s, "behind NAT: %.*s", (int)why.len, why.ptr);
    }

    /* An INVITE goes to one phone: each failure reply goes back to the caller. */
    if (mp_message_terminates(s->message)) {
        status = mp_end_session(s->worker, s->message, NULL);
        say(s, "%s terminates its session", name_of(job));
    } else if (!request || own_answer(s, job->raw) == 0) {
        /* A request that the server answers itself needs no relay. */
        job->started = mp_now();
        status = mp_rewrite_start(s->worker, s->message, NULL, 0, &job->request);
        if (status == MP_OK)
            return continue_job(s, job);
    }
    if (status < MP_OK)
        fail(s, job, status);
    else
        finish(s, job);
    return false;
}

/* Continues a job that waits for its relay. False when it is done. */
bool continue_job(struct server *s, struct job *job)
{
    mp_status status = mp_request_continue(job->request, s->worker, 0, job->edits);

    if (status == MP_PENDING)
        return true;
    if (status == MP_OK) {
        say(s, "%s through the relay (%llu ms)", name_of(job),
            (unsigned long long)(mp_now() - job->started));
        finish(s, job);
    } else {
        fail(s, job, status);
    }
    return false;
}
