/*
 * Wishes in three steps. Runs on the exchange's loop thread. Repeating one is harmless: a wish
 * that is recorded already gives no row, and the job that is read afterwards shows it.
 */
#include "routes/job_wish.h"

#include <stdlib.h>

#include "routes/job_json.h"

enum gw_next gw_job_wish_begin(struct gw_call *call, struct gw_job_wish *w, enum gw_wish wish)
{
        w->wish.wish = wish;
        w->read.id = gw_call_path_id(call, 0);
        w->read.write = gw_job_json;
        w->read.fields = GW_JOB_ALL_FIELDS;
        return gw_job_read_begin(call, &w->read);
}

/* A finished job has no wish but to be removed; a living one cannot be. */
static bool can_be_recorded(const struct gw_job_wish *w)
{
        return gw_state_terminal(w->read.seen.state) == (w->wish.wish == GW_WISH_REMOVE);
}

static enum gw_next record(struct gw_call *call, struct gw_job_wish *w)
{
        w->stage = GW_WISH_RECORDS;
        w->wish.id = w->read.id;
        w->wish.projects = call->principal->project_list;
        w->wish.user_id = call->principal->user_id;
        w->wish.request_id = gw_exchange_request_id(call->exchange);
        gw_db_job_wish_init(&w->wish);
        return gw_call_write(call, &w->wish.cmd);
}

/* The wish came back. */
static bool look_again(struct gw_call *call, struct gw_job_wish *w, enum gw_next *ret_next)
{
        if (w->wish.cmd.error.code != GW_OK) {
                *ret_next = gw_call_fail(call, &w->wish.cmd.error);
                return false;
        }
        if (w->wish.wish == GW_WISH_REMOVE && w->wish.cmd.rows > 0)
                return true;
        w->stage = GW_WISH_LOOKS_AGAIN;
        *ret_next = gw_job_read_begin(call, &w->read);
        return false;
}

bool gw_job_wish_resume(struct gw_call *call, struct gw_job_wish *w, enum gw_next *ret_next)
{
        enum gw_verb verb = w->wish.wish == GW_WISH_REMOVE ? GW_VERB_REMOVE : GW_VERB_CHANGE;
        if (w->stage == GW_WISH_RECORDS)
                return look_again(call, w, ret_next);
        if (!gw_job_read_resume(call, &w->read, ret_next))
                return false;
        if (w->stage == GW_WISH_LOOKS_AGAIN)
                return true;
        *ret_next = GW_NEXT_RESPOND;
        if (!gw_job_allows(call, &w->read.seen, verb))
                return false;
        if (!can_be_recorded(w))
                return true;
        *ret_next = record(call, w);
        return false;
}

void gw_job_wish_done(struct gw_job_wish *w)
{
        gw_job_read_done(&w->read);
        free(w->wish.identities);
}
