/*
 * What the files of following share. Private to them.
 *
 * A follower's fields move with its work: while it is at home they are its loop's, while it is
 * out the follow thread's. Logs are the thread's.
 */
#ifndef GW_ENGINE_FOLLOW_PARTS_H
#define GW_ENGINE_FOLLOW_PARTS_H

#include <pthread.h>

#include "db/jobs.h"
#include "server/base/shares.h"
#include "server/engine/follow.h"
#include "server/engine/follow_window.h"

#define FOLLOW_BUCKETS 1024

/* Which output. */
struct follow_key {
        struct gw_mark mark;
        uint32_t ordinal, attempt;
        bool is_stderr;
};

struct gw_follower {
        struct gw_work work;
        void (*done)(struct gw_work *work); /* of the work, at home */
        struct gw_follow *follow;
        struct gw_share *share; /* of its user; counts it */
        bool closing;           /* it is out for the last time */
        struct follow_key key;
        int fd;                 /* of the log to go over to, until the thread has it; -1: none */
        bool complete;          /* that log does not grow */
        struct follow_log *log; /* the thread's; NULL: it has none yet */
        uint64_t position;
        /* What the thread gave: */
        struct follow_file *file;   /* a reference, or NULL */
        struct follow_block *block; /* a reference, or NULL */
        uint64_t known;             /* up to here the file can be read */
        bool over, failed;
        struct gw_follower *next; /* of those that wait for the log */
        atomic_bool abandoned;
};

/* Learns of the attempt's end: asks the record, waits at the hub for the job's next event, asks
 * again. What it sent out comes home to the follow thread. */
struct follow_watch {
        enum { WATCH_IDLE, WATCH_ASKING, WATCH_WAITING } stage;
        int64_t again_us; /* monotonic; idle until then; 0: for ever */
        int64_t began_us; /* monotonic: the last question */
        int64_t next_us;  /* monotonic: and not before this the next */
        struct gw_db_attempts ask;
        struct gw_hub_wait wait;
        int32_t attempt;
        bool running; /* said the record */
};

struct follow_log {
        struct follow_log *next; /* of its bucket */
        struct gw_follow *follow;
        struct follow_key key;
        struct follow_window window;
        struct follow_watch watch;
        struct gw_follower *waiting; /* in no order */
        size_t followers;
        bool ended; /* the file does not grow any more */
};

struct gw_follow {
        struct gw_follow_settings settings;
        pthread_t thread;
        struct gw_mailbox inbox;
        atomic_bool stopping, draining;
        atomic_bool hurry;       /* some follower was abandoned, or draining began */
        atomic_size_t count;     /* of followers */
        struct gw_shares shares; /* how many of them are each user's */
        uint64_t turn;           /* the thread's, from 1: in each a file is looked at once */
        struct follow_log *logs[FOLLOW_BUCKETS];
        size_t log_count;
        struct gw_metric_family *followers_gauge, *logs_gauge, *read_bytes;
};

/* ---- follow.c, the thread ---- */

/* The attempt has ended: who waits for the log is given the rest. */
void follow_log_end(struct follow_log *log);
/* Frees a log that nobody follows and of which nothing is out. */
void follow_log_release(struct follow_log *log);

/* ---- follow_watch.c, the thread ---- */

void follow_watch_start(struct follow_log *log);
/* Nobody follows the log: what is out comes home soon. */
void follow_watch_stop(struct follow_log *log);
/* Now and then. */
void follow_watch_tick(struct follow_log *log, int64_t now_us);

#endif
