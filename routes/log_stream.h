/*
 * A log's text that is made while it is sent, and who may read it. The exchange's loop thread.
 *
 * Such an answer may last for long. When people have changed it is asked again, before more is
 * made, who the caller is; and when that is nobody any more, or the job is not theirs to read, or
 * the token's time is over, the answer is cut. While it cannot be asked, nothing is made.
 */
#ifndef GW_ROUTES_LOG_STREAM_H
#define GW_ROUTES_LOG_STREAM_H

#include "routes/authenticate.h"
#include "routes/job_read.h"

/* Embedded in a handler's state, zeroed. */
struct gw_log_stream {
        /* private */
        struct gw_call *call;
        const struct gw_job_seen *job;
        gw_stream_read read;
        void *arg;
        struct gw_lookup *lookup; /* is out */
        struct gw_hub_wait wait;  /* until it is asked again */
        bool away, waiting;       /* it could not be asked; the wait is out */
        bool refused;
};

/* Answers with what read(arg, …) makes, which sees the caller's principal as it is then. `job`,
 * borrowed, is the one that is read. */
void gw_log_stream_begin(struct gw_call *call, struct gw_log_stream *s,
                         const struct gw_job_seen *job, gw_stream_read read, void *arg);
/* Whether what came home was sent out here; *ret_next is then what the handler returns. */
bool gw_log_stream_resume(struct gw_log_stream *s, enum gw_next *ret_next);
/* Nobody waits any more. True when what is out was sent out here. */
bool gw_log_stream_abandon(struct gw_log_stream *s);

#endif
