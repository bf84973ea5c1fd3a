/*
 * The database: commands, sessions and channels.
 *
 * A *command* is one repeatable statement with typed parameters and a row decoder. Its
 * *kind* is constant data: the statement is written once, over a relation named by
 * `{input}`, and the session makes two prepared statements of it: one over arrays for a
 * batch of commands of that kind, one over plain parameters for a single command. Ids are
 * made by the gateway, so a command whose answer was lost is simply run again; an expected
 * refusal is zero rows, not an error of SQL.
 *
 * A *session* is one connection, used by one thread. It runs a mixed list of commands as
 * one pipeline: each kind present is one statement and one transaction of its own (event
 * numbers need the advisory lock to be the last thing a transaction takes, and a command
 * that fails must not take others of another kind with it). A statement that fails is
 * bisected until the poisoned command is alone.
 *
 * A *channel* is a thread with a session and a mailbox: commands are posted from any thread
 * and finish at their home. It reconnects with back-off; while the database is away new
 * commands are refused at once, those in flight are repeated after the reconnect.
 */
#ifndef GW_DB_DB_H
#define GW_DB_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "server/base/cleanup.h"
#include "server/base/error.h"
#include "server/base/id.h"
#include "server/base/mailbox.h"
#include "server/base/metrics.h"

/* ---- kinds ----------------------------------------------------------------------------- */

enum gw_db_type {
        GW_DB_BOOL,
        GW_DB_INT4,
        GW_DB_INT8,
        GW_DB_FLOAT8,
        GW_DB_TEXT,
        GW_DB_UUID,
        GW_DB_JSON,
        GW_DB_JSONB,
        GW_DB_TIME, /* timestamptz; int64_t wall µs here, 0 is NULL */
        GW_DB_BYTES,
        GW_DB_TYPE_COUNT
};

struct gw_db_column {
        const char *name;
        enum gw_db_type type;
};

struct gw_db_command;
struct gw_db_input; /* where encode puts a command's parameters */
struct gw_db_row;   /* one row of a result */

struct gw_db_kind {
        const char *name; /* the prepared statements' name and the metrics' label; NULL: its text
                             differs from command to command, so it is not prepared and always
                             alone */
        /* The statement. `{input}` stands for a relation with the column `ord` (integer: which
         * command) and the columns below. The result's first column is ord. */
        const char *sql;
        const char *sql_one; /* the same for a single command, where that can be simpler; or NULL */
        const struct gw_db_column *columns;
        size_t column_count;
        /* Calls one gw_db_put_…() per column, in order. */
        void (*encode)(const struct gw_db_command *c, struct gw_db_input *in);
        /* One row that belongs to c; called for each, in the result's order. May set
         * c->error. NULL when rows do not matter. */
        void (*row)(struct gw_db_command *c, const struct gw_db_row *row);
        /* The order in which a batch takes its row locks (so that two replicas never
         * deadlock); NULL: as they came. */
        int (*order)(const struct gw_db_command *a, const struct gw_db_command *b);
        size_t batch_max; /* most commands in one statement; 1: always alone; 0: the session's */
};

/* Embedded in the struct of one concrete command (db/jobs.h …), which holds its inputs and
 * outputs. The caller sets kind and work.home (and owner); the rest is zero before. Inputs are
 * borrowed until it comes home. */
struct gw_db_command {
        struct gw_work work;
        const struct gw_db_kind *kind;
        uint32_t rows;         /* rows received: 0 is the expected refusal */
        struct gw_error error; /* GW_OK: it ran and is committed. GW_ERR_UNAVAILABLE: the
                                  database is away (its outcome may be unknown);
                                  GW_ERR_UNPROCESSABLE: a value PostgreSQL refuses */
};

/* The concrete command whose member `cmd` this is. */
#define GW_DB_COMMAND(command, type) GW_CONTAINER(command, type, cmd)

/* The command whose message this is. */
static inline struct gw_db_command *gw_db_command_of(struct gw_work *work)
{
        return GW_CONTAINER(work, struct gw_db_command, work);
}

void gw_db_put_null(struct gw_db_input *in);
void gw_db_put_bool(struct gw_db_input *in, bool v);
void gw_db_put_int4(struct gw_db_input *in, int32_t v);
void gw_db_put_int8(struct gw_db_input *in, int64_t v);
void gw_db_put_float8(struct gw_db_input *in, double v);
void gw_db_put_text(struct gw_db_input *in, const char *s); /* NULL: null; also JSON and JSONB */
void gw_db_put_textn(struct gw_db_input *in, const char *s, size_t len);
void gw_db_put_uuid(struct gw_db_input *in, struct gw_id id); /* nil: null */
void gw_db_put_time(struct gw_db_input *in, int64_t us);      /* 0: null */
void gw_db_put_bytes(struct gw_db_input *in, const void *data, size_t len);

/* Columns count from 0, which is ord. Null reads as false, 0, NULL or nil. Text is
 * NUL-terminated and borrowed until the row function returns. */
bool gw_db_is_null(const struct gw_db_row *row, int column);
bool gw_db_get_bool(const struct gw_db_row *row, int column);
int32_t gw_db_get_int4(const struct gw_db_row *row, int column);
int64_t gw_db_get_int8(const struct gw_db_row *row, int column);
double gw_db_get_float8(const struct gw_db_row *row, int column);
const char *gw_db_get_text(const struct gw_db_row *row, int column, size_t *ret_len);
/* The caller's; NULL too without memory. */
char *gw_db_copy_text(const struct gw_db_row *row, int column);
struct gw_id gw_db_get_uuid(const struct gw_db_row *row, int column);
int64_t gw_db_get_time(const struct gw_db_row *row, int column);
const void *gw_db_get_bytes(const struct gw_db_row *row, int column, size_t *ret_len);

/* ---- sessions -------------------------------------------------------------------------- */

struct gw_db_session;

struct gw_db_session_settings {
        const char *conninfo; /* libpq keywords or URI; never logged (it may hold a password) */
        const char *application_name; /* "jobgate writer" */
        const char *listen;           /* NOTIFY channels to LISTEN on, comma-separated, or NULL */
        bool read_only;
        unsigned statement_timeout_ms; /* 0: none */
        size_t rows_max; /* commands in one statement, and so in a transaction; 0: the default */
};

/* Connects (at most 10 s) and checks that the server is a primary with UTF-8 and
 * synchronous_commit on (it is set). NULL on failure: GW_ERR_UNAVAILABLE. */
struct gw_db_session *gw_db_session_open(const struct gw_db_session_settings *settings,
                                         struct gw_error *err);
void gw_db_session_close(struct gw_db_session *s);

/* Runs a list linked by work.next (order is kept, links are restored) to its end. Returns 0
 * with every command's rows and error set; or -1 when the connection was lost: commands that
 * already have their answer are set, the others have error.code GW_ERR_UNAVAILABLE and may be
 * run again on a new session. */
int gw_db_session_run(struct gw_db_session *s, struct gw_work *first, struct gw_error *err);
/* The same for one command; its error becomes *err. Returns 0 only when it ran. */
int gw_db_session_run_one(struct gw_db_session *s, struct gw_db_command *c, struct gw_error *err);
/* One plain statement without parameters or rows (migrations, LISTEN, advisory locks). */
int gw_db_session_exec(struct gw_db_session *s, const char *sql, struct gw_error *err);

/* Readable when a notification came or the connection was lost. */
int gw_db_session_fd(const struct gw_db_session *s);
/* Reads what arrived; calls each() per notification. Returns -1 when the connection is lost. */
int gw_db_session_notifications(struct gw_db_session *s,
                                void (*each)(void *arg, const char *channel, const char *payload),
                                void *arg);

/* ---- channels -------------------------------------------------------------------------- */

struct gw_db_channel;

/* The channels' metric families; one for all channels of the process. */
struct gw_db_metrics {
        const char *const *channels;
        struct gw_metric_family *up;       /* gauge: connected */
        struct gw_metric_family *pending;  /* gauge: commands accepted and not finished */
        struct gw_metric_family *commands; /* counter: commands finished */
        struct gw_metric_family *batch;    /* sizes: commands in one pipeline */
        struct gw_metric_family *lost;     /* counter: connections lost */
};

/* channels: all their names, NULL-ended, borrowed for ever. Returns 0 or -1 (no memory). */
int gw_db_metrics_init(struct gw_db_metrics *dm, struct gw_metrics *m, const char *const *channels);

struct gw_db_channel_settings {
        struct gw_db_session_settings session;
        const char *name;   /* thread name and metrics label: "writer", "reader" */
        size_t queue_max;   /* commands that may wait to be taken */
        size_t batch_max;   /* commands in one pipeline */
        unsigned repeat_ms; /* how long an accepted command is kept through an outage before it
                               fails with GW_ERR_UNAVAILABLE */
        const struct gw_db_metrics *metrics; /* or NULL; borrowed */
};

/* Starts the thread; connects in the background. */
struct gw_db_channel *gw_db_channel_start(const struct gw_db_channel_settings *settings,
                                          struct gw_error *err);
/* Runs what is queued, then stops and frees. Nobody posts any more. */
void gw_db_channel_stop(struct gw_db_channel *ch);

/* Any thread. Returns 0, or -1 with GW_ERR_OVERLOADED (queue full) or GW_ERR_UNAVAILABLE (the
 * database is away): the caller keeps the command. */
int gw_db_channel_post(struct gw_db_channel *ch, struct gw_db_command *c, struct gw_error *err);
/* Any thread: whether it is connected now. */
bool gw_db_channel_up(const struct gw_db_channel *ch);

#endif
