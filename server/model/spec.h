/*
 * A job's spec as resolved: what the record, the engine and the answer need of a JobSpec.
 *
 * Two ways to one. A request's spec has gone through gw_json_parse() and gw_decode() with
 * gw_schema_JobSpec, so each member has its shape and the contract's defaults are in; here
 * the rules across members are checked (spec_check.h), the defaults that depend on other
 * members are added, and the text that is stored and shown is made. A stored spec is read
 * back with gw_spec_load(). Pure: no I/O, no clock. Any thread; a gw_spec belongs to one.
 */
#ifndef GW_MODEL_SPEC_H
#define GW_MODEL_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/model/faults.h"
#include "server/model/indexset.h"
#include "server/model/retry.h"
#include "server/model/spec_check.h"

/* Most bytes of a resolved text; a body within GW_MAX_BODY_BYTES never gets there. */
#define GW_MAX_SPEC_TEXT (8 * 1024 * 1024)

struct gw_spec {
        json_t *json; /* the spec as resolved, a reference of its own */
        char *text;   /* the same, compact, members in the client's order, then the defaults */
        size_t text_len;

        /* Its script has lines for the backend's own submit command (directives.h) and goes to it
         * as it is: what json does not say, the script may, and is 0 here. */
        bool is_raw;
        char *script_name; /* the name that such a script gives its job, where it is one; or NULL */

        /* Read from json, and living as long as it, but for a name of the script's. */
        const char *name;    /* never NULL */
        const char *project; /* NULL: none named */
        const char *backend; /* NULL: none named, the project's default is meant */

        /* What one task needs: machines, and on each of them processes. */
        int nodes;                   /* at least 1 */
        int tasks_per_node;          /* at least 1 */
        int64_t cpus_milli;          /* of a process, thousandths of a core, > 0 unless is_raw */
        int64_t memory_bytes;        /* of a machine, also where it is said per CPU */
        int64_t memory_per_cpu;      /* bytes; 0: it is not said so */
        int64_t scratch_bytes;       /* of a machine's disk; 0: none is asked for */
        int64_t shared_memory_bytes; /* a part of the memory; 0: none is asked for */
        int gpus;                    /* of a machine */
        bool cpus_preset, memory_preset; /* as large as they are when nothing is said */

        int priority;
        bool hold;
        int64_t not_before_us;    /* wall time; 0: at once */
        int64_t time_limit_s;     /* of one attempt; 0: none */
        int64_t deadline_s;       /* of the whole job, from its submission; 0: none */
        int64_t start_deadline_s; /* to its first start, from its submission; 0: none */
        struct gw_retry retry;
        char *labels; /* JSON text of an object, or NULL when there are none */

        /* Its tasks. */
        bool is_array;
        struct gw_indexset indices; /* of the tasks; of a matrix: its combinations; of a plain
                                       job: 0 */
        uint32_t task_count;        /* as many as there are indices, at least 1 */
        const json_t *matrix;       /* part of json (matrix.h), or NULL */
};

/*
 * Resolves a decoded spec. `spec` is changed in place (what the caller wants to have in the
 * text, as the project's name and its default backend, is put in before); *ret takes a
 * reference of its own. reads_scripts: the backend's submit command reads its script's lines,
 * so that nothing they may say gets a default, and their array is put into the spec.
 * now_us: the wall time of the submission. Returns 0 and appends the rules of thumb that are not
 * kept to `warnings` (which may be NULL); or -1 with every broken rule in `faults`
 * (GW_ERR_UNPROCESSABLE; GW_ERR_TOO_LARGE, GW_ERR_NOMEM) and *ret untouched. Pointers begin at the
 * spec: "/command/0".
 */
int gw_spec_resolve(json_t *spec, bool reads_scripts, int64_t now_us, struct gw_spec *ret,
                    struct gw_warnings *warnings, struct gw_faults *faults);

/* Reads a stored text back, for the engine; ret->text is a copy. is_raw is true wherever a script
 * has lines for a submit command: whether the backend has one, the caller knows. Returns 0, or -1
 * with GW_ERR_INTERNAL when the record holds what no gw_spec_resolve() made, or GW_ERR_NOMEM. */
int gw_spec_load(const char *text, size_t len, struct gw_spec *ret, struct gw_error *err);

/* Gives up what is large beside the texts: json becomes the name alone, and project, backend, the
 * indices and the matrix are gone. */
void gw_spec_pack(struct gw_spec *spec);

/* Accepts one that is all zero or done already. */
void gw_spec_done(struct gw_spec *spec);

#endif
