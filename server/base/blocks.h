/*
 * Small blocks of memory for things that are made of many, such as JSON: a thread keeps the
 * blocks it frees for its next ones. They are malloc's, so either's free() takes the other's.
 */
#ifndef GW_BASE_BLOCKS_H
#define GW_BASE_BLOCKS_H

#include <stddef.h>

/* Any thread. NULL without memory. */
void *gw_block_alloc(size_t size);
/* Any thread, also another than the one that allocated it. NULL is nothing. */
void gw_block_free(void *block);
/* Gives back what the calling thread keeps; at its end. */
void gw_blocks_release(void);

#endif
