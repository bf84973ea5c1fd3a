/*
 * Recording what a caller wants of one job: read it, check that the caller may, record the
 * wish, read it again. Embedded in a handler's state, as gw_job_read is.
 */
#ifndef GW_ROUTES_JOB_WISH_H
#define GW_ROUTES_JOB_WISH_H

#include "routes/job_read.h"

struct gw_job_wish {
        struct gw_job_read read;
        struct gw_db_job_wish wish;
        enum { GW_WISH_LOOKS, GW_WISH_RECORDS, GW_WISH_LOOKS_AGAIN } stage;
};

/* The job is the path's first parameter. */
enum gw_next gw_job_wish_begin(struct gw_call *call, struct gw_job_wish *w, enum gw_wish wish);
/* True: it is over, and w->read holds the job as it is now; but not after a removal, which is
 * over when w->wish.cmd.rows is 1. False: *ret_next is what the handler returns. */
bool gw_job_wish_resume(struct gw_call *call, struct gw_job_wish *w, enum gw_next *ret_next);
void gw_job_wish_done(struct gw_job_wish *w);

#endif
