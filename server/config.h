/*
 * The settings: read from a YAML file through one table, which is also what fills in the
 * defaults, prints them and writes their reference.
 */
#ifndef GW_SERVER_CONFIG_H
#define GW_SERVER_CONFIG_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/buf.h"
#include "server/base/error.h"
#include "server/model/faults.h"

/* One configured cluster. */
struct gw_config_backend {
        char *name, *type;
        int64_t window;   /* most submissions it is to hold waiting */
        int64_t send_s;   /* a hand-over is not sent later than this after its intent */
        json_t *settings; /* its section without what is above: for the type's open() */
};

struct gw_config {
        char *listen_address;
        int64_t listen_port, listen_loops, listen_max_connections, listen_max_body,
                listen_max_lines, listen_max_lines_s, listen_max_user_lines;
        char *database_serve, *database_owner; /* owner: NULL when not given */
        int64_t log_level;                     /* enum gw_log_level */
        char *url;
        char *cors_origins; /* NULL: none */
        int64_t retention_s, max_wait_s, max_waiters, max_array, max_followers, max_user_followers,
                logs_head, logs_tail;
        struct gw_config_backend *backends;
        size_t backend_count;
};

/* Reads and checks the file. Returns 0, or -1 with everything that is wrong in *faults, each
 * with the setting's name ("listen.port", or "" for the file itself) as its pointer. */
int gw_config_load(const char *path, struct gw_config *ret, struct gw_faults *faults);
void gw_config_done(struct gw_config *c); /* also one that is zero */

/* What is in force, as YAML that can be read again, but for its secrets: they are masked. */
void gw_config_print(const struct gw_config *c, struct gw_buf *out);

/* The reference of all settings, as Markdown. */
void gw_config_reference(struct gw_buf *out);

#endif
