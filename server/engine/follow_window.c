/* See follow_window.h. */
#include "server/engine/follow_window.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/cleanup.h"

/* ---- what is counted ------------------------------------------------------------------------ */

struct follow_file *follow_file_new(int fd)
{
        struct follow_file *file = malloc(sizeof *file);
        if (!file) {
                close(fd);
                return NULL;
        }
        atomic_init(&file->refs, 1);
        file->fd = fd;
        return file;
}

struct follow_file *follow_file_ref(struct follow_file *file)
{
        atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
        return file;
}

void follow_file_unref(struct follow_file *file)
{
        if (!file || atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) > 1)
                return;
        close(file->fd);
        free(file);
}

static struct follow_block *ref_block(struct follow_block *block)
{
        atomic_fetch_add_explicit(&block->refs, 1, memory_order_relaxed);
        return block;
}

void follow_block_unref(struct follow_block *block)
{
        if (block && atomic_fetch_sub_explicit(&block->refs, 1, memory_order_acq_rel) == 1)
                free(block);
}

/* ---- the window ------------------------------------------------------------------------------ */

static void drop_first(struct follow_window *w)
{
        struct follow_block *block = w->first;
        w->first = block->next;
        if (!w->first)
                w->last = NULL;
        w->bytes -= block->len;
        w->count--;
        follow_block_unref(block);
}

static void drop_blocks(struct follow_window *w)
{
        while (w->first)
                drop_first(w);
}

void follow_window_clear(struct follow_window *w)
{
        drop_blocks(w);
        follow_file_unref(w->file);
        *w = (struct follow_window){0};
}

static void trim(struct follow_window *w)
{
        size_t most = w->shared ? FOLLOW_WINDOW_BYTES : FOLLOW_ALONE_BYTES;
        while (w->bytes > most || w->count > FOLLOW_WINDOW_BLOCKS)
                drop_first(w);
}

void follow_window_share(struct follow_window *w, bool shared)
{
        w->shared = shared;
        trim(w);
}

int follow_window_look(struct follow_window *w, uint64_t turn)
{
        struct stat st;
        if (w->looked == turn)
                return 0;
        if (fstat(w->file->fd, &st))
                return -1;
        w->size = (uint64_t)st.st_size;
        w->looked = turn;
        return 0;
}

static void append(struct follow_window *w, struct follow_block *block)
{
        *(w->last ? &w->last->next : &w->first) = block;
        w->last = block;
        w->end = block->first + block->len;
        w->bytes += block->len;
        w->count++;
        trim(w);
}

/* The piece from `end` on, of which the file has some. */
static enum follow_found read_next(struct follow_window *w, struct follow_block **ret_block,
                                   size_t *ret_read)
{
        uint64_t left = w->size - w->end;
        size_t len = left < FOLLOW_BLOCK_BYTES ? (size_t)left : FOLLOW_BLOCK_BYTES;
        gw_autofree struct follow_block *block = malloc(sizeof *block + len);
        if (!block)
                return FOLLOW_UNREADABLE;
        ssize_t n = pread(w->file->fd, block->data, len, (off_t)w->end);
        if (n == 0) { /* it has become shorter meanwhile */
                w->size = w->end;
                return FOLLOW_NOTHING;
        }
        if (n < 0)
                return FOLLOW_UNREADABLE;
        atomic_init(&block->refs, 1);
        block->first = w->end;
        block->len = (size_t)n;
        block->next = NULL;
        *ret_read = (size_t)n;
        *ret_block = ref_block(block);
        append(w, GW_TAKE(block));
        return FOLLOW_FOUND;
}

static struct follow_block *find_block(const struct follow_window *w, uint64_t position)
{
        struct follow_block *block = w->first;
        while (block && position >= block->first + block->len)
                block = block->next;
        return block && position >= block->first ? block : NULL;
}

enum follow_found follow_window_find(struct follow_window *w, uint64_t turn, uint64_t position,
                                     struct follow_block **ret_block, size_t *ret_read)
{
        struct follow_block *block = find_block(w, position);
        *ret_read = 0;
        if (block) {
                *ret_block = ref_block(block);
                return FOLLOW_FOUND;
        }
        /* Always for one that is behind: the file may have become shorter than the pieces say. */
        if ((position < w->end || position >= w->size) && follow_window_look(w, turn))
                return FOLLOW_UNREADABLE;
        if (position >= w->size)
                return FOLLOW_NOTHING;
        if (position < w->end)
                return FOLLOW_BEHIND;
        if (position > w->end) { /* a new foremost */
                drop_blocks(w);
                w->end = position;
        }
        return read_next(w, ret_block, ret_read);
}
