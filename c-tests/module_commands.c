/* SPDX-License-Identifier: MIT OR Apache-2.0 */
#include "module_commands.h"

#include "fake_server.h"

/* What a command wrote, as text. */
static char answered[8192];

static int add_entry(void *arg)
{
    CHECK(arg == answered);
    strcat(answered, "entry\n");
    return 0;
}

static int add_text(void *arg, const char *name, mp_str value)
{
    size_t length = strlen(answered);

    CHECK(arg == answered);
    snprintf(answered + length, sizeof answered - length, "%s: %.*s\n", name, (int)value.len,
             value.ptr);
    return 0;
}

static int add_number(void *arg, const char *name, uint64_t value)
{
    size_t length = strlen(answered);

    CHECK(arg == answered);
    snprintf(answered + length, sizeof answered - length, "%s: %lu\n", name,
             (unsigned long)value);
    return 0;
}

static int no_entry(void *arg)
{
    (void)arg;
    return -1;
}

static int command(enum mpm_command which, const char *argument)
{
    static const struct mpm_answer answer = { add_entry, add_text, add_number };
    char error[MPM_ERROR_SIZE] = "";
    int code;

    answered[0] = '\0';
    code = mpm_command(which, mp_text(argument), &answer, answered, error);
    CHECK((code == 0) == (error[0] == '\0'));
    return code;
}

unsigned long active_calls(void)
{
    static const char name[] = "active_calls: ";

    CHECK(command(MPM_COMMAND_sessions, "") == 0 && strstr(answered, name) != NULL);
    return strtoul(strstr(answered, name) + strlen(name), NULL, 10);
}

void management(void)
{
    static const struct mpm_answer failing = { no_entry, add_text, add_number };
    char error[MPM_ERROR_SIZE];
    struct mpm_number number;
    size_t count = 0, embedded = 0;

    CHECK(command(MPM_COMMAND_relays, "") == 0);
    CHECK(strstr(answered, "entry\nuri: embedded\n") == answered);
    CHECK(strstr(answered, "health: up\nadmin_state: enabled\n") != NULL);
    CHECK(command(MPM_COMMAND_drain, "embedded") == 0);
    CHECK(command(MPM_COMMAND_relays, "") == 0);
    CHECK(strstr(answered, "admin_state: draining\n") != NULL);
    CHECK(command(MPM_COMMAND_disable, "embedded") == 0);
    CHECK(command(MPM_COMMAND_enable, "embedded") == 0);
    CHECK(command(MPM_COMMAND_sessions, "") == 0);
    CHECK(strstr(answered, "entry\nuri: embedded\nactive_calls: ") == answered);
    CHECK(command(MPM_COMMAND_stats, "") == 0 && strstr(answered, "offers: ") != NULL);
    CHECK(command(MPM_COMMAND_reload, "") == 0);
    CHECK(command(MPM_COMMAND_enable, "") == 400);
    CHECK(command(MPM_COMMAND_enable, "mediaproxy:/nowhere") == 404);
    CHECK(command(MPM_COMMANDS_COUNT, "") == 404);
    CHECK(mpm_command(MPM_COMMAND_stats, mp_text(""), &failing, answered, error) == 500);

    while (mpm_number(count, &number) == 0) {
        CHECK(number.name[0] != '\0' && number.help[0] != '\0');
        if (strcmp(number.name, "offers") == 0)
            CHECK(mpm_number_value(count) > 0 && !number.gauge);
        embedded += strncmp(number.name, "embedded_", strlen("embedded_")) == 0;
        count++;
    }
    CHECK(embedded == mp_proxy_counters_count() + 1 && count > 20 && mpm_number_value(count) == 0);
}
