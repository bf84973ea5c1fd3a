/*
 * What a session makes of a kind: its two statement texts, its parameter types, and the
 * binary parameters of a batch. Pure; inside db/ only.
 */
#ifndef GW_DB_KIND_H
#define GW_DB_KIND_H

#include "db/db.h"
#include "server/base/buf.h"

#define GW_DB_MAX_COLUMNS 64
#define GW_DB_MAX_SQL (64 * 1024)

/* The statement's form: over plain parameters for one command, or over arrays. */
enum gw_db_form { GW_DB_ONE, GW_DB_MANY, GW_DB_FORM_COUNT };

/* Writes the statement with each `{input}` replaced by the form's relation. */
void gw_db_kind_sql(const struct gw_db_kind *kind, enum gw_db_form form, struct gw_buf *out);
/* The parameter's type number in PostgreSQL's catalogue. */
unsigned gw_db_kind_oid(const struct gw_db_kind *kind, enum gw_db_form form, size_t column);
/* Most commands of the kind in one statement. */
size_t gw_db_kind_batch_max(const struct gw_db_kind *kind, size_t rows_max);

/*
 * The parameters of one statement. Each column is kept as PostgreSQL's binary array; the
 * single element of such an array is at the same time the plain parameter's value, so both
 * forms are written by the same code.
 */
struct gw_db_input {
        const struct gw_db_kind *kind;
        size_t column; /* the one that the next gw_db_put_…() writes */
        size_t count;  /* commands inside */
        struct gw_buf columns[GW_DB_MAX_COLUMNS];
};

void gw_db_input_init(struct gw_db_input *in);
void gw_db_input_done(struct gw_db_input *in);

/* Forgets what is inside and begins a statement of the kind. Big memory is given back. */
void gw_db_input_begin(struct gw_db_input *in, const struct gw_db_kind *kind);
/* Adds a command's parameters. Returns 0, or -1 when a value does not fit in memory. */
int gw_db_input_add(struct gw_db_input *in, const struct gw_db_command *c);
size_t gw_db_input_bytes(const struct gw_db_input *in);
/* Fills values[] and lengths[] (one per column) for the form; borrowed until the next begin. */
void gw_db_input_params(struct gw_db_input *in, enum gw_db_form form, const char *values[],
                        int lengths[]);

#endif
