/*
 * The janitor's thread: a round of chores, each at its own pace. A chore that fails is tried
 * again at its next time; when the database is away, so are the chores.
 */
#include "server/engine/janitor.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "db/housekeeping.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/mailbox.h"
#include "server/base/thread.h"

#define KEYS_AT_ONCE 1000

struct gw_janitor {
        struct gw_janitor_settings settings;
        pthread_t thread;
        struct gw_mailbox inbox; /* only to be woken */
        atomic_bool stopping;
        struct gw_db_session *session;
};

static int partitions(struct gw_janitor *j, struct gw_error *err)
{
        struct gw_db_partitions c = {0};
        if (j->settings.retention_s)
                c.keep_from_us = gw_clock_wall_us() - j->settings.retention_s * GW_SECOND;
        gw_db_partitions_init(&c);
        if (gw_db_session_run_one(j->session, &c.cmd, err) < 0)
                return -1;
        if (c.made || c.dropped)
                gw_log(GW_LOG_INFO, "janitor.partitions", "{s:i, s:i}", "made", c.made, "dropped",
                       c.dropped);
        return 0;
}

static int expire_keys(struct gw_janitor *j, struct gw_error *err)
{
        struct gw_db_expire_keys c;
        do {
                c = (struct gw_db_expire_keys){.limit = KEYS_AT_ONCE};
                gw_db_expire_keys_init(&c);
                if (gw_db_session_run_one(j->session, &c.cmd, err) < 0)
                        return -1;
        } while (c.cmd.rows == KEYS_AT_ONCE && !atomic_load(&j->stopping));
        return 0;
}

static int count_jobs(struct gw_janitor *j, struct gw_error *err)
{
        struct gw_db_job_counts c = {0};
        gw_db_job_counts_init(&c);
        if (gw_db_session_run_one(j->session, &c.cmd, err) < 0)
                return -1;
        for (size_t s = GW_QUEUED; s <= GW_RUNNING; s++)
                gw_metric_set(j->settings.jobs, s, 0, c.counts[s]);
        return 0;
}

static const struct {
        int (*run)(struct gw_janitor *j, struct gw_error *err);
        int64_t every_us;
} chores[] = {
        {partitions, 60 * GW_SECOND},
        {expire_keys, 60 * GW_SECOND},
        {count_jobs, 15 * GW_SECOND},
};

/* Whoever waits for a partition's lock makes all others wait behind it: better not for long. */
static int open_session(struct gw_janitor *j, struct gw_error *err)
{
        struct gw_db_session_settings s = {.conninfo = j->settings.conninfo,
                                           .application_name = "jobgate janitor",
                                           .statement_timeout_ms = 300000};
        j->session = gw_db_session_open(&s, err);
        return j->session ? gw_db_session_exec(j->session, "SET lock_timeout = '2s'", err) : -1;
}

static void put_off(struct gw_janitor *j, const struct gw_error *err)
{
        gw_log_error("janitor.put_off", err);
        gw_db_session_close(GW_TAKE(j->session));
}

/* What is due; the rest of a round in which the database is away is left out. */
static void do_chores(struct gw_janitor *j, int64_t due[], int64_t now)
{
        bool away = false;
        for (size_t i = 0; i < GW_COUNT(chores); i++) {
                struct gw_error err = {0};
                if (due[i] > now)
                        continue;
                due[i] = now + chores[i].every_us;
                if (away)
                        continue;
                away = !j->session && open_session(j, &err) < 0;
                if (away || chores[i].run(j, &err) < 0)
                        put_off(j, &err);
        }
}

static void *run(void *arg)
{
        struct gw_janitor *j = arg;
        int64_t due[GW_COUNT(chores)] = {0};
        while (!atomic_load(&j->stopping)) {
                int64_t now = gw_clock_mono_us();
                int64_t next = INT64_MAX;
                do_chores(j, due, now);
                for (size_t i = 0; i < GW_COUNT(chores); i++)
                        next = due[i] < next ? due[i] : next;
                struct pollfd fd = {.fd = j->inbox.fd, .events = POLLIN};
                int64_t left_ms = (next - gw_clock_mono_us()) / 1000;
                (void)poll(&fd, 1, left_ms > 0 ? (int)left_ms : 0);
        }
        gw_db_session_close(j->session);
        return NULL;
}

struct gw_janitor *gw_janitor_start(const struct gw_janitor_settings *settings,
                                    struct gw_error *err)
{
        struct gw_janitor *j = calloc(1, sizeof *j);
        if (!j || gw_mailbox_init(&j->inbox, 1) < 0) {
                free(j);
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        j->settings = *settings;
        if (gw_thread_start(&j->thread, "janitor", run, j, err) < 0) {
                gw_mailbox_done(&j->inbox);
                free(j);
                return NULL;
        }
        return j;
}

void gw_janitor_stop(struct gw_janitor *j)
{
        if (!j)
                return;
        atomic_store(&j->stopping, true);
        gw_mailbox_wake(&j->inbox);
        gw_thread_join(j->thread);
        gw_mailbox_done(&j->inbox);
        free(j);
}
