/*
 * The mailbox: a locked list and an eventfd. Posters and finishers are any thread;
 * take and done belong to the owner.
 *
 * Invariants, under the lock: `last` points at the NULL that ends the list, and while
 * the list is not empty the descriptor is readable. The descriptor is only touched
 * under the lock: the owner may close it as soon as it has taken the last message, and
 * a late write would hit whatever got its number next.
 */
#include "server/base/mailbox.h"

#include <assert.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Whoever is woken wants the lock while the waker still has it for a moment: it spins. */
static void init_lock(pthread_mutex_t *lock)
{
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ADAPTIVE_NP);
        pthread_mutex_init(lock, &attributes);
        pthread_mutexattr_destroy(&attributes);
}

int gw_mailbox_init(struct gw_mailbox *box, size_t max)
{
        int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (fd < 0)
                return -1;
        *box = (struct gw_mailbox){.max = max, .fd = fd};
        box->last = &box->first;
        init_lock(&box->lock);
        return 0;
}

void gw_mailbox_done(struct gw_mailbox *box)
{
        assert(!box->first);
        /* Taken once more, so that whoever put the last message in has let go of the lock. */
        pthread_mutex_lock(&box->lock);
        close(box->fd);
        box->fd = -1;
        pthread_mutex_unlock(&box->lock);
        pthread_mutex_destroy(&box->lock);
}

/* Only a counter at its maximum refuses a write, and then the descriptor is readable. The lock
 * is held. */
static void signal_owner(struct gw_mailbox *box)
{
        box->raised = true;
        ssize_t ignored = write(box->fd, &(uint64_t){1}, sizeof(uint64_t));
        (void)ignored;
}

/* Appends first..last, `count` messages. The lock is held. */
static void append(struct gw_mailbox *box, struct gw_work *first, struct gw_work *last,
                   size_t count)
{
        bool was_empty = !box->first;
        last->next = NULL;
        *box->last = first;
        box->last = &last->next;
        box->count += count;
        if (was_empty)
                signal_owner(box);
}

int gw_mailbox_post(struct gw_mailbox *box, struct gw_work *work)
{
        pthread_mutex_lock(&box->lock);
        bool accepted = !box->closed && box->count < box->max;
        if (accepted)
                append(box, work, work, 1);
        pthread_mutex_unlock(&box->lock);
        return accepted ? 0 : -1;
}

void gw_mailbox_close(struct gw_mailbox *box)
{
        pthread_mutex_lock(&box->lock);
        box->closed = true;
        pthread_mutex_unlock(&box->lock);
}

/* The lock is held. */
static void lower(struct gw_mailbox *box)
{
        uint64_t counter;
        ssize_t ignored = read(box->fd, &counter, sizeof counter);
        (void)ignored;
        box->raised = false;
}

struct gw_work *gw_mailbox_take(struct gw_mailbox *box)
{
        pthread_mutex_lock(&box->lock);
        if (box->raised)
                lower(box);
        struct gw_work *first = box->first;
        box->first = NULL;
        box->last = &box->first;
        box->count = 0;
        pthread_mutex_unlock(&box->lock);
        return first;
}

size_t gw_mailbox_count(struct gw_mailbox *box)
{
        pthread_mutex_lock(&box->lock);
        size_t count = box->count;
        pthread_mutex_unlock(&box->lock);
        return count;
}

void gw_mailbox_wake(struct gw_mailbox *box)
{
        pthread_mutex_lock(&box->lock);
        signal_owner(box);
        pthread_mutex_unlock(&box->lock);
}

void gw_work_finish(struct gw_work *work)
{
        work->next = NULL;
        gw_work_finish_list(work);
}

void gw_work_finish_list(struct gw_work *first)
{
        while (first) {
                struct gw_mailbox *home = first->home;
                struct gw_work *last = first;
                size_t count = 1;
                for (; last->next && last->next->home == home; last = last->next)
                        count++;

                /* Read before the hand-over: afterwards the works are home's. */
                struct gw_work *rest = last->next;
                if (home) {
                        pthread_mutex_lock(&home->lock);
                        append(home, first, last, count);
                        pthread_mutex_unlock(&home->lock);
                }
                first = rest;
        }
}
