/*
 * The part of a log that its followers share: one open file, and the pieces read of it last,
 * where the foremost follower is. The follow thread only, but for counting and reading what is
 * counted, which is any thread's.
 */
#ifndef GW_ENGINE_FOLLOW_WINDOW_H
#define GW_ENGINE_FOLLOW_WINDOW_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FOLLOW_BLOCK_BYTES (64 * 1024)
#define FOLLOW_WINDOW_BYTES (1024 * 1024)     /* most that one log's pieces have together, */
#define FOLLOW_WINDOW_BLOCKS 64               /* and how many they are: a slow job's are short; */
#define FOLLOW_ALONE_BYTES FOLLOW_BLOCK_BYTES /* and while nobody shares them */

/* Counted, constant. */
struct follow_file {
        atomic_uint refs;
        int fd;
};
/* Takes fd, also on failure; NULL without memory. */
struct follow_file *follow_file_new(int fd);
struct follow_file *follow_file_ref(struct follow_file *file);
void follow_file_unref(struct follow_file *file); /* NULL allowed */

/* Bytes [first, first + len) of the file. Counted; constant but for next, which is the window's. */
struct follow_block {
        atomic_uint refs;
        uint64_t first;
        size_t len;
        struct follow_block *next;
        char data[];
};
void follow_block_unref(struct follow_block *block); /* NULL allowed */

/* Pieces are adjacent, `end` is behind the last. Zeroed: without a file. */
struct follow_window {
        struct follow_file *file;
        uint64_t size;   /* of the file, when it was last looked at */
        uint64_t looked; /* the turn in which that was; 0: it counts no more */
        uint64_t end;
        struct follow_block *first, *last;
        size_t bytes, count;
        bool shared;
};

/* Without pieces and file. */
void follow_window_clear(struct follow_window *w);

/* Whether it has several followers: what is kept for others is not kept for one alone. */
void follow_window_share(struct follow_window *w, bool shared);

/* Looks how large the file is now: once in a turn (> 0), however many ask. Returns 0 or -1. */
int follow_window_look(struct follow_window *w, uint64_t turn);

enum follow_found {
        FOLLOW_FOUND,     /* *ret_block holds the byte at the position; a reference */
        FOLLOW_BEHIND,    /* the pieces are further on: bytes up to `size` can be read */
        FOLLOW_NOTHING,   /* the file ends there */
        FOLLOW_UNREADABLE /* or there is no memory */
};
/* What a follower at this position is given. Reads the next piece for the foremost;
 * *ret_read is how many bytes that were. */
enum follow_found follow_window_find(struct follow_window *w, uint64_t turn, uint64_t position,
                                     struct follow_block **ret_block, size_t *ret_read);

#endif
