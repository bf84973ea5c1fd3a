/*
 * Following a job's output: an answer that is made as the output appears. Without ?attempt= it
 * goes on with the next attempt when there is one, and ends with the job.
 */
#ifndef GW_ROUTES_LOG_FOLLOW_H
#define GW_ROUTES_LOG_FOLLOW_H

#include "routes/log_find.h"
#include "routes/log_stream.h"

struct gw_log_follow {
        struct gw_call *call;
        struct gw_log_find find;
        struct gw_log_stream stream;
        struct gw_follower *follower;
        struct gw_log_kept_place place; /* of what it follows */
        struct gw_hub_wait wait;
        int64_t since;    /* of gw_hub_now(), before the search */
        int64_t began_us; /* monotonic: the search */
        int64_t next_us;  /* monotonic: and not before this another, when an event calls for it */
        bool streaming;
        enum {
                LOG_FOLLOW_SEARCH, /* the search is going on */
                LOG_FOLLOW_STAND,  /* nothing to send now: the next read waits for an event */
                LOG_FOLLOW_WAIT,   /* at the hub */
                LOG_FOLLOW_PAUSE,  /* it came home too soon: the next read waits for the time */
                LOG_FOLLOW_SEND,   /* from the follower */
                LOG_FOLLOW_END
        } stage;
};

/* The functions of the handler. */
enum gw_next gw_log_follow_begin(struct gw_call *call, struct gw_log_follow *l);
enum gw_next gw_log_follow_resume(struct gw_call *call, struct gw_log_follow *l);
void gw_log_follow_abandon(struct gw_call *call, struct gw_log_follow *l);
void gw_log_follow_done(struct gw_log_follow *l); /* also one that is zero */

#endif
