/*
 * Memory that is given back all at once: what belongs to one exchange. Made of pages that a
 * loop keeps for the next exchange, so that most requests never reach malloc. One thread.
 */
#ifndef GW_HTTP_ARENA_H
#define GW_HTTP_ARENA_H

#include <stddef.h>

#define GW_PAGE_BYTES 4096
#define GW_PAGES_KEPT 512 /* free pages a loop keeps */

struct gw_page;

/* A loop's free pages. Zeroed: empty. */
struct gw_pages {
        struct gw_page *free;
        size_t count;
};

/* Zeroed: empty; `pages` is set by the owner. */
struct gw_arena {
        struct gw_pages *pages;
        struct gw_page *first;
        char *at; /* the free part of the first page */
        size_t left;
};

/* Zeroed memory, aligned for anything; NULL without memory. */
void *gw_arena_alloc(struct gw_arena *arena, size_t size);
/* Gives everything back; the arena may itself lie in its first page. */
void gw_arena_done(struct gw_arena *arena);
void gw_pages_done(struct gw_pages *pages);

#endif
