/* Values of sbatch's options. Lengths of time and times are libslurm's to read: it exports that. */
#include "backends/slurm/agent/values.h"

#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backends/slurm/agent/libslurm.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

int gw_agent_read_number(const char *text, int64_t lo, int64_t hi, int64_t *ret,
                         struct gw_error *err)
{
        if (gw_str_int64(text, lo, hi, ret) == 0)
                return 0;
        return gw_fail(err, GW_ERR_INVALID, "must be a whole number from %" PRId64 " to %" PRId64,
                       lo, hi);
}

static int fail_length(struct gw_error *err)
{
        return gw_fail(err, GW_ERR_INVALID,
                       "must be minutes, MM:SS, HH:MM:SS, D-HH, D-HH:MM, D-HH:MM:SS or UNLIMITED");
}

int gw_agent_read_minutes(const char *text, uint32_t *ret, struct gw_error *err)
{
        uint32_t minutes = (uint32_t)slurm_time_str2mins(text);
        if (minutes == NO_VAL || !*text)
                return fail_length(err);
        *ret = minutes ? minutes : INFINITE;
        return 0;
}

int gw_agent_read_seconds(const char *text, uint32_t *ret, struct gw_error *err)
{
        uint32_t seconds = (uint32_t)slurm_time_str2secs(text);
        if (seconds == NO_VAL || !*text)
                return fail_length(err);
        *ret = seconds;
        return 0;
}

int gw_agent_read_time(const char *text, time_t *ret, struct gw_error *err)
{
        *ret = slurm_parse_time(text, 0);
        if (*ret)
                return 0;
        return gw_fail(err, GW_ERR_INVALID,
                       "must be a time such as 2026-12-01T08:00, 16:00, tomorrow or now+1hour");
}

/* How many MiB the unit has, or 0: K, which is less than one. -1: there is no such unit. */
static int64_t unit_of(char c)
{
        static const char units[] = "KMGT";
        const char *at = c ? strchr(units, toupper((unsigned char)c)) : units + 1;
        if (!at)
                return -1;
        return at == units ? 0 : INT64_C(1) << 10 * (at - units - 1);
}

int gw_agent_read_mebibytes(const char *text, uint64_t *ret, struct gw_error *err)
{
        char number[16];
        int64_t n;
        size_t len = strspn(text, "0123456789");
        int64_t unit = unit_of(text[len]);
        const char *rest = text + len + (text[len] != '\0');
        if (len == 0 || len >= sizeof number || unit < 0 || (*rest && strcasecmp(rest, "b") != 0))
                return gw_fail(err, GW_ERR_INVALID,
                               "must be MiB, or a number with K, M, G or T (5G, 5GB)");
        memcpy(number, text, len);
        number[len] = '\0';
        if (gw_str_int64(number, 0, INT64_C(1) << 42, &n))
                return gw_fail(err, GW_ERR_INVALID, "is too much, or has a 0 in front");
        *ret = unit ? (uint64_t)(n * unit) : (uint64_t)(n + 1023) / 1024;
        return 0;
}

int gw_agent_read_range(const char *text, uint32_t *ret_min, uint32_t *ret_max,
                        struct gw_error *err)
{
        gw_autofree char *copy = strdup(text);
        if (!copy)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        char *rest = copy;
        const char *first = strsep(&rest, "-");
        int64_t min, max;
        if (gw_str_int64(first, 1, INT32_MAX, &min) ||
            gw_str_int64(rest ? rest : first, min, INT32_MAX, &max))
                return gw_fail(err, GW_ERR_INVALID,
                               "must be a number from 1, or two as in 2-6, the smaller first");
        *ret_min = (uint32_t)min;
        *ret_max = (uint32_t)max;
        return 0;
}

/* The signals that Slurm knows by name. 0: none of them. */
static uint16_t signal_of(const char *name)
{
        static const struct {
                const char *name;
                uint16_t number;
        } known[] = {
                {"HUP", SIGHUP},   {"INT", SIGINT},   {"QUIT", SIGQUIT}, {"ABRT", SIGABRT},
                {"KILL", SIGKILL}, {"ALRM", SIGALRM}, {"TERM", SIGTERM}, {"USR1", SIGUSR1},
                {"USR2", SIGUSR2}, {"URG", SIGURG},   {"CONT", SIGCONT}, {"STOP", SIGSTOP},
                {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN}, {"TTOU", SIGTTOU}, {"XCPU", SIGXCPU},
        };
        int64_t number;
        if (gw_str_int64(name, 1, 64, &number) == 0)
                return (uint16_t)number;
        if (strncasecmp(name, "SIG", 3) == 0)
                name += 3;
        for (size_t i = 0; i < GW_COUNT(known); i++)
                if (strcasecmp(known[i].name, name) == 0)
                        return known[i].number;
        return 0;
}

/* Flags in front, each once at most and with ':' behind them. */
static const char *read_flags(const char *text, uint16_t *ret_flags)
{
        const char *colon = strchr(text, ':');
        *ret_flags = 0;
        if (!colon)
                return text;
        for (const char *at = text; at < colon; at++) {
                uint16_t flag = toupper((unsigned char)*at) == 'B'   ? KILL_JOB_BATCH
                                : toupper((unsigned char)*at) == 'R' ? KILL_JOB_RESV
                                                                     : 0;
                if (!flag || *ret_flags & flag)
                        return NULL;
                *ret_flags |= flag;
        }
        return *ret_flags ? colon + 1 : NULL;
}

int gw_agent_read_signal(const char *text, uint16_t *ret_signal, uint16_t *ret_seconds,
                         uint16_t *ret_flags, struct gw_error *err)
{
        int64_t seconds = 60;
        const char *name = read_flags(text, ret_flags);
        gw_autofree char *copy = name ? strdup(name) : NULL;
        char *rest = copy;
        const char *first = copy ? strsep(&rest, "@") : "";
        *ret_signal = signal_of(first);
        if (*ret_signal == 0 || (rest && gw_str_int64(rest, 0, UINT16_MAX, &seconds)))
                return gw_fail(err, GW_ERR_INVALID,
                               "must be a signal, with or without B:, R: or BR: in front and "
                               "@SECONDS behind, as in B:USR1@120");
        *ret_seconds = (uint16_t)seconds;
        return 0;
}
