/* Members of a request (protocol.h), read strictly. Pure; any thread. What is wrong is
 * GW_ERR_INVALID, its pointer the member's name and its message what would be right. */
#ifndef GW_BACKENDS_SLURM_AGENT_REQUEST_H
#define GW_BACKENDS_SLURM_AGENT_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/error.h"

enum gw_agent_member_kind {
        GW_AGENT_MEMBER_NUMBER, /* int64_t, from lo to hi */
        GW_AGENT_MEMBER_TEXT,   /* const char *, borrowed from the JSON */
        GW_AGENT_MEMBER_BOOL,   /* bool */
        GW_AGENT_MEMBER_JSON,   /* const json_t *, borrowed; what is in it is not looked at */
};

struct gw_agent_member {
        const char *name;
        enum gw_agent_member_kind kind;
        size_t offset; /* in the struct that is filled; what is missing is left as it is there */
        bool required;
        int64_t lo, hi;
};

/* The first part of a row: the name, the kind without its GW_AGENT_MEMBER_, and where it goes. */
#define GW_AGENT_MEMBER(text, which, type, member)                                                 \
        .name = text, .kind = GW_AGENT_MEMBER_##which, .offset = offsetof(type, member)

/* The members that every request has: its number and what is asked. Returns 0, or -1: whoever sent
 * it does not speak our language. op is borrowed. */
int gw_agent_request_head(const json_t *request, json_int_t *ret_id, const char **ret_op,
                          struct gw_error *err);

/* Reads all the others, by a table; one that is not in it is wrong. Returns 0 or -1. */
int gw_agent_request_read(const json_t *request, const struct gw_agent_member *members,
                          size_t count, void *ret, struct gw_error *err);

#endif
