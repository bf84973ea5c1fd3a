/* Bodies that are read as they arrive. The site of this file takes a body in parts: '+' sends
 * work out, '.' waits for what is out and leaves what follows it, '?' waits for work of the
 * exchange's own, '#' holds KEPT more bytes, '!' answers in the middle. */
#include "tests/unit/server/http/harness.h"

#include "server/base/cleanup.h"

#define KEPT ((size_t)100 * 1024)

struct stream {
        struct gw_exchange *x; /* NULL: ended */
        struct gw_loop *loop;
        struct gw_mailbox *home;
        struct site *site;
        int out;
        bool waits, whole, stopped;
        size_t bytes, parts;
        size_t held, held_still; /* for the exchange; after it */
};

struct errand {
        struct gw_work work;
        struct stream *stream;
};

static atomic_int streams; /* that are not freed */
static atomic_int stops;

static void free_stream(struct stream *s)
{
        gw_loop_release_held(s->loop, s->held_still);
        gw_loop_release(s->loop);
        free(s);
        atomic_fetch_sub(&streams, 1);
}

static enum gw_next after(struct stream *s, bool waits)
{
        if (s->out && (waits || s->whole)) {
                s->waits = true;
                return GW_NEXT_WAIT;
        }
        if (s->stopped) {
                respond_text(s->x, 408, "stopped");
                return GW_NEXT_RESPOND;
        }
        if (!s->whole)
                return GW_NEXT_BODY;
        char text[64];
        snprintf(text, sizeof text, "%zu bytes", s->bytes);
        respond_text(s->x, 200, text);
        return GW_NEXT_RESPOND;
}

static void come_home(struct gw_work *work)
{
        struct errand *e = GW_CONTAINER(work, struct errand, work);
        struct stream *s = e->stream;
        free(e);
        s->out--;
        if (!s->x && s->out == 0)
                free_stream(s);
        else if (s->x && s->waits && s->out == 0) {
                s->waits = false;
                gw_exchange_wake(s->x, after(s, false));
        }
}

static void post(struct stream *s, struct gw_work work)
{
        struct errand *e = calloc(1, sizeof *e);
        e->stream = s;
        e->work = work;
        assert_int_equal(gw_mailbox_post(&s->site->inbox, &e->work), 0);
}

static void send_out(struct stream *s)
{
        s->out++;
        post(s, (struct gw_work){.home = s->home, .done = come_home});
}

static enum gw_next stream_resume(void *self, struct gw_exchange *x, struct gw_work *work)
{
        (void)self;
        struct errand *e = GW_CONTAINER(work, struct errand, work);
        assert_ptr_equal(e->stream, gw_exchange_state(x));
        free(e);
        return GW_NEXT_BODY;
}

static enum gw_next stream_head(void *self, struct gw_exchange *x)
{
        struct stream *s = calloc(1, sizeof *s);
        *s = (struct stream){.x = x,
                             .loop = gw_exchange_keep_loop(x),
                             .home = gw_exchange_home(x),
                             .site = self};
        atomic_fetch_add(&streams, 1);
        gw_exchange_set_state(x, s);
        gw_exchange_stream_body(x, 1 << 20);
        return GW_NEXT_BODY;
}

static enum gw_next take(struct stream *s, char c)
{
        switch (c) {
        case '+':
                send_out(s);
                return GW_NEXT_BODY;
        case '.':
                return after(s, true);
        case '?':
                post(s, (struct gw_work){.home = s->home, .owner = s->x});
                return GW_NEXT_WAIT;
        case '#':
                if (gw_exchange_hold(s->x, s->held += KEPT) == 0)
                        return GW_NEXT_BODY;
                respond_text(s->x, 503, "full");
                return GW_NEXT_RESPOND;
        case '!':
                respond_text(s->x, 418, "enough");
                return GW_NEXT_RESPOND;
        default:
                return GW_NEXT_BODY;
        }
}

static enum gw_next stream_part(void *self, struct gw_exchange *x, const char *data, size_t *len)
{
        struct stream *s = gw_exchange_state(x);
        enum gw_next next = GW_NEXT_BODY;
        size_t i = 0;
        (void)self;
        assert_true(*len > 0 && !s->waits && !s->whole);
        s->parts++;
        while (i < *len && next == GW_NEXT_BODY)
                next = take(s, data[i++]);
        if (next == GW_NEXT_WAIT)
                *len = i;
        s->bytes += *len;
        return next;
}

static enum gw_next stream_stop(void *self, struct gw_exchange *x, const struct gw_error *err)
{
        struct stream *s = gw_exchange_state(x);
        (void)self;
        assert_int_equal(err->code, GW_ERR_REQUEST_TIMEOUT);
        assert_false(s->waits || s->stopped);
        s->stopped = true;
        atomic_fetch_add(&stops, 1);
        return after(s, true);
}

static enum gw_next stream_body(void *self, struct gw_exchange *x)
{
        struct stream *s = gw_exchange_state(x);
        (void)self;
        s->whole = true;
        return after(s, true);
}

static void stream_end(void *self, struct gw_exchange *x)
{
        struct stream *s = gw_exchange_state(x);
        s->x = NULL;
        s->held_still = gw_exchange_keep_held(x);
        if (s->out == 0)
                free_stream(s);
        site_end(self, x);
}

/* The harness's site, with another application in front of it. */
static struct site *open_measured(struct gw_http_settings settings, struct gw_metrics *m)
{
        struct site *site = site_open((struct gw_http_settings){0}, NULL);
        struct gw_error err = {0};
        struct gw_http_app app = {.self = site,
                                  .head = stream_head,
                                  .part = stream_part,
                                  .stop = stream_stop,
                                  .body = stream_body,
                                  .resume = stream_resume,
                                  .refuse = site_refuse,
                                  .end = stream_end};
        gw_http_stop(site->http, 0);
        settings.address = "127.0.0.1";
        site->http = gw_http_start(&settings, &app, m, &err);
        assert_non_null(site->http);
        return site;
}

static struct site *open_site(struct gw_http_settings settings)
{
        return open_measured(settings, NULL);
}

static void close_site(struct site *site)
{
        site_close(site, 1000);
        assert_int_equal(atomic_load(&streams), 0);
}

static void expect(struct client *c, int status, const char *text)
{
        struct reply r;
        client_read(c, &r);
        assert_int_equal(r.status, status);
        assert_string_equal(r.body, text);
        reply_done(&r);
}

#define CHUNKED "POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n"

static void bodies_of_all_kinds(void **state)
{
        static const struct {
                const char *request, *answer;
        } cases[] = {
                {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n\r\n", "0 bytes"},
                {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\nabc", "3 bytes"},
                {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 3\r\n\r\n+++", "3 bytes"},
                {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\n\r\n+++.", "4 bytes"},
                {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n+.+..+a.b", "9 bytes"},
                {"POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 6\r\n\r\n?a+??.", "6 bytes"},
                {CHUNKED "0\r\n\r\n", "0 bytes"},
                {CHUNKED "8\r\n+.??a+.b\r\n1\r\n?\r\n0\r\n\r\n", "9 bytes"},
                {CHUNKED "1\r\na\r\n1\r\n+\r\n1\r\n.\r\n3\r\n+.+\r\n0\r\n\r\n", "6 bytes"},
                {CHUNKED "2\r\n+.\r\n2\r\n+.\r\n2\r\n+.\r\n2\r\n+.\r\n0\r\n\r\n", "8 bytes"},
        };
        (void)state;
        struct site *site = open_site((struct gw_http_settings){0});
        struct client c = client_open(site);
        for (int round = 0; round < 20; round++) {
                for (size_t i = 0; i < GW_COUNT(cases); i++) {
                        client_say(&c, cases[i].request);
                        expect(&c, 200, cases[i].answer);
                }
        }
        client_close(&c);
        close_site(site);
}

/* What is sent while it waits is not lost, and not read either. */
static void a_stream_that_waits_is_not_read(void **state)
{
        (void)state;
        struct site *site = open_site((struct gw_http_settings){0});
        struct client c = client_open(site);
        char *data = malloc(900000);
        memset(data, 'x', 900000);
        data[0] = '+';
        data[1] = '.';
        atomic_store(&site->hold, true);
        client_say(&c, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 900000\r\n\r\n");
        assert_true(client_send(&c, data, 2));
        fcntl(c.fd, F_SETFL, O_NONBLOCK);
        size_t sent = 2;
        int64_t end = now_ms() + 300;
        while (now_ms() < end && sent < 900000) {
                ssize_t n = send(c.fd, data + sent, 900000 - sent, MSG_NOSIGNAL);
                sent += n > 0 ? (size_t)n : 0;
        }
        fcntl(c.fd, F_SETFL, 0);
        atomic_store(&site->hold, false);
        assert_true(client_send(&c, data + sent, 900000 - sent));
        expect(&c, 200, "900000 bytes");
        free(data);
        client_close(&c);
        close_site(site);
}

static void an_answer_in_the_middle(void **state)
{
        (void)state;
        struct site *site = open_site((struct gw_http_settings){0});
        struct client c = client_open(site);
        client_say(&c, CHUNKED "3\r\n+a!\r\n");
        expect(&c, 418, "enough");
        assert_true(client_sees_end(&c));
        client_close(&c);

        c = client_open(site);
        client_say(&c, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n!12345");
        client_say(&c, "678");
        expect(&c, 418, "enough");
        client_say(&c, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1\r\n\r\na");
        expect(&c, 200, "1 bytes");
        client_close(&c);
        close_site(site);
}

static void a_length_over_the_limit(void **state)
{
        (void)state;
        struct site *site = open_site((struct gw_http_settings){0});
        struct client c = client_open(site);
        client_say(&c, "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 1048577\r\n\r\n");
        assert_int_equal(client_status(&c), 413);
        client_close(&c);
        close_site(site);
}

/* The time is from part to part. */
static void a_slow_stream(void **state)
{
        (void)state;
        struct site *site = open_site((struct gw_http_settings){.body_timeout_ms = 1000});
        struct client c = client_open(site);
        int64_t start = now_ms();
        client_say(&c, CHUNKED);
        while (now_ms() - start < 2500) {
                client_say(&c, "1\r\nx\r\n");
                poll(NULL, 0, 50);
        }
        struct reply r;
        client_read(&c, &r);
        assert_int_equal(r.status, 408);
        assert_string_equal(r.body, "stopped");
        assert_true(now_ms() - start >= 3400);
        reply_done(&r);
        client_close(&c);
        close_site(site);
}

/* One whose time is over is answered when the work that is out is home. */
static void a_slow_stream_with_work_out(void **state)
{
        static const char *const heads[] = {
                CHUNKED "1\r\n+\r\n", "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9\r\n\r\n+"};
        (void)state;
        struct site *site = open_site((struct gw_http_settings){.body_timeout_ms = 100});
        for (size_t i = 0; i < GW_COUNT(heads); i++) {
                struct client c = client_open(site);
                atomic_store(&site->hold, true);
                atomic_store(&stops, 0);
                client_say(&c, heads[i]);
                wait_for(&stops, 1);
                assert_int_equal(poll(&(struct pollfd){.fd = c.fd, .events = POLLIN}, 1, 300), 0);
                atomic_store(&site->hold, false);
                expect(&c, 408, "stopped");
                assert_true(client_sees_end(&c));
                client_close(&c);
        }
        close_site(site);
}

/* Work that is out when its client hangs up comes home to what is left. */
static void clients_that_hang_up(void **state)
{
        (void)state;
        struct site *site = open_site((struct gw_http_settings){0});
        for (int i = 0; i < 50; i++) {
                struct client c = client_open(site);
                client_say(&c, i % 2 ? CHUNKED "4\r\n+++.\r\n" : CHUNKED "4\r\n+++x\r\n");
                client_close(&c);
        }
        wait_for(&site->ends, 50);
        close_site(site);
}

/* The loop is there until the last work is home. */
static void stopped_with_work_out(void **state)
{
        (void)state;
        struct site *site = open_site((struct gw_http_settings){0});
        struct client c = client_open(site);
        atomic_store(&site->hold, true);
        client_say(&c, CHUNKED "3\r\n+++\r\n");
        while (gw_mailbox_count(&site->inbox) < 3)
                poll(NULL, 0, 1);
        client_close(&c);
        wait_for(&site->ends, 1);
        assert_int_equal(atomic_load(&streams), 1);
        atomic_store(&site->hold, false);
        close_site(site);
}

static void wait_held(struct gw_metrics *m, size_t bytes)
{
        int64_t deadline = now_ms() + PATIENCE_MS;
        struct gw_buf text = GW_BUF_INIT(1 << 20);
        char wanted[64];
        snprintf(wanted, sizeof wanted, "jobgate_http_bodies_held_bytes %zu\n", bytes);
        do {
                assert_true(now_ms() < deadline);
                gw_buf_clear(&text);
                gw_metrics_write(m, &text);
        } while (!strstr(text.data, wanted));
        gw_buf_done(&text);
}

/* Streams have half of the budget, of which each is charged what it holds, as long as it does. */
static void budget_of_streams(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        struct site *site = open_measured(
                (struct gw_http_settings){.loops = 2, .max_bodies_bytes = 6 * KEPT}, m);
        struct client a = client_open(site), b = client_open(site), c = client_open(site);
        client_say(&a, CHUNKED "2\r\n##\r\n");
        client_say(&b, CHUNKED "1\r\n#\r\n");
        client_say(&c, CHUNKED "1\r\nx\r\n");
        wait_held(m, 3 * KEPT);
        client_say(&c, "1\r\n#\r\n");
        expect(&c, 503, "full");
        client_close(&c);
        wait_held(m, 3 * KEPT);
        client_say(&b, "0\r\n\r\n");
        expect(&b, 200, "1 bytes");
        wait_held(m, 2 * KEPT);
        client_say(&b, CHUNKED "1\r\n#\r\n0\r\n\r\n");
        expect(&b, 200, "1 bytes");
        client_close(&a);
        client_close(&b);
        wait_held(m, 0);
        close_site(site);
        gw_metrics_free(m);
}

/* What the work that is out holds is counted until it is home. */
static void held_after_the_client_left(void **state)
{
        (void)state;
        struct gw_metrics *m = gw_metrics_new();
        struct site *site = open_measured((struct gw_http_settings){0}, m);
        struct client c = client_open(site);
        atomic_store(&site->hold, true);
        client_say(&c, CHUNKED "3\r\n#+#\r\n");
        while (gw_mailbox_count(&site->inbox) < 1)
                poll(NULL, 0, 1);
        client_close(&c);
        wait_for(&site->ends, 1);
        wait_held(m, 2 * KEPT);
        atomic_store(&site->hold, false);
        wait_held(m, 0);
        close_site(site);
        gw_metrics_free(m);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(bodies_of_all_kinds),
                cmocka_unit_test(a_stream_that_waits_is_not_read),
                cmocka_unit_test(an_answer_in_the_middle),
                cmocka_unit_test(a_length_over_the_limit),
                cmocka_unit_test(a_slow_stream),
                cmocka_unit_test(a_slow_stream_with_work_out),
                cmocka_unit_test(clients_that_hang_up),
                cmocka_unit_test(stopped_with_work_out),
                cmocka_unit_test(budget_of_streams),
                cmocka_unit_test(held_after_the_client_left),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
