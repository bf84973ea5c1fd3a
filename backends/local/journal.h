/* Reading what the runs of a submission have written down (format.h). */
#ifndef GW_BACKENDS_LOCAL_JOURNAL_H
#define GW_BACKENDS_LOCAL_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/local/format.h"
#include "server/model/spans.h"
#include "server/model/state.h"

/* One record: a start, of one ordinal, or a whole outcome. */
struct gw_local_record {
        struct gw_span span;
        bool ended; /* an outcome; else a start: nothing else is set of one that was cut */
        /* of a start */
        int64_t started_us;
        pid_t shim;
        int64_t born; /* when the shim began, in ticks since boot */
        char boot[GW_LOCAL_BOOT_ID];
        uint64_t gpus; /* a set */
        /* of an outcome */
        int64_t ended_us, max_memory, cpu_us;
        int exit_code, signal;
        enum gw_reason reason;
        char raw[GW_LOCAL_RAW];
};

/* Calls found() for every record from *at on, which is moved behind those that were done with: one
 * that is not whole at the end may still be, so a start there is found again. found() returns 0, or
 * -1 to stop before the record. Returns 0; or -1 with errno, or when found() did. May block on the
 * disk. */
int gw_local_journal_read(int task, int64_t *at,
                          int (*found)(void *arg, const struct gw_local_record *record), void *arg);

#endif
