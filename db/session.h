/* The inside of a session, shared by session.c and pipeline.c. */
#ifndef GW_DB_SESSION_H
#define GW_DB_SESSION_H

#include <libpq-fe.h>

#include "db/db.h"
#include "db/kind.h"

/* A kind this session has met. */
struct gw_db_statement {
        const struct gw_db_kind *kind;
        bool prepared[GW_DB_FORM_COUNT];
};

struct gw_db_pipeline; /* pipeline.c's memory */

struct gw_db_session {
        PGconn *conn;    /* non-blocking, in pipeline mode except inside exec */
        int patience_ms; /* longest silence of the server, -1: endless */
        size_t rows_max; /* of the settings */
        struct gw_db_statement *statements;
        size_t statement_count;
        struct gw_db_input input;
        struct gw_db_pipeline *pipeline;
};

struct gw_db_pipeline *gw_db_pipeline_new(void);
void gw_db_pipeline_free(struct gw_db_pipeline *p);

/* Writes what libpq holds, reading meanwhile, until all is written or, with for_input, until
 * something was read. Returns 0, or -1 when the connection is lost or silent for too long. */
int gw_db_session_wait(struct gw_db_session *s, bool for_input);

#endif
