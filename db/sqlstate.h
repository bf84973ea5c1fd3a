/* What an error of PostgreSQL means for a batch; inside db/ only. */
#ifndef GW_DB_SQLSTATE_H
#define GW_DB_SQLSTATE_H

enum gw_db_verdict {
        GW_DB_FINE,
        GW_DB_VALUE,     /* a value PostgreSQL refuses: find whose and tell its sender */
        GW_DB_STATEMENT, /* any other fault of the statement or its rows: ours */
        GW_DB_REPEAT,    /* it lost against another transaction: run it again */
        GW_DB_AWAY,      /* the server cannot at the moment; the connection is good */
        GW_DB_LOST       /* the connection is of no use any more */
};

/* sqlstate: five characters, or NULL when there is none (the connection broke). */
enum gw_db_verdict gw_db_verdict(const char *sqlstate);

#endif
