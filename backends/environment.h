/*
 * The variables that each task finds, on every backend. Pure; any thread.
 */
#ifndef GW_BACKENDS_ENVIRONMENT_H
#define GW_BACKENDS_ENVIRONMENT_H

#include <jansson.h>

#include "backends/account.h"
#include "backends/backend.h"

/* Names and values as one object: defaults, those of the spec over them, JOBGATE_… over all, but
 * for what differs from task to task. url: JOBGATE_URL, or NULL; account NULL leaves the user's
 * own variables out. A new reference, or NULL without memory. */
json_t *gw_task_environment(const json_t *spec, const struct gw_submission *s, const char *url,
                            const struct gw_account *account);

/* The same without defaults, for a container: its image says what PATH is. */
json_t *gw_task_variables(const json_t *spec, const struct gw_submission *s, const char *url);

#endif
