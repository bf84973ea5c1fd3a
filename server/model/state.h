/* The words for where a job is and why (states and reasons), with their names on the wire and
 * in the database. Pure tables. */
#ifndef GW_MODEL_STATE_H
#define GW_MODEL_STATE_H

#include <stdbool.h>

enum gw_state {
        GW_QUEUED,    /* accepted, held by jobgate; also while a hand-over's outcome is unknown */
        GW_PENDING,   /* the backend has it, and it waits there */
        GW_RUNNING,   /* it runs, or may run */
        GW_SUCCEEDED, /* from here on it never changes */
        GW_FAILED,
        GW_CANCELLED,
        GW_STATE_COUNT
};

enum gw_reason {
        GW_REASON_NONE,
        /* while waiting */
        GW_REASON_DEPENDENCY,
        GW_REASON_QUOTA,
        GW_REASON_BACKEND_UNAVAILABLE,
        GW_REASON_SUBMIT_UNKNOWN,
        GW_REASON_RETRY_DELAY,
        GW_REASON_NOT_BEFORE,
        GW_REASON_HELD,
        GW_REASON_PRIORITY,
        GW_REASON_RESOURCES,
        GW_REASON_LIMIT,
        GW_REASON_UNSCHEDULABLE,
        GW_REASON_IMAGE_PULL,       /* also at the end */
        GW_REASON_NODE_UNAVAILABLE, /* also while running: the node is silent */
        GW_REASON_SUSPENDED,
        /* while running */
        GW_REASON_ENDING, /* an outcome is known, the end is not */
        /* at the end */
        GW_REASON_COMPLETED,
        GW_REASON_EXIT_CODE,
        GW_REASON_SIGNAL,
        GW_REASON_OUT_OF_MEMORY,
        GW_REASON_TIME_LIMIT,
        GW_REASON_DEADLINE,
        GW_REASON_START_DEADLINE,
        GW_REASON_NODE_FAILURE,
        GW_REASON_PREEMPTED,
        GW_REASON_EVICTED,
        GW_REASON_REJECTED,
        GW_REASON_LAUNCH_FAILED,
        GW_REASON_DEPENDENCY_FAILED,
        GW_REASON_HEARTBEAT_LOST,
        GW_REASON_LOST,
        GW_REASON_CANCELLED_BY_USER,
        GW_REASON_CANCELLED_BY_ADMIN,
        GW_REASON_CANCELLED_EXTERNALLY,
        GW_REASON_BACKEND_ERROR,
        GW_REASON_COUNT
};

static inline bool gw_state_terminal(enum gw_state s)
{
        return s >= GW_SUCCEEDED;
}

/* "queued"; "exit_code"; GW_REASON_NONE gives NULL (null on the wire). */
const char *gw_state_name(enum gw_state s);
const char *gw_reason_name(enum gw_reason r);

/* The inverse. Returns 0, or -1 for a name that is none. */
int gw_state_parse(const char *name, enum gw_state *ret);
int gw_reason_parse(const char *name, enum gw_reason *ret);

/* The state a job is in once an attempt ended for this reason and nothing is retried:
 * completed → succeeded, the cancelled_* → cancelled, all others → failed. */
enum gw_state gw_reason_outcome(enum gw_reason r);

/* What is nobody's fault in the job itself: the default of retry.on (node_failure, preempted,
 * evicted, launch_failed). */
bool gw_reason_retryable_by_default(enum gw_reason r);

#endif
