/*
 * What a scheduler has made of submissions goes to the record before what is said of their state:
 * of a job that has ended nothing is written any more. Leader's thread only.
 */
#include "server/engine/leader_state.h"

#include <stdlib.h>

#include "server/base/log.h"

/* A command for each fact that has something to keep, linked. */
static struct gw_work *link_all(const struct gw_leader *l, const struct message *m,
                                struct gw_db_about_write *commands)
{
        struct gw_work *first = NULL;
        for (size_t i = m->fact_count; i-- > 0;) {
                const struct gw_fact *f = &m->facts[i];
                struct gw_db_about_write *c = &commands[i];
                if (!f->about)
                        continue;
                *c = (struct gw_db_about_write){.lease = l->backend->name,
                                                .epoch = l->epoch,
                                                .job = f->mark.job,
                                                .no = f->mark.number,
                                                .about = f->about};
                gw_db_about_write_init(c);
                c->cmd.work.next = first;
                first = &c->cmd.work;
        }
        return first;
}

static bool has_any(const struct message *m)
{
        for (size_t i = 0; i < m->fact_count; i++)
                if (m->facts[i].about)
                        return true;
        return false;
}

void gw_leader_keep_abouts(struct gw_leader *l, const struct message *m)
{
        struct gw_error err = {0};
        if (l->lost || !has_any(m))
                return;
        struct gw_db_about_write *commands = calloc(m->fact_count, sizeof *commands);
        if (!commands || gw_db_session_run(l->session, link_all(l, m, commands), &err) < 0) {
                gw_log_error("leader.lost_database", &err);
                l->lost = true; /* the next leader is told all anew */
        }
        free(commands);
}
