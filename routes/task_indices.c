/* The names of a job's tasks. The exchange's loop thread; the write is on the database's. */
#include "routes/task_indices.h"

#include <string.h>

#include "routes/job_json.h"

void gw_task_indices_write(struct gw_buf *out, const struct gw_job_row *row, unsigned fields)
{
        if (row->index_set)
                gw_buf_str(out, row->index_set);
        else
                gw_task_json(out, row, fields);
}

int gw_task_indices(struct gw_call *call, const struct gw_job_read *r, struct gw_indexset *ret)
{
        struct gw_error err = {0};
        const char *text = r->seen.is_array ? r->out.data : "0";
        if (gw_buf_ok(&r->out) && gw_indexset_parse(text, ret, &err) == 0)
                return 0;
        gw_call_fail_code(call, err.code == GW_ERR_INVALID ? GW_ERR_INTERNAL : GW_ERR_NOMEM,
                          "the job's indices cannot be read");
        return -1;
}

int gw_task_ordinal(struct gw_call *call, const struct gw_indexset *set, int64_t index,
                    uint32_t *ret)
{
        if (index >= 0 && index <= GW_MAX_INDEX &&
            gw_indexset_ordinal(set, (uint32_t)index, ret) == 0)
                return 0;
        gw_call_fail_code(call, GW_ERR_NOT_FOUND, "the job has no such task");
        return -1;
}

int gw_task_pick(struct gw_call *call, const struct gw_indexset *all, const char *named,
                 const char *pointer, struct gw_buf *ret, struct gw_spans *ret_ordinals)
{
        struct gw_indexset some = {0};
        struct gw_spans ordinals = GW_SPANS_INIT;
        struct gw_error err = {0};
        int rc = gw_indexset_parse(named, &some, &err);
        if (rc == 0)
                rc = gw_indexset_pick(all, &some, &ordinals, &err);
        if (rc == 0)
                gw_indexset_format(&some, ret);
        if (rc == 0 && !gw_buf_ok(ret))
                rc = gw_fail(&err, GW_ERR_NOMEM, "out of memory");
        if (rc < 0)
                gw_faults_add(call->faults,
                              err.code == GW_ERR_NOMEM ? GW_ERR_NOMEM : GW_ERR_UNPROCESSABLE,
                              pointer, "%s", err.message);
        if (rc == 0 && ret_ordinals)
                *ret_ordinals = ordinals;
        else
                gw_spans_done(&ordinals);
        gw_indexset_done(&some);
        return rc;
}
