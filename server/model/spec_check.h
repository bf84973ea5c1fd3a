/*
 * The rules of a job spec that no schema can hold: those across members (faults, 422), and
 * the field's rules of thumb (warnings, never a refusal). Pure.
 */
#ifndef GW_MODEL_SPEC_CHECK_H
#define GW_MODEL_SPEC_CHECK_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"
#include "server/model/faults.h"

#define GW_MAX_WARNINGS 16

struct gw_warning {
        const char *rule; /* stable name, static: "time_limit" */
        char pointer[GW_ERROR_POINTER];
        char detail[GW_ERROR_MESSAGE];
};

struct gw_warnings {
        size_t count;
        struct gw_warning items[GW_MAX_WARNINGS];
};

void gw_warnings_init(struct gw_warnings *w);
/* Appends one; beyond GW_MAX_WARNINGS it is left out. rule: static. */
void gw_warnings_add(struct gw_warnings *w, const char *rule, const char *pointer,
                     const char *format, ...) __attribute__((format(printf, 4, 5)));

struct gw_spec;

/* Adds a fault for every rule that the spec breaks. now_us: the time of its submission. The
 * spec is read as far as it could be: what has a fault already is 0 or NULL in it. */
void gw_spec_check(const struct gw_spec *spec, int64_t now_us, struct gw_faults *faults);

/* Appends a warning for every rule of thumb that the resolved spec does not keep. The rules:
 * time_limit, gpu_per_process, cpus_per_gpu, memory_per_gpu, retry_limit. */
void gw_spec_advise(const struct gw_spec *spec, struct gw_warnings *warnings);

/* Whether the command or script names a program that starts others, one per process, as srun and
 * torchrun do. */
bool gw_spec_has_launcher(const json_t *spec);

#endif
