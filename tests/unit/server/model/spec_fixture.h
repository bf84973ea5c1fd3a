/* A spec's way from a request's text, as a route takes it. */
#ifndef GW_TESTS_SPEC_FIXTURE_H
#define GW_TESTS_SPEC_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "openapi/schemas.h"
#include "server/base/clock.h"
#include "server/model/decode.h"
#include "server/model/json.h"
#include "server/model/spec.h"

#define NOW (INT64_C(1795004800) * GW_SECOND) /* 2026-11-18T12:26:40Z */

static struct gw_warnings warnings;
static struct gw_faults faults;

/* Returns what gw_spec_resolve() does. The text itself is good in shape. */
static inline int resolve_for(const char *text, bool reads_scripts, struct gw_spec *ret)
{
        gw_faults_init(&faults);
        gw_warnings_init(&warnings);
        json_t *json = gw_json_parse(text, strlen(text), &faults);
        if (!json || gw_decode(&gw_schema_JobSpec, json, "", &faults))
                fail_msg("%s: %s %s", text, faults.items[0].pointer, faults.items[0].detail);
        int rc = gw_spec_resolve(json, reads_scripts, NOW, ret, &warnings, &faults);
        json_decref(json);
        assert_int_equal(rc != 0, gw_faults_any(&faults));
        return rc;
}

static inline int resolve(const char *text, struct gw_spec *ret)
{
        return resolve_for(text, false, ret);
}

static inline struct gw_spec must_resolve_for(const char *text, bool reads_scripts)
{
        struct gw_spec spec = {0};
        if (resolve_for(text, reads_scripts, &spec))
                fail_msg("%s: %s %s", text, faults.items[0].pointer, faults.items[0].detail);
        return spec;
}

static inline struct gw_spec must_resolve(const char *text)
{
        return must_resolve_for(text, false);
}

#endif
