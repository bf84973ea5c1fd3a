/* A job in each step, and an event of each type, for the tests of the job table. */
#ifndef GW_TESTS_JOB_FIXTURE_H
#define GW_TESTS_JOB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "server/base/clock.h"
#include "server/model/job.h"

#define NOW (1000 * GW_SECOND)

static struct gw_job_effect effect;

static inline struct gw_job new_job(enum gw_job_step step)
{
        static const enum gw_state states[] = {GW_QUEUED,  GW_QUEUED,  GW_QUEUED,
                                               GW_PENDING, GW_RUNNING, GW_SUCCEEDED};
        struct gw_job job = {.step = step, .state = states[step], .exit_code = -1};
        job.retry = gw_retry_default();
        if (step != GW_STEP_WAITING) {
                job.submission = 1;
                job.attempt = 1;
        }
        if (step == GW_STEP_UNKNOWN)
                job.reason = GW_REASON_SUBMIT_UNKNOWN;
        if (step >= GW_STEP_RUNNING)
                job.started_us = job.first_started_us = NOW - GW_SECOND;
        if (step == GW_STEP_ENDED) {
                job.reason = GW_REASON_COMPLETED;
                job.exit_code = 0;
                job.ended_us = NOW;
        }
        return job;
}

static inline struct gw_job_event event_of(enum gw_job_event_type type)
{
        struct gw_job_event e = {.type = type, .at_us = NOW, .seen = 5, .exit_code = -1};
        if (type == GW_EVENT_FACT_ENDED || type == GW_EVENT_FACT_ENDING) {
                e.reason = GW_REASON_COMPLETED;
                e.exit_code = 0;
        }
        if (type == GW_EVENT_CANCEL)
                e.reason = GW_REASON_CANCELLED_BY_USER;
        return e;
}

static inline void apply(struct gw_job *job, struct gw_job_event e)
{
        gw_job_apply(job, &e, &effect);
}

static inline void apply_type(struct gw_job *job, enum gw_job_event_type type)
{
        apply(job, event_of(type));
}

static inline void apply_reason(struct gw_job *job, enum gw_job_event_type type,
                                enum gw_reason reason)
{
        struct gw_job_event e = event_of(type);
        e.reason = reason;
        apply(job, e);
}

static inline void assert_job(const struct gw_job *job, enum gw_job_step step, enum gw_state state,
                              enum gw_reason reason)
{
        assert_string_equal(gw_job_step_name(job->step), gw_job_step_name(step));
        assert_string_equal(gw_state_name(job->state), gw_state_name(state));
        assert_int_equal(job->reason, reason);
}

#endif
