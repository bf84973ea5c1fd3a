/*
 * Reads one row of a binary result. Runs inside a kind's row function, on its session's
 * thread. A column of another type than the getter's is the programmer's mistake.
 */
#include "db/row.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define PG_EPOCH_US INT64_C(946684800000000) /* 2000-01-01 */

enum {
        OID_BOOL = 16,
        OID_BYTEA = 17,
        OID_FLOAT8 = 701,
        OID_TIMESTAMPTZ = 1184,
        OID_UUID = 2950,
        OID_JSONB = 3802
};

bool gw_db_is_null(const struct gw_db_row *row, int column)
{
        return PQgetisnull(row->result, row->row, column) != 0;
}

/* The value of a column of that type, or NULL. */
static const char *value(const struct gw_db_row *row, int column, Oid type)
{
        assert(PQftype(row->result, column) == type);
        return gw_db_is_null(row, column) ? NULL : PQgetvalue(row->result, row->row, column);
}

static int64_t be64(const char *at)
{
        uint64_t v;
        memcpy(&v, at, sizeof v);
        return (int64_t)be64toh(v);
}

/* smallint, integer or bigint. */
static int64_t integer(const struct gw_db_row *row, int column)
{
        if (gw_db_is_null(row, column))
                return 0;
        const char *at = PQgetvalue(row->result, row->row, column);
        uint16_t v2;
        uint32_t v4;
        switch (PQgetlength(row->result, row->row, column)) {
        case sizeof v2:
                memcpy(&v2, at, sizeof v2);
                return (int16_t)be16toh(v2);
        case sizeof v4:
                memcpy(&v4, at, sizeof v4);
                return (int32_t)be32toh(v4);
        default:
                assert(PQgetlength(row->result, row->row, column) == sizeof(uint64_t));
                return be64(at);
        }
}

bool gw_db_get_bool(const struct gw_db_row *row, int column)
{
        const char *at = value(row, column, OID_BOOL);
        return at && *at;
}

int32_t gw_db_get_int4(const struct gw_db_row *row, int column)
{
        assert(PQgetlength(row->result, row->row, column) <= (int)sizeof(int32_t));
        return (int32_t)integer(row, column);
}

int64_t gw_db_get_int8(const struct gw_db_row *row, int column)
{
        return integer(row, column);
}

double gw_db_get_float8(const struct gw_db_row *row, int column)
{
        const char *at = value(row, column, OID_FLOAT8);
        int64_t bits = at ? be64(at) : 0;
        double v;
        memcpy(&v, &bits, sizeof v);
        return v;
}

const char *gw_db_get_text(const struct gw_db_row *row, int column, size_t *ret_len)
{
        bool null = gw_db_is_null(row, column);
        /* jsonb travels as a version byte and the text. */
        int skip = !null && PQftype(row->result, column) == OID_JSONB ? 1 : 0;
        if (ret_len)
                *ret_len = (size_t)(PQgetlength(row->result, row->row, column) - skip);
        return null ? NULL : PQgetvalue(row->result, row->row, column) + skip;
}

char *gw_db_copy_text(const struct gw_db_row *row, int column)
{
        const char *text = gw_db_get_text(row, column, NULL);
        return text ? strdup(text) : NULL;
}

struct gw_id gw_db_get_uuid(const struct gw_db_row *row, int column)
{
        struct gw_id id = {{0}};
        const char *at = value(row, column, OID_UUID);
        if (at)
                memcpy(id.bytes, at, sizeof id.bytes);
        return id;
}

int64_t gw_db_get_time(const struct gw_db_row *row, int column)
{
        const char *at = value(row, column, OID_TIMESTAMPTZ);
        if (!at)
                return 0;
        int64_t us = be64(at);
        return us > INT64_MAX - PG_EPOCH_US ? INT64_MAX : us + PG_EPOCH_US; /* infinity */
}

const void *gw_db_get_bytes(const struct gw_db_row *row, int column, size_t *ret_len)
{
        const char *at = value(row, column, OID_BYTEA);
        if (ret_len)
                *ret_len = (size_t)PQgetlength(row->result, row->row, column);
        return at;
}
