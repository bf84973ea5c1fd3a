/*
 * The router: a tree with one level per path segment, built at start and only read afterwards,
 * by any thread.
 *
 * Invariant: a node has at most one child per literal and at most one for a parameter; a
 * node's routes differ in their methods.
 */
#include "server/http/router.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/limits.h"
#include "server/base/str.h"

#define MAX_SEGMENTS 16
#define ALLOW_BYTES 96

struct ending {
        struct ending *next;
        const char *method;
        size_t route;
};

struct node {
        struct node *next; /* sibling */
        struct node *literals;
        struct node *parameter;
        struct ending *endings;
        const char *text; /* of a literal, in the caller's template */
        size_t len;
};

struct gw_router {
        struct node root;
};

/* ---- building ------------------------------------------------------------------------------- */

static struct node *find_literal(const struct node *parent, const char *text, size_t len)
{
        struct node *n = parent->literals;
        while (n && (n->len != len || memcmp(n->text, text, len) != 0))
                n = n->next;
        return n;
}

static struct node *add_child(struct node *parent, const char *text, size_t len)
{
        bool parameter = len > 2 && text[0] == '{' && text[len - 1] == '}';
        struct node *n = parameter ? parent->parameter : find_literal(parent, text, len);
        if (n)
                return n;
        n = calloc(1, sizeof *n);
        if (!n)
                return NULL;
        n->text = text;
        n->len = len;
        if (parameter) {
                parent->parameter = n;
        } else {
                n->next = parent->literals;
                parent->literals = n;
        }
        return n;
}

static size_t count_char(const char *s, char c)
{
        size_t n = 0;
        for (; *s; s++)
                n += *s == c;
        return n;
}

static bool template_is_good(const char *t)
{
        return t[0] == '/' && !strstr(t, "//") && (t[1] == '\0' || t[strlen(t) - 1] != '/') &&
               count_char(t, '/') <= MAX_SEGMENTS && count_char(t, '{') <= GW_ROUTER_MAX_PARAMETERS;
}

static int add_ending(struct node *n, const struct gw_router_route *route, size_t index,
                      struct gw_error *err)
{
        struct ending **last = &n->endings;
        for (; *last; last = &(*last)->next)
                if (strcmp((*last)->method, route->method) == 0)
                        return gw_fail(err, GW_ERR_INTERNAL, "two routes for %s %s", route->method,
                                       route->template);
        *last = calloc(1, sizeof **last);
        if (!*last)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        **last = (struct ending){.method = route->method, .route = index};
        return 0;
}

static int add_route(struct gw_router *r, const struct gw_router_route *route, size_t index,
                     struct gw_error *err)
{
        if (!template_is_good(route->template))
                return gw_fail(err, GW_ERR_INTERNAL, "bad route template %s", route->template);
        struct node *n = &r->root;
        for (const char *at = route->template; n && *at;) {
                size_t len = strcspn(++at, "/");
                n = add_child(n, at, len);
                at += len;
        }
        if (!n)
                return gw_fail(err, GW_ERR_NOMEM, "out of memory");
        return add_ending(n, route, index, err);
}

struct gw_router *gw_router_new(const struct gw_router_route *routes, size_t count,
                                struct gw_error *err)
{
        struct gw_router *r = calloc(1, sizeof *r);
        if (!r) {
                gw_fail(err, GW_ERR_NOMEM, "out of memory");
                return NULL;
        }
        for (size_t i = 0; i < count; i++)
                if (add_route(r, &routes[i], i, err)) {
                        gw_router_free(r);
                        return NULL;
                }
        return r;
}

static void done_node(struct node *n)
{
        while (n->endings) {
                struct ending *e = n->endings;
                n->endings = e->next;
                free(e);
        }
        while (n->literals) {
                struct node *child = n->literals;
                n->literals = child->next;
                done_node(child);
                free(child);
        }
        if (n->parameter)
                done_node(n->parameter);
        free(n->parameter);
}

void gw_router_free(struct gw_router *r)
{
        if (r)
                done_node(&r->root);
        free(r);
}

/* ---- matching ------------------------------------------------------------------------------- */

struct path {
        const char *segments[MAX_SEGMENTS]; /* decoded */
        size_t count;
};

/* Decodes each segment into scratch, so that an escaped slash is no separator. Returns 0, -1
 * when an escape is malformed, or 1 when no template is like this path. */
static int split(const char *path, char *scratch, struct path *ret)
{
        if (path[0] != '/' || strlen(path) >= GW_MAX_URI_BYTES)
                return 1;
        while (*path) {
                size_t len = strcspn(++path, "/");
                if (ret->count == MAX_SEGMENTS)
                        return 1;
                memcpy(scratch, path, len);
                ptrdiff_t n = gw_str_unescape(scratch, len);
                if (n < 0 || !gw_str_utf8(scratch, (size_t)n))
                        return -1;
                ret->segments[ret->count++] = scratch;
                scratch[n] = '\0';
                scratch += n + 1;
                path += len;
        }
        return 0;
}

/* Literals first; a literal that leads nowhere gives way to the parameter beside it. */
static const struct node *walk(const struct node *n, const struct path *path, size_t depth,
                               struct gw_router_match *match)
{
        if (depth == path->count)
                return n->endings ? n : NULL;
        const char *segment = path->segments[depth];
        const struct node *child = find_literal(n, segment, strlen(segment));
        const struct node *found = child ? walk(child, path, depth + 1, match) : NULL;
        if (found || !n->parameter || !*segment)
                return found;
        size_t count = match->count;
        match->values[match->count++] = segment;
        found = walk(n->parameter, path, depth + 1, match);
        if (!found)
                match->count = count;
        return found;
}

static const struct ending *find_method(const struct node *n, const char *method)
{
        const struct ending *e = n->endings;
        while (e && strcmp(e->method, method) != 0)
                e = e->next;
        return e;
}

static void add_allowed(char allow[ALLOW_BYTES], const char *method)
{
        size_t len = strlen(allow);
        gw_str_copy(allow + len, ALLOW_BYTES - len, len ? ", " : "");
        len = strlen(allow);
        gw_str_copy(allow + len, ALLOW_BYTES - len, method);
}

static void list_allowed(const struct node *n, char allow[ALLOW_BYTES])
{
        allow[0] = '\0';
        for (const struct ending *e = n->endings; e; e = e->next) {
                add_allowed(allow, e->method);
                if (strcmp(e->method, "GET") == 0 && !find_method(n, "HEAD"))
                        add_allowed(allow, "HEAD");
        }
}

int gw_router_match(const struct gw_router *r, const char *method, const char *path, char *scratch,
                    struct gw_router_match *ret, char allow[96], struct gw_error *err)
{
        struct path segments = {0};
        int bad = split(path, scratch, &segments);
        if (bad < 0)
                return gw_fail(err, GW_ERR_INVALID, "the path is not percent-encoded UTF-8");

        struct gw_router_match match = {0};
        const struct node *n = bad ? NULL : walk(&r->root, &segments, 0, &match);
        if (!n)
                return gw_fail(err, GW_ERR_NOT_FOUND, "there is nothing at this path");
        const struct ending *e = find_method(n, method);
        if (!e && strcmp(method, "HEAD") == 0)
                e = find_method(n, "GET");
        if (!e) {
                list_allowed(n, allow);
                return gw_fail(err, GW_ERR_METHOD, "this path does not know the method");
        }
        match.route = e->route;
        *ret = match;
        return 0;
}
