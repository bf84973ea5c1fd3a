/* A task's file (format.h): made from a plan, and its head read back after a restart. Pure. */
#ifndef GW_BACKENDS_LOCAL_TASK_H
#define GW_BACKENDS_LOCAL_TASK_H

#include "backends/local/array.h"
#include "backends/local/plan.h"
#include "server/base/buf.h"

/* What the gateway needs to know of a task again. */
struct gw_local_task_head {
        int64_t arrival_us; /* wall; its place in line */
        int64_t cpus_milli, memory, gpus;
        int64_t journal; /* where it begins in the file */
        int64_t array;   /* whether it says which tasks: else it is a plain job */
};

#define GW_LOCAL_TASK_HEAD 512 /* bytes from the beginning that hold it */

/* Appends the whole file. Returns 0, or -1 with GW_ERR_NOMEM or GW_ERR_TOO_LARGE. */
int gw_local_task_write(const struct gw_local_plan *plan, const struct gw_submission *s,
                        const struct gw_local_settings *settings, const struct gw_account *account,
                        int64_t arrival_us, struct gw_buf *out, struct gw_error *err);

/* Reads the head, changing the text. Returns 0, or -1 when there is no whole one. */
int gw_local_task_parse(char *text, size_t len, struct gw_local_task_head *ret);

/* Reads which tasks an array's file is for, changing the text. Returns 0, and the caller ends both;
 * or -1 with errno: EBADMSG when it does not say, ENOMEM. */
int gw_local_task_parse_array(char *text, size_t len, struct gw_local_array *ret,
                              struct gw_spans *ret_spans);

#endif
