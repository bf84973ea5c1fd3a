/* The texts that sbatch's options take, read strictly. Pure. All return 0; or -1 with
 * GW_ERR_INVALID, whose message says what would be right. */
#ifndef GW_BACKENDS_SLURM_AGENT_VALUES_H
#define GW_BACKENDS_SLURM_AGENT_VALUES_H

#include <stdint.h>
#include <time.h>

#include "server/base/error.h"

/* A whole number from lo to hi. */
int gw_agent_read_number(const char *text, int64_t lo, int64_t hi, int64_t *ret,
                         struct gw_error *err);
/* A length of time in whole minutes, rounded up: "90", "MM:SS", "HH:MM:SS", "D-HH:MM:SS",
 * "UNLIMITED"; INFINITE for none or 0. */
int gw_agent_read_minutes(const char *text, uint32_t *ret, struct gw_error *err);
/* The same in whole seconds. */
int gw_agent_read_seconds(const char *text, uint32_t *ret, struct gw_error *err);
/* A time: "2026-12-01T08:00", "16:00", "now+1hour", "tomorrow"; without a zone in the agent's. */
int gw_agent_read_time(const char *text, time_t *ret, struct gw_error *err);
/* Memory or disk in MiB: "7000", "7000M", "5G", "5GB", "1T", "512K" (rounded up). */
int gw_agent_read_mebibytes(const char *text, uint64_t *ret, struct gw_error *err);
/* "4", which is both, or "2-6"; from 1. */
int gw_agent_read_range(const char *text, uint32_t *ret_min, uint32_t *ret_max,
                        struct gw_error *err);
/* "[R][B][:]SIGNAL[@SECONDS]"; 60 seconds by default. */
int gw_agent_read_signal(const char *text, uint16_t *ret_signal, uint16_t *ret_seconds,
                         uint16_t *ret_flags, struct gw_error *err);

#endif
