/*
 * Kinds: statement texts and binary parameters. Runs on the thread of the session that owns
 * the input. A column is an array in PostgreSQL's binary format,
 *
 *   dimensions 1 · has nulls 1 · element type · count · lower bound 1 · (length, bytes)…
 *
 * all big-endian 32-bit numbers; the count is filled in at the end.
 */
#include "db/kind.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#include "server/base/limits.h"

#define HEADER_BYTES 20
#define COUNT_AT 12
#define LENGTH_BYTES 4
#define KEPT_BYTES (256 * 1024) /* of a column's memory, between statements */
#define COLUMN_MAX_BYTES ((size_t)64 * 1024 * 1024)
#define PG_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 */
#define JSONB_VERSION 1

static const struct type_row {
        const char *name;
        unsigned oid;
        unsigned array_oid;
} types[GW_DB_TYPE_COUNT] = {
        [GW_DB_BOOL] = {"boolean", 16, 1000},       [GW_DB_INT4] = {"integer", 23, 1007},
        [GW_DB_INT8] = {"bigint", 20, 1016},        [GW_DB_FLOAT8] = {"float8", 701, 1022},
        [GW_DB_TEXT] = {"text", 25, 1009},          [GW_DB_UUID] = {"uuid", 2950, 2951},
        [GW_DB_JSON] = {"json", 114, 199},          [GW_DB_JSONB] = {"jsonb", 3802, 3807},
        [GW_DB_TIME] = {"timestamptz", 1184, 1185}, [GW_DB_BYTES] = {"bytea", 17, 1001},
};

/* (SELECT 0 AS ord, $1::uuid AS id, …) */
static void add_input_one(const struct gw_db_kind *kind, struct gw_buf *out)
{
        gw_buf_str(out, "(SELECT 0 AS ord");
        for (size_t i = 0; i < kind->column_count; i++) {
                const struct gw_db_column *c = &kind->columns[i];
                gw_buf_printf(out, ", $%zu::%s AS %s", i + 1, types[c->type].name, c->name);
        }
        gw_buf_char(out, ')');
}

/* (SELECT (t.ord1 - 1)::integer AS ord, t.id, …
 *  FROM unnest((SELECT $1::uuid[]), …) WITH ORDINALITY AS t(id, …, ord1))
 * The inner SELECT hides the array's length from the planner. It would otherwise find a plan made
 * for a short array cheaper than the generic one, and plan each small batch anew: 2 to 16 reads
 * by id took 150 µs instead of 65. */
static void add_input_many(const struct gw_db_kind *kind, struct gw_buf *out)
{
        gw_buf_str(out, "(SELECT (t.ord1 - 1)::integer AS ord");
        for (size_t i = 0; i < kind->column_count; i++)
                gw_buf_printf(out, ", t.%s", kind->columns[i].name);
        gw_buf_str(out, " FROM unnest(");
        for (size_t i = 0; i < kind->column_count; i++) {
                gw_buf_printf(out, "%s(SELECT $%zu::%s[])", i ? ", " : "", i + 1,
                              types[kind->columns[i].type].name);
        }
        gw_buf_str(out, ") WITH ORDINALITY AS t(");
        for (size_t i = 0; i < kind->column_count; i++)
                gw_buf_printf(out, "%s, ", kind->columns[i].name);
        gw_buf_str(out, "ord1))");
}

void gw_db_kind_sql(const struct gw_db_kind *kind, enum gw_db_form form, struct gw_buf *out)
{
        static const char token[] = "{input}";
        const char *rest = form == GW_DB_ONE && kind->sql_one ? kind->sql_one : kind->sql;
        for (const char *at; (at = strstr(rest, token)); rest = at + sizeof token - 1) {
                gw_buf_add(out, rest, (size_t)(at - rest));
                if (form == GW_DB_ONE)
                        add_input_one(kind, out);
                else
                        add_input_many(kind, out);
        }
        gw_buf_str(out, rest);
}

unsigned gw_db_kind_oid(const struct gw_db_kind *kind, enum gw_db_form form, size_t column)
{
        const struct type_row *type = &types[kind->columns[column].type];
        return form == GW_DB_ONE ? type->oid : type->array_oid;
}

size_t gw_db_kind_batch_max(const struct gw_db_kind *kind, size_t rows_max)
{
        /* There is no array to count the commands of a kind without parameters. */
        if (kind->column_count == 0)
                return 1;
        if (kind->batch_max)
                return kind->batch_max;
        return rows_max ? rows_max : GW_MAX_BATCH_ROWS;
}

/* ---- input --------------------------------------------------------------------------- */

void gw_db_input_init(struct gw_db_input *in)
{
        *in = (struct gw_db_input){0};
        for (size_t i = 0; i < GW_DB_MAX_COLUMNS; i++)
                gw_buf_init(&in->columns[i], COLUMN_MAX_BYTES);
}

void gw_db_input_done(struct gw_db_input *in)
{
        for (size_t i = 0; i < GW_DB_MAX_COLUMNS; i++)
                gw_buf_done(&in->columns[i]);
}

static void put_be32(char *at, uint32_t v)
{
        uint32_t be = htobe32(v);
        memcpy(at, &be, sizeof be);
}

static uint32_t get_be32(const char *at)
{
        uint32_t be;
        memcpy(&be, at, sizeof be);
        return be32toh(be);
}

void gw_db_input_begin(struct gw_db_input *in, const struct gw_db_kind *kind)
{
        assert(kind->column_count <= GW_DB_MAX_COLUMNS);
        in->kind = kind;
        in->count = 0;
        for (size_t i = 0; i < kind->column_count; i++) {
                struct gw_buf *b = &in->columns[i];
                if (b->cap > KEPT_BYTES) {
                        gw_buf_done(b);
                        gw_buf_init(b, COLUMN_MAX_BYTES);
                }
                gw_buf_clear(b);
                char header[HEADER_BYTES];
                put_be32(header, 1);
                put_be32(header + 4, 1);
                put_be32(header + 8, types[kind->columns[i].type].oid);
                put_be32(header + COUNT_AT, 0);
                put_be32(header + 16, 1);
                gw_buf_add(b, header, sizeof header);
        }
}

int gw_db_input_add(struct gw_db_input *in, const struct gw_db_command *c)
{
        in->column = 0;
        if (in->kind->encode)
                in->kind->encode(c, in);
        assert(in->column == in->kind->column_count);
        in->count++;
        for (size_t i = 0; i < in->kind->column_count; i++) {
                if (!gw_buf_ok(&in->columns[i]))
                        return -1;
        }
        return 0;
}

size_t gw_db_input_bytes(const struct gw_db_input *in)
{
        size_t bytes = 0;
        for (size_t i = 0; i < in->kind->column_count; i++)
                bytes += in->columns[i].len;
        return bytes;
}

void gw_db_input_params(struct gw_db_input *in, enum gw_db_form form, const char *values[],
                        int lengths[])
{
        for (size_t i = 0; i < in->kind->column_count; i++) {
                struct gw_buf *b = &in->columns[i];
                if (form == GW_DB_MANY) {
                        put_be32(b->data + COUNT_AT, (uint32_t)in->count);
                        values[i] = b->data;
                        lengths[i] = (int)b->len;
                        continue;
                }
                const char *element = b->data + HEADER_BYTES;
                lengths[i] = (int)get_be32(element);
                values[i] = lengths[i] < 0 ? NULL : element + LENGTH_BYTES;
        }
}

/* ---- values -------------------------------------------------------------------------- */

static enum gw_db_type next_type(const struct gw_db_input *in)
{
        assert(in->column < in->kind->column_count);
        return in->kind->columns[in->column].type;
}

/* Opens the next element of len bytes and returns where they go; NULL when out of memory. */
static char *put_element(struct gw_db_input *in, size_t len)
{
        struct gw_buf *b = &in->columns[in->column++];
        if (len > COLUMN_MAX_BYTES || gw_buf_reserve(b, LENGTH_BYTES + len) < 0) {
                b->failed = true;
                return NULL;
        }
        char *at = b->data + b->len;
        put_be32(at, (uint32_t)len);
        b->len += LENGTH_BYTES + len;
        return at + LENGTH_BYTES;
}

static void put_value(struct gw_db_input *in, enum gw_db_type type, const void *data, size_t len)
{
        assert(next_type(in) == type);
        char *at = put_element(in, len);
        if (at && len > 0)
                memcpy(at, data, len);
}

void gw_db_put_null(struct gw_db_input *in)
{
        (void)next_type(in);
        char minus_one[LENGTH_BYTES];
        put_be32(minus_one, UINT32_MAX);
        gw_buf_add(&in->columns[in->column++], minus_one, sizeof minus_one);
}

void gw_db_put_bool(struct gw_db_input *in, bool v)
{
        put_value(in, GW_DB_BOOL, &(char){v ? 1 : 0}, 1);
}

void gw_db_put_int4(struct gw_db_input *in, int32_t v)
{
        put_value(in, GW_DB_INT4, &(uint32_t){htobe32((uint32_t)v)}, sizeof(uint32_t));
}

void gw_db_put_int8(struct gw_db_input *in, int64_t v)
{
        put_value(in, GW_DB_INT8, &(uint64_t){htobe64((uint64_t)v)}, sizeof(uint64_t));
}

void gw_db_put_float8(struct gw_db_input *in, double v)
{
        uint64_t bits;
        memcpy(&bits, &v, sizeof bits);
        put_value(in, GW_DB_FLOAT8, &(uint64_t){htobe64(bits)}, sizeof bits);
}

void gw_db_put_text(struct gw_db_input *in, const char *s)
{
        if (s)
                gw_db_put_textn(in, s, strlen(s));
        else
                gw_db_put_null(in);
}

void gw_db_put_textn(struct gw_db_input *in, const char *s, size_t len)
{
        enum gw_db_type type = next_type(in);
        if (type != GW_DB_JSONB) {
                assert(type == GW_DB_TEXT || type == GW_DB_JSON);
                put_value(in, type, s, len);
                return;
        }
        char *at = put_element(in, len + 1);
        if (!at)
                return;
        *at = JSONB_VERSION;
        if (len > 0)
                memcpy(at + 1, s, len);
}

void gw_db_put_uuid(struct gw_db_input *in, struct gw_id id)
{
        if (gw_id_is_nil(id))
                gw_db_put_null(in);
        else
                put_value(in, GW_DB_UUID, id.bytes, sizeof id.bytes);
}

void gw_db_put_time(struct gw_db_input *in, int64_t us)
{
        if (us == 0)
                gw_db_put_null(in);
        else
                put_value(in, GW_DB_TIME, &(uint64_t){htobe64((uint64_t)(us - PG_EPOCH_US))},
                          sizeof(uint64_t));
}

void gw_db_put_bytes(struct gw_db_input *in, const void *data, size_t len)
{
        put_value(in, GW_DB_BYTES, data, len);
}
