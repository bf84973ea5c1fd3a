/*
 * Who asks, and what they may do.
 *
 * A token is "jg_" and 43 base64url characters (256 random bits); only its SHA-256 is kept.
 * Principals are counted and immutable; the cache keeps them a few seconds by the token's
 * hash, so that most requests need no query, and drops all when people change
 * (gw_auth_forget). Look-ups themselves are the caller's: this layer knows no database.
 */
#ifndef GW_AUTH_AUTH_H
#define GW_AUTH_AUTH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

enum gw_role { GW_ROLE_VIEWER, GW_ROLE_SUBMITTER, GW_ROLE_MANAGER };
const char *gw_role_name(enum gw_role role);
int gw_role_parse(const char *name, enum gw_role *ret);

/* Bits of scopes. */
enum gw_scope { GW_SCOPE_JOBS_READ = 1, GW_SCOPE_JOBS_WRITE = 2 };
/* "jobs:read,jobs:write" to bits. Returns 0, or -1 naming the unknown one. */
int gw_scopes_parse(const char *text, unsigned *ret, struct gw_error *err);

struct gw_membership {
        int64_t project_id;
        char project[64];
        char default_backend[32]; /* "" : none */
        enum gw_role role;
};

struct gw_principal {
        int64_t user_id, token_id;
        char user[64];
        unsigned scopes;
        int64_t expires_us; /* wall; 0: never */
        size_t count;
        struct gw_membership *memberships; /* sorted by project name */
        int64_t *project_ids;              /* the same, for queries */
        char *project_list;                /* "1,7" */
        atomic_uint refs;                  /* private */
};

/* Takes ownership of nothing; copies memberships. NULL without memory. */
struct gw_principal *gw_principal_new(int64_t user_id, int64_t token_id, const char *user,
                                      unsigned scopes, int64_t expires_us,
                                      const struct gw_membership *memberships, size_t count);
struct gw_principal *gw_principal_ref(struct gw_principal *p);
void gw_principal_unref(struct gw_principal *p); /* NULL allowed */
const struct gw_membership *gw_principal_project(const struct gw_principal *p, const char *name);
const struct gw_membership *gw_principal_project_id(const struct gw_principal *p, int64_t id);

/* ---- tokens ------------------------------------------------------------------------------ */

#define GW_TOKEN_TEXT 47 /* "jg_", 43 characters, NUL */

void gw_token_new(char out[GW_TOKEN_TEXT]);
void gw_token_hash(const char *token, uint8_t ret[32]);
/* The token of an Authorization field: Bearer, or Basic with the token as password. Returns 0,
 * or -1 with GW_ERR_UNAUTHENTICATED saying what would be right. */
int gw_token_from_header(const char *authorization, char out[GW_TOKEN_TEXT], struct gw_error *err);

/* ---- the cache --------------------------------------------------------------------------- */

struct gw_auth;

/* ttl_ms: how long a principal (or the knowledge that there is none) is kept; max: how many. */
struct gw_auth *gw_auth_new(unsigned ttl_ms, size_t max);
void gw_auth_free(struct gw_auth *a);

enum gw_auth_found { GW_AUTH_MISS, GW_AUTH_KNOWN, GW_AUTH_REFUSED };

/* Any thread. KNOWN: *ret is a reference the caller releases. */
enum gw_auth_found gw_auth_find(struct gw_auth *a, const uint8_t hash[32], int64_t now_us,
                                struct gw_principal **ret);
/* generation of gw_auth_generation() before the look-up: a result that was read before people
 * changed is not kept. p NULL: there is no such token. */
uint64_t gw_auth_generation(const struct gw_auth *a);
void gw_auth_store(struct gw_auth *a, const uint8_t hash[32], uint64_t generation, int64_t now_us,
                   struct gw_principal *p);
void gw_auth_forget(struct gw_auth *a);

/* ---- policy ------------------------------------------------------------------------------ */

enum gw_verb { GW_VERB_READ, GW_VERB_SUBMIT, GW_VERB_CHANGE, GW_VERB_REMOVE, GW_VERB_CONFIRM };

/* The whole policy is one table in policy.c: the scope a token needs and the least role in the
 * project; own: the job is the caller's own. Returns 0; or -1 with GW_ERR_FORBIDDEN naming
 * what is missing, or GW_ERR_NOT_FOUND when the caller is no member (m NULL): it answers as if
 * the thing did not exist. */
int gw_policy_check(const struct gw_principal *p, const struct gw_membership *m, enum gw_verb verb,
                    bool own, struct gw_error *err);

#endif
