/*
 * A row of the record as the JSON the contract promises: jobs, and the task and attempts of a
 * plain job. Pure, any thread; written into a buffer, no JSON value is made.
 */
#ifndef GW_ROUTES_JOB_JSON_H
#define GW_ROUTES_JOB_JSON_H

#include <jansson.h>

#include "db/jobs.h"
#include "server/base/buf.h"

/* Members of a job, as bits: 1 << their place in the answer. */
#define GW_JOB_FIELD_ID 0x1u
#define GW_JOB_FIELD_SCHEDULER 0x200000u
#define GW_JOB_FIELD_SPEC 0x400000u
#define GW_JOB_COLD_FIELDS (GW_JOB_FIELD_SCHEDULER | GW_JOB_FIELD_SPEC) /* of other tables */
#define GW_JOB_ALL_FIELDS 0x7fffffu

/* Most bytes of one job's JSON: a spec, and all the rest. */
#define GW_MAX_JOB_JSON (9 * 1024 * 1024)

/* ?fields= to bits; `id` is always in. names NULL: `absent`. */
unsigned gw_job_fields(const json_t *names, unsigned absent);

void gw_job_json(struct gw_buf *out, const struct gw_job_row *row, unsigned fields);

/* A strong entity tag for these members of that version. */
#define GW_JOB_ETAG 32
void gw_job_etag(int32_t version, unsigned fields, char out[GW_JOB_ETAG]);

/* The only task of a plain job. `fields` is not looked at. */
void gw_task_json(struct gw_buf *out, const struct gw_job_row *row, unsigned fields);
/* A Task of an array. */
void gw_array_task_json(struct gw_buf *out, uint32_t index, const struct gw_task_row *row);
void gw_attempt_json(struct gw_buf *out, const struct gw_attempt_row *row);

#endif
