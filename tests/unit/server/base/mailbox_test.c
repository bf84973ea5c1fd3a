#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/cleanup.h"
#include "server/base/mailbox.h"

struct message {
        struct gw_work work;
        int number;
};

static struct message *message_of(struct gw_work *work)
{
        return GW_CONTAINER(work, struct message, work);
}

static bool readable(const struct gw_mailbox *box)
{
        struct pollfd p = {.fd = box->fd, .events = POLLIN};
        return poll(&p, 1, 0) == 1;
}

/* How often the owner was woken since it last looked. */
static uint64_t wakes(const struct gw_mailbox *box)
{
        uint64_t n = 0;
        return read(box->fd, &n, sizeof n) == sizeof n ? n : 0;
}

static void takes_in_order(void **state)
{
        (void)state;
        struct gw_mailbox box;
        struct message m[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
        assert_int_equal(gw_mailbox_init(&box, 10), 0);
        assert_false(readable(&box));
        assert_null(gw_mailbox_take(&box));
        for (int i = 0; i < 3; i++) {
                assert_int_equal(gw_mailbox_post(&box, &m[i].work), 0);
                assert_int_equal(gw_mailbox_count(&box), i + 1);
                assert_true(readable(&box));
        }

        struct gw_work *w = gw_mailbox_take(&box);
        for (int i = 0; i < 3; i++, w = w->next)
                assert_ptr_equal(w, &m[i].work);
        assert_null(w);
        assert_false(readable(&box));
        assert_int_equal(gw_mailbox_count(&box), 0);

        assert_int_equal(gw_mailbox_post(&box, &m[2].work), 0);
        assert_ptr_equal(gw_mailbox_take(&box), &m[2].work);
        assert_null(m[2].work.next);
        gw_mailbox_done(&box);
}

static void wakes_once_for_a_batch(void **state)
{
        (void)state;
        struct gw_mailbox box;
        struct message m[5] = {0};
        assert_int_equal(gw_mailbox_init(&box, 10), 0);
        for (int i = 0; i < 5; i++)
                gw_mailbox_post(&box, &m[i].work);
        assert_int_equal(wakes(&box), 1);
        gw_mailbox_take(&box);

        gw_mailbox_wake(&box);
        assert_true(readable(&box));
        assert_null(gw_mailbox_take(&box));
        assert_false(readable(&box));
        gw_mailbox_done(&box);
}

static void refuses_one_past(void **state)
{
        (void)state;
        struct gw_mailbox box;
        struct message m[5] = {0};
        struct message more = {.work = {.next = &m[0].work}};
        assert_int_equal(gw_mailbox_init(&box, 4), 0);
        for (int i = 0; i < 4; i++)
                assert_int_equal(gw_mailbox_post(&box, &m[i].work), 0);
        assert_int_equal(gw_mailbox_post(&box, &more.work), -1);
        assert_ptr_equal(more.work.next, &m[0].work); /* untouched: still the sender's */
        assert_int_equal(gw_mailbox_count(&box), 4);

        gw_mailbox_take(&box);
        assert_int_equal(gw_mailbox_post(&box, &more.work), 0);
        gw_mailbox_take(&box);
        gw_mailbox_done(&box);
}

static void closed_refuses_and_still_gives(void **state)
{
        (void)state;
        struct gw_mailbox box;
        assert_int_equal(gw_mailbox_init(&box, 4), 0);
        struct message m[3] = {{.work.home = &box}, {.work.home = &box}, {.work.home = &box}};
        gw_mailbox_post(&box, &m[0].work);
        gw_mailbox_close(&box);
        assert_int_equal(gw_mailbox_post(&box, &m[1].work), -1);
        gw_work_finish(&m[2].work); /* an answer cannot fail */
        struct gw_work *w = gw_mailbox_take(&box);
        assert_ptr_equal(w, &m[0].work);
        assert_ptr_equal(w->next, &m[2].work);
        gw_mailbox_done(&box);
}

static void answers_pass_a_full_box(void **state)
{
        (void)state;
        struct gw_mailbox box;
        assert_int_equal(gw_mailbox_init(&box, 1), 0);
        struct message m[3] = {{.work.home = &box}, {.work.home = &box}, {.work.home = &box}};
        for (int i = 0; i < 3; i++)
                gw_work_finish(&m[i].work);
        assert_int_equal(gw_mailbox_count(&box), 3);
        gw_mailbox_take(&box);
        gw_mailbox_done(&box);
}

static void finish_without_home_does_nothing(void **state)
{
        (void)state;
        struct message m = {0};
        gw_work_finish(&m.work);
        gw_work_finish_list(NULL);
        assert_null(m.work.next);
}

static void finish_list_sorts_by_home(void **state)
{
        (void)state;
        struct gw_mailbox a, b;
        assert_int_equal(gw_mailbox_init(&a, 1), 0);
        assert_int_equal(gw_mailbox_init(&b, 1), 0);
        struct gw_mailbox *homes[] = {&a, &a, NULL, &b, &b, NULL, NULL, &a, &b};
        struct message m[GW_COUNT(homes)] = {0};
        for (size_t i = 0; i < GW_COUNT(homes); i++) {
                m[i].number = (int)i;
                m[i].work.home = homes[i];
                m[i].work.next = i + 1 < GW_COUNT(homes) ? &m[i + 1].work : NULL;
        }
        gw_work_finish_list(&m[0].work);

        static const int want_a[] = {0, 1, 7}, want_b[] = {3, 4, 8};
        assert_int_equal(gw_mailbox_count(&a), 3);
        assert_int_equal(wakes(&a), 1);
        struct gw_work *w = gw_mailbox_take(&a);
        for (int i = 0; i < 3; i++, w = w->next)
                assert_int_equal(message_of(w)->number, want_a[i]);
        assert_null(w);
        w = gw_mailbox_take(&b);
        for (int i = 0; i < 3; i++, w = w->next)
                assert_int_equal(message_of(w)->number, want_b[i]);
        assert_null(w);
        gw_mailbox_done(&a);
        gw_mailbox_done(&b);
}

static struct gw_work *wait_for_work(struct gw_mailbox *box)
{
        struct pollfd p = {.fd = box->fd, .events = POLLIN};
        struct gw_work *w;
        while (!(w = gw_mailbox_take(box)))
                if (poll(&p, 1, 20000) != 1)
                        abort(); /* a lost wake-up */
        return w;
}

#define CLIENTS 4
#define REQUESTS 20000
#define IN_FLIGHT 50
#define SERVER_MAX 64

struct client {
        pthread_t thread;
        struct gw_mailbox box;
        struct gw_mailbox *server;
        struct message *messages;
        int answered;
        int refused;
        bool in_order;
};

static void take_answers(struct client *c, struct gw_work *w)
{
        for (struct gw_work *next; w; w = next) {
                next = w->next;
                c->in_order &= message_of(w)->number == c->answered && w->owner == c;
                c->answered++;
        }
}

static void *run_client(void *arg)
{
        struct client *c = arg;
        c->in_order = true;
        for (int sent = 0; c->answered < REQUESTS;) {
                bool full = false;
                while (!full && sent < REQUESTS && sent - c->answered < IN_FLIGHT) {
                        c->messages[sent] = (struct message){.work = {.home = &c->box, .owner = c},
                                                             .number = sent};
                        full = gw_mailbox_post(c->server, &c->messages[sent].work) != 0;
                        c->refused += full;
                        sent += !full;
                }
                if (sent > c->answered)
                        take_answers(c, wait_for_work(&c->box));
        }
        return NULL;
}

/* Several senders, one receiver that answers in batches, a box smaller than their demand:
 * every request is answered once, in its sender's order. */
static void many_threads(void **state)
{
        (void)state;
        struct gw_mailbox server;
        struct client clients[CLIENTS] = {0};
        assert_int_equal(gw_mailbox_init(&server, SERVER_MAX), 0);
        for (int i = 0; i < CLIENTS; i++) {
                struct client *c = &clients[i];
                c->server = &server;
                c->messages = calloc(REQUESTS, sizeof *c->messages);
                assert_non_null(c->messages);
                assert_int_equal(gw_mailbox_init(&c->box, 1), 0);
                assert_int_equal(pthread_create(&c->thread, NULL, run_client, c), 0);
        }

        size_t served = 0, largest = 0;
        while (served < (size_t)CLIENTS * REQUESTS) {
                struct gw_work *batch = wait_for_work(&server);
                size_t n = 0;
                for (struct gw_work *w = batch; w; w = w->next)
                        n++;
                served += n;
                largest = n > largest ? n : largest;
                gw_work_finish_list(batch);
        }
        int refused = 0;
        for (int i = 0; i < CLIENTS; i++) {
                pthread_join(clients[i].thread, NULL);
                assert_int_equal(clients[i].answered, REQUESTS);
                assert_true(clients[i].in_order);
                refused += clients[i].refused;
                gw_mailbox_done(&clients[i].box);
                free(clients[i].messages);
        }
        assert_in_range(largest, 2, SERVER_MAX);
        assert_true(refused > 0);
        assert_int_equal(served, CLIENTS * REQUESTS);
        gw_mailbox_done(&server);
}

static void *finish_one(void *arg)
{
        gw_work_finish(arg);
        return NULL;
}

/* The owner goes away at once after the last answer, its finisher still inside the call. */
static void owner_leaves_after_the_last(void **state)
{
        (void)state;
        for (int i = 0; i < 500; i++) {
                struct gw_mailbox *box = malloc(sizeof *box);
                pthread_t thread;
                assert_non_null(box);
                assert_int_equal(gw_mailbox_init(box, 1), 0);
                struct message m = {.work.home = box};
                assert_int_equal(pthread_create(&thread, NULL, finish_one, &m.work), 0);
                assert_ptr_equal(wait_for_work(box), &m.work);
                gw_mailbox_done(box);
                free(box);
                pthread_join(thread, NULL);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(takes_in_order),
                cmocka_unit_test(wakes_once_for_a_batch),
                cmocka_unit_test(refuses_one_past),
                cmocka_unit_test(closed_refuses_and_still_gives),
                cmocka_unit_test(answers_pass_a_full_box),
                cmocka_unit_test(finish_without_home_does_nothing),
                cmocka_unit_test(finish_list_sorts_by_home),
                cmocka_unit_test(many_threads),
                cmocka_unit_test(owner_leaves_after_the_last),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
