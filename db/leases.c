/*
 * Leadership. The advisory lock belongs to the connection, so a leader that dies or loses its
 * connection is followed at once (within half a minute when its whole machine is gone); the epoch
 * makes what it may still have under way void.
 */
#include "db/leases.h"

#include "server/base/str.h"

struct take {
        struct gw_db_command cmd;
        const char *name, *holder;
        bool locked;
        int64_t epoch;
};

static const struct gw_db_column take_columns[] = {{"name", GW_DB_TEXT}, {"holder", GW_DB_TEXT}};

static void take_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        const struct take *c = GW_DB_COMMAND(cmd, struct take);
        gw_db_put_text(in, c->name);
        gw_db_put_text(in, c->holder);
}

static void lock_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        GW_DB_COMMAND(cmd, struct take)->locked = gw_db_get_bool(row, 1);
}

static void raise_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        GW_DB_COMMAND(cmd, struct take)->epoch = gw_db_get_int8(row, 1);
}

static const struct gw_db_kind lock_kind = {
        .name = "lease_lock",
        .sql = "SELECT d.ord, pg_try_advisory_lock(7203, hashtext(d.name)) FROM {input} d",
        .columns = take_columns,
        .column_count = GW_COUNT(take_columns),
        .encode = take_encode,
        .row = lock_row,
        .batch_max = 1,
};

static const struct gw_db_kind raise_kind = {
        .name = "lease_raise",
        .sql = "INSERT INTO leases AS l (name, epoch, holder, renewed_at)"
               " SELECT d.name, 1, d.holder, now() FROM {input} d"
               " ON CONFLICT (name) DO UPDATE SET epoch = l.epoch + 1, holder = excluded.holder,"
               " renewed_at = excluded.renewed_at RETURNING 0, epoch",
        .columns = take_columns,
        .column_count = GW_COUNT(take_columns),
        .encode = take_encode,
        .row = raise_row,
        .batch_max = 1,
};

/* The server lets go of the lock when it finds that the machine behind the connection is gone. */
#define WATCH_CONNECTION                                                                           \
        "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5;"                           \
        " SET tcp_keepalives_count = 3; SET tcp_user_timeout = 25000"

int gw_db_lease_take(struct gw_db_session *s, const char *name, const char *holder,
                     int64_t *ret_epoch, struct gw_error *err)
{
        struct take c = {.cmd.kind = &lock_kind, .name = name, .holder = holder};
        if (gw_db_session_exec(s, WATCH_CONNECTION, err) < 0 ||
            gw_db_session_run_one(s, &c.cmd, err) < 0)
                return -1;
        if (c.locked) {
                c.cmd = (struct gw_db_command){.kind = &raise_kind};
                if (gw_db_session_run_one(s, &c.cmd, err) < 0)
                        return -1;
        }
        *ret_epoch = c.epoch;
        return 0;
}

/* ---- for people ---------------------------------------------------------------------------- */

static void holder_encode(const struct gw_db_command *cmd, struct gw_db_input *in)
{
        gw_db_put_text(in, GW_DB_COMMAND(cmd, struct gw_db_lease_holder)->name);
}

static void holder_row(struct gw_db_command *cmd, const struct gw_db_row *row)
{
        struct gw_db_lease_holder *c = GW_DB_COMMAND(cmd, struct gw_db_lease_holder);
        const char *holder = gw_db_get_text(row, 1, NULL);
        gw_str_copy(c->holder, sizeof c->holder, holder ? holder : "");
        c->epoch = gw_db_get_int8(row, 2);
}

static const struct gw_db_kind holder_kind = {
        .name = "lease_holder",
        .sql = "SELECT d.ord, l.holder, l.epoch FROM {input} d JOIN leases l ON l.name = d.name",
        .columns = take_columns,
        .column_count = 1,
        .encode = holder_encode,
        .row = holder_row,
};

void gw_db_lease_holder_init(struct gw_db_lease_holder *c)
{
        c->cmd.kind = &holder_kind;
}
