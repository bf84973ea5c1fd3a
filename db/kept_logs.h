/*
 * Output that the gateway keeps itself, of backends whose files are not its to keep: the beginning
 * and the end of what an attempt printed. The write that ends an attempt of such a backend says
 * that its output is due; whoever leads the backend fetches it (server/engine/keeper.h).
 */
#ifndef GW_DB_KEPT_LOGS_H
#define GW_DB_KEPT_LOGS_H

#include "db/db.h"

/* Whether the ends of attempts of a backend are to say so from now on. */
struct gw_db_log_wanted {
        struct gw_db_command cmd;
        const char *backend, *type;
        bool wanted;
};
void gw_db_log_wanted_init(struct gw_db_log_wanted *c);

/* An attempt whose output is due, with what its backend needs to find it (struct gw_log_source).
 * Texts are borrowed until the row function returns, and NULL where there is none. */
struct gw_log_due_row {
        struct gw_id job;
        int32_t ordinal, attempt, submission;
        const char *backend, *identity, *ref, *ordinals, *index_set, *spec, *node;
        int64_t ended_us;
};

/* Those that are due now, the longest due first. */
struct gw_db_log_due {
        struct gw_db_command cmd;
        const char *backends; /* names, with commas */
        int32_t limit;
        void (*each)(void *arg, const struct gw_log_due_row *row);
        void *arg;
};
void gw_db_log_due_init(struct gw_db_log_due *c);

/* Which output. */
struct gw_log_name {
        struct gw_id job;
        int32_t ordinal, attempt;
        bool is_stderr;
};

struct gw_log_text {
        int64_t size;     /* of the whole output */
        const char *head; /* its first bytes */
        size_t head_len;
        const char *tail; /* its last; none: the head is all */
        size_t tail_len;
};

/* Keeps one, unless it is kept already or the job's record is gone. */
struct gw_db_log_keep {
        struct gw_db_command cmd;
        struct gw_log_name log;
        struct gw_log_text text; /* borrowed */
};
void gw_db_log_keep_init(struct gw_db_log_keep *c);

/* When to look for an attempt's output again; 0: it is kept, or never will be. */
struct gw_db_log_settle {
        struct gw_db_command cmd;
        struct gw_log_name log; /* both outputs of the attempt */
        int64_t due_us;
};
void gw_db_log_settle_init(struct gw_db_log_settle *c);

/* One that is kept: rows is 0 when there is none. */
struct gw_db_log_get {
        struct gw_db_command cmd;
        struct gw_log_name log;
        void (*take)(void *arg, const struct gw_log_text *text); /* borrowed until it returns */
        void *arg;
};
void gw_db_log_get_init(struct gw_db_log_get *c);

#endif
