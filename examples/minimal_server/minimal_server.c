/*
 * A small SIP server for phones behind NAT: they register, call each other, and
 * their media goes through a relay. It shows the library in a server with an
 * event loop, in one process or in several.
 *
 *   cargo build --release
 *   cc -std=c99 -O2 -I include examples/minimal_server/[a-z]*.c examples/support/sip.c \
 *      target/release/libmediaproxy.a -lgcc_s -lutil -lrt -lpthread -lm -ldl -o minimal_server
 *   ./minimal_server --workers 4 192.0.2.1:5060
 *
 * media.c uses the library; loop.c waits for sockets and relays, route.c is the
 * SIP around them, children.c the processes.
 */
#define _GNU_SOURCE /* getopt_long */

#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "registrar.h"

static const char help[] =
    "Usage: minimal_server [OPTION]... ADDRESS:PORT\n"
    "\n"
    "A SIP registrar and proxy for phones behind NAT, on UDP and IPv4. ADDRESS is\n"
    "where phones reach it; the built-in relay receives their media there too.\n"
    "\n"
    "  --workers N       fork N workers, at most 64; without it one process serves\n"
    "  --relay URI       use this relay instead of the built-in one; may be repeated\n"
    "  --set NAME=VALUE  a setting of the library, such as proxy_ports=20000-29999\n"
    "  --help            print this text and exit\n"
    "\n"
    "It logs to standard output, each line with the number of its process. SIGTERM\n"
    "and SIGINT stop it. A user has one phone, whose registration lasts an hour at\n"
    "most and until the server stops. There are no passwords: use it for tests, and\n"
    "in a network whose phones you know.\n";

void say(const struct server *s, const char *format, ...)
{
    char line[640];
    int used = snprintf(line, sizeof line, "[%d] ", s->number), length;
    va_list arguments;

    va_start(arguments, format);
    length = vsnprintf(line + used, sizeof line - (size_t)used - 1, format, arguments);
    va_end(arguments);
    if (length > 0)
        used += length;
    if (used > (int)sizeof line - 2)
        used = (int)sizeof line - 2;
    for (int i = 0; i < used; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            line[i] = '?';
    line[used++] = '\n';
    /* One write for each line: several processes share the output. */
    if (write(STDOUT_FILENO, line, (size_t)used) < 0)
        return;
}

/* The log callback of the library, in every process. */
static void log_line(void *s, uint32_t level, mp_str text)
{
    if (level <= MP_LOG_WARNING)
        say(s, "library: %.*s", (int)text.len, text.ptr);
}

/* Prints the reason of a failure and exits. It takes a pointer to the reason,
 * because C may evaluate an argument before the call beside it. */
static void must(mp_status status, mp_error *const *error)
{
    if (status != MP_OK) {
        mp_str why = mp_error_text(*error);
        fprintf(stderr, "minimal_server: %.*s\n", (int)why.len, why.ptr);
        exit(1);
    }
}

static void set(struct server *s, mp_str name, const char *value)
{
    mp_error *error = NULL;

    must(mp_config_set(s->config, name, mp_text(value), &error), &error);
}

static void refuse(const char *what, const char *why)
{
    fprintf(stderr, "minimal_server: %s: %s; try --help\n", what, why);
    exit(2);
}

/* Opens a socket for each worker: the kernel gives all messages of one phone to
 * the same socket. The parent keeps them open, so that no message is lost when a
 * worker dies. */
static void listen_on(struct server *s, const char *where)
{
    int count = s->workers > 0 ? s->workers : 1;

    for (int i = 0; i < count; i++) {
        s->sockets[i] = sip_listen(i == 0 ? where : s->address, s->workers > 0, &s->own);
        if (s->sockets[i] < 0)
            refuse(where, strerror(errno));
        sip_print(&s->own, s->address);
    }
    if (s->own.sin_addr.s_addr == htonl(INADDR_ANY))
        refuse(where, "give the address that phones reach");
}

/* Reads the options: first the address to listen on, which is also that of the
 * built-in relay, then the settings. True when the built-in relay is used. */
static bool read_options(struct server *s, int argc, char **argv)
{
    static const struct option options[] = {
        { "workers", required_argument, NULL, 'w' }, { "relay", required_argument, NULL, 'r' },
        { "set", required_argument, NULL, 's' },     { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    char ip[INET_ADDRSTRLEN] = "", *end;
    bool relays = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == '?')
            exit(2);
        if (option == 'h') {
            fputs(help, stdout);
            exit(0);
        }
        if (option == 'w') {
            long workers = strtol(optarg, &end, 10);
            if (*end || workers < 1 || workers > MAX_WORKERS)
                refuse(optarg, "not a number of workers");
            s->workers = (int)workers;
        }
        if (option == 's' && !strchr(optarg, '='))
            refuse(optarg, "not NAME=VALUE");
        relays |= option == 'r';
    }
    if (optind != argc - 1)
        refuse("ADDRESS:PORT", "one is needed");
    listen_on(s, argv[optind]);

    if (!relays) {
        inet_ntop(AF_INET, &s->own.sin_addr, ip, sizeof ip);
        set(s, mp_text("proxy_address"), ip);
        set(s, mp_text("relay"), "embedded");
    }
    for (optind = 1; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        mp_str name = { optarg, optarg ? strcspn(optarg, "=") : 0 };
        if (option == 'r')
            set(s, mp_text("relay"), optarg);
        else if (option == 's')
            set(s, name, optarg + name.len + 1);
    }
    mp_config_set_log(s->config, log_line, s);
    return !relays;
}

void close_sockets(struct server *s, int but)
{
    for (int i = 0; i < MAX_WORKERS; i++) {
        if (i == but || s->sockets[i] < 0)
            continue;
        close(s->sockets[i]);
        s->sockets[i] = -1;
    }
}

void end(struct server *s)
{
    close_sockets(s, -1);
    mp_proxy_free(s->proxy);
    mp_engine_free(s->engine);
    mp_config_free(s->config);
    registrar_free(s->registrar);
}

int main(int argc, char **argv)
{
    static struct server s;
    mp_error *error = NULL;
    bool built_in, well;

    for (int i = 0; i < MAX_WORKERS; i++)
        s.sockets[i] = -1;
    s.config = mp_config_new();
    built_in = read_options(&s, argc, argv);
    s.registrar = registrar_new();
    if (!s.registrar)
        refuse("registrar", strerror(errno));
    must(mp_engine_new(s.config, &s.engine, &error), &error);
    if (built_in)
        must(mp_proxy_new(s.config, &s.proxy, &error), &error);
    well = serve(&s);
    end(&s);
    return well ? 0 : 1;
}
