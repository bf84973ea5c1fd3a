/* Frames in every way a stream can be cut, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/slurm/frame.h"
#include "server/base/cleanup.h"

static void add_head(struct gw_buf *out, uint32_t length)
{
        for (int shift = 24; shift >= 0; shift -= 8)
                gw_buf_char(out, (char)(length >> shift & 0xff));
}

static void add_text(struct gw_buf *out, const char *text)
{
        add_head(out, (uint32_t)strlen(text));
        gw_buf_str(out, text);
}

/* Takes what is whole and appends it to seen as text; returns the code of the error. */
static enum gw_error_code take_all(struct gw_frames *f, struct gw_buf *seen)
{
        struct gw_error err = {0};
        json_t *object;
        while (gw_frames_next(f, &object, &err) == 0 && object) {
                gw_autofree char *text = json_dumps(object, JSON_COMPACT);
                gw_buf_str(seen, text);
                json_decref(object);
        }
        assert_null(object);
        assert_true(err.code == GW_OK || err.message[0]);
        return err.code;
}

static void in_pieces_of_any_size(void **state)
{
        (void)state;
        struct gw_buf stream = GW_BUF_INIT(4096);
        add_text(&stream, "{\"a\": 1}");
        add_text(&stream, "{}");
        add_text(&stream, " {\"b\": [\"\\u00e9\", null, 1.5]}\n");
        add_text(&stream, "{\"c\": {\"d\": -9223372036854775808}}");
        for (size_t piece = 1; piece <= stream.len; piece++) {
                struct gw_buf seen = GW_BUF_INIT(4096);
                struct gw_frames f;
                gw_frames_init(&f);
                for (size_t at = 0; at < stream.len; at += piece) {
                        size_t len = piece < stream.len - at ? piece : stream.len - at;
                        assert_int_equal(gw_frames_add(&f, stream.data + at, len, NULL), 0);
                        assert_int_equal(take_all(&f, &seen), GW_OK);
                }
                assert_string_equal(seen.data, "{\"a\":1}{}{\"b\":[\"é\",null,1.5]}"
                                               "{\"c\":{\"d\":-9223372036854775808}}");
                assert_int_equal(f.held.len, 0);
                gw_frames_done(&f);
                gw_buf_done(&seen);
        }
        gw_buf_done(&stream);
}

/* Everything is added before anything is taken. */
static void many_in_one_piece(void **state)
{
        (void)state;
        enum { MANY = 1000 };
        struct gw_buf stream = GW_BUF_INIT(1 << 20);
        struct gw_frames f;
        for (int i = 0; i < MANY; i++) {
                char text[32];
                snprintf(text, sizeof text, "{\"i\": %d}", i);
                add_text(&stream, text);
        }
        gw_frames_init(&f);
        assert_int_equal(gw_frames_add(&f, stream.data, stream.len - 1, NULL), 0);
        for (int i = 0; i < MANY; i++) {
                json_t *object;
                if (i == MANY - 1) {
                        assert_int_equal(gw_frames_next(&f, &object, NULL), 0);
                        assert_null(object);
                        assert_int_equal(gw_frames_add(&f, "}", 1, NULL), 0);
                }
                assert_int_equal(gw_frames_next(&f, &object, NULL), 0);
                assert_non_null(object);
                assert_int_equal(json_integer_value(json_object_get(object, "i")), i);
                json_decref(object);
        }
        gw_frames_done(&f);
        gw_buf_done(&stream);
}

static void nested(struct gw_buf *out, int depth)
{
        struct gw_buf text = GW_BUF_INIT(1 << 20);
        gw_buf_str(&text, "{\"a\":");
        for (int i = 0; i < depth; i++)
                gw_buf_char(&text, '[');
        for (int i = 0; i < depth; i++)
                gw_buf_char(&text, ']');
        gw_buf_char(&text, '}');
        add_text(out, text.data);
        gw_buf_done(&text);
}

/* One good frame, and then bytes: the good one is taken, and the error stays. */
static void expect_refused(const char *what, const struct gw_buf *bad)
{
        struct gw_buf stream = GW_BUF_INIT(1 << 22), seen = GW_BUF_INIT(4096);
        struct gw_frames f;
        add_text(&stream, "{}");
        gw_buf_add(&stream, bad->data, bad->len);
        add_text(&stream, "{\"later\": true}");
        gw_frames_init(&f);
        assert_int_equal(gw_frames_add(&f, stream.data, stream.len, NULL), 0);
        for (int i = 0; i < 3; i++) {
                enum gw_error_code code = take_all(&f, &seen);
                if (code != GW_ERR_INVALID || strcmp(seen.data, "{}") != 0)
                        fail_msg("%s: %s, and %s", what, gw_error_name(code), seen.data);
        }
        gw_frames_done(&f);
        gw_buf_done(&seen);
        gw_buf_done(&stream);
}

static void refuses_texts_that_are_no_object(void **state)
{
        (void)state;
        static const char *const bad[] = {
                "[]",
                "[{}]",
                "1",
                "\"text\"",
                "null",
                " ",
                "{",
                "{}}",
                "{} {}",
                "{\"a\": 1, \"a\": 1}",
                "{\"a\": {\"b\": 1, \"b\": 2}}",
                "{\"a\": \"\xff\"}",
                "{\"a\": \"\\u0000\"}",
                "{\"a\\u0000b\": 1}",
                "{\"a\": \"\\ud800\"}",
                "{\"a\": 9223372036854775808}",
                "{\"a\": 1e999}",
                "{\"a\": NaN}",
                "{a: 1}",
                "{'a': 1}",
                "{\"a\": 1,}",
                "\xef\xbb\xbf{}",
        };
        for (size_t i = 0; i < GW_COUNT(bad); i++) {
                struct gw_buf frame = GW_BUF_INIT(4096);
                add_text(&frame, bad[i]);
                expect_refused(bad[i], &frame);
                gw_buf_done(&frame);
        }
}

static void refuses_a_nul_byte(void **state)
{
        (void)state;
        struct gw_buf frame = GW_BUF_INIT(4096);
        add_head(&frame, 3);
        gw_buf_add(&frame, "{}\0", 3);
        expect_refused("NUL after the object", &frame);
        gw_buf_done(&frame);
}

static void refuses_deep_nesting(void **state)
{
        (void)state;
        struct gw_buf frame = GW_BUF_INIT(1 << 20), seen = GW_BUF_INIT(1 << 20);
        struct gw_frames f;
        nested(&frame, 100000);
        expect_refused("100000 levels", &frame);
        gw_buf_clear(&frame);
        nested(&frame, 1000);
        gw_frames_init(&f);
        assert_int_equal(gw_frames_add(&f, frame.data, frame.len, NULL), 0);
        assert_int_equal(take_all(&f, &seen), GW_OK);
        assert_int_equal(seen.len, frame.len - GW_FRAME_HEAD);
        gw_frames_done(&f);
        gw_buf_done(&seen);
        gw_buf_done(&frame);
}

/* Said as soon as the length is there. */
static void refuses_lengths(void **state)
{
        (void)state;
        static const uint32_t lengths[] = {0, GW_FRAME_MAX + 1, 0x80000000, 0xffffffff};
        for (size_t i = 0; i < GW_COUNT(lengths); i++) {
                struct gw_buf head = GW_BUF_INIT(64), seen = GW_BUF_INIT(64);
                struct gw_frames f;
                add_head(&head, lengths[i]);
                gw_frames_init(&f);
                assert_int_equal(gw_frames_add(&f, head.data, GW_FRAME_HEAD - 1, NULL), 0);
                assert_int_equal(take_all(&f, &seen), GW_OK);
                assert_int_equal(gw_frames_add(&f, head.data + GW_FRAME_HEAD - 1, 1, NULL), 0);
                assert_int_equal(take_all(&f, &seen), GW_ERR_INVALID);
                gw_frames_done(&f);
                gw_buf_done(&head);
        }
}

/* A length is a promise of the other end only: memory is for what has come. */
static void reserves_nothing_for_a_length(void **state)
{
        (void)state;
        struct gw_buf stream = GW_BUF_INIT(64), seen = GW_BUF_INIT(64);
        struct gw_frames f;
        add_head(&stream, GW_FRAME_MAX);
        gw_buf_str(&stream, "{\"a\": \"");
        gw_frames_init(&f);
        assert_int_equal(gw_frames_add(&f, stream.data, stream.len, NULL), 0);
        assert_int_equal(take_all(&f, &seen), GW_OK);
        assert_in_range(f.held.cap, 1, 4096);
        gw_frames_done(&f);
        gw_buf_done(&stream);
}

/* A piece of the largest size after all but the last byte of the largest frame; and the memory
 * does not stay. */
static void takes_the_largest(void **state)
{
        (void)state;
        gw_autofree char *bytes = malloc(GW_FRAME_HEAD + GW_FRAME_MAX + GW_FRAME_PIECE);
        struct gw_buf head = GW_BUF_INIT(64), seen = GW_BUF_INIT(64);
        struct gw_frames f;
        assert_non_null(bytes);
        add_head(&head, GW_FRAME_MAX);
        memset(bytes, ' ', GW_FRAME_HEAD + GW_FRAME_MAX + GW_FRAME_PIECE);
        memcpy(bytes, head.data, GW_FRAME_HEAD);
        memcpy(bytes + GW_FRAME_MAX, "{}", 2);
        memcpy(bytes + GW_FRAME_HEAD + GW_FRAME_MAX, "\0\0\0\2{}", 6);

        gw_frames_init(&f);
        size_t at = 0, end = GW_FRAME_HEAD + GW_FRAME_MAX - 1;
        for (size_t len; at < end; at += len) {
                len = end - at < GW_FRAME_PIECE ? end - at : GW_FRAME_PIECE;
                assert_int_equal(gw_frames_add(&f, bytes + at, len, NULL), 0);
                assert_int_equal(take_all(&f, &seen), GW_OK);
        }
        assert_int_equal(gw_frames_add(&f, bytes + at, 7, NULL), 0);
        assert_int_equal(take_all(&f, &seen), GW_OK);
        assert_string_equal(seen.data, "{}{}");
        assert_int_equal(f.held.cap, 0);
        assert_int_equal(gw_frames_add(&f, bytes, end, NULL), 0);
        assert_int_equal(take_all(&f, &seen), GW_OK);
        assert_int_equal(gw_frames_add(&f, bytes + end, GW_FRAME_PIECE, NULL), 0);
        gw_frames_done(&f);
        gw_buf_done(&seen);
        gw_buf_done(&head);
}

static void says_when_there_is_no_room(void **state)
{
        (void)state;
        struct gw_frames f;
        struct gw_error err = {0};
        json_t *object;
        gw_frames_init(&f);
        f.held.max = 10; /* as if so much were there already */
        assert_int_equal(gw_frames_add(&f, "\0\0\0\2{}\0\0\0\2{", 11, &err), -1);
        assert_int_equal(err.code, GW_ERR_NOMEM);
        err = (struct gw_error){0};
        assert_int_equal(gw_frames_next(&f, &object, &err), -1);
        assert_int_equal(err.code, GW_ERR_NOMEM);
        gw_frames_done(&f);
}

static void puts_what_is_read(void **state)
{
        (void)state;
        struct gw_buf out = GW_BUF_INIT(4096), seen = GW_BUF_INIT(4096);
        struct gw_frames f;
        json_t *object = json_pack("{s:s, s:[i,n]}", "a", "\"é\n", "b", 1);
        gw_frame_put(&out, object);
        assert_memory_equal(out.data, "\0\0\0\x1b", GW_FRAME_HEAD);
        gw_frame_put(&out, object);
        gw_frames_init(&f);
        assert_int_equal(gw_frames_add(&f, out.data, out.len, NULL), 0);
        assert_int_equal(take_all(&f, &seen), GW_OK);
        assert_string_equal(
                seen.data,
                "{\"a\":\"\\\"é\\n\",\"b\":[1,null]}{\"a\":\"\\\"é\\n\",\"b\":[1,null]}");
        gw_frames_done(&f);
        gw_buf_done(&seen);
        gw_buf_done(&out);
        json_decref(object);
}

/* What does not fit, or has no text, leaves what was there and fails the buffer. */
static void puts_all_or_nothing(void **state)
{
        (void)state;
        json_t *object = json_pack("{s:s}", "a", "0123456789");
        json_t *broken = json_object();
        json_object_set_new(broken, "a", json_stringn_nocheck("\xff", 1));
        struct {
                const json_t *object;
                size_t max;
        } cases[] = {{object, 8}, {object, 20}, {broken, 4096}};
        for (size_t i = 0; i < GW_COUNT(cases); i++) {
                struct gw_buf out = GW_BUF_INIT(cases[i].max);
                gw_buf_str(&out, "before");
                gw_frame_put(&out, cases[i].object);
                assert_false(gw_buf_ok(&out));
                assert_string_equal(out.data, "before");
                assert_int_equal(out.len, 6);
                gw_buf_done(&out);
        }
        json_decref(broken);
        json_decref(object);
}

static void puts_nothing_too_long(void **state)
{
        (void)state;
        gw_autofree char *text = malloc(GW_FRAME_MAX);
        assert_non_null(text);
        memset(text, 'x', GW_FRAME_MAX);
        const size_t around = strlen("{\"a\":\"\"}");
        for (size_t over = 0; over < 2; over++) {
                struct gw_buf out = GW_BUF_INIT(2 * (size_t)GW_FRAME_MAX);
                json_t *object = json_object();
                json_object_set_new(object, "a",
                                    json_stringn_nocheck(text, GW_FRAME_MAX - around + over));
                gw_frame_put(&out, object);
                assert_int_equal(gw_buf_ok(&out), over == 0);
                assert_int_equal(out.len, over ? 0 : GW_FRAME_HEAD + GW_FRAME_MAX);
                json_decref(object);
                gw_buf_done(&out);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(in_pieces_of_any_size),
                cmocka_unit_test(many_in_one_piece),
                cmocka_unit_test(refuses_texts_that_are_no_object),
                cmocka_unit_test(refuses_a_nul_byte),
                cmocka_unit_test(refuses_deep_nesting),
                cmocka_unit_test(refuses_lengths),
                cmocka_unit_test(reserves_nothing_for_a_length),
                cmocka_unit_test(takes_the_largest),
                cmocka_unit_test(says_when_there_is_no_room),
                cmocka_unit_test(puts_what_is_read),
                cmocka_unit_test(puts_all_or_nothing),
                cmocka_unit_test(puts_nothing_too_long),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
