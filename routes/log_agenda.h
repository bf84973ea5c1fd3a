/*
 * Which of the tasks that a call asks for have output that was not sent. Pure; one thread at a
 * time.
 *
 * What the record says of the tasks is shown to it (see); it says which task is next, and is
 * told what became of that.
 */
#ifndef GW_ROUTES_LOG_AGENDA_H
#define GW_ROUTES_LOG_AGENDA_H

#include "server/model/indexset.h"
#include "server/model/state.h"

struct gw_log_task {
        int32_t sent; /* the last attempt that was dealt with; they go in order */
        bool old;     /* there was output when the call began */
        bool news;    /* there is an attempt to be dealt with */
        bool open;    /* one is being dealt with */
        bool over;    /* there will be nothing more */
};

struct gw_log_agenda {
        struct gw_indexset all, some; /* of the job; asked for */
        struct gw_log_task *tasks;    /* one for each of some, by its ordinal there: its place */
        uint32_t left;                /* how many are not over */
        bool begun;                   /* the record was read to its end once */
};

/* What the record says of a task. */
struct gw_log_fact {
        uint32_t ordinal; /* in all */
        enum gw_state state;
        int32_t attempts;
        bool started; /* the last of these */
};

/* named: as a client wrote it, or NULL for all. Returns 0; or -1 with GW_ERR_UNPROCESSABLE, when
 * the job has no such task or they are too many, or GW_ERR_NOMEM. Ends with done in any case. */
int gw_log_agenda_init(struct gw_log_agenda *a, const char *indices, const char *named,
                       struct gw_error *err);
void gw_log_agenda_done(struct gw_log_agenda *a); /* also one that is zero */

void gw_log_agenda_see(struct gw_log_agenda *a, const struct gw_log_fact *fact);
/* The first ordinal of the job from `from` on of a task that is not over, and the last of those
 * that lie close behind it. Returns whether there is one. */
bool gw_log_agenda_range(const struct gw_log_agenda *a, uint32_t from, uint32_t *ret_first,
                         uint32_t *ret_last);

/* The first task with news that is not open. */
bool gw_log_agenda_next(const struct gw_log_agenda *a, uint32_t *ret_place);
/* What the task is called, and where it is in the job. */
uint32_t gw_log_agenda_index(const struct gw_log_agenda *a, uint32_t place);
uint32_t gw_log_agenda_ordinal(const struct gw_log_agenda *a, uint32_t place);
void gw_log_agenda_over(struct gw_log_agenda *a, uint32_t place);

#endif
