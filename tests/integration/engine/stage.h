/*
 * The stage of the leader's tests: a real database, a leader, and a backend that does what the
 * test says: what no real scheduler can be made to do on demand (lose an answer, forget a job,
 * run one twice).
 *
 * The test's thread is the backend's thread: ops are queued as calls, which the test awaits
 * and answers. Names are short here: the tests are written in them.
 */
#ifndef GW_TESTS_ENGINE_STAGE_H
#define GW_TESTS_ENGINE_STAGE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/base/clock.h"
#include "server/engine/leader.h"
#include "tests/integration/engine/support.h"

#define SPEC_WITH(members)                                                                               \
        "{\"command\":[\"true\"],\"name\":\"one\",\"resources\":{\"cpus\":1,\"memory\":\"1Gi\"}" members \
        "}"
#define SPEC SPEC_WITH("")
#define MAX_CALLS 1024
#define MAX_LIVE 64

struct call {
        enum gw_request request;
        struct gw_mark mark;
        bool held;
        bool says_held; /* of CHANGE */
        uint32_t max_parallel;
        int64_t send_before;
        uint32_t attempt, most_tasks;
        char spans[128]; /* as gw_spans_format() writes them */
};

struct scripted {
        struct gw_backend base;
        struct gw_backend_host host;
        pthread_mutex_t lock;
        uint64_t epoch;
        _Atomic uint32_t most_tasks;   /* where it takes whole arrays */
        struct gw_mark live[MAX_LIVE]; /* as the last lead() said */
        bool accepted[MAX_LIVE];
        uint32_t made_for[MAX_LIVE]; /* most_tasks of each */
        char begun[MAX_LIVE][32];    /* as gw_spans_format() writes it */
        char open[MAX_LIVE][32];     /* likewise */
        size_t live_count;
        unsigned leads;
        bool led;       /* by the leader that was started last … */
        unsigned early; /* … and calls it made before */
        struct call calls[MAX_CALLS];
        size_t made, taken;
        uint64_t seen;
};

extern const char *conninfo;
extern int64_t project;
extern struct scripted backend;
extern struct gw_leader *leader;

/* Makes the database and a project; once. */
void stage_build(const char *database);
/* Setup and teardown of a test: an empty record, and a leader with a window of 64. */
int stage_begin(void **state);
int stage_end(void **state);
#define STAGE_TEST(name) cmocka_unit_test_setup_teardown(name, stage_begin, stage_end)

void init_backend(struct scripted *s);
struct gw_leader *start_leader(struct scripted *s, unsigned window);
void await_lead(struct gw_leader *l);
void end_leader(struct gw_leader *l);
/* Ends the leader and starts another with that window. */
void restart_leader(unsigned window);
/* The same, and the backend takes whole arrays from then on, of at most that many tasks; 0: it does
 * not know yet. */
void take_whole_arrays(uint32_t most);
/* How often the backend was led. */
unsigned leads(void);

/* The next call that is made, which must be this request. */
struct call await_call(enum gw_request request);
/* Takes the next call if it was made already and is this request. */
void skip_call(enum gw_request request);
size_t calls_made(void); /* and not taken */
void answer(struct call c, enum gw_answer a);
void tell_fact(const struct gw_fact *f);
void tell(struct gw_mark mark, enum gw_phase phase, enum gw_reason reason, int exit_code);
/* The same of some tasks. */
void tell_tasks(struct gw_mark mark, uint32_t first, uint32_t last, enum gw_phase phase,
                enum gw_reason reason, int exit_code);
/* A whole read, begun at asked_at, has shown what was told. */
void tell_synced(int64_t asked_at);

/* A job that the backend took, or that runs; its mark. */
struct gw_mark handed_over(struct gw_id id);
struct gw_mark running(struct gw_id id);

/* ---- arrays ---- */

#define ARRAY(members) SPEC_WITH(",\"array\":{" members "}")
#define COUNTS "j.counts"
/* Rows of tasks as "lo-hi state reason tries". */
#define ROWS                                                                                         \
        "SELECT string_agg(concat_ws(' ', lo || '-' || hi, state, reason, tries), ', ' ORDER BY lo)" \
        " FROM tasks t WHERE t.job_id = j.id"

/* `expression` over the job j, as text. */
void ask_job(struct gw_id id, const char *expression, char *out, size_t size);
/* Until `expression` over the job j is that text; fails after 10 s. */
void await_text(struct gw_id id, const char *expression, const char *wanted);
/* A part of these ordinals is handed over next, and taken; its mark. */
struct gw_mark part(struct gw_id id, const char *spans);

#endif
