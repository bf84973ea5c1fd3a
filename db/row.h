/* One row of a result; inside db/ only. */
#ifndef GW_DB_ROW_H
#define GW_DB_ROW_H

#include <libpq-fe.h>

#include "db/db.h"

struct gw_db_row {
        const PGresult *result; /* binary */
        int row;
};

#endif
