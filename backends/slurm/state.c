/*
 * The table of what Slurm's records mean. Pure; any thread.
 *
 * A record is held against rows, and the first that fits decides. `state` is a base state and
 * flags; `exit` is a wait status, or where nothing was waited for a number of slurmd's, or 1.
 */
#include "backends/slurm/state.h"

#include <stdio.h>
#include <string.h>

#include "backends/slurm/reason.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

/* ---- states ----------------------------------------------------------------------------- */

enum base {
        PENDING,
        RUNNING,
        SUSPENDED,
        COMPLETED,
        CANCELLED,
        FAILED,
        TIMEOUT,
        NODE_FAIL,
        PREEMPTED,
        BOOT_FAIL,
        DEADLINE,
        OUT_OF_MEMORY,
};

#define BASE UINT32_C(0xff)

/* Flags that are told apart; the others say nothing here. */
#define REQUEUE UINT32_C(0x400)       /* goes back to the queue when it has completed */
#define SPECIAL_EXIT UINT32_C(0x1000) /* likewise, and is held there */
#define CONFIGURING UINT32_C(0x4000)  /* its nodes boot, or run the prolog */
#define COMPLETING UINT32_C(0x8000)   /* not every node has said that nothing is left of it */
#define STOPPED UINT32_C(0x10000)     /* SIGSTOP was sent, the nodes are kept */
#define STAGE_OUT UINT32_C(0x800000)  /* its files are copied out of the burst buffer */

/* An end with one of these is not the last word. */
#define NOT_FINAL (REQUEUE | SPECIAL_EXIT | COMPLETING | STAGE_OUT)

/* ---- exits ------------------------------------------------------------------------------ */

enum exit_kind {
        EXIT_ZERO = 1,
        EXIT_CODE = 2,
        EXIT_SIGNAL = 4,
        EXIT_SLURMD = 8, /* an error of slurmd's instead of a status: nothing was started */
        EXIT_OTHER = 16, /* 253 of a memory limit, NO_VAL */
};

#define EXIT_ANY (EXIT_ZERO | EXIT_CODE | EXIT_SIGNAL | EXIT_SLURMD | EXIT_OTHER)

struct exit {
        enum exit_kind kind;
        int value; /* the code, the signal or the error */
};

#define CORE_DUMPED UINT32_C(0x80)
#define HIGHEST_SIGNAL 64

static struct exit read_exit(uint32_t raw)
{
        uint32_t signal = raw & ~CORE_DUMPED;
        if (raw == 0)
                return (struct exit){EXIT_ZERO, 0};
        if ((raw & 0xff) == 0 && raw <= 0xffff)
                return (struct exit){EXIT_CODE, (int)(raw >> 8)};
        if (signal >= 1 && signal <= HIGHEST_SIGNAL)
                return (struct exit){EXIT_SIGNAL, (int)signal};
        if (raw >= 4000 && raw <= 4999)
                return (struct exit){EXIT_SLURMD, (int)raw};
        return (struct exit){EXIT_OTHER, -1};
}

/* ---- the table -------------------------------------------------------------------------- */

#define ANY UINT32_MAX

/* Reasons that rows are about. */
#define NO_REASON 0
#define BEGIN_TIME 9
#define NODE_DOWN 20
#define BAD_CONSTRAINTS 21
#define LAUNCH_FAILURE 23 /* 22.05: whenever a signal ended the script */
#define NEVER_SATISFIED 39
#define MAX_REQUEUE 71
#define RAISED_SIGNAL 33 /* 24.11 says this instead, and which in desc */

/* Of what has not ended. */
static const struct going {
        enum base base;
        uint32_t flags; /* all of these are set */
        uint32_t reason;
        bool restarted; /* only of a run that Slurm began by itself */
        enum gw_phase phase;
        enum gw_reason means; /* GW_REASON_COUNT: that of waiting for the record's reason */
        const char *words;    /* NULL: the reason's name */
} going[] = {
        /* After a requeue Slurm itself waits, for two minutes. */
        {PENDING, 0, BEGIN_TIME, true, GW_PHASE_PENDING, GW_REASON_RETRY_DELAY, NULL},
        {PENDING, 0, ANY, false, GW_PHASE_PENDING, GW_REASON_COUNT, NULL},
        {RUNNING, CONFIGURING, ANY, false, GW_PHASE_PENDING, GW_REASON_RESOURCES, "Configuring"},
        {RUNNING, STOPPED, ANY, false, GW_PHASE_RUNNING, GW_REASON_SUSPENDED, "Stopped"},
        {RUNNING, 0, ANY, false, GW_PHASE_RUNNING, GW_REASON_NONE, ""},
        {SUSPENDED, 0, ANY, false, GW_PHASE_RUNNING, GW_REASON_SUSPENDED, "Suspended"},
};

enum place {
        ANYWHERE,
        NOWHERE, /* the record names no node: it never had one, or gave it back unused */
        NODE,
        ONE_NODE,
};

enum with {
        TELL = 1,    /* the exit is the script's own, and is told */
        REFUSED = 2, /* what state.h says of refused, by_somebody and node_silent */
        WHO = 4,
        SILENT = 8,
};

/* Of what has ended. */
static const struct end {
        enum base base;
        uint32_t reason;
        unsigned exits; /* of enum exit_kind */
        enum place place;
        enum gw_reason means;
        unsigned with;     /* of enum with */
        const char *words; /* NULL: the reason's name */
} ends[] = {
        {COMPLETED, ANY, EXIT_ZERO, ANYWHERE, GW_REASON_COMPLETED, TELL, ""},
        {COMPLETED, ANY, EXIT_CODE, ANYWHERE, GW_REASON_EXIT_CODE, TELL, NULL},
        {COMPLETED, ANY, EXIT_SIGNAL, ANYWHERE, GW_REASON_SIGNAL, TELL, NULL},
        {COMPLETED, ANY, EXIT_ANY, ANYWHERE, GW_REASON_BACKEND_ERROR, 0, NULL},

        /* An exit of 1 is SIGHUP for two reasons; for the others slurmctld made it up. */
        {FAILED, BAD_CONSTRAINTS, EXIT_ANY, ANYWHERE, GW_REASON_REJECTED, REFUSED, NULL},
        {FAILED, ANY, EXIT_SLURMD, ANYWHERE, GW_REASON_LAUNCH_FAILED, 0, NULL},
        {FAILED, ANY, EXIT_CODE, ANYWHERE, GW_REASON_EXIT_CODE, TELL, NULL},
        {FAILED, LAUNCH_FAILURE, EXIT_SIGNAL, ANYWHERE, GW_REASON_SIGNAL, TELL, "FAILED"},
        {FAILED, RAISED_SIGNAL, EXIT_SIGNAL, ANYWHERE, GW_REASON_SIGNAL, TELL, NULL},
        {FAILED, ANY, EXIT_ANY, ANYWHERE, GW_REASON_BACKEND_ERROR, 0, NULL},

        {TIMEOUT, ANY, EXIT_ANY, ANYWHERE, GW_REASON_TIME_LIMIT, TELL, NULL},
        {OUT_OF_MEMORY, ANY, EXIT_ANY, ANYWHERE, GW_REASON_OUT_OF_MEMORY, 0, NULL},

        /* A dependency that cannot come true any more; or somebody was first. */
        {CANCELLED, NEVER_SATISFIED, EXIT_ANY, NOWHERE, GW_REASON_DEPENDENCY_FAILED, WHO, NULL},
        /* Its prolog failed; or it was cancelled, and ended well before it was killed. */
        {CANCELLED, NO_REASON, EXIT_ZERO, NODE, GW_REASON_BACKEND_ERROR, WHO, "CANCELLED"},
        /* The reason is why it waited, the exit perhaps that of a run before. */
        {CANCELLED, ANY, EXIT_ANY, NOWHERE, GW_REASON_CANCELLED_EXTERNALLY, WHO, "CANCELLED"},
        {CANCELLED, ANY, EXIT_ANY, NODE, GW_REASON_CANCELLED_EXTERNALLY, WHO | TELL, "CANCELLED"},

        {PREEMPTED, ANY, EXIT_ANY, ANYWHERE, GW_REASON_PREEMPTED, TELL, "PREEMPTED"},
        /* Its slurmd told how the script ended, after all. */
        {NODE_FAIL, ANY, EXIT_CODE | EXIT_SIGNAL, ONE_NODE, GW_REASON_NODE_FAILURE, 0, NULL},
        {NODE_FAIL, ANY, EXIT_ANY, NODE, GW_REASON_NODE_FAILURE, SILENT, NULL},
        {NODE_FAIL, ANY, EXIT_ANY, NOWHERE, GW_REASON_NODE_FAILURE, 0, NULL},
        {BOOT_FAIL, ANY, EXIT_ANY, ANYWHERE, GW_REASON_NODE_FAILURE, 0, "BOOT_FAIL"},
        /* Found out while it waits: it could not end in time any more. */
        {DEADLINE, ANY, EXIT_ANY, ANYWHERE, GW_REASON_START_DEADLINE, 0, NULL},
};

/* How the run before ended, of a run that Slurm began by itself. */
static const struct before {
        const char *desc; /* NULL: any */
        uint32_t reason;
        bool preempted;
        bool unasked; /* only of what may not be requeued */
        unsigned exits;
        enum gw_reason means;
} earlier[] = {
        {NULL, ANY, true, false, EXIT_ANY, GW_REASON_PREEMPTED},
        {"launch failed requeued held", ANY, false, false, EXIT_ANY, GW_REASON_NODE_FAILURE},
        {NULL, MAX_REQUEUE, false, false, EXIT_ANY, GW_REASON_NODE_FAILURE},
        {NULL, NODE_DOWN, false, false, EXIT_ANY, GW_REASON_NODE_FAILURE},
        /* By a site's RequeueExit or by hand: it is kept until the next run starts. */
        {NULL, ANY, false, false, EXIT_CODE, GW_REASON_EXIT_CODE},
        /* Its node did not answer when it was to launch it: that is begun again nevertheless. */
        {NULL, ANY, false, true, EXIT_ZERO, GW_REASON_NODE_FAILURE},
};

/* ---- looking up ------------------------------------------------------------------------- */

static bool fits(uint32_t pattern, uint32_t value)
{
        return pattern == ANY || pattern == value;
}

static bool fits_place(enum place place, const char *node)
{
        switch (place) {
        case NOWHERE:
                return !node;
        case NODE:
                return node;
        case ONE_NODE:
                return node && !strpbrk(node, ",[");
        default:
                return true;
        }
}

static const struct going *find_going(const struct gw_slurm_record *r)
{
        for (size_t i = 0; i < GW_COUNT(going); i++) {
                const struct going *row = &going[i];
                if (row->base == (r->state & BASE) && (row->flags & ~r->state) == 0 &&
                    fits(row->reason, r->reason) && (!row->restarted || r->restart > 0))
                        return row;
        }
        return NULL;
}

static const struct end *find_end(const struct gw_slurm_record *r, struct exit exit)
{
        for (size_t i = 0; i < GW_COUNT(ends); i++) {
                const struct end *row = &ends[i];
                if (row->base == (r->state & BASE) && fits(row->reason, r->reason) &&
                    (row->exits & exit.kind) && fits_place(row->place, r->node))
                        return row;
        }
        return NULL;
}

static enum gw_reason find_before(const struct gw_slurm_record *r)
{
        enum exit_kind kind = read_exit(r->exit).kind;
        for (size_t i = 0; i < GW_COUNT(earlier) && r->restart > 0; i++) {
                const struct before *row = &earlier[i];
                bool desc = !row->desc || (r->desc && strcmp(row->desc, r->desc) == 0);
                if (desc && fits(row->reason, r->reason) && (!row->preempted || r->preempt_s) &&
                    (!row->unasked || !r->requeue) && (row->exits & kind))
                        return row->means;
        }
        return GW_REASON_NONE;
}

/* ---- words ------------------------------------------------------------------------------ */

static void say(struct gw_slurm_meaning *m, const struct gw_slurm_record *r, const char *words)
{
        const char *name = gw_slurm_reason_name(r->reason);
        if (r->desc && r->desc[0])
                gw_str_copy(m->words, sizeof m->words, r->desc);
        else if (words)
                gw_str_copy(m->words, sizeof m->words, words);
        else if (r->reason != NO_REASON && name)
                gw_str_copy(m->words, sizeof m->words, name);
        else if (r->reason != NO_REASON)
                snprintf(m->words, sizeof m->words, "reason %u", r->reason);
}

/* What there is to add where Slurm itself says nothing. */
static void say_exit(struct gw_slurm_meaning *m, const struct gw_slurm_record *r, struct exit exit)
{
        struct exit step = read_exit(r->derived);
        if (r->desc && r->desc[0])
                return;
        if (m->reason == GW_REASON_LAUNCH_FAILED)
                snprintf(m->words, sizeof m->words, "slurmd error %d%s", exit.value,
                         exit.value == 4021 ? ": the output file could not be opened" : "");
        else if (m->reason == GW_REASON_BACKEND_ERROR && m->words[0] == '\0')
                snprintf(m->words, sizeof m->words, "state %u, exit %u", r->state, r->exit);
        else if (m->reason == GW_REASON_COMPLETED && step.kind == EXIT_CODE)
                snprintf(m->words, sizeof m->words, "a step ended with exit code %d", step.value);
        else if (m->reason == GW_REASON_COMPLETED && step.kind == EXIT_SIGNAL)
                snprintf(m->words, sizeof m->words, "a step ended by signal %d", step.value);
}

/* ---- meaning ---------------------------------------------------------------------------- */

static void mean_going(struct gw_slurm_meaning *m, const struct gw_slurm_record *r,
                       const struct going *row)
{
        m->phase = row->phase;
        m->reason = row->means == GW_REASON_COUNT ? gw_slurm_reason_waiting(r->reason) : row->means;
        m->before = find_before(r);
        say(m, r, row->words);
}

static void mean_end(struct gw_slurm_meaning *m, const struct gw_slurm_record *r,
                     const struct end *row, struct exit exit)
{
        unsigned with = row->with;
        m->phase = r->state & NOT_FINAL ? GW_PHASE_ENDING : GW_PHASE_ENDED;
        m->reason = row->means;
        m->refused = (with & REFUSED) && r->restart == 0;
        m->by_somebody = with & WHO;
        /* Until then the record names the nodes that have not answered, and not all it had. */
        m->node_silent = (with & SILENT) && !(r->state & COMPLETING);
        if (with & SILENT) {
                m->phase = GW_PHASE_RUNNING;
                m->reason = GW_REASON_NODE_UNAVAILABLE;
        }
        if ((with & TELL) && exit.kind & (EXIT_ZERO | EXIT_CODE))
                m->exit_code = exit.value;
        if ((with & TELL) && exit.kind == EXIT_SIGNAL)
                m->signal = exit.value;
        say(m, r, row->words);
        say_exit(m, r, exit);
}

static void mean_unknown(struct gw_slurm_meaning *m, const struct gw_slurm_record *r)
{
        m->phase = GW_PHASE_ENDING;
        m->reason = GW_REASON_BACKEND_ERROR;
        say(m, r, "");
        say_exit(m, r, read_exit(r->exit));
}

struct gw_slurm_meaning gw_slurm_meaning(const struct gw_slurm_record *r)
{
        struct gw_slurm_meaning m = {.exit_code = -1};
        struct exit exit = read_exit(r->exit);
        const struct going *is_going = find_going(r);
        const struct end *end = is_going ? NULL : find_end(r, exit);
        if (is_going)
                mean_going(&m, r, is_going);
        else if (end)
                mean_end(&m, r, end, exit);
        else
                mean_unknown(&m, r);
        return m;
}
