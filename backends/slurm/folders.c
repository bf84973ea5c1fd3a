/*
 * The folders that output goes to. Before something is handed over for a user, the folder is made
 * as that user; for a while after that it is believed to be there. What is to be handed over
 * meanwhile waits in the user's line.
 *
 * Where the home cannot be seen from here, or the service may not be the user, output goes to the
 * home itself, as without the service.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/internal.h"
#include "backends/slurm/output.h"
#include "server/base/cleanup.h"
#include "server/base/clock.h"

#define BELIEVED_US (10 * GW_SECOND)
#define MAKE_US (5 * GW_SECOND)

struct gw_slurm_folder {
        struct gw_slurm *backend;
        struct gw_as_user_call call;
        char *user, *path;
        bool asked, usable;
        int64_t until_us;              /* monotonic: what is known of it holds */
        struct gw_work *first, **last; /* of those that wait */
        LIST_ENTRY(gw_slurm_folder) entry;
};

/* NULL: no memory. */
static struct gw_slurm_folder *make(struct gw_slurm *b, const struct gw_account *account)
{
        struct gw_slurm_folder *f = calloc(1, sizeof *f);
        if (!f || !(f->user = strdup(account->name))) {
                free(f);
                return NULL;
        }
        f->backend = b;
        f->path = gw_slurm_output_folder(account->home);
        f->last = &f->first;
        LIST_INSERT_HEAD(&b->folders, f, entry);
        return f;
}

/* Likewise. */
static struct gw_slurm_folder *find(struct gw_slurm *b, const struct gw_account *account)
{
        struct gw_slurm_folder *f;
        LIST_FOREACH(f, &b->folders, entry)
        {
                if (strcmp(f->user, account->name) == 0)
                        return f;
        }
        return make(b, account);
}

/* What to do with those that wait, by what came of it. */
static const struct meaning {
        bool known, usable; /* they go on, with the folder or without */
        enum gw_answer answer;
} meanings[] = {
        [GW_AS_USER_DONE] = {true, true, GW_ANSWER_DONE},
        [GW_AS_USER_INVALID] = {false, false, GW_ANSWER_REFUSED},
        [GW_AS_USER_REFUSED] = {true, false, GW_ANSWER_DONE},
        [GW_AS_USER_ABSENT] = {true, false, GW_ANSWER_DONE},
        [GW_AS_USER_UNSEEN] = {true, false, GW_ANSWER_DONE},
        [GW_AS_USER_FORBIDDEN] = {false, false, GW_ANSWER_REFUSED},
        [GW_AS_USER_WRONG] = {false, false, GW_ANSWER_REFUSED},
        [GW_AS_USER_BUSY] = {false, false, GW_ANSWER_BUSY},
        [GW_AS_USER_FULL] = {false, false, GW_ANSWER_BUSY},
        [GW_AS_USER_LATE] = {false, false, GW_ANSWER_BUSY},
        [GW_AS_USER_FAILED] = {false, false, GW_ANSWER_BUSY},
};

static struct gw_backend_ask *next_of(struct gw_slurm_folder *f)
{
        struct gw_work *work = f->first;
        if (!work)
                return NULL;
        f->first = work->next;
        if (!f->first)
                f->last = &f->first;
        return GW_CONTAINER(work, struct gw_backend_ask, work);
}

static void on_made(struct gw_as_user_call *call)
{
        struct gw_slurm_folder *f = call->owner;
        struct gw_slurm *b = f->backend;
        const struct meaning *m = &meanings[call->outcome];
        struct gw_backend_ask *a;
        struct gw_error err = {0};
        f->asked = false;
        f->usable = m->usable;
        f->until_us = m->known ? gw_clock_mono_us() + BELIEVED_US : 0;
        if (!m->known)
                gw_fail(&err, GW_ERR_IO, "the folder of the output (.jobgate): %s",
                        call->text ? call->text : "it cannot be made");
        while ((a = next_of(f))) {
                if (m->known) {
                        gw_slurm_request_run(b, a);
                        continue;
                }
                gw_slurm_request_answer(b, a, m->answer, err.message);
                gw_backend_ask_free(a);
        }
}

static int ask(struct gw_slurm_folder *f)
{
        json_t *request = f->path ? json_pack("{s:s, s:s, s:s}", "verb", "folder", "user", f->user,
                                              "path", f->path)
                                  : NULL;
        if (!request)
                return -1;
        f->call = (struct gw_as_user_call){.request = request,
                                           .deadline_us = gw_clock_mono_us() + MAKE_US,
                                           .done = on_made,
                                           .owner = f};
        f->asked = true;
        gw_as_user_ask(f->backend->as_user, &f->call);
        return 0;
}

bool gw_slurm_folder_awaits(struct gw_slurm *b, const struct gw_account *account,
                            struct gw_backend_ask *a, const char **ret_path)
{
        *ret_path = NULL;
        struct gw_slurm_folder *f = b->as_user ? find(b, account) : NULL;
        if (!f)
                return false;
        if (gw_clock_mono_us() < f->until_us) {
                *ret_path = f->usable ? f->path : NULL;
                return false;
        }
        if (!f->asked && ask(f))
                return false;
        a->work.next = NULL;
        *f->last = &a->work;
        f->last = &a->work.next;
        return true;
}

void gw_slurm_folders_clear(struct gw_slurm *b)
{
        struct gw_slurm_folder *f;
        struct gw_backend_ask *a;
        while ((f = LIST_FIRST(&b->folders))) {
                LIST_REMOVE(f, entry);
                while ((a = next_of(f)))
                        gw_backend_ask_free(a);
                free(f->user);
                free(f->path);
                free(f);
        }
}
