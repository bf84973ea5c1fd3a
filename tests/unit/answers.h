/*
 * For programs that answer tests in Python: one JSON object a line in, one a line out, and work
 * that comes home to a mailbox meanwhile. One thread.
 */
#ifndef GW_TESTS_UNIT_ANSWERS_H
#define GW_TESTS_UNIT_ANSWERS_H

#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "server/base/mailbox.h"

/* Writes a line; the object is taken over. */
static inline void say(json_t *object)
{
        char *text = json_dumps(object, JSON_COMPACT);
        printf("%s\n", text ? text : "{}");
        fflush(stdout);
        free(text);
        json_decref(object);
}

static inline const char *text_of(const json_t *object, const char *name)
{
        return json_string_value(json_object_get(object, name));
}

static inline int64_t number_of(const json_t *object, const char *name, int64_t otherwise)
{
        const json_t *value = json_object_get(object, name);
        return value ? json_integer_value(value) : otherwise;
}

static inline bool flag_of(const json_t *object, const char *name)
{
        return json_is_true(json_object_get(object, name));
}

static inline void take_home(struct gw_mailbox *home)
{
        for (struct gw_work *work = gw_mailbox_take(home), *next; work; work = next) {
                next = work->next;
                work->done(work);
        }
}

/* Reads a line; false at the end of the input. *ret is its object, the caller's. A line is written
 * whole by the tests, so that it is there when its first byte is. */
static inline bool read_line(json_t **ret)
{
        char *line = NULL;
        size_t size = 0;
        setvbuf(stdin, NULL, _IONBF, 0);
        bool more = getline(&line, &size, stdin) > 0;
        *ret = more ? json_loads(line, 0, NULL) : NULL;
        free(line);
        return more;
}

/* Waits for a line, where there are more, for what comes home, or for the time (-1: for ever).
 * Returns whether there are more lines; *ret is one's object, the caller's, or NULL. */
static inline bool wait_for_line(struct gw_mailbox *home, bool more, int timeout_ms, json_t **ret)
{
        struct pollfd polls[] = {{.fd = more ? STDIN_FILENO : -1, .events = POLLIN},
                                 {.fd = home->fd, .events = POLLIN}};
        *ret = NULL;
        (void)poll(polls, 2, timeout_ms);
        take_home(home);
        return polls[0].revents ? read_line(ret) : more;
}

#endif
