/*
 * Every bound on what a client, a file or a peer can make the process hold, in one
 * place. Each has a test that goes one past it. Those an operator may change are
 * defaults of the settings table (server/config.c) and are marked so.
 */
#ifndef GW_BASE_LIMITS_H
#define GW_BASE_LIMITS_H

/* HTTP */
#define GW_MAX_BODY_BYTES (1024 * 1024)         /* one request body (setting max_body) */
#define GW_MAX_BODIES_BYTES (256 * 1024 * 1024) /* all bodies being received together */
#define GW_MAX_ANSWERS_BYTES                                                                       \
        (256 * 1024 * 1024)                   /* all large answers not yet read by their clients */
#define GW_MAX_LINES 100000                   /* jobs in one body of lines */
#define GW_MAX_LINES_BYTES (64 * 1024 * 1024) /* one such body (setting max_lines) */
/* All bodies of lines of one user together (setting max_user_lines), of the half of
 * GW_MAX_BODIES_BYTES that all have. */
#define GW_MAX_USER_LINES_BYTES (96 * 1024 * 1024)
#define GW_MAX_LINES_TIME "10m" /* from its header to its end (setting max_lines_time) */
#define GW_MAX_LINES_OUT 2048   /* its results that wait for a job on its way to the record */
#define GW_MAX_LINES_OUT_BYTES (8 * 1024 * 1024) /* and those jobs; one more may be over it */
#define GW_MAX_LINES_ANSWER (64 * 1024 * 1024)
#define GW_MAX_HEADER_BYTES (8 * 1024) /* request line and fields together */
#define GW_MAX_URI_BYTES (4 * 1024)
#define GW_MAX_CONNECTIONS 10000 /* per process (setting max_connections) */
#define GW_MAX_PARAMETERS 32     /* query parameters of one request */
/* From the header's end to the body's end; in a body of lines from one part to the next. */
#define GW_BODY_TIMEOUT_MS 30000
#define GW_IDLE_TIMEOUT_S 75 /* a keep-alive connection without a request */
#define GW_MAX_WAIT_S 240    /* ?wait= */

/* JSON */
#define GW_MAX_JSON_DEPTH 32
#define GW_MAX_FAULTS 32 /* bad fields reported in one answer */

/* YAML */
#define GW_MAX_YAML_NODES 100000           /* of one document, aliases counted where used */
#define GW_MAX_YAML_ALIASES 1000           /* resolved, likewise */
#define GW_MAX_YAML_TEXT (8 * 1024 * 1024) /* bytes of its scalars, counted likewise */

/* Mailboxes */
#define GW_MAX_QUEUED_COMMANDS 8192 /* waiting for one database connection */
/* Likewise, jobs of bodies of lines: more than the budget of bodies lets wait, which is half of it
 * at no less than sizeof(struct gw_submit) each, and one for each connection. */
#define GW_MAX_QUEUED_LINES 131072
#define GW_MAX_BATCH_ROWS 128     /* of one kind in one statement */
#define GW_MAX_WAITERS 20000      /* suspended long-polls (setting max_waiters) */
#define GW_MAX_FOLLOWERS 1000     /* of logs; a slow one holds 64 KiB (setting max_followers) */
#define GW_MAX_LOG_TASKS 1000     /* asked for in one ?tasks= */
#define GW_MAX_LOG_LANES 32       /* of them followed at a time */
#define GW_MAX_USER_DRY_RUNS 4    /* of one user, while their backends are asked */
#define GW_MAX_USER_FOLLOWERS 500 /* of one user (setting max_user_followers) */
/* Of outputs that are kept and served from temporary files; of one user. More than one output. */
#define GW_MAX_KEPT_BYTES (512 * 1024 * 1024)
#define GW_MAX_USER_KEPT_BYTES (160 * 1024 * 1024)

/* Outgoing HTTP */
#define GW_MAX_NET_REQUESTS 4096            /* out at a time, streams included */
#define GW_MAX_NET_PIECE (64 * 1024)        /* bytes of a stream read ahead of its reader */
#define GW_MAX_NET_HEADER_BYTES (16 * 1024) /* of an answer */

/* Kubernetes */
#define GW_MAX_K8S_FILE_BYTES (1024 * 1024)       /* a kubeconfig, and each file it names */
#define GW_MAX_K8S_TOKEN_BYTES (16 * 1024)        /* a bearer token */
#define GW_MAX_K8S_ANSWER_BYTES (8 * 1024 * 1024) /* one object; etcd takes 1.5 MiB, packed */
#define GW_MAX_K8S_PAGE_BYTES (32 * 1024 * 1024)  /* a page of a list */
#define GW_MAX_K8S_LINE_BYTES (8 * 1024 * 1024)   /* an event of a watch, which has an object */
#define GW_MAX_K8S_CAUSES 8                       /* kept of an error */
#define GW_MAX_K8S_LOG_BYTES                                                                       \
        (256 * 1024 * 1024) /* of one output that is read; kubelets keep 50 MiB */

/* Values */
#define GW_MAX_NAME 63
#define GW_MAX_IDEMPOTENCY_KEY 255
#define GW_MAX_LABELS 32
#define GW_MAX_LIST 1000     /* ?limit= */
#define GW_MAX_IDS 1000      /* ids in one filter */
#define GW_MAX_ARRAY 1000000 /* tasks of a job (setting max_array, no higher than this) */
#define GW_MAX_INDEX_RANGES 10000
#define GW_MAX_INDEX_TEXT (256 * 1024)

#endif
