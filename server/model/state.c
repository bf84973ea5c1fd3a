/*
 * The tables behind state.h: one row per state and per reason, in the order of the enums,
 * so that a number is an index. Any thread; constant data only.
 */
#include "server/model/state.h"

#include <assert.h>
#include <stddef.h>
#include <string.h>

static const char *const state_names[GW_STATE_COUNT] = {
        [GW_QUEUED] = "queued",       [GW_PENDING] = "pending", [GW_RUNNING] = "running",
        [GW_SUCCEEDED] = "succeeded", [GW_FAILED] = "failed",   [GW_CANCELLED] = "cancelled",
};

static const struct reason_row {
        const char *name;
        enum gw_state outcome;
        bool retryable; /* by default */
} reasons[GW_REASON_COUNT] = {
        [GW_REASON_NONE] = {NULL, GW_FAILED, false},
        [GW_REASON_DEPENDENCY] = {"dependency", GW_FAILED, false},
        [GW_REASON_QUOTA] = {"quota", GW_FAILED, false},
        [GW_REASON_BACKEND_UNAVAILABLE] = {"backend_unavailable", GW_FAILED, false},
        [GW_REASON_SUBMIT_UNKNOWN] = {"submit_unknown", GW_FAILED, false},
        [GW_REASON_RETRY_DELAY] = {"retry_delay", GW_FAILED, false},
        [GW_REASON_NOT_BEFORE] = {"not_before", GW_FAILED, false},
        [GW_REASON_HELD] = {"held", GW_FAILED, false},
        [GW_REASON_PRIORITY] = {"priority", GW_FAILED, false},
        [GW_REASON_RESOURCES] = {"resources", GW_FAILED, false},
        [GW_REASON_LIMIT] = {"limit", GW_FAILED, false},
        [GW_REASON_UNSCHEDULABLE] = {"unschedulable", GW_FAILED, false},
        [GW_REASON_IMAGE_PULL] = {"image_pull", GW_FAILED, false},
        [GW_REASON_NODE_UNAVAILABLE] = {"node_unavailable", GW_FAILED, false},
        [GW_REASON_SUSPENDED] = {"suspended", GW_FAILED, false},
        [GW_REASON_ENDING] = {"ending", GW_FAILED, false},
        [GW_REASON_COMPLETED] = {"completed", GW_SUCCEEDED, false},
        [GW_REASON_EXIT_CODE] = {"exit_code", GW_FAILED, false},
        [GW_REASON_SIGNAL] = {"signal", GW_FAILED, false},
        [GW_REASON_OUT_OF_MEMORY] = {"out_of_memory", GW_FAILED, false},
        [GW_REASON_TIME_LIMIT] = {"time_limit", GW_FAILED, false},
        [GW_REASON_DEADLINE] = {"deadline", GW_FAILED, false},
        [GW_REASON_START_DEADLINE] = {"start_deadline", GW_FAILED, false},
        [GW_REASON_NODE_FAILURE] = {"node_failure", GW_FAILED, true},
        [GW_REASON_PREEMPTED] = {"preempted", GW_FAILED, true},
        [GW_REASON_EVICTED] = {"evicted", GW_FAILED, true},
        [GW_REASON_REJECTED] = {"rejected", GW_FAILED, false},
        [GW_REASON_LAUNCH_FAILED] = {"launch_failed", GW_FAILED, true},
        [GW_REASON_DEPENDENCY_FAILED] = {"dependency_failed", GW_FAILED, false},
        [GW_REASON_HEARTBEAT_LOST] = {"heartbeat_lost", GW_FAILED, false},
        [GW_REASON_LOST] = {"lost", GW_FAILED, false},
        [GW_REASON_CANCELLED_BY_USER] = {"cancelled_by_user", GW_CANCELLED, false},
        [GW_REASON_CANCELLED_BY_ADMIN] = {"cancelled_by_admin", GW_CANCELLED, false},
        [GW_REASON_CANCELLED_EXTERNALLY] = {"cancelled_externally", GW_CANCELLED, false},
        [GW_REASON_BACKEND_ERROR] = {"backend_error", GW_FAILED, false},
};

const char *gw_state_name(enum gw_state s)
{
        assert((unsigned)s < GW_STATE_COUNT);
        return state_names[s];
}

const char *gw_reason_name(enum gw_reason r)
{
        assert((unsigned)r < GW_REASON_COUNT);
        return reasons[r].name;
}

int gw_state_parse(const char *name, enum gw_state *ret)
{
        for (unsigned i = 0; i < GW_STATE_COUNT; i++) {
                if (strcmp(name, state_names[i]) == 0) {
                        *ret = (enum gw_state)i;
                        return 0;
                }
        }
        return -1;
}

int gw_reason_parse(const char *name, enum gw_reason *ret)
{
        for (unsigned i = GW_REASON_NONE + 1; i < GW_REASON_COUNT; i++) {
                if (strcmp(name, reasons[i].name) == 0) {
                        *ret = (enum gw_reason)i;
                        return 0;
                }
        }
        return -1;
}

enum gw_state gw_reason_outcome(enum gw_reason r)
{
        assert((unsigned)r < GW_REASON_COUNT);
        return reasons[r].outcome;
}

bool gw_reason_retryable_by_default(enum gw_reason r)
{
        assert((unsigned)r < GW_REASON_COUNT);
        return reasons[r].retryable;
}
