/*
 * Scripts that go through the site's sbatch: asked of jobgate-slurm-as-user, with what came of them
 * as the answer of a submit or a dry run. Nothing is sent at or after the submission's send_before:
 * sbatch is dead by then.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/internal.h"
#include "backends/slurm/raw.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define ANSWER_US (5 * GW_SECOND) /* from sbatch's end to its answer here */

struct script {
        struct gw_as_user_call call;
        struct gw_slurm *backend;
        struct gw_backend_ask *asked; /* freed with it */
        char *user;
};

static void script_free(struct script *s)
{
        gw_backend_ask_free(s->asked);
        free(s->user);
        free(s);
}

bool gw_slurm_is_script(const json_t *request)
{
        return json_object_get(request, "verb") != NULL;
}

/* Takes the request and `asked`. Returns 0; or -1 without memory, then `asked` is the caller's. */
static int ask(struct gw_slurm *b, const char *user, json_t *request, struct gw_backend_ask *asked,
               void (*done)(struct gw_as_user_call *call))
{
        struct script *s = calloc(1, sizeof *s);
        if (!s || !(s->user = strdup(user))) {
                free(s);
                json_decref(request);
                return -1;
        }
        s->backend = b;
        s->asked = asked;
        s->call = (struct gw_as_user_call){
                .request = request,
                .deadline_us = json_integer_value(json_object_get(request, "deadline")) + ANSWER_US,
                .done = done,
                .owner = s,
        };
        gw_as_user_ask(b->as_user, &s->call);
        return 0;
}

/* ---- submit ---------------------------------------------------------------------------------- */

/* A script may name another cluster, where nobody watches for it. */
static bool is_elsewhere(const struct gw_slurm *b, const struct gw_slurm_sbatch_answer *a)
{
        return a->verdict == GW_SBATCH_DONE && a->cluster[0] && strcmp(a->cluster, b->cluster) != 0;
}

static void on_submitted(struct gw_as_user_call *call)
{
        static const enum gw_answer answers[] = {
                [GW_SBATCH_DONE] = GW_ANSWER_DONE,         [GW_SBATCH_REFUSED] = GW_ANSWER_REFUSED,
                [GW_SBATCH_NOT_SENT] = GW_ANSWER_NOT_SENT, [GW_SBATCH_FULL] = GW_ANSWER_FULL,
                [GW_SBATCH_UNKNOWN] = GW_ANSWER_UNKNOWN,
        };
        struct script *s = call->owner;
        struct gw_slurm_sbatch_answer a;
        gw_slurm_sbatch_read(call->outcome, call->answer, call->text, &a);
        struct gw_slurm_submitted what = {
                .verdict = answers[a.verdict],
                .number = a.number,
                .text = a.words[0] ? a.words : NULL,
                .may_be_refusal = a.may_be_refusal,
        };
        char words[192];
        if (is_elsewhere(s->backend, &a)) {
                snprintf(words, sizeof words,
                         "the script has sent itself to the cluster %s, as job %u: nothing more is "
                         "known of it here",
                         a.cluster, a.number);
                what = (struct gw_slurm_submitted){.verdict = GW_ANSWER_REFUSED, .text = words};
        }
        gw_slurm_submitted(s->backend, s->asked, s->user, &what);
        script_free(s);
}

int gw_slurm_script_submit(struct gw_slurm *b, const char *user, json_t *request,
                           struct gw_backend_ask *asked)
{
        return ask(b, user, request, asked, on_submitted);
}

/* ---- a dry run ------------------------------------------------------------------------------- */

/* sbatch --test-only makes no job, and says where one would begin. */
static void on_checked(struct gw_as_user_call *call)
{
        struct script *s = call->owner;
        struct gw_error *err = &s->asked->check->error;
        int status = (int)json_integer_value(json_object_get(call->answer, "status"));
        struct gw_slurm_sbatch_answer a;
        gw_slurm_sbatch_read(call->outcome, call->answer, call->text, &a);
        if (call->outcome != GW_AS_USER_DONE || status != 0)
                gw_fail(err,
                        a.verdict == GW_SBATCH_REFUSED ? GW_ERR_UNPROCESSABLE : GW_ERR_UNAVAILABLE,
                        "the cluster says: %s", a.words[0] ? a.words : "nothing");
        gw_work_finish(&s->asked->check->work);
        script_free(s);
}

int gw_slurm_script_check(struct gw_slurm *b, const char *user, json_t *request,
                          struct gw_backend_ask *asked)
{
        return ask(b, user, request, asked, on_checked);
}
