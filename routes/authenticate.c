/*
 * Tokens to principals: the cache first, then the record. Runs on the exchange's loop thread;
 * memberships are collected on the database's thread while the lookup is out.
 *
 * A lookup that finds somebody is followed by the note that the token is in use, which changes
 * a row once a day and is no reason to refuse anyone.
 */
#include "routes/authenticate.h"

#include <stdlib.h>
#include <string.h>

#include "db/people.h"
#include "server/base/clock.h"
#include "server/base/str.h"

#define MAX_MEMBERSHIPS 4096
#define FIRST_MEMBERSHIPS 8

struct gw_lookup {
        struct gw_db_principal principal;
        struct gw_db_token_used used;
        uint64_t generation;
        struct gw_membership *memberships; /* malloc'ed */
        size_t count, cap;
        bool failed; /* a membership is missing: no memory */
        bool known;  /* the principal is set; `used` is out */
};

/* ---- what a token may do ------------------------------------------------------------------ */

static enum gw_next fail(struct gw_error *err, enum gw_error_code code, const char *message)
{
        gw_fail(err, code, "%s", message);
        return GW_NEXT_RESPOND;
}

/* Takes the reference. */
static void set_principal(struct gw_call *call, struct gw_principal *p, uint64_t generation)
{
        gw_principal_unref(call->principal);
        call->principal = p;
        call->people = generation;
}

static enum gw_next check_scope(struct gw_call *call, struct gw_error *err)
{
        bool writes = call->operation->access == GW_ACCESS_WRITE;
        unsigned scope = writes ? GW_SCOPE_JOBS_WRITE : GW_SCOPE_JOBS_READ;
        if (call->principal->scopes & scope)
                return GW_NEXT_BODY;
        return fail(err, GW_ERR_FORBIDDEN,
                    writes ? "the token lacks the scope jobs:write"
                           : "the token lacks the scope jobs:read");
}

static enum gw_next refuse(struct gw_error *err)
{
        return fail(err, GW_ERR_UNAUTHENTICATED, "the token is unknown, expired or revoked");
}

/* ---- the record --------------------------------------------------------------------------- */

static bool make_room(struct gw_lookup *l)
{
        if (l->count < l->cap)
                return true;
        size_t cap = l->cap ? 2 * l->cap : FIRST_MEMBERSHIPS;
        struct gw_membership *bigger =
                cap <= MAX_MEMBERSHIPS ? reallocarray(l->memberships, cap, sizeof *bigger) : NULL;
        if (!bigger)
                return false;
        l->memberships = bigger;
        l->cap = cap;
        return true;
}

static void add_membership(void *arg, const struct gw_membership_row *row)
{
        struct gw_lookup *l = arg;
        struct gw_membership m = {.project_id = row->project_id};
        if (gw_role_parse(row->role, &m.role) || !make_room(l)) {
                l->failed = true;
                return;
        }
        gw_str_copy(m.project, sizeof m.project, row->project);
        gw_str_copy(m.default_backend, sizeof m.default_backend,
                    row->default_backend ? row->default_backend : "");
        l->memberships[l->count++] = m;
}

static enum gw_next look_up(struct gw_call *call, const uint8_t hash[32], uint64_t generation,
                            struct gw_lookup **lookup, struct gw_error *err)
{
        struct gw_lookup *l = calloc(1, sizeof *l);
        if (!l)
                return fail(err, GW_ERR_NOMEM, "out of memory");
        l->generation = generation;
        memcpy(l->principal.hash, hash, sizeof l->principal.hash);
        l->principal.each = add_membership;
        l->principal.arg = l;
        gw_db_principal_init(&l->principal);
        *lookup = l;
        return gw_call_read(call, &l->principal.cmd);
}

static struct gw_principal *make_principal(const struct gw_lookup *l, struct gw_error *err)
{
        const struct gw_db_principal *p = &l->principal;
        unsigned scopes = 0;
        if (l->failed)
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
        else if (gw_scopes_parse(p->scopes, &scopes, err) == 0) {
                struct gw_principal *made =
                        gw_principal_new(p->user_id, p->token_id, p->user, scopes, p->expires_us,
                                         l->memberships, l->count);
                if (made)
                        return made;
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
        }
        return NULL;
}

/* Without a mailbox that takes it, the note waits for the next lookup. */
static enum gw_next note_use(struct gw_call *call, struct gw_lookup *l, struct gw_error *err)
{
        l->known = true;
        l->used.token_id = l->principal.token_id;
        gw_db_token_used_init(&l->used);
        l->used.cmd.work.home = gw_call_home(call);
        l->used.cmd.work.owner = call->exchange;
        if (gw_db_channel_post(call->service->writer, &l->used.cmd, NULL) == 0)
                return GW_NEXT_WAIT;
        return check_scope(call, err);
}

static enum gw_next take_answer(struct gw_call *call, struct gw_lookup *l, struct gw_error *err)
{
        struct gw_auth *auth = call->service->auth;
        int64_t now = gw_clock_wall_us();
        if (l->principal.cmd.error.code != GW_OK) {
                *err = l->principal.cmd.error;
                return GW_NEXT_RESPOND;
        }
        if (l->principal.cmd.rows == 0) {
                gw_auth_store(auth, l->principal.hash, l->generation, now, NULL);
                return refuse(err);
        }
        struct gw_principal *p = make_principal(l, err);
        if (!p)
                return GW_NEXT_RESPOND;
        set_principal(call, p, l->generation);
        gw_auth_store(auth, l->principal.hash, l->generation, now, call->principal);
        return note_use(call, l, err);
}

/* ---- the interface ------------------------------------------------------------------------ */

enum gw_next gw_authenticate_begin(struct gw_call *call, struct gw_lookup **lookup,
                                   struct gw_error *err)
{
        char token[GW_TOKEN_TEXT];
        uint8_t hash[32];
        struct gw_principal *p = NULL;
        uint64_t generation = gw_auth_generation(call->service->auth);
        const char *field = gw_exchange_header(call->exchange, "Authorization");
        if (!field)
                return fail(err, GW_ERR_UNAUTHENTICATED,
                            "a token is needed: Authorization: Bearer TOKEN, or Basic with the "
                            "token as password");
        if (gw_token_from_header(field, token, err))
                return GW_NEXT_RESPOND;
        gw_token_hash(token, hash);
        switch (gw_auth_find(call->service->auth, hash, gw_clock_wall_us(), &p)) {
        case GW_AUTH_KNOWN:
                set_principal(call, p, generation);
                return check_scope(call, err);
        case GW_AUTH_REFUSED:
                return refuse(err);
        case GW_AUTH_MISS:
                break;
        }
        return look_up(call, hash, generation, lookup, err);
}

enum gw_next gw_authenticate_resume(struct gw_call *call, struct gw_lookup *l, struct gw_error *err)
{
        enum gw_next next = l->known ? check_scope(call, err) : take_answer(call, l, err);
        free(GW_TAKE(l->memberships));
        if (next != GW_NEXT_WAIT)
                free(l);
        return next;
}

bool gw_authenticate_is_stale(const struct gw_call *call)
{
        return call->people != gw_auth_generation(call->service->auth);
}
