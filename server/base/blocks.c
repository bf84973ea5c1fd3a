/*
 * Blocks. malloc's own cache keeps seven blocks of a size for a thread; a JSON text is fifty or
 * more, made together and freed together, so most of them went the slow way: a fifth of the
 * gateway's part of a submit. Any thread, each with its own lists.
 *
 * Invariant: a block in list i has room for MAX_SIZE(i) bytes.
 */
#include "server/base/blocks.h"

#include <malloc.h>
#include <stdlib.h>

#define STEP 16
#define LISTS 65
#define MAX_SIZE(list)                                                                             \
        ((list) * (size_t)STEP - sizeof(size_t)) /* what malloc(3) gives; at least list 2's */
#define KEPT_BYTES ((size_t)256 * 1024)          /* by a thread */

/* A sanitizer sees a use after free only when the memory is really freed. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define KEEPS_BLOCKS 0
#else
#define KEEPS_BLOCKS 1
#endif

struct block {
        struct block *next;
};

static _Thread_local struct {
        struct block *lists[LISTS];
        size_t bytes;
} kept;

void *gw_block_alloc(size_t size)
{
        if (size > MAX_SIZE(LISTS - 1))
                return malloc(size);
        size_t i = size <= MAX_SIZE(2) ? 2 : (size + sizeof(size_t) + STEP - 1) / STEP;
        struct block *b = kept.lists[i];
        if (!b)
                return malloc(MAX_SIZE(i));
        kept.lists[i] = b->next;
        kept.bytes -= i * STEP;
        return b;
}

void gw_block_free(void *block)
{
        size_t i = block ? (malloc_usable_size(block) + sizeof(size_t)) / STEP : 0;
        if (!KEEPS_BLOCKS || i == 0 || i >= LISTS || kept.bytes + i * STEP > KEPT_BYTES) {
                free(block);
                return;
        }
        struct block *b = block;
        b->next = kept.lists[i];
        kept.lists[i] = b;
        kept.bytes += i * STEP;
}

void gw_blocks_release(void)
{
        for (size_t i = 0; i < LISTS; i++) {
                while (kept.lists[i]) {
                        struct block *b = kept.lists[i];
                        kept.lists[i] = b->next;
                        free(b);
                }
        }
        kept.bytes = 0;
}
