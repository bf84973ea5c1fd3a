/* The policy, in one place: roles, scopes, and who may do what. Pure tables. */
#include "server/auth/auth.h"

#include <assert.h>
#include <string.h>

#include "server/base/cleanup.h"

static const char *const role_names[] = {
        [GW_ROLE_VIEWER] = "viewer",
        [GW_ROLE_SUBMITTER] = "submitter",
        [GW_ROLE_MANAGER] = "manager",
};

static const struct {
        const char *name;
        unsigned bit;
} scopes[] = {
        {"jobs:read", GW_SCOPE_JOBS_READ},
        {"jobs:write", GW_SCOPE_JOBS_WRITE},
};

/* What a verb needs: the token's scope, and the least role in the job's project, for one's own
 * job and for another's. */
static const struct {
        unsigned scope;
        enum gw_role own, others;
} rules[] = {
        [GW_VERB_READ] = {GW_SCOPE_JOBS_READ, GW_ROLE_VIEWER, GW_ROLE_VIEWER},
        [GW_VERB_SUBMIT] = {GW_SCOPE_JOBS_WRITE, GW_ROLE_SUBMITTER, GW_ROLE_SUBMITTER},
        [GW_VERB_CHANGE] = {GW_SCOPE_JOBS_WRITE, GW_ROLE_SUBMITTER, GW_ROLE_MANAGER},
        [GW_VERB_REMOVE] = {GW_SCOPE_JOBS_WRITE, GW_ROLE_SUBMITTER, GW_ROLE_MANAGER},
        [GW_VERB_CONFIRM] = {GW_SCOPE_JOBS_WRITE, GW_ROLE_MANAGER, GW_ROLE_MANAGER},
};

const char *gw_role_name(enum gw_role role)
{
        return role_names[role];
}

int gw_role_parse(const char *name, enum gw_role *ret)
{
        for (size_t i = 0; i < GW_COUNT(role_names); i++) {
                if (strcmp(role_names[i], name) == 0) {
                        *ret = (enum gw_role)i;
                        return 0;
                }
        }
        return -1;
}

static unsigned scope_bit(const char *name, size_t len)
{
        for (size_t i = 0; i < GW_COUNT(scopes); i++)
                if (strlen(scopes[i].name) == len && memcmp(scopes[i].name, name, len) == 0)
                        return scopes[i].bit;
        return 0;
}

int gw_scopes_parse(const char *text, unsigned *ret, struct gw_error *err)
{
        unsigned bits = 0;
        for (const char *p = text; *text; p++) {
                size_t len = strcspn(p, ",");
                unsigned bit = scope_bit(p, len);
                if (!bit)
                        return gw_fail(err, GW_ERR_INVALID,
                                       "\"%.*s\" is no scope; the scopes are jobs:read and "
                                       "jobs:write",
                                       (int)(len < 64 ? len : 64), p);
                bits |= bit;
                p += len;
                if (!*p)
                        break;
        }
        *ret = bits;
        return 0;
}

static const char *scope_name(unsigned bit)
{
        size_t i = 0;
        while (scopes[i].bit != bit)
                i++;
        return scopes[i].name;
}

int gw_policy_check(const struct gw_principal *p, const struct gw_membership *m, enum gw_verb verb,
                    bool own, struct gw_error *err)
{
        assert(verb < GW_COUNT(rules));
        enum gw_role least = own ? rules[verb].own : rules[verb].others;
        if (!m)
                return gw_fail(err, GW_ERR_NOT_FOUND, "there is no such job or project");
        if (!(p->scopes & rules[verb].scope))
                return gw_fail(err, GW_ERR_FORBIDDEN, "the token lacks the scope %s",
                               scope_name(rules[verb].scope));
        if (m->role < least)
                return gw_fail(err, GW_ERR_FORBIDDEN,
                               "this needs the role %s in project %s; the token's user is %s",
                               gw_role_name(least), m->project, gw_role_name(m->role));
        return 0;
}
