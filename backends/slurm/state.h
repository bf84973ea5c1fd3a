/*
 * What Slurm says of a job, as facts: the table of states and reasons, in one place. Pure; any
 * thread. From Slurm 22.05 and 24.11, as their controllers were seen to show it
 * (tests/unit/backends/slurm/state_test.c has the records).
 *
 * Total: a state, reason, exit or flag that is in no row never is a success. An unknown reason of
 * waiting tells nothing but its number; an unknown state is an outcome that may still run
 * (GW_PHASE_ENDING, backend_error), until the record is gone.
 */
#ifndef GW_BACKENDS_SLURM_STATE_H
#define GW_BACKENDS_SLURM_STATE_H

#include <stdbool.h>

#include "backends/backend.h"
#include "backends/slurm/record.h"

#define GW_SLURM_WORDS 512

/* What a record means of the run that it is about (its `restart`), but for what only accounting or
 * the nodes know. */
struct gw_slurm_meaning {
        enum gw_phase phase;
        enum gw_reason reason; /* GW_REASON_NONE: none to tell, while pending or running */
        int exit_code;         /* 0–255, or -1: none */
        int signal;            /* 0: none */

        /* restart > 0, and not ended: how the run before this one ended, as far as this record
         * tells. GW_REASON_NONE: it does not; accounting may. It is told for some seconds only, so
         * what was told once stays true. */
        enum gw_reason before;

        /* It never ran: the controller refused it, and kept a record all the same. */
        bool refused;

        /* Somebody may have cancelled it; the record never says who. Where a cancel of ours was
         * asked for, or accounting names a user, that is the reason; else `reason` is. */
        bool by_somebody;

        /* The controller has given its node up, which does not stop what runs there. The phase is
         * GW_PHASE_RUNNING with node_unavailable, and the record may never change any more. It has
         * ended (node_failure) when each node of the record's `node` answers again, or has booted
         * after `end_s`: slurmd ends what is left of such jobs when it hears of it. While it is
         * COMPLETING `node` is not the whole list, and this is false. A job of one
         * node whose slurmd still told how the script ended is not among these: it has ended.
         *
         * Of other ends no such thing is known: COMPLETING goes when each node has said that
         * nothing is left of the job, but also when the node is given up meanwhile. */
        bool node_silent;

        /* The backend's own words: `desc` untouched, or the name of the reason, or what the table
         * says; cut as every message is. "": none. */
        char words[GW_SLURM_WORDS];
};

struct gw_slurm_meaning gw_slurm_meaning(const struct gw_slurm_record *r);

#endif
