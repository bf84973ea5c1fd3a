/*
 * The program: arguments, signals, exit status. The main thread starts the app, sleeps on a
 * signalfd until it is told to stop, and takes the app down again.
 *
 * Exit status: 0 done, 1 it could not be done, 2 the arguments or settings are wrong.
 */
#include <getopt.h>
#include <jansson.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "db/migrate.h"
#include "server/app.h"
#include "server/base/blocks.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/str.h"
#include "server/cli.h"
#include "server/config.h"
#include "server/conninfo.h"

#define MAX_OUTPUT (64 * 1024 * 1024)
#define USAGE 2

struct arguments {
        const char *config;
        int count; /* of words: a subcommand */
        char **words;
};

/* ---- what it says ---- */

static void say(const char *where, const char *what)
{
        fprintf(stderr, "jobgate: %s%s%s\n", where, where[0] ? ": " : "", what);
}

static void say_faults(const char *path, const struct gw_faults *faults)
{
        for (size_t i = 0; i < faults->count; i++) {
                char where[GW_ERROR_POINTER + 512];
                const struct gw_fault *f = &faults->items[i];
                snprintf(where, sizeof where, "%.500s: %s", path, f->pointer);
                say(f->pointer[0] ? where : "", f->detail);
        }
}

/* Everything to standard output; the exit status. */
static int print(struct gw_buf *text)
{
        int status = 0;
        if (!gw_buf_ok(text) || (text->len && fwrite(text->data, text->len, 1, stdout) != 1) ||
            fflush(stdout) != 0) {
                say("", "cannot write to standard output");
                status = 1;
        }
        gw_buf_done(text);
        return status;
}

/* ---- actions: each returns the exit status ---- */

/* The role to grant to: the one named in database.serve or, as libpq has it, the user's own. */
static const char *serving_role(const struct gw_config *c, char role[64])
{
        if (!c->database_owner)
                return NULL;
        if (gw_conninfo_user(c->database_serve, role, 64))
                return role;
        struct passwd own, *found = NULL;
        char texts[1024];
        if (getpwuid_r(getuid(), &own, texts, sizeof texts, &found) != 0 || !found)
                return NULL;
        return gw_str_copy(role, 64, found->pw_name) ? role : NULL;
}

static int migrate(const struct gw_config *c, const struct arguments *a)
{
        (void)a;
        char role[64];
        struct gw_error err = {0};
        const char *owner = c->database_owner ? c->database_owner : c->database_serve;
        if (gw_db_migrate(owner, serving_role(c, role), &err) == 0)
                return 0;
        say("", err.message);
        return 1;
}

static int check_config(const struct gw_config *c, const struct arguments *a)
{
        (void)c;
        (void)a;
        return 0;
}

static int print_config(const struct gw_config *c, const struct arguments *a)
{
        (void)a;
        struct gw_buf text = GW_BUF_INIT(MAX_OUTPUT);
        gw_config_print(c, &text);
        return print(&text);
}

static int print_settings(const struct gw_config *c, const struct arguments *a)
{
        (void)c;
        (void)a;
        struct gw_buf text = GW_BUF_INIT(MAX_OUTPUT);
        gw_config_reference(&text);
        return print(&text);
}

static int version(const struct gw_config *c, const struct arguments *a)
{
        (void)c;
        (void)a;
        struct gw_buf text = GW_BUF_INIT(MAX_OUTPUT);
        gw_buf_str(&text, "jobgate " GW_VERSION "\n");
        return print(&text);
}

static int command(const struct gw_config *c, const struct arguments *a)
{
        struct gw_buf text = GW_BUF_INIT(MAX_OUTPUT);
        struct gw_error err = {0};
        if (gw_cli_run(c, a->count, a->words, &text, &err) == 0)
                return print(&text);
        gw_buf_done(&text);
        say("", err.message);
        return err.code == GW_ERR_INVALID ? USAGE : 1;
}

/* ---- the gateway ---- */

static void raise_descriptor_limit(void)
{
        struct rlimit limit;
        if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
                limit.rlim_cur = limit.rlim_max;
                (void)setrlimit(RLIMIT_NOFILE, &limit);
        }
}

/* Returns once a signal asks for the end. */
static void sleep_until_stopped(int fd)
{
        struct signalfd_siginfo info;
        for (;;) {
                if (read(fd, &info, sizeof info) != sizeof info)
                        continue;
                if (info.ssi_signo != SIGHUP) {
                        gw_log(GW_LOG_INFO, "app.stopping", "{s:s}", "signal",
                               sigabbrev_np((int)info.ssi_signo));
                        return;
                }
                gw_log(GW_LOG_INFO, "app.hangup_ignored", NULL);
        }
}

static int run_app(const struct gw_config *c, int signals)
{
        int64_t began_us = gw_clock_mono_us();
        struct gw_error err = {0};
        struct gw_app *app = gw_app_start(c, &err);
        if (!app) {
                say("", err.message);
                return 1;
        }
        gw_log(GW_LOG_INFO, "app.started", "{s:s, s:s, s:I}", "version", GW_VERSION, "url", c->url,
               "took_ms", (json_int_t)((gw_clock_mono_us() - began_us) / 1000));
        sleep_until_stopped(signals);
        gw_app_stop(app);
        gw_log(GW_LOG_INFO, "app.stopped", NULL);
        return 0;
}

static int serve(const struct gw_config *c, const struct arguments *a)
{
        (void)a;
        sigset_t stop, all;
        sigemptyset(&stop);
        sigaddset(&stop, SIGTERM);
        sigaddset(&stop, SIGINT);
        sigaddset(&stop, SIGHUP);
        sigfillset(&all);
        sigprocmask(SIG_SETMASK, &all, NULL);
        gw_autoclose int signals = signalfd(-1, &stop, SFD_CLOEXEC);
        if (signals < 0) {
                say("", "cannot open a signalfd");
                return 1;
        }
        raise_descriptor_limit();
        return run_app(c, signals);
}

/* ---- arguments ---- */

static int help(const struct gw_config *c, const struct arguments *a);

static const struct action {
        const char *option; /* without "--"; NULL: none was given */
        int (*run)(const struct gw_config *c, const struct arguments *a);
        bool needs_config;
        const char *help;
} actions[] = {
        {NULL, serve, true, "serve in the foreground, with the log on standard error"},
        {"migrate", migrate, true, "bring the database's schema up to this release"},
        {"check-config", check_config, true, "say what is wrong with the settings"},
        {"print-config", print_config, true, "show the settings in force, without their secrets"},
        {"print-settings", print_settings, false, "write the reference of all settings"},
        {"version", version, false, "show the release"},
        {"help", help, false, "show this"},
};
static const struct action command_action = {NULL, command, true, NULL};

static int help(const struct gw_config *c, const struct arguments *a)
{
        (void)c;
        (void)a;
        struct gw_buf text = GW_BUF_INIT(MAX_OUTPUT);
        gw_buf_str(&text, "jobgate --config FILE [OPTION | COMMAND]\n\n");
        for (size_t i = 0; i < GW_COUNT(actions); i++)
                gw_buf_printf(&text, "  %s%-16s %s\n", actions[i].option ? "--" : "  ",
                              actions[i].option ? actions[i].option : "", actions[i].help);
        gw_buf_str(&text, "\nCommands:\n\n");
        gw_cli_usage(&text);
        return print(&text);
}

/* NULL: what is wrong was said. */
static const struct action *parse(int argc, char **argv, struct arguments *a)
{
        struct option options[GW_COUNT(actions) + 1] = {
                {.name = "config", .has_arg = required_argument, .val = 'c'}};
        for (size_t i = 1; i < GW_COUNT(actions); i++)
                options[i] = (struct option){.name = actions[i].option, .val = 256 + (int)i};
        const struct action *action = &actions[0];
        for (int c; (c = getopt_long(argc, argv, "+", options, NULL)) != -1;) {
                if (c == '?')
                        return NULL;
                if (c == 'c')
                        a->config = optarg;
                else
                        action = &actions[c - 256];
        }
        a->count = argc - optind;
        a->words = argv + optind;
        if (a->count == 0)
                return action;
        if (action == &actions[0])
                return &command_action;
        say(a->words[0], "there is nothing to do with this word (see --help)");
        return NULL;
}

static int run_configured(const struct action *action, const struct arguments *a)
{
        struct gw_config config = {0};
        struct gw_faults faults;
        gw_faults_init(&faults);
        if (!a->config) {
                say("", "--config FILE is needed (see --help)");
                return USAGE;
        }
        if (gw_config_load(a->config, &config, &faults) < 0) {
                say_faults(a->config, &faults);
                return USAGE;
        }
        gw_log_init((enum gw_log_level)config.log_level, STDERR_FILENO);
        int status = action->run(&config, a);
        gw_config_done(&config);
        return status;
}

int main(int argc, char **argv)
{
        struct arguments a = {0};
        /* jansson's hash seed must exist before there is a second thread. */
        json_object_seed(0);
        json_set_alloc_funcs(gw_block_alloc, gw_block_free);
        const struct action *action = parse(argc, argv, &a);
        if (!action)
                return USAGE;
        return action->needs_config ? run_configured(action, &a) : action->run(NULL, &a);
}
