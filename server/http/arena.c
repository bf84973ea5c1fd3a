/*
 * The arena. Belongs to a loop's thread.
 *
 * Invariant: a page is either of GW_PAGE_BYTES and may be kept, or was made to measure for
 * one large piece and is freed.
 */
#include "server/http/arena.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct gw_page {
        struct gw_page *next;
        bool kept; /* of the standard size */
        alignas(max_align_t) char bytes[];
};

#define PAGE_ROOM (GW_PAGE_BYTES - sizeof(struct gw_page))

/* A sanitizer sees a use after free only when the memory is really freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEPS_PAGES false
#else
#define KEEPS_PAGES true
#endif

static struct gw_page *take_page(struct gw_pages *pages)
{
        struct gw_page *page = pages->free;
        if (page) {
                pages->free = page->next;
                pages->count--;
                return page;
        }
        page = malloc(GW_PAGE_BYTES);
        if (page)
                page->kept = true;
        return page;
}

static void give_page(struct gw_pages *pages, struct gw_page *page)
{
        if (!KEEPS_PAGES || !page->kept || pages->count >= GW_PAGES_KEPT) {
                free(page);
                return;
        }
        page->next = pages->free;
        pages->free = page;
        pages->count++;
}

/* A page of its own, behind the first, which goes on being filled. */
static void *alloc_large(struct gw_arena *arena, size_t size)
{
        if (size > SIZE_MAX - sizeof(struct gw_page))
                return NULL;
        struct gw_page *page = calloc(1, sizeof *page + size);
        if (!page)
                return NULL;
        struct gw_page **after = arena->first ? &arena->first->next : &arena->first;
        page->next = *after;
        *after = page;
        return page->bytes;
}

void *gw_arena_alloc(struct gw_arena *arena, size_t size)
{
        if (size > PAGE_ROOM)
                return alloc_large(arena, size);
        size = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
        if (size > arena->left) {
                struct gw_page *page = take_page(arena->pages);
                if (!page)
                        return NULL;
                page->next = arena->first;
                arena->first = page;
                arena->at = page->bytes;
                arena->left = PAGE_ROOM;
        }
        void *p = arena->at;
        arena->at += size;
        arena->left -= size;
        return memset(p, 0, size);
}

void gw_arena_done(struct gw_arena *arena)
{
        struct gw_pages *pages = arena->pages;
        struct gw_page *page = arena->first;
        while (page) {
                struct gw_page *next = page->next;
                give_page(pages, page);
                page = next;
        }
}

void gw_pages_done(struct gw_pages *pages)
{
        while (pages->free) {
                struct gw_page *page = pages->free;
                pages->free = page->next;
                free(page);
        }
        pages->count = 0;
}
