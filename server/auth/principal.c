/* Principals: counted, immutable once made, shared by all loops. */
#include "server/auth/auth.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/buf.h"
#include "server/base/cleanup.h"
#include "server/base/str.h"

/* "-9223372036854775808," for each project. */
#define LIST_ENTRY 21

static int compare_names(const void *a, const void *b)
{
        const struct gw_membership *x = a, *y = b;
        return strcmp(x->project, y->project);
}

static int fill_memberships(struct gw_principal *p, const struct gw_membership *memberships,
                            size_t count)
{
        struct gw_buf list = GW_BUF_INIT(LIST_ENTRY * count + 1);
        p->count = count;
        p->memberships = calloc(count + 1, sizeof *p->memberships);
        p->project_ids = calloc(count + 1, sizeof *p->project_ids);
        if (!p->memberships || !p->project_ids)
                return -1;
        if (count)
                memcpy(p->memberships, memberships, count * sizeof *memberships);
        qsort(p->memberships, count, sizeof *p->memberships, compare_names);
        gw_buf_str(&list, "");
        for (size_t i = 0; i < count; i++) {
                p->project_ids[i] = p->memberships[i].project_id;
                gw_buf_printf(&list, "%s%" PRId64, i ? "," : "", p->project_ids[i]);
        }
        p->project_list = count ? gw_buf_take(&list, NULL) : strdup("");
        return p->project_list ? 0 : -1;
}

static void destroy(struct gw_principal *p)
{
        free(p->memberships);
        free(p->project_ids);
        free(p->project_list);
        free(p);
}

struct gw_principal *gw_principal_new(int64_t user_id, int64_t token_id, const char *user,
                                      unsigned scopes, int64_t expires_us,
                                      const struct gw_membership *memberships, size_t count)
{
        struct gw_principal *p = calloc(1, sizeof *p);
        if (!p)
                return NULL;
        p->user_id = user_id;
        p->token_id = token_id;
        gw_str_copy(p->user, sizeof p->user, user);
        p->scopes = scopes;
        p->expires_us = expires_us;
        atomic_init(&p->refs, 1);
        if (fill_memberships(p, memberships, count) == 0)
                return p;
        destroy(p);
        return NULL;
}

struct gw_principal *gw_principal_ref(struct gw_principal *p)
{
        atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
        return p;
}

void gw_principal_unref(struct gw_principal *p)
{
        if (p && atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
                destroy(p);
}

const struct gw_membership *gw_principal_project(const struct gw_principal *p, const char *name)
{
        for (size_t i = 0; i < p->count; i++)
                if (strcmp(p->memberships[i].project, name) == 0)
                        return &p->memberships[i];
        return NULL;
}

const struct gw_membership *gw_principal_project_id(const struct gw_principal *p, int64_t id)
{
        for (size_t i = 0; i < p->count; i++)
                if (p->memberships[i].project_id == id)
                        return &p->memberships[i];
        return NULL;
}
