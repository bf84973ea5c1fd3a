/*
 * The retry policy: reading it, and the two questions asked of it. Any thread; pure.
 *
 * A reason outside `listable` never gets into a policy's set, so gw_retry_wants() needs no
 * second look at it.
 */
#include "server/model/retry.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/model/duration.h"

static_assert(GW_REASON_COUNT <= 64, "reasons are a 64-bit set");

#define BIT(n) (UINT64_C(1) << (n))

static const uint64_t listable =
        BIT(GW_REASON_EXIT_CODE) | BIT(GW_REASON_SIGNAL) | BIT(GW_REASON_OUT_OF_MEMORY) |
        BIT(GW_REASON_TIME_LIMIT) | BIT(GW_REASON_NODE_FAILURE) | BIT(GW_REASON_PREEMPTED) |
        BIT(GW_REASON_EVICTED) | BIT(GW_REASON_IMAGE_PULL) | BIT(GW_REASON_LAUNCH_FAILED) |
        BIT(GW_REASON_HEARTBEAT_LOST) | BIT(GW_REASON_BACKEND_ERROR);

static bool has_code(const struct gw_retry *retry, int code)
{
        return code > 0 && code < 256 && (retry->exit_codes[code / 64] & BIT(code % 64));
}

struct gw_retry gw_retry_default(void)
{
        struct gw_retry r = {.limit = 3, .delay_s = 10, .backoff = 2, .max_delay_s = 600};
        for (unsigned i = 0; i < GW_REASON_COUNT; i++) {
                if (gw_reason_retryable_by_default((enum gw_reason)i))
                        r.reasons |= BIT(i);
        }
        return r;
}

bool gw_retry_may_list(enum gw_reason reason)
{
        assert((unsigned)reason < GW_REASON_COUNT);
        return listable & BIT(reason);
}

bool gw_retry_wants(const struct gw_retry *retry, enum gw_reason reason, int exit_code,
                    unsigned attempts_made)
{
        assert((unsigned)reason < GW_REASON_COUNT);
        if (attempts_made > retry->limit)
                return false;
        if (retry->reasons & BIT(reason))
                return true;
        return reason == GW_REASON_EXIT_CODE && has_code(retry, exit_code);
}

int64_t gw_retry_delay_s(const struct gw_retry *retry, unsigned attempt)
{
        assert(attempt > 0);
        int64_t cap = retry->max_delay_s > retry->delay_s ? retry->max_delay_s : retry->delay_s;
        double delay = (double)retry->delay_s * pow(retry->backoff, attempt - 1);
        return delay < (double)cap ? (int64_t)delay : cap; /* also when it is infinite */
}

static void read_limit(const json_t *v, struct gw_retry *r, struct gw_faults *faults)
{
        json_int_t n = json_integer_value(v);
        if (!json_is_integer(v) || n < 0 || n > GW_MAX_RETRIES)
                gw_faults_add(faults, GW_ERR_INVALID, "/retry/limit",
                              "must be a whole number from 0 to %d", GW_MAX_RETRIES);
        else
                r->limit = (unsigned)n;
}

static void read_duration(const json_t *v, const char *pointer, int64_t *ret,
                          struct gw_faults *faults)
{
        struct gw_error err = {0};
        json_int_t n = json_integer_value(v);
        if (json_is_string(v)) {
                if (gw_duration_parse(json_string_value(v), ret, &err))
                        gw_faults_add(faults, err.code, pointer, "%s", err.message);
        } else if (!json_is_integer(v) || n < 0 || n > GW_MAX_DURATION_S) {
                gw_faults_add(faults, GW_ERR_INVALID, pointer,
                              "must be a number of seconds or text such as \"90s\" or \"2h30m\"");
        } else {
                *ret = n;
        }
}

static void read_delay(const json_t *v, struct gw_retry *r, struct gw_faults *faults)
{
        read_duration(v, "/retry/delay", &r->delay_s, faults);
}

static void read_max_delay(const json_t *v, struct gw_retry *r, struct gw_faults *faults)
{
        read_duration(v, "/retry/max_delay", &r->max_delay_s, faults);
}

static void read_orphan_wait(const json_t *v, struct gw_retry *r, struct gw_faults *faults)
{
        int64_t wait_s = -1;
        read_duration(v, "/retry/orphan_wait", &wait_s, faults);
        if (wait_s == 0)
                gw_faults_add(faults, GW_ERR_INVALID, "/retry/orphan_wait",
                              "must be longer than 0");
        else if (wait_s > 0)
                r->orphan_wait_s = wait_s;
}

static void read_backoff(const json_t *v, struct gw_retry *r, struct gw_faults *faults)
{
        double f = json_number_value(v);
        if (!json_is_number(v) || !(f >= 1 && f <= GW_MAX_BACKOFF))
                gw_faults_add(faults, GW_ERR_INVALID, "/retry/backoff",
                              "must be a number from 1 to %d", GW_MAX_BACKOFF);
        else
                r->backoff = f;
}

static void read_reason(const char *name, const char *pointer, struct gw_retry *r,
                        struct gw_faults *faults)
{
        enum gw_reason reason;
        if (gw_reason_parse(name, &reason))
                gw_faults_add(faults, GW_ERR_INVALID, pointer,
                              "is not a reason: name one such as node_failure, preempted, "
                              "out_of_memory or exit_code, or give an exit code as a number");
        else if (!gw_retry_may_list(reason))
                gw_faults_add(faults, GW_ERR_UNPROCESSABLE, pointer, "%s is never retried", name);
        else
                r->reasons |= BIT(reason);
}

static void read_on(const json_t *v, struct gw_retry *r, struct gw_faults *faults)
{
        if (!json_is_array(v)) {
                gw_faults_add(faults, GW_ERR_INVALID, "/retry/on",
                              "must be a list of reasons and exit codes");
                return;
        }
        r->reasons = 0;
        size_t i;
        const json_t *item;
        json_array_foreach(v, i, item)
        {
                char pointer[48];
                json_int_t code = json_integer_value(item);
                snprintf(pointer, sizeof pointer, "/retry/on/%zu", i);
                if (json_is_string(item))
                        read_reason(json_string_value(item), pointer, r, faults);
                else if (json_is_integer(item) && code > 0 && code < 256)
                        r->exit_codes[code / 64] |= BIT(code % 64);
                else
                        gw_faults_add(faults, GW_ERR_INVALID, pointer,
                                      "must be the name of a reason, or an exit code from 1 to "
                                      "255");
        }
}

int gw_retry_from_json(const json_t *json, struct gw_retry *ret, struct gw_faults *faults)
{
        static const struct {
                const char *name;
                void (*read)(const json_t *v, struct gw_retry *r, struct gw_faults *faults);
        } members[] = {{"limit", read_limit},
                       {"delay", read_delay},
                       {"backoff", read_backoff},
                       {"max_delay", read_max_delay},
                       {"orphan_wait", read_orphan_wait},
                       {"on", read_on}};
        struct gw_retry r = gw_retry_default();
        size_t before = faults->count + faults->dropped;

        if (json && !json_is_object(json)) {
                gw_faults_add(faults, GW_ERR_INVALID, "/retry", "must be an object");
                return -1;
        }
        for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
                const json_t *v = json_object_get(json, members[i].name);
                if (v)
                        members[i].read(v, &r, faults);
        }
        if (faults->count + faults->dropped != before)
                return -1;
        *ret = r;
        return 0;
}
